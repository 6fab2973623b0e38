// SPDX-License-Identifier: Apache-2.0
//! Limits before login, by a moved clock.

use std::collections::BTreeSet;
use std::time::Duration;

use hongyan_protocol::account::{Login, Ping, Platform};
use hongyan_protocol::codes::Code;
use hongyan_protocol::usersig::{self, UserSigClaims};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpSocket, TcpStream};

use super::TestServer;
use super::wire::{Wire, client_info, within};

pub(super) async fn is_closed(stream: &mut TcpStream) -> bool {
    matches!(within("the end of a connection", stream.read(&mut [0; 64])).await, Ok(0) | Err(_))
}

#[tokio::test]
async fn an_address_has_so_many_connections_that_do_not_log_in() {
    let server = TestServer::start_with(|config| config.unauthenticated_per_address_max = 3).await;
    let addr = server.server.addr();
    let mut first = server.connect().await;
    let _second = server.connect().await;
    // This one has not even sent a request.
    let third = TcpStream::connect(addr).await.unwrap();
    let mut fourth = TcpStream::connect(addr).await.unwrap();
    assert!(is_closed(&mut fourth).await);

    first.login(&server, "alice", Platform::Android).await.unwrap();
    let _fifth = server.connect().await;
    assert!(is_closed(&mut TcpStream::connect(addr).await.unwrap()).await);

    // The place of who leaves is free once the server has noticed.
    drop(third);
    let again = async {
        loop {
            if let Some(wire) = Wire::over(TcpStream::connect(addr).await.unwrap(), addr).await {
                return wire;
            }
            tokio::task::yield_now().await;
        }
    };
    let mut again = within("a free place", again).await;
    again.login(&server, "bob", Platform::Android).await.unwrap();
    first.call(&Ping {}).await.unwrap();
}

#[tokio::test]
async fn who_does_not_log_in_within_the_deadline_is_closed() {
    let server = TestServer::start().await;
    let mut member = server.login("alice").await;
    let mut silent = TcpStream::connect(server.server.addr()).await.unwrap();
    let mut upgraded = server.connect().await;
    server.advance_s(9);
    let mut later = server.connect().await;
    server.advance_s(1);
    assert!(is_closed(&mut silent).await);
    assert!(upgraded.read().await.is_none());
    later.login(&server, "bob", Platform::Android).await.unwrap();
    server.advance_s(60);
    member.call(&Ping {}).await.unwrap();
    later.call(&Ping {}).await.unwrap();
}

#[tokio::test]
async fn failed_logins_of_a_user_are_limited_until_a_minute_has_passed() {
    let server = TestServer::start().await;
    let attempt = async |user: &str, sig: String| {
        let mut wire = server.connect().await;
        wire.login_with(&server, user, Platform::Android, sig).await
    };
    for _ in 0..10 {
        let refusal = attempt("alice", server.sign("mallory")).await.unwrap_err();
        assert_eq!(refusal.code, Code::USER_SIG_OTHER_USER);
    }
    let refusal = attempt("alice", server.sign("alice")).await.unwrap_err();
    assert_eq!((refusal.code, refusal.retry_after_ms), (Code::TOO_MANY_FAILED_LOGINS, Some(60_000)));
    attempt("bob", server.sign("bob")).await.expect("another user is not meant");
    server.advance_s(59);
    assert_eq!(attempt("alice", server.sign("alice")).await.unwrap_err().retry_after_ms, Some(1_000));
    server.advance_s(1);
    attempt("alice", server.sign("alice")).await.expect("a minute has passed");
}

#[tokio::test]
async fn logins_beyond_the_rate_are_told_when_to_come_again() {
    let server = TestServer::start_with(|config| {
        config.logins_per_second = 2;
        config.logins_burst = 2;
    })
    .await;
    let attempt = async |user: &str| server.connect().await.login(&server, user, Platform::Android).await;
    attempt("u1").await.unwrap();
    attempt("u2").await.unwrap();
    for wait_ms in [500, 1_000] {
        let refusal = attempt("u3").await.unwrap_err();
        assert_eq!((refusal.code, refusal.retry_after_ms), (Code::SERVER_FREQUENCY_LIMIT, Some(wait_ms)));
    }
    server.advance_s(1);
    attempt("u3").await.unwrap();
}

