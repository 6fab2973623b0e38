// SPDX-License-Identifier: Apache-2.0
//! Tenants are apart: whatever one app's user asks with another app's ids, nothing of that app is seen or changed.

use std::collections::BTreeSet;
use std::path::Path;

use hongyan_protocol::account::{GetProfiles, Login, Logout, Ping, Platform, Resume, Session, SetSelfInfo};
use hongyan_protocol::conversation::{MarkRead, ReadPosition, ReadScope};
use hongyan_protocol::frame::Call;
use hongyan_protocol::group::{CreateGroup, GroupType, InviteToGroup, QuitGroup};
use hongyan_protocol::ids::{ChangeSeq, GroupId, LogId, MessageId, Seq, UserId, Version};
use hongyan_protocol::message::{GetChanges, GetMessages, Message, Page, SendMessage, Target};
use hongyan_protocol::sync::{Probe, Sync, SyncCursor};
use serde_json::Value;

use crate::harness::app::App;
use crate::harness::server::TestServer;
use crate::harness::view::{c2c, group, texts};
use crate::harness::wait::eventually;
use crate::harness::wire::{Wire, client_info, open_session, text_message, to_group, to_user};

/// In every text of the app that is not to be seen.
const SECRET: &str = "SECRET";

/// The users of both apps have the same names.
const USERS: [&str; 2] = ["alice", "bob"];

/// All ids of an app that somebody else might have guessed or stolen.
struct Stolen {
    app: App,
    sessions: [Session; 2],
    group: GroupId,
    message: MessageId,
    logs: [LogId; 2],
    last: Seq,
}

impl Stolen {
    /// Ids of the same form that nobody ever used.
    fn invented(&self) -> Self {
        let no_token =
            |session: &Session| Session { resume_token: session.resume_token.replace('A', "B"), ..session.clone() };
        Self {
            app: self.app.clone(),
            sessions: self.sessions.each_ref().map(no_token),
            group: "none".parse().unwrap(),
            message: MessageId::generate(),
            logs: [1_000_001, 1_000_002].map(|log| LogId::parse(log).unwrap()),
            last: self.last,
        }
    }
}

/// Everything that can be seen of an app through its own users.
async fn all_of(wires: &mut [Wire; 2]) -> Vec<String> {
    let mut all = Vec::new();
    for (wire, peer) in wires.iter_mut().zip(["bob", "alice"]) {
        for page in wire.heads().await {
            all.push(format!("{:?} {:?} {:?}", page.heads, page.version, page.profile));
        }
        for target in [to_user(peer), to_group("club")] {
            let history: Vec<Message> = wire.history(&target).await;
            all.push(format!("{history:?}"));
        }
    }
    all
}

/// An app with a conversation, a group and profiles, and all its ids.
async fn app_with_secrets(server: &TestServer) -> ([Wire; 2], Stolen) {
    let app = server.app().clone();
    let mut wires = [Wire::connect(server.addr()).await, Wire::connect(server.addr()).await];
    let sessions =
        [open_session(&mut wires[0], &app.login("alice")).await, open_session(&mut wires[1], &app.login("bob")).await];
    let nick = SetSelfInfo { nick: Some(format!("{SECRET} nick")), face_url: Some(format!("{SECRET} face")) };
    wires[0].call(&nick).await.unwrap();
    wires[0].create_group("club", &["bob"]).await;
    let message = text_message(&to_user("bob"), &format!("{SECRET} text"));
    let to_bob = wires[0].call(&message).await.unwrap();
    let in_group = wires[0].send_text(&to_group("club"), &format!("{SECRET} text")).await.unwrap();
    for wire in &mut wires {
        wire.pushes_so_far().await;
    }
    let stolen = Stolen {
        app,
        sessions,
        group: "club".parse().unwrap(),
        message: message.id,
        logs: [to_bob.log, in_group.log],
        last: in_group.seq,
    };
    (wires, stolen)
}

fn request<C: Call>(params: &C) -> (&'static str, Value) {
    (C::METHOD, serde_json::to_value(params).unwrap())
}

