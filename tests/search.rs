// SPDX-License-Identifier: Apache-2.0
//! What is on a device is found there, with and without a server.

use hongyan::message::{
    KeywordListMatchType, MessageSearchParam, MessageSearchResult, MessageSearchResultItem, MessageStatus, MessageType,
};

use crate::harness::device::Device;
use crate::harness::process::ClientProcess;
use crate::harness::server::TestServer;
use crate::harness::view::{c2c, group, texts_of};
use crate::harness::wait::within;
use crate::harness::wire::{to_group, to_user};

/// A search for keywords, all else as an app leaves it.
pub fn keywords(list: &[&str]) -> MessageSearchParam {
    MessageSearchParam {
        keyword_list: list.iter().map(ToString::to_string).collect(),
        keyword_list_match_type: KeywordListMatchType::Or,
        sender_user_id_list: Vec::new(),
        message_type_list: Vec::new(),
        conversation_id: None,
        search_time_position_ms: 0,
        search_time_period_ms: 0,
        page_index: 0,
        page_size: 20,
    }
}

/// What a device finds.
pub async fn search(device: &Device, param: MessageSearchParam) -> MessageSearchResult {
    let found = within("a search", device.client.messages().search_local_messages(param)).await;
    found.unwrap_or_else(|error| panic!("{} cannot search: {error}", device.user()))
}

/// The texts that a device finds in a conversation, newest first.
pub async fn found_in(device: &Device, conversation: &str, list: &[&str]) -> Vec<String> {
    let param = MessageSearchParam { conversation_id: Some(conversation.to_owned()), ..keywords(list) };
    let items = search(device, param).await.message_search_result_items;
    items.into_iter().flat_map(|item| texts_of(&item.message_list)).collect()
}

