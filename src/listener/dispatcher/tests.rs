// SPDX-License-Identifier: Apache-2.0

use std::sync::mpsc;
use std::time::Duration;

use super::*;
use crate::listener::events::ConversationRow;

const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn a_slow_listener_delays_nobody_and_hears_everything_at_last() {
    let dispatcher = Dispatcher::new();
    let (delivered, deliveries) = mpsc::channel();
    let (go, gate) = mpsc::channel::<()>();
    dispatcher
        .start(move |batch, _| {
            gate.recv().unwrap();
            delivered.send(batch).unwrap();
            Vec::new()
        })
        .unwrap();
    dispatcher.push(EventRef::TotalUnread);
    // No push waits for the listener, which has not been let go yet.
    for number in 0..100_000 {
        dispatcher.push(EventRef::ConversationChanged(ConversationRow(number % 10)));
    }
    go.send(()).unwrap();
    go.send(()).unwrap();
    let mut rows = Vec::new();
    while rows.len() < 10 {
        match deliveries.recv_timeout(PATIENCE).unwrap() {
            Batch::ConversationChanged(batch) => rows.extend(batch),
            other => assert_eq!(other, Batch::TotalUnread),
        }
        // The first delivery may have begun before the last push.
        let _ = go.send(());
    }
    dispatcher.close();
}

#[tokio::test]
async fn a_close_ends_the_thread_and_forgets_what_waits() {
    let dispatcher = Arc::new(Dispatcher::new());
    let (begun, has_begun) = mpsc::channel();
    let (end, ended) = mpsc::channel::<()>();
    dispatcher
        .start(move |_, _| {
            begun.send(()).unwrap();
            ended.recv().unwrap();
            Vec::new()
        })
        .unwrap();
    dispatcher.push(EventRef::TotalUnread);
    has_begun.recv_timeout(PATIENCE).unwrap();
    dispatcher.push(EventRef::SelfInfo);
    dispatcher.close();
    end.send(()).unwrap();
    tokio::time::timeout(PATIENCE, dispatcher.ended()).await.unwrap();
    assert!(has_begun.try_recv().is_err(), "nothing is delivered after the close");
    dispatcher.push(EventRef::SelfInfo);
}

#[test]
fn the_thread_of_listeners_knows_itself() {
    let dispatcher = Arc::new(Dispatcher::new());
    let (told, answer) = mpsc::channel();
    let asked = Arc::clone(&dispatcher);
    dispatcher
        .start(move |_, _| {
            told.send(asked.is_own_thread()).unwrap();
            Vec::new()
        })
        .unwrap();
    dispatcher.push(EventRef::TotalUnread);
    assert!(answer.recv_timeout(PATIENCE).unwrap());
    assert!(!dispatcher.is_own_thread());
    dispatcher.close();
}

#[test]
fn what_was_taken_before_a_store_was_closed_is_known_by_its_number() {
    let dispatcher = Arc::new(Dispatcher::new());
    let (told, numbers) = mpsc::channel();
    dispatcher
        .start(move |_, store| {
            told.send(store).unwrap();
            Vec::new()
        })
        .unwrap();
    dispatcher.push(EventRef::SelfInfo);
    let first = numbers.recv_timeout(PATIENCE).unwrap();
    assert_eq!(first, dispatcher.store_number());
    dispatcher.forget_references();
    assert_ne!(first, dispatcher.store_number());
    dispatcher.push(EventRef::SelfInfo);
    assert_eq!(numbers.recv_timeout(PATIENCE).unwrap(), dispatcher.store_number());
    dispatcher.close();
}

#[test]
fn what_cannot_be_read_is_told_when_it_can_and_words_do_not_wait_for_it() {
    const FAILURES: usize = 3;
    let dispatcher = Arc::new(Dispatcher::new());
    let (told, batches) = mpsc::channel();
    let meanwhile = Arc::clone(&dispatcher);
    let mut failures = 0;
    dispatcher
        .start(move |batch, _| {
            if batch == Batch::TotalUnread && failures < FAILURES {
                failures += 1;
                meanwhile.push(EventRef::Connecting);
                return vec![EventRef::TotalUnread];
            }
            told.send((batch, failures)).unwrap();
            Vec::new()
        })
        .unwrap();
    dispatcher.push(EventRef::TotalUnread);
    for failures in 1..=FAILURES {
        let (batch, after) = batches.recv_timeout(PATIENCE).unwrap();
        assert!(matches!(batch, Batch::Connection(_)), "{batch:?}");
        assert_eq!(after, failures, "it is told before the next attempt");
    }
    assert_eq!(batches.recv_timeout(PATIENCE).unwrap(), (Batch::TotalUnread, FAILURES));
    dispatcher.close();
}

#[test]
fn what_cannot_be_read_is_forgotten_with_its_store() {
    let dispatcher = Arc::new(Dispatcher::new());
    let (told, batches) = mpsc::channel();
    let closing = Arc::clone(&dispatcher);
    dispatcher
        .start(move |batch, store| {
            let mut unread = Vec::new();
            if store == 0 {
                closing.forget_references();
                unread.push(EventRef::TotalUnread);
            }
            // Last: what is pushed after it is of the next store.
            told.send(batch).unwrap();
            unread
        })
        .unwrap();
    dispatcher.push(EventRef::TotalUnread);
    assert_eq!(batches.recv_timeout(PATIENCE).unwrap(), Batch::TotalUnread);
    dispatcher.push(EventRef::SelfInfo);
    assert_eq!(batches.recv_timeout(PATIENCE).unwrap(), Batch::SelfInfo);
    dispatcher.close();
}
