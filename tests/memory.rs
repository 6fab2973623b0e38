// SPDX-License-Identifier: Apache-2.0
//! Clients that stop reading cost the server a bounded piece of memory, and nobody else anything.

use std::net::{Ipv4Addr, SocketAddr};

use futures_util::{StreamExt, stream};
use hongyan_protocol::frame::Event;
use hongyan_protocol::message::NewMessage;
use tokio::net::TcpSocket;

use crate::harness::is_soak;
use crate::harness::process::ServerProcess;
use crate::harness::view::group;
use crate::harness::wait::{eventually, within};
use crate::harness::wire::{Wire, stored_texts, to_group};

/// Nearly the largest message.
const TEXT_BYTES: usize = 11_900;

const MESSAGES: usize = 300;
const HEALTHY: usize = 5;

/// How many are sent at a time: what is published at once fits into all queues together, so that who reads is never behind.
const IN_FLIGHT: usize = 20;

/// What all queues may hold here, for each reader that is stuck: less than all messages for all of them would need.
const QUEUES_BYTES_PER_READER: usize = 8 * 1024;

/// What a reader that is stuck costs beyond that: its socket's two buffers and the frame that is being written.
const READER_BYTES_MAX: usize = 96 * 1024;

/// What the server may need for the traffic itself: the writer's cache of the store, batches, the allocator's reserve.
const WORK_BYTES_MAX: usize = 48 * 1024 * 1024;

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

/// Reads every message of the club, and finds that none was left out.
async fn read_all(mut wire: Wire) {
    for number in 0..MESSAGES {
        let push = loop {
            let push = wire.next_push().await.expect("who reads stays connected");
            if push.event == NewMessage::NAME {
                break push;
            }
        };
        let message: NewMessage = push.read().expect("it is one");
        if let Some(text) = stored_texts(&[message.message]).next().filter(|text| !text.is_empty()) {
            assert!(text.starts_with(&format!("{number} ")), "message {number}: {}", &text[..20]);
        }
    }
}

async fn stuck_readers_cost_little_and_catch_up(count: usize) {
    let queues_bytes_max = count * QUEUES_BYTES_PER_READER;
    let server = ServerProcess::start_with(&[
        ("HONGYAN_SERVER_GATEWAY__QUEUE_BYTES_TOTAL_MAX", &queues_bytes_max.to_string()),
        ("HONGYAN_SERVER_GATEWAY__STUCK_MS_MAX", "5000"),
        ("HONGYAN_SERVER_LOG__LEVEL", "info,hongyan_server::gateway::sweeper=debug"),
    ])
    .await;
    let mut owner = server.wire("owner").await;
    let proxy = server.proxy().await;
    let phone = server.device("phone").through(&proxy).login().await;
    let mut names: Vec<String> = (0..count).map(name).collect();
    let joining = stream::iter(&names).enumerate().map(|(number, name)| join(&server, name, number));
    let stuck: Vec<Wire> = joining.buffered(64).collect().await;
    let mut healthy = Vec::new();
    for number in 0..HEALTHY {
        let name = format!("healthy{number}");
        healthy.push(server.wire(&name).await);
        names.push(name);
    }
    let members: Vec<&str> = names.iter().map(String::as_str).chain(["phone"]).collect();
    owner.create_group("club", &members).await;
    for wire in &mut healthy {
        // The tips of the group's making.
        wire.pushes_so_far().await;
    }
    let (_, before) = server.resident_bytes();
    proxy.stall();
    let reading: Vec<_> = healthy.into_iter().map(|wire| tokio::spawn(read_all(wire))).collect();
    let text = "x".repeat(TEXT_BYTES);
    for first in (0..MESSAGES).step_by(IN_FLIGHT) {
        let texts = (first..first + IN_FLIGHT).map(|number| format!("{number} {text}"));
        owner.send_texts(&to_group("club"), texts).await;
    }
    for task in reading {
        within("all messages at a reader", task).await.unwrap();
    }
    let (most, _) = server.resident_bytes();
    let allowed = queues_bytes_max + count * READER_BYTES_MAX + WORK_BYTES_MAX;
    assert!(most - before <= allowed, "{} KiB more, {} KiB are allowed", (most - before) / 1024, allowed / 1024);

    eventually("the end of those that are stuck", async || {
        let ended = server.log().matches("over=Stuck").count();
        if ended >= count { Ok(()) } else { Err(ended) }
    })
    .await;
    drop(stuck);
    proxy.heal();
    phone.client.network_changed();
    for number in 0..3 {
        let history = server.wire(&name(number)).await.history(&to_group("club")).await;
        assert_eq!(stored_texts(&history).filter(|text| !text.is_empty()).count(), MESSAGES);
    }
    eventually("all of it on the phone", async || {
        let shown = phone.cloud_history(&group("club")).await;
        let count = shown.iter().filter(|line| line.text.ends_with(&text)).count();
        if count == MESSAGES { Ok(()) } else { Err(count) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_readers_that_are_stuck_cost_little_are_ended_and_miss_nothing() {
    stuck_readers_cost_little_and_catch_up(200).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn soak_five_thousand_readers_that_are_stuck_cost_little_are_ended_and_miss_nothing() {
    if is_soak() {
        stuck_readers_cost_little_and_catch_up(5_000).await;
    }
}
