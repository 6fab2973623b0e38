// SPDX-License-Identifier: Apache-2.0
//! Order, bounds, ends, and what a listener may do.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock, Weak};

use hongyan::Bridge;
use serde_json::{Value, json};

use crate::bridge::user::{BridgeUser, Ear, Heard};
use crate::harness::server::TestServer;
use crate::harness::wait::eventually;

/// The places for calls.
const CALLS_MAX: i64 = 1_000;

/// A gate that a listener stands before.
#[derive(Default)]
struct Gate {
    is_open: Mutex<bool>,
    opened: Condvar,
    waiting: AtomicUsize,
}

impl Gate {
    fn pass(&self) {
        self.waiting.fetch_add(1, Ordering::SeqCst);
        let is_open = self.is_open.lock().unwrap();
        drop(self.opened.wait_while(is_open, |is_open| !*is_open).unwrap());
        self.waiting.fetch_sub(1, Ordering::SeqCst);
    }

    fn open(&self) {
        *self.is_open.lock().unwrap() = true;
        self.opened.notify_all();
    }

    /// Waits until somebody stands before it.
    async fn stopped(&self) {
        let stands = || if self.waiting.load(Ordering::SeqCst) > 0 { Ok(()) } else { Err("nobody") };
        eventually("somebody before the gate", async || stands()).await;
    }
}

fn replies(heard: &[Heard]) -> Vec<(i64, i64)> {
    let code = |reply: &Value| reply["code"].as_i64().unwrap();
    let replies = heard.iter().filter_map(|heard| match heard {
        Heard::Reply(id, reply) => Some((*id, code(reply))),
        Heard::Event(_) => None,
    });
    replies.collect()
}

#[tokio::test]
async fn the_thousand_and_first_call_that_waits_is_refused_and_all_are_answered_once() {
    let server = TestServer::start().await;
    let gate = Arc::new(Gate::default());
    let ear = Ear::acting({
        let gate = Arc::clone(&gate);
        move |_| gate.pass()
    });
    let user = BridgeUser::open("alice", server.app(), "http://127.0.0.1:9", ear);
    // The first stands before the gate, its place is free again.
    user.begin("getLoginStatus", json!({}));
    gate.stopped().await;
    for _ in 0..CALLS_MAX + 7 {
        user.begin("getLoginStatus", json!({}));
    }
    gate.open();
    let all = usize::try_from(CALLS_MAX + 8).unwrap();
    let replies = user.ear.wait_for("all replies", |heard| (heard.len() == all).then(|| replies(heard))).await;
    let expected: Vec<(i64, i64)> =
        (1..=CALLS_MAX + 8).map(|id| (id, if id <= CALLS_MAX + 1 { 0 } else { 9507 })).collect();
    assert_eq!(replies, expected);
    let refusal = user.ear.reply(CALLS_MAX + 2).await;
    assert_eq!(refusal["isRetryable"], true);
    user.gets("getLoginStatus", json!({})).await;
    user.ends().await;
}

