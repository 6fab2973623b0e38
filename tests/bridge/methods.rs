// SPDX-License-Identifier: Apache-2.0
//! Every method of the bridge, and the forms of replies and events.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::bridge::user::{BridgeUser, Heard, pinned};
use crate::harness::server::TestServer;

const PAGE: &str = include_str!("../../docs/bridge.md");

/// Alice and Bob, who know each other's names.
async fn alice_and_bob(server: &TestServer) -> (BridgeUser, BridgeUser) {
    let alice = BridgeUser::login("alice", server).await;
    let bob = BridgeUser::login("bob", server).await;
    (alice, bob)
}

/// A text from one user to another as one of them sees it, once the server has it.
fn text_message(text: &str, is_self: bool) -> Value {
    json!({
        "msgID": "*", "timestamp": "*", "timestampMs": "*", "seq": "1", "status": 2, "failureCode": null,
        "conversationID": if is_self { "c2c_bob" } else { "c2c_alice" },
        "sender": "alice", "nickName": "", "faceURL": "",
        "userID": if is_self { "bob" } else { "alice" }, "groupID": null,
        "isSelf": is_self, "isRead": is_self, "isPeerRead": false,
        "elemType": 1, "elemList": [{"elemType": 1, "text": text}],
        "cloudCustomData": "", "priority": 0, "isExcludedFromUnreadCount": false,
    })
}

#[tokio::test]
async fn every_method_of_the_page_succeeds_and_is_refused() {
    let server = TestServer::start().await;
    let (alice, bob) = alice_and_bob(&server).await;
    client_methods(&alice).await;
    message_methods(&server, &alice, &bob).await;
    conversation_methods(&bob).await;
    group_methods(&alice).await;
    alice.gets("setSelfInfo", json!({"nickName": "Alice", "faceURL": null})).await;
    alice.gets("logout", json!({})).await;
    alice.is_refused("logout", json!({}), 6014).await;
    alice.gets("initLocalStorage", json!({"userID": "alice"})).await;
    alice.is_refused("login", json!({"userID": "alice", "userSig": "eJx"}), 70003).await;

    let (mut succeeded, mut refused) = alice.called();
    succeeded.extend(bob.called().0);
    refused.extend(bob.called().1);
    let methods: BTreeSet<String> =
        PAGE.lines().filter_map(|line| line.strip_prefix("#### ")).map(str::to_owned).collect();
    assert!(methods.len() > 25, "the page lists the methods");
    assert_eq!(succeeded, methods);
    assert_eq!(refused, methods);
}

async fn client_methods(alice: &BridgeUser) {
    for method in ["getLoginUser", "getLoginStatus", "getServerTime", "getVersion", "networkChanged"] {
        assert_eq!(alice.is_refused(method, json!({"now": true}), 6017).await, "now: there is no such field");
    }
    alice.gets("networkChanged", json!({})).await;
    assert_eq!(alice.gets("getLoginUser", json!({})).await, "alice");
    assert_eq!(alice.gets("getLoginStatus", json!(null)).await, 1);
    assert_eq!(alice.gets("getVersion", json!({})).await, env!("CARGO_PKG_VERSION"));
    let time = alice.gets("getServerTime", json!({})).await;
    assert_eq!(pinned(&time), json!({"serverTime": "*", "serverTimeMs": "*"}));
    let ms = time["serverTimeMs"].as_str().unwrap();
    assert_eq!(time["serverTime"].as_str().unwrap(), &ms[..ms.len() - 3]);

    assert_eq!(alice.gets("setForeground", json!({"isForeground": false})).await, Value::Null);
    alice.gets("setForeground", json!({"isForeground": true})).await;
    let refusal = alice.is_refused("setForeground", json!({"isForeground": 1}), 6017).await;
    assert_eq!(refusal, "isForeground: true or false is needed");
    alice.is_refused("initLocalStorage", json!({"userID": "carol"}), 7014).await;

    alice.is_refused("setSelfInfo", json!({}), 6017).await;
    let users = alice.gets("getUsersInfo", json!({"userIDList": ["bob", "nobody"]})).await;
    assert_eq!(users, json!([{"userID": "bob", "nickName": "", "faceURL": ""}]));
    alice.is_refused("getUsersInfo", json!({"userIDList": []}), 6017).await;
}

