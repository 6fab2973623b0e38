// SPDX-License-Identifier: Apache-2.0
//! Sessions that live, take turns and end.

use hongyan_protocol::account::{GetProfiles, Logout, Ping, Platform};
use hongyan_protocol::codes::Code;
use hongyan_protocol::frame::ServerFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use super::TestServer;
use super::wire::{Wire, text_to, user};

#[tokio::test]
async fn pushes_are_numbered_densely_in_each_session_and_the_heartbeat_names_the_last() {
    let server = TestServer::start().await;
    let mut alice = server.login("alice").await;
    let mut phone = server.login("bob").await;
    alice.call(&text_to("bob", "one")).await.unwrap();
    let mut desk = server.login_on("bob", Platform::Linux).await;
    for text in ["two", "three"] {
        alice.call(&text_to("bob", text)).await.unwrap();
    }
    for (wire, texts) in [(&mut phone, &["one", "two", "three"][..]), (&mut desk, &["two", "three"])] {
        for (number, text) in (1..).zip(texts) {
            let push = wire.push().await;
            assert_eq!((push.number, push.event.as_str()), (number, "message"));
            assert_eq!(push.data["message"]["elements"][0]["text"], **text);
        }
        assert_eq!(wire.call(&Ping {}).await.unwrap().push, texts.len() as u64);
    }
    // The sender's own session got answers in their place.
    assert_eq!(alice.call(&Ping {}).await.unwrap().push, 0);
}

#[tokio::test]
async fn answers_and_pushes_of_one_log_arrive_in_the_order_of_the_log() {
    let server = TestServer::start().await;
    let mut alice = server.login("alice").await;
    let mut bob = server.login("bob").await;
    for round in 0..50 {
        alice.request(&text_to("bob", &format!("a{round}"))).await;
        bob.request(&text_to("alice", &format!("b{round}"))).await;
    }
    for wire in [&mut alice, &mut bob] {
        let mut seqs = Vec::new();
        while seqs.len() < 100 {
            let seq = match wire.read().await.unwrap() {
                ServerFrame::Reply { outcome, .. } => read_seq(outcome.unwrap().get(), |value| &value["seq"]),
                ServerFrame::Push { data, .. } => read_seq(data.get(), |value| &value["message"]["seq"]),
            };
            seqs.push(seq);
        }
        assert_eq!(seqs, (1..=100).collect::<Vec<_>>());
    }
}

fn read_seq(text: &str, find: fn(&serde_json::Value) -> &serde_json::Value) -> i64 {
    find(&serde_json::from_str(text).unwrap()).as_i64().unwrap()
}

#[tokio::test]
async fn a_message_to_oneself_reaches_each_other_session_once() {
    let server = TestServer::start().await;
    let mut phone = server.login("alice").await;
    let mut desk = server.login_on("alice", Platform::Mac).await;
    phone.call(&text_to("alice", "a note")).await.unwrap();
    assert_eq!(desk.push().await.data["message"]["elements"][0]["text"], "a note");
    assert_eq!(desk.call(&Ping {}).await.unwrap().push, 1);
    assert_eq!(phone.call(&Ping {}).await.unwrap().push, 0);
}

#[tokio::test]
async fn more_requests_than_are_worked_on_at_once_are_all_answered() {
    let server = TestServer::start_with(|config| {
        config.requests_in_flight_max = 2;
        config.sends_in_flight_max = 2;
    })
    .await;
    let _bob = server.login("bob").await;
    let mut alice = server.login("alice").await;
    let mut waiting = std::collections::BTreeSet::new();
    for _ in 0..100 {
        waiting.insert(alice.request(&GetProfiles { users: vec![user("bob")] }).await);
        waiting.insert(alice.request(&text_to("bob", "hello")).await);
    }
    while !waiting.is_empty() {
        let Some(ServerFrame::Reply { id, outcome }) = alice.read().await else { panic!("only answers are due") };
        outcome.unwrap();
        assert!(waiting.remove(&id), "{id} was answered once");
    }
}

#[tokio::test]
async fn who_asks_faster_than_the_rate_is_answered_more_slowly_and_in_order() {
    let server = TestServer::start_with(|config| {
        config.requests_per_second = 1;
        config.requests_burst = 3;
    })
    .await;
    let mut alice = server.login("alice").await;
    for _ in 0..5 {
        alice.request(&Ping {}).await;
    }
    for id in 2..=4 {
        assert_eq!(alice.answer_to(id).await.unwrap()["server_ms"], super::START_MS);
    }
    // One in each second: it is not even read before.
    for (id, passed_s) in [(5, 1), (6, 2)] {
        server.advance_s(1);
        assert_eq!(alice.answer_to(id).await.unwrap()["server_ms"], super::START_MS + passed_s * 1_000);
    }
}

