// SPDX-License-Identifier: Apache-2.0

use hongyan_protocol::ids::Seq;

use super::*;

fn range(from: i64, to: i64) -> SeqRange {
    SeqRange::new(Seq::parse(from).unwrap(), Seq::parse(to).unwrap())
}

fn new_messages(conversation: i64, from: i64, to: i64) -> EventRef {
    EventRef::NewMessages { conversation: ConversationRow(conversation), range: range(from, to) }
}

fn drain(queue: &mut Queue) -> Vec<Batch> {
    std::iter::from_fn(|| queue.pop(true)).collect()
}

#[test]
fn a_hundred_thousand_events_take_the_room_of_their_conversations() {
    let mut queue = Queue::default();
    for number in 0..100_000 {
        let row = number % 100;
        queue.push(new_messages(row, number / 100 + 1, number / 100 + 1));
        queue.push(EventRef::ConversationChanged(ConversationRow(row)));
        queue.push(EventRef::MessageStatus(MessageId::generate()));
        queue.push(EventRef::Connecting);
        queue.push(EventRef::TotalUnread);
        queue.push_log(LogLevel::Info, "a line".to_owned());
    }
    let batches = drain(&mut queue);
    assert_eq!(batches.len(), 6);
    for batch in batches {
        match batch {
            Batch::NewMessages(conversations) => {
                assert_eq!(conversations.len(), 100);
                assert!(conversations.iter().all(|(_, ranges)| *ranges == [range(1, 1_000)]));
            }
            Batch::ConversationChanged(rows) => assert_eq!(rows.len(), 100),
            Batch::MessageStatus(ids) => assert_eq!(ids.len(), STATUSES_MAX),
            Batch::Connection(events) => assert_eq!(events.len(), TRANSITIONS_MAX),
            Batch::Log(lines) => assert_eq!(lines.len(), LOG_LINES_MAX),
            other => assert_eq!(other, Batch::TotalUnread),
        }
    }
    assert_eq!(queue.pop(true), None);
}

#[test]
fn kinds_come_in_the_order_of_their_first_event() {
    let mut queue = Queue::default();
    for event in
        [EventRef::SyncStart, new_messages(1, 1, 1), EventRef::SyncFinish, EventRef::TotalUnread, new_messages(1, 2, 2)]
    {
        queue.push(event);
    }
    assert_eq!(
        drain(&mut queue),
        [
            Batch::Sync([SyncEvent::Start, SyncEvent::Finish].into()),
            Batch::NewMessages(vec![(ConversationRow(1), vec![range(1, 2)])]),
            Batch::TotalUnread,
        ]
    );
}

#[test]
fn a_conversation_is_not_told_as_changed_before_it_is_told_as_new() {
    let mut queue = Queue::default();
    let (old, new) = (ConversationRow(1), ConversationRow(2));
    queue.push(EventRef::ConversationChanged(old));
    queue.push(EventRef::ConversationNew(new));
    queue.push(EventRef::ConversationChanged(new));
    assert_eq!(drain(&mut queue), [Batch::ConversationChanged(vec![old]), Batch::ConversationNew(vec![new])]);
    queue.push(EventRef::ConversationChanged(new));
    assert_eq!(drain(&mut queue), [Batch::ConversationChanged(vec![new])]);
}

#[test]
fn what_is_pushed_after_a_pop_is_told_again() {
    let mut queue = Queue::default();
    queue.push(EventRef::TotalUnread);
    assert_eq!(queue.pop(true), Some(Batch::TotalUnread));
    queue.push(EventRef::TotalUnread);
    assert_eq!(queue.pop(true), Some(Batch::TotalUnread));
}

#[test]
fn ranges_that_touch_become_one_and_others_stay_apart() {
    let mut ranges = Vec::new();
    for (from, to) in [(5, 6), (1, 2), (7, 9), (20, 20), (2, 3)] {
        add_range(&mut ranges, range(from, to));
    }
    assert_eq!(ranges, [range(1, 3), range(5, 9), range(20, 20)]);
}

#[test]
fn ranges_without_end_take_no_room_and_none_is_forgotten() {
    let mut ranges = Vec::new();
    for number in 1..=1_000 {
        add_range(&mut ranges, range(number * 10, number * 10));
    }
    assert!(ranges.len() <= RANGES_MAX);
    assert!((1..=1_000).all(|number| ranges.iter().any(|range| range.contains(Seq::parse(number * 10).unwrap()))));
}