async fn message_methods(server: &TestServer, alice: &BridgeUser, bob: &BridgeUser) {
    let made = alice.gets("createTextMessage", json!({"text": "one"})).await;
    assert_eq!(
        pinned(&made),
        json!({
            "msgID": "*", "elemList": [{"elemType": 1, "text": "one"}],
            "cloudCustomData": "", "priority": 0, "isExcludedFromUnreadCount": false,
        })
    );
    let sent = alice.gets("sendMessage", json!({"message": made, "receiver": "bob"})).await;
    assert_eq!(pinned(&sent), text_message("one", true));
    assert_eq!(sent["msgID"], made["msgID"]);
    let params = json!({"message": made, "receiver": "bob", "groupID": "g"});
    assert_eq!(alice.is_refused("sendMessage", params, 6017).await, "receiver: either this or groupID is needed");
    alice.is_refused("createTextMessage", json!({"text": "a\u{0}b"}), 6016).await;

    let custom = json!({"data": "AP+A", "desc": "a push", "extension": "more"});
    let mut made = alice.gets("createCustomMessage", custom).await;
    assert_eq!(made["elemList"], json!([{"elemType": 2, "data": "AP+A", "desc": "a push", "extension": "more"}]));
    alice.is_refused("createCustomMessage", json!({"data": "no base64"}), 6017).await;
    made["elemList"].as_array_mut().unwrap().push(json!({"elemType": 1, "text": "beside"}));
    made["cloudCustomData"] = json!("AQI=");
    made["isExcludedFromUnreadCount"] = json!(true);
    let sent = alice.gets("sendMessage", json!({"message": made, "receiver": "bob", "priority": 1})).await;
    let got = (&sent["elemType"], &sent["elemList"], &sent["cloudCustomData"], &sent["priority"]);
    assert_eq!(got, (&json!(2), &made["elemList"], &json!("AQI="), &json!(1)));
    assert_eq!(sent["isExcludedFromUnreadCount"], true);

    let id = &sent["msgID"];
    alice.is_refused("resendMessage", json!({"msgID": id}), 7014).await;
    let found =
        alice.gets("findMessages", json!({"messageIDList": [id, "0197ac1b-0000-7000-8000-000000000000"]})).await;
    assert_eq!(found, json!([sent]));
    alice.is_refused("findMessages", json!({"messageIDList": ["no uuid"]}), 6017).await;
    search_methods(alice, &sent).await;

    alice.gets("sendC2CTextMessage", json!({"text": "two", "userID": "bob"})).await;
    alice.is_refused("sendC2CTextMessage", json!({"text": "x".repeat(12_300), "userID": "bob"}), 8001).await;
    let sent = alice.gets("sendC2CCustomMessage", json!({"customData": "eA==", "userID": "bob"})).await;
    assert_eq!(sent["elemList"], json!([{"elemType": 2, "data": "eA==", "desc": "", "extension": ""}]));
    alice.is_refused("sendC2CCustomMessage", json!({"customData": "eA==", "userID": ""}), 7003).await;
    failed_message_is_sent_again(server, alice).await;
    history_methods(alice, bob).await;
}

