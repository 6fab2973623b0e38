// SPDX-License-Identifier: Apache-2.0
//! Clients that stop reading cost the server a bounded piece of memory, and nobody else anything.

use std::net::{Ipv4Addr, SocketAddr};

use futures_util::{StreamExt, stream};
use hongyan_protocol::limits::PACKET_BYTES_MAX;
use tokio::net::TcpSocket;

use crate::harness::process::ServerProcess;
use crate::harness::scrape::Scrape;
use crate::harness::view::group;
use crate::harness::wait::{eventually, within};
use crate::harness::wire::{Wire, stored_texts, to_group};
use crate::harness::{is_soak, net};

/// Nearly the largest message.
const TEXT_BYTES: usize = 11_900;

/// Those who are stuck are members of groups, so many of each: what waits for one group is shared by no other.
const MEMBERS: usize = 10;

/// To each group. The connection of who is stuck takes the first dozen.
const MESSAGES: usize = 60;

/// How many are sent at a time: what is published at once fits into all queues together, so that who reads is never behind.
const IN_FLIGHT: usize = 20;

/// Those who read, one in each of the first groups.
const HEALTHY: usize = 5;

/// What all queues may hold here, for each reader that is stuck: less than half of what would wait without a bound.
const QUEUES_BYTES_PER_READER: usize = 20 * 1024;

/// An event is counted before what goes for it.
const EVENT_BYTES_MAX: usize = 16 * 1024;

/// What a reader that is stuck costs beyond that: its session, and what is on its way into its socket.
const READER_BYTES_MAX: usize = 64 * 1024;

/// What the store keeps of what is written to it: the cache of SQLite's writer, which grows with that up to its own bound.
/// With a cache of 2 MiB the server takes 18 MB less here.
const CACHE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// What the server may need for the traffic itself: batches, and the allocator's reserve.
const WORK_BYTES_MAX: usize = 24 * 1024 * 1024;

fn name(number: usize) -> String {
    format!("stuck{number}")
}

/// A logged-in user whose side of the connection holds little, from one of many addresses.
async fn join(server: &ServerProcess, user: &str, number: usize) -> Wire {
    let host = u8::try_from(number % 250 + 1).expect("250 addresses");
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    socket.bind(SocketAddr::from((Ipv4Addr::new(127, 0, 2, host), 0))).unwrap();
    let socket = within("a connection", socket.connect(server.addr())).await.unwrap();
    let mut wire = Wire::over(socket, server.addr()).await;
    wire.call(&server.app().login(user)).await.unwrap_or_else(|error| panic!("{user} cannot log in: {error}"));
    wire
}

fn club(number: usize) -> String {
    format!("club{number}")
}

/// Reads every message of a club, and finds that none was left out.
async fn read_all(mut wire: Wire) {
    for number in 0..MESSAGES {
        let message = wire.next_message().await.message;
        if let Some(text) = stored_texts(&[message]).next().filter(|text| !text.is_empty()) {
            assert!(text.starts_with(&format!("{number} ")), "message {number}: {}", &text[..20]);
        }
    }
}

/// Makes the clubs, of those who are stuck, who read, and the phone in the first.
async fn make_clubs(owner: &mut Wire, stuck: &[String], healthy: &[String]) -> usize {
    let mut clubs = 0;
    for members in stuck.chunks(MEMBERS) {
        let others = healthy.get(clubs).map(String::as_str).into_iter().chain((clubs == 0).then_some("phone"));
        let members: Vec<&str> = members.iter().map(String::as_str).chain(others).collect();
        owner.create_group(&club(clubs), &members).await;
        clubs += 1;
    }
    clubs
}

/// Sends to every club. Gives the most that was held for all queues meanwhile.
async fn flood(owner: &mut Wire, clubs: usize, admin: SocketAddr) -> usize {
    let text = "x".repeat(TEXT_BYTES);
    let mut most = 0.0_f64;
    for first in (0..MESSAGES).step_by(IN_FLIGHT) {
        for number in 0..clubs {
            let texts = (first..first + IN_FLIGHT).map(|number| format!("{number} {text}"));
            owner.send_texts(&to_group(&club(number)), texts).await;
            most = most.max(Scrape::of(admin).await.value("hongyan_session_queue_held_bytes", &[]));
        }
    }
    most as usize
}

