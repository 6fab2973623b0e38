// SPDX-License-Identifier: Apache-2.0
//! Messages in a form in which what one device shows can be compared with another's, and with the server's.

use hongyan::message::{Element, Message};
use hongyan_protocol::message;

use super::wire::text_of;

/// What every viewer of a message must agree on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    pub seq: i64,
    pub id: String,
    pub sender: String,
    /// Empty for what is not a text.
    pub text: String,
    pub timestamp_ms: i64,
}

/// A message as a device shows it.
pub fn line(message: &Message) -> Line {
    Line {
        seq: message.seq,
        id: message.message_id.clone(),
        sender: message.sender.clone(),
        text: text(message),
        timestamp_ms: message.timestamp_ms,
    }
}

/// A message as the server holds it.
pub fn stored_line(message: &message::Message) -> Line {
    Line {
        seq: message.seq.get(),
        id: message.id.to_string(),
        sender: message.sender.to_string(),
        text: text_of(&message.body).to_owned(),
        timestamp_ms: message.server_ms,
    }
}

/// The first text of a message; empty where it has none.
pub fn text(message: &Message) -> String {
    match message.elements.first() {
        Some(Element::Text { text }) => text.clone(),
        _ => String::new(),
    }
}

pub fn texts(lines: &[Line]) -> Vec<&str> {
    lines.iter().map(|line| line.text.as_str()).collect()
}

pub fn texts_of(messages: &[Message]) -> Vec<String> {
    messages.iter().map(text).collect()
}

/// Whether lines stand at sequences that rise by one, from the first to the last.
pub fn assert_dense(lines: &[Line]) {
    for pair in lines.windows(2) {
        assert_eq!(pair[1].seq, pair[0].seq + 1, "the log has a gap or a repetition at {pair:?}");
        assert!(pair[0].timestamp_ms <= pair[1].timestamp_ms, "server time fell at {pair:?}");
    }
}

pub fn c2c(user: &str) -> String {
    format!("c2c_{user}")
}

pub fn group(group_id: &str) -> String {
    format!("group_{group_id}")
}
