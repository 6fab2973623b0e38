// SPDX-License-Identifier: Apache-2.0
//! Logging in and out: every call ends, with its result or with the code that says why not.

use std::time::Duration;

use hongyan::{ImError, LoginStatus, Platform, SelfInfo};

use tokio::task::JoinSet;

use crate::harness::app::{App, USER_SIG_S};
use crate::harness::device::Device;
use crate::harness::recorder::Heard;
use crate::harness::server::TestServer;
use crate::harness::view::c2c;
use crate::harness::wait::{eventually, within};
use crate::harness::wire::{Wire, to_user};

/// How long a call may take by the client's clock.
const CALL_DEADLINE: Duration = Duration::from_secs(30);

fn code(result: Result<impl Sized, ImError>) -> i32 {
    result.err().map_or(0, |error| error.code().0)
}

fn now_s(server: &TestServer) -> i64 {
    server.clock().now_ms() / 1000
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_that_is_not_good_is_refused_with_its_code() {
    let server = TestServer::start().await;
    let app = server.app().clone();
    let alice = server.device("alice").open();
    let now_s = now_s(&server);
    let (other_key, other_app) = (
        App { key: "0".repeat(64), ..app.clone() },
        App { id: hongyan_protocol::ids::SdkAppId::parse(app.id.get() + 1).unwrap(), ..app.clone() },
    );
    let refused = [
        ("expired", app.sign_for("alice", now_s - 2 * USER_SIG_S, USER_SIG_S), [70001, 6206]),
        ("of another key", other_key.sign("alice"), [70009, 70009]),
        ("of another user", app.sign("bob"), [70013, 70013]),
        ("of another app", other_app.sign("alice"), [70014, 70014]),
        ("that is none", "not a ticket".to_owned(), [70003, 70003]),
        ("that is empty", String::new(), [70002, 70002]),
    ];
    for (what, user_sig, codes) in refused {
        let refused = code(alice.login_with(&user_sig).await);
        assert!(codes.contains(&refused), "a ticket {what} gave {refused}");
        assert_eq!(alice.client.login_status(), LoginStatus::NotLoggedIn);
        assert_eq!(alice.client.login_user(), None);
    }
    alice.heard.wait_for_one("the expiry", |heard| matches!(heard, Heard::UserSigExpired)).await;
    alice.login().await.expect("a good ticket still opens");
    assert_eq!(alice.client.login_user().as_deref(), Some("alice"));
    let nobody = server.device("no\nbody").open();
    assert_eq!(code(nobody.login_with(&app.sign("nobody")).await), 7003);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_login_while_one_runs_is_refused() {
    let server = TestServer::start().await;
    let proxy = server.proxy().await;
    let alice = server.device("alice").through(&proxy).open();
    proxy.stall();
    let user_sig = server.app().sign("alice");
    let client = alice.client.clone();
    let first = tokio::spawn(async move { client.login("alice".to_owned(), user_sig).await });
    proxy.wait_for("the first login", |seen| seen.connections > 0).await;
    assert_eq!(alice.client.login_status(), LoginStatus::LoggingIn);
    assert_eq!(code(alice.login().await), 7501);
    proxy.heal();
    assert_eq!(within("the first login", first).await.unwrap(), Ok(()), "the first is not disturbed");
    assert_eq!(alice.client.login_status(), LoginStatus::LoggedIn);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_logout_while_one_runs_is_refused_and_a_logout_without_network_ends() {
    let server = TestServer::start().await;
    let proxy = server.proxy().await;
    let alice = server.device("alice").through(&proxy).login().await;
    proxy.half_open();
    let mut logouts = JoinSet::new();
    for _ in 0..2 {
        let client = alice.client.clone();
        logouts.spawn(async move { client.logout().await });
    }
    // The one that runs waits for the server, so that the refused one ends first.
    let refused = within("the refusal", logouts.join_next()).await.unwrap().unwrap();
    assert_eq!(code(refused), 7502);
    alice.clock.advance(CALL_DEADLINE);
    within("the logout that ran", logouts.join_next()).await.unwrap().unwrap().expect("a logout ends well here");
    assert_eq!(alice.client.login_status(), LoginStatus::NotLoggedIn, "logged out here, whatever the server knows");
    proxy.heal();
    alice.login().await.expect("and in again");
}

/// Every call that needs a session.
async fn codes_of_calls(device: &Device) -> Vec<i32> {
    let (client, bob) = (&device.client, vec!["bob".to_owned()]);
    let own = SelfInfo { nick_name: Some("new".to_owned()), face_url: None };
    vec![
        code(device.send_text(&c2c("bob"), "hello").await),
        code(device.mark_read(&c2c("bob")).await),
        code(client.get_users_info(bob.clone()).await),
        code(client.set_self_info(own).await),
        code(device.create_group(None, "", &[]).await),
        code(client.groups().invite_user_to_group("club".to_owned(), bob).await),
        code(client.groups().quit_group("club".to_owned()).await),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_without_a_login_is_refused() {
    let server = TestServer::start().await;
    let alice = server.device("alice").open();
    assert_eq!(codes_of_calls(&alice).await, [6014; 7], "before a login");
    assert_eq!(code(alice.client.logout().await), 6014);
    alice.login().await.unwrap();
    within("a logout", alice.client.logout()).await.unwrap();
    assert_eq!(alice.client.login_user(), None);
    assert_eq!(codes_of_calls(&alice).await, [6014; 7], "after a logout");
    alice.login().await.expect("in again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_gets_no_answer_ends_at_its_deadline() {
    let server = TestServer::start().await;
    let proxy = server.proxy().await;
    let _bob = server.wire("bob").await;
    let alice = server.device("alice").through(&proxy).login().await;
    proxy.stall();
    let client = alice.client.clone();
    let call = tokio::spawn(async move { client.get_users_info(vec!["bob".to_owned()]).await });
    let ended = eventually("the end of the call", async || {
        alice.clock.advance(CALL_DEADLINE / 10);
        if call.is_finished() { Ok(()) } else { Err("it still runs") }
    });
    ended.await;
    let error = call.await.unwrap().expect_err("there was no answer");
    assert!([6012, 9508].contains(&error.code().0), "{error}");
    assert!(error.is_retryable());
    proxy.heal();
    alice.client.network_changed();
    eventually("calls go on", async || alice.client.get_users_info(vec!["bob".to_owned()]).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_without_a_server_ends_and_may_be_tried_again() {
    let server = TestServer::start().await;
    let proxy = server.proxy().await;
    let alice = server.device("alice").through(&proxy).open();
    proxy.refuse();
    let user_sig = server.app().sign("alice");
    let client = alice.client.clone();
    let login = tokio::spawn(async move { client.login("alice".to_owned(), user_sig).await });
    eventually("the end of the login", async || {
        alice.clock.advance(CALL_DEADLINE / 10);
        if login.is_finished() { Ok(()) } else { Err("it still runs") }
    })
    .await;
    let error = login.await.unwrap().expect_err("there is no server");
    assert!(error.is_retryable(), "{error}");
    assert_eq!(alice.client.login_status(), LoginStatus::NotLoggedIn);
    alice.heard.wait_for_one("a failed attempt", |heard| matches!(heard, Heard::ConnectFailed(9508..=9517))).await;
    proxy.heal();
    alice.login().await.expect("the server is back");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_connection_is_taken_up_without_a_login() {
    let server = TestServer::start().await;
    let proxy = server.proxy().await;
    let alice = server.device("alice").through(&proxy).login().await;
    let mut bob = server.wire("bob").await;
    for round in 1..=3 {
        proxy.cut();
        bob.send_text(&to_user("alice"), &round.to_string()).await.unwrap();
        alice.heard.wait_for_texts(round).await;
    }
    let seen = proxy.seen();
    assert_eq!(seen.requests("login"), 1, "the ticket was shown once");
    assert!(seen.requests("resume") >= 3);
    assert_eq!(alice.client.login_status(), LoginStatus::LoggedIn);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_connection_is_noticed_and_replaced() {
    let server = TestServer::start().await;
    let proxy = server.proxy().await;
    let alice = server.device("alice").through(&proxy).login().await;
    let mut bob = server.wire("bob").await;
    proxy.half_open();
    bob.send_text(&to_user("alice"), "into the void").await.unwrap();
    // A heartbeat goes out and is not answered.
    eventually("a new connection", async || {
        alice.clock.advance(Duration::from_secs(5));
        if proxy.seen().connections > 1 { Ok(()) } else { Err("not yet") }
    })
    .await;
    proxy.heal();
    alice.client.network_changed();
    assert_eq!(alice.heard.wait_for_texts(1).await, ["into the void"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_that_ends_during_a_session_ends_the_session() {
    let server = TestServer::start().await;
    let alice = server.device("alice").open();
    let short = server.app().sign_for("alice", now_s(&server), 600);
    alice.login_with(&short).await.unwrap();
    server.clock().advance(Duration::from_secs(300));
    assert!(!alice.heard.all().iter().any(|heard| matches!(heard, Heard::UserSigExpired)));
    server.clock().advance(Duration::from_secs(400));
    alice.heard.wait_for_one("the expiry", |heard| matches!(heard, Heard::UserSigExpired)).await;
    assert_eq!(alice.client.login_status(), LoginStatus::NotLoggedIn);
    let refused = code(alice.send_text(&c2c("bob"), "hello").await);
    assert!([6014, 6206].contains(&refused), "{refused}");
    let fresh = server.app().sign_for("alice", now_s(&server), 600);
    alice.login_with(&fresh).await.expect("a new ticket opens again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_is_not_taken_up_with_a_ticket_that_ended() {
    let server = TestServer::start().await;
    let proxy = server.proxy().await;
    let alice = server.device("alice").through(&proxy).open();
    alice.login_with(&server.app().sign_for("alice", now_s(&server), 600)).await.unwrap();
    proxy.disconnect().await;
    server.clock().advance(Duration::from_secs(700));
    proxy.heal();
    alice.client.network_changed();
    alice.heard.wait_for_one("the expiry", |heard| matches!(heard, Heard::UserSigExpired)).await;
    assert_eq!(alice.client.login_status(), LoginStatus::NotLoggedIn);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_worth_nothing_after_a_logout() {
    use hongyan_protocol::account::{Logout, Resume};
    let server = TestServer::start().await;
    let login = server.app().login("alice");
    let mut wire = Wire::connect(server.addr()).await;
    let session = crate::harness::wire::open_session(&mut wire, &login).await;
    wire.call(&Logout {}).await.unwrap();
    wire.ended().await;
    let mut again = Wire::connect(server.addr()).await;
    let resume = Resume { client: login.client, token: session.resume_token };
    assert!(again.call(&resume).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn several_clients_live_in_one_process_and_a_closed_one_ends_its_calls() {
    let server = TestServer::start().await;
    let proxy = server.proxy().await;
    let alice = server.device("alice").through(&proxy).login().await;
    let bob = server.device("bob").login().await;
    proxy.stall();
    let client = alice.client.clone();
    let call = tokio::spawn(async move { client.get_users_info(vec!["bob".to_owned()]).await });
    proxy.stall();
    alice.close().await;
    let ended = within("the call of a closed client", call).await.unwrap();
    assert!(ended.is_err(), "{ended:?}");
    assert_ne!(code(alice.send_text(&c2c("bob"), "after the end").await), 0);
    bob.sends(&c2c("bob"), "a note to myself").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_profile_reaches_the_own_devices_and_whoever_asks() {
    let server = TestServer::start().await;
    let phone = server.device("alice").login().await;
    let pad = server.device("alice").on(Platform::Ipad).login().await;
    let bob = server.device("bob").login().await;
    let own = SelfInfo { nick_name: Some("Alice".to_owned()), face_url: Some("https://example.com/a.png".to_owned()) };
    phone.client.set_self_info(own).await.unwrap();
    pad.heard
        .wait_for_one("the profile", |heard| matches!(heard, Heard::SelfInfo(info) if info.nick_name == "Alice"))
        .await;
    let only_face = SelfInfo { nick_name: None, face_url: Some(String::new()) };
    phone.client.set_self_info(only_face).await.unwrap();
    let found = bob.client.get_users_info(vec!["alice".to_owned(), "nobody".to_owned()]).await.unwrap();
    assert_eq!(found.len(), 1, "who does not exist is left out");
    assert_eq!((found[0].nick_name.as_str(), found[0].face_url.as_str()), ("Alice", ""));
    let sent = phone.sends(&c2c("bob"), "hello").await;
    assert_eq!(sent.nick_name, "Alice");
    assert_eq!(bob.heard.wait_for_messages(1).await[0].nick_name, "Alice");
}