#[tokio::test]
async fn calls_that_wait_are_answered_when_the_bridge_is_shut_down() {
    let server = TestServer::start().await;
    let proxy = server.proxy().await;
    let user = BridgeUser::login_to("alice", server.app(), &proxy.url(), Arc::default()).await;
    proxy.stall();
    let mut waiting: Vec<i64> = (0..20).map(|_| user.begin("getUsersInfo", json!({"userIDList": ["alice"]}))).collect();
    waiting.push(user.begin("sendC2CTextMessage", json!({"text": "a", "userID": "alice"})));
    user.bridge.shut_down();
    user.bridge.shut_down();
    let late = user.begin("getLoginStatus", json!({}));
    let now: Value = serde_json::from_str(&user.bridge.call_now(r#"{"method":"getVersion"}"#.to_owned())).unwrap();
    assert_eq!(now["code"], 6013);
    user.ear.event("onShutDown").await;
    for call_id in waiting {
        assert_eq!(user.ear.reply(call_id).await["code"], 7009);
    }
    assert_eq!(user.ear.reply(late).await["code"], 6013);
    user.begin("getLoginStatus", json!({}));
    assert_eq!(user.ear.all().last().unwrap().event(), "onShutDown");
    let replies = replies(&user.ear.all());
    let mut ids: Vec<i64> = replies.iter().map(|(id, _)| *id).collect();
    ids.dedup();
    assert_eq!(ids.len(), 23, "the login, 21 calls that waited and a late one: {replies:?}");
}

#[tokio::test]
async fn a_bridge_that_is_let_go_ends_and_lets_go_of_its_listener() {
    let server = TestServer::start().await;
    let user = BridgeUser::login("alice", &server).await;
    let BridgeUser { bridge, ear, folder, .. } = user;
    drop(bridge);
    ear.event("onShutDown").await;
    eventually("a listener that nobody holds", async || match Arc::strong_count(&ear) {
        1 => Ok(()),
        count => Err(count),
    })
    .await;
    drop(folder);
}

#[tokio::test]
async fn a_listener_that_throws_hears_what_comes_next() {
    let server = TestServer::start().await;
    let ear = Ear::acting(|heard| {
        if !matches!(heard, Heard::Event(event) if event["event"] == "onShutDown") {
            panic!("this app throws at everything");
        }
    });
    let url = format!("http://{}", server.addr());
    let alice = BridgeUser::login_to("alice", server.app(), &url, ear).await;
    let bob = BridgeUser::login("bob", &server).await;
    for text in ["one", "two"] {
        bob.gets("sendC2CTextMessage", json!({"text": text, "userID": "alice"})).await;
        alice.ear.wait_for(text, |_| alice.ear.texts().iter().any(|heard| heard == text).then_some(())).await;
        alice.gets("getConversation", json!({"conversationID": "c2c_bob"})).await;
    }
    alice.ear.wait_for("two texts", |_| (alice.ear.texts() == ["one", "two"]).then_some(())).await;
    alice.ends().await;
    let log = std::fs::read_to_string(alice.folder.path().join("logs/hongyan.log")).unwrap();
    assert!(log.contains("the bridge's listener threw"), "{log}");
}

#[tokio::test]
async fn the_bridge_may_be_called_and_ended_inside_its_listener() {
    let server = TestServer::start().await;
    let bridge: Arc<OnceLock<Weak<Bridge>>> = Arc::default();
    let ear = Ear::acting({
        let bridge = Arc::clone(&bridge);
        move |heard| {
            let Some(bridge) = bridge.get().and_then(Weak::upgrade) else { return };
            if heard.event() == "onSyncServerFinish" {
                let status = bridge.call_now(r#"{"method":"getLoginStatus"}"#.to_owned());
                assert!(status.starts_with(r#"{"code":0"#));
                bridge.call(500, r#"{"method":"getTotalUnreadMessageCount"}"#.to_owned());
            }
            if matches!(heard, Heard::Reply(500, _)) {
                bridge.call(501, r#"{"method":"getUsersInfo","params":{"userIDList":["alice"]}}"#.to_owned());
            }
            if matches!(heard, Heard::Reply(501, _)) {
                bridge.shut_down();
            }
        }
    });
    let user = BridgeUser::open("alice", server.app(), &format!("http://{}", server.addr()), ear);
    bridge.set(Arc::downgrade(&user.bridge)).unwrap();
    user.begin("login", json!({"userID": "alice", "userSig": server.app().sign("alice")}));
    user.ear.event("onShutDown").await;
    assert_eq!(user.ear.reply(500).await["data"], "0");
    assert_eq!(user.ear.reply(501).await["data"][0]["userID"], "alice");
}

#[tokio::test]
async fn a_listener_that_stands_still_loses_no_message_and_hears_them_in_order() {
    let server = TestServer::start().await;
    let gate = Arc::new(Gate::default());
    let ear = Ear::acting({
        let gate = Arc::clone(&gate);
        move |heard| {
            if heard.event() == "onNewConversation" {
                gate.pass();
            }
        }
    });
    let url = format!("http://{}", server.addr());
    let alice = BridgeUser::login_to("alice", server.app(), &url, ear).await;
    let bob = BridgeUser::login("bob", &server).await;
    let texts: Vec<String> = (0..120).map(|number| number.to_string()).collect();
    for text in &texts {
        bob.gets("sendC2CTextMessage", json!({"text": text, "userID": "alice"})).await;
    }
    gate.stopped().await;
    assert!(alice.ear.all().len() < 50, "nothing is handed over meanwhile");
    gate.open();
    let all = texts.len();
    alice.ear.wait_for("all texts", |_| (alice.ear.texts().len() >= all).then_some(())).await;
    assert_eq!(alice.ear.texts(), texts);
    alice.ends().await;
}

#[tokio::test]
async fn calls_of_many_threads_are_answered_once_while_the_bridge_ends() {
    const THREADS: i64 = 8;
    const CALLS: i64 = 200;
    let server = TestServer::start().await;
    for round in 0..10 {
        let user = BridgeUser::open("alice", server.app(), "http://127.0.0.1:9", Arc::default());
        std::thread::scope(|scope| {
            for thread in 0..THREADS {
                let bridge = &user.bridge;
                scope.spawn(move || {
                    for call in 0..CALLS {
                        bridge.call(thread * CALLS + call, r#"{"method":"getLoginStatus"}"#.to_owned());
                        if (thread, call) == (0, round * CALLS / 10) {
                            bridge.shut_down();
                        }
                    }
                });
            }
        });
        user.ear.event("onShutDown").await;
        let heard = user.ear.all();
        assert_eq!(heard.last().unwrap().event(), "onShutDown");
        let replies = replies(&heard);
        assert!(replies.iter().all(|(_, code)| [0, 6013, 9507].contains(code)), "{replies:?}");
        let answered: HashSet<i64> = replies.iter().map(|(id, _)| *id).collect();
        assert_eq!(answered.len(), replies.len(), "none is answered twice");
        assert!(
            (0..=round * CALLS / 10).all(|id| answered.contains(&id)),
            "what was called before the end is answered"
        );
    }
}

#[tokio::test]
async fn messages_go_out_in_the_order_of_their_calls() {
    let server = TestServer::start().await;
    let alice = BridgeUser::login("alice", &server).await;
    let bob = BridgeUser::login("bob", &server).await;
    let texts: Vec<String> = (0..100).map(|number| number.to_string()).collect();
    for text in &texts {
        alice.begin("sendC2CTextMessage", json!({"text": text, "userID": "bob"}));
    }
    bob.ear.wait_for("all texts", |_| (bob.ear.texts().len() >= texts.len()).then_some(())).await;
    assert_eq!(bob.ear.texts(), texts);
}

#[tokio::test]
async fn lines_of_the_log_come_where_they_are_asked_for() {
    let server = TestServer::start().await;
    let ear: Arc<Ear> = Arc::default();
    let folder = tempfile::tempdir().unwrap();
    let mut config = crate::bridge::user::config(server.app(), &format!("http://{}", server.addr()), &folder);
    config["hasLogListener"] = json!(true);
    config["logLevel"] = json!(3);
    config["platform"] = json!("iPad");
    let bridge = Bridge::new(config.to_string(), ear.clone()).unwrap();
    let line = ear.event_with("onLog", |line| line["logContent"].as_str().unwrap().contains("client started")).await;
    assert_eq!((&line["logLevel"], line.as_object().unwrap().len()), (&json!(4), 2));
    bridge.shut_down();
    ear.event("onShutDown").await;

    let quiet = BridgeUser::login("bob", &server).await;
    quiet.ends().await;
    assert!(quiet.ear.all().iter().all(|heard| heard.event() != "onLog"));
}

#[tokio::test]
async fn two_bridges_of_one_process_do_not_hear_each_other() {
    let server = TestServer::start().await;
    let alice = BridgeUser::login("alice", &server).await;
    let bob = BridgeUser::login("bob", &server).await;
    alice.ends().await;
    bob.gets("sendC2CTextMessage", json!({"text": "still here", "userID": "alice"})).await;
    assert_eq!(bob.name(), bob.gets("getLoginUser", json!({})).await);
    assert_eq!(alice.ear.all().last().unwrap().event(), "onShutDown");
}
