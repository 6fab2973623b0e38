// SPDX-License-Identifier: Apache-2.0
//! Whatever order, repetition and grouping the server's words come in, the store ends the same, and listeners hear
//! of each message once, in order.

mod log;

use std::path::Path;

use hongyan_protocol::codes::Code;
use hongyan_protocol::ids::{LogId, MessageId, SdkAppId, Seq, SeqRange};
use hongyan_protocol::message::SentMessage;
use proptest::prelude::*;
use proptest::sample::Index;
use sqlx::{FromRow, Row};

use crate::conversation::state::Step;
use crate::listener::events::EventRef;
use crate::message::queries::{OutgoingRow, insert_outgoing};
use crate::store::Store;
use crate::sync::batch::{Batch, WriteError};
use crate::sync::raw::RawMessage;
use log::{Log, Word, any_log, bob, last_words, log_id, plain_log, range, say, seq, user, words_of};

async fn open(folder: &Path) -> Store {
    Store::open(folder, "http://127.0.0.1:1", SdkAppId::parse(1).unwrap(), &user("alice")).await.unwrap()
}

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
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
async fn queue_own(store: &Store, log: &Log, sent_from_here: &[i64]) {
    let mut batch = Batch::begin(store, &user("alice"), [bob()]).await.unwrap();
    let row = batch.find(&bob()).unwrap().row;
    for number in sent_from_here {
        let body = serde_json::to_string(&log.message(*number).message.body).unwrap();
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
async fn run(store: &Store, log: &Log, batches: &[Vec<Word>]) -> Vec<SeqRange> {
    let mut heard = Vec::new();
    let mut batches = batches.to_vec();
    batches.reverse();
    while let Some(words) = batches.pop() {
        let mut batch = Batch::begin(store, &user("alice"), [bob()]).await.unwrap();
        for word in &words {
            say(&mut batch, log, word);
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

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn any_order_and_repetition_ends_in_the_same_store_and_each_message_is_heard_once(
        log in any_log(),
        own in prop::collection::vec(any::<Index>(), 0..4),
        picks in prop::collection::vec((any::<u8>(), any::<Index>(), any::<Index>()), 0..40),
        other_order in any::<u64>(),
        sizes in prop::collection::vec(1..6usize, 2..5),
    ) {
        let mut sent_from_here: Vec<i64> = own
            .iter()
            .map(|index| i64::try_from(index.index(log.entries.len())).unwrap() + 1)
            .filter(|number| log.entry(*number).0)
            .collect();
        sent_from_here.sort_unstable();
        sent_from_here.dedup();
        let mut words = words_of(&log, &sent_from_here, &picks);
        words.extend(last_words(&log, &sent_from_here));
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
                queue_own(&store, &log, &sent_from_here).await;
                let heard = run(&store, &log, &chunks(&words, &sizes)).await;
                for pair in heard.windows(2) {
                    assert!(pair[0].to < pair[1].from, "heard twice or out of order: {heard:?}");
                }
                for number in (1..=log.last()).filter(|number| log.is_visible(*number)) {
                    let is_heard = heard.iter().any(|range| range.contains(seq(number)));
                    assert!(is_heard || sent_from_here.contains(&number), "{number} was not heard: {heard:?}");
                }
                ends.push(dump(&store).await);
                store.close().await;
            }
            assert_eq!(&ends[0], &ends[1]);
            let last = log.last();
            let read = log.reads.iter().copied().max().unwrap_or(0);
            let unread = (read + 1..=last).filter(|n| { let (own, counts, _) = log.entry(*n); counts && !own }).count();
            let expected = format!("unread {unread} read {read} max {last}");
            assert!(ends[0].iter().any(|line| line.contains(&expected)), "{expected} in {:?}", ends[0]);
            assert!(ends[0].contains(&format!("1-{last}")), "the whole log is held: {:?}", ends[0]);
            assert!(!ends[0].iter().any(|line| line.starts_with("outbox")), "the outbox is empty: {:?}", ends[0]);
        });
    }
}

#[tokio::test]
async fn a_small_hole_is_filled_before_what_follows_is_heard() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    set_synced(&store).await;
    let log = plain_log(10);
    let mut batch = Batch::begin(&store, &user("alice"), [bob()]).await.unwrap();
    for number in [1, 2, 9, 10] {
        say(&mut batch, &log, &Word::Push(number));
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
    say(&mut batch, &log, &Word::Page(3, 8, 10));
    assert_eq!(batch.deliver(), []);
    assert_eq!(heard(&batch.save().await.unwrap().events), [range(3, 10)]);
}

#[tokio::test]
async fn a_large_hole_asks_for_the_heads() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    set_synced(&store).await;
    let log = plain_log(300);
    let mut batch = Batch::begin(&store, &user("alice"), [bob()]).await.unwrap();
    say(&mut batch, &log, &Word::Push(1));
    say(&mut batch, &log, &Word::Push(300));
    assert_eq!(batch.deliver(), [(bob(), Step::CatchUp)]);
}

