// SPDX-License-Identifier: Apache-2.0
//! Walls that jump by an hour, on either side, change neither order nor delivery nor what is unread.

use std::time::Duration;

use hongyan_protocol::clock::Clock;

use crate::harness::device::Device;
use crate::harness::proxy::Proxy;
use crate::harness::server::TestServer;
use crate::harness::view::{assert_dense, c2c, texts};
use crate::harness::wire::to_user;

const HOUR_MS: i64 = 3_600_000;
const HOUR: Duration = Duration::from_secs(3600);

/// How far the server's time as a client knows it may be from the server's own.
const SERVER_TIME_MS_OFF_MAX: i64 = 5_000;

async fn come_back(device: &Device, proxy: &Proxy) {
    let seen = device.heard.count();
    proxy.heal();
    device.client.network_changed();
    device.synced_after(seen).await;
}

/// Two devices behind one proxy talk, miss something, and find it, while one clock is moved between.
async fn talk_through_jumps(server: &TestServer, moved: &Clock, shows_server_time: bool) {
    let proxy = server.proxy().await;
    let alice = server.device("alice").through(&proxy).with_clock(moved.clone()).login().await;
    let bob = server.device("bob").login().await;
    let mut carol = server.wire("carol").await;
    let mut expected = Vec::new();
    for (round, offset) in [0, HOUR_MS, 0, -HOUR_MS, HOUR_MS].into_iter().enumerate() {
        moved.set_wall_offset(offset);
        for (from, to) in [(&alice, "bob"), (&bob, "alice")] {
            let text = format!("{} in round {round}", from.user());
            from.sends(&c2c(to), &text).await;
            expected.push(text);
        }
        bob.heard.wait_for_texts(round + 1).await;
        proxy.disconnect().await;
        let text = format!("missed in round {round}");
        bob.sends(&c2c("alice"), &text).await;
        expected.push(text);
        carol.send_text(&to_user("alice"), "from carol").await.unwrap();
        come_back(&alice, &proxy).await;

        let history = alice.cloud_history(&c2c("bob")).await;
        assert_eq!(texts(&history), expected, "after the jump of round {round}");
        assert_dense(&history);
        let missed = i64::try_from(round + 1).unwrap();
        assert_eq!(alice.unread(&c2c("carol")).await, missed);
        assert_eq!(alice.unread(&c2c("bob")).await, 2 * missed);
        if shows_server_time {
            let off = (alice.client.server_time_ms() - server.clock().now_ms()).abs();
            assert!(off < SERVER_TIME_MS_OFF_MAX, "the server's time is off by {off} ms in round {round}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_hours_jump_of_a_clients_wall_changes_nothing() {
    let server = TestServer::start().await;
    talk_through_jumps(&server, &Clock::system(), true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_hours_jump_of_the_servers_wall_changes_nothing() {
    let server = TestServer::start().await;
    let proxy = server.proxy().await;
    let alice = server.device("alice").through(&proxy).login().await;
    let bob = server.device("bob").login().await;
    let mut expected = Vec::new();
    for (round, offset) in [0, HOUR_MS, 0, -HOUR_MS, HOUR_MS].into_iter().enumerate() {
        server.clock().set_wall_offset(offset);
        let newcomer = format!("newcomer{round}");
        for (from, to) in [(&alice, "bob"), (&bob, "alice")] {
            let text = format!("{} in round {round}", from.user());
            from.sends(&c2c(to), &text).await;
            expected.push(text);
        }
        proxy.disconnect().await;
        let text = format!("missed in round {round}");
        bob.sends(&c2c("alice"), &text).await;
        expected.push(text);
        // A conversation that the jump is the beginning of: it has no earlier time to go on from.
        let mut wire = server.wire(&newcomer).await;
        wire.send_text(&to_user("alice"), "hello").await.unwrap();
        come_back(&alice, &proxy).await;

        let history = alice.cloud_history(&c2c("bob")).await;
        assert_eq!(texts(&history), expected, "after the jump of round {round}");
        assert_dense(&history);
        assert_eq!(alice.unread(&c2c(&newcomer)).await, 1, "in round {round}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_hour_of_sleep_of_a_device_costs_nothing() {
    let server = TestServer::start().await;
    let alice = server.device("alice").login().await;
    let mut bob = server.wire("bob").await;
    alice.clock.advance(HOUR);
    bob.send_text(&to_user("alice"), "good morning").await.unwrap();
    assert_eq!(alice.heard.wait_for_texts(1).await, ["good morning"]);
    alice.sends(&c2c("bob"), "good morning to you").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_hour_that_passes_on_the_server_costs_nothing() {
    let server = TestServer::start().await;
    let alice = server.device("alice").login().await;
    let bob = server.device("bob").login().await;
    server.clock().advance(HOUR);
    for (from, to) in [(&alice, "bob"), (&bob, "alice")] {
        from.sends(&c2c(to), from.user()).await;
    }
    assert_eq!(alice.heard.wait_for_texts(1).await, ["bob"]);
    assert_eq!(bob.heard.wait_for_texts(1).await, ["alice"]);
}