fn shown(items: &[MessageSearchResultItem]) -> Vec<(&str, i32, Vec<String>)> {
    let shown = |item: &MessageSearchResultItem| texts_of(&item.message_list);
    items.iter().map(|item| (item.conversation_id.as_str(), item.message_count, shown(item))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn both_ends_of_a_conversation_find_what_was_written() {
    let server = TestServer::start().await;
    let alice = server.device("alice").login().await;
    let bob = server.device("bob").login().await;
    for text in ["我的iPhone手机 丢了", "Where is it?", "手机在家里"] {
        alice.sends(&c2c("bob"), text).await;
    }
    bob.heard.wait_for_texts(3).await;
    bob.sends(&c2c("alice"), "In the ＷＨＥＥＬ of the car 手！机").await;
    alice.heard.wait_for_texts(1).await;
    for (device, peer) in [(&alice, "bob"), (&bob, "alice")] {
        let found = async |keyword| found_in(device, &c2c(peer), &[keyword]).await;
        assert_eq!(found("手机").await, ["In the ＷＨＥＥＬ of the car 手！机", "手机在家里", "我的iPhone手机 丢了"]);
        assert_eq!(found("whe").await, ["In the ＷＨＥＥＬ of the car 手！机", "Where is it?"]);
        assert_eq!(found("hone").await, [""; 0]);
        let mut own = MessageSearchParam { sender_user_id_list: vec![device.user().to_owned()], ..keywords(&[]) };
        let expected = if device.user() == "alice" { 3 } else { 1 };
        assert_eq!(search(device, own.clone()).await.message_search_result_items[0].message_count, expected);
        own.message_type_list = vec![MessageType::Custom];
        assert_eq!(search(device, own).await.total_count, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_of_all_conversations_shows_where_and_the_one_message_where_it_is_one() {
    let server = TestServer::start().await;
    let alice = server.device("alice").login().await;
    let mut bob = server.wire("bob").await;
    bob.create_group("club", &["alice"]).await;
    bob.send_texts(&to_user("alice"), ["tea at five".to_owned(), "coffee at six".to_owned()]).await;
    bob.send_texts(&to_group("club"), ["tea for all".to_owned(), "more tea".to_owned(), "cake".to_owned()]).await;
    alice.heard.wait_for_texts(5).await;
    let refused = alice.send_text(&c2c("nobody"), "no tea").await.expect_err("there is no such user");
    assert_eq!(refused.code().0, 20003);

    let found = search(&alice, keywords(&["tea"])).await;
    assert_eq!(found.total_count, 3);
    let expected = [
        (c2c("nobody"), 1, vec!["no tea".to_owned()]),
        (group("club"), 2, vec![]),
        (c2c("bob"), 1, vec!["tea at five".to_owned()]),
    ];
    let expected: Vec<_> = expected.iter().map(|(id, count, texts)| (id.as_str(), *count, texts.clone())).collect();
    assert_eq!(shown(&found.message_search_result_items), expected);
    assert_eq!(found.message_search_result_items[0].message_list[0].status, MessageStatus::Failed);
    for (page_index, expected) in expected.iter().enumerate() {
        let param =
            MessageSearchParam { page_index: page_index.try_into().unwrap(), page_size: 1, ..keywords(&["tea"]) };
        let page = search(&alice, param).await;
        assert_eq!((page.total_count, shown(&page.message_search_result_items)), (3, vec![expected.clone()]));
    }
    let both = MessageSearchParam { keyword_list_match_type: KeywordListMatchType::And, ..keywords(&["tea", "five"]) };
    assert_eq!(search(&alice, both).await.total_count, 1);
    let tips = MessageSearchParam { sender_user_id_list: vec!["bob".to_owned()], ..keywords(&[]) };
    let tips = MessageSearchParam { conversation_id: Some(group("club")), ..tips };
    assert_eq!(search(&alice, tips).await.total_count, 3, "a tip is no message that is looked for");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_and_a_span_before_it_bound_what_is_found() {
    let server = TestServer::start().await;
    let alice = server.device("alice").login().await;
    let mut bob = server.wire("bob").await;
    let mut times_ms = Vec::new();
    for number in 1..=3 {
        let sent = bob.send_texts(&to_user("alice"), [format!("tea {number}")]).await;
        times_ms.push(sent[0].server_ms);
        server.clock().advance(std::time::Duration::from_secs(5));
    }
    alice.heard.wait_for_texts(3).await;
    for conversation_id in [None, Some(c2c("bob"))] {
        let count = async |position_ms, period_ms| {
            let param = MessageSearchParam {
                conversation_id: conversation_id.clone(),
                search_time_position_ms: position_ms,
                search_time_period_ms: period_ms,
                ..keywords(&["tea"])
            };
            search(&alice, param).await.message_search_result_items.first().map_or(0, |item| item.message_count)
        };
        assert_eq!(count(times_ms[1], 0).await, 2, "up to and with that time");
        assert_eq!(count(times_ms[1], 1).await, 1);
        assert_eq!(count(times_ms[1] - 1, 1).await, 0);
        assert_eq!(count(times_ms[2], times_ms[2] - times_ms[0]).await, 3);
        assert_eq!(count(0, i64::MAX).await, 3);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_kill_and_without_a_server_all_is_found_that_was_there() {
    let mut server = TestServer::start().await;
    let alice = server.device("alice").login().await;
    let mut bob = server.wire("bob").await;
    bob.send_texts(&to_user("alice"), ["before the kill".to_owned()]).await;
    alice.heard.wait_for_texts(1).await;
    alice.close().await;
    let mut killed = ClientProcess::start(&alice, &server.app().sign("alice")).await;
    assert_eq!(killed.send_text(&c2c("bob"), "killed after this").await, 0);
    server.stop().await;
    killed.queue_texts(&c2c("bob"), 1).await;
    killed.kill();

    let alice = alice.reopen().await;
    let early = alice.client.messages().search_local_messages(keywords(&["kill"])).await;
    assert_eq!(early.expect_err("nobody's data is open").code().0, 6014);
    alice.client.init_local_storage("alice".to_owned()).await.unwrap();
    assert_eq!(found_in(&alice, &c2c("bob"), &["kill"]).await, ["killed after this", "before the kill"]);
    assert_eq!(found_in(&alice, &c2c("bob"), &["queued"]).await, ["queued 0"], "what waits is found as well");
}

#[tokio::test(flavor = "multi_thread")]
async fn history_that_is_fetched_is_found_from_then_on() {
    let server = TestServer::start().await;
    let alice = server.device("alice").login().await;
    server.device("bob").login().await.close().await;
    for text in ["an old needle", "hay", "more hay"] {
        alice.sends(&c2c("bob"), text).await;
    }
    let bob = server.device("bob").login().await;
    assert_eq!(found_in(&bob, &c2c("alice"), &["needle"]).await, [""; 0], "it is not on this device");
    bob.cloud_history(&c2c("alice")).await;
    assert_eq!(found_in(&bob, &c2c("alice"), &["needle"]).await, ["an old needle"]);
}
