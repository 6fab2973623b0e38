// SPDX-License-Identifier: Apache-2.0
//! What is written besides the messages themselves, on a device and by a server: no ticket and no key anywhere, no text in
//! a log, nor in what `{:?}` prints of the types that hold them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use hongyan::{ClientConfig, LogLevel, Platform};
use hongyan_protocol::account::{Login, Resume, Session};
use hongyan_protocol::bytes::Base64Bytes;
use hongyan_protocol::clock::Clock;
use hongyan_protocol::frame::{ClientFrame, ServerFrame, encode_call, encode_reply};
use hongyan_protocol::ids::SdkAppId;
use hongyan_protocol::message::{CustomElement, Element, MessageBody, SendMessage};
use hongyan_protocol::usersig;
use hongyan_server::config::Layers;
use serde_json::json;
use tokio::io::AsyncWriteExt;

use crate::harness::app::{App, USER_SIG_S};
use crate::harness::device::Device;
use crate::harness::process::ServerProcess;
use crate::harness::proxy::Proxy;
use crate::harness::recorder::Heard;
use crate::harness::secrets::Secrets;
use crate::harness::server::TestServer;
use crate::harness::view::{c2c, group};
use crate::harness::wait::eventually;
use crate::harness::wire::{Wire, client_info, open_session, text_message, to_group, to_user};
use crate::stored::fixture;

fn files_in(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files.extend(files_in(&path)) } else { files.push(path) }
    }
    files
}

fn holds(file: &Path, text: &str) -> bool {
    let bytes = std::fs::read(file).unwrap();
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

#[tokio::test(flavor = "multi_thread")]
async fn no_ticket_is_kept_and_no_text_is_logged() {
    const TEXT: &str = "a text that nobody else shall read";
    let server = TestServer::start().await;
    let proxy = server.proxy().await;
    let alice = server.device("alice").through(&proxy).open();
    let (refused, accepted) = (server.app().sign("bob"), server.app().sign("alice"));
    alice.login_with(&refused).await.expect_err("it is another user's");
    alice.login_with(&accepted).await.unwrap();
    let mut bob = server.wire("bob").await;
    alice.sends(&c2c("bob"), TEXT).await;
    bob.send_text(&to_user("alice"), TEXT).await.unwrap();
    alice.heard.wait_for_texts(1).await;
    alice.send_text(&c2c("nobody"), TEXT).await.expect_err("there is no such user");
    let seen = alice.heard.count();
    proxy.cut();
    alice.heard.wait_for_one_after(seen, "the connection", |heard| matches!(heard, Heard::Connected)).await;
    alice.close().await;

    let files = files_in(alice.folder());
    let (logs, others): (Vec<_>, Vec<_>) = files.iter().partition(|file| file.starts_with(alice.folder().join("logs")));
    assert!(logs.iter().any(|file| holds(file, "alice")), "there is a log, and it names the user");
    assert!(others.iter().any(|file| holds(file, TEXT)), "the messages are on the device");
    for file in &logs {
        assert!(!holds(file, TEXT), "{} holds a text", file.display());
    }
    for file in &files {
        for ticket in [&refused, &accepted, &server.app().key] {
            assert!(!holds(file, ticket), "{} holds a ticket", file.display());
        }
    }
}

const SENT: &str = "xylophones quarrel beneath a marmalade moon";
const REFUSED: &str = "forty seven porcupines waltz on the zeppelin";
const DRAFT: &str = "unfinished thoughts about a velvet submarine";
const CUSTOM: &[u8] = b"\x00\x01bytes of the app: gingerbread lighthouse";

/// A conversation in which everything goes wrong that can, and what must not be logged of it.
struct Conversation<'a> {
    server: &'a ServerProcess,
    proxy: Proxy,
    alice: Device,
    secrets: Secrets,
}

impl<'a> Conversation<'a> {
    async fn begin(server: &'a ServerProcess) -> Self {
        let mut secrets = Secrets::default();
        secrets.add("the key of the app", &server.app().key);
        secrets.add("the secret of the store", fixture::secret_in(server.home()).await);
        for (name, text) in [("a text", SENT), ("a refused text", REFUSED), ("a draft", DRAFT)] {
            secrets.add(name, text);
        }
        secrets.add("custom data", CUSTOM);
        let proxy = server.proxy().await;
        let alice = server.device("alice").through(&proxy).open();
        Self { server, proxy, alice, secrets }
    }

    /// A UserSig that must not be found anywhere.
    fn ticket(&mut self, user_sig: String) -> String {
        self.secrets.add("a UserSig", &user_sig);
        user_sig
    }

    async fn login(&mut self, user: &str) -> (Wire, Login, Session) {
        let mut wire = Wire::connect(self.server.addr()).await;
        let login = self.server.app().login(user);
        self.ticket(login.user_sig.clone());
        let session = open_session(&mut wire, &login).await;
        self.secrets.add("a resume token", &session.resume_token);
        (wire, login, session)
    }

