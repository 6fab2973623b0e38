// SPDX-License-Identifier: Apache-2.0
//! Makes the fixture of the coming version, by `make fixtures`: people of two apps write to one another, by a clock that
//! stands still and under ids that are the same each time, so that a review shows what changed.
//!
//! What is added here for a later version comes after what is here: the fixtures of all versions are checked alike.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use hongyan::message::OutgoingMessage;
use hongyan::{Platform as SdkPlatform, SelfInfo};
use hongyan_protocol::account::{ClientInfo, Login, Platform, SetSelfInfo};
use hongyan_protocol::bytes::Base64Bytes;
use hongyan_protocol::clock::Clock;
use hongyan_protocol::group::{CreateGroup, GroupType, InviteToGroup, QuitGroup};
use hongyan_protocol::ids::DeviceId;
use hongyan_protocol::message::{CustomElement, Element, MessageBody, SendMessage, Target};
use hongyan_server::config::Config;
use hongyan_server::server::Server;
use sqlx::Connection;

use super::dump::dump;
use super::fixture::{COMING, Fixture, MIGRATIONS, SERVER_FILE, find_file, in_tree, open, released};
use super::{ALICES_PHONE, BOBS_BROWSER, app, device_id, message_id, other_app};
use crate::harness::app::App;
use crate::harness::device::{Device, DeviceSpec};
use crate::harness::net;
use crate::harness::proxy::Proxy;
use crate::harness::recorder::Heard;
use crate::harness::view::{c2c, group};
use crate::harness::wait::eventually;
use crate::harness::wire::{Wire, client_info, text_message, to_group, to_user};

/// When it all happens.
const START_MS: i64 = 1_790_000_000_000;

/// UserSigs and tokens of the fixture outlive the tests.
const CENTURY_S: i64 = 100 * 365 * 24 * 3600;

/// What the server of the fixture signs tokens with, and its name.
const SECRET: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
const INSTANCE: &str = "00000000-0000-4000-8000-0000000000ff";

