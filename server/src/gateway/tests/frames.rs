// SPDX-License-Identifier: Apache-2.0
//! Every frame of a small conversation, and the examples of `docs/protocol.md`, which are taken from it.

use hongyan_protocol::account::{GetProfiles, Login, Logout, Ping, Platform, SetSelfInfo};
use hongyan_protocol::bytes::Base64Bytes;
use hongyan_protocol::conversation::{MarkRead, ReadPosition, ReadScope};
use hongyan_protocol::group::{CreateGroup, GroupType, InviteToGroup, QuitGroup};
use hongyan_protocol::ids::{ChangeSeq, DeviceId, GroupId, MessageId, Seq};
use hongyan_protocol::message::{CustomElement, Element, GetChanges, GetMessages, Page, SendMessage, Target};
use hongyan_protocol::sync::Sync;
use serde_json::Value;

use super::TestServer;
use super::wire::{Wire, client_info, text_to, user};

const DOCUMENT: &str = include_str!("../../../../docs/protocol.md");

const ALICE_PHONE: &str = "01890a5d-ac96-7000-8000-00000000a11c";
const ALICE_DESK: &str = "01890a5d-ac96-7000-8000-00000000a12c";
const BOB_PHONE: &str = "01890a5d-ac96-7000-8000-000000000b0b";
const FIRST_MESSAGE: &str = "01890a5d-ac96-7000-8000-000000000001";
const SECOND_MESSAGE: &str = "01890a5d-ac96-7000-8000-000000000002";

fn group() -> GroupId {
    GroupId::parse("team").unwrap()
}

async fn login(server: &TestServer, name: &str, device: &str, platform: Platform) -> Wire {
    let mut wire = server.connect().await;
    wire.device = DeviceId::parse(device).unwrap();
    wire.login(server, name, platform).await.unwrap();
    wire
}

fn text(id: &str, peer: &str, text: &str) -> SendMessage {
    SendMessage { id: MessageId::parse(id).unwrap(), ..text_to(peer, text) }
}

fn sync(limit: u32) -> Sync {
    Sync { since_ms: None, version: Default::default(), probes: Vec::new(), cursor: None, limit }
}

/// Two users write to one another and in a group; one has a second device.
async fn converse(server: &TestServer) -> Vec<Wire> {
    let mut bob = login(server, "bob", BOB_PHONE, Platform::Iphone).await;
    let mut alice = login(server, "alice", ALICE_PHONE, Platform::Android).await;
    let mut desk = login(server, "alice", ALICE_DESK, Platform::Linux).await;
    alice.call(&SetSelfInfo { nick: Some("Alice".to_owned()), face_url: None }).await.unwrap();
    desk.push().await;
    alice.call(&GetProfiles { users: vec![user("alice"), user("bob"), user("nobody")] }).await.unwrap();

    alice.call(&text(FIRST_MESSAGE, "bob", "hello")).await.unwrap();
    bob.push().await;
    desk.push().await;
    bob.call(&MarkRead { of: ReadScope::One(Target::User(user("alice"))), up_to: ReadPosition::End }).await.unwrap();
    alice.push().await;
    desk.push().await;
    let of = Target::User(user("bob"));
    alice.call(&GetMessages { of: of.clone(), page: Page::Before(None), limit: 20 }).await.unwrap();
    alice.call(&GetChanges { of, after: ChangeSeq::ZERO, limit: 100 }).await.unwrap();

    let create = CreateGroup {
        group_type: GroupType::Work,
        group_id: Some(group()),
        name: "The team".to_owned(),
        face_url: String::new(),
        members: vec![],
    };
    alice.call(&create).await.unwrap();
    alice.call(&InviteToGroup { group_id: group(), users: vec![user("bob"), user("nobody")] }).await.unwrap();
    let mut custom = text(SECOND_MESSAGE, "bob", "");
    custom.to = Target::Group(group());
    custom.body.elements = vec![Element::Custom(CustomElement {
        data: Base64Bytes(b"any bytes".to_vec()),
        description: "a notice".to_owned(),
        extension: String::new(),
    })];
    alice.call(&custom).await.unwrap();
    while bob.push().await.data["message"]["id"] != SECOND_MESSAGE {}
    bob.call(&GetMessages { of: Target::Group(group()), page: Page::After(Seq::ZERO), limit: 20 }).await.unwrap();
    bob.call(&QuitGroup { group_id: group() }).await.unwrap();
    bob.call(&MarkRead { of: ReadScope::All, up_to: ReadPosition::End }).await.unwrap();

    alice.call(&sync(1)).await.unwrap();
    alice.call(&Ping {}).await.unwrap();
    vec![alice, desk, bob]
}

