// SPDX-License-Identifier: Apache-2.0
//! Conversations as one user has them: positions, membership and unread.

use serde::{Deserialize, Serialize};

use crate::account::Profile;
use crate::frame::{Call, Event};
use crate::group::GroupProfile;
use crate::ids::{ChangeSeq, LogId, LogKey, Seq, Version};
use crate::message::{Message, Target};

/// One user's own row of a conversation. Unread is computed from it and the log's head, see [`unread`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConversationState {
    /// The log.
    pub log: LogId,
    /// The log's own name.
    pub key: LogKey,
    /// The version of the user's stream at which this row last changed.
    pub version: Version,
    /// The first sequence that the user may see.
    pub visible_from: Seq,
    /// The last sequence that the user may see; nothing while the user is in the conversation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub visible_to: Option<Seq>,
    /// The user has read up to and with this sequence. It never falls.
    pub read_seq: Seq,
    /// [`Message::counted`] at the later of reading and joining.
    pub base_counted: i64,
    /// The user's own counted messages there.
    pub base_own: i64,
    /// The user's own counted messages in all.
    pub own_counted: i64,
}

/// How many messages are unread: those that count since the base, without the user's own.
pub const fn unread(counted: i64, own_counted: i64, base_counted: i64, base_own: i64) -> i64 {
    let unread = (counted - base_counted) - (own_counted - base_own);
    if unread > 0 { unread } else { 0 }
}

/// All that a conversation list needs of one conversation, as one user sees it now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Head {
    /// The user's own row.
    pub state: ConversationState,
    /// The last sequence that the user can see.
    pub max_seq: Seq,
    /// The last change.
    pub change_seq: ChangeSeq,
    /// [`Message::counted`] of the last sequence that the user can see.
    pub counted: i64,
    /// Where the conversation stands in the list, highest first; equal ones are ordered by conversation id.
    pub order_key: i64,
    /// How far the peer of a one-to-one conversation has read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer_read_seq: Option<Seq>,
    /// The last message that the user can see.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_message: Option<Message>,
    /// Of a group conversation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<GroupProfile>,
    /// Of a one-to-one conversation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<Profile>,
}

/// `mark_read`: moves the user's read position forward. An earlier position changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MarkRead {
    /// Which conversations.
    pub of: ReadScope,
    /// Up to where.
    pub up_to: ReadPosition,
}

/// Which conversations a `mark_read` speaks of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReadScope {
    /// One conversation.
    One(Target),
    /// All with one other user.
    AllC2c,
    /// All of groups.
    AllGroups,
    /// All.
    All,
}

/// Up to where a conversation was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReadPosition {
    /// Up to the last message there is. The only one for several conversations.
    End,
    /// Up to and with a sequence; one beyond the last message means the last message.
    Seq(Seq),
    /// Up to and with the last message of this time or before it, turned into a sequence by the server.
    Time {
        /// Server time.
        server_ms: i64,
    },
}

impl Call for MarkRead {
    const METHOD: &'static str = "mark_read";
    type Reply = ConversationStates;
}

/// The rows as they are now. It answers `mark_read` and is an event for all of the user's sessions when own
/// rows change: read, joined, left. An event's rows have versions that follow one another; a client
/// that finds one missing asks with `sync`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConversationStates {
    /// The version of the user's stream before these changes: a client that knows less has missed some.
    pub after: Version,
    /// Rising by version.
    pub states: Vec<ConversationState>,
}

impl Event for ConversationStates {
    const NAME: &'static str = "conversation_states";
}
