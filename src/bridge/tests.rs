// SPDX-License-Identifier: Apache-2.0

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::account::UserInfo;
use crate::bridge::BridgeListener;
use crate::bridge::args::{Args, Form, Param, object, params};
use crate::bridge::events::{EVENTS, Events, SHUT_DOWN};
use crate::bridge::outlet::Outlet;
use crate::bridge::page::page;
use crate::bridge::table::ROOMS;
use crate::config::LogLevel;
use crate::conversation::{Conversation, ConversationType};
use crate::listener::{AdvancedMsgListener, ConversationListener, LogListener, SdkListener};
use crate::message::{Element, Message, MessagePriority, MessageReceipt, MessageStatus};

/// What is exported and stands in the bridge as something else than a method or an event.
const NOT_CALLED: [&str; 10] = [
    // The constructors and the ends of both are the bridge's own.
    "ImClient::new",
    "ImClient::close",
    "Bridge::new",
    "Bridge::call",
    "Bridge::call_now",
    // The managers are in the names of the methods.
    "ImClient::messages",
    "ImClient::conversations",
    "ImClient::groups",
    // The bridge's listener is how all events are told.
    "BridgeListener::on_reply",
    "BridgeListener::on_event",
];

/// All events come: nothing is added or cancelled.
fn is_of_listeners(method: &str) -> bool {
    method == "Subscription::cancel" || method.contains("::add_") && method.ends_with("_listener")
}

#[test]
fn bridge_page_is_what_the_tables_say() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/bridge.md");
    if std::env::var_os("HONGYAN_WRITE_DOCS").is_some() {
        fs::write(&path, page()).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap();
    assert!(
        written == page(),
        "docs/bridge.md is old: HONGYAN_WRITE_DOCS=1 cargo test -p hongyan --lib bridge_page writes it"
    );
}

