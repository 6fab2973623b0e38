// SPDX-License-Identifier: Apache-2.0
//! A database that goes away and comes back: nobody waits for ever, nothing that was acknowledged is lost, and nobody has
//! to lend a hand. Only where the tests run on PostgreSQL.

use std::collections::HashSet;

use hongyan_protocol::message::SendMessage;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;

use crate::harness::device::Device;
use crate::harness::server::{Home, TestServer};
use crate::harness::view::{Line, assert_dense, c2c, group, line, stored_line, texts};
use crate::harness::wait::{eventually, within};
use crate::harness::wire::{stored_texts, text_message, to_group, to_user};

/// The status of `/readyz`.
async fn ready_status(server: &TestServer) -> String {
    let mut socket = TcpStream::connect(server.addr()).await.unwrap();
    socket.write_all(b"GET /readyz HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    within("an answer", socket.read_to_string(&mut answer)).await.unwrap();
    answer.split(' ').nth(1).unwrap().to_owned()
}

/// Waits for a status: an answer is kept for a second.
async fn has_ready_status(server: &TestServer, expected: &str) {
    eventually(format!("{expected} from /readyz"), async || match ready_status(server).await {
        status if status == expected => Ok(()),
        status => Err(status),
    })
    .await;
}

/// What the server's metrics say of its connection to the store.
async fn is_connected(server: &TestServer) -> f64 {
    server.scrape().await.value("hongyan_store_is_connected", &[])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_gone_is_waited_for_and_nothing_acknowledged_is_lost() {
    let Some(home) = Home::behind_a_proxy().await else { return };
    let server = TestServer::start_at(home).await;
    let bob = server.device("bob").login().await;
    let alice = server.device("alice").login().await;
    let mut carol = server.wire("carol").await;
    alice.sends(&c2c("bob"), "before").await;
    has_ready_status(&server, "200").await;
    assert_eq!(is_connected(&server).await, 1.0);

    server.home().proxy().take_away();
    has_ready_status(&server, "503").await;
    assert_eq!(is_connected(&server).await, 0.0);
    let message = text_message(&to_user("bob"), "by hand");
    let refusal = carol.call::<SendMessage>(&message).await.unwrap_err();
    assert!(refusal.code.is_retryable(), "{refusal}");
    let queued = alice.queue_text(&c2c("bob"), "meanwhile").await;

    server.home().proxy().give_back();
    has_ready_status(&server, "200").await;
    assert_eq!(is_connected(&server).await, 1.0);
    assert_eq!(carol.call::<SendMessage>(&message).await.unwrap().seq.get(), 1);
    queued.end().await.unwrap();
    bob.heard.wait_for_texts(3).await;
    assert_eq!(texts(&bob.cloud_history(&c2c("alice")).await), ["before", "meanwhile"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_whose_outcome_is_unknown_is_answered_so_and_heard_of_once() {
    let Some(home) = Home::behind_a_proxy().await else { return };
    let server = TestServer::start_at(home).await;
    let bob = server.device("bob").login().await;
    let mut alice = server.wire("alice").await;
    let of = to_user("bob");
    alice.send_text(&of, "first").await.unwrap();
    bob.heard.wait_for_texts(1).await;

    let proxy = server.home().proxy();
    proxy.lose_next_commit();
    let message = text_message(&of, "second");
    let sending = alice.post(&message).await;
    proxy.lost_a_commit().await;
    let refusal = alice.answer_to::<SendMessage>(sending).await.unwrap_err();
    assert!(refusal.code.is_retryable(), "{refusal}");
    assert_eq!(bob.heard.messages().len(), 1, "nobody could say so yet");
    proxy.give_back();
    // No push tells of it, and nobody says anything more: the server has its sessions look.
    assert_eq!(bob.heard.wait_for_texts(2).await, ["first", "second"]);
    has_ready_status(&server, "200").await;
    assert_eq!(alice.call::<SendMessage>(&message).await.unwrap().seq.get(), 2);
    alice.send_text(&of, "third").await.unwrap();
    assert_eq!(bob.heard.wait_for_texts(3).await, ["first", "second", "third"]);
    assert_eq!(stored_texts(&alice.history(&of).await).collect::<Vec<_>>(), ["first", "second", "third"]);
}

/// Sends texts to the geese, one after the other, until it is enough. Gives them as the server answered them.
async fn send_in_order(device: Device, is_enough: watch::Receiver<bool>) -> (Device, Vec<Line>) {
    let mut sent = Vec::new();
    for number in 0.. {
        if *is_enough.borrow() {
            break;
        }
        sent.push(line(&device.sends(&group("geese"), &format!("{} {number}", device.user())).await));
    }
    (device, sent)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_crashes_under_load_loses_nothing_doubles_nothing_and_leaves_no_gap() {
    /// Heard of before each crash, and after the last.
    const TEXTS: usize = 40;
    let Some(home) = Home::on_its_own_postgres().await else { return };
    let server = TestServer::start_at(home).await;
    let reader = server.device("reader").login().await;
    let mut writers = Vec::new();
    for name in ["alice", "bob", "carol"] {
        writers.push(server.device(name).login().await);
    }
    reader.create_group(Some("geese"), "Geese", &["alice", "bob", "carol"]).await.unwrap();
    let is_enough = watch::Sender::new(false);
    let sending: Vec<_> =
        writers.into_iter().map(|device| tokio::spawn(send_in_order(device, is_enough.subscribe()))).collect();
    for _ in 0..2 {
        let so_far = reader.heard.messages().len();
        reader.heard.wait_for_messages(so_far + TEXTS).await;
        tokio::task::block_in_place(|| server.home().own_postgres().crash());
        has_ready_status(&server, "503").await;
        tokio::task::block_in_place(|| server.home().own_postgres().start_again());
    }
    let so_far = reader.heard.messages().len();
    reader.heard.wait_for_messages(so_far + TEXTS).await;
    is_enough.send_replace(true);

    let mut acknowledged = Vec::new();
    let mut devices = vec![reader];
    for sender in sending {
        let (device, sent) = within("the end of a sender", sender).await.unwrap();
        assert!(sent.is_sorted_by_key(|line| line.seq), "what one sends keeps its order");
        acknowledged.extend(sent);
        devices.push(device);
    }
    let all = acknowledged.len();
    let heard = devices[0].heard.wait_for_texts(all).await;
    let log: Vec<Line> =
        server.wire("reader").await.history(&to_group("geese")).await.iter().map(stored_line).collect();
    assert_dense(&log);
    assert_eq!(texts(&log).into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>(), heard);
    let (stored, acknowledged): (HashSet<_>, HashSet<_>) = (
        log.iter().filter(|line| !line.text.is_empty()).map(|line| (line.seq, line.text.clone())).collect(),
        acknowledged.into_iter().map(|line| (line.seq, line.text)).collect(),
    );
    assert_eq!((stored.len(), stored == acknowledged), (all, true), "each is where it was said to be, once");
    for device in &devices {
        assert_eq!(device.cloud_history(&group("geese")).await, log, "{}", device.user());
    }
}