/// The number of the first group tip among the messages of the fixture.
const FIRST_TIP: u8 = 200;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "`make fixtures` runs it"]
async fn the_fixture_of_the_coming_version() {
    let is_released = released().iter().any(|version| version == COMING);
    assert!(!is_released, "{COMING} is out, and its stores are what they are: raise the version first");
    let fixture = Fixture::of(COMING);
    let _ = fs::remove_dir_all(fixture.path(""));
    for (name, migrations) in MIGRATIONS {
        fs::create_dir_all(fixture.path(name)).unwrap();
        for entry in fs::read_dir(in_tree(migrations)).unwrap().map(Result::unwrap) {
            fs::copy(entry.path(), fixture.path(name).join(entry.file_name())).unwrap();
        }
    }
    let (server_folder, phone_folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut story = Story::begin(server_folder.path()).await;
    let tokens = story.people_write(phone_folder.path()).await;
    story.server.shutdown().await;
    let file = server_folder.path().join(SERVER_FILE);
    let names = names_of_tips(&file).await;
    fs::write(fixture.path("server.sql"), rename(dump(&file, "").await, &names)).unwrap();
    let phone = find_file(phone_folder.path(), "im.db").expect("the phone has a store");
    forget_index(&phone).await;
    // The migrations make the only rows of these tables.
    let device = dump(&phone, "\ndelete from sync_state;\ndelete from search_state;\n").await;
    fs::write(fixture.path("device.sql"), rename(device, &names)).unwrap();
    fs::write(fixture.path("tokens.json"), serde_json::to_string_pretty(&tokens).unwrap() + "\n").unwrap();
}

/// What is searched follows from the messages, and is left out: whoever opens the store makes it.
async fn forget_index(file: &Path) {
    let mut connection = open(file).await;
    sqlx::query("update search_state set version = 0").execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

/// The ids that the server gave its own messages, each with one that is the same each time.
async fn names_of_tips(file: &Path) -> Vec<(String, String)> {
    let mut connection = open(file).await;
    let sql = "select message_id from message where body like '%group_tips%' order by log, seq";
    let ids: Vec<String> = sqlx::query_scalar(sql).fetch_all(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    ids.into_iter().zip(FIRST_TIP..).map(|(id, number)| (id, message_id(number).to_string())).collect()
}

fn rename(text: String, names: &[(String, String)]) -> String {
    names.iter().fold(text, |text, (id, name)| text.replace(id, name))
}

struct Story {
    server: Server,
    clock: Clock,
}

/// A user without an SDK, and the token that the login left.
type Opened = (Wire, String);

impl Story {
    /// A server with two apps whose numbers, keys and secret are known.
    async fn begin(folder: &Path) -> Self {
        let clock = Clock::frozen(START_MS);
        let server = serve(folder, &clock).await;
        let (second, _) = server.create_app("other").await.unwrap();
        assert_eq!((server.demo_app().0, second), (app().id, other_app().id), "numbers of apps are given in order");
        server.apps().set(second, "instances_per_platform", "2").await.unwrap();
        server.shutdown().await;
        let mut connection = open(&folder.join(SERVER_FILE)).await;
        for app in [app(), other_app()] {
            let update = sqlx::query("update app set secret_key = $1 where app = $2").bind(app.key).bind(app.id.get());
            update.execute(&mut connection).await.unwrap();
        }
        let update = sqlx::query("update instance set id = $1, secret = $2").bind(INSTANCE).bind(SECRET);
        update.execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        Self { server: serve(folder, &clock).await, clock }
    }

    fn addr(&self) -> SocketAddr {
        self.server.addr()
    }

    /// Lets a second pass before the next thing happens.
    fn tick(&self) {
        self.clock.advance(Duration::from_secs(1));
    }

    async fn login(&self, app: &App, user: &str, device: DeviceId) -> Opened {
        self.tick();
        let mut wire = Wire::connect(self.addr()).await;
        let client = ClientInfo { device_id: device, ..client_info(Platform::Web) };
        let user_sig = app.sign_for(user, START_MS / 1000, CENTURY_S);
        let login = Login { client, sdk_app_id: app.id, user_id: user.to_owned(), user_sig };
        let session = wire.call(&login).await.unwrap();
        (wire, session.resume_token)
    }

    async fn says(&self, sender: &mut Wire, to: &Target, number: u8, text: &str) {
        self.sends(sender, SendMessage { id: message_id(number), ..text_message(to, text) }).await;
    }

    async fn sends(&self, sender: &mut Wire, message: SendMessage) {
        self.tick();
        sender.call(&message).await.unwrap();
    }

    /// All of it; gives the tokens that were given out.
    async fn people_write(&mut self, phone_folder: &Path) -> BTreeMap<&'static str, String> {
        let (mut bob, before) = self.login(&app(), "bob", device_id(BOBS_BROWSER - 1)).await;
        let (mut carol, _) = self.login(&app(), "carol", device_id(3)).await;
        let portrait = Some("https://example.org/bob.png".to_owned());
        bob.call(&SetSelfInfo { nick: Some("Bob 鲍勃".to_owned()), face_url: portrait }).await.unwrap();
        let proxy = Proxy::start(self.addr(), 0).await;
        let alice = self.phone(phone_folder, &proxy).await;
        let failed = alice.client.messages().send_message(outgoing(&alice, 40, "To nobody"), c2c("nobody")).await;
        assert_eq!(failed.expect_err("there is no such user").code().0, 20003);
        self.two_write(&alice, &mut bob).await;
        self.a_group_writes(&alice, &mut bob, &mut carol).await;
        self.another_app_writes().await;

        self.tick();
        let draft = Some("I'll tell you 明天".to_owned());
        alice.client.conversations().set_conversation_draft(c2c("bob"), draft).await.unwrap();
        proxy.disconnect().await;
        self.tick();
        queue(&alice, outgoing(&alice, 50, "Written on the way")).await;
        alice.close().await;

        self.says(&mut carol, &to_group("geese"), 17, "Who is late?").await;
        self.says(&mut bob, &to_user("alice"), 7, "Call me").await;
        let (_browser, token) = self.login(&app(), "bob", device_id(BOBS_BROWSER)).await;
        BTreeMap::from([("bob", token), ("bob who was kicked", before)])
    }

    async fn phone(&self, folder: &Path, proxy: &Proxy) -> Device {
        self.tick();
        fs::write(folder.join("device"), device_id(ALICES_PHONE).to_string()).unwrap();
        let spec = DeviceSpec::new(app(), "alice", proxy.url()).on(SdkPlatform::Android);
        let alice = spec.with_clock(self.clock.clone()).in_folder(folder).open();
        alice.login_with(&app().sign_for("alice", START_MS / 1000, CENTURY_S)).await.unwrap();
        alice.synced_after(0).await;
        let nick_name = Some("Alice's phone 爱丽丝".to_owned());
        alice.client.set_self_info(SelfInfo { nick_name, face_url: None }).await.unwrap();
        alice
    }

    async fn two_write(&self, alice: &Device, bob: &mut Wire) {
        let to_alice = to_user("alice");
        self.says(bob, &to_alice, 1, "Good morning, it's me").await;
        alice.heard.wait_for_texts(1).await;
        self.tick();
        let answer = outgoing(alice, 2, "Good morning 早上好");
        alice.client.messages().send_message(answer, c2c("bob")).await.unwrap();
        let custom = CustomElement {
            data: Base64Bytes(vec![0, 1, 254, 255]),
            description: "a place".to_owned(),
            extension: "{\"x\": 1}".to_owned(),
        };
        let body = MessageBody {
            elements: vec![Element::Custom(custom)],
            cloud_custom_data: Some(Base64Bytes(b"beside it".to_vec())),
            ..MessageBody::default()
        };
        self.sends(bob, SendMessage { id: message_id(3), to: to_alice.clone(), body }).await;
        let mut not_counted = SendMessage { id: message_id(4), ..text_message(&to_alice, "Not counted") };
        not_counted.body.is_excluded_from_unread_count = true;
        self.sends(bob, not_counted).await;
        alice.heard.wait_for_texts(2).await;
        alice.mark_read(&c2c("bob")).await.unwrap();
        bob.mark_all_read(&to_alice).await;
        alice.heard.wait_for_one("bob's reading", |heard| matches!(heard, Heard::Receipts(_))).await;
        self.says(bob, &to_alice, 5, "Are you there?").await;
        self.says(bob, &to_alice, 6, "It is late").await;
        alice.heard.wait_for_texts(4).await;
    }

    async fn a_group_writes(&self, alice: &Device, bob: &mut Wire, carol: &mut Wire) {
        let (id, geese) = ("geese".parse().unwrap(), to_group("geese"));
        self.tick();
        let create = CreateGroup {
            group_type: GroupType::Work,
            group_id: Some("geese".parse().unwrap()),
            name: "It's the geese 雁".to_owned(),
            face_url: String::new(),
            members: vec!["alice".parse().unwrap(), "bob".parse().unwrap()],
        };
        carol.call(&create).await.unwrap();
        self.says(carol, &geese, 12, "Where do we fly?").await;
        alice.heard.wait_for_texts(5).await;
        self.tick();
        let answer = outgoing(alice, 13, "South");
        alice.client.messages().send_message(answer, group("geese")).await.unwrap();
        self.says(bob, &geese, 14, "I stay here").await;
        alice.heard.wait_for_texts(6).await;
        alice.mark_read(&group("geese")).await.unwrap();
        self.tick();
        bob.call(&QuitGroup { group_id: id }).await.unwrap();
        self.says(carol, &geese, 15, "Without bob").await;
        let (mut dave, _) = self.login(&app(), "dave", device_id(4)).await;
        self.tick();
        let invite = InviteToGroup { group_id: "geese".parse().unwrap(), users: vec!["dave".parse().unwrap()] };
        carol.call(&invite).await.unwrap();
        self.says(&mut dave, &geese, 16, "Here I am").await;
        alice.heard.wait_for_texts(8).await;
        eventually("the group's name", async || {
            let shown = alice.conversation(&group("geese")).await.unwrap().show_name;
            if shown == create.name { Ok(()) } else { Err(shown) }
        })
        .await;
    }

    async fn another_app_writes(&self) {
        let (_alice, _) = self.login(&other_app(), "alice", device_id(ALICES_PHONE)).await;
        let (mut bob, _) = self.login(&other_app(), "bob", device_id(BOBS_BROWSER)).await;
        // The same id as in the first app: ids are of one app.
        self.says(&mut bob, &to_user("alice"), 1, "Of the other app").await;
    }
}

async fn serve(folder: &Path, clock: &Clock) -> Server {
    Server::start_with_clock(Config::for_folder(folder), net::bind().await, clock.clone()).await.unwrap()
}

fn outgoing(device: &Device, number: u8, text: &str) -> OutgoingMessage {
    let message = device.client.messages().create_text_message(text.to_owned()).unwrap();
    OutgoingMessage { message_id: message_id(number).to_string(), ..message }
}

/// Has a message wait in the outbox.
async fn queue(device: &Device, message: OutgoingMessage) {
    let (messages, id) = (device.client.messages(), message.message_id.clone());
    tokio::spawn({
        let messages = device.client.messages();
        async move { messages.send_message(message, c2c("bob")).await }
    });
    eventually("a queued message in the store", async || {
        let found = messages.find_messages(vec![id.clone()]).await.unwrap();
        if found.len() == 1 { Ok(()) } else { Err("it is not there") }
    })
    .await;
}
