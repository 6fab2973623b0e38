// SPDX-License-Identifier: Apache-2.0
//! What an older version stored is brought in, whatever ends.

use std::sync::Arc;

use hongyan_protocol::ids::MessageId;
use tokio::sync::Semaphore;

use super::model::Event;
use super::{Phone, in_bobs, text_body};
use crate::message::queries;
use crate::message::search::fill;
use crate::sync::raw::RawMessage;

#[tokio::test]
async fn what_an_earlier_version_stored_is_brought_in_step_by_step_and_a_kill_costs_nothing() {
    let mut phone = Phone::new().await;
    let many = (0..1_700)
        .map(|number| phone.stored(MessageId::generate(), "c2c_bob", "bob", text_body(&format!("old {number}"))));
    let many: Vec<RawMessage> = many.collect();
    phone.hear("c2c_bob", many).await;
    phone.live(Event::Downgrade).await;
    assert!(queries::index_backlog(&phone.store).await.unwrap(), "there is more");
    phone.live(Event::Kill).await;
    phone.receive("c2c_bob", "bob", text_body("old 1700")).await;
    assert!(queries::index_backlog(&phone.store).await.unwrap(), "there is more");
    assert_eq!(phone.search(in_bobs(&["old"])).await.unwrap().total_count, 1_701);
    assert!(phone.is_whole().await);
    assert_eq!(phone.indexed_count().await, 1_701);
}

#[tokio::test]
async fn long_messages_are_brought_in_few_at_a_time_and_one_at_least() {
    let mut phone = Phone::new().await;
    let (long, huge) = ("long ".repeat(4_800), "huge ".repeat(60_000));
    for text in [&long, &huge, &huge].into_iter().chain([&long; 30]) {
        phone.receive("c2c_bob", "bob", text_body(text)).await;
    }
    phone.live(Event::Downgrade).await;
    let mut counts = Vec::new();
    while queries::index_backlog(&phone.store).await.unwrap() {
        counts.push(phone.indexed_count().await);
    }
    // Eleven of 24 KB are the first to reach 256 KB.
    assert_eq!(counts, [11, 11 + 11, 11 + 11 + 8 + 1, 32]);
    assert!(phone.is_whole().await);
    assert_eq!(phone.indexed_count().await, 33);
}

#[tokio::test]
async fn a_close_ends_what_makes_old_messages_ready_and_the_next_start_goes_on_with_it() {
    let mut phone = Phone::new().await;
    let many = (0..700).map(|_| phone.stored(MessageId::generate(), "c2c_bob", "bob", text_body("old")));
    let many: Vec<RawMessage> = many.collect();
    phone.hear("c2c_bob", many).await;
    phone.live(Event::Downgrade).await;
    assert!(queries::index_backlog(&phone.store).await.unwrap(), "there is more");

    let turns = Arc::new(Semaphore::new(1));
    let searching = turns.acquire().await.unwrap();
    let filling = tokio::spawn(fill(phone.store.clone(), Arc::clone(&turns)));
    turns.close();
    filling.await.unwrap();
    drop(searching);
    assert!(!phone.is_whole().await, "it waited for its turn, and there are no more");

    phone.live(Event::Kill).await;
    fill(phone.store.clone(), Arc::new(Semaphore::new(1))).await;
    assert!(phone.is_whole().await);
    assert_eq!(phone.indexed_count().await, 700);
}

impl Phone {
    async fn is_whole(&self) -> bool {
        queries::is_whole(&mut self.store.read().await.unwrap()).await.unwrap()
    }

    async fn indexed_count(&self) -> i64 {
        let mut reader = self.store.read().await.unwrap();
        sqlx::query_scalar("select count(*) from message_index").fetch_one(&mut *reader).await.unwrap()
    }
}
