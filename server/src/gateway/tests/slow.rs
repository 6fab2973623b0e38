// SPDX-License-Identifier: Apache-2.0
//! Clients that read slowly, or not at all.

use std::sync::Arc;

use hongyan_protocol::account::{Ping, Platform};
use hongyan_protocol::frame::ServerFrame;

use super::TestServer;
use super::wire::{Wire, user, within};
use crate::bus::Hint;

const EVENT_BYTES: usize = 16 * 1024;

/// More than the sockets of a connection hold together.
const EVENTS_COUNT_MAX: u64 = 5_000;

async fn start() -> TestServer {
    TestServer::start_with(|config| config.queue_pushes_max = 32).await
}

async fn login_narrow(server: &TestServer, name: &str) -> Wire {
    let mut wire = Wire::connect_narrow(server.server.addr()).await;
    wire.login(server, name, Platform::Android).await.unwrap();
    wire
}

/// Gives both users an event.
fn deliver(server: &TestServer) {
    let event: Arc<str> = format!(r#""event":"noise","data":{{"x":"{}"}}}}"#, "x".repeat(EVENT_BYTES)).into();
    let users: Arc<[_]> = [user("slow"), user("quick")].into();
    let app = server.app();
    server.server.gateway.registry.deliver(Hint::Event { app, users, event, origin: None, except: None });
}

/// Gives both users events until some are left out of the slow one's queue; the quick one reads them all. Says how many.
async fn flood(server: &TestServer, quick: &mut Wire) -> u64 {
    let mut count = 0;
    let mut left_out = 0;
    while left_out < 10 {
        assert!(count < EVENTS_COUNT_MAX, "the slow client's socket takes everything");
        deliver(server);
        count += 1;
        assert_eq!(quick.push().await.number, count);
        left_out += server.server.gateway.registry.take_left_out_count();
    }
    count
}

#[tokio::test]
async fn a_slow_reader_loses_pushes_and_is_told_and_slows_nobody() {
    let server = start().await;
    let mut slow = login_narrow(&server, "slow").await;
    let mut quick = server.login("quick").await;
    let count = flood(&server, &mut quick).await;

    let mut numbers = Vec::new();
    let resync = loop {
        let push = slow.push().await;
        if push.event == "resync" {
            break push.number;
        }
        numbers.push(push.number);
    };
    assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>());
    assert_eq!(numbers.len() as u64 + 10, count);
    assert_eq!(resync, count + 1);
    deliver(&server);
    assert_eq!(slow.push().await.number, count + 2);
    assert_eq!(slow.call(&Ping {}).await.unwrap().push, count + 2);
}

#[tokio::test]
async fn answers_are_not_left_out_with_the_pushes_around_them() {
    let server = start().await;
    let mut slow = login_narrow(&server, "slow").await;
    let mut quick = server.login("quick").await;
    let count = flood(&server, &mut quick).await;
    for _ in 0..100 {
        slow.request(&Ping {}).await;
    }
    let pong = slow.answer_to(101).await.unwrap();
    assert!(pong["push"].as_u64().unwrap() >= count);
}

#[tokio::test]
async fn who_takes_nothing_at_all_loses_the_connection_and_nobody_else_does() {
    let server = start().await;
    let mut slow = login_narrow(&server, "slow").await;
    let mut quick = server.login("quick").await;
    let mut count = flood(&server, &mut quick).await;
    server.advance_s(29);
    // What is added to its queue wakes the connection, and is no sign of life of the client.
    for _ in 0..5 {
        deliver(&server);
        count += 1;
        assert_eq!(quick.push().await.number, count);
    }
    server.advance_s(1);
    let frames = slow.read_to_end().await;
    assert!((frames.len() as u64) < count);
    assert!(frames.iter().all(|frame| matches!(frame, ServerFrame::Push { event, .. } if event == "noise")));
    quick.call(&Ping {}).await.unwrap();
    deliver(&server);
    assert_eq!(quick.push().await.number, count + 1);
}

#[tokio::test]
async fn what_waits_in_all_queues_is_bounded_and_who_reads_loses_nothing_by_it() {
    const TOTAL_MAX: usize = 40 * EVENT_BYTES;
    let server = TestServer::start_with(|config| config.queue_bytes_total_max = TOTAL_MAX).await;
    let registry = &server.server.gateway.registry;
    let mut slow = Vec::new();
    for number in 0..20 {
        let mut wire = Wire::connect_narrow(server.server.addr()).await;
        wire.login(&server, &format!("slow{number}"), Platform::Android).await.unwrap();
        slow.push(wire);
    }
    let mut quick = server.login("quick").await;
    let mut left_out = 0;
    let mut count = 0;
    while left_out < 1_000 {
        // Each of them gets an event of its own, so that no two queues share bytes.
        for number in 0..slow.len() {
            let text = format!(r#""event":"noise","data":{{"x":"{number}{}"}}}}"#, "x".repeat(EVENT_BYTES));
            let users: Arc<[_]> = [user(&format!("slow{number}"))].into();
            let app = server.app();
            registry.deliver(Hint::Event { app, users, event: text.into(), origin: None, except: None });
            assert!(registry.metrics.budget.held_bytes() <= TOTAL_MAX);
        }
        let (app, users) = (server.app(), Arc::from([user("quick")]));
        let event = r#""event":"noise","data":{}}"#.into();
        registry.deliver(Hint::Event { app, users, event, origin: None, except: None });
        count += 1;
        assert_eq!(quick.push().await.number, count, "none was left out");
        left_out += registry.take_left_out_count();
        assert!(count < EVENTS_COUNT_MAX, "the slow clients' sockets take everything");
    }
    for wire in &mut slow {
        while wire.push().await.event != "resync" {}
    }
    drop((slow, quick));
    let gone = async {
        while registry.metrics.budget.held_bytes() > 0 {
            tokio::task::yield_now().await;
        }
    };
    within("an empty count", gone).await;
}
