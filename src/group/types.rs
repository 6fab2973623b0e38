// SPDX-License-Identifier: Apache-2.0
//! What apps see of groups.

use hongyan_protocol::group as wire;

/// A group to be made.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct CreateGroupOption {
    /// The kind of group: `Work`.
    pub group_type: String,
    /// Its id, 1 to 48 bytes of printable ASCII, not beginning with `@TGS#`; the server makes one where none is
    /// given.
    pub group_id: Option<String>,
    /// Its name, at most 100 bytes.
    pub group_name: String,
    /// The address of its picture, at most 500 bytes; empty for none.
    pub face_url: String,
    /// Who is in it from the start beside the user, at most 20.
    pub member_list: Vec<String>,
}

/// What became of one user that a call named.
#[derive(Debug, Clone, PartialEq, Eq, Hash, uniffi::Record)]
pub struct GroupMemberOperationResult {
    /// Whom.
    pub user_id: String,
    /// How it went.
    pub result: GroupMemberResult,
}

/// How a call about a member went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, uniffi::Enum)]
pub enum GroupMemberResult {
    /// It failed: there is no such user.
    Failed = 0,
    /// It is done.
    Ok = 1,
    /// There was nothing to do: the user was a member already.
    Invalid = 2,
    /// It waits for somebody's approval.
    Pending = 3,
    /// The group, or the user's number of groups, is full.
    OverLimit = 4,
}

impl From<wire::MemberResult> for GroupMemberOperationResult {
    fn from(result: wire::MemberResult) -> Self {
        Self {
            user_id: result.user_id.to_string(),
            result: match result.outcome {
                wire::MemberOutcome::Failed => GroupMemberResult::Failed,
                wire::MemberOutcome::Ok => GroupMemberResult::Ok,
                wire::MemberOutcome::AlreadyMember => GroupMemberResult::Invalid,
                wire::MemberOutcome::Pending => GroupMemberResult::Pending,
                wire::MemberOutcome::Full => GroupMemberResult::OverLimit,
            },
        }
    }
}
