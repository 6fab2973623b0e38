// SPDX-License-Identifier: Apache-2.0
//! Limits before login, by a moved clock.

use hongyan_protocol::account::{Ping, Platform};
use hongyan_protocol::codes::Code;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpSocket, TcpStream};

use super::TestServer;
use super::wire::{Wire, within};

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
async fn connections_beyond_all_that_are_allowed_are_refused_over_http() {
    let server = TestServer::start_with(|config| config.connections_max = 1).await;
    let mut first = server.login("alice").await;
    let addr = server.server.addr();
    assert!(Wire::over(TcpStream::connect(addr).await.unwrap(), addr).await.is_none());
    first.call(&Ping {}).await.unwrap();
}
