// SPDX-License-Identifier: Apache-2.0
//! What was queued goes out once and in order when it can, or fails with a code at its deadline.

use std::time::Duration;

use hongyan::message::{HistorySource, MessageStatus};

use crate::harness::device::{Device, Queued, newest};
use crate::harness::process::{ClientProcess, queued_text};
use crate::harness::recorder::Heard;
use crate::harness::server::TestServer;
use crate::harness::view::{assert_dense, c2c, group, texts, texts_of};
use crate::harness::wait::eventually;
use crate::harness::wire::{stored_texts, to_user};

fn is_told(heard: &Heard, id: &str, status: MessageStatus) -> bool {
    matches!(heard, Heard::Status(all) if all.iter().any(|one| one.message_id == id && one.status == status))
}

async fn queue(device: &Device, conversation: &str, words: &[&str]) -> Vec<Queued> {
    let mut queued = Vec::new();
    for word in words {
        queued.push(device.queue_text(conversation, word).await);
    }
    queued
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_queued_without_a_network_goes_out_in_order_when_it_is_back() {
    const WORDS: [&str; 5] = ["one", "two", "three", "four", "five"];
    let server = TestServer::start().await;
    let proxy = server.proxy().await;
    let bob = server.device("bob").login().await;
    let alice = server.device("alice").through(&proxy).login().await;
    proxy.disconnect().await;
    let queued = queue(&alice, &c2c("bob"), &WORDS).await;
    let waiting = alice.page(newest(&c2c("bob"))).await.unwrap().messages;
    assert_eq!(texts_of(&waiting), WORDS.iter().rev().copied().collect::<Vec<_>>(), "they are shown at once");
    assert!(waiting.iter().all(|message| message.status == MessageStatus::Sending && message.seq == 0));
    proxy.heal();
    alice.client.network_changed();
    for (index, send) in queued.into_iter().enumerate() {
        assert_eq!(send.end().await.unwrap().seq, i64::try_from(index).unwrap() + 1);
    }
    assert_eq!(bob.heard.wait_for_texts(WORDS.len()).await, WORDS);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_could_not_go_out_fails_at_its_deadline_and_goes_out_when_sent_again() {
    let server = TestServer::start().await;
    let proxy = server.proxy().await;
    let bob = server.device("bob").login().await;
    let alice = server.device("alice").through(&proxy).login().await;
    proxy.disconnect().await;
    let queued = alice.queue_text(&c2c("bob"), "late").await;
    let id = queued.id.clone();
    alice.heard.wait_for_one("that it waits", |heard| is_told(heard, &id, MessageStatus::Sending)).await;
    let ending = tokio::spawn(queued.end());
    eventually("the end of the send", async || {
        alice.clock.advance(Duration::from_secs(10));
        if ending.is_finished() { Ok(()) } else { Err("it still waits") }
    })
    .await;
    let error = ending.await.unwrap().expect_err("there was no network");
    assert!([6012, 9508].contains(&error.code().0), "{error}");
    alice.heard.wait_for_one("the failure", |heard| matches!(heard, Heard::Status(all) if all.iter().any(|one| one.message_id == id && one.status == MessageStatus::Failed && one.failure.is_some()))).await;
    let kept = alice.client.messages().find_messages(vec![id.clone()]).await.unwrap();
    assert_eq!((kept.len(), kept[0].status), (1, MessageStatus::Failed), "it is kept");

    proxy.heal();
    alice.client.network_changed();
    let sent = alice.client.messages().resend_message(id.clone()).await.unwrap();
    assert_eq!((sent.message_id, sent.status), (id, MessageStatus::Sent), "under its own id");
    assert_eq!(bob.heard.wait_for_texts(1).await, ["late"]);
    assert_eq!(texts(&alice.cloud_history(&c2c("bob")).await), ["late"], "it is there once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_message_that_the_server_has_after_all_is_sent() {
    let server = TestServer::start().await;
    let proxy = server.proxy().await;
    let mut bob = server.wire("bob").await;
    let alice = server.device("alice").through(&proxy).login().await;
    proxy.lose_answer("send_message", 1);
    let queued = alice.queue_text(&c2c("bob"), "it came through").await;
    bob.next_message().await;
    proxy.disconnect().await;
    let id = queued.id.clone();
    let ending = tokio::spawn(queued.end());
    eventually("the end of the send", async || {
        alice.clock.advance(Duration::from_secs(10));
        if ending.is_finished() { Ok(()) } else { Err("it still waits") }
    })
    .await;
    // It may have gone out again before the network went; then there is nothing to find out.
    let _ = ending.await.unwrap();
    proxy.heal();
    alice.client.network_changed();
    eventually("the truth about the message", async || {
        let found = alice.client.messages().find_messages(vec![id.clone()]).await.unwrap().remove(0);
        if (found.status, found.seq) == (MessageStatus::Sent, 1) { Ok(()) } else { Err(found) }
    })
    .await;
    assert_eq!(texts(&alice.cloud_history(&c2c("bob")).await), ["it came through"]);
    assert_eq!(stored_texts(&bob.history(&to_user("alice")).await).collect::<Vec<_>>(), ["it came through"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_killed_with_messages_in_its_outbox_sends_them_once_and_in_order() {
    const COUNT: usize = 40;
    let server = TestServer::start().await;
    let proxy = server.proxy().await;
    let bob = server.device("bob").login().await;
    let alice = server.device("alice").through(&proxy).login().await;
    alice.close().await;
    let mut killed = ClientProcess::start(&alice, &server.app().sign("alice")).await;
    // What it sends stands on the way while it dies, and some of it arrives afterwards.
    proxy.stall();
    killed.queue_texts(&c2c("bob"), COUNT).await;
    killed.kill();
    proxy.heal();
    let alice = alice.reopen().await;
    alice.client.init_local_storage("alice".to_owned()).await.unwrap();
    let kept = alice.history(&c2c("bob"), HistorySource::Local).await.unwrap();
    let expected: Vec<String> = (0..COUNT).map(queued_text).collect();
    assert_eq!(texts(&kept), expected, "nothing was lost with the process");
    alice.login().await.unwrap();

    assert_eq!(bob.heard.wait_for_texts(COUNT).await, expected);
    eventually("all sent", async || {
        let history = alice.cloud_history(&c2c("bob")).await;
        if history.iter().all(|line| line.seq > 0) { Ok(()) } else { Err(history) }
    })
    .await;
    for (device, peer) in [(&alice, "bob"), (&bob, "alice")] {
        let history = device.cloud_history(&c2c(peer)).await;
        assert_eq!(texts(&history), expected);
        assert_dense(&history);
    }
    let told = alice.heard.all().into_iter().filter_map(|heard| match heard {
        Heard::Status(messages) => Some(messages),
        _ => None,
    });
    let sent = told.flatten().filter(|message| message.status == MessageStatus::Sent).count();
    assert!(sent > 0, "the app of now hears what became of the messages of then");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_message_fails_with_the_servers_code_and_holds_up_no_other() {
    let server = TestServer::start().await;
    let bob = server.device("bob").login().await;
    let alice = server.device("alice").login().await;
    let mut queued = Vec::new();
    queued.push((alice.queue_text(&c2c("nobody"), "to nobody").await, 20003));
    queued.push((alice.queue_text(&group("none"), "to no group").await, 10010));
    queued.push((alice.queue_text(&c2c("bob"), "to bob").await, 0));
    for (send, expected) in queued {
        let id = send.id.clone();
        let code = send.end().await.err().map_or(0, |error| error.code().0);
        assert_eq!(code, expected);
        let kept = alice.client.messages().find_messages(vec![id]).await.unwrap().remove(0);
        let status = if expected == 0 { MessageStatus::Sent } else { MessageStatus::Failed };
        assert_eq!((kept.status, kept.failure.unwrap_or(0)), (status, expected));
    }
    assert_eq!(bob.heard.wait_for_texts(1).await, ["to bob"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_no_server_would_take_is_refused_before_it_is_stored() {
    let server = TestServer::start().await;
    let alice = server.device("alice").login().await;
    let messages = alice.client.messages();
    let too_long = messages.create_text_message("x".repeat(12 * 1024 + 1)).expect_err("it is too long");
    assert_eq!(too_long.code().0, 8001);
    assert!(messages.create_text_message("a\0b".to_owned()).is_err());
    let good = messages.create_text_message("hello".to_owned()).unwrap();
    for conversation in ["bob", "c2c_", "group_", "", "c2c_\n"] {
        let refused = messages.send_message(good.clone(), conversation.to_owned()).await;
        assert!(refused.is_err(), "{conversation:?} is no conversation");
    }
    assert!(messages.find_messages(vec![good.message_id]).await.unwrap().is_empty());
    assert!(alice.conversations().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_sent_to_an_unknown_conversation_stands_after_what_was_there() {
    let server = TestServer::start().await;
    let proxy = server.proxy().await;
    let mut bob = server.wire("bob").await;
    let alice = server.device("alice").through(&proxy).login().await;
    proxy.disconnect().await;
    bob.send_texts(&to_user("alice"), ["1", "2", "3"].map(str::to_owned)).await;
    // Two clocks that are read within a millisecond do not say which came first.
    alice.clock.advance(Duration::from_secs(10));
    let ending = tokio::spawn(alice.queue_text(&c2c("bob"), "late").await.end());
    eventually("the end of the send", async || {
        alice.clock.advance(Duration::from_secs(10));
        if ending.is_finished() { Ok(()) } else { Err("it still waits") }
    })
    .await;
    ending.await.unwrap().expect_err("there was no network");
    proxy.heal();
    alice.client.network_changed();
    alice.heard.wait_for_texts(3).await;
    assert_eq!(texts(&alice.cloud_history(&c2c("bob")).await), ["1", "2", "3", "late"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_failed_before_a_conversation_began_stands_before_its_messages() {
    let server = TestServer::start().await;
    let alice = server.device("alice").login().await;
    let too_early = alice.queue_text(&c2c("bob"), "too early").await;
    assert_eq!(too_early.end().await.expect_err("nobody has that name yet").code().0, 20003);
    server.clock().advance(Duration::from_secs(10));
    let mut bob = server.wire("bob").await;
    for text in ["1", "2", "3"] {
        bob.send_texts(&to_user("alice"), [text.to_owned()]).await;
    }
    alice.heard.wait_for_texts(3).await;
    assert_eq!(texts(&alice.cloud_history(&c2c("bob")).await), ["too early", "1", "2", "3"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_kicked_while_sending_is_told_and_the_message_waits_for_the_next_login() {
    let server = TestServer::start().await;
    let proxy = server.proxy().await;
    let bob = server.device("bob").login().await;
    let alice = server.device("alice").through(&proxy).login().await;
    proxy.disconnect().await;
    let queued = alice.queue_text(&c2c("bob"), "waits").await;
    let id = queued.id.clone();
    let other = server.device("alice").login().await;
    proxy.heal();
    alice.client.network_changed();
    assert_eq!(queued.end().await.expect_err("the session is over").code().0, 7009);
    alice.clock.advance(Duration::from_secs(600));
    let found = alice.client.messages().find_messages(vec![id]).await.unwrap().remove(0);
    assert_eq!(found.status, MessageStatus::Sending, "no time runs while nobody is logged in");
    other.close().await;
    alice.login().await.unwrap();
    assert_eq!(bob.heard.wait_for_texts(1).await, ["waits"]);
}