/// Every verb of the protocol, with the other app's ids in every place that takes one.
fn every_verb(stolen: &Stolen) -> Vec<(&'static str, Value)> {
    let users: Vec<UserId> = USERS.iter().map(|user| user.parse().unwrap()).collect();
    let targets = [to_user("alice"), to_user("bob"), Target::Group(stolen.group.clone())];
    let mut requests = Vec::new();
    for target in &targets {
        let message = SendMessage { id: stolen.message, ..text_message(target, "hello") };
        requests.push(request(&message));
        for page in [Page::Before(None), Page::After(Seq::ZERO), Page::Before(Some(stolen.last.next()))] {
            requests.push(request(&GetMessages { of: target.clone(), page, limit: 100 }));
        }
        requests.push(request(&GetChanges { of: target.clone(), after: ChangeSeq::ZERO, limit: 100 }));
        requests.push(request(&MarkRead { of: ReadScope::One(target.clone()), up_to: ReadPosition::Seq(stolen.last) }));
    }
    for scope in [ReadScope::AllC2c, ReadScope::AllGroups, ReadScope::All] {
        requests.push(request(&MarkRead { of: scope, up_to: ReadPosition::End }));
    }
    for log in stolen.logs {
        for cursor in [None, Some(SyncCursor { order_key: i64::MAX >> 11, log })] {
            let probes = vec![Probe { log, max_seq: stolen.last }];
            let version = Version::default();
            requests.push(request(&Sync { since_ms: None, version, probes, cursor, limit: 100 }));
        }
    }
    requests.push(request(&GetProfiles { users: users.clone() }));
    requests.push(request(&InviteToGroup { group_id: stolen.group.clone(), users: users.clone() }));
    requests.push(request(&QuitGroup { group_id: stolen.group.clone() }));
    let create = CreateGroup {
        group_type: GroupType::Work,
        group_id: Some(stolen.group.clone()),
        name: "mine".to_owned(),
        face_url: String::new(),
        members: Vec::new(),
    };
    requests.push(request(&create));
    requests.push(request(&InviteToGroup { group_id: stolen.group.clone(), users }));
    requests.push(request(&GetMessages { of: targets[2].clone(), page: Page::After(Seq::ZERO), limit: 100 }));
    requests.push(request(&QuitGroup { group_id: stolen.group.clone() }));
    requests.push(request(&SetSelfInfo { nick: Some("mallory".to_owned()), face_url: None }));
    requests.push(request(&Ping {}));
    for (session, user) in stolen.sessions.iter().zip(USERS) {
        let token = session.resume_token.clone();
        requests.push(request(&Resume { client: client_info(Platform::Web), token }));
        requests.push(request(&stolen.app.login(user)));
    }
    requests.push(request(&Logout {}));
    requests
}

/// The verbs that the protocol's own source names.
fn verbs_of_the_protocol() -> BTreeSet<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("protocol/src");
    let mut verbs = BTreeSet::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "rs") {
            let source = std::fs::read_to_string(path).unwrap();
            let names = source.lines().filter_map(|line| line.trim().strip_prefix("const METHOD: &'static str = \""));
            verbs.extend(names.filter_map(|name| name.strip_suffix("\";")).map(str::to_owned));
        }
    }
    assert!(verbs.len() > 10, "the verbs were found: {verbs:?}");
    verbs
}

#[tokio::test(flavor = "multi_thread")]
async fn no_verb_reaches_another_app_with_its_ids() {
    let server = TestServer::start().await;
    let (mut owners, stolen) = app_with_secrets(&server).await;
    let before = all_of(&mut owners).await;
    let requests = every_verb(&stolen);
    let tried: BTreeSet<String> = requests.iter().map(|(method, _)| (*method).to_owned()).collect();
    assert_eq!(tried, verbs_of_the_protocol(), "every verb of the protocol is tried");

    let with_stolen = answers_in_another_app(&server, &requests).await;
    assert_eq!(all_of(&mut owners).await, before, "nothing of the app changed");
    for owner in &mut owners {
        let heard = owner.pushes_so_far().await;
        assert!(heard.is_empty(), "and nobody in it heard of anything: {heard:?}");
    }
    let with_invented = answers_in_another_app(&server, &every_verb(&stolen.invented())).await;
    assert_eq!(with_stolen, with_invented, "an id that another app uses is answered like one that nobody uses");
}

