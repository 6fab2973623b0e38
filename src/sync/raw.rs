// SPDX-License-Identifier: Apache-2.0
//! Replies and events together with their text as it came: what is stored of a message is that text, so that
//! parts of it that this version cannot read are there for the next one.
//!
//! A newer server must not bring an older client to a stop: a message whose body cannot be read keeps its place, a
//! head that cannot be read is one conversation that waits for a newer version, not all of them.

use hongyan_protocol::conversation::Head;
use hongyan_protocol::frame::Call;
use hongyan_protocol::ids::{LogId, LogKey, MessageId, Seq, SeqRange, UserId};
use hongyan_protocol::json::reason;
use hongyan_protocol::message::{Element, GetMessages, Message, MessageBody};
use hongyan_protocol::sync::{Sync, SyncPage};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use serde_json::value::RawValue;

/// A message and its text.
#[derive(Debug, Clone)]
pub(crate) struct RawMessage {
    pub(crate) message: Message,
    pub(crate) text: String,
}

/// A message without what its sender wrote: as much as its place in the log needs.
#[derive(Deserialize)]
struct Envelope {
    id: MessageId,
    seq: Seq,
    key: LogKey,
    sender: UserId,
    #[serde(default)]
    sender_nick: String,
    #[serde(default)]
    sender_face_url: String,
    server_ms: i64,
    counted: i64,
    sender_counted: i64,
}

impl RawMessage {
    fn read(text: &str) -> Result<Self, serde_json::Error> {
        let message = match serde_json::from_str(text) {
            Ok(message) => message,
            Err(error) => {
                let message = read_envelope(text)?;
                let (id, seq, error) = (&message.id, message.seq, reason(&error));
                tracing::warn!(message.id = %id, %seq, error, "a message's body cannot be read");
                message
            }
        };
        Ok(Self { message, text: text.to_owned() })
    }
}

fn read_envelope(text: &str) -> Result<Message, serde_json::Error> {
    let Envelope { id, seq, key, sender, sender_nick, sender_face_url, server_ms, counted, sender_counted } =
        serde_json::from_str(text)?;
    let body = MessageBody { elements: vec![Element::Unknown(serde_json::from_str(text)?)], ..MessageBody::default() };
    Ok(Message { id, seq, key, sender, sender_nick, sender_face_url, server_ms, counted, sender_counted, body })
}

impl Serialize for RawMessage {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.message.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for RawMessage {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Box::<RawValue>::deserialize(deserializer)?;
        Self::read(text.get()).map_err(D::Error::custom)
    }
}

/// The event of a new message, with its text.
#[derive(Debug, Deserialize)]
pub(crate) struct RawNewMessage {
    pub(crate) log: LogId,
    pub(crate) message: RawMessage,
}

/// A `get_messages` whose messages are wanted with their text.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct GetRawMessages(pub(crate) GetMessages);

impl Call for GetRawMessages {
    const METHOD: &'static str = GetMessages::METHOD;
    type Reply = RawPage;
}

/// A page of a log as this user sees it: each sequence of `covered` is either one of `messages` or hidden.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct RawPage {
    pub(crate) log: LogId,
    pub(crate) covered: SeqRange,
    pub(crate) hidden: Vec<SeqRange>,
    pub(crate) messages: Vec<RawMessage>,
    pub(crate) max_seq: Seq,
    pub(crate) visible_from: Seq,
}

impl RawPage {
    /// Whether it says of each sequence that it covers what is there, and of no other.
    pub(crate) fn is_whole(&self) -> bool {
        let Self { covered, hidden, messages, .. } = self;
        let mut spoken: i64 = 0;
        for range in hidden {
            let is_inside = covered.from <= range.from && range.to <= covered.to;
            if range.is_empty() || !is_inside || messages.iter().any(|raw| range.contains(raw.message.seq)) {
                return false;
            }
            spoken = spoken.saturating_add(range.count());
        }
        let is_rising = messages.windows(2).all(|pair| matches!(pair, [a, b] if a.message.seq < b.message.seq));
        let is_inside = messages.iter().all(|raw| covered.contains(raw.message.seq));
        let messages_count = i64::try_from(messages.len()).unwrap_or(i64::MAX);
        is_rising && is_inside && spoken.saturating_add(messages_count) == covered.count()
    }
}

