// SPDX-License-Identifier: Apache-2.0
//! What is counted of connections that are refused and of sessions that the server ends.

use std::sync::Arc;

use hongyan_protocol::account::{Ping, Platform};
use tokio::net::{TcpListener, TcpStream};

use super::super::admin;
use super::TestServer;
use super::admission::is_closed;
use super::wire::{Wire, within};
use crate::metrics::Metrics;

impl TestServer {
    fn metrics(&self) -> &super::super::metrics::GatewayMetrics {
        &self.server.gateway.registry.metrics
    }

    /// Those who have not logged in, once there are so many.
    async fn waiting(&self, expected: i64) {
        let settled = async {
            while self.metrics().waiting.get() != expected {
                tokio::task::yield_now().await;
            }
        };
        within(format!("{expected} connections that wait"), settled).await;
    }
}

#[tokio::test]
async fn connections_are_counted_while_they_wait_and_once_they_are_refused() {
    let server = TestServer::start_with(|config| {
        config.unauthenticated_per_address_max = 2;
        config.connections_max = 3;
    })
    .await;
    let addr = server.server.addr();
    let mut first = server.connect().await;
    let silent = TcpStream::connect(addr).await.unwrap();
    server.waiting(2).await;
    assert!(is_closed(&mut TcpStream::connect(addr).await.unwrap()).await);
    assert_eq!(server.metrics().refused.address_full.get(), 1);

    first.login(&server, "alice", Platform::Android).await.unwrap();
    server.waiting(1).await;
    assert_eq!(server.metrics().online.get(), 1);
    let _second = server.login("bob").await;
    drop(silent);
    server.waiting(0).await;
    let late = server.connect().await;
    assert!(Wire::over(TcpStream::connect(addr).await.unwrap(), addr).await.is_none());
    assert_eq!(server.metrics().refused.server_full.get(), 1);

    server.advance_s(10);
    server.waiting(0).await;
    assert_eq!(server.metrics().refused.login_deadline.get(), 1);
    drop(late);
    server.server.gateway.drain().await;
    assert!(Wire::over(TcpStream::connect(addr).await.unwrap(), addr).await.is_none());
    assert_eq!(server.metrics().refused.stopping.get(), 1);
    assert_eq!(server.metrics().online.get(), 0);
}

#[tokio::test]
async fn a_session_that_the_server_ends_is_counted_once_and_by_why() {
    let server = TestServer::start_with(|config| config.silence_ms_max = 20_000).await;
    let ended = &server.metrics().ended;
    let mut phone = server.login("alice").await;
    let mut other = server.login("alice").await;
    assert!(phone.push().await.event == "kicked");
    assert_eq!(ended.kicked.get(), 1);
    phone.read_to_end().await;

    let mut again = server.connect().await;
    again.device = other.device;
    again.login(&server, "alice", Platform::Android).await.unwrap();
    other.read_to_end().await;
    assert_eq!((ended.replaced.get(), ended.kicked.get()), (1, 1));

    server.advance_s(20);
    again.read_to_end().await;
    for _ in 0..5 {
        // The sweeper looks again at what has ended and is not gone.
        server.advance_s(1);
        tokio::task::yield_now().await;
    }
    assert_eq!(ended.silent.get(), 1);
    assert_eq!((ended.stuck.get(), ended.expired.get()), (0, 0));
}

#[tokio::test]
async fn a_user_sig_that_ends_is_counted() {
    let server = TestServer::start().await;
    let mut wire = server.connect().await;
    let user_sig = server.sign_for("alice", 5);
    wire.login_with(&server, "alice", Platform::Android, user_sig).await.unwrap();
    server.advance_s(6);
    wire.read_to_end().await;
    assert_eq!(server.metrics().ended.expired.get(), 1);
}

#[tokio::test]
async fn who_floods_the_admin_listener_takes_no_place_from_clients_and_is_bounded() {
    let server = TestServer::start_with(|config| config.unauthenticated_per_address_max = 1).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let admin = admin::run(Arc::clone(&server.server.gateway), listener, Metrics::new());
    let mut open = Vec::new();
    let refused = async {
        loop {
            let mut stream = TcpStream::connect(addr).await.unwrap();
            // One that is refused is closed at once; one that is not says nothing until the deadline.
            tokio::select! {
                _ = is_closed(&mut stream) => return,
                () = async { for _ in 0..1_000 { tokio::task::yield_now().await } } => open.push(stream),
            }
        }
    };
    within("a refusal", refused).await;
    assert!((1..100).contains(&open.len()), "{} are open", open.len());
    assert_eq!(server.metrics().waiting.get(), 0, "they are none of those who connect");
    let mut alice = server.login("alice").await;

    server.advance_s(10);
    for stream in &mut open {
        assert!(is_closed(stream).await, "what asks nothing is closed");
    }
    alice.call(&Ping {}).await.unwrap();
    admin.abort();
}