/// Asks everything in an app that never saw the ids; gives what distinguishes the answers.
async fn answers_in_another_app(server: &TestServer, requests: &[(&'static str, Value)]) -> Vec<String> {
    let other = server.create_app("other").await;
    for user in ["alice", "bob", "eve"] {
        let _exists = Wire::login(server.addr(), &other, user).await;
    }
    let mut answers = Vec::new();
    for user in ["alice", "eve"] {
        let mut thief = Wire::login(server.addr(), &other, user).await;
        for (method, params) in requests {
            let outcome = thief.ask(method, params).await;
            let said = format!("{outcome:?}");
            assert!(!said.contains(SECRET), "{method} of {user} told {said}");
            let is_entry = [Login::METHOD, Resume::METHOD].contains(method);
            assert!(!is_entry || outcome.is_err(), "a session is of one app to its end, but {method} gave {said}");
            let answer = match outcome {
                Err(error) => error.code.to_string(),
                Ok(text) if *method == Sync::METHOD => {
                    serde_json::from_str::<Value>(&text).unwrap()["is_behind_client"].to_string()
                }
                Ok(_) => "done".to_owned(),
            };
            answers.push(format!("{method} of {user}: {answer}"));
        }
    }
    answers
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_names_in_two_apps_are_two_worlds() {
    let server = TestServer::start().await;
    let other = server.create_app("other").await;
    let mut worlds = Vec::new();
    for app in [server.app().clone(), other] {
        let name = app.id.to_string();
        let spec = |user| server.device(user).of_app(&app);
        let (alice, bob) = (spec("alice").login().await, spec("bob").login().await);
        alice.create_group(Some("club"), &name, &["bob"]).await.expect("an id is free in an app of its own");
        worlds.push((name, alice, bob));
    }
    for (name, alice, _) in &worlds {
        alice.sends(&c2c("bob"), name).await;
        alice.sends(&group("club"), name).await;
    }
    for (name, _, bob) in &worlds {
        assert_eq!(bob.heard.wait_for_texts(2).await, [name.clone(), name.clone()]);
        assert_eq!(texts(&bob.cloud_history(&c2c("alice")).await), [name]);
        eventually("the group's name", async || {
            let shown = bob.conversation(&group("club")).await.unwrap().show_name;
            if shown == *name { Ok(()) } else { Err(shown) }
        })
        .await;
        assert_eq!(bob.total_unread().await, 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_or_token_of_one_app_opens_no_other() {
    let server = TestServer::start().await;
    let other = server.create_app("other").await;
    let mut wire = Wire::connect(server.addr()).await;
    let login = server.app().login("alice");
    let session = open_session(&mut wire, &login).await;

    for (sig, code) in
        [(login.user_sig.clone(), 70014), (App { id: other.id, ..server.app().clone() }.sign("alice"), 70009)]
    {
        let mut thief = Wire::connect(server.addr()).await;
        let mixed = Login { sdk_app_id: other.id, user_sig: sig, ..other.login("alice") };
        assert_eq!(thief.call(&mixed).await.expect_err("the ticket is not of this app").code.0, code);
    }
    let mut thief = Wire::connect(server.addr()).await;
    let elsewhere = Resume { client: client_info(Platform::Web), token: session.resume_token.clone() };
    assert!(thief.call(&elsewhere).await.is_err(), "a token is worth nothing on another device");
    drop(wire);
    let mut owner = Wire::connect(server.addr()).await;
    let again = Resume { client: login.client, token: session.resume_token };
    assert!(owner.call(&again).await.is_ok(), "and still opens its own");
}