#[test]
fn every_exported_method_has_its_row() {
    let exported = exported(Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    assert!(exported.len() > 50, "the sources were read: {exported:?}");
    let rows = ROOMS.iter().flat_map(|(_, rows)| rows.iter().map(|row| row.of));
    let in_tables: BTreeSet<String> = rows.chain(EVENTS.iter().map(|row| row.of)).map(str::to_owned).collect();
    let wanted: BTreeSet<String> = exported
        .into_iter()
        .filter(|method| !NOT_CALLED.contains(&method.as_str()) && !is_of_listeners(method))
        .collect();
    let missing: Vec<_> = wanted.difference(&in_tables).collect();
    assert!(missing.is_empty(), "without a row in src/bridge/table.rs or src/bridge/events.rs: {missing:?}");
    let unknown: Vec<_> = in_tables.difference(&wanted).collect();
    assert!(unknown.is_empty(), "rows of what is not exported: {unknown:?}");
}

#[test]
fn names_are_there_once() {
    let methods: Vec<&str> = ROOMS.iter().flat_map(|(_, rows)| rows.iter().map(|row| row.name)).collect();
    assert_eq!(methods.iter().collect::<BTreeSet<_>>().len(), methods.len());
    let events: BTreeSet<_> = EVENTS.iter().map(|row| row.event).collect();
    assert_eq!(events.len(), EVENTS.len());
}

/// What UniFFI exports, as `Type::method`, from the sources.
fn exported(folder: PathBuf) -> Vec<String> {
    let mut methods = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            methods.extend(self::exported(path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            exported_of(&fs::read_to_string(&path).unwrap(), &mut methods);
        }
    }
    methods
}

/// The source is as `rustfmt` leaves it: a block ends with the first brace at the start of a line, and a method
/// stands one step inside it.
fn exported_of(source: &str, methods: &mut Vec<String>) {
    let mut lines = source.lines();
    while let Some(line) = lines.next() {
        if !line.starts_with("#[uniffi::export") {
            continue;
        }
        let head = lines.by_ref().find(|line| !line.starts_with("#[") && !line.starts_with("///")).unwrap();
        let words = head.trim_start_matches("pub ").trim_start_matches("impl ").trim_start_matches("trait ");
        let owner = words.split(|c: char| !c.is_alphanumeric()).next().unwrap();
        assert!(head.ends_with('{') && !owner.is_empty(), "an export that is no block: {head}");
        for line in lines.by_ref().take_while(|line| !line.starts_with('}')) {
            let line = line.trim_start_matches("    pub ").trim_start_matches("    ").trim_start_matches("async ");
            if let Some((name, _)) = line.strip_prefix("fn ").and_then(|rest| rest.split_once('(')) {
                methods.push(format!("{owner}::{name}"));
            }
        }
    }
}

/// Sends on what it hears.
struct Told(Mutex<Sender<Value>>);

impl BridgeListener for Told {
    fn on_reply(&self, _: i64, _: String) {}

    fn on_event(&self, event: String) {
        self.0.lock().unwrap().send(serde_json::from_str(&event).unwrap()).unwrap();
    }
}

/// More than a reader of JSON keeps that has only floating-point numbers.
const LARGE: i64 = (1 << 53) + 1;

fn message() -> Message {
    Message {
        message_id: "m".to_owned(),
        conversation_id: "group_g".to_owned(),
        seq: LARGE,
        sender: "a".to_owned(),
        nick_name: "A".to_owned(),
        face_url: "f".to_owned(),
        user_id: None,
        group_id: Some("g".to_owned()),
        timestamp_ms: 1_999,
        status: MessageStatus::Failed,
        is_self: true,
        is_read: true,
        is_peer_read: false,
        elements: vec![Element::Unknown { json: "{}".to_owned() }],
        cloud_custom_data: vec![0, 255],
        priority: MessagePriority::Low,
        is_excluded_from_unread_count: true,
        failure: Some(10_007),
    }
}

fn conversation() -> Conversation {
    Conversation {
        conversation_id: "group_g".to_owned(),
        conversation_type: ConversationType::Group,
        user_id: None,
        group_id: Some("g".to_owned()),
        group_type: Some("Work".to_owned()),
        show_name: "G".to_owned(),
        face_url: String::new(),
        unread_count: 7,
        last_message: None,
        draft_text: Some("d".to_owned()),
        draft_timestamp_ms: 2_001,
        order_key: i64::MAX,
        c2c_read_timestamp_ms: 0,
        group_read_sequence: LARGE,
    }
}

fn tell_all(events: &Events) {
    events.on_connecting();
    events.on_connect_success();
    events.on_connect_failed(9_511, "no \"luck\"".to_owned());
    events.on_kicked_offline();
    events.on_user_sig_expired();
    events.on_self_info_updated(UserInfo { user_id: "a".to_owned(), ..UserInfo::default() });
    events.on_recv_new_message(vec![message()]);
    let receipt = MessageReceipt {
        user_id: "b".to_owned(),
        conversation_id: "c2c_b".to_owned(),
        seq: 3,
        timestamp_ms: 1_763_890_000_123,
    };
    events.on_recv_c2c_read_receipt(vec![receipt]);
    events.on_message_status_changed(vec![]);
    events.on_sync_server_start();
    events.on_sync_server_finish();
    events.on_sync_server_failed();
    events.on_new_conversation(vec![conversation()]);
    events.on_conversation_changed(vec![]);
    events.on_total_unread_message_count_changed(LARGE);
    events.on_log(LogLevel::Warn, "a line".to_owned());
}

#[test]
fn each_event_has_its_form() {
    let (sender, heard) = channel();
    let outlet = Arc::new(Outlet::new());
    outlet.start(Arc::new(Told(Mutex::new(sender)))).unwrap();
    tell_all(&Events::new(Arc::clone(&outlet)));
    outlet.close(SHUT_DOWN.text("null"));
    outlet.wait_for_end();
    let heard: Vec<Value> = heard.iter().collect();
    let names = heard.iter().map(|event| (event["listener"].as_str().unwrap(), event["event"].as_str().unwrap()));
    assert_eq!(names.collect::<Vec<_>>(), EVENTS.iter().map(|row| (row.listener, row.event)).collect::<Vec<_>>());
    let data = |event: &str| heard.iter().find(|told| told["event"] == event).unwrap()["data"].clone();
    assert_eq!(data("onConnecting"), Value::Null);
    assert_eq!(data("onConnectFailed"), json!({"code": 9511, "desc": "no \"luck\""}));
    assert_eq!(data("onSelfInfoUpdated"), json!({"userID": "a", "nickName": "", "faceURL": ""}));
    assert_eq!(
        data("onRecvNewMessage"),
        json!([{
            "msgID": "m", "conversationID": "group_g", "timestamp": "1", "timestampMs": "1999",
            "seq": "9007199254740993", "sender": "a", "nickName": "A", "faceURL": "f", "userID": null, "groupID": "g",
            "status": 3, "failureCode": 10007, "isSelf": true, "isRead": true, "isPeerRead": false,
            "elemType": 0, "elemList": [{"elemType": 0, "json": "{}"}], "cloudCustomData": "AP8=", "priority": 3,
            "isExcludedFromUnreadCount": true,
        }])
    );
    assert_eq!(
        data("onRecvC2CReadReceipt"),
        json!([{
            "userID": "b", "conversationID": "c2c_b", "seq": "3",
            "timestamp": "1763890000", "timestampMs": "1763890000123",
        }])
    );
    assert_eq!(
        data("onNewConversation"),
        json!([{
            "conversationID": "group_g", "type": 2, "userID": null, "groupID": "g", "groupType": "Work",
            "showName": "G", "faceUrl": "", "unreadCount": 7, "lastMessage": null, "draftText": "d",
            "draftTimestamp": "2", "draftTimestampMs": "2001", "orderKey": "9223372036854775807",
            "c2cReadTimestamp": "0", "c2cReadTimestampMs": "0", "groupReadSequence": "9007199254740993",
        }])
    );
    assert_eq!(data("onTotalUnreadMessageCountChanged"), "9007199254740993");
    assert_eq!(data("onLog"), json!({"logLevel": 5, "logContent": "a line"}));
}

#[test]
fn numbers_of_64_bits_are_read_exactly_and_only_from_text() {
    const LONG: &[Param] = params![n must Form::Long => "A number."];
    let read = |value: &str| {
        let mut args = Args::read(LONG, object(&format!(r#"{{"n":{value}}}"#)).unwrap(), "").ok()?;
        args.take::<i64>("n").ok()
    };
    assert_eq!(read(r#""9007199254740993""#), Some(LARGE));
    assert_eq!(read(r#""-9223372036854775808""#), Some(i64::MIN));
    for other in ["7", r#""9223372036854775808""#, r#""""#, r#"" 7""#, r#""7.0""#, r#""0x7""#, "true", "null"] {
        assert_eq!(read(other), None, "{other}");
    }
}
