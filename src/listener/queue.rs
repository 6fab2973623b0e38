// SPDX-License-Identifier: Apache-2.0
//! What waits to be told, coalesced: bounded by the number of conversations, whatever arrives.

use std::collections::{HashMap, VecDeque};

use hongyan_protocol::codes::Code;
use hongyan_protocol::ids::{MessageId, SeqRange};

use crate::config::LogLevel;
use crate::listener::events::{ConversationRow, EventRef};

/// How many events of the connection, or of syncing, may wait: beyond it the oldest are forgotten, for the last
/// ones say how things stand.
const TRANSITIONS_MAX: usize = 32;
/// How many ranges of one conversation may wait apart from each other; beyond it the last two become one.
const RANGES_MAX: usize = 16;
/// How many messages may wait for their status to be told: more than an outbox sends at once. Beyond it the
/// oldest are forgotten; the store has them.
const STATUSES_MAX: usize = 10_000;
/// How many lines of the log may wait; beyond it new ones are left out, the file has them.
const LOG_LINES_MAX: usize = 1_000;

/// What is told in one go. Each kind stands in the queue once, at the place of its first event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Batch {
    Connection(VecDeque<ConnectionEvent>),
    SelfInfo,
    Sync(VecDeque<SyncEvent>),
    /// By conversation, in the order in which they began to wait.
    NewMessages(Vec<(ConversationRow, Vec<SeqRange>)>),
    MessageStatus(Vec<MessageId>),
    ReadReceipt(Vec<ConversationRow>),
    ConversationNew(Vec<ConversationRow>),
    ConversationChanged(Vec<ConversationRow>),
    TotalUnread,
    Log(VecDeque<(LogLevel, String)>),
}

/// What happened to the connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ConnectionEvent {
    Connecting,
    Success,
    Failed { code: Code, detail: String },
    KickedOffline,
    UserSigExpired,
}

/// What happened to syncing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SyncEvent {
    Start,
    Finish,
    Failed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lane {
    Connection,
    SelfInfo,
    Sync,
    NewMessages,
    MessageStatus,
    ReadReceipt,
    ConversationNew,
    ConversationChanged,
    TotalUnread,
    Log,
}

/// The queue itself; it knows no threads.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    /// The lanes that have something, by their first event.
    order: VecDeque<Lane>,
    connection: VecDeque<ConnectionEvent>,
    sync: VecDeque<SyncEvent>,
    new_messages: Ordered<ConversationRow, Vec<SeqRange>>,
    statuses: Ordered<MessageId, ()>,
    receipts: Ordered<ConversationRow, ()>,
    new_conversations: Ordered<ConversationRow, ()>,
    changed_conversations: Ordered<ConversationRow, ()>,
    log: VecDeque<(LogLevel, String)>,
}

/// A map that remembers the order in which its keys came.
#[derive(Debug)]
struct Ordered<K, V> {
    keys: VecDeque<K>,
    values: HashMap<K, V>,
}

impl<K, V> Default for Ordered<K, V> {
    fn default() -> Self {
        Self { keys: VecDeque::new(), values: HashMap::new() }
    }
}

impl<K: Copy + Eq + std::hash::Hash, V: Default> Ordered<K, V> {
    fn entry(&mut self, key: K) -> &mut V {
        let keys = &mut self.keys;
        self.values.entry(key).or_insert_with(|| {
            keys.push_back(key);
            V::default()
        })
    }

    fn contains(&self, key: &K) -> bool {
        self.values.contains_key(key)
    }

    fn keep_newest(&mut self, max: usize) {
        while self.keys.len() > max {
            if let Some(oldest) = self.keys.pop_front() {
                self.values.remove(&oldest);
            }
        }
    }

    fn take(&mut self) -> Vec<(K, V)> {
        let mut values = std::mem::take(&mut self.values);
        std::mem::take(&mut self.keys).into_iter().filter_map(|key| Some((key, values.remove(&key)?))).collect()
    }

    fn take_keys(&mut self) -> Vec<K> {
        self.values.clear();
        std::mem::take(&mut self.keys).into()
    }
}

fn push_bounded<T>(queue: &mut VecDeque<T>, item: T) {
    if queue.len() == TRANSITIONS_MAX {
        queue.pop_front();
    }
    queue.push_back(item);
}

