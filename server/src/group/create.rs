// SPDX-License-Identifier: Apache-2.0
//! Making a group.

use std::collections::HashMap;

use hongyan_protocol::codes::Code;
use hongyan_protocol::group::{CreateGroup, CreatedGroup, GroupProfile};
use hongyan_protocol::ids::{GroupId, SdkAppId, UserId, Version};
use hongyan_protocol::limits::{GROUP_INVITEES_MAX, GROUP_NAME_BYTES_MAX, PROFILE_FIELD_BYTES_MAX};
use hongyan_protocol::message::GroupTipsType;
use rand::Rng;

use super::Groups;
use super::queries::{self, NewGroup};
use super::tips::{self, Tip};
use crate::account;
use crate::conversation::{logs, rows};
use crate::error::Error;
use crate::rooms::Caller;
use crate::store::{Connection, Write};

impl Groups {
    pub(crate) async fn create(&self, caller: &Caller, params: CreateGroup) -> Result<CreatedGroup, Error> {
        check(&params)?;
        self.store.write(|write| self.create_in(write, caller, &params)).await
    }

    async fn create_in(&self, mut write: Write, caller: &Caller, params: &CreateGroup) -> Result<CreatedGroup, Error> {
        let app = caller.app;
        let users = members_of(caller, params);
        let member_count = i64::try_from(users.len()).expect("the members of a call are few");
        // Taken under the writer: what waited long for its turn did not happen before that.
        let (now_ms, active_ms) = (self.clock.now_ms(), self.store.sync_time().now_ms());
        let group_id = match params.group_id.clone() {
            Some(group) => claim_id(&mut write, caller, group).await?,
            None => generate_id(&mut write, app).await?,
        };
        let versions = raise_members(&mut write, app, &users).await?;
        let operator = account::queries::get(&mut write, app, &caller.user).await?.profile;
        let log = logs::insert_group(&mut write, app, &group_id, active_ms).await?;
        let profile = GroupProfile {
            group_id: group_id.clone(),
            group_type: params.group_type.name().to_owned(),
            name: params.name.clone(),
            face_url: params.face_url.clone(),
        };
        let owner = &caller.user;
        let group = NewGroup { app, profile: &profile, log: log.id, owner, member_count, created_ms: now_ms };
        queries::insert(&mut write, &group).await?;
        let rows = rows::join(&mut write, &log, &versions).await?;
        let tip = Tip {
            group: &group_id,
            tips: GroupTipsType::Invite,
            operator,
            operator_own: 0,
            members: users.clone(),
            member_count,
        };
        let (log, tip) = tips::append(&mut write, log, tip, now_ms, active_ms).await?;
        let mut hints: Vec<_> = tips::row_hints(app, &log.key, rows).collect();
        hints.push(tips::tip_hint(app, users, &tip));
        self.commit(write, hints).await?;
        Ok(CreatedGroup { group_id, log: log.id })
    }
}

fn check(params: &CreateGroup) -> Result<(), Error> {
    if params.name.len() > GROUP_NAME_BYTES_MAX || params.name.contains('\0') {
        return Err(Error::new(Code::BAD_PARAMETER, "a group's name is at most 100 bytes, without NUL"));
    }
    if params.face_url.len() > PROFILE_FIELD_BYTES_MAX || params.face_url.contains('\0') {
        return Err(Error::new(Code::BAD_PARAMETER, "a group's face URL is at most 500 bytes, without NUL"));
    }
    if params.members.len() > GROUP_INVITEES_MAX {
        return Err(Code::GROUP_TOO_MANY_ACCOUNTS.into());
    }
    if params.group_id.as_ref().is_some_and(GroupId::is_reserved) {
        return Err(Error::new(Code::GROUP_ID_NOT_VALID, "ids that begin with @TGS# are made by the server"));
    }
    Ok(())
}

/// Who is in the group from the start: the caller first, everybody once.
fn members_of(caller: &Caller, params: &CreateGroup) -> Vec<UserId> {
    let mut users = vec![caller.user.clone()];
    for user in &params.members {
        if !users.contains(user) {
            users.push(user.clone());
        }
    }
    users
}

async fn claim_id(on: &mut Connection, caller: &Caller, group: GroupId) -> Result<GroupId, Error> {
    match queries::find(on, caller.app, &group).await? {
        None => Ok(group),
        Some(taken) if taken.owner.as_ref() == Some(&caller.user) => Err(Code::GROUP_ID_IN_USE_BY_CALLER.into()),
        Some(_) => Err(Code::GROUP_ID_IN_USE.into()),
    }
}

/// An id that no group of the app has. Its random part is 64 bits; a taken one is drawn again.
async fn generate_id(on: &mut Connection, app: SdkAppId) -> Result<GroupId, Error> {
    loop {
        let number: u64 = rand::rng().random();
        let group = GroupId::parse(format!("{}{number:016X}", GroupId::RESERVED_PREFIX))?;
        if queries::find(on, app, &group).await?.is_none() {
            return Ok(group);
        }
    }
}

/// A version of each member's own stream for their new row. 10019 where one of them has no account.
async fn raise_members(write: &mut Write, app: SdkAppId, users: &[UserId]) -> Result<HashMap<UserId, Version>, Error> {
    let versions = account::queries::raise_versions(write, app, users, 1).await?;
    if versions.len() == users.len() { Ok(versions) } else { Err(Code::GROUP_ACCOUNT_NOT_FOUND.into()) }
}
