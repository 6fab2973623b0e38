// SPDX-License-Identifier: Apache-2.0
//! What apps see of conversations.

use crate::message::Message;

/// A conversation as the list shows it.
#[derive(Debug, Clone, PartialEq, uniffi::Record)]
pub struct Conversation {
    /// `c2c_<userID>` or `group_<groupID>`.
    pub conversation_id: String,
    /// Which kind it is.
    pub conversation_type: ConversationType,
    /// The other user of a one-to-one conversation.
    pub user_id: Option<String>,
    /// The group of a group conversation.
    pub group_id: Option<String>,
    /// The group's type, such as `Work`.
    pub group_type: Option<String>,
    /// What to call it: the group's name or the other user's nickname; the id where there is none.
    pub show_name: String,
    /// The address of its picture; empty where there is none.
    pub face_url: String,
    /// How many messages are unread.
    pub unread_count: i64,
    /// The last message, those not sent among them.
    pub last_message: Option<Message>,
    /// The draft; nothing where there is none. It is on this device only.
    pub draft_text: Option<String>,
    /// When the draft was set, in milliseconds since 1970; 0 where there is none.
    pub draft_timestamp_ms: i64,
    /// Where it stands in the list, highest first; equal ones are ordered by their ids. It rises and is no time.
    pub order_key: i64,
    /// The server's time of the last message on this device that the user has read of a one-to-one conversation, in
    /// milliseconds since 1970; 0 where none is.
    pub c2c_read_timestamp_ms: i64,
    /// Up to and with which sequence the user has read a group conversation.
    pub group_read_sequence: i64,
}

/// The kinds of conversations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, uniffi::Enum)]
pub enum ConversationType {
    /// With one other user.
    C2c = 1,
    /// With the members of a group.
    Group = 2,
}

/// A page of the list.
#[derive(Debug, Clone, PartialEq, uniffi::Record)]
pub struct ConversationPage {
    /// The conversations, in the order of the list.
    pub conversations: Vec<Conversation>,
    /// What the next page is asked for with; nothing after the last.
    pub next_cursor: Option<String>,
}
