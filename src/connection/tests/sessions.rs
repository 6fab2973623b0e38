// SPDX-License-Identifier: Apache-2.0
//! Opening sessions, keeping them up and ending them.

use hongyan_protocol::account::{GoingAway, Kicked, Login, Logout, Ping, Pong, Resume, UserSigExpired};
use hongyan_protocol::codes::Code;

use crate::account::LoginStatus;
use crate::connection::handle::Inbound;
use crate::connection::limits::{
    AUTHENTICATE_MAX_MS, HEARTBEAT_FOREGROUND_MS, LOGIN_MAX_MS, LOGOUT_MAX_MS, PONG_MAX_MS, PROBE_MAX_MS,
};
use crate::connection::tests::harness::{Rig, Server, WALL_MS, code, user, within};
use crate::listener::queue::ConnectionEvent;

/// Longer than any wait after a session that broke.
const RECONNECT_MS: u64 = 1_000;

#[tokio::test]
async fn a_login_opens_a_session() {
    let server = Server::start().await;
    let mut rig = Rig::start(server.port);
    let login = rig.log_in("alice");
    let (_peer, frame) = server.accept_login().await;
    assert_eq!((frame.user_id.as_str(), frame.user_sig.as_str(), frame.sdk_app_id.get()), ("alice", "sig", 7));
    within(login).await.unwrap().unwrap();
    assert_eq!((rig.handle.login_status(), rig.handle.user()), (LoginStatus::LoggedIn, Some(user("alice"))));
    rig.hears(|event| *event == ConnectionEvent::Connecting).await;
    rig.hears(|event| *event == ConnectionEvent::Success).await;
    rig.connected().await;
}

#[tokio::test]
async fn a_login_while_logging_in_and_a_logout_while_logging_out_are_refused() {
    let server = Server::start().await;
    let rig = Rig::start(server.port);
    let login = rig.log_in("alice");
    let mut peer = server.accept().await;
    let (id, _) = peer.called::<Login>().await;
    assert_eq!(rig.handle.login_status(), LoginStatus::LoggingIn);
    assert_eq!(code(within(rig.log_in("alice")).await.unwrap()), Code::LOGIN_IN_PROGRESS);
    peer.answer::<Login>(id, Ok(super::harness::session())).await;
    within(login).await.unwrap().unwrap();

    let logout = rig.log_out();
    let (id, _) = peer.called::<Logout>().await;
    assert_eq!(code(within(rig.log_out()).await.unwrap()), Code::LOGOUT_IN_PROGRESS);
    assert_eq!(code(within(rig.log_in("alice")).await.unwrap()), Code::LOGOUT_IN_PROGRESS);
    peer.answer::<Logout>(id, Ok(hongyan_protocol::account::Done {})).await;
    within(logout).await.unwrap().unwrap();
    assert_eq!((rig.handle.login_status(), rig.handle.user()), (LoginStatus::NotLoggedIn, None));
    peer.closed().await;
    assert_eq!(code(within(rig.log_out()).await.unwrap()), Code::NOT_LOGGED_IN);
}

#[tokio::test]
async fn a_logout_during_a_login_ends_it() {
    let server = Server::start().await;
    let rig = Rig::start(server.port);
    let login = rig.log_in("alice");
    let mut peer = server.accept().await;
    peer.called::<Login>().await;
    within(rig.log_out()).await.unwrap().unwrap();
    assert_eq!(code(within(login).await.unwrap()), Code::LOGGED_OUT_DURING_LOGIN);
    peer.closed().await;
}

#[tokio::test]
async fn a_logout_ends_without_the_server() {
    let server = Server::start().await;
    let (rig, mut peer) = Rig::online(&server).await;
    let logout = rig.log_out();
    peer.called::<Logout>().await;
    rig.advance_ms(LOGOUT_MAX_MS);
    within(logout).await.unwrap().unwrap();
    assert_eq!(rig.handle.login_status(), LoginStatus::NotLoggedIn);
}