    async fn tickets_are_refused(&mut self) {
        let app = self.server.app().clone();
        let other_key = App { key: "9f".repeat(32), ..app.clone() };
        let other_app = App { id: SdkAppId::parse(app.id.get() + 1).unwrap(), ..app.clone() };
        let now_s = Clock::system().now_ms() / 1000;
        for user_sig in [
            app.sign_for("alice", now_s - 2 * USER_SIG_S, USER_SIG_S),
            other_key.sign("alice"),
            other_app.sign("alice"),
            app.sign("bob"),
            "no ticket at all, but somebody may think it is one".to_owned(),
        ] {
            let user_sig = self.ticket(user_sig);
            self.alice.login_with(&user_sig).await.expect_err("the ticket is not good");
        }
        let good = self.ticket(app.sign("alice"));
        self.alice.client.login(good.clone(), "alice".to_owned()).await.expect_err("they stand in the wrong order");
        // The same without an SDK that looks before it asks.
        let swapped = Login { user_id: good.clone(), user_sig: "alice".to_owned(), ..app.login("alice") };
        Wire::connect(self.server.addr()).await.call(&swapped).await.expect_err("they stand in the wrong order");
        let mut login = serde_json::to_value(Login { user_sig: good.clone(), ..app.login("alice") }).unwrap();
        login["sdk_app_id"] = json!(good);
        Wire::connect(self.server.addr()).await.ask("login", &login).await.expect_err("no app is named so");
        Wire::connect(self.server.addr()).await.ask(&good, &json!({})).await.expect_err("no method is named so");
        let seen = self.alice.heard.count();
        self.alice.login_with(&good).await.unwrap();
        self.alice.synced_after(seen).await;
    }

    async fn tokens_are_taken_and_refused(&mut self) {
        let (first, login, session) = self.login("carol").await;
        let addr = self.server.addr();
        let resume = |client, token| async move { Wire::connect(addr).await.call(&Resume { client, token }).await };
        let token = session.resume_token;
        resume(client_info(login.client.platform), token.clone()).await.expect_err("it is of another device");
        let forged = format!("{}AAAAA", &token[..token.len() - 5]);
        self.secrets.add("a forged token", &forged);
        resume(login.client.clone(), forged).await.expect_err("it is forged");
        let again = resume(login.client.clone(), token.clone()).await.unwrap();
        self.secrets.add("a resume token", &again.resume_token);
        drop(first);
        let _kicks = self.login("carol").await;
        resume(login.client, token).await.expect_err("another browser has its place");
    }

    async fn messages_are_sent_and_refused(&mut self) {
        let (mut bob, ..) = self.login("bob").await;
        let alice = &self.alice;
        alice.sends(&c2c("bob"), SENT).await;
        bob.send_text(&to_user("alice"), SENT).await.unwrap();
        alice.heard.wait_for_texts(1).await;
        let custom =
            CustomElement { data: Base64Bytes(CUSTOM.to_vec()), description: SENT.into(), extension: SENT.into() };
        let body = MessageBody {
            elements: vec![Element::Custom(custom)],
            cloud_custom_data: Some(Base64Bytes(CUSTOM.to_vec())),
            ..MessageBody::default()
        };
        let first = SendMessage { body, ..text_message(&to_user("alice"), "") };
        bob.call(&first).await.unwrap();
        let changed = SendMessage { id: first.id, ..text_message(&to_user("alice"), REFUSED) };
        bob.call(&changed).await.expect_err("its id is used");
        alice.client.messages().send_c2c_custom_message(CUSTOM.to_vec(), "bob".to_owned()).await.unwrap();
        alice.client.conversations().set_conversation_draft(c2c("bob"), Some(DRAFT.to_owned())).await.unwrap();
        alice.send_text(&c2c("nobody"), REFUSED).await.expect_err("there is no such user");
        alice.send_text(&group("none"), REFUSED).await.expect_err("there is no such group");
        alice.send_text(REFUSED, REFUSED).await.expect_err("that is no conversation");
        bob.send_text(&to_user("alice"), &REFUSED.repeat(1_000)).await.expect_err("it is too long");
        bob.create_group("club", &["alice"]).await;
        bob.send_text(&to_group("club"), SENT).await.unwrap();
        alice.heard.wait_for_texts(2).await;
        let unread = json!({"id": REFUSED, "to": {"user": REFUSED}, "body": {"elements": REFUSED}});
        bob.ask("send_message", &unread).await.expect_err("that is no message");
        bob.ask(REFUSED, &json!({ "text": REFUSED })).await.expect_err("no method is named so");
        bob.write(format!("{{\"id\": 1, \"method\": \"send_message\", \"params\": \"{REFUSED}")).await;
        bob.ended().await;
    }