/// `custom` is a message with the description "a push" and the text "beside"; "one" was sent before it.
async fn search_methods(alice: &BridgeUser, custom: &Value) {
    let everywhere = json!({"keywordList": ["PUSH", "no such"], "pageSize": 10});
    let found = json!({"conversationID": "c2c_bob", "messageCount": 1, "messageList": [custom]});
    let expected = json!({"totalCount": 1, "messageSearchResultItems": [found]});
    assert_eq!(alice.gets("searchLocalMessages", everywhere).await, expected);
    let here = json!({
        "keywordList": ["push", "besi"], "keywordListMatchType": 1, "senderUserIDList": ["alice"], "messageTypeList": [2],
        "conversationID": "c2c_bob", "searchTimePosition": custom["timestamp"], "searchTimePeriod": "3600",
        "pageIndex": 0, "pageSize": 1,
    });
    assert_eq!(alice.gets("searchLocalMessages", here.clone()).await, expected);
    let mut nothing = here;
    nothing["searchTimePosition"] = Value::Null;
    nothing["searchTimePositionMs"] = json!("1");
    let nothing = alice.gets("searchLocalMessages", nothing).await;
    assert_eq!(nothing, json!({"totalCount": 0, "messageSearchResultItems": []}));
    // 8 is a face natively, which this version has not.
    let faces = json!({"keywordList": ["push"], "messageTypeList": [8], "pageSize": 1});
    assert_eq!(alice.gets("searchLocalMessages", faces).await, nothing);
    let faces_alone = json!({"messageTypeList": [8], "conversationID": "", "pageSize": 1});
    assert_eq!(alice.gets("searchLocalMessages", faces_alone).await, nothing);
    alice.is_refused("searchLocalMessages", json!({"messageTypeList": [8], "pageSize": 0}), 6017).await;
    let others = json!({"keywordList": ["push"], "messageTypeList": [2, 8], "conversationID": "", "pageSize": 1});
    assert_eq!(alice.gets("searchLocalMessages", others).await, expected);
    alice.is_refused("searchLocalMessages", json!({"pageSize": 10}), 6017).await;
}

async fn failed_message_is_sent_again(server: &TestServer, alice: &BridgeUser) {
    let made = alice.gets("createTextMessage", json!({"text": "hello?"})).await;
    alice.is_refused("sendMessage", json!({"message": made, "receiver": "later"}), 20003).await;
    let id = json!({"messageIDList": [made["msgID"]]});
    let kept = &alice.gets("findMessages", id).await[0];
    assert_eq!((&kept["status"], &kept["failureCode"], &kept["seq"]), (&json!(3), &json!(20003), &json!("0")));
    alice.is_refused("resendMessage", json!({"msgID": made["msgID"]}), 20003).await;
    BridgeUser::login("later", server).await.ends().await;
    let sent = alice.gets("resendMessage", json!({"msgID": made["msgID"]})).await;
    assert_eq!((&sent["msgID"], &sent["status"], &sent["failureCode"]), (&made["msgID"], &json!(2), &Value::Null));
}

async fn history_methods(alice: &BridgeUser, bob: &BridgeUser) {
    let page = json!({"getType": 1, "userID": "bob", "count": 2});
    let newest = alice.gets("getHistoryMessageList", page).await;
    assert_eq!(newest.as_object().map(|page| page.len()), Some(2));
    assert_eq!((&newest["isFinished"], newest["messageList"].as_array().unwrap().len()), (&json!(false), 2));
    let last = &newest["messageList"][1];
    let older = json!({"getType": 3, "userID": "bob", "count": 20, "lastMsgID": last["msgID"]});
    let older = alice.gets("getHistoryMessageList", older).await;
    assert_eq!(older["isFinished"], true);
    let newer = json!({"getType": 2, "userID": "bob", "count": 20, "lastMsgSeq": "2"});
    let newer = alice.gets("getHistoryMessageList", newer).await;
    assert_eq!(newer["messageList"][0]["seq"], "2", "the message at the sequence is part of the page");
    let both = json!({"getType": 1, "count": 1});
    assert_eq!(alice.is_refused("getHistoryMessageList", both, 6017).await, "userID: either this or groupID is needed");
    let page = bob.gets("getC2CHistoryMessageList", json!({"userID": "alice", "count": 20})).await;
    assert_eq!(pinned(page["messageList"].as_array().unwrap().last().unwrap()), text_message("one", false));
    bob.is_refused("getC2CHistoryMessageList", json!({"userID": "alice", "count": 0}), 6017).await;
}

