// SPDX-License-Identifier: Apache-2.0
//! What apps see of messages.

use hongyan_protocol::bytes::Base64Bytes;
use hongyan_protocol::codes::Code;
use hongyan_protocol::ids::MessageId;
use hongyan_protocol::limits::{MESSAGE_BYTES_MAX, MESSAGE_ELEMENTS_MAX};
use hongyan_protocol::message as wire;
use serde_json::Value;

use crate::error::ImError;

/// A message of a conversation, as it is stored on this device.
#[derive(Debug, Clone, PartialEq, uniffi::Record)]
pub struct Message {
    /// Names the message, from the moment it is made; a UUID.
    pub message_id: String,
    /// The conversation: `c2c_<userID>` or `group_<groupID>`.
    pub conversation_id: String,
    /// Its place in the conversation, rising by one from 1, the same on all devices; 0 until the server has it.
    pub seq: i64,
    /// Who sent it.
    pub sender: String,
    /// The sender's nickname when it was sent; empty where none was set.
    pub nick_name: String,
    /// The address of the sender's portrait when it was sent; empty where none was set.
    pub face_url: String,
    /// The other user of a one-to-one conversation, whoever of the two sent it.
    pub user_id: Option<String>,
    /// The group of a group conversation.
    pub group_id: Option<String>,
    /// When the server stored it, in milliseconds since 1970; until then when it was made.
    pub timestamp_ms: i64,
    /// How far sending it has come.
    pub status: MessageStatus,
    /// Whether the user sent it, from this device or another.
    pub is_self: bool,
    /// Whether the user has read it, on any device. Own messages count as read.
    pub is_read: bool,
    /// Whether the other user of a one-to-one conversation has read it.
    pub is_peer_read: bool,
    /// Its parts, at least one.
    pub elements: Vec<Element>,
    /// Bytes of the app's own beside the elements; empty where there are none.
    pub cloud_custom_data: Vec<u8>,
    /// How urgent it is.
    pub priority: MessagePriority,
    /// Whether it is left out of unread counts.
    pub is_excluded_from_unread_count: bool,
    /// The code of why sending it failed, of one that failed.
    pub failure: Option<i32>,
}

/// How far sending a message has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, uniffi::Enum)]
pub enum MessageStatus {
    /// It waits on this device, or is on its way.
    Sending = 1,
    /// The server has it.
    Sent = 2,
    /// It will not be sent unless it is sent again.
    Failed = 3,
}

/// How urgent a message is, where messages are dropped under load.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, uniffi::Enum)]
pub enum MessagePriority {
    /// Not said.
    #[default]
    Default,
    /// Before all others.
    High,
    /// As usual.
    Normal,
    /// Dropped first.
    Low,
}

/// One part of a message.
#[derive(Debug, Clone, PartialEq, uniffi::Enum)]
pub enum Element {
    /// Text.
    Text {
        /// The text.
        text: String,
    },
    /// Bytes that only the app understands.
    Custom {
        /// The bytes.
        data: Vec<u8>,
        /// The text of a push notice.
        description: String,
        /// A further field for the app.
        extension: String,
    },
    /// What happened in a group. Only the server makes it.
    GroupTips {
        /// The group.
        group_id: String,
        /// What happened.
        tips: GroupTipsType,
        /// Who did it.
        operator_id: String,
        /// To whom.
        members: Vec<String>,
        /// How many members the group has since.
        member_count: i32,
    },
    /// A kind of element newer than this SDK. It is kept, and an SDK that knows it will show it.
    Unknown {
        /// As it came, in JSON.
        json: String,
    },
}

/// What a group tip tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, uniffi::Enum)]
pub enum GroupTipsType {
    /// Members were invited, or were there from the start.
    Invite,
    /// A member left.
    Quit,
    /// A kind newer than this SDK.
    Unknown,
}

/// A message to be sent. Its fields may be set until it is given to `send_message`; nothing is stored before.
#[derive(Debug, Clone, PartialEq, uniffi::Record)]
pub struct OutgoingMessage {
    /// Names the message; made with it and not to be changed.
    pub message_id: String,
    /// Its parts, 1 to 32, together at most 12 KiB.
    pub elements: Vec<Element>,
    /// Bytes of the app's own beside the elements, which they count with; empty for none.
    pub cloud_custom_data: Vec<u8>,
    /// How urgent it is.
    pub priority: MessagePriority,
    /// Whether it is left out of unread counts.
    pub is_excluded_from_unread_count: bool,
}

