// SPDX-License-Identifier: Apache-2.0
//! The SDK works without a server: lists, history and drafts are read from the device.

use hongyan::Platform;
use hongyan::message::{HistoryDirection, HistoryOption, HistorySource};

use crate::harness::device::{Device, newest};
use crate::harness::server::TestServer;
use crate::harness::view::{c2c, group, text, texts, texts_of};
use crate::harness::wire::{to_group, to_user};

fn numbered(count: usize) -> Vec<String> {
    (1..=count).map(|number| number.to_string()).collect()
}

/// A device that has talked, and was closed; its server is gone.
async fn device_with_past() -> Device {
    let mut server = TestServer::start().await;
    let device = server.device("alice").login().await;
    let mut bob = server.wire("bob").await;
    bob.create_group("club", &["alice"]).await;
    bob.send_texts(&to_group("club"), numbered(30)).await;
    bob.send_texts(&to_user("alice"), numbered(3)).await;
    device.heard.wait_for_texts(33).await;
    device.sends(&c2c("bob"), "an answer").await;
    device.client.conversations().set_conversation_draft(c2c("bob"), Some("a draft".to_owned())).await.unwrap();
    server.stop().await;
    device.reopen().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_known_is_shown_before_a_login_and_without_a_server() {
    let alice = device_with_past().await;
    alice.client.init_local_storage("alice".to_owned()).await.unwrap();
    let list = alice.conversations().await;
    let shown: Vec<_> = list.iter().map(|one| (one.conversation_id.clone(), one.unread_count)).collect();
    assert_eq!(shown, [(c2c("bob"), 3), (group("club"), 30)]);
    assert_eq!(list[0].draft_text.as_deref(), Some("a draft"));
    assert_eq!(text(list[0].last_message.as_ref().unwrap()), "an answer");
    assert_eq!(alice.total_unread().await, 33);
    for source in [HistorySource::Local, HistorySource::Cloud] {
        let history = alice.history(&c2c("bob"), source).await.unwrap();
        assert_eq!(texts(&history), ["1", "2", "3", "an answer"], "{source:?}");
    }
    let refused = alice.send_text(&c2c("bob"), "not yet").await.expect_err("nobody is logged in");
    assert_eq!(refused.code().0, 6014);
    assert!(alice.heard.messages().is_empty(), "nothing of it is news");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draft_is_kept_and_cleared_on_its_device() {
    let alice = device_with_past().await;
    alice.client.init_local_storage("alice".to_owned()).await.unwrap();
    let conversations = alice.client.conversations();
    conversations.set_conversation_draft(c2c("bob"), None).await.unwrap();
    assert_eq!(alice.conversation(&c2c("bob")).await.unwrap().draft_text, None);
    conversations.set_conversation_draft(group("club"), Some("鸿雁".to_owned())).await.unwrap();
    let again = alice.reopen().await;
    again.client.init_local_storage("alice".to_owned()).await.unwrap();
    assert_eq!(again.conversation(&group("club")).await.unwrap().draft_text.as_deref(), Some("鸿雁"));
}

#[tokio::test(flavor = "multi_thread")]
async fn history_is_read_both_ways_from_any_place() {
    let server = TestServer::start().await;
    let alice = server.device("alice").login().await;
    let mut bob = server.wire("bob").await;
    let sent = bob.send_texts(&to_user("alice"), numbered(50)).await;
    alice.heard.wait_for_texts(50).await;
    let fresh = server.device("alice").on(Platform::Mac).login().await;
    for device in [&alice, &fresh] {
        let page = |direction, id: Option<String>, seq: Option<i64>| {
            let place = HistoryOption {
                direction,
                count: 10,
                last_message_id: id,
                last_message_seq: seq,
                ..newest(&c2c("bob"))
            };
            async move { device.page(place).await.unwrap() }
        };
        let end = page(HistoryDirection::Older, None, None).await;
        assert_eq!(texts_of(&end.messages), numbered(50).into_iter().rev().take(10).collect::<Vec<_>>());
        assert!(!end.is_finished);
        let last = end.messages.last().unwrap().message_id.clone();
        let before = page(HistoryDirection::Older, Some(last.clone()), None).await;
        assert_eq!(texts_of(&before.messages)[0], "40", "the message named is not part of the page");
        let after = page(HistoryDirection::Newer, Some(last), None).await;
        assert_eq!(texts_of(&after.messages), numbered(50)[41..], "newer messages come oldest first");
        assert!(after.is_finished);
        let from = page(HistoryDirection::Older, None, Some(sent[4].seq.get())).await;
        assert_eq!(texts_of(&from.messages), ["5", "4", "3", "2", "1"], "the sequence named is part of the page");
        assert!(from.is_finished);
        let start = page(HistoryDirection::Newer, None, None).await;
        assert_eq!(texts_of(&start.messages), numbered(10));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_store_serves_one_client_at_a_time() {
    let server = TestServer::start().await;
    let first = server.device("alice").login().await;
    let second = server.device("alice").in_folder_of(&first).open();
    let refused = second.client.init_local_storage("alice".to_owned()).await.expect_err("the store is in use");
    assert!(!refused.is_retryable() && !refused.detail().is_empty(), "{refused}");
    let other_user = server.device("bob").in_folder_of(&first).login().await;
    other_user.sends(&c2c("alice"), "same folder, other user").await;
    assert_eq!(first.heard.wait_for_texts(1).await, ["same folder, other user"]);
    first.close().await;
    second.login().await.expect("it is free again");
    assert_eq!(second.unread(&c2c("bob")).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_no_database_is_set_aside_and_built_again() {
    let server = TestServer::start().await;
    let device = server.device("alice").login().await;
    let mut bob = server.wire("bob").await;
    bob.send_texts(&to_user("alice"), numbered(5)).await;
    device.heard.wait_for_texts(5).await;
    device.close().await;
    let mut spoilt = 0;
    let mut folders = vec![device.folder().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if std::fs::read(&path).unwrap().starts_with(b"SQLite format 3") {
                std::fs::write(&path, vec![0x55; 20_000]).unwrap();
                spoilt += 1;
            }
        }
    }
    assert!(spoilt > 0, "the store was found");
    let again = device.reopen().await;
    again.login().await.expect("it starts with an empty store");
    assert_eq!(texts(&again.cloud_history(&c2c("bob")).await), numbered(5));
    assert_eq!(again.unread(&c2c("bob")).await, 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_server_history_with_something_missing_is_read_to_its_end() {
    let mut server = TestServer::start().await;
    let alice = server.device("alice").login().await;
    let mut bob = server.wire("bob").await;
    bob.send_texts(&to_user("alice"), numbered(10)).await;
    alice.heard.wait_for_texts(10).await;
    alice.close().await;
    // More than is fetched after an absence.
    bob.send_texts(&to_user("alice"), (11..=300).map(|number| number.to_string())).await;
    let alice = alice.reopen().await;
    alice.login().await.unwrap();
    alice.heard.wait_for_texts(100).await;
    alice.close().await;
    server.stop().await;
    let alice = alice.reopen().await;
    alice.client.init_local_storage("alice".to_owned()).await.unwrap();
    let (mut read, mut last) = (Vec::new(), None);
    let pages = loop {
        let option = HistoryOption { last_message_id: last.clone(), count: 20, ..newest(&c2c("bob")) };
        let page = alice.page(option).await.unwrap();
        let ended = page.is_finished;
        assert!(ended || !page.messages.is_empty(), "an empty page is the end");
        last = page.messages.last().map(|message| message.message_id.clone()).or(last);
        read.push(texts_of(&page.messages).into_iter().map(|text| text.parse::<i64>().unwrap()).collect::<Vec<_>>());
        if ended {
            break read;
        }
    };
    let all: Vec<i64> = pages.concat();
    assert_eq!((all.first(), all.last()), (Some(&300), Some(&1)));
    assert!(all.len() < 300, "something is missing");
    for page in pages {
        assert!(page.windows(2).all(|pair| pair[0] == pair[1] + 1), "a page leaves nothing out: {page:?}");
    }
}
