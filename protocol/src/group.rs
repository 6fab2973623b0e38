// SPDX-License-Identifier: Apache-2.0
//! Groups: making them and who is in them.

use serde::{Deserialize, Serialize};

use crate::account::Done;
use crate::frame::Call;
use crate::ids::{GroupId, LogId, UserId};

/// The kinds of group. What differs between them is a row of the server's policy table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum GroupType {
    /// Colleagues and friends: by invitation of any member, everyone equal beside the owner.
    Work,
}

impl GroupType {
    /// Its name on the wire and in the store.
    pub fn name(self) -> &'static str {
        match self {
            Self::Work => "Work",
        }
    }
}

/// What a conversation list shows of a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupProfile {
    /// The group.
    pub group_id: GroupId,
    /// Its kind, as the server names it: a kind newer than this code must not hide the group.
    pub group_type: String,
    /// Its name; empty where none was given.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The address of its picture; empty where none was given.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub face_url: String,
}

/// `create_group`: the caller becomes the owner. 10021 where the id is taken, 10025 where the caller
/// owns the group that has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateGroup {
    /// Which kind.
    pub group_type: GroupType,
    /// The id; the server makes one where none is given. One that begins with `@TGS#` is answered 10015.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group_id: Option<GroupId>,
    /// The name, at most 100 bytes.
    #[serde(default)]
    pub name: String,
    /// The address of a picture, at most 500 bytes.
    #[serde(default)]
    pub face_url: String,
    /// Who is in it from the start beside the caller, at most 20. Unknown users: 10019.
    #[serde(default)]
    pub members: Vec<UserId>,
}

impl Call for CreateGroup {
    const METHOD: &'static str = "create_group";
    type Reply = CreatedGroup;
}

/// A group that was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreatedGroup {
    /// Its id.
    pub group_id: GroupId,
    /// Its log.
    pub log: LogId,
}

/// `invite_to_group`: adds members, at most 20. They see the group from the tip about their coming on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InviteToGroup {
    /// To which group.
    pub group_id: GroupId,
    /// Whom.
    pub users: Vec<UserId>,
}

impl Call for InviteToGroup {
    const METHOD: &'static str = "invite_to_group";
    type Reply = MemberResults;
}

/// What became of each user that a call named.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberResults {
    /// In the order of the call.
    pub results: Vec<MemberResult>,
}

/// What became of one user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberResult {
    /// Whom.
    pub user_id: UserId,
    /// How it went.
    pub outcome: MemberOutcome,
}

/// How it went for one user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MemberOutcome {
    /// No such user.
    Failed,
    /// Done.
    Ok,
    /// Was a member already.
    AlreadyMember,
    /// Waits for somebody's approval.
    Pending,
    /// The group, or the user's number of groups, is full.
    Full,
}

/// `quit_group`: leaves a group. The owner of a Work group may leave; the group stays without one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuitGroup {
    /// Which.
    pub group_id: GroupId,
}

impl Call for QuitGroup {
    const METHOD: &'static str = "quit_group";
    type Reply = Done;
}
