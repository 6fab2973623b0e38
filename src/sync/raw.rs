// SPDX-License-Identifier: Apache-2.0
//! Replies and events together with their text as it came: what is stored of a message is that text, so that
//! parts of it that this version cannot read are there for the next one.

use hongyan_protocol::conversation::Head;
use hongyan_protocol::frame::Call;
use hongyan_protocol::message::{Message, MessagePage, NewMessage};
use hongyan_protocol::sync::SyncPage;
use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

/// A value and the text that it was read from.
#[derive(Debug)]
pub(crate) struct Raw<T> {
    pub(crate) value: T,
    text: Box<RawValue>,
}

impl<T> Raw<T> {
    fn parts<'a, P: Deserialize<'a>>(&'a self) -> Result<P, serde_json::Error> {
        serde_json::from_str(self.text.get())
    }
}

impl<T: DeserializeOwned> Raw<T> {
    pub(crate) fn parse(text: Box<RawValue>) -> Result<Self, serde_json::Error> {
        Ok(Self { value: serde_json::from_str(text.get())?, text })
    }
}

impl<T> Serialize for Raw<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.text.serialize(serializer)
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Raw<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(Box::<RawValue>::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

/// A call whose reply is wanted with its text.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct RawCall<C>(pub(crate) C);

impl<C: Call> Call for RawCall<C> {
    const METHOD: &'static str = C::METHOD;
    type Reply = Raw<C::Reply>;
}

/// A message and its text.
#[derive(Debug, Clone)]
pub(crate) struct RawMessage {
    pub(crate) message: Message,
    pub(crate) text: String,
}

impl RawMessage {
    fn of(message: Message, text: &RawValue) -> Self {
        Self { message, text: text.get().to_owned() }
    }
}

/// Takes a page apart: the page without its messages, and these.
pub(crate) fn messages_of(page: Raw<MessagePage>) -> Result<(MessagePage, Vec<RawMessage>), serde_json::Error> {
    #[derive(Deserialize)]
    struct Parts<'a> {
        #[serde(borrow)]
        messages: Vec<&'a RawValue>,
    }
    let Parts { messages: texts } = page.parts()?;
    let messages = page.value.messages.iter().cloned().zip(texts).map(|(m, text)| RawMessage::of(m, text)).collect();
    Ok((MessagePage { messages: Vec::new(), ..page.value }, messages))
}

/// Takes an event apart.
pub(crate) fn message_of(event: Raw<NewMessage>) -> Result<(NewMessage, String), serde_json::Error> {
    #[derive(Deserialize)]
    struct Parts<'a> {
        #[serde(borrow)]
        message: &'a RawValue,
    }
    let text = event.parts::<Parts<'_>>()?.message.get().to_owned();
    Ok((event.value, text))
}

/// A head and its last message.
pub(crate) type RawHead = (Head, Option<RawMessage>);

/// Takes a page of heads apart: the page without its heads, and these with their last messages.
pub(crate) fn heads_of(page: Raw<SyncPage>) -> Result<(SyncPage, Vec<RawHead>), serde_json::Error> {
    #[derive(Deserialize)]
    struct Parts<'a> {
        #[serde(borrow)]
        heads: Vec<HeadParts<'a>>,
    }
    #[derive(Deserialize)]
    struct HeadParts<'a> {
        #[serde(borrow, default)]
        last_message: Option<&'a RawValue>,
    }
    let texts =
        page.parts::<Parts<'_>>()?.heads.into_iter().map(|head| head.last_message.map(|text| text.get().to_owned()));
    let texts: Vec<Option<String>> = texts.collect();
    let SyncPage { server_ms, is_behind_client, heads, next, version, profile } = page.value;
    let heads = heads.into_iter().zip(texts).map(|(mut head, text)| {
        let last = head.last_message.take().zip(text).map(|(message, text)| RawMessage { message, text });
        (head, last)
    });
    let heads = heads.collect();
    Ok((SyncPage { server_ms, is_behind_client, heads: Vec::new(), next, version, profile }, heads))
}