#[tokio::test]
async fn pings_of_the_websocket_count_as_requests() {
    let server = TestServer::start_with(|config| {
        config.requests_per_second = 1;
        config.requests_burst = 3;
    })
    .await;
    let mut alice = server.login("alice").await;
    for _ in 0..3 {
        alice.write_ping(Vec::new()).await;
    }
    let ping = alice.request(&Ping {}).await;
    // Time enough for the server to read on, if it did.
    for _ in 0..20 {
        server.make_noise("alice");
        alice.push().await;
    }
    server.advance_s(1);
    assert_eq!(alice.answer_to(ping).await.unwrap()["server_ms"], super::START_MS + 1_000);
}

#[tokio::test]
async fn silence_ends_a_session_and_any_frame_breaks_it() {
    let server = TestServer::start().await;
    let mut silent = server.login("alice").await;
    let mut heard = server.login("bob").await;
    server.advance_s(399);
    heard.call(&Ping {}).await.unwrap();
    server.advance_s(1);
    assert!(silent.read_to_end().await.is_empty());
    heard.call(&Ping {}).await.unwrap();
}

#[tokio::test]
async fn a_session_ends_with_its_user_sig_and_says_so() {
    let server = TestServer::start().await;
    let mut short = server.connect().await;
    let session = short.login_with(&server, "alice", Platform::Android, server.sign_for("alice", 60)).await.unwrap();
    assert_eq!(session.user_sig_expires_ms, super::START_MS + 60_000);
    let mut long = server.login("bob").await;
    server.advance_s(60);
    short.call(&Ping {}).await.unwrap();
    server.advance_s(1);
    assert_eq!(short.push().await.event, "user_sig_expired");
    assert!(short.read().await.is_none());
    long.call(&Ping {}).await.unwrap();
    let mut again = server.connect().await;
    again.device = short.device;
    let refusal = again.resume(Platform::Android, &session.resume_token).await.unwrap_err();
    assert_eq!(refusal.code, Code::USER_SIG_EXPIRED);
}

#[tokio::test]
async fn a_device_that_comes_back_takes_its_own_place_without_a_word() {
    let server = TestServer::start().await;
    let mut old = server.login("bob").await;
    let mut new = server.connect().await;
    new.device = old.device;
    new.login(&server, "bob", Platform::Android).await.unwrap();
    assert!(old.read_to_end().await.is_empty());
    server.login("alice").await.call(&text_to("bob", "hello")).await.unwrap();
    assert_eq!(new.push().await.number, 1);
}

#[tokio::test]
async fn the_same_platform_is_kicked_and_no_other() {
    let server = TestServer::start().await;
    let mut old_phone = server.login("bob").await;
    let mut desk = server.login_on("bob", Platform::Mac).await;
    let mut other_user = server.login("alice").await;
    let mut new_phone = server.login("bob").await;
    assert_eq!(old_phone.push().await.event, "kicked");
    assert!(old_phone.read().await.is_none());
    for wire in [&mut desk, &mut other_user, &mut new_phone] {
        wire.call(&Ping {}).await.unwrap();
        assert_eq!(wire.log.len(), 4, "login and ping, an answer to each, and no event: {:?}", wire.log);
    }
}

#[tokio::test]
async fn a_session_is_taken_up_without_a_user_sig() {
    let server = TestServer::start().await;
    let mut first = server.connect().await;
    let session = first.login(&server, "bob", Platform::Android).await.unwrap();
    let mut second = server.connect().await;
    second.device = first.device;
    drop(first);
    let resumed = second.resume(Platform::Android, &session.resume_token).await.unwrap();
    assert_eq!((resumed.profile, resumed.instance), (session.profile, session.instance));
    server.login("alice").await.call(&text_to("bob", "hello")).await.unwrap();
    assert_eq!(second.push().await.event, "message");
}

#[tokio::test]
async fn logging_out_is_answered_and_ends_the_session_and_its_token() {
    let server = TestServer::start().await;
    let mut wire = server.connect().await;
    let session = wire.login(&server, "bob", Platform::Android).await.unwrap();
    wire.call(&Logout {}).await.unwrap();
    assert!(wire.read().await.is_none());
    let mut again = Wire::connect(server.server.addr()).await;
    again.device = wire.device;
    again.resume(Platform::Android, &session.resume_token).await.expect_err("the token has ended");
}

#[tokio::test]
async fn a_goodbye_is_answered_before_the_login_and_after_it() {
    let server = TestServer::start().await;
    let mut stranger = server.connect().await;
    assert_eq!(stranger.part().await, Some(CloseCode::Away), "with the code that it came with");
    let mut alice = server.login("alice").await;
    assert_eq!(alice.part().await, Some(CloseCode::Away));
    assert!(alice.read().await.is_none());
}

#[tokio::test]
async fn sessions_that_ended_leave_nothing_behind() {
    let server = TestServer::start().await;
    let mut wires = Vec::new();
    for number in 0..20 {
        wires.push(server.login(&format!("user{number}")).await);
    }
    let count = || server.server.gateway.registry.list_with(|_| Some(())).len();
    assert_eq!(count(), 20);
    drop(wires);
    let mut connections = server.server.gateway.connections.subscribe();
    super::wire::within("the last connection", connections.wait_for(|count| *count == 0)).await.unwrap();
    assert_eq!(count(), 0);
}