/// How far the other user of a one-to-one conversation has read.
#[derive(Debug, Clone, PartialEq, Eq, Hash, uniffi::Record)]
pub struct MessageReceipt {
    /// Who has read.
    pub user_id: String,
    /// In which conversation.
    pub conversation_id: String,
    /// Up to and with the message of this sequence.
    pub seq: i64,
    /// The server's time of that message, in milliseconds since 1970. Where this device was never told it, the time of the
    /// last message up to it that is on this device; 0 without one.
    pub timestamp_ms: i64,
}

/// Which way history is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, uniffi::Enum)]
pub enum HistoryDirection {
    /// From the start of the reading to what was before it; the newest message comes first.
    Older,
    /// From the start of the reading to what came after it; the oldest message comes first.
    Newer,
}

/// Where history is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, uniffi::Enum)]
pub enum HistorySource {
    /// What is on this device, and what is missing there from the server. Where the server cannot be reached, what is on
    /// this device alone: a page then ends before the first message that was never fetched, and the next one goes on
    /// after what is missing.
    Cloud,
    /// What is on this device. Messages that were never fetched are left out without a sign.
    Local,
}

/// What is read of a conversation's history.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct HistoryOption {
    /// Which conversation.
    pub conversation_id: String,
    /// Which way.
    pub direction: HistoryDirection,
    /// Where.
    pub source: HistorySource,
    /// How many messages at the most, 1 to 200. About 20 fill a screen.
    pub count: i32,
    /// The message after which the reading starts; it is not part of the page. It goes before `last_message_seq`.
    pub last_message_id: Option<String>,
    /// The sequence at which the reading starts; it is part of the page. Without it, and without
    /// `last_message_id`, the reading starts at the conversation's end, or, for newer messages, its beginning.
    pub last_message_seq: Option<i64>,
}

/// A page of history.
#[derive(Debug, Clone, PartialEq, uniffi::Record)]
pub struct HistoryPage {
    /// The messages, in the order of the direction.
    pub messages: Vec<Message>,
    /// Whether there is nothing further that way. An empty page is always finished, also where only the server, which
    /// could not be reached, has more.
    pub is_finished: bool,
}

/// What a message must have to be found.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct MessageSearchParam {
    /// What is looked for in texts, and in the descriptions of custom elements: 0 to 5 keywords of at most 512 bytes. It may
    /// be empty only where senders or types are named.
    ///
    /// A keyword is found where its words follow each other, whatever stands between them that is no letter, digit or
    /// emoji. The last word may be the beginning of a longer one: `hel` finds `Hello`, `ell` does not. In Chinese,
    /// Japanese, Korean, Thai and other scripts without blanks, and among emoji, each character is a word, so that any part
    /// of a text is found. Case, width and the accents of Latin, modern Greek and Russian letters make no difference. A
    /// keyword without a letter, digit or emoji is found in no message.
    pub keyword_list: Vec<String>,
    /// Whether one of the keywords is enough.
    pub keyword_list_match_type: KeywordListMatchType,
    /// Users of whom one sent it, 0 to 5; empty for anybody. The user may be among them.
    pub sender_user_id_list: Vec<String>,
    /// Kinds of which it has an element; empty for both.
    pub message_type_list: Vec<MessageType>,
    /// The conversation that it is in: `c2c_<userID>` or `group_<groupID>`; nothing for all.
    pub conversation_id: Option<String>,
    /// The latest time that it may be of, in milliseconds since 1970; 0 for now. The same time for every page of a search
    /// keeps what arrives meanwhile from moving the pages.
    pub search_time_position_ms: i64,
    /// How long before that at the most, in milliseconds; 0 for any time.
    pub search_time_period_ms: i64,
    /// Which page is asked for, the first is 0.
    pub page_index: i32,
    /// How many messages of one conversation, or how many conversations, a page has at the most, 1 to 100.
    pub page_size: i32,
}

/// How many of the keywords a message must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, uniffi::Enum)]
pub enum KeywordListMatchType {
    /// At least one.
    #[default]
    Or,
    /// All of them.
    And,
}

/// A kind of message that can be found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, uniffi::Enum)]
pub enum MessageType {
    /// With a text.
    Text,
    /// With bytes that only the app understands: they are found by their description.
    Custom,
}

/// A page of what was found.
#[derive(Debug, Clone, PartialEq, uniffi::Record)]
pub struct MessageSearchResult {
    /// How much was found on all pages: the messages of the conversation that was asked for, or the conversations that
    /// have some.
    pub total_count: i32,
    /// The conversation that was asked for, or those of this page: the one with the newest message comes first. Empty
    /// where nothing was found, and after the last page.
    pub message_search_result_items: Vec<MessageSearchResultItem>,
}

/// What was found in one conversation.
#[derive(Debug, Clone, PartialEq, uniffi::Record)]
pub struct MessageSearchResultItem {
    /// The conversation.
    pub conversation_id: String,
    /// How many messages were found in it, on all pages.
    pub message_count: i32,
    /// Of the conversation that was asked for the messages of this page, newest first. Of all conversations, the message
    /// where exactly one was found, and nothing where there are more: ask for that conversation then.
    pub message_list: Vec<Message>,
}

