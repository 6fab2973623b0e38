// SPDX-License-Identifier: Apache-2.0
//! What apps do with groups.

use std::sync::Arc;

use hongyan_protocol::codes::Code;
use hongyan_protocol::group::{CreateGroup, GroupType, InviteToGroup, QuitGroup};
use hongyan_protocol::ids::{GroupId, UserId};
use hongyan_protocol::limits::{GROUP_INVITEES_MAX, GROUP_NAME_BYTES_MAX, PROFILE_FIELD_BYTES_MAX};

use crate::client::core::Core;
use crate::connection::handle::CALL_DEADLINE;
use crate::error::ImError;
use crate::group::types::{CreateGroupOption, GroupMemberOperationResult};
use crate::runtime;

/// The user's groups. All of it needs a connection: 9508 without one, 6012 at the deadline, 6014 when not logged in.
#[derive(uniffi::Object)]
pub struct GroupManager {
    core: Arc<Core>,
}

impl std::fmt::Debug for GroupManager {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GroupManager").finish_non_exhaustive()
    }
}

impl GroupManager {
    pub(crate) fn new(core: Arc<Core>) -> Self {
        Self { core }
    }
}

#[uniffi::export]
impl GroupManager {
    /// Makes a group, with the user as its owner, and gives its id. The group's first message is a tip about its members;
    /// all of them, this device too, hear `on_new_conversation` and, of the tip, `on_recv_new_message`.
    ///
    /// Codes: 6017 for an unknown kind, 7003 for a bad user id, 8501 for a bad group id or one that begins with
    /// `@TGS#`, 8502 for a name of more than 100 bytes, 8505 for a picture's address of more than 500 bytes, 8507 for
    /// more than 20 members; from the server 10019 for users who do not exist, 10021 for an id that is
    /// taken, 10025 for one that the user's own group has.
    pub async fn create_group(&self, option: CreateGroupOption) -> Result<String, ImError> {
        let call = check_new_group(option)?;
        let connection = self.core.context.connection.clone();
        runtime::run(&self.core.context.log, async move {
            Ok(connection.call(&call, CALL_DEADLINE).await?.group_id.to_string())
        })
        .await
    }

    /// Adds users to a group and says of each how it went, in the order of the call. They see the group from the tip about
    /// their coming on; all members hear of the tip as of a message.
    ///
    /// Codes: 7003 for a bad user id, 8501 for a bad group id, 8507 for more than 20 users, 8510 for none; from the server
    /// 10007 where the user is no member, 10010 for no such group.
    pub async fn invite_user_to_group(
        &self,
        group_id: String,
        user_ids: Vec<String>,
    ) -> Result<Vec<GroupMemberOperationResult>, ImError> {
        let group_id = GroupId::parse(group_id)?;
        if user_ids.is_empty() {
            return Err(Code::NOBODY_INVITED.into());
        }
        let call = InviteToGroup { group_id, users: check_members(user_ids)? };
        let connection = self.core.context.connection.clone();
        runtime::run(&self.core.context.log, async move {
            let results = connection.call(&call, CALL_DEADLINE).await?.results;
            Ok(results.into_iter().map(Into::into).collect())
        })
        .await
    }

    /// Leaves a group. The conversation stays on this device with what was read of it; nothing new comes, and sending
    /// answers 10007.
    ///
    /// Codes: 8501 for a bad group id; from the server 10007 where the user is no member, 10010 for no such group.
    pub async fn quit_group(&self, group_id: String) -> Result<(), ImError> {
        let call = QuitGroup { group_id: GroupId::parse(group_id)? };
        let connection = self.core.context.connection.clone();
        runtime::run(&self.core.context.log, async move {
            connection.call(&call, CALL_DEADLINE).await?;
            Ok(())
        })
        .await
    }
}

fn check_new_group(option: CreateGroupOption) -> Result<CreateGroup, ImError> {
    let group_type = match option.group_type.as_str() {
        "Work" => GroupType::Work,
        _ => return Err(ImError::new(Code::INVALID_PARAMETERS, "the only kind of group yet is Work")),
    };
    let group_id = option.group_id.map(GroupId::parse).transpose()?;
    if group_id.as_ref().is_some_and(GroupId::is_reserved) {
        return Err(Code::INVALID_GROUP_ID.into());
    }
    if option.group_name.len() > GROUP_NAME_BYTES_MAX || option.group_name.contains('\0') {
        return Err(Code::INVALID_GROUP_NAME.into());
    }
    if option.face_url.len() > PROFILE_FIELD_BYTES_MAX || option.face_url.contains('\0') {
        return Err(Code::INVALID_GROUP_FACE_URL.into());
    }
    Ok(CreateGroup {
        group_type,
        group_id,
        name: option.group_name,
        face_url: option.face_url,
        members: check_members(option.member_list)?,
    })
}

fn check_members(user_ids: Vec<String>) -> Result<Vec<UserId>, ImError> {
    if user_ids.len() > GROUP_INVITEES_MAX {
        return Err(Code::TOO_MANY_INITIAL_MEMBERS.into());
    }
    Ok(user_ids.into_iter().map(UserId::parse).collect::<Result<_, _>>()?)
}