    async fn the_network_breaks(&mut self) {
        let seen = self.alice.heard.count();
        self.proxy.cut();
        self.alice.heard.wait_for_one_after(seen, "the connection", |heard| matches!(heard, Heard::Connected)).await;
        self.proxy.disconnect().await;
        let waiting = self.alice.queue_text(&c2c("bob"), SENT).await;
        let ending = tokio::spawn(waiting.end());
        eventually("the end of the send", async || {
            self.alice.clock.advance(Duration::from_secs(10));
            if ending.is_finished() { Ok(()) } else { Err("it still waits") }
        })
        .await;
        ending.await.unwrap().expect_err("there was no network");
        let mut stranger = tokio::net::TcpStream::connect(self.server.addr()).await.unwrap();
        stranger.write_all(format!("{SENT}\r\n\r\n").as_bytes()).await.unwrap();
        drop(stranger);
        self.proxy.heal();
    }
}

async fn a_conversation_leaves_no_secret_in_a_log(format: &'static str) {
    let settings = [("HONGYAN_SERVER_LOG__LEVEL", "trace"), ("HONGYAN_SERVER_LOG__FORMAT", format)];
    let mut server = ServerProcess::start_with(&settings).await;
    let mut conversation = Conversation::begin(&server).await;
    conversation.tickets_are_refused().await;
    conversation.tokens_are_taken_and_refused().await;
    conversation.messages_are_sent_and_refused().await;
    conversation.the_network_breaks().await;
    let Conversation { alice, secrets, .. } = conversation;
    alice.close().await;
    server.kill();

    let log = server.log();
    let is_whole = ["DEBUG", "a login was refused", "a request was refused"].iter().all(|text| log.contains(text));
    assert!(is_whole, "the server logs all that it can:\n{log}");
    if format == "json" {
        log.lines().for_each(|line| drop(serde_json::from_str::<serde_json::Value>(line).unwrap()));
    }
    assert_eq!(secrets.find(&log), None, "the log of the server");
    let logs = files_in(&alice.folder().join("logs"));
    assert!(logs.iter().any(|file| holds(file, "alice")), "there is a log, and it names the user");
    for file in logs {
        assert_eq!(secrets.find(std::fs::read(&file).unwrap()), None, "{}", file.display());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_and_no_text_is_in_a_log_for_people() {
    a_conversation_leaves_no_secret_in_a_log("text").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_and_no_text_is_in_a_log_for_machines() {
    a_conversation_leaves_no_secret_in_a_log("json").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_in_what_debug_prints_of_the_types_that_hold_it() {
    let server = TestServer::start().await;
    let mut secrets = Secrets::default();
    let (mut wire, login) = (Wire::connect(server.addr()).await, server.app().login("alice"));
    let session = open_session(&mut wire, &login).await;
    secrets.add("the key of the app", &server.app().key);
    secrets.add("a UserSig", &login.user_sig);
    secrets.add("a resume token", &session.resume_token);
    secrets.add("a text", SENT);
    let alice = server.device("alice").open();
    let other = server.app().sign("bob");
    secrets.add("a UserSig", &other);

    let resume = Resume { client: login.client.clone(), token: session.resume_token.clone() };
    let sent = encode_call(3, &text_message(&to_user("bob"), SENT));
    let frames = [encode_call(1, &login), encode_call(2, &resume), sent];
    let frames = frames.map(|text| ClientFrame::parse(text.as_bytes()).unwrap());
    let answer = ServerFrame::parse(encode_reply(1, &Ok(session.clone())).as_bytes()).unwrap();
    let push = format!(r#"{{"push": 1, "event": "new_message", "data": "{SENT}"}}"#);
    let push = ServerFrame::parse(push.as_bytes()).unwrap();
    let claims = usersig::decode(&login.user_sig).unwrap();
    let app = hongyan_server::app::App {
        sdk_app_id: server.app().id,
        name: "demo".to_owned(),
        key: server.app().key.clone(),
        is_demo: true,
        created_ms: 0,
    };
    const PASSWORD: &str = "an-otter-in-a-teapot-sings-of-the-seven-lakes";
    secrets.add("the password of the store", PASSWORD);
    let store = format!("postgres://hongyan:{PASSWORD}@127.0.0.1/hongyan");
    let layers = Layers::defaults().with_value("store", &store, "a test").unwrap();
    let config = layers.clone().build().unwrap();
    let client = ClientConfig {
        sdk_app_id: server.app().id.get(),
        server_url: alice.url().to_owned(),
        data_folder: alice.folder().display().to_string(),
        platform: Platform::Linux,
        log_level: LogLevel::Debug,
        is_insecure_allowed: false,
        extra_root_certificates: String::new(),
        public_key_pins: Vec::new(),
    };
    let refused = alice.login_with(&other).await.expect_err("it is another user's");
    let unread = frames[2].params::<Login>().expect_err("it is no login");
    let stored = (layers, config);
    let printed: [&dyn std::fmt::Debug; 11] =
        [&login, &resume, &session, &frames, &answer, &push, &claims, &app, &stored, &(client, refused), &unread];
    for value in printed {
        assert_eq!(secrets.find(format!("{value:?} {value:#?}")), None);
    }
}
