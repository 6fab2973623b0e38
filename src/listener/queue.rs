// SPDX-License-Identifier: Apache-2.0
//! What waits to be told, coalesced: bounded by the number of conversations, whatever arrives.

use std::collections::{HashMap, VecDeque};

use hongyan_protocol::codes::Code;
use hongyan_protocol::ids::{MessageId, SeqRange};

use crate::config::LogLevel;
use crate::listener::events::{ConversationRow, EventRef};

/// How many events of the connection, or of syncing, may wait: beyond it the oldest are forgotten, for the last
/// ones say how things stand. An end of the session is forgotten only where nothing else waits: it asks the app to act.
const TRANSITIONS_MAX: usize = 32;
/// How many ranges of one conversation may wait apart from each other; beyond it the two become one that lie closest.
/// What lies between was told neither before nor will it be later, for ranges rise. It is what was sent from here, which
/// is left out when it is read, or what was passed over after a long absence, which is far wider.
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

impl ConnectionEvent {
    fn ends_session(&self) -> bool {
        matches!(self, Self::KickedOffline | Self::UserSigExpired)
    }
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

impl Lane {
    /// Whether what is told stands in the store, and the lane has references to it.
    fn reads_store(self) -> bool {
        !matches!(self, Self::Connection | Self::Sync | Self::Log)
    }
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

    fn remove(&mut self, key: &K) {
        if self.values.remove(key).is_some() {
            self.keys.retain(|other| other != key);
        }
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

fn push_bounded<T>(queue: &mut VecDeque<T>, item: T, is_kept: impl Fn(&T) -> bool) {
    if queue.len() == TRANSITIONS_MAX {
        queue.remove(queue.iter().position(|item| !is_kept(item)).unwrap_or(0));
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
                self.changed_conversations.remove(&row);
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
        push_bounded(&mut self.connection, event, ConnectionEvent::ends_session);
        Lane::Connection
    }

    fn sync(&mut self, event: SyncEvent) -> Lane {
        push_bounded(&mut self.sync, event, |_| false);
        Lane::Sync
    }

    fn enqueue(&mut self, lane: Lane) {
        if !self.order.contains(&lane) {
            self.order.push_back(lane);
        }
    }

    /// Takes the kind that has waited longest, all of it; where the store cannot be read just now, of those that do not
    /// need it.
    pub(crate) fn pop(&mut self, is_store_readable: bool) -> Option<Batch> {
        let place = self.order.iter().position(|lane| is_store_readable || !lane.reads_store())?;
        Some(match self.order.remove(place)? {
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
        self.order.retain(|lane| !lane.reads_store());
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
    if apart.len() > RANGES_MAX {
        join_closest(&mut apart);
    }
    *ranges = apart;
}

/// Makes one of the two neighbours that have the least between them.
fn join_closest(ranges: &mut Vec<SeqRange>) {
    let gap = |index: &usize| ranges[index + 1].from.get() - ranges[*index].to.get();
    if let Some(index) = (0..ranges.len().saturating_sub(1)).min_by_key(gap) {
        ranges[index].to = ranges.remove(index + 1).to;
    }
}

#[cfg(test)]
mod tests;
