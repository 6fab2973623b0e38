// SPDX-License-Identifier: Apache-2.0
//! A log of a server, everything that can be said of it, and saying it.

use hongyan_protocol::conversation::{ConversationState, ConversationStates, Head};
use hongyan_protocol::ids::{ChangeSeq, ConversationId, LogId, LogKey, MessageId, Seq, SeqRange, UserId, Version};
use hongyan_protocol::message::{
    Change, ChangeKind, Element, Message, MessageBody, NewChange, SentMessage, TextElement,
};
use proptest::prelude::*;
use proptest::sample::Index;
use uuid::Uuid;

use crate::sync::batch::Batch;
use crate::sync::raw::{RawMessage, RawPage};

pub(super) fn user(name: &str) -> UserId {
    UserId::parse(name).unwrap()
}

pub(super) fn seq(number: i64) -> Seq {
    Seq::parse(number).unwrap()
}

pub(super) fn range(from: i64, to: i64) -> SeqRange {
    SeqRange::new(seq(from), seq(to))
}

pub(super) fn log_id() -> LogId {
    LogId::parse(7).unwrap()
}

pub(super) fn bob() -> ConversationId {
    ConversationId::C2c(user("bob"))
}

/// A log of a server, from which everything that it can say is made.
#[derive(Debug, Clone)]
pub(super) struct Log {
    /// For each sequence from 1: whether alice sent it, whether it counts, whether alice may see it.
    pub(super) entries: Vec<(bool, bool, bool)>,
    /// Alice's read positions, each a later version.
    pub(super) reads: Vec<i64>,
}

impl Log {
    pub(super) fn last(&self) -> i64 {
        i64::try_from(self.entries.len()).unwrap()
    }

    pub(super) fn id(number: i64) -> MessageId {
        MessageId::parse(&Uuid::from_u128(0x7000 + u128::try_from(number).unwrap()).to_string()).unwrap()
    }

    pub(super) fn entry(&self, number: i64) -> (bool, bool, bool) {
        self.entries[usize::try_from(number - 1).unwrap()]
    }

    pub(super) fn is_visible(&self, number: i64) -> bool {
        self.entry(number).2
    }

    fn counted(&self, up_to: i64, of: Option<bool>) -> i64 {
        let counting = |number: &i64| {
            let (is_own, counts, _) = self.entry(*number);
            counts && of.is_none_or(|own| own == is_own)
        };
        i64::try_from((1..=up_to).filter(counting).count()).unwrap()
    }

    pub(super) fn message(&self, number: i64) -> RawMessage {
        let is_own = self.entry(number).0;
        let text = format!("message {number}");
        let message = Message {
            id: Self::id(number),
            seq: seq(number),
            key: LogKey::between(user("alice"), user("bob")),
            sender: user(if is_own { "alice" } else { "bob" }),
            sender_nick: String::new(),
            sender_face_url: String::new(),
            server_ms: 1_000 + number,
            counted: self.counted(number, None),
            sender_counted: self.counted(number, Some(is_own)),
            body: MessageBody { elements: vec![Element::Text(TextElement { text })], ..MessageBody::default() },
        };
        let text = serde_json::to_string(&message).unwrap();
        RawMessage { message, text }
    }

    pub(super) fn page(&self, from: i64, to: i64, at: i64) -> RawPage {
        let hidden = (from..=to).filter(|number| !self.is_visible(*number)).map(|number| range(number, number));
        let messages = (from..=to).filter(|number| self.is_visible(*number)).map(|number| self.message(number));
        RawPage {
            log: log_id(),
            covered: range(from, to),
            hidden: hidden.collect(),
            messages: messages.collect(),
            max_seq: seq(at),
            visible_from: seq(1),
        }
    }

    /// Alice's row after some of her reads.
    fn state(&self, reads: usize, at: i64) -> ConversationState {
        let read = self.reads[..reads].iter().copied().max().unwrap_or(0);
        ConversationState {
            log: log_id(),
            key: LogKey::between(user("alice"), user("bob")),
            version: Version::parse(i64::try_from(reads).unwrap() + 1).unwrap(),
            visible_from: seq(1),
            visible_to: None,
            read_seq: seq(read),
            base_counted: self.counted(read, None),
            base_own: self.counted(read, Some(true)),
            own_counted: self.counted(at, Some(true)),
        }
    }

