// SPDX-License-Identifier: Apache-2.0
//! Whatever order, repetition and grouping the server's words come in, the store ends the same, and listeners hear
//! of each message once, in order.

use std::path::Path;

use hongyan_protocol::conversation::{ConversationState, ConversationStates, Head};
use hongyan_protocol::ids::{
    ChangeSeq, ConversationId, LogId, LogKey, MessageId, SdkAppId, Seq, SeqRange, UserId, Version,
};
use hongyan_protocol::message::{
    Change, ChangeKind, Element, Message, MessageBody, MessagePage, NewChange, SentMessage, TextElement,
};
use proptest::prelude::*;
use proptest::sample::Index;
use sqlx::{FromRow, Row};
use uuid::Uuid;

use crate::conversation::state::Step;
use crate::listener::events::EventRef;
use crate::message::queries::{OutgoingRow, insert_outgoing};
use crate::store::Store;
use crate::sync::batch::{Batch, WriteError};
use crate::sync::raw::RawMessage;

fn user(name: &str) -> UserId {
    UserId::parse(name).unwrap()
}

fn seq(number: i64) -> Seq {
    Seq::parse(number).unwrap()
}

fn range(from: i64, to: i64) -> SeqRange {
    SeqRange::new(seq(from), seq(to))
}

fn log() -> LogId {
    LogId::parse(7).unwrap()
}

fn bob() -> ConversationId {
    ConversationId::C2c(user("bob"))
}

async fn open(folder: &Path) -> Store {
    Store::open(folder, "http://127.0.0.1:1", SdkAppId::parse(1).unwrap(), &user("alice")).await.unwrap()
}

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// A log of a server, from which everything that it can say is made.
#[derive(Debug, Clone)]
struct Log {
    /// For each sequence from 1: whether alice sent it, whether it counts, whether alice may see it.
    entries: Vec<(bool, bool, bool)>,
    /// Alice's read positions, each a later version.
    reads: Vec<i64>,
}

impl Log {
    fn last(&self) -> i64 {
        i64::try_from(self.entries.len()).unwrap()
    }

    fn id(number: i64) -> MessageId {
        MessageId::parse(&Uuid::from_u128(0x7000 + u128::try_from(number).unwrap()).to_string()).unwrap()
    }

    fn entry(&self, number: i64) -> (bool, bool, bool) {
        self.entries[usize::try_from(number - 1).unwrap()]
    }

    fn is_visible(&self, number: i64) -> bool {
        self.entry(number).2
    }

    fn counted(&self, up_to: i64, of: Option<bool>) -> i64 {
        let counting = |number: &i64| {
            let (is_own, counts, _) = self.entry(*number);
            counts && of.is_none_or(|own| own == is_own)
        };
        i64::try_from((1..=up_to).filter(counting).count()).unwrap()
    }