impl From<MessagePriority> for wire::Priority {
    fn from(priority: MessagePriority) -> Self {
        match priority {
            MessagePriority::Default => Self::Default,
            MessagePriority::High => Self::High,
            MessagePriority::Normal => Self::Normal,
            MessagePriority::Low => Self::Low,
        }
    }
}

impl From<wire::Priority> for MessagePriority {
    fn from(priority: wire::Priority) -> Self {
        match priority {
            wire::Priority::Default => Self::Default,
            wire::Priority::High => Self::High,
            wire::Priority::Normal => Self::Normal,
            wire::Priority::Low => Self::Low,
        }
    }
}

impl From<wire::Element> for Element {
    fn from(element: wire::Element) -> Self {
        match element {
            wire::Element::Text(text) => Self::Text { text: text.text },
            wire::Element::Custom(custom) => {
                Self::Custom { data: custom.data.0, description: custom.description, extension: custom.extension }
            }
            wire::Element::GroupTips(tips) => Self::GroupTips {
                group_id: tips.group_id.to_string(),
                tips: match tips.tips {
                    wire::GroupTipsType::Invite => GroupTipsType::Invite,
                    wire::GroupTipsType::Quit => GroupTipsType::Quit,
                    wire::GroupTipsType::Unknown => GroupTipsType::Unknown,
                },
                operator_id: tips.operator.to_string(),
                members: tips.members.iter().map(ToString::to_string).collect(),
                member_count: i32::try_from(tips.member_count).unwrap_or(i32::MAX),
            },
            wire::Element::Unknown(value) => Self::Unknown { json: value.to_string() },
        }
    }
}

impl Element {
    /// The element as it is sent. Only the server makes tips, and what this SDK does not know it does not send.
    fn into_wire(self) -> Result<wire::Element, ImError> {
        match self {
            Self::Text { text } => {
                check_text(&text)?;
                Ok(wire::Element::Text(wire::TextElement { text }))
            }
            Self::Custom { data, description, extension } => {
                check_text(&description)?;
                check_text(&extension)?;
                Ok(wire::Element::Custom(wire::CustomElement { data: Base64Bytes(data), description, extension }))
            }
            Self::GroupTips { .. } | Self::Unknown { .. } => {
                Err(ImError::new(Code::INVALID_ELEMENT, "an app sends text and custom elements"))
            }
        }
    }
}

fn check_text(text: &str) -> Result<(), ImError> {
    if text.contains('\0') { Err(ImError::new(Code::INVALID_ELEMENT, "text without NUL")) } else { Ok(()) }
}

impl OutgoingMessage {
    pub(crate) fn with(element: Element) -> Result<Self, ImError> {
        let message = Self {
            message_id: MessageId::generate().to_string(),
            elements: vec![element],
            cloud_custom_data: Vec::new(),
            priority: MessagePriority::Default,
            is_excluded_from_unread_count: false,
        };
        message.clone().into_wire()?;
        Ok(message)
    }

    /// The message as it is sent, once it is known to be one that a server accepts.
    pub(crate) fn into_wire(self) -> Result<(MessageId, wire::MessageBody), ImError> {
        let id =
            MessageId::parse(&self.message_id).map_err(|error| ImError::new(Code::INVALID_PARAMETERS, error.what))?;
        if self.elements.is_empty() || self.elements.len() > MESSAGE_ELEMENTS_MAX {
            return Err(ImError::new(
                Code::INVALID_PARAMETERS,
                format!("a message has 1 to {MESSAGE_ELEMENTS_MAX} elements"),
            ));
        }
        let has_data = !self.cloud_custom_data.is_empty();
        let body = wire::MessageBody {
            elements: self.elements.into_iter().map(Element::into_wire).collect::<Result<_, _>>()?,
            cloud_custom_data: has_data.then_some(Base64Bytes(self.cloud_custom_data)),
            priority: self.priority.into(),
            is_excluded_from_unread_count: self.is_excluded_from_unread_count,
        };
        if body.size() > MESSAGE_BYTES_MAX {
            return Err(Code::MESSAGE_TOO_LONG.into());
        }
        Ok((id, body))
    }
}

/// Reads a stored body; one that cannot be read is shown as a single unknown element.
pub(super) fn read_body(text: &str) -> wire::MessageBody {
    serde_json::from_str(text).unwrap_or_else(|_| {
        let whole = serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()));
        wire::MessageBody { elements: vec![wire::Element::Unknown(whole)], ..wire::MessageBody::default() }
    })
}