    fn head(&self, reads: usize, at: i64) -> (Head, Option<RawMessage>) {
        let last = (1..=at).rev().find(|number| self.is_visible(*number));
        let head = Head {
            state: self.state(reads, at),
            max_seq: seq(at),
            change_seq: ChangeSeq::ZERO,
            counted: self.counted(at, None),
            order_key: 1_000 + at,
            peer_read_seq: Some(seq(at / 2)),
            last_message: None,
            group: None,
            peer: None,
        };
        (head, last.map(|number| self.message(number)))
    }
}

/// Something that the server says, at a time when its log was so long.
#[derive(Debug, Clone)]
pub(super) enum Word {
    Push(i64),
    Page(i64, i64, i64),
    Head(usize, i64),
    State(usize, i64),
    Sent(i64),
    PeerRead(i64),
}

pub(super) fn say(batch: &mut Batch, log: &Log, word: &Word) {
    match *word {
        Word::Push(number) => batch.add_message(&bob(), log_id(), log.message(number)),
        Word::Page(from, to, at) => {
            batch.add_page(&bob(), log.page(from, to, at)).unwrap();
        }
        Word::Head(reads, at) => {
            let (head, last) = log.head(reads, at);
            batch.add_head(&bob(), &head, last);
        }
        Word::State(reads, at) => {
            batch.add_states(&ConversationStates { after: Version::ZERO, states: vec![log.state(reads, at)] });
        }
        Word::Sent(number) => {
            let RawMessage { message, .. } = log.message(number);
            let sent = SentMessage {
                log: log_id(),
                seq: message.seq,
                server_ms: message.server_ms,
                counted: message.counted,
                sender_counted: message.sender_counted,
            };
            batch.add_sent(&bob(), message.id, &sent);
        }
        Word::PeerRead(up_to) => {
            let kind = ChangeKind::Read { user: user("bob"), seq: seq(up_to), seq_ms: 1_000 + up_to };
            let change = Change { change_seq: ChangeSeq::parse(1).unwrap(), server_ms: 5_000, kind };
            let key = LogKey::between(user("alice"), user("bob"));
            batch.add_change(&bob(), &NewChange { log: log_id(), key, change });
        }
    }
}

/// Every word about the whole log at its end, so that two schedules end with the same knowledge.
pub(super) fn last_words(log: &Log, sent_from_here: &[i64]) -> Vec<Word> {
    let last = log.last();
    let mut words = vec![Word::Page(1, last, last), Word::Head(log.reads.len(), last), Word::PeerRead(last / 2)];
    words.extend(sent_from_here.iter().map(|number| Word::Sent(*number)));
    words
}

pub(super) fn words_of(log: &Log, sent_from_here: &[i64], picks: &[(u8, Index, Index)]) -> Vec<Word> {
    let last = log.last();
    let any = |index: &Index| i64::try_from(index.index(log.entries.len())).unwrap() + 1;
    picks
        .iter()
        .filter_map(|(kind, one, two)| {
            let (low, high) = (any(one).min(any(two)), any(one).max(any(two)));
            Some(match kind % 6 {
                0 | 1 if log.is_visible(low) && !sent_from_here.contains(&low) => Word::Push(low),
                2 => Word::Page(low, high, last),
                3 => Word::Head(one.index(log.reads.len() + 1), high),
                4 => Word::State(two.index(log.reads.len() + 1), high),
                5 if sent_from_here.contains(&low) => Word::Sent(low),
                5 => Word::PeerRead(low / 2),
                _ => return None,
            })
        })
        .collect()
}

pub(super) fn any_log() -> impl Strategy<Value = Log> {
    let entries = prop::collection::vec((any::<bool>(), prop::bool::weighted(0.8), prop::bool::weighted(0.9)), 1..24);
    (entries, prop::collection::vec(any::<Index>(), 0..4)).prop_map(|(mut entries, reads)| {
        // Own messages are always seen.
        entries.iter_mut().for_each(|entry| entry.2 |= entry.0);
        let reads = reads.iter().map(|index| i64::try_from(index.index(entries.len())).unwrap() + 1).collect();
        Log { entries, reads }
    })
}

pub(super) fn plain_log(length: usize) -> Log {
    Log { entries: vec![(false, true, true); length], reads: Vec::new() }
}