#[tokio::test]
async fn a_login_tries_until_the_server_is_there() {
    let server = Server::start().await;
    let mut rig = Rig::start(server.port);
    let login = rig.log_in("alice");
    drop(server.accept_stream().await);
    rig.hears(|event| matches!(event, ConnectionEvent::Failed { .. })).await;
    rig.advance_ms(RECONNECT_MS);
    let _peer = server.accept_login().await;
    within(login).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_login_ends_at_its_deadline_and_may_be_tried_again() {
    let server = Server::start().await;
    let rig = Rig::start(server.port);
    let login = rig.log_in("alice");
    let _silent = server.accept_stream().await;
    rig.advance_ms(LOGIN_MAX_MS);
    let error = within(login).await.unwrap().unwrap_err();
    assert_eq!((error.code(), error.is_retryable()), (Code::REQUEST_TIMEOUT, true));
    assert_eq!((rig.handle.login_status(), rig.handle.user()), (LoginStatus::NotLoggedIn, None));
    let login = rig.log_in("alice");
    let _peer = server.accept_login().await;
    within(login).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_refused_login_answers_the_servers_code() {
    for (refusal, told) in [
        (Code::USER_SIG_WRONG_KEY, None),
        (Code::USER_SIG_EXPIRED, Some(ConnectionEvent::UserSigExpired)),
        (Code::TOO_MANY_FAILED_LOGINS, None),
    ] {
        let server = Server::start().await;
        let mut rig = Rig::start(server.port);
        let login = rig.log_in("alice");
        let mut peer = server.accept().await;
        let (id, _) = peer.called::<Login>().await;
        peer.refuse(id, refusal).await;
        assert_eq!(code(within(login).await.unwrap()), refusal);
        assert_eq!(rig.handle.login_status(), LoginStatus::NotLoggedIn);
        if let Some(told) = told {
            rig.hears(|event| *event == told).await;
        }
        peer.closed().await;
    }
}

#[tokio::test]
async fn a_broken_session_is_resumed_without_a_login() {
    let server = Server::start().await;
    let (rig, peer) = Rig::online(&server).await;
    let first = rig.connected().await;
    drop(peer);
    assert!(matches!(rig.inbound().await, Inbound::Disconnected));
    assert_eq!(rig.handle.login_status(), LoginStatus::LoggedIn, "to the app nothing happened");
    rig.advance_ms(RECONNECT_MS);
    let (_peer, resume) = server.accept_resume().await;
    assert_eq!(resume.token, "token");
    assert!(rig.connected().await > first);
}

#[tokio::test]
async fn a_server_that_knows_no_token_gets_the_user_sig() {
    let server = Server::start().await;
    let (rig, peer) = Rig::online(&server).await;
    rig.connected().await;
    drop(peer);
    assert!(matches!(rig.inbound().await, Inbound::Disconnected));
    rig.advance_ms(RECONNECT_MS);
    let mut peer = server.accept().await;
    let (id, _) = peer.called::<Resume>().await;
    peer.refuse(id, Code::USER_SIG_WRONG_KEY).await;
    let (_peer, login) = server.accept_login().await;
    assert_eq!(login.user_sig, "sig");
    rig.connected().await;
}

#[tokio::test]
async fn whoever_is_kicked_hears_of_it_live_and_when_resuming() {
    let server = Server::start().await;
    let (mut rig, mut peer) = Rig::online(&server).await;
    peer.push(&Kicked { reason: "another device".to_owned() }).await;
    rig.hears(|event| *event == ConnectionEvent::KickedOffline).await;
    assert_eq!((rig.handle.login_status(), rig.handle.user()), (LoginStatus::NotLoggedIn, None));
    assert_eq!(code(within(rig.call(Ping {})).await.unwrap()), Code::NOT_LOGGED_IN);
    peer.closed().await;

    let (mut rig, peer) = Rig::online(&server).await;
    rig.connected().await;
    drop(peer);
    assert!(matches!(rig.inbound().await, Inbound::Disconnected));
    rig.advance_ms(RECONNECT_MS);
    let mut peer = server.accept().await;
    let (id, _) = peer.called::<Resume>().await;
    peer.refuse(id, Code::KICKED_WHILE_OFFLINE).await;
    rig.hears(|event| *event == ConnectionEvent::KickedOffline).await;
    assert_eq!(rig.handle.login_status(), LoginStatus::NotLoggedIn);
    let login = rig.log_in("alice");
    let _peer = server.accept_login().await;
    within(login).await.unwrap().unwrap();
}

#[tokio::test]
async fn an_ended_user_sig_is_told_live_and_known_without_the_server() {
    let server = Server::start().await;
    let (mut rig, mut peer) = Rig::online(&server).await;
    peer.push(&UserSigExpired {}).await;
    rig.hears(|event| *event == ConnectionEvent::UserSigExpired).await;
    assert_eq!(code(within(rig.call(Ping {})).await.unwrap()), Code::USER_SIG_EXPIRED_LOCALLY);

    let (mut rig, peer) = Rig::online(&server).await;
    rig.connected().await;
    drop(peer);
    assert!(matches!(rig.inbound().await, Inbound::Disconnected));
    rig.advance_ms(3_600_000);
    rig.hears(|event| *event == ConnectionEvent::UserSigExpired).await;
    assert_eq!(rig.handle.login_status(), LoginStatus::NotLoggedIn);
}

#[tokio::test]
async fn a_login_of_another_user_logs_the_first_one_out() {
    let server = Server::start().await;
    let (rig, mut peer) = Rig::online(&server).await;
    let login = rig.log_in("bob");
    peer.called::<Logout>().await;
    peer.closed().await;
    let (_peer, frame) = server.accept_login().await;
    assert_eq!(frame.user_id, "bob");
    within(login).await.unwrap().unwrap();
    assert_eq!(rig.handle.user(), Some(user("bob")));
}

#[tokio::test]
async fn a_half_open_line_is_noticed_by_the_missing_pong() {
    let server = Server::start().await;
    let (rig, mut peer) = Rig::online(&server).await;
    rig.connected().await;
    rig.advance_ms(HEARTBEAT_FOREGROUND_MS);
    let (id, _) = peer.called::<Ping>().await;
    peer.answer::<Ping>(id, Ok(Pong { server_ms: WALL_MS, push: 0 })).await;
    // The answer to a call that was made after the pong shows that the pong was taken in.
    let call = rig.call(Ping {});
    let (id, _) = peer.called::<Ping>().await;
    peer.answer::<Ping>(id, Ok(Pong { server_ms: WALL_MS, push: 0 })).await;
    within(call).await.unwrap().unwrap();
    rig.advance_ms(HEARTBEAT_FOREGROUND_MS);
    peer.called::<Ping>().await;
    rig.advance_ms(PONG_MAX_MS);
    assert!(matches!(rig.inbound().await, Inbound::Disconnected));
    rig.advance_ms(RECONNECT_MS);
    let _peer = server.accept_resume().await;
}

#[tokio::test]
async fn a_changed_network_is_probed_at_once_and_ends_a_wait() {
    let server = Server::start().await;
    let (rig, mut peer) = Rig::online(&server).await;
    rig.connected().await;
    rig.handle.wish(|wishes| wishes.network_changes += 1);
    peer.called::<Ping>().await;
    rig.advance_ms(PROBE_MAX_MS);
    assert!(matches!(rig.inbound().await, Inbound::Disconnected));
    // No time passes: the wish alone brings the connection back.
    rig.handle.wish(|wishes| wishes.network_changes += 1);
    let _peer = server.accept_resume().await;
}

#[tokio::test]
async fn a_server_that_went_away_is_found_again() {
    let server = Server::start().await;
    let (rig, mut peer) = Rig::online(&server).await;
    rig.connected().await;
    peer.push(&GoingAway { reconnect_after_ms: 5_000 }).await;
    drop(peer);
    assert!(matches!(rig.inbound().await, Inbound::Disconnected));
    // Up to twice as long, so that not all come back at once.
    rig.advance_ms(10_000);
    let _peer = server.accept_resume().await;
}

#[tokio::test]
async fn a_server_that_stalls_the_first_frame_is_given_up() {
    let server = Server::start().await;
    let (rig, peer) = Rig::online(&server).await;
    rig.connected().await;
    drop(peer);
    assert!(matches!(rig.inbound().await, Inbound::Disconnected));
    rig.advance_ms(RECONNECT_MS);
    let mut stalled = server.accept().await;
    stalled.called::<Resume>().await;
    rig.advance_ms(AUTHENTICATE_MAX_MS);
    stalled.closed().await;
    rig.advance_ms(RECONNECT_MS);
    let _peer = server.accept_resume().await;
}

#[tokio::test]
async fn an_hour_on_the_wall_changes_nothing() {
    let server = Server::start().await;
    let (rig, mut peer) = Rig::online(&server).await;
    rig.connected().await;
    for offset_ms in [3_600_000, -3_600_000] {
        rig.clock.set_wall_offset(offset_ms);
        assert_eq!(rig.handle.server_time_ms(), WALL_MS);
        let call = rig.call(Ping {});
        let (id, _) = peer.called::<Ping>().await;
        peer.answer::<Ping>(id, Ok(Pong { server_ms: WALL_MS, push: 0 })).await;
        within(call).await.unwrap().unwrap();
    }
    rig.advance_ms(1_000);
    assert_eq!(rig.handle.server_time_ms(), WALL_MS + 1_000);
}

#[tokio::test]
async fn a_close_ends_the_task_whatever_it_does() {
    let server = Server::start().await;
    let (online, _peer) = Rig::online(&server).await;
    let never_used = Rig::start(server.port);
    let logging_in = Rig::start(server.port);
    let login = logging_in.log_in("alice");
    let _silent = server.accept_stream().await;
    for rig in [&online, &never_used, &logging_in] {
        rig.close();
        within(rig.handle.ended()).await;
        assert_eq!(code(within(rig.call(Ping {})).await.unwrap()), Code::NOT_INITIALIZED);
        assert_eq!(code(within(rig.log_in("alice")).await.unwrap()), Code::NOT_INITIALIZED);
        assert_eq!(rig.handle.login_status(), LoginStatus::NotLoggedIn);
    }
    assert_eq!(code(within(login).await.unwrap()), Code::INTERRUPTED_BY_CLOSE);
}

#[tokio::test]
async fn a_renewal_that_is_refused_or_finds_no_server_leaves_the_user_logged_in() {
    let server = Server::start().await;
    let (rig, peer) = Rig::online(&server).await;
    rig.connected().await;
    let renewal = rig.log_in("alice");
    let mut refusing = server.accept().await;
    let (id, _) = refusing.called::<Login>().await;
    drop(peer);
    refusing.refuse(id, Code::USER_SIG_EXPIRED).await;
    assert_eq!(code(within(renewal).await.unwrap()), Code::USER_SIG_EXPIRED);
    assert!(matches!(rig.inbound().await, Inbound::Disconnected));
    let (peer, resume) = server.accept_resume().await;
    assert_eq!(resume.token, "token");
    rig.connected().await;
    assert_eq!((rig.handle.login_status(), rig.handle.user()), (LoginStatus::LoggedIn, Some(user("alice"))));

    let renewal = rig.log_in("alice");
    let stalled = server.accept_stream().await;
    drop(peer);
    rig.advance_ms(LOGIN_MAX_MS);
    assert_eq!(code(within(renewal).await.unwrap()), Code::REQUEST_TIMEOUT);
    assert_eq!(rig.handle.login_status(), LoginStatus::LoggedIn);
    drop(stalled);
    rig.advance_ms(RECONNECT_MS);
    assert!(matches!(rig.inbound().await, Inbound::Disconnected));
    let (_peer, login) = server.accept_login().await;
    assert_eq!(login.user_sig, "sig");
    rig.connected().await;
}