#[tokio::test]
async fn who_shows_no_good_user_sig_or_token_uses_up_nobodys_turn() {
    let server = TestServer::start_with(|config| {
        config.logins_per_second = 1;
        config.logins_burst = 1;
    })
    .await;
    for number in 0..5 {
        let user = format!("mallory{number}");
        let refusal = server.connect().await.login_with(&server, &user, Platform::Android, server.sign("eve")).await;
        assert_eq!(refusal.unwrap_err().code, Code::USER_SIG_OTHER_USER);
        let refusal = server.connect().await.resume(Platform::Android, "no.token").await;
        assert_eq!(refusal.unwrap_err().code, Code::ACCESS_TICKET_REJECTED);
    }
    server.login("alice").await;
    let refusal = server.connect().await.login(&server, "bob", Platform::Android).await.unwrap_err();
    assert_eq!(refusal.code, Code::SERVER_FREQUENCY_LIMIT);
}

#[tokio::test]
async fn an_address_has_so_many_attempts_good_or_not() {
    let server = TestServer::start_with(|config| {
        config.address_logins_per_second = 1;
        config.address_logins_burst = 2;
    })
    .await;
    server.login("alice").await;
    server.connect().await.resume(Platform::Android, "no.token").await.unwrap_err();
    let refusal = server.connect().await.login(&server, "bob", Platform::Android).await.unwrap_err();
    assert_eq!((refusal.code, refusal.retry_after_ms), (Code::SERVER_FREQUENCY_LIMIT, Some(1_000)));
    let elsewhere = TcpSocket::new_v4().unwrap();
    elsewhere.bind(([127, 0, 0, 2], 0).into()).unwrap();
    let addr = server.server.addr();
    let mut elsewhere = Wire::over(elsewhere.connect(addr).await.unwrap(), addr).await.unwrap();
    elsewhere.login(&server, "bob", Platform::Android).await.unwrap();
    server.advance_s(1);
    server.login("carol").await;
}

#[tokio::test]
async fn a_user_has_so_many_logins_and_nobody_else_notices() {
    let server = TestServer::start_with(|config| {
        config.user_logins_per_second = 1;
        config.user_logins_burst = 2;
        config.logins_burst = 4;
    })
    .await;
    let mut first = server.connect().await;
    let token = first.login(&server, "alice", Platform::Android).await.unwrap().resume_token;
    server.login_on("alice", Platform::Web).await;
    let refusal = server.connect().await.login(&server, "alice", Platform::Web).await.unwrap_err();
    assert_eq!((refusal.code, refusal.retry_after_ms), (Code::SERVER_FREQUENCY_LIMIT, Some(1_000)));
    // A resumption is a login too, and is told a turn of its own.
    let mut again = server.connect().await;
    again.device = first.device;
    let refusal = again.resume(Platform::Android, &token).await.unwrap_err();
    assert_eq!((refusal.code, refusal.retry_after_ms), (Code::SERVER_FREQUENCY_LIMIT, Some(2_000)));
    // What was refused took nothing of what is there for all.
    server.login("bob").await;
    server.login("carol").await;
    server.advance_s(1);
    let mut again = server.connect().await;
    again.device = first.device;
    again.resume(Platform::Android, &token).await.unwrap();
}

