// SPDX-License-Identifier: Apache-2.0
//! Clients that read slowly, or not at all.

use std::sync::Arc;

use hongyan_protocol::account::{Ping, Platform};
use hongyan_protocol::frame::ServerFrame;
use hongyan_protocol::group::{CreateGroup, GroupType};
use hongyan_protocol::ids::GroupId;
use hongyan_protocol::limits::{MESSAGE_BYTES_MAX, MESSAGES_PER_PAGE_MAX, PACKET_BYTES_MAX};
use hongyan_protocol::message::{GetMessages, Page, Target};

use super::TestServer;
use super::wire::{Wire, text_to, user, within};
use crate::bus::Hint;

const EVENT_BYTES: usize = 16 * 1024;

/// More than the sockets of a connection hold together.
const EVENTS_COUNT_MAX: u64 = 5_000;

/// Their answers are ten times what a connection holds that nobody reads.
const PINGS_COUNT: usize = 20_000;
const PING_BYTES_MAX: usize = 125;

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
async fn answers_to_pings_that_nobody_reads_are_bounded_and_nothing_is_left_out_unsaid() {
    let server = TestServer::start_with(|config| config.requests_burst = 2 * PINGS_COUNT as u64).await;
    let mut slow = login_narrow(&server, "slow").await;
    let mut quick = server.login("quick").await;
    for _ in 0..PINGS_COUNT {
        slow.write_ping(vec![b'x'; PING_BYTES_MAX]).await;
    }
    // When this arrives, all pings have been read.
    slow.request(&text_to("quick", "hello")).await;
    assert_eq!(quick.push().await.event, "message");
    deliver(&server);
    assert_eq!(quick.push().await.event, "noise");
    let mut connections = server.server.gateway.connections.subscribe();
    within("the end of who does not read", connections.wait_for(|count| *count == 1)).await.unwrap();
    let count = slow.count_pongs().await;
    assert!(count > 0 && count < PINGS_COUNT / 4, "{count} answers were kept");
    assert!(slow.read().await.is_none());
    quick.call(&Ping {}).await.unwrap();
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
    nothing_waits(&server).await;
}

/// Waits until nothing counts as waiting.
async fn nothing_waits(server: &TestServer) {
    let gone = async {
        while server.server.gateway.registry.metrics.budget.held_bytes() > 0 {
            tokio::task::yield_now().await;
        }
    };
    within("an empty count", gone).await;
}

#[tokio::test]
async fn unread_answers_of_all_sessions_are_bounded_and_end_those_who_leave_the_most() {
    const TOTAL_MAX: usize = 4 * 1024 * 1024;
    let server = TestServer::start_with(|config| config.queue_bytes_total_max = TOTAL_MAX).await;
    let metrics = &server.server.gateway.registry.metrics;
    let names: Vec<String> = (0..18).map(|number| format!("greedy{number}")).chain(["quick".to_owned()]).collect();
    for name in &names {
        server.login(name).await;
    }
    let mut writer = server.login("writer").await;
    let club = fill_a_group(&mut writer, &names).await;
    let page = GetMessages { of: Target::Group(club), page: Page::Before(None), limit: MESSAGES_PER_PAGE_MAX };
    let mut greedy = Vec::new();
    for name in names.iter().filter(|name| *name != "quick") {
        greedy.push(login_narrow(&server, name).await);
    }
    let mut quick = server.login("quick").await;
    let answer = quick.request(&page).await;
    let page_bytes = quick.answer_to(answer).await.unwrap().to_string().len();

    let mut most = 0;
    for wire in &mut greedy {
        for _ in 0..3 {
            wire.ask_if_taken(&page).await;
        }
        server.advance_s(1);
        // Who reads is answered all the while.
        for _ in 0..3 {
            quick.call(&page).await.unwrap();
            most = most.max(metrics.budget.held_bytes());
        }
    }
    // An answer is counted, with what its text has room for, before room is made for it.
    let allowed = TOTAL_MAX + 2 * page_bytes;
    assert!(most > TOTAL_MAX / 2 && most <= allowed, "{most} bytes, {allowed} are allowed");
    let ended = metrics.ended.unread.get();
    assert!(ended >= 5, "{ended} were ended");
    quick.call(&page).await.unwrap();
    writer.call(&Ping {}).await.unwrap();
    drop((greedy, quick, writer));
    nothing_waits(&server).await;
}

/// Makes a group with one page of messages that is as large as a page may be.
async fn fill_a_group(owner: &mut Wire, members: &[String]) -> GroupId {
    let create = CreateGroup {
        group_type: GroupType::Work,
        group_id: None,
        name: String::new(),
        face_url: String::new(),
        members: members.iter().map(|name| user(name)).collect(),
    };
    let group_id = owner.call(&create).await.unwrap().group_id;
    for _ in 0..PACKET_BYTES_MAX / 2 / MESSAGE_BYTES_MAX {
        let mut message = text_to("nobody", &"x".repeat(MESSAGE_BYTES_MAX - 100));
        message.to = Target::Group(group_id.clone());
        owner.call(&message).await.unwrap();
    }
    group_id
}
