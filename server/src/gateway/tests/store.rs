// SPDX-License-Identifier: Apache-2.0
//! Sessions before a store that is slow, or has failed.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::net::TcpStream;

use super::TestServer;
use super::wire::{text_to, within};
use crate::message::limits::QUEUE_MAX;
use crate::store::execute;

/// Submits messages of a user until the writer, which waits for the store, has a full queue. What it is then stands
/// in line before all who come later.
async fn fill_the_writers_queue(server: &TestServer, user: &str) -> tokio::task::JoinHandle<()> {
    let members =
        server.server.gateway.registry.list_with(|member| (member.caller.user.as_str() == user).then_some(()));
    let caller = members[0].0.caller.clone();
    let rooms = Arc::clone(&server.server.gateway.rooms);
    let submitted = Arc::new(AtomicUsize::new(0));
    let filling = tokio::spawn({
        let submitted = Arc::clone(&submitted);
        async move {
            while rooms.submit_send(&caller, 1, text_to(caller.user.as_str(), "x")).await.is_ok() {
                submitted.fetch_add(1, Ordering::Relaxed);
            }
        }
    });
    let (mut count, mut unchanged) = (0, 0);
    let full = async {
        while count < QUEUE_MAX || unchanged < 100 {
            tokio::task::yield_now().await;
            let now = submitted.load(Ordering::Relaxed);
            unchanged = if now == count { unchanged + 1 } else { 0 };
            count = now;
        }
    };
    within("a full queue", full).await;
    filling
}

#[tokio::test]
async fn a_send_that_waits_for_its_place_holds_up_nothing_but_what_follows_it() {
    let server = TestServer::start().await;
    let _bob = server.login("bob").await;
    let _filler = server.login("filler").await;
    let mut alice = server.login("alice").await;
    let held = server.server.gateway.rooms.store().begin().await.unwrap();
    let filling = fill_the_writers_queue(&server, "filler").await;

    let sends = [alice.request(&text_to("bob", "1")).await, alice.request(&text_to("bob", "2")).await];
    for _ in 0..20 {
        server.make_noise("alice");
        assert_eq!(alice.push().await.event, "noise");
    }
    filling.abort();
    drop(held);
    for (send, seq) in sends.into_iter().zip([1, 2]) {
        assert_eq!(alice.answer_to(send).await.unwrap()["seq"], seq);
    }
}

#[tokio::test]
async fn a_server_whose_store_fails_says_so_and_lets_go_of_its_port_and_its_clients() {
    let server = TestServer::start().await;
    let addr = server.server.addr();
    let mut alice = server.login("alice").await;
    let mut write = server.server.gateway.rooms.store().begin().await.unwrap();
    // The transaction is gone when the committer comes, and the savepoint that proves it is a false one.
    execute!(write, "rollback").unwrap();
    execute!(write, "savepoint operation").unwrap();
    write.commit(|| {}).await.unwrap_err();

    within("the failure", server.server.failed()).await;
    assert!(alice.read_to_end().await.is_empty());
    let gone = async {
        while TcpStream::connect(addr).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    within("a free port", gone).await;
    within("the server's end", server.server.shutdown()).await;
}
