// SPDX-License-Identifier: Apache-2.0
//! What is no frame, or none that may come now: answered or closed, without harm to others.

use hongyan_protocol::account::{Login, Ping, Platform};
use hongyan_protocol::codes::Code;
use hongyan_protocol::limits::{JSON_DEPTH_MAX, PACKET_BYTES_MAX};
use hongyan_protocol::sync::Sync;

use super::TestServer;
use super::wire::{client_info, text_to};

fn sync() -> Sync {
    Sync { since_ms: None, version: Default::default(), probes: Vec::new(), cursor: None, limit: 100 }
}

#[tokio::test]
async fn the_first_frame_is_a_login_or_the_last() {
    let server = TestServer::start().await;
    for frame in [
        r#"{"id":5,"method":"ping","params":{}}"#,
        r#"{"id":5,"method":"sync","params":{"limit":10}}"#,
        r#"{"id":5,"method":"no_such_method"}"#,
    ] {
        let mut wire = server.connect().await;
        wire.write(frame).await;
        assert_eq!(wire.answer_to(5).await.unwrap_err().code, Code::NOT_AUTHENTICATED_YET, "{frame}");
        assert!(wire.read().await.is_none());
    }
}

#[tokio::test]
async fn a_client_that_is_too_old_is_told_so_before_anything_else_is_read() {
    let server = TestServer::start().await;
    for method in ["login", "resume"] {
        let mut wire = server.connect().await;
        wire.write(format!(r#"{{"id":1,"method":"{method}","params":{{"protocol":0}}}}"#)).await;
        assert_eq!(wire.answer_to(1).await.unwrap_err().code, Code::CLIENT_TOO_OLD);
        assert!(wire.read().await.is_none());
    }
}

#[tokio::test]
async fn a_newer_client_with_fields_of_its_own_is_let_in() {
    let server = TestServer::start().await;
    let mut wire = server.connect().await;
    let mut client = client_info(Platform::Web, wire.device);
    client.protocol = 99;
    client.capabilities = vec!["telepathy".to_owned()];
    let login = Login { client, sdk_app_id: server.app(), user_id: "alice".to_owned(), user_sig: server.sign("alice") };
    let mut params = serde_json::to_value(&login).unwrap();
    params["mood"] = "good".into();
    wire.write(serde_json::json!({"id": 1, "method": "login", "params": params, "more": []}).to_string()).await;
    assert_eq!(wire.answer_to(1).await.unwrap()["protocol"], 1);
}

#[tokio::test]
async fn a_user_id_that_is_none_is_refused() {
    let server = TestServer::start().await;
    for user in ["", "\u{e9}mile", "a\u{0}b", &"x".repeat(33)] {
        let mut wire = server.connect().await;
        let refusal = wire.login(&server, user, Platform::Android).await.unwrap_err();
        assert_eq!(refusal.code, Code::INVALID_USER_ID, "{user:?}");
        assert!(wire.read().await.is_none());
    }
}

/// Texts that are no frames, with the code that answers them.
fn no_frames() -> Vec<(String, Code)> {
    let deep = format!(r#"{{"id":1,"method":"ping","params":{}}}"#, "[".repeat(JSON_DEPTH_MAX + 1));
    let large = format!(r#"{{"id":1,"method":"ping","params":{{"x":"{}"}}}}"#, "x".repeat(PACKET_BYTES_MAX));
    let deepest = "[".repeat(500_000);
    [
        (String::new(), Code::BAD_JSON),
        ("hello".to_owned(), Code::BAD_JSON),
        (r#"{"id":1,"method":"ping","params":{"#.to_owned(), Code::BAD_JSON),
        (r#"{"method":"ping"}"#.to_owned(), Code::BAD_JSON),
        (r#"{"id":-1,"method":"ping"}"#.to_owned(), Code::BAD_JSON),
        (r#"{"id":0,"method":"ping"}"#.to_owned(), Code::BAD_JSON),
        (r#"{"id":9007199254740992,"method":"ping"}"#.to_owned(), Code::BAD_JSON),
        (r#"{"id":1,"method":7}"#.to_owned(), Code::BAD_JSON),
        ("[]".to_owned(), Code::BAD_JSON),
        (deep, Code::BAD_JSON),
        (deepest, Code::BAD_JSON),
        (large, Code::PACKET_TOO_LARGE),
    ]
    .into()
}

#[tokio::test]
async fn what_is_no_frame_is_answered_and_ends_its_connection_alone() {
    let server = TestServer::start().await;
    let mut bystander = server.login("bob").await;
    for (text, code) in no_frames() {
        let start: String = text.chars().take(40).collect();
        let mut stranger = server.connect().await;
        stranger.write(text.clone()).await;
        assert_eq!(stranger.last_refusal().await, Some(code.0), "before login: {start}");
        let mut session = server.login("alice").await;
        session.write(text).await;
        assert_eq!(session.last_refusal().await, Some(code.0), "after login: {start}");
        bystander.call(&Ping {}).await.unwrap();
    }
    let mut session = server.login("alice").await;
    session.write_binary(br#"{"id":1,"method":"ping","params":{}}"#.to_vec()).await;
    assert_eq!(session.last_refusal().await, Some(Code::BAD_JSON.0));
    let sent = bystander.call(&text_to("alice", "still here")).await.unwrap();
    assert_eq!(sent.seq.get(), 1);
}

#[tokio::test]
async fn a_message_that_is_far_too_large_ends_its_connection_alone() {
    let server = TestServer::start().await;
    let mut bystander = server.login("bob").await;
    let mut session = server.login("alice").await;
    session.write_if_taken("x".repeat(8 * PACKET_BYTES_MAX)).await;
    assert_eq!(session.last_refusal().await, None);
    bystander.call(&Ping {}).await.unwrap();
}

#[tokio::test]
async fn a_request_that_cannot_be_done_is_answered_and_the_session_goes_on() {
    let server = TestServer::start().await;
    let mut session = server.login("alice").await;
    for (frame, code) in [
        (r#"{"id":50,"method":"no_such_method","params":{}}"#, Code::REST_INVALID_RESOURCE),
        (r#"{"id":50,"method":"login","params":{}}"#, Code::REST_INVALID_RESOURCE),
        (r#"{"id":50,"method":"sync","params":{"limit":"many"}}"#, Code::BAD_PARAMETER),
        (r#"{"id":50,"method":"sync"}"#, Code::BAD_PARAMETER),
        (r#"{"id":50,"method":"sync","params":null}"#, Code::BAD_PARAMETER),
        (r#"{"id":50,"method":"send_message","params":{"id":"no uuid","to":{"user":"bob"}}}"#, Code::BAD_PARAMETER),
    ] {
        session.write(frame).await;
        assert_eq!(session.answer_to(50).await.unwrap_err().code, code, "{frame}");
    }
    session.call(&sync()).await.unwrap();
}

#[tokio::test]
async fn a_frame_cannot_name_another_user_or_app() {
    let server = TestServer::start().await;
    let (other, _) = server.server.create_app("other").await.unwrap();
    let _bob = server.login("bob").await;
    let mut alice = server.login("alice").await;
    let mut params = serde_json::to_value(text_to("bob", "hello")).unwrap();
    for field in ["sender", "user_id", "from"] {
        params[field] = "bob".into();
    }
    params["sdk_app_id"] = other.get().into();
    alice.write(serde_json::json!({"id": 50, "method": "send_message", "params": params}).to_string()).await;
    alice.answer_to(50).await.unwrap();
    let page = alice.call(&sync()).await.unwrap();
    let last = page.heads[0].last_message.as_ref().unwrap();
    assert_eq!(last.sender.as_str(), "alice");
}