async fn conversation_methods(bob: &BridgeUser) {
    let page = bob.gets("getConversationList", json!({"nextSeq": "0", "count": 100})).await;
    assert_eq!((&page["nextSeq"], &page["isFinished"]), (&json!("0"), &json!(true)));
    assert_eq!(page.as_object().map(|page| page.len()), Some(3));
    let mut conversation = pinned(&page["conversationList"][0]);
    let last = conversation["lastMessage"].take();
    assert_eq!((&last["seq"], &last["isSelf"]), (&json!("4"), &json!(false)));
    assert_eq!(
        conversation,
        json!({
            "conversationID": "c2c_alice", "type": 1, "userID": "alice", "groupID": null, "groupType": null,
            "showName": "alice", "faceUrl": "", "unreadCount": 3, "lastMessage": null,
            "draftText": null, "draftTimestamp": "0", "draftTimestampMs": "0", "orderKey": "*",
            "c2cReadTimestamp": "0", "c2cReadTimestampMs": "0", "groupReadSequence": "0",
        })
    );
    bob.is_refused("getConversationList", json!({"nextSeq": "none", "count": 1}), 6017).await;

    bob.gets("setConversationDraft", json!({"conversationID": "c2c_alice", "draftText": "well…"})).await;
    bob.is_refused("setConversationDraft", json!({"conversationID": "alice", "draftText": ""}), 6004).await;
    let drafted = bob.gets("getConversation", json!({"conversationID": "c2c_alice"})).await;
    assert_eq!((&drafted["draftText"], &pinned(&drafted)["draftTimestamp"]), (&json!("well…"), &json!("*")));
    bob.is_refused("getConversation", json!({"conversationID": "c2c_nobody"}), 6004).await;

    assert_eq!(bob.gets("getTotalUnreadMessageCount", json!({})).await, "3");
    bob.is_refused("getTotalUnreadMessageCount", json!([]), 6017).await;
    let first = json!({"getType": 2, "userID": "alice", "count": 1});
    let first = &bob.gets("getHistoryMessageList", first).await["messageList"][0];
    let clean = json!({"conversationID": "c2c_alice", "cleanTimestampMs": first["timestampMs"]});
    bob.gets("cleanConversationUnreadMessageCount", clean).await;
    let read = bob.gets("getConversation", json!({"conversationID": "c2c_alice"})).await;
    assert_eq!(read["c2cReadTimestampMs"], first["timestampMs"]);
    assert_eq!(read["c2cReadTimestamp"], first["timestamp"]);
    let clean = json!({"conversationID": "", "cleanTimestamp": "0", "cleanSequence": "0"});
    bob.gets("cleanConversationUnreadMessageCount", clean).await;
    assert_eq!(bob.gets("getTotalUnreadMessageCount", json!({})).await, "0");
    let clean = json!({"conversationID": "c2c_alice", "cleanTimestamp": 1});
    let refusal = bob.is_refused("cleanConversationUnreadMessageCount", clean, 6017).await;
    assert_eq!(refusal, "cleanTimestamp: a text with a whole number of 64 bits is needed");
    // 2^53 + 1: read exactly, and then refused by the SDK, which has no such place.
    let clean = json!({"conversationID": "group_g", "cleanSequence": "9007199254740993"});
    bob.is_refused("cleanConversationUnreadMessageCount", clean, 6017).await;
}

async fn group_methods(alice: &BridgeUser) {
    let group = json!({
        "groupType": "Work", "groupID": "friends", "groupName": "Friends", "memberList": [{"userID": "bob"}],
    });
    assert_eq!(alice.gets("createGroup", group.clone()).await, "friends");
    alice.is_refused("createGroup", group, 10025).await;
    let nameless = json!({"groupType": "Work", "groupName": "a", "memberList": [{"userID": "bob", "role": 200}]});
    assert_eq!(alice.is_refused("createGroup", nameless, 6017).await, "memberList[0].role: there is no such field");
    let invited = json!({"groupID": "friends", "userIDList": ["bob", "nobody"]});
    let results = alice.gets("inviteUserToGroup", invited).await;
    assert_eq!(results, json!([{"userID": "bob", "result": 2}, {"userID": "nobody", "result": 0}]));
    alice.is_refused("inviteUserToGroup", json!({"groupID": "friends", "userIDList": []}), 8510).await;

    let sent = alice.gets("sendGroupTextMessage", json!({"text": "all", "groupID": "friends", "priority": 2})).await;
    let got = (&sent["groupID"], &sent["userID"], &sent["conversationID"], &sent["priority"]);
    assert_eq!(got, (&json!("friends"), &Value::Null, &json!("group_friends"), &json!(2)));
    let refusal =
        alice.is_refused("sendGroupTextMessage", json!({"text": "a", "groupID": "g", "priority": 9}), 6017).await;
    assert_eq!(refusal, "priority: one of the numbers 0, 1, 2, 3 is needed");
    alice.gets("sendGroupCustomMessage", json!({"customData": "", "groupID": "friends"})).await;
    alice.is_refused("sendGroupCustomMessage", json!({"customData": "eA==", "groupID": "none"}), 10010).await;

    let page = alice.gets("getGroupHistoryMessageList", json!({"groupID": "friends", "count": 20})).await;
    let tip = page["messageList"].as_array().unwrap().last().unwrap();
    assert_eq!(
        (&tip["elemType"], &tip["elemList"]),
        (
            &json!(9),
            &json!([{
                "elemType": 9, "groupID": "friends", "type": 2, "opMember": {"userID": "alice"},
                "memberList": [{"userID": "alice"}, {"userID": "bob"}], "memberCount": 2,
            }])
        )
    );
    alice.is_refused("getGroupHistoryMessageList", json!({"groupID": "nowhere", "count": 20}), 10010).await;
    alice.gets("quitGroup", json!({"groupID": "friends"})).await;
    alice.is_refused("quitGroup", json!({"groupID": "friends"}), 10007).await;
}