#[test]
fn references_into_a_closed_store_are_forgotten_and_words_are_not() {
    let mut queue = Queue::default();
    for event in [new_messages(1, 1, 1), EventRef::SelfInfo, EventRef::KickedOffline, EventRef::TotalUnread] {
        queue.push(event);
    }
    queue.forget_references();
    assert_eq!(drain(&mut queue), [Batch::Connection([ConnectionEvent::KickedOffline].into())]);
}

#[test]
fn an_end_of_the_session_is_told_whatever_comes_after() {
    let mut queue = Queue::default();
    queue.push(EventRef::UserSigExpired);
    queue.push(EventRef::KickedOffline);
    for _ in 0..1_000 {
        queue.push(EventRef::Connecting);
    }
    let Some(Batch::Connection(mut events)) = queue.pop(true) else { panic!("the connection is told first") };
    assert_eq!(events.len(), TRANSITIONS_MAX);
    assert_eq!(events.make_contiguous()[..2], [ConnectionEvent::UserSigExpired, ConnectionEvent::KickedOffline]);
}

#[test]
fn ends_of_sessions_without_end_take_no_room_and_the_last_is_kept() {
    let mut queue = Queue::default();
    for _ in 0..1_000 {
        queue.push(EventRef::KickedOffline);
    }
    queue.push(EventRef::UserSigExpired);
    let Some(Batch::Connection(events)) = queue.pop(true) else { panic!("the connection is told first") };
    assert_eq!(events.len(), TRANSITIONS_MAX);
    assert_eq!(events.back(), Some(&ConnectionEvent::UserSigExpired));
}

#[test]
fn a_conversation_that_waits_as_changed_is_told_as_new_alone() {
    let mut queue = Queue::default();
    let (old, new) = (ConversationRow(1), ConversationRow(2));
    for event in
        [EventRef::ConversationChanged(old), EventRef::ConversationChanged(new), EventRef::ConversationNew(new)]
    {
        queue.push(event);
    }
    assert_eq!(drain(&mut queue), [Batch::ConversationChanged(vec![old]), Batch::ConversationNew(vec![new])]);
}

#[test]
fn of_seventeen_ranges_those_become_one_that_lie_closest() {
    let mut ranges = Vec::new();
    // What was sent from here lies between them, and after the last but one what was passed over.
    for number in 1..=RANGES_MAX as i64 {
        add_range(&mut ranges, range(number * 2, number * 2));
    }
    add_range(&mut ranges, range(10_000, 10_000));
    assert_eq!(ranges.len(), RANGES_MAX);
    assert_eq!(ranges[0], range(2, 4));
    assert_eq!(ranges[RANGES_MAX - 1], range(10_000, 10_000));
}

#[test]
fn what_was_told_is_not_told_again_however_many_ranges_wait() {
    let mut queue = Queue::default();
    let mut told = Vec::new();
    for number in 1..=1_000 {
        queue.push(new_messages(1, number * 2, number * 2));
        if number % (RANGES_MAX as i64 + 5) == 0 {
            for batch in drain(&mut queue) {
                let Batch::NewMessages(conversations) = batch else { panic!("nothing else waits") };
                told.extend(conversations.into_iter().flat_map(|(_, ranges)| ranges));
            }
        }
    }
    assert!(told.len() > RANGES_MAX);
    assert!(told.windows(2).all(|pair| pair[0].to < pair[1].from), "{told:?}");
}

#[test]
fn where_the_store_cannot_be_read_only_words_are_taken() {
    let mut queue = Queue::default();
    for event in [EventRef::TotalUnread, EventRef::SyncStart, EventRef::SelfInfo, EventRef::Connecting] {
        queue.push(event);
    }
    assert_eq!(queue.pop(false), Some(Batch::Sync([SyncEvent::Start].into())));
    assert_eq!(queue.pop(false), Some(Batch::Connection([ConnectionEvent::Connecting].into())));
    assert_eq!(queue.pop(false), None);
    assert_eq!(drain(&mut queue), [Batch::TotalUnread, Batch::SelfInfo]);
}
