// SPDX-License-Identifier: Apache-2.0
//! Requests that nobody should make: each has its code, and none of them changes anything.

use std::sync::Arc;

use hongyan::Bridge;
use serde_json::{Value, json};

use crate::bridge::user::{BridgeUser, Ear, config};
use crate::harness::server::TestServer;

/// A request, its code, and how its description begins.
fn hostile() -> Vec<(String, i32, &'static str)> {
    let text = |text: &str| text.to_owned();
    let deep = format!(r#"{{"method":"getVersion","params":{}{}}}"#, "[".repeat(5_000), "]".repeat(5_000));
    let huge = format!(r#"{{"method":"{}"}}"#, "x".repeat(1024 * 1024));
    let sends = |params: Value| json!({"method": "sendMessage", "params": params}).to_string();
    let message = |elem: Value| json!({"msgID": "0197ac1b-0000-7000-8000-000000000000", "elemList": [elem]});
    let sends_elem = |elem: Value| sends(json!({"receiver": "bob", "message": message(elem)}));
    vec![
        (text(""), 6027, ""),
        (text("\0"), 6027, ""),
        (text("{"), 6027, ""),
        (text("[]"), 6027, "the JSON is not an object"),
        (text("null"), 6027, "the JSON is not an object"),
        (text("{\"method\":\"a\0b\"}"), 6027, ""),
        (text(r#"{"method":"\ud800"}"#), 6027, ""),
        (deep, 6027, "JSON of more than 32 levels"),
        (huge, 9522, ""),
        (text("{}"), 6017, "method: "),
        (text(r#"{"method":7}"#), 6017, "method: "),
        (text(r#"{"method":"getversion"}"#), 7013, "method: there is no getversion"),
        (format!(r#"{{"method":"{}"}}"#, "鸿".repeat(10_000)), 7013, "method: there is no 鸿"),
        (text(r#"{"method":"getVersion","params":"{}"}"#), 6017, "params: "),
        (text(r#"{"method":"getVersion","id":1}"#), 6017, "id: "),
        (text(r#"{"method":"login","params":{"userID":"mallory"}}"#), 6017, "userSig: it is needed"),
        (text(r#"{"method":"login","params":{"userID":null,"userSig":"a"}}"#), 6017, "userID: it is needed"),
        (text(r#"{"method":"logout","params":{"userID":"bob"}}"#), 6017, "userID: there is no such field"),
        (text(r#"{"method":"getUsersInfo","params":{"userIDList":["bob",7]}}"#), 6017, "userIDList[1]: a text"),
        (text(r#"{"method":"getConversationList","params":{"count":5000000000}}"#), 6017, "count: "),
        (text(r#"{"method":"getConversationList","params":{"count":1.5}}"#), 6017, "count: "),
        (text(r#"{"method":"getConversationList","params":{"count":1e400}}"#), 6027, ""),
        (
            json!({"method": "setConversationDraft",
                "params": {"conversationID": "c2c_bob", "draftText": "x", "draft": "y"}})
            .to_string(),
            6017,
            "draft: ",
        ),
        (sends(json!({"receiver": "bob", "message": "hello"})), 6017, "message: an object"),
        (sends_elem(json!({"elemType": 1, "text": 7})), 6017, "message.elemList[0].text: a text"),
        (sends_elem(json!({"elemType": 1, "text": "a", "nextElem": {}})), 6017, "message.elemList[0].nextElem: "),
        (sends_elem(json!({"elemType": 9, "text": "a"})), 6017, "message.elemList[0].elemType: "),
        (sends_elem(json!({"elemType": 2, "text": "a"})), 6017, "message.elemList: "),
        (sends_elem(json!({"elemType": 1, "text": "a\u{0}b"})), 6016, ""),
        (
            sends(json!({"receiver": "bob", "message": message(json!({"elemType": 1, "text": "a"})), "priority": 4})),
            6017,
            "priority: ",
        ),
        (sends(json!({"receiver": "", "message": message(json!({"elemType": 1, "text": "a"}))})), 7003, ""),
        (sends(json!({"groupID": "鸿", "message": message(json!({"elemType": 1, "text": "a"}))})), 8501, ""),
    ]
}

#[tokio::test]
async fn a_hostile_request_has_its_code_and_changes_nothing() {
    let server = TestServer::start().await;
    let alice = BridgeUser::login("alice", &server).await;
    let seen = alice.ear.all().len();
    let requests = hostile();
    for (index, (request, code, begins)) in requests.iter().enumerate() {
        let shown: String = request.chars().take(120).collect();
        let call_id = i64::MAX - i64::try_from(index).unwrap();
        alice.bridge.call(call_id, request.clone());
        let reply = alice.ear.reply(call_id).await;
        let desc = reply["desc"].as_str().unwrap();
        assert_eq!(reply["code"], *code, "{shown}: {reply}");
        assert!(desc.starts_with(begins) && desc.len() < 300, "{shown}: {desc}");
        let now: Value = serde_json::from_str(&alice.bridge.call_now(request.clone())).unwrap();
        let is_same = now == reply;
        // Calls that wait are refused as such there, when they are well formed.
        assert!(is_same || now["code"] == 6017, "{shown}: {now}");
    }
    assert_eq!(alice.ear.all().len(), seen + requests.len(), "each has one reply, and no event came of it");
    let list = alice.gets("getConversationList", json!({"count": 100})).await;
    assert_eq!(list["conversationList"], json!([]));
    assert_eq!(alice.gets("getLoginUser", json!({})).await, "alice");
}

#[tokio::test]
async fn a_bad_config_makes_no_bridge() {
    let server = TestServer::start().await;
    let folder = tempfile::tempdir().unwrap();
    let good = config(server.app(), "http://127.0.0.1:9", &folder);
    let with = |name: &str, value: Value| {
        let mut config = good.clone();
        config[name] = value;
        config.to_string()
    };
    // Good, and of no use beside plain text.
    let pin = "A".repeat(43) + "=";
    let cases = [
        (String::new(), 6027, ""),
        ("7".to_owned(), 6027, ""),
        ("{}".to_owned(), 6017, "sdkAppID: it is needed"),
        (with("sdkAppID", json!("7")), 6017, "sdkAppID: a whole number"),
        (with("sdkAppID", json!(0)), 6017, ""),
        (with("sdkAppID", json!(9_007_199_254_740_993_i64)), 6017, "sdkAppID: "),
        (with("sdkAppID", json!(i64::MIN)), 6017, "sdkAppID: "),
        (with("serverURL", json!("ftp://a")), 6017, ""),
        (with("extraRootCertificates", json!("no PEM")), 6017, "the extra roots "),
        (with("extraRootCertificates", json!(["no PEM"])), 6017, "extraRootCertificates: a text"),
        (with("publicKeyPins", json!(["x"])), 6017, "a pin is not "),
        (with("publicKeyPins", json!("x")), 6017, "publicKeyPins: a list"),
        (with("publicKeyPins", json!([pin])), 6017, "extra roots and pins need "),
        (with("serverURL", json!("http://192.0.2.1:80")), 6029, ""),
        (with("dataFolder", json!("")), 6017, ""),
        (with("platform", json!("Amiga")), 6017, "platform: one of the words Android, iPhone"),
        (with("logLevel", json!(1)), 6017, "logLevel: one of the numbers 0, 3, 4, 5, 6"),
        (with("hasLogListener", json!("yes")), 6017, "hasLogListener: true or false"),
        (with("proxy", json!("a")), 6017, "proxy: there is no such field"),
    ];
    for (config, code, begins) in cases {
        let ear: Arc<Ear> = Arc::default();
        let error = Bridge::new(config.clone(), ear.clone()).unwrap_err();
        assert_eq!(error.code().0, code, "{config}: {error}");
        assert!(error.detail().starts_with(begins), "{config}: {error}");
        assert_eq!(Arc::strong_count(&ear), 1);
    }
}

#[tokio::test]
async fn only_calls_that_never_wait_are_made_at_once() {
    let server = TestServer::start().await;
    let alice = BridgeUser::login("alice", &server).await;
    let now = |request: Value| -> Value { serde_json::from_str(&alice.bridge.call_now(request.to_string())).unwrap() };
    assert_eq!(now(json!({"method": "getLoginUser"})), json!({"code": 0, "desc": "", "data": "alice"}));
    assert_eq!(now(json!({"method": "createTextMessage", "params": {"text": "a"}}))["code"], 0);
    let refusal = now(json!({"method": "logout"}));
    assert_eq!(
        refusal,
        json!({"code": 6017, "desc": "method: this one waits, and is made with call", "isRetryable": false})
    );
    assert_eq!(now(json!({"method": "getLoginStatus"}))["data"], 1);
}
