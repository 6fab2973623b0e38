// SPDX-License-Identifier: Apache-2.0
//! A user behind a bridge.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use hongyan::{Bridge, BridgeListener};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::watch;

use crate::harness::app::App;
use crate::harness::server::TestServer;
use crate::harness::wait::within;

/// One call of the bridge's listener.
#[derive(Debug, Clone, PartialEq)]
pub enum Heard {
    Reply(i64, Value),
    Event(Value),
}

impl Heard {
    /// What an event is called; empty of a reply.
    pub fn event(&self) -> &str {
        match self {
            Self::Reply(..) => "",
            Self::Event(event) => event["event"].as_str().expect("an event has a name"),
        }
    }
}

type Act = Box<dyn Fn(&Heard) + Send + Sync>;

/// A listener that keeps what it hears.
#[derive(Default)]
pub struct Ear {
    heard: Mutex<Vec<Heard>>,
    count: watch::Sender<usize>,
    /// What it does beside keeping it, on the bridge's thread.
    act: OnceLock<Act>,
}

impl Ear {
    pub fn acting(act: impl Fn(&Heard) + Send + Sync + 'static) -> Arc<Self> {
        let ear = Self::default();
        let _ = ear.act.set(Box::new(act));
        Arc::new(ear)
    }

    fn note(&self, heard: Heard) {
        let count = {
            let mut all = self.heard.lock().expect("nothing panics while it holds this");
            all.push(heard.clone());
            all.len()
        };
        self.count.send_replace(count);
        if let Some(act) = self.act.get() {
            act(&heard);
        }
    }

    pub fn all(&self) -> Vec<Heard> {
        self.heard.lock().expect("nothing panics while it holds this").clone()
    }

    /// Waits until what was heard fulfils a condition.
    pub async fn wait_for<T>(&self, what: &str, mut condition: impl FnMut(&[Heard]) -> Option<T>) -> T {
        let mut count = self.count.subscribe();
        let found = within(what, async {
            loop {
                count.borrow_and_update();
                if let Some(found) = condition(&self.all()) {
                    return found;
                }
                count.changed().await.expect("the ear holds the sender");
            }
        });
        found.await
    }

    /// Waits for a reply.
    pub async fn reply(&self, call_id: i64) -> Value {
        let replies = |heard: &[Heard]| {
            heard.iter().find_map(|heard| match heard {
                Heard::Reply(id, reply) if *id == call_id => Some(reply.clone()),
                _ => None,
            })
        };
        self.wait_for(&format!("the reply to {call_id}"), replies).await
    }

    /// Waits for an event and gives its data.
    pub async fn event(&self, name: &str) -> Value {
        self.event_with(name, |_| true).await
    }

    /// Waits for an event whose data fulfils a condition.
    pub async fn event_with(&self, name: &str, condition: impl Fn(&Value) -> bool) -> Value {
        self.wait_for(name, |heard| {
            heard.iter().find_map(|heard| match heard {
                Heard::Event(event) if event["event"] == name && condition(&event["data"]) => {
                    Some(event["data"].clone())
                }
                _ => None,
            })
        })
        .await
    }

    /// The texts of all new messages, in order.
    pub fn texts(&self) -> Vec<String> {
        let events = self.all();
        let batches = events.iter().filter_map(|heard| match heard {
            Heard::Event(event) if event["event"] == "onRecvNewMessage" => event["data"].as_array(),
            _ => None,
        });
        batches.flatten().filter_map(|message| message["elemList"][0]["text"].as_str()).map(str::to_owned).collect()
    }
}

impl BridgeListener for Ear {
    fn on_reply(&self, call_id: i64, reply: String) {
        self.note(Heard::Reply(call_id, serde_json::from_str(&reply).expect("a reply is JSON")));
    }

    fn on_event(&self, event: String) {
        self.note(Heard::Event(serde_json::from_str(&event).expect("an event is JSON")));
    }
}

/// A user with a bridge of its own.
pub struct BridgeUser {
    pub bridge: Arc<Bridge>,
    pub ear: Arc<Ear>,
    pub folder: TempDir,
    name: String,
    next_id: AtomicI64,
    succeeded: Mutex<BTreeSet<String>>,
    refused: Mutex<BTreeSet<String>>,
}