#[tokio::test]
async fn both_users_hear_the_events_of_a_message() {
    let server = TestServer::start().await;
    let (alice, bob) = alice_and_bob(&server).await;
    alice.gets("sendC2CTextMessage", json!({"text": "hello", "userID": "bob"})).await;

    let messages = bob.ear.event("onRecvNewMessage").await;
    assert_eq!(pinned(&messages), json!([text_message("hello", false)]));
    let conversations = bob.ear.event("onNewConversation").await;
    assert_eq!(conversations[0]["conversationID"], "c2c_alice");
    assert_eq!(pinned(&conversations[0]["lastMessage"]), text_message("hello", false));
    assert_eq!(bob.ear.event("onTotalUnreadMessageCountChanged").await, "1");
    let told = alice.ear.event_with("onMessageStatusChanged", |messages| messages[0]["status"] == 2).await;
    assert_eq!(pinned(&told), json!([text_message("hello", true)]));

    bob.gets("cleanConversationUnreadMessageCount", json!({"conversationID": "c2c_alice"})).await;
    let receipts = alice.ear.event("onRecvC2CReadReceipt").await;
    assert_eq!(
        pinned(&receipts),
        json!([{"userID": "bob", "conversationID": "c2c_bob", "seq": "1", "timestamp": "*", "timestampMs": "*"}])
    );
    assert_eq!(receipts[0]["timestampMs"], told[0]["timestampMs"]);
    let is_peer_read = |data: &Value| data[0]["lastMessage"]["isPeerRead"] == true;
    alice.ear.event_with("onConversationChanged", is_peer_read).await;
    assert!(alice.ear.texts().is_empty(), "nobody hears their own messages as new");

    alice.gets("setSelfInfo", json!({"nickName": "Alice"})).await;
    let info = alice.ear.event("onSelfInfoUpdated").await;
    assert_eq!(info, json!({"userID": "alice", "nickName": "Alice", "faceURL": ""}));
}

#[tokio::test]
async fn a_user_hears_of_the_connection_in_its_order() {
    let server = TestServer::start().await;
    let first = BridgeUser::login("alice", &server).await;
    let second = BridgeUser::login("alice", &server).await;
    assert_eq!(first.ear.event("onKickedOffline").await, Value::Null);
    assert_eq!(first.gets("getLoginStatus", json!({})).await, 3);
    let heard = first.ear.all();
    let mut events: Vec<&str> = heard.iter().map(Heard::event).filter(|event| !event.is_empty()).collect();
    // How much there is to bring up to date is told beside it.
    events.retain(|event| !event.contains("Conversation") && !event.contains("Total"));
    let connected = ["onConnecting", "onConnectSuccess", "onSyncServerStart", "onSyncServerFinish"];
    assert_eq!(events[..4], connected, "{events:?}");
    assert_eq!(second.gets("getLoginUser", json!({})).await, "alice");
}
