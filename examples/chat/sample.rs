// SPDX-License-Identifier: Apache-2.0
//! Messages and conversations to test with. Alice sits at the terminal and talks with Bob.

use hongyan::conversation::{Conversation, ConversationType};
use hongyan::message::{Element, Message, MessagePriority, MessageStatus};

/// When the tests take place.
pub const NOW_MS: i64 = 1_800_000_000_000;

/// A message of Bob, named after its sequence.
pub fn theirs(seq: i64, text: &str) -> Message {
    Message {
        message_id: seq.to_string(),
        conversation_id: "c2c_bob".into(),
        seq,
        sender: "bob".into(),
        nick_name: String::new(),
        face_url: String::new(),
        user_id: Some("bob".into()),
        group_id: None,
        timestamp_ms: NOW_MS,
        status: MessageStatus::Sent,
        is_self: false,
        is_read: true,
        is_peer_read: false,
        elements: vec![Element::Text { text: text.into() }],
        cloud_custom_data: Vec::new(),
        priority: MessagePriority::Default,
        is_excluded_from_unread_count: false,
        failure: None,
    }
}

/// A message of Alice that arrived, named after its sequence.
pub fn mine(seq: i64, text: &str) -> Message {
    Message { sender: "alice".into(), is_self: true, ..theirs(seq, text) }
}

/// A message of Alice on its way.
pub fn sending(message_id: &str, text: &str) -> Message {
    Message { message_id: message_id.into(), status: MessageStatus::Sending, ..mine(0, text) }
}

/// A conversation with another user.
pub fn conversation(user_id: &str, order_key: i64, unread_count: i64) -> Conversation {
    Conversation {
        conversation_id: format!("c2c_{user_id}"),
        conversation_type: ConversationType::C2c,
        user_id: Some(user_id.into()),
        group_id: None,
        group_type: None,
        show_name: user_id.into(),
        face_url: String::new(),
        unread_count,
        last_message: None,
        draft_text: None,
        draft_timestamp_ms: 0,
        order_key,
        c2c_read_timestamp_ms: 0,
        group_read_sequence: 0,
    }
}
