// SPDX-License-Identifier: Apache-2.0
//! Messages: what they hold, sending them, and reading a conversation's log.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use crate::bytes::Base64Bytes;
use crate::frame::{Call, Event};
use crate::ids::{ChangeSeq, GroupId, LogId, LogKey, MessageId, Seq, SeqRange, UserId};

/// One part of a message.
#[derive(Debug, Clone, PartialEq)]
pub enum Element {
    /// Text.
    Text(TextElement),
    /// Bytes that only the app understands.
    Custom(CustomElement),
    /// What happened in a group. Only servers make it.
    GroupTips(GroupTips),
    /// An element newer than this code, by its type or by its fields, kept as it came. Servers refuse it from
    /// clients.
    Unknown(Value),
}

/// `{"type":"text","text":"…"}`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextElement {
    /// The text, without NUL.
    pub text: String,
}

/// `{"type":"custom","data":"<base64>","description":"…","extension":"…"}`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CustomElement {
    /// The bytes.
    pub data: Base64Bytes,
    /// The text of a push notice.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// A further field for the app.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub extension: String,
}

/// `{"type":"group_tips","group_id":"…","tips":"invite","operator":"…","members":["…"]}`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupTips {
    /// Where it happened.
    pub group_id: GroupId,
    /// What happened.
    pub tips: GroupTipsType,
    /// Who did it.
    pub operator: UserId,
    /// To whom.
    pub members: Vec<UserId>,
    /// How many members the group has since.
    pub member_count: u32,
}

/// What a group tip tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GroupTipsType {
    /// Members were invited; also the first message of a group, about those who were there from the start.
    Invite,
    /// A member left.
    Quit,
    /// A kind newer than this code.
    #[serde(other)]
    Unknown,
}

impl Element {
    /// The bytes that count against [`crate::limits::MESSAGE_BYTES_MAX`].
    pub fn size(&self) -> usize {
        match self {
            Self::Text(text) => text.text.len(),
            Self::Custom(custom) => custom.data.0.len() + custom.description.len() + custom.extension.len(),
            Self::GroupTips(_) => 0,
            Self::Unknown(value) => value.to_string().len(),
        }
    }
}

impl Serialize for Element {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        #[serde(tag = "type", rename_all = "snake_case")]
        enum Known<'a> {
            Text(&'a TextElement),
            Custom(&'a CustomElement),
            GroupTips(&'a GroupTips),
        }
        match self {
            Self::Text(text) => Known::Text(text).serialize(serializer),
            Self::Custom(custom) => Known::Custom(custom).serialize(serializer),
            Self::GroupTips(tips) => Known::GroupTips(tips).serialize(serializer),
            Self::Unknown(value) => value.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Element {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error;
        let value = Value::deserialize(deserializer)?;
        match value.get("type").and_then(Value::as_str) {
            Some("text") => Ok(known(value, Self::Text)),
            Some("custom") => Ok(known(value, Self::Custom)),
            Some("group_tips") => Ok(known(value, Self::GroupTips)),
            Some(_) => Ok(Self::Unknown(value)),
            None => Err(D::Error::custom("an element has a type")),
        }
    }
}

/// An element of a type that this code knows, unless its fields are newer: the rest of its message is still read.
fn known<T: DeserializeOwned>(value: Value, element: fn(T) -> Element) -> Element {
    match T::deserialize(&value) {
        Ok(fields) => element(fields),
        Err(_) => Element::Unknown(value),
    }
}

/// What a sender writes: the part of a message that its id stands for. The same id with another body is
/// refused.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct MessageBody {
    /// At least one.
    pub elements: Vec<Element>,
    /// Bytes of the app's own beside the elements.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cloud_custom_data: Option<Base64Bytes>,
    /// How urgent it is where messages are dropped under load.
    #[serde(default, skip_serializing_if = "Priority::is_default")]
    pub priority: Priority,
    /// Whether it is left out of unread counts.
    #[serde(default, skip_serializing_if = "is_false")]
    pub is_excluded_from_unread_count: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the form that serde calls")]
fn is_false(value: &bool) -> bool {
    !*value
}

impl MessageBody {
    /// The bytes that count against [`crate::limits::MESSAGE_BYTES_MAX`].
    pub fn size(&self) -> usize {
        self.elements.iter().map(Element::size).sum::<usize>()
            + self.cloud_custom_data.as_ref().map_or(0, |data| data.0.len())
    }
}

/// How urgent a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Priority {
    /// Before all others.
    High,
    /// As usual.
    Normal,
    /// Dropped first.
    Low,
    /// Not said, or one newer than this code.
    #[default]
    #[serde(other)]
    Default,
}

impl Priority {
    fn is_default(&self) -> bool {
        *self == Self::Default
    }
}

/// A stored message, the same for all who see it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// The sender's name for it.
    pub id: MessageId,
    /// Its place in the log.
    pub seq: Seq,
    /// The log's own name.
    pub key: LogKey,
    /// Who sent it.
    pub sender: UserId,
    /// The sender's nickname when it was sent.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub sender_nick: String,
    /// The sender's portrait when it was sent.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub sender_face_url: String,
    /// The server's time; within a log it never falls.
    pub server_ms: i64,
    /// How many messages of the log count as unread, up to and with this one.
    pub counted: i64,
    /// How many of those its sender sent, up to and with this one.
    pub sender_counted: i64,
    /// What the sender wrote.
    #[serde(flatten)]
    pub body: MessageBody,
}

/// `send_message`: stores a message and answers when it is durable. Sending it again with the same id and
/// body changes nothing and gets the first answer; with another body, or by another sender, 70402.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SendMessage {
    /// The sender's name for it, never used before.
    pub id: MessageId,
    /// To whom.
    pub to: Target,
    /// What.
    pub body: MessageBody,
}