#[tokio::test]
async fn what_was_there_before_the_first_sync_is_history() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let log = plain_log(10);
    let mut batch = Batch::begin(&store, &user("alice"), [bob()]).await.unwrap();
    say(&mut batch, &log, &Word::Head(0, 9));
    say(&mut batch, &log, &Word::Push(10));
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
    let log = plain_log(3);
    let mut batch = Batch::begin(&store, &user("alice"), [bob()]).await.unwrap();
    say(&mut batch, &log, &Word::Push(2));
    batch.save().await.unwrap();
    let before = dump(&store).await;
    let mut other = log.message(2);
    other.message.id = MessageId::generate();
    let mut batch = Batch::begin(&store, &user("alice"), [bob()]).await.unwrap();
    say(&mut batch, &log, &Word::Push(3));
    batch.add_message(&bob(), log_id(), other);
    assert!(matches!(batch.save().await, Err(WriteError::Contradiction(_))));
    assert_eq!(dump(&store).await, before);
}

#[tokio::test]
async fn a_page_that_leaves_something_unsaid_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let log = plain_log(5);
    let mut page = log.page(1, 5, 5);
    page.messages.remove(2);
    let mut batch = Batch::begin(&store, &user("alice"), [bob()]).await.unwrap();
    assert!(matches!(batch.add_page(&bob(), page), Err(WriteError::Contradiction(_))));
}

#[tokio::test]
async fn a_group_made_anew_begins_with_nothing_of_the_old_one() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    set_synced(&store).await;
    let log = plain_log(5);
    let mut batch = Batch::begin(&store, &user("alice"), [bob()]).await.unwrap();
    say(&mut batch, &log, &Word::Page(1, 5, 5));
    say(&mut batch, &log, &Word::Head(0, 5));
    batch.deliver();
    batch.save().await.unwrap();
    let mut first = log.message(1);
    first.message.id = MessageId::generate();
    let mut batch = Batch::begin(&store, &user("alice"), [bob()]).await.unwrap();
    batch.add_message(&bob(), LogId::parse(8).unwrap(), first);
    // A word about the old log comes too late.
    say(&mut batch, &log, &Word::Push(4));
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
    batch.add_message(&bob(), log_id(), raw);
    batch.save().await.unwrap();
    let mut reader = store.read().await.unwrap();
    let body: Body = sqlx::query_as("select body from message").fetch_one(&mut *reader).await.unwrap();
    assert!(body.body.contains(r#""colour":"red""#));
}

/// A store that knows five messages, and then that the group was made anew.
async fn replaced(folder: &Path) -> (Store, Log) {
    let store = open(folder).await;
    set_synced(&store).await;
    let log = plain_log(5);
    queue_own(&store, &log, &[5]).await;
    let mut batch = Batch::begin(&store, &user("alice"), [bob()]).await.unwrap();
    say(&mut batch, &log, &Word::Page(1, 4, 4));
    batch.add_message(&bob(), LogId::parse(8).unwrap(), {
        let mut first = log.message(1);
        first.message.id = MessageId::generate();
        first
    });
    batch.save().await.unwrap();
    (store, log)
}

#[tokio::test]
async fn a_page_of_a_log_that_is_gone_is_not_asked_for_for_ever() {
    let folder = tempfile::tempdir().unwrap();
    let (store, log) = replaced(folder.path()).await;
    let mut batch = Batch::begin(&store, &user("alice"), [bob()]).await.unwrap();
    assert!(matches!(batch.add_page(&bob(), log.page(1, 4, 4)), Err(WriteError::Contradiction(_))));
}

#[tokio::test]
async fn who_sent_to_a_group_that_is_gone_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let (store, log) = replaced(folder.path()).await;
    let mut batch = Batch::begin(&store, &user("alice"), [bob()]).await.unwrap();
    say(&mut batch, &log, &Word::Sent(5));
    let written = batch.save().await.unwrap();
    assert_eq!(written.failed, [(Log::id(5), Code::GROUP_NOT_FOUND)]);
    assert!(!dump(&store).await.iter().any(|line| line.starts_with("outbox")));
}

#[tokio::test]
async fn two_answers_for_one_place_are_a_contradiction() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let log = plain_log(3);
    queue_own(&store, &log, &[2, 3]).await;
    let mut batch = Batch::begin(&store, &user("alice"), [bob()]).await.unwrap();
    say(&mut batch, &log, &Word::Sent(2));
    let RawMessage { message, .. } = log.message(2);
    let sent = SentMessage {
        log: log_id(),
        seq: message.seq,
        server_ms: message.server_ms,
        counted: message.counted,
        sender_counted: message.sender_counted,
    };
    batch.add_sent(&bob(), Log::id(3), &sent);
    assert!(matches!(batch.save().await, Err(WriteError::Contradiction(_))));
}

#[tokio::test]
async fn a_log_without_messages_is_not_compared() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let log = plain_log(1);
    queue_own(&store, &log, &[]).await;
    let mut batch = Batch::begin(&store, &user("alice"), [bob()]).await.unwrap();
    say(&mut batch, &log, &Word::State(0, 0));
    batch.touch(&bob(), Some(7));
    batch.save().await.unwrap();
    let probes = async || {
        let mut reader = store.read().await.unwrap();
        crate::conversation::queries::list_probes(&mut reader, 10).await.unwrap().len()
    };
    assert_eq!(probes().await, 0);
    let mut batch = Batch::begin(&store, &user("alice"), [bob()]).await.unwrap();
    say(&mut batch, &log, &Word::Push(1));
    batch.save().await.unwrap();
    assert_eq!(probes().await, 1);
}
