// SPDX-License-Identifier: Apache-2.0

use std::cell::RefCell;

use super::*;
use crate::message::{MessagePriority, MessageStatus};

fn range(from: i64, to: i64) -> SeqRange {
    SeqRange { from: Seq::parse(from).unwrap(), to: Seq::parse(to).unwrap() }
}

fn message((conversation, seq): (i64, i64)) -> Message {
    Message {
        message_id: String::new(),
        conversation_id: conversation.to_string(),
        seq,
        sender: String::new(),
        nick_name: String::new(),
        face_url: String::new(),
        user_id: None,
        group_id: None,
        timestamp_ms: 0,
        status: MessageStatus::Sent,
        is_self: false,
        is_read: false,
        is_peer_read: false,
        elements: Vec::new(),
        cloud_custom_data: Vec::new(),
        priority: MessagePriority::Normal,
        is_excluded_from_unread_count: false,
        failure: None,
    }
}

/// The places in some ranges: conversation and sequence.
fn places(stretches: &[Stretch]) -> Vec<(i64, i64)> {
    let places = stretches.iter().flat_map(|(row, range)| (range.from.get()..=range.to.get()).map(|seq| (row.0, seq)));
    places.collect()
}

/// Tells of everything; what a reading fails at is said by its places. Gives what was told, and what was given back.
fn told(waiting: &[Stretch], failure: impl Fn((i64, i64)) -> Option<Unread>) -> (Vec<(i64, i64)>, Vec<Stretch>) {
    let told = RefCell::new(Vec::new());
    let read = |stretches: &[Stretch]| {
        let mut page = places(stretches);
        assert!(page.len() <= PAGE_MAX || stretches.len() == 1, "several are read together where they are a page");
        page.truncate(PAGE_MAX);
        match page.iter().find_map(|place| failure(*place)) {
            Some(failure) => Err(failure),
            None => Ok(page.into_iter().map(message).collect()),
        }
    };
    let tell = |messages: Vec<Message>| {
        assert!(messages.len() <= PAGE_MAX);
        let place = |message: &Message| (message.conversation_id.parse().unwrap(), message.seq);
        told.borrow_mut().extend(messages.iter().map(place));
    };
    let rest = tell_all(waiting.iter().copied().collect(), read, tell);
    (told.into_inner(), rest)
}

/// Two messages of each of many conversations, and many of one.
fn many() -> Vec<Stretch> {
    let mut waiting = Vec::new();
    for conversation in 1..=300 {
        let wide = if conversation == 200 { 250 } else { 1 };
        waiting.push((ConversationRow(conversation), range(1, wide)));
        waiting.push((ConversationRow(conversation), range(300, 300)));
    }
    waiting
}

#[test]
fn messages_of_many_conversations_are_told_once_and_in_their_order() {
    let waiting = many();
    assert_eq!(told(&waiting, |_| None), (places(&waiting), Vec::new()));
}

#[test]
fn what_cannot_be_read_now_holds_up_its_own_conversation_alone() {
    let waiting = many();
    for (bad, given_back) in [
        ((120, 1), vec![(120, range(1, 1)), (120, range(300, 300))]),
        ((120, 300), vec![(120, range(300, 300))]),
        ((200, 150), vec![(200, range(101, 250)), (200, range(300, 300))]),
        ((300, 300), vec![(300, range(300, 300))]),
    ] {
        let given_back: Vec<Stretch> =
            given_back.into_iter().map(|(row, range)| (ConversationRow(row), range)).collect();
        let mut expected = places(&waiting);
        let held = places(&given_back);
        expected.retain(|place| !held.contains(place));
        assert_eq!(told(&waiting, |place| (place == bad).then_some(Unread::Now)), (expected, given_back));
    }
}

#[test]
fn what_can_never_be_read_is_passed_over_alone() {
    let waiting = many();
    for (bad, lost) in [((120, 1), range(1, 1)), ((200, 150), range(101, 200))] {
        let mut expected = places(&waiting);
        let lost = places(&[(ConversationRow(bad.0), lost)]);
        expected.retain(|place| !lost.contains(place));
        assert_eq!(told(&waiting, |place| (place == bad).then_some(Unread::Ever)), (expected, Vec::new()));
    }
}
