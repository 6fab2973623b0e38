// SPDX-License-Identifier: Apache-2.0
//! Stopping: nothing that was read stays unanswered, and nobody can hold a server up.

use hongyan_protocol::account::Platform;
use hongyan_protocol::frame::ServerFrame;
use hongyan_protocol::sync::Sync;
use tokio::net::TcpStream;

use super::TestServer;
use super::wire::{Wire, text_to, within};

#[tokio::test]
async fn a_stopping_server_answers_what_it_has_read_and_keeps_it() {
    let server = TestServer::start().await;
    let mut bob = server.login("bob").await;
    let mut alice = server.login("alice").await;
    let first = alice.request(&text_to("bob", "0")).await;
    for text in 1..300 {
        alice.request(&text_to("bob", &text.to_string())).await;
    }
    alice.answer_to(first).await.unwrap();
    let TestServer { server, folder, .. } = server;
    let stopping = tokio::spawn(server.shutdown());

    let mut answered_count = 1;
    let mut events = Vec::new();
    for frame in alice.read_to_end().await {
        match frame {
            ServerFrame::Reply { outcome, .. } => {
                outcome.expect("what was read before the end is stored");
                answered_count += 1;
            }
            ServerFrame::Push { event, .. } => events.push(event),
        }
    }
    assert_eq!(events, ["going_away"]);
    bob.read_to_end().await;
    within("the server's end", stopping).await.unwrap();

    let server = TestServer::start_in(folder, |_| {}).await;
    let mut bob = server.login("bob").await;
    let sync = Sync { since_ms: None, version: Default::default(), probes: Vec::new(), cursor: None, limit: 1 };
    let page = bob.call(&sync).await.unwrap();
    assert_eq!(page.heads[0].max_seq.get(), answered_count);
}

#[tokio::test]
async fn nobody_can_keep_a_server_from_stopping() {
    let server = TestServer::start_with(|config| config.drain_ms_max = 50).await;
    let addr = server.server.addr();
    let mut deaf = Wire::connect_narrow(addr).await;
    deaf.login(&server, "deaf", Platform::Android).await.unwrap();
    let _never_logs_in = server.connect().await;
    let _never_asks = TcpStream::connect(addr).await.unwrap();
    let TestServer { server, folder, .. } = server;
    within("the server's end", server.shutdown()).await;
    assert!(TcpStream::connect(addr).await.is_err());
    TestServer::start_in(folder, |_| {}).await;
}

#[tokio::test]
async fn a_server_that_is_dropped_lets_go_of_its_port_and_its_clients() {
    let server = TestServer::start().await;
    let addr = server.server.addr();
    let mut alice = server.login("alice").await;
    drop(server);
    assert!(alice.read().await.is_none());
    let gone = async {
        while TcpStream::connect(addr).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    within("a free port", gone).await;
}