impl Queue {
    /// Adds an event to what waits of its kind.
    pub(crate) fn push(&mut self, event: EventRef) {
        let lane = match event {
            EventRef::Connecting => self.connection(ConnectionEvent::Connecting),
            EventRef::ConnectSuccess => self.connection(ConnectionEvent::Success),
            EventRef::ConnectFailed { code, detail } => self.connection(ConnectionEvent::Failed { code, detail }),
            EventRef::KickedOffline => self.connection(ConnectionEvent::KickedOffline),
            EventRef::UserSigExpired => self.connection(ConnectionEvent::UserSigExpired),
            EventRef::SelfInfo => Lane::SelfInfo,
            EventRef::SyncStart => self.sync(SyncEvent::Start),
            EventRef::SyncFinish => self.sync(SyncEvent::Finish),
            EventRef::SyncFailed => self.sync(SyncEvent::Failed),
            EventRef::NewMessages { conversation, range } => {
                add_range(self.new_messages.entry(conversation), range);
                Lane::NewMessages
            }
            EventRef::MessageStatus(id) => {
                self.statuses.entry(id);
                self.statuses.keep_newest(STATUSES_MAX);
                Lane::MessageStatus
            }
            EventRef::ReadReceipt(row) => {
                self.receipts.entry(row);
                Lane::ReadReceipt
            }
            EventRef::ConversationNew(row) => {
                self.new_conversations.entry(row);
                Lane::ConversationNew
            }
            // It is told as it is when it is told as new.
            EventRef::ConversationChanged(row) if self.new_conversations.contains(&row) => return,
            EventRef::ConversationChanged(row) => {
                self.changed_conversations.entry(row);
                Lane::ConversationChanged
            }
            EventRef::TotalUnread => Lane::TotalUnread,
        };
        self.enqueue(lane);
    }

    /// Adds a line of the log.
    pub(crate) fn push_log(&mut self, level: LogLevel, text: String) {
        if self.log.len() < LOG_LINES_MAX {
            self.log.push_back((level, text));
            self.enqueue(Lane::Log);
        }
    }

    fn connection(&mut self, event: ConnectionEvent) -> Lane {
        push_bounded(&mut self.connection, event);
        Lane::Connection
    }

    fn sync(&mut self, event: SyncEvent) -> Lane {
        push_bounded(&mut self.sync, event);
        Lane::Sync
    }

    fn enqueue(&mut self, lane: Lane) {
        if !self.order.contains(&lane) {
            self.order.push_back(lane);
        }
    }

    /// Takes the kind that has waited longest, all of it.
    pub(crate) fn pop(&mut self) -> Option<Batch> {
        Some(match self.order.pop_front()? {
            Lane::Connection => Batch::Connection(std::mem::take(&mut self.connection)),
            Lane::SelfInfo => Batch::SelfInfo,
            Lane::Sync => Batch::Sync(std::mem::take(&mut self.sync)),
            Lane::NewMessages => Batch::NewMessages(self.new_messages.take()),
            Lane::MessageStatus => Batch::MessageStatus(self.statuses.take_keys()),
            Lane::ReadReceipt => Batch::ReadReceipt(self.receipts.take_keys()),
            Lane::ConversationNew => Batch::ConversationNew(self.new_conversations.take_keys()),
            Lane::ConversationChanged => Batch::ConversationChanged(self.changed_conversations.take_keys()),
            Lane::TotalUnread => Batch::TotalUnread,
            Lane::Log => Batch::Log(std::mem::take(&mut self.log)),
        })
    }

    /// Forgets what is read from a store: that store is closed, and its rows mean something else in the next.
    pub(crate) fn forget_references(&mut self) {
        self.order.retain(|lane| matches!(lane, Lane::Connection | Lane::Sync | Lane::Log));
        self.new_messages.take();
        self.statuses.take_keys();
        self.receipts.take_keys();
        self.new_conversations.take_keys();
        self.changed_conversations.take_keys();
    }
}

/// Adds a range to ranges that rise and lie apart.
fn add_range(ranges: &mut Vec<SeqRange>, range: SeqRange) {
    ranges.push(range);
    ranges.sort_unstable_by_key(|range| range.from);
    let mut apart: Vec<SeqRange> = Vec::with_capacity(ranges.len());
    for range in ranges.drain(..) {
        match apart.last_mut() {
            Some(last) if range.from <= last.to.next() => last.to = last.to.max(range.to),
            _ => apart.push(range),
        }
    }
    if apart.len() > RANGES_MAX
        && let (Some(last), Some(before)) = (apart.pop(), apart.last_mut())
    {
        before.to = last.to;
    }
    *ranges = apart;
}

#[cfg(test)]
mod tests {
    use hongyan_protocol::ids::Seq;

    use super::*;

    fn range(from: i64, to: i64) -> SeqRange {
        SeqRange::new(Seq::parse(from).unwrap(), Seq::parse(to).unwrap())
    }

    fn new_messages(conversation: i64, from: i64, to: i64) -> EventRef {
        EventRef::NewMessages { conversation: ConversationRow(conversation), range: range(from, to) }
    }

    fn drain(queue: &mut Queue) -> Vec<Batch> {
        std::iter::from_fn(|| queue.pop()).collect()
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
        assert_eq!(queue.pop(), None);
    }

    #[test]
    fn kinds_come_in_the_order_of_their_first_event() {
        let mut queue = Queue::default();
        for event in [
            EventRef::SyncStart,
            new_messages(1, 1, 1),
            EventRef::SyncFinish,
            EventRef::TotalUnread,
            new_messages(1, 2, 2),
        ] {
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
        assert_eq!(queue.pop(), Some(Batch::TotalUnread));
        queue.push(EventRef::TotalUnread);
        assert_eq!(queue.pop(), Some(Batch::TotalUnread));
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
}