async fn stuck_readers_cost_little_and_catch_up(count: usize, stuck_ms_max: &str) {
    let queues_bytes_max = count * QUEUES_BYTES_PER_READER;
    let admin = net::bind().await.local_addr().unwrap();
    let server = ServerProcess::start_with(&[
        ("HONGYAN_SERVER_ADMIN__LISTEN", &admin.to_string()),
        ("HONGYAN_SERVER_GATEWAY__QUEUE_BYTES_TOTAL_MAX", &queues_bytes_max.to_string()),
        ("HONGYAN_SERVER_GATEWAY__STUCK_MS_MAX", stuck_ms_max),
        // One user sends to all of them; the rates have tests of their own.
        ("HONGYAN_SERVER_GATEWAY__REQUESTS_PER_SECOND", "100000"),
        ("HONGYAN_SERVER_GATEWAY__APP_LOGINS_BURST", "100000"),
        ("HONGYAN_SERVER_LOG__LEVEL", "info,hongyan_server::gateway::sweeper=debug"),
    ])
    .await;
    let mut owner = server.wire("owner").await;
    let proxy = server.proxy().await;
    let phone = server.device("phone").through(&proxy).login().await;
    let names: Vec<String> = (0..count).map(name).collect();
    let joining = stream::iter(&names).enumerate().map(|(number, name)| join(&server, name, number));
    let stuck: Vec<Wire> = joining.buffered(64).collect().await;
    let healthy_names: Vec<String> = (0..HEALTHY).map(|number| format!("healthy{number}")).collect();
    let mut healthy = Vec::new();
    for name in &healthy_names {
        healthy.push(server.wire(name).await);
    }
    let clubs = make_clubs(&mut owner, &names, &healthy_names).await;
    for wire in &mut healthy {
        // The tips of the group's making.
        wire.pushes_so_far().await;
    }
    let (_, before) = server.resident_bytes();
    proxy.stall();
    let reading: Vec<_> = healthy.into_iter().map(|wire| tokio::spawn(read_all(wire))).collect();
    let most_held = flood(&mut owner, clubs, admin).await;
    for task in reading {
        within("all messages at a reader", task).await.unwrap();
    }
    let held_max = queues_bytes_max + EVENT_BYTES_MAX;
    assert!(most_held <= held_max, "{most_held} bytes were held, {held_max} are allowed");
    assert!(most_held > queues_bytes_max / 2, "{most_held} bytes were held: there was room for all of it");
    let (most, _) = server.resident_bytes();
    let cached = CACHE_BYTES_MAX.min(clubs * MESSAGES * TEXT_BYTES / 2 * 3);
    let allowed = queues_bytes_max + count * READER_BYTES_MAX + cached + WORK_BYTES_MAX;
    assert!(most - before <= allowed, "{} KiB more, {} KiB are allowed", (most - before) / 1024, allowed / 1024);

    eventually("the end of those that are stuck", async || {
        let ended = server.log().matches("over=Stuck").count();
        if ended >= count { Ok(()) } else { Err(ended) }
    })
    .await;
    drop(stuck);
    proxy.heal();
    phone.client.network_changed();
    for number in [0, count / 2, count - 1] {
        let history = server.wire(&name(number)).await.history(&to_group(&club(number / MEMBERS))).await;
        assert_eq!(stored_texts(&history).filter(|text| !text.is_empty()).count(), MESSAGES);
    }
    eventually("all of it on the phone", async || {
        let shown = phone.cloud_history(&group(&club(0))).await;
        let count = shown.iter().filter(|line| line.text.len() > TEXT_BYTES).count();
        if count == MESSAGES { Ok(()) } else { Err(count) }
    })
    .await;
}

/// Those who read a long answer each, and what each may cost after that. The answer has half a megabyte.
const LISTENERS: usize = 60;
const LISTENER_BYTES_MAX: usize = 64 * 1024;

/// What the server may need meanwhile: an answer or two in the making.
const ANSWERS_BYTES_MAX: usize = 8 * 1024 * 1024;

#[tokio::test(flavor = "multi_thread")]
async fn who_has_read_a_long_answer_costs_little_afterwards() {
    let server = ServerProcess::start().await;
    let mut owner = server.wire("owner").await;
    let mut listeners = Vec::new();
    for number in 0..LISTENERS {
        listeners.push(server.wire(&name(number)).await);
    }
    let names: Vec<String> = (0..LISTENERS).map(name).collect();
    owner.create_group("club", &names.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let text = "x".repeat(TEXT_BYTES);
    owner.send_texts(&to_group("club"), (0..PACKET_BYTES_MAX / 2 / TEXT_BYTES).map(|_| text.clone())).await;
    for wire in &mut listeners {
        wire.pushes_so_far().await;
    }
    owner.history(&to_group("club")).await;
    let (_, before) = server.resident_bytes();
    for wire in &mut listeners {
        wire.history(&to_group("club")).await;
    }
    let (_, after) = server.resident_bytes();
    let (more, allowed) = (after.saturating_sub(before), LISTENERS * LISTENER_BYTES_MAX + ANSWERS_BYTES_MAX);
    assert!(more <= allowed, "{} KiB more, {} KiB are allowed", more / 1024, allowed / 1024);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_readers_that_are_stuck_cost_little_are_ended_and_miss_nothing() {
    stuck_readers_cost_little_and_catch_up(200, "5000").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn soak_five_thousand_readers_that_are_stuck_cost_little_are_ended_and_miss_nothing() {
    if is_soak() {
        stuck_readers_cost_little_and_catch_up(5_000, "40000").await;
    }
}