/// How sessions end and begin again.
async fn part(server: &TestServer, wires: &mut Vec<Wire>) -> Wire {
    let mut resumed = server.connect().await;
    resumed.device = DeviceId::parse(ALICE_PHONE).unwrap();
    let answer = wires[0].log[1].strip_prefix("← ").unwrap();
    let session: Value = serde_json::from_str(answer).unwrap();
    resumed.resume(Platform::Android, session["result"]["resume_token"].as_str().unwrap()).await.unwrap();
    let mut refused = server.connect().await;
    let client = client_info(Platform::Web, DeviceId::parse(ALICE_DESK).unwrap());
    let login = Login { client, sdk_app_id: server.app(), user_id: "alice".to_owned(), user_sig: server.sign("bob") };
    refused.call(&login).await.unwrap_err();
    let mut unread = server.connect().await;
    unread.write("{").await;
    unread.read_to_end().await;
    let newer = self::login(server, "alice", &DeviceId::generate().to_string(), Platform::Android).await;
    resumed.read_to_end().await;
    wires[2].call(&Logout {}).await.unwrap();
    wires[1].write(r#"{"id":9,"method":"telepathy","params":{}}"#).await;
    wires[1].answer_to(9).await.unwrap_err();
    wires.extend([resumed, refused, unread]);
    newer
}

/// A frame with what differs from run to run written as `…`.
fn blur(frame: &str) -> String {
    let secrets = ["user_sig", "resume_token", "token", "instance"];
    let frame = secrets.iter().fold(frame.to_owned(), |frame, field| blur_field(&frame, field, &[]));
    blur_field(&frame, "id", &[FIRST_MESSAGE, SECOND_MESSAGE])
}

fn blur_field(frame: &str, field: &str, kept: &[&str]) -> String {
    let start = format!(r#""{field}":""#);
    let (first, rest) = frame.split_once(&start).unwrap_or((frame, ""));
    let parts = rest.split(&start).filter(|part| !part.is_empty()).map(|part| {
        let (value, after) = part.split_once('"').expect("a text ends");
        let value = if kept.contains(&value) { value } else { "…" };
        format!(r#"{start}{value}"{after}"#)
    });
    std::iter::once(first.to_owned()).chain(parts).collect()
}

fn examples() -> impl Iterator<Item = &'static str> {
    DOCUMENT.lines().filter(|line| line.starts_with("→ ") || line.starts_with("← "))
}

#[tokio::test]
async fn the_examples_of_the_documentation_are_frames_that_travel() {
    let server = TestServer::start().await;
    let mut wires = converse(&server).await;
    let mut last = part(&server, &mut wires).await;
    let mut frames: Vec<String> = wires.iter().flat_map(|wire| &wire.log).map(|frame| blur(frame)).collect();
    // Connections that nobody reads would hold the server up.
    drop(wires);
    let stopping = tokio::spawn(server.server.shutdown());
    last.read_to_end().await;
    stopping.await.unwrap();
    frames.extend(last.log.iter().map(|frame| blur(frame)));

    let wrong: Vec<&str> = examples().filter(|example| !frames.iter().any(|frame| frame == example)).collect();
    assert!(wrong.is_empty(), "no such frames:\n{}\n\namong\n{}", wrong.join("\n"), frames.join("\n"));
}

#[test]
fn the_documentation_shows_every_method_and_event() {
    for method in [
        "login",
        "resume",
        "logout",
        "ping",
        "get_profiles",
        "set_self_info",
        "send_message",
        "get_messages",
        "get_changes",
        "mark_read",
        "sync",
        "create_group",
        "invite_to_group",
        "quit_group",
    ] {
        let start = format!(r#""method":"{method}""#);
        assert!(examples().any(|example| example.contains(&start)), "no example of {method}");
    }
    for event in ["self_info", "kicked", "going_away", "message", "change", "conversation_states"] {
        let start = format!(r#""event":"{event}""#);
        assert!(examples().any(|example| example.contains(&start)), "no example of {event}");
    }
    for event in ["user_sig_expired", "resync"] {
        assert!(DOCUMENT.contains(&format!("`{event}`")), "{event} is not named");
    }
}