#[tokio::test]
async fn an_app_has_so_many_logins_and_no_other_app_notices() {
    let server = TestServer::start_with(|config| {
        config.app_logins_per_second = 1;
        config.app_logins_burst = 2;
    })
    .await;
    let (other, key) = server.server.create_app("another").await.unwrap();
    server.login("alice").await;
    server.login("bob").await;
    let refusal = server.connect().await.login(&server, "carol", Platform::Android).await.unwrap_err();
    assert_eq!((refusal.code, refusal.retry_after_ms), (Code::SERVER_FREQUENCY_LIMIT, Some(1_000)));
    let claims = UserSigClaims {
        identifier: "carol".to_owned(),
        sdk_app_id: other,
        time_s: server.clock.now_ms() / 1_000,
        expire_s: 86_400,
        user_buf: None,
    };
    let mut wire = server.connect().await;
    let client = client_info(Platform::Android, wire.device);
    let login =
        Login { client, sdk_app_id: other, user_id: "carol".to_owned(), user_sig: usersig::sign(&claims, &key) };
    wire.call(&login).await.expect("the other app has a rate of its own");
    server.advance_s(1);
    server.login("carol").await;
}

/// How many come back at once, how fast they are let in, and how many come before they are told to.
const STORM: usize = 300;
const STORM_PER_SECOND: u64 = 50;
const STORM_BURST: u64 = 20;
const STORM_IMPATIENT: u64 = 3;

#[tokio::test]
async fn a_storm_of_reconnects_is_let_in_at_its_rate_and_nobody_is_left_out() {
    let before = TestServer::start().await;
    let mut tokens = Vec::new();
    for number in 0..STORM {
        let mut wire = before.connect().await;
        let session = wire.login(&before, &format!("u{number}"), Platform::Android).await.unwrap();
        tokens.push((wire.device, session.resume_token));
    }
    let TestServer { server, folder, .. } = before;
    server.shutdown().await;
    let server = TestServer::start_in(folder, |config| {
        config.logins_per_second = STORM_PER_SECOND;
        config.logins_burst = STORM_BURST;
    })
    .await;

    let mut due: BTreeSet<(u64, usize)> = (0..STORM).map(|number| (0, number)).collect();
    let (mut inside, mut refusals, mut impatient) = (Vec::new(), vec![0; STORM], STORM_IMPATIENT);
    while let Some((due_ms, number)) = due.pop_first() {
        server.clock.advance(Duration::from_millis(due_ms - server.clock.monotonic_ms()));
        let (device, token) = &tokens[number];
        let mut wire = server.connect().await;
        wire.device = *device;
        let Err(refusal) = wire.resume(Platform::Android, token).await else {
            inside.push((due_ms, wire));
            continue;
        };
        assert_eq!(refusal.code, Code::SERVER_FREQUENCY_LIMIT);
        let wait_ms = u64::try_from(refusal.retry_after_ms.expect("it is told when to come again")).unwrap();
        refusals[number] += 1;
        // The last one is in a hurry, which helps nothing.
        if number == STORM - 1 && impatient > 0 {
            impatient -= 1;
            due.insert((due_ms, number));
        } else {
            due.insert((due_ms + wait_ms, number));
        }
    }

    assert_eq!(inside.len(), STORM);
    let turn_ms = 1_000 / STORM_PER_SECOND;
    for (place, (at_ms, wire)) in (1..).zip(&mut inside) {
        let earliest_ms = turn_ms * u64::saturating_sub(place, STORM_BURST);
        assert!(*at_ms >= earliest_ms, "the {place}th was let in at {at_ms} ms, before {earliest_ms}");
        wire.call(&Ping {}).await.expect("who was let in stays");
    }
    let last_ms = turn_ms * (STORM as u64 - STORM_BURST + STORM_IMPATIENT);
    assert!(inside.iter().all(|(at_ms, _)| *at_ms <= last_ms), "all are in within {last_ms} ms");
    assert!(refusals[..STORM - 1].iter().all(|count| *count <= 1), "who comes when told to is let in");
}

#[tokio::test]
async fn connections_beyond_all_that_are_allowed_are_refused_over_http() {
    let server = TestServer::start_with(|config| config.connections_max = 1).await;
    let mut first = server.login("alice").await;
    let addr = server.server.addr();
    assert!(Wire::over(TcpStream::connect(addr).await.unwrap(), addr).await.is_none());
    first.call(&Ping {}).await.unwrap();
}