impl Call for SendMessage {
    const METHOD: &'static str = "send_message";
    type Reply = SentMessage;
}

/// Whom a request speaks of: `{"user":"bob"}` or `{"group":"…"}`, always seen from the session's own user.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// The conversation with a user.
    User(UserId),
    /// The conversation of a group.
    Group(GroupId),
}

/// What a server made of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SentMessage {
    /// The log it went to.
    pub log: LogId,
    /// Its place there.
    pub seq: Seq,
    /// The server's time for it.
    pub server_ms: i64,
    /// As in [`Message::counted`].
    pub counted: i64,
    /// As in [`Message::sender_counted`].
    pub sender_counted: i64,
}

/// Event: a message was stored in a log that this session's user sees.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NewMessage {
    /// The log.
    pub log: LogId,
    /// The message.
    pub message: Message,
}

impl Event for NewMessage {
    const NAME: &'static str = "message";
}

/// From where and which way a page of a log is read. The bound itself is not part of the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Page {
    /// The messages before a sequence, the nearest of them; before the end where none is named.
    Before(Option<Seq>),
    /// The messages after a sequence, the nearest of them.
    After(Seq),
}

/// `get_messages`: a page of a log. 10007 for a group that the user is not in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GetMessages {
    /// Whose log.
    pub of: Target,
    /// From where.
    pub page: Page,
    /// How many sequences at the most, 1 to 200.
    pub limit: u32,
}

impl Call for GetMessages {
    const METHOD: &'static str = "get_messages";
    type Reply = MessagePage;
}

/// A page of a log as one viewer sees it: each sequence of `covered` is either one of `messages` or lies in
/// `hidden`, never both. What a viewer may not see is hidden, so that the viewer can tell it from a gap.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MessagePage {
    /// The log.
    pub log: LogId,
    /// The sequences that this page speaks for; empty where there was nothing that way.
    pub covered: SeqRange,
    /// Those of them that this viewer may not see, rising, apart from one another.
    pub hidden: Vec<SeqRange>,
    /// The others, rising.
    pub messages: Vec<Message>,
    /// The last sequence that this viewer can see.
    pub max_seq: Seq,
    /// The first sequence that this viewer can see.
    pub visible_from: Seq,
}

/// `get_changes`: what happened to a conversation beside its messages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GetChanges {
    /// Whose.
    pub of: Target,
    /// The last change that the client knows.
    pub after: ChangeSeq,
    /// How many at the most, 1 to 500.
    pub limit: u32,
}

impl Call for GetChanges {
    const METHOD: &'static str = "get_changes";
    type Reply = ChangePage;
}

/// Changes that follow one another without a gap.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangePage {
    /// The log.
    pub log: LogId,
    /// Rising, each one more than the one before.
    pub changes: Vec<Change>,
    /// The log's last change.
    pub change_seq: ChangeSeq,
}

/// One thing that happened to a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Its place among them.
    pub change_seq: ChangeSeq,
    /// The server's time.
    pub server_ms: i64,
    /// What happened.
    #[serde(flatten)]
    pub kind: ChangeKind,
}

/// What can happen to a conversation. Kinds newer than this code are passed over, their place is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ChangeKind {
    /// A user of a one-to-one conversation has read up to a sequence.
    Read {
        /// Who.
        user: UserId,
        /// Up to and with this message.
        seq: Seq,
        /// The server's time of that message.
        seq_ms: i64,
    },
    /// A kind newer than this code.
    #[serde(other)]
    Unknown,
}

/// Event: something happened to a conversation that this session's user sees.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewChange {
    /// The log.
    pub log: LogId,
    /// The log's own name.
    pub key: LogKey,
    /// What happened.
    pub change: Change,
}

impl Event for NewChange {
    const NAME: &'static str = "change";
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_newer_in_a_body_leaves_the_rest_of_it_readable() {
        let elements = json!([
            {"type": "text", "text": "one"},
            {"type": "text", "text": {"runs": []}},
            {"type": "custom", "data": 5},
            {"type": "group_tips", "tips": "invite"},
            {"type": "hologram"},
        ]);
        let body: MessageBody =
            serde_json::from_value(json!({"elements": elements, "priority": "immediate"})).expect("it is readable");
        assert_eq!(body.priority, Priority::Default);
        assert_eq!(body.elements[0], Element::Text(TextElement { text: "one".to_owned() }));
        for (element, text) in body.elements.iter().zip(elements.as_array().expect("a list")).skip(1) {
            assert_eq!(element, &Element::Unknown(text.clone()));
        }
    }

    #[test]
    fn a_priority_keeps_its_name() {
        for (priority, name) in [(Priority::Default, "default"), (Priority::High, "high"), (Priority::Low, "low")] {
            assert_eq!(serde_json::to_value(priority).expect("it is text"), json!(name));
            assert_eq!(serde_json::from_value::<Priority>(json!(name)).expect("it is known"), priority);
        }
    }
}