    fn message(&self, number: i64) -> RawMessage {
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

    fn page(&self, from: i64, to: i64, at: i64) -> (MessagePage, Vec<RawMessage>) {
        let hidden = (from..=to).filter(|number| !self.is_visible(*number)).map(|number| range(number, number));
        let messages = (from..=to).filter(|number| self.is_visible(*number)).map(|number| self.message(number));
        let page = MessagePage {
            log: log(),
            covered: range(from, to),
            hidden: hidden.collect(),
            messages: Vec::new(),
            max_seq: seq(at),
            visible_from: seq(1),
        };
        (page, messages.collect())
    }

    /// Alice's row after some of her reads.
    fn state(&self, reads: usize, at: i64) -> ConversationState {
        let read = self.reads[..reads].iter().copied().max().unwrap_or(0);
        ConversationState {
            log: log(),
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
enum Word {
    Push(i64),
    Page(i64, i64, i64),
    Head(usize, i64),
    State(usize, i64),
    Sent(i64),
    PeerRead(i64),
}

fn say(batch: &mut Batch, log_: &Log, word: &Word) {
    match *word {
        Word::Push(number) => batch.add_message(&bob(), log(), log_.message(number)),
        Word::Page(from, to, at) => {
            let (page, messages) = log_.page(from, to, at);
            batch.add_page(&bob(), &page, messages).unwrap();
        }
        Word::Head(reads, at) => {
            let (head, last) = log_.head(reads, at);
            batch.add_head(&bob(), &head, last);
        }
        Word::State(reads, at) => {
            batch.add_states(&ConversationStates { after: Version::ZERO, states: vec![log_.state(reads, at)] });
        }
        Word::Sent(number) => {
            let RawMessage { message, .. } = log_.message(number);
            let sent = SentMessage {
                log: log(),
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
            batch.add_change(&bob(), &NewChange { log: log(), key, change });
        }
    }
}

/// Everything that must be the same in the end.
async fn dump(store: &Store) -> Vec<String> {
    let mut reader = store.read().await.unwrap();
    let mut lines = Vec::new();
    for query in [
        "select message_id || ' ' || anchor_seq || ' ' || sub || ' ' || status || ' ' || timestamp_ms from message \
         order by message_id",
        "select from_seq || '-' || to_seq from held_range order by from_seq",
        "select conversation_id || ' unread ' || unread || ' read ' || read_seq || ' max ' || max_seq || ' key ' || \
         list_key || ' peer ' || peer_read_seq || ' counted ' || counted || ' own ' || own_counted from conversation",
        "select 'outbox ' || message_id from outbox order by position",
    ] {
        for row in sqlx::query(query).fetch_all(&mut *reader).await.unwrap() {
            lines.push(row.get::<String, _>(0));
        }
    }
    lines
}

/// Alice's own messages as this device has them before their answers.
async fn queue_own(store: &Store, log_: &Log, sent_from_here: &[i64]) {
    let mut batch = Batch::begin(store, &user("alice"), [bob()]).await.unwrap();
    let row = batch.find(&bob()).unwrap().row;
    for number in sent_from_here {
        let body = serde_json::to_string(&log_.message(*number).message.body).unwrap();
        let outgoing = OutgoingRow {
            id: Log::id(*number),
            conversation: row,
            anchor_seq: Seq::ZERO,
            sender: &user("alice"),
            nick: "",
            face_url: "",
            timestamp_ms: 9_000 + number,
            body: &body,
        };
        insert_outgoing(batch.tx(), &outgoing).await.unwrap();
    }
    batch.touch(&bob(), None);
    batch.save().await.unwrap();
}

/// Says everything in batches, fills holes from the log, and gives what listeners heard.
async fn run(store: &Store, log_: &Log, batches: &[Vec<Word>]) -> Vec<SeqRange> {
    let mut heard = Vec::new();
    let mut batches = batches.to_vec();
    batches.reverse();
    while let Some(words) = batches.pop() {
        let mut batch = Batch::begin(store, &user("alice"), [bob()]).await.unwrap();
        for word in &words {
            say(&mut batch, log_, word);
        }
        for (_, step) in batch.deliver() {
            if let Step::Fill(hole) = step {
                batches.push(vec![Word::Page(hole.from.get(), hole.to.get(), hole.to.get())]);
            }
        }
        for event in batch.save().await.unwrap().events {
            if let EventRef::NewMessages { range, .. } = event {
                heard.push(range);
            }
        }
    }
    heard
}

async fn set_synced(store: &Store) {
    let mut batch = Batch::begin(store, &user("alice"), []).await.unwrap();
    batch.state().since_ms = Some(1);
    batch.save().await.unwrap();
}

/// Every word about the whole log at its end, so that two schedules end with the same knowledge.
fn last_words(log_: &Log, sent_from_here: &[i64]) -> Vec<Word> {
    let last = log_.last();
    let mut words = vec![Word::Page(1, last, last), Word::Head(log_.reads.len(), last), Word::PeerRead(last / 2)];
    words.extend(sent_from_here.iter().map(|number| Word::Sent(*number)));
    words
}

fn words_of(log_: &Log, sent_from_here: &[i64], picks: &[(u8, Index, Index)]) -> Vec<Word> {
    let last = log_.last();
    let any = |index: &Index| i64::try_from(index.index(log_.entries.len())).unwrap() + 1;
    picks
        .iter()
        .filter_map(|(kind, one, two)| {
            let (low, high) = (any(one).min(any(two)), any(one).max(any(two)));
            Some(match kind % 6 {
                0 | 1 if log_.is_visible(low) && !sent_from_here.contains(&low) => Word::Push(low),
                2 => Word::Page(low, high, last),
                3 => Word::Head(one.index(log_.reads.len() + 1), high),
                4 => Word::State(two.index(log_.reads.len() + 1), high),
                5 if sent_from_here.contains(&low) => Word::Sent(low),
                5 => Word::PeerRead(low / 2),
                _ => return None,
            })
        })
        .collect()
}

fn chunks(words: &[Word], sizes: &[usize]) -> Vec<Vec<Word>> {
    let mut batches = Vec::new();
    let (mut rest, mut sizes) = (words, sizes.iter().cycle());
    while !rest.is_empty() {
        let (batch, after) = rest.split_at((*sizes.next().unwrap()).min(rest.len()));
        batches.push(batch.to_vec());
        rest = after;
    }
    batches
}

fn any_log() -> impl Strategy<Value = Log> {
    let entries = prop::collection::vec((any::<bool>(), prop::bool::weighted(0.8), prop::bool::weighted(0.9)), 1..24);
    (entries, prop::collection::vec(any::<Index>(), 0..4)).prop_map(|(mut entries, reads)| {
        // Own messages are always seen.
        entries.iter_mut().for_each(|entry| entry.2 |= entry.0);
        let reads = reads.iter().map(|index| i64::try_from(index.index(entries.len())).unwrap() + 1).collect();
        Log { entries, reads }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn any_order_and_repetition_ends_in_the_same_store_and_each_message_is_heard_once(
        log_ in any_log(),
        own in prop::collection::vec(any::<Index>(), 0..4),
        picks in prop::collection::vec((any::<u8>(), any::<Index>(), any::<Index>()), 0..40),
        other_order in any::<u64>(),
        sizes in prop::collection::vec(1..6usize, 2..5),
    ) {
        let mut sent_from_here: Vec<i64> = own
            .iter()
            .map(|index| i64::try_from(index.index(log_.entries.len())).unwrap() + 1)
            .filter(|number| log_.entry(*number).0)
            .collect();
        sent_from_here.sort_unstable();
        sent_from_here.dedup();
        let mut words = words_of(&log_, &sent_from_here, &picks);
        words.extend(last_words(&log_, &sent_from_here));
        let mut shuffled = words.clone();
        // A permutation that only depends on the seed that proptest prints.
        let keys: Vec<u64> = (0..shuffled.len() as u64).map(|n| (n + 1).wrapping_mul(other_order | 1)).collect();
        let mut order: Vec<usize> = (0..shuffled.len()).collect();
        order.sort_by_key(|index| keys[*index]);
        shuffled = order.into_iter().map(|index| shuffled[index].clone()).collect();

        block_on(async {
            let mut ends = Vec::new();
            for words in [words, shuffled] {
                let folder = tempfile::tempdir().unwrap();
                let store = open(folder.path()).await;
                set_synced(&store).await;
                queue_own(&store, &log_, &sent_from_here).await;
                let heard = run(&store, &log_, &chunks(&words, &sizes)).await;
                for pair in heard.windows(2) {
                    assert!(pair[0].to < pair[1].from, "heard twice or out of order: {heard:?}");
                }
                for number in (1..=log_.last()).filter(|number| log_.is_visible(*number)) {
                    let is_heard = heard.iter().any(|range| range.contains(seq(number)));
                    assert!(is_heard || sent_from_here.contains(&number), "{number} was not heard: {heard:?}");
                }
                ends.push(dump(&store).await);
                store.close().await;
            }
            assert_eq!(&ends[0], &ends[1]);
            let last = log_.last();
            let read = log_.reads.iter().copied().max().unwrap_or(0);
            let unread = (read + 1..=last).filter(|n| { let (own, counts, _) = log_.entry(*n); counts && !own }).count();
            let expected = format!("unread {unread} read {read} max {last}");
            assert!(ends[0].iter().any(|line| line.contains(&expected)), "{expected} in {:?}", ends[0]);
            assert!(ends[0].contains(&format!("1-{last}")), "the whole log is held: {:?}", ends[0]);
            assert!(!ends[0].iter().any(|line| line.starts_with("outbox")), "the outbox is empty: {:?}", ends[0]);
        });
    }
}

fn plain_log(length: usize) -> Log {
    Log { entries: vec![(false, true, true); length], reads: Vec::new() }
}

#[tokio::test]
async fn a_small_hole_is_filled_before_what_follows_is_heard() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    set_synced(&store).await;
    let log_ = plain_log(10);
    let mut batch = Batch::begin(&store, &user("alice"), [bob()]).await.unwrap();
    for number in [1, 2, 9, 10] {
        say(&mut batch, &log_, &Word::Push(number));
    }
    assert_eq!(batch.deliver(), [(bob(), Step::Fill(range(3, 8)))]);
    let written = batch.save().await.unwrap();
    let heard = |events: &[EventRef]| -> Vec<SeqRange> {
        let heard = |event: &EventRef| match event {
            EventRef::NewMessages { range, .. } => Some(*range),
            _ => None,
        };
        events.iter().filter_map(heard).collect()
    };
    assert_eq!(heard(&written.events), [range(1, 2)]);
    let mut batch = Batch::begin(&store, &user("alice"), [bob()]).await.unwrap();
    say(&mut batch, &log_, &Word::Page(3, 8, 10));
    assert_eq!(batch.deliver(), []);
    assert_eq!(heard(&batch.save().await.unwrap().events), [range(3, 10)]);
}

#[tokio::test]
async fn a_large_hole_asks_for_the_heads() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    set_synced(&store).await;
    let log_ = plain_log(300);
    let mut batch = Batch::begin(&store, &user("alice"), [bob()]).await.unwrap();
    say(&mut batch, &log_, &Word::Push(1));
    say(&mut batch, &log_, &Word::Push(300));
    assert_eq!(batch.deliver(), [(bob(), Step::CatchUp)]);
}

#[tokio::test]
async fn what_was_there_before_the_first_sync_is_history() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let log_ = plain_log(10);
    let mut batch = Batch::begin(&store, &user("alice"), [bob()]).await.unwrap();
    say(&mut batch, &log_, &Word::Head(0, 9));
    say(&mut batch, &log_, &Word::Push(10));
    assert_eq!(batch.deliver(), []);
    let events = batch.save().await.unwrap().events;
    assert!(
        events
            .iter()
            .any(|event| matches!(event, EventRef::NewMessages { range: heard, .. } if *heard == range(10, 10)))
    );
}

#[tokio::test]
async fn another_message_at_a_held_place_is_a_contradiction_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let log_ = plain_log(3);
    let mut batch = Batch::begin(&store, &user("alice"), [bob()]).await.unwrap();
    say(&mut batch, &log_, &Word::Push(2));
    batch.save().await.unwrap();
    let before = dump(&store).await;
    let mut other = log_.message(2);
    other.message.id = MessageId::generate();
    let mut batch = Batch::begin(&store, &user("alice"), [bob()]).await.unwrap();
    say(&mut batch, &log_, &Word::Push(3));
    batch.add_message(&bob(), log(), other);
    assert!(matches!(batch.save().await, Err(WriteError::Contradiction(_))));
    assert_eq!(dump(&store).await, before);
}

#[tokio::test]
async fn a_page_that_leaves_something_unsaid_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let log_ = plain_log(5);
    let (page, mut messages) = log_.page(1, 5, 5);
    messages.remove(2);
    let mut batch = Batch::begin(&store, &user("alice"), [bob()]).await.unwrap();
    assert!(matches!(batch.add_page(&bob(), &page, messages), Err(WriteError::Contradiction(_))));
}

#[tokio::test]
async fn a_group_made_anew_begins_with_nothing_of_the_old_one() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    set_synced(&store).await;
    let log_ = plain_log(5);
    let mut batch = Batch::begin(&store, &user("alice"), [bob()]).await.unwrap();
    say(&mut batch, &log_, &Word::Page(1, 5, 5));
    say(&mut batch, &log_, &Word::Head(0, 5));
    batch.deliver();
    batch.save().await.unwrap();
    let mut first = log_.message(1);
    first.message.id = MessageId::generate();
    let mut batch = Batch::begin(&store, &user("alice"), [bob()]).await.unwrap();
    batch.add_message(&bob(), LogId::parse(8).unwrap(), first);
    // A word about the old log comes too late.
    say(&mut batch, &log_, &Word::Push(4));
    assert_eq!(batch.deliver(), []);
    let events = batch.save().await.unwrap().events;
    assert!(
        events.iter().any(|event| matches!(event, EventRef::NewMessages { range: heard, .. } if *heard == range(1, 1)))
    );
    let lines = dump(&store).await;
    assert!(lines.contains(&"1-1".to_owned()), "{lines:?}");
    assert_eq!(lines.iter().filter(|line| line.ends_with(" 1001")).count(), 1, "{lines:?}");
}

#[derive(FromRow)]
struct Body {
    body: String,
}

#[tokio::test]
async fn what_this_version_cannot_read_stays_in_the_stored_body() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let mut raw = plain_log(1).message(1);
    raw.text = raw.text.replace(r#""type":"text""#, r#""type":"text","colour":"red""#);
    let mut batch = Batch::begin(&store, &user("alice"), [bob()]).await.unwrap();
    batch.add_message(&bob(), log(), raw);
    batch.save().await.unwrap();
    let mut reader = store.read().await.unwrap();
    let body: Body = sqlx::query_as("select body from message").fetch_one(&mut *reader).await.unwrap();
    assert!(body.body.contains(r#""colour":"red""#));
}
