// SPDX-License-Identifier: Apache-2.0
//! The server's command is told to stop while everybody writes.

use std::time::{Duration, Instant};

use hongyan_protocol::account::GoingAway;
use hongyan_protocol::frame::{Event, ServerFrame};
use tokio::net::TcpSocket;

use crate::harness::process::ServerProcess;
use crate::harness::view::c2c;
use crate::harness::wait::eventually;
use crate::harness::wire::{Wire, stored_texts, text_message, to_group, to_user};

const WRITERS: usize = 4;

/// What a stopping server waits for its clients at the most, unless it is set.
const DRAIN_MAX: Duration = Duration::from_secs(10);

/// Sends without waiting for answers until the connection ends: the texts that were acknowledged, and the events that came.
async fn write_to_the_end(mut wire: Wire, name: String) -> (Vec<String>, Vec<String>) {
    const IN_FLIGHT: usize = 50;
    let (mut sent, mut answered) = (0, 0);
    let mut events = Vec::new();
    loop {
        while sent < answered + IN_FLIGHT {
            wire.post(&text_message(&to_group("club"), &format!("{name} {sent}"))).await;
            sent += 1;
        }
        match wire.read().await {
            Some(ServerFrame::Reply { outcome, .. }) => {
                outcome.expect("what is answered is stored");
                answered += 1;
            }
            Some(ServerFrame::Push { event, .. }) if event == "message" => {}
            Some(ServerFrame::Push { event, .. }) => events.push(event),
            None => return ((0..answered).map(|number| format!("{name} {number}")).collect(), events),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_told_to_stop_under_load_keeps_what_it_acknowledged_and_sends_everybody_elsewhere() {
    let mut server = ServerProcess::start().await;
    let names: Vec<String> = (0..WRITERS).map(|number| format!("writer{number}")).collect();
    let mut owner = server.wire("owner").await;
    let mut wires = Vec::new();
    for name in &names {
        wires.push(server.wire(name).await);
    }
    owner.create_group("club", &names.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let device = server.device("phone").login().await;
    let writing: Vec<_> =
        names.iter().zip(wires).map(|(name, wire)| tokio::spawn(write_to_the_end(wire, name.clone()))).collect();
    let mut queued = Vec::new();
    for number in 0..50 {
        queued.push(device.queue_text(&c2c("owner"), &format!("phone {number}")).await);
    }
    // Everybody is at it.
    for _ in 0..200 {
        owner.next_message().await;
    }
    let begun = Instant::now();
    server.signal("TERM");
    let mut acknowledged = Vec::new();
    for task in writing {
        let (texts, events) = task.await.unwrap();
        assert_eq!(events.iter().filter(|event| *event == GoingAway::NAME).count(), 1, "{events:?}");
        assert!(!texts.is_empty());
        acknowledged.push(texts);
    }
    owner.next_event::<GoingAway>().await;
    // Who was told and does not leave is let go all the same.
    owner.ended().await;
    assert!(server.ended().await, "{}", server.log());
    assert!(begun.elapsed() < DRAIN_MAX, "{:?}", begun.elapsed());

    server.start_again().await;
    let mut owner = server.wire("owner").await;
    let history = owner.history(&to_group("club")).await;
    for (name, acknowledged) in names.iter().zip(acknowledged) {
        let of_writer = stored_texts(&history).filter(|text| text.split(' ').next() == Some(name));
        let held: Vec<_> = of_writer.take(acknowledged.len()).collect();
        assert_eq!(held, acknowledged, "in their order, none twice");
    }
    for one in queued {
        one.end().await.unwrap();
    }
    let history = owner.history(&to_user("phone")).await;
    let expected: Vec<_> = (0..50).map(|number| format!("phone {number}")).collect();
    assert_eq!(stored_texts(&history).collect::<Vec<_>>(), expected);
}

/// A logged-in session that will never read.
async fn deaf_wire(server: &ServerProcess) -> Wire {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut wire = Wire::over(socket.connect(server.addr()).await.unwrap(), server.addr()).await;
    wire.call(&server.app().login("deaf")).await.unwrap();
    wire
}

/// Fills what lies between a server and a client that does not read.
async fn fill_up(server: &ServerProcess) {
    let mut writer = server.wire("writer").await;
    let text = "x".repeat(10_000);
    writer.send_texts(&to_user("deaf"), (0..1_500).map(|number| format!("{number} {text}"))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_does_not_read_holds_a_stopping_server_up_no_longer_than_it_is_set_to() {
    let mut server = ServerProcess::start_with(&[("HONGYAN_SERVER_GATEWAY__DRAIN_MS_MAX", "300")]).await;
    let _deaf = deaf_wire(&server).await;
    fill_up(&server).await;
    server.signal("TERM");
    assert!(server.ended().await, "{}", server.log());
    assert!(server.log().contains("connections were cut off"), "{}", server.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_a_stopping_server_at_once_and_says_so() {
    let mut server = ServerProcess::start_with(&[("HONGYAN_SERVER_GATEWAY__DRAIN_MS_MAX", "3600000")]).await;
    let _deaf = deaf_wire(&server).await;
    fill_up(&server).await;
    server.signal("TERM");
    eventually("the stopping", async || if server.log().contains("the server stops") { Ok(()) } else { Err(()) }).await;
    server.signal("INT");
    assert!(!server.ended().await, "not everything was done");
    assert!(server.log().contains("stopped before every connection was served to its end"), "{}", server.log());
    server.start_again().await;
    assert_eq!(server.wire("deaf").await.history(&to_user("writer")).await.len(), 1_500);
}
