// SPDX-License-Identifier: Apache-2.0
//! Bad input is answered with its code or ends its own connection; it changes nothing and harms nobody else.

use std::time::Duration;

use hongyan_protocol::limits::{JSON_DEPTH_MAX, MESSAGE_BYTES_MAX, PACKET_BYTES_MAX};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message as Frame;

use crate::harness::server::TestServer;
use crate::harness::view::{c2c, texts};
use crate::harness::wait::within;
use crate::harness::wire::{SOCKET_PATH, Wire, text_of, to_user};

/// Two users who go on talking whatever others do.
struct Bystanders {
    alice: Wire,
    bob: Wire,
    said: usize,
}

impl Bystanders {
    async fn of(server: &TestServer) -> Self {
        Self { alice: server.wire("alice").await, bob: server.wire("bob").await, said: 0 }
    }

    /// A message of one arrives at the other.
    async fn are_unharmed(&mut self) {
        self.said += 1;
        let text = self.said.to_string();
        self.alice.send_text(&to_user("bob"), &text).await.expect("the server goes on");
        assert_eq!(text_of(&self.bob.next_message().await.message.body), text);
    }
}

fn nested(depth: usize) -> String {
    let (open, close) = ("[".repeat(depth), "]".repeat(depth));
    format!(r#"{{"id":7,"method":"ping","params":{{"deep":{open}{close}}}}}"#)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frame_that_cannot_be_read_ends_its_own_connection_only() {
    let server = TestServer::start().await;
    let mut bystanders = Bystanders::of(&server).await;
    let frames = [
        ("nothing", String::new()),
        ("no JSON", "hello".to_owned()),
        ("a cut frame", r#"{"id":7,"method":"ping","par"#.to_owned()),
        ("a list", "[1,2,3]".to_owned()),
        ("no method", r#"{"id":7}"#.to_owned()),
        ("no id", r#"{"method":"ping"}"#.to_owned()),
        ("a negative id", r#"{"id":-7,"method":"ping"}"#.to_owned()),
        ("an id that JSON cannot keep", r#"{"id":9007199254740993,"method":"ping"}"#.to_owned()),
        ("a method that is no text", r#"{"id":7,"method":["ping"]}"#.to_owned()),
        ("a NUL", "{\"id\":7,\"method\":\"ping\"}\0".to_owned()),
        ("a frame one deeper than allowed", nested(JSON_DEPTH_MAX - 1)),
        ("a frame so deep that a parser would fall", nested(100_000)),
    ];
    for (what, frame) in frames {
        for is_logged_in in [true, false] {
            let mut wire = if is_logged_in { server.wire("mallory").await } else { Wire::connect(server.addr()).await };
            wire.write(frame.clone()).await;
            let (id, outcome) = wire.next_reply().await.unwrap_or_else(|| panic!("{what} is answered"));
            let error = outcome.expect_err("it is refused");
            assert_eq!((id, error.code.0), (0, 60003), "{what}: {error}");
            wire.ended().await;
        }
        bystanders.are_unharmed().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frame_of_another_kind_or_size_ends_its_own_connection_only() {
    let server = TestServer::start().await;
    let mut bystanders = Bystanders::of(&server).await;
    let frames = [
        ("an oversized text", Frame::text("x".repeat(PACKET_BYTES_MAX + 1))),
        ("a binary frame", Frame::binary(vec![0xff; 100])),
    ];
    for (what, frame) in frames {
        let mut wire = server.wire("mallory").await;
        wire.write_frame(frame).await;
        if let Some((_, outcome)) = wire.next_reply().await {
            outcome.expect_err(what);
        }
        wire.ended().await;
        bystanders.are_unharmed().await;
    }
    // A frame of the largest size is read, and refused for what is in it.
    let mut wire = server.wire("mallory").await;
    let text = "x".repeat(PACKET_BYTES_MAX - 200);
    let params = json!({"id": "01890a5d-ac96-774b-bcce-b302099a8057", "to": {"user": "bob"}, "body": {"elements": [{"type": "text", "text": text}]}});
    assert_eq!(wire.ask("send_message", &params).await.expect_err("it is too long").code.0, 80002);
    wire.ping().await;
    bystanders.are_unharmed().await;
}

/// Bytes that no WebSocket client writes, after a handshake or in its place.
#[tokio::test(flavor = "multi_thread")]
async fn broken_streams_harm_nobody() {
    let server = TestServer::start().await;
    let mut bystanders = Bystanders::of(&server).await;
    let upgrade = format!(
        "GET {SOCKET_PATH} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    // Finished text frame of 1000 bytes, masked, of which ten bytes come.
    let cut_frame = [&[0x81, 0xfe, 0x03, 0xe8, 1, 2, 3, 4][..], &[b'x'; 10]].concat();
    // A frame that announces 2^62 bytes.
    let endless_frame = [&[0x81, 0xff, 0x40, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4][..], &[b'x'; 10]].concat();
    // Text that is not UTF-8, under an empty mask.
    let not_utf8 = [0x81, 0x82, 0, 0, 0, 0, 0xc3, 0x28].to_vec();
    // A client's frame that is not masked.
    let unmasked = [&[0x81, 0x05][..], b"hello"].concat();
    // A continuation of nothing, a reserved opcode.
    let (continuation, reserved) = ([0x80, 0x80, 0, 0, 0, 0].to_vec(), [0x83, 0x80, 0, 0, 0, 0].to_vec());
    let after_upgrade = [cut_frame, endless_frame, not_utf8, unmasked, continuation, reserved];
    let mut streams: Vec<Vec<u8>> = after_upgrade.iter().map(|bytes| [upgrade.as_bytes(), bytes].concat()).collect();
    streams.push(vec![0; 100_000]);
    streams.push(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec());
    streams.push(upgrade.as_bytes()[..40].to_vec());
    streams.push(format!("GET {SOCKET_PATH} HTTP/1.1\r\nHost: x\r\n\r\n").into_bytes());
    streams.push([b"GET / HTTP/1.1\r\nX: ".to_vec(), vec![b'x'; 1_000_000]].concat());
    for bytes in streams {
        let mut socket = TcpStream::connect(server.addr()).await.unwrap();
        // The server may close before all is written.
        let _ = within("room", socket.write_all(&bytes)).await;
        let _ = socket.shutdown().await;
        let _ = within("the end", socket.read_to_end(&mut Vec::new())).await;
        bystanders.are_unharmed().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_login_comes_first_and_it_comes_in_time() {
    let server = TestServer::start().await;
    for method in ["ping", "send_message", "sync", "no_such_method"] {
        let mut stranger = Wire::connect(server.addr()).await;
        let refused = stranger.ask(method, &json!({})).await.expect_err("nobody is logged in");
        assert_eq!(refused.code.0, 9503, "{method}");
        stranger.ended().await;
    }
    let mut too_old = Wire::connect(server.addr()).await;
    let mut login = server.app().login("alice");
    login.client.protocol = 0;
    assert_eq!(too_old.call(&login).await.expect_err("it is too old").code.0, 70404);

    let mut silent = Wire::connect(server.addr()).await;
    let mut known = server.wire("alice").await;
    server.clock().advance(Duration::from_secs(15));
    silent.ended().await;
    known.ping().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_methods_and_fields_are_no_reason_to_part() {
    let server = TestServer::start().await;
    let mut wire = server.wire("alice").await;
    assert_eq!(wire.ask("fly", &json!({})).await.expect_err("there is no such method").code.0, 60009);
    let pong = wire.ask("ping", &json!({"newer": {"fields": [1, 2, 3]}})).await;
    assert!(pong.is_ok(), "unknown fields are passed over: {pong:?}");
    wire.write(r#"{"id":77,"method":"ping","params":{},"newer":true}"#).await;
    assert_eq!(wire.next_reply().await.expect("an answer").0, 77);
}

fn message(elements: Value) -> Value {
    json!({"id": "01890a5d-ac96-774b-bcce-b302099a8057", "to": {"user": "bob"}, "body": {"elements": elements}})
}

fn text(text: &str) -> Value {
    json!({"type": "text", "text": text})
}

/// A request that is refused: the method, its parameters, the code.
fn refused_requests() -> Vec<(&'static str, Value, i32)> {
    let send = "send_message";
    let tips = json!({"type": "group_tips", "group_id": "club", "tips": "quit", "operator": "bob", "members": ["bob"], "member_count": 1});
    let names = |count: usize| -> Vec<String> { (0..count).map(|number| format!("nobody{number}")).collect() };
    let group = |id: &str, name: &str, members: Vec<String>| json!({"group_type": "Work", "group_id": id, "name": name, "members": members});
    vec![
        (send, json!({}), 70402),
        (send, json!([]), 70402),
        (send, message(json!([])), 70402),
        (send, message(json!("text")), 70402),
        (send, message(json!([text("a\0b")])), 70402),
        (send, message(json!([{"type": "hologram"}])), 70402),
        (send, message(json!([tips])), 70402),
        (send, message(json!(vec![text("x"); 33])), 70402),
        (send, message(json!([text(&"x".repeat(MESSAGE_BYTES_MAX + 1))])), 80002),
        (send, message(json!([{"type": "custom", "data": "not base64!"}])), 70402),
        (send, json!({"id": "not a UUID", "to": {"user": "bob"}, "body": {"elements": [text("x")]}}), 70402),
        (
            send,
            json!({"id": "01890a5d-ac96-774b-bcce-b302099a8058", "to": {"user": "nobody"}, "body": {"elements": [text("x")]}}),
            20003,
        ),
        (
            send,
            json!({"id": "01890a5d-ac96-774b-bcce-b302099a8058", "to": {"user": "x".repeat(33)}, "body": {"elements": [text("x")]}}),
            70402,
        ),
        (
            send,
            json!({"id": "01890a5d-ac96-774b-bcce-b302099a8058", "to": {"group": "none"}, "body": {"elements": [text("x")]}}),
            10010,
        ),
        ("get_messages", json!({"of": {"user": "bob"}, "page": {"before": null}, "limit": 0}), 70402),
        ("get_messages", json!({"of": {"user": "bob"}, "page": {"before": null}, "limit": 201}), 70402),
        ("get_messages", json!({"of": {"user": "bob"}, "page": {"after": -1}, "limit": 10}), 70402),
        ("get_messages", json!({"of": {"user": "bob"}, "page": {"after": 9007199254740992_i64}, "limit": 10}), 70402),
        ("get_messages", json!({"of": {"group": "none"}, "page": {"before": null}, "limit": 10}), 10010),
        ("get_changes", json!({"of": {"user": "bob"}, "after": 0, "limit": 501}), 70402),
        ("sync", json!({"limit": 0}), 70402),
        ("sync", json!({"limit": 501}), 70402),
        ("sync", json!({"limit": 10, "probes": vec![json!({"log": 1, "max_seq": 1}); 101]}), 70402),
        ("get_profiles", json!({"users": names(101)}), 70402),
        ("set_self_info", json!({"nick": "x".repeat(501)}), 40601),
        ("set_self_info", json!({"face_url": "x".repeat(501)}), 40601),
        ("create_group", group("@TGS#mine", "", Vec::new()), 10015),
        ("create_group", group(&"x".repeat(49), "", Vec::new()), 70402),
        ("create_group", group("big name", &"x".repeat(101), Vec::new()), 70402),
        ("create_group", group("strangers", "", names(1)), 10019),
        ("create_group", group("crowd", "", names(21)), 10005),
        ("create_group", json!({"group_type": "Secret", "group_id": "secret"}), 70402),
        ("invite_to_group", json!({"group_id": "none", "users": ["bob"]}), 10010),
        ("quit_group", json!({"group_id": "none"}), 10010),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_parameters_are_answered_with_their_code_and_change_nothing() {
    let server = TestServer::start().await;
    let bob = server.device("bob").login().await;
    let mut alice = server.wire("alice").await;
    alice.send_text(&to_user("bob"), "before").await.unwrap();
    for (method, params, code) in refused_requests() {
        let error = alice.ask(method, &params).await.expect_err(method);
        assert_eq!(error.code.0, code, "{method} {params} gave {error}");
    }
    alice.send_text(&to_user("bob"), "after").await.unwrap();
    assert_eq!(bob.heard.wait_for_texts(2).await, ["before", "after"]);
    assert_eq!(texts(&bob.cloud_history(&c2c("alice")).await), ["before", "after"]);
    assert_eq!(bob.conversations().await.len(), 1, "no conversation besides");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_id_is_taken_once() {
    let server = TestServer::start().await;
    let (mut alice, mut bob) = (server.wire("alice").await, server.wire("bob").await);
    alice.create_group("club", &[]).await;
    let again = json!({"group_type": "Work", "group_id": "club"});
    assert_eq!(alice.ask("create_group", &again).await.expect_err("it is hers").code.0, 10025);
    assert_eq!(bob.ask("create_group", &again).await.expect_err("it is taken").code.0, 10021);
}