/// The config of a bridge to a server.
pub fn config(app: &App, url: &str, folder: &TempDir) -> Value {
    json!({
        "sdkAppID": app.id.get(),
        "serverURL": url,
        "dataFolder": folder.path().to_str().expect("a temporary folder has a plain name"),
    })
}

impl BridgeUser {
    /// Not logged in.
    pub fn open(name: &str, app: &App, url: &str, ear: Arc<Ear>) -> Self {
        let folder = tempfile::tempdir().expect("a folder for a bridge");
        let bridge = Bridge::new(config(app, url, &folder).to_string(), ear.clone()).expect("a good config");
        Self {
            bridge,
            ear,
            folder,
            name: name.to_owned(),
            next_id: AtomicI64::new(1),
            succeeded: Mutex::default(),
            refused: Mutex::default(),
        }
    }

    /// Logged in and up to date.
    pub async fn login(name: &str, server: &TestServer) -> Self {
        Self::login_to(name, server.app(), &format!("http://{}", server.addr()), Arc::default()).await
    }

    pub async fn login_to(name: &str, app: &App, url: &str, ear: Arc<Ear>) -> Self {
        let user = Self::open(name, app, url, ear);
        user.gets("login", json!({"userID": name, "userSig": app.sign(name)})).await;
        user.ear.event("onSyncServerFinish").await;
        user
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Makes a call and gives its id.
    pub fn begin(&self, method: &str, params: Value) -> i64 {
        let call_id = self.next_id.fetch_add(1, Ordering::Relaxed);
        self.bridge.call(call_id, json!({"method": method, "params": params}).to_string());
        call_id
    }

    /// Makes a call and waits for its whole reply.
    pub async fn reply(&self, method: &str, params: Value) -> Value {
        let call_id = self.begin(method, params);
        let reply = self.ear.reply(call_id).await;
        let list = if reply["code"] == 0 { &self.succeeded } else { &self.refused };
        list.lock().expect("nothing panics while it holds this").insert(method.to_owned());
        reply
    }

    /// Makes a call that goes well, and gives its data.
    pub async fn gets(&self, method: &str, params: Value) -> Value {
        let reply = self.reply(method, params).await;
        assert_eq!((&reply["code"], &reply["desc"]), (&json!(0), &json!("")), "{method}: {reply}");
        assert_eq!(reply.as_object().map(|reply| reply.len()), Some(3), "{reply}");
        reply["data"].clone()
    }

    /// Makes a call that is refused, and gives its description.
    pub async fn is_refused(&self, method: &str, params: Value, code: i32) -> String {
        let reply = self.reply(method, params).await;
        assert_eq!(reply["code"], code, "{method}: {reply}");
        assert!(reply["isRetryable"].is_boolean() && reply.as_object().map(|reply| reply.len()) == Some(3), "{reply}");
        reply["desc"].as_str().expect("a refusal has words").to_owned()
    }

    /// The methods that went well, and those that were refused, until now.
    pub fn called(&self) -> (BTreeSet<String>, BTreeSet<String>) {
        let all = |list: &Mutex<BTreeSet<String>>| list.lock().expect("nothing panics while it holds this").clone();
        (all(&self.succeeded), all(&self.refused))
    }

    /// Shuts the bridge down and waits for its last word.
    pub async fn ends(&self) {
        self.bridge.shut_down();
        self.ear.event("onShutDown").await;
    }
}

/// What differs from run to run, replaced by `*`.
pub fn pinned(value: &Value) -> Value {
    const VOLATILE: [&str; 6] = ["msgID", "timestamp", "timestampMs", "orderKey", "serverTime", "serverTimeMs"];
    match value {
        Value::Array(items) => items.iter().map(pinned).collect(),
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| {
                let is_volatile = VOLATILE.contains(&name.as_str())
                    || name.contains("Timestamp") && value.as_str().is_some_and(|time| time != "0");
                // What is volatile is a text all the same: ids, and numbers of 64 bits.
                let value = if is_volatile && value.is_string() { json!("*") } else { pinned(value) };
                (name.clone(), value)
            })
            .collect(),
        other => other.clone(),
    }
}