/// A `sync` whose heads are read one by one.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct SyncByHead(pub(crate) Sync);

impl Call for SyncByHead {
    const METHOD: &'static str = Sync::METHOD;
    type Reply = SyncPage<Box<RawValue>>;
}

/// A head and its last message.
pub(crate) type RawHead = (Head, Option<RawMessage>);

/// Takes a page of heads apart: the page without its heads, and those that can be read with their last messages.
pub(crate) fn heads_of(page: SyncPage<Box<RawValue>>) -> (SyncPage, Vec<RawHead>) {
    let SyncPage { server_ms, is_behind_client, heads, next, version, profile } = page;
    let read = |text: &RawValue| {
        head_of(text)
            .inspect_err(|error| {
                tracing::warn!(error = reason(error), "a conversation is left out: its head is unreadable");
            })
            .ok()
    };
    let heads = heads.iter().filter_map(|text| read(text)).collect();
    (SyncPage { server_ms, is_behind_client, heads: Vec::new(), next, version, profile }, heads)
}

fn head_of(text: &RawValue) -> Result<RawHead, serde_json::Error> {
    #[derive(Deserialize)]
    struct Last {
        #[serde(default)]
        last_message: Option<RawMessage>,
    }
    let Last { last_message } = serde_json::from_str(text.get())?;
    let mut head: Value = serde_json::from_str(text.get())?;
    // It was read above, as far as it can be; here it could only fail.
    if let Some(fields) = head.as_object_mut() {
        fields.remove("last_message");
    }
    Ok((serde_json::from_value(head)?, last_message))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn message(seq: i64, elements: &Value) -> Value {
        json!({
            "id": MessageId::generate(), "seq": seq, "key": {"c2c": ["alice", "bob"]}, "sender": "bob", "server_ms": 7,
            "counted": seq, "sender_counted": seq, "elements": elements,
        })
    }

    fn head(peer: &str) -> Value {
        json!({
            "state": {
                "log": 1, "key": {"c2c": ["alice", peer]}, "version": 1, "visible_from": 1, "read_seq": 0,
                "base_counted": 0, "base_own": 0, "own_counted": 0,
            },
            "max_seq": 1, "change_seq": 0, "counted": 0, "order_key": 1,
            "last_message": message(1, &json!([{"type": "text", "text": "hello", "colour": "red"}])),
        })
    }

    #[test]
    fn a_head_that_cannot_be_read_costs_that_head_alone() {
        let page = json!({
            "server_ms": 5, "is_behind_client": false, "version": 1, "profile": {"user_id": "alice"},
            "heads": [head("bob"), {"state": "of another kind"}, head("carol")],
        });
        let page: SyncPage<Box<RawValue>> = serde_json::from_str(&page.to_string()).unwrap();
        let (page, heads) = heads_of(page);
        assert_eq!(page.server_ms, 5);
        assert_eq!(heads.len(), 2);
        let last = heads[0].1.as_ref().unwrap();
        assert_eq!(last.message.seq.get(), 1);
        assert!(last.text.contains("colour"));
    }

    #[test]
    fn a_message_whose_body_cannot_be_read_keeps_its_place() {
        let strange = json!([{"type": "text", "text": {"of": "another kind"}}]);
        let page = json!({
            "log": 1, "covered": {"from": 1, "to": 2}, "hidden": [], "max_seq": 2, "visible_from": 1,
            "messages": [message(1, &strange), message(2, &json!([{"type": "text", "text": "hello"}]))],
        });
        let page: RawPage = serde_json::from_str(&page.to_string()).unwrap();
        assert!(page.is_whole());
        assert!(matches!(&page.messages[0].message.body.elements[..], [Element::Unknown(_)]));
        assert!(page.messages[0].text.contains("another kind"));
        assert!(matches!(&page.messages[1].message.body.elements[..], [Element::Text(_)]));
    }
}
