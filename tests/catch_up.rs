// SPDX-License-Identifier: Apache-2.0
//! No gap survives: what was missed is noticed and arrives, however it was missed.

use std::collections::BTreeSet;
use std::time::Duration;

use hongyan::Platform;
use hongyan::conversation::Conversation;
use hongyan_protocol::account::SetSelfInfo;
use hongyan_protocol::group::QuitGroup;
use hongyan_protocol::ids::InstanceId;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection};

use crate::harness::device::{Device, newest};
use crate::harness::proxy::Proxy;
use crate::harness::recorder::Heard;
use crate::harness::server::TestServer;
use crate::harness::view::{assert_dense, c2c, group, stored_line, text, texts, texts_of};
use crate::harness::wait::eventually;
use crate::harness::wire::{to_group, to_user};
use crate::search::found_in;

/// Of what was missed, so many of one conversation are reported, the newest.
const REPORTED_PER_CONVERSATION_MAX: usize = 200;

/// Of what was missed, so many are reported in all, newest conversations first.
const REPORTED_MAX: usize = 1000;

/// How often a client in the foreground asks whether it missed something.
const HEARTBEAT: Duration = Duration::from_secs(30);

/// The embedded store's file in a server's folder.
const STORE_FILE: &str = "hongyan.db";

fn numbered(count: usize) -> Vec<String> {
    (1..=count).map(|number| number.to_string()).collect()
}

/// Lets a device back to its server and waits until it is up to date.
async fn reconnect(device: &Device, proxy: &Proxy) {
    let seen = device.heard.count();
    proxy.heal();
    device.client.network_changed();
    device.synced_after(seen).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn five_hundred_missed_messages_are_there_after_a_reconnect() {
    const MISSED: usize = 500;
    let server = TestServer::start().await;
    let proxy = server.proxy().await;
    let bob = server.device("bob").through(&proxy).login().await;
    proxy.disconnect().await;
    let mut alice = server.wire("alice").await;
    alice.send_texts(&to_user("bob"), numbered(MISSED)).await;
    reconnect(&bob, &proxy).await;

    assert_eq!(bob.unread(&c2c("alice")).await, 500);
    let reported = bob.heard.wait_for_messages(REPORTED_PER_CONVERSATION_MAX).await;
    assert_eq!(texts_of(&reported), numbered(MISSED)[MISSED - REPORTED_PER_CONVERSATION_MAX..], "the newest, in order");
    let history = bob.cloud_history(&c2c("alice")).await;
    assert_eq!(texts(&history), numbered(MISSED));
    assert_dense(&history);
    alice.send_text(&to_user("bob"), "after").await.unwrap();
    let all = bob.heard.wait_for_messages(REPORTED_PER_CONVERSATION_MAX + 1).await;
    assert_eq!(text(all.last().unwrap()), "after", "and what comes later follows");
}

#[tokio::test(flavor = "multi_thread")]
async fn five_thousand_missed_messages_are_there_after_a_reconnect() {
    const SENDERS: usize = 10;
    const PER_SENDER: usize = 500;
    let server = TestServer::start().await;
    let proxy = server.proxy().await;
    let bob = server.device("bob").through(&proxy).login().await;
    proxy.disconnect().await;
    let mut senders = Vec::new();
    for number in 0..SENDERS {
        let name = format!("sender{number}");
        let mut sender = server.wire(&name).await;
        sender.send_texts(&to_user("bob"), numbered(PER_SENDER)).await;
        senders.push(name);
    }
    reconnect(&bob, &proxy).await;

    assert_eq!(bob.total_unread().await, 5_000);
    let listed: Vec<_> =
        bob.conversations().await.into_iter().map(|one| (one.conversation_id, one.unread_count)).collect();
    let expected: Vec<_> = senders.iter().rev().map(|name| (c2c(name), 500)).collect();
    assert_eq!(listed, expected, "the latest conversation stands first");
    for name in &senders {
        let history = bob.cloud_history(&c2c(name)).await;
        assert_eq!(texts(&history), numbered(PER_SENDER));
        assert_dense(&history);
    }
    let reported = bob.heard.wait_for_messages(REPORTED_MAX).await;
    assert_eq!(reported.len(), REPORTED_MAX, "no more than the cap");
    for name in &senders[SENDERS - REPORTED_MAX / REPORTED_PER_CONVERSATION_MAX..] {
        let of_sender: Vec<_> = reported.iter().filter(|message| message.sender == *name).map(text).collect();
        assert_eq!(of_sender, numbered(PER_SENDER)[PER_SENDER - REPORTED_PER_CONVERSATION_MAX..], "of {name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_push_is_noticed_within_a_heartbeat() {
    let server = TestServer::start().await;
    let proxy = server.proxy().await;
    let bob = server.device("bob").through(&proxy).login().await;
    let mut alice = server.wire("alice").await;
    proxy.drop_push("message");
    alice.send_text(&to_user("bob"), "lost on the way").await.unwrap();
    proxy.wait_for("the loss", |seen| seen.strikes == 1).await;
    bob.clock.advance(HEARTBEAT);
    assert_eq!(texts_of(&bob.heard.wait_for_messages(1).await), ["lost on the way"]);
    assert_eq!(bob.unread(&c2c("alice")).await, 1);
    assert_eq!(proxy.seen().connections, 1, "on the same connection");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_hole_is_filled_before_what_follows_it_is_delivered() {
    const LOST: usize = 150;
    let server = TestServer::start().await;
    let proxy = server.proxy().await;
    let bob = server.device("bob").through(&proxy).login().await;
    let mut alice = server.wire("alice").await;
    alice.send_text(&to_user("bob"), "1").await.unwrap();
    bob.heard.wait_for_messages(1).await;
    for _ in 0..LOST {
        proxy.drop_push("message");
    }
    alice.send_texts(&to_user("bob"), numbered(LOST + 2).split_off(1)).await;
    assert_eq!(texts_of(&bob.heard.wait_for_messages(LOST + 2).await), numbered(LOST + 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_hole_is_passed_over_and_filled_when_somebody_reads_there() {
    const LOST: usize = 300;
    let server = TestServer::start().await;
    let proxy = server.proxy().await;
    let bob = server.device("bob").through(&proxy).login().await;
    let mut alice = server.wire("alice").await;
    alice.send_text(&to_user("bob"), "1").await.unwrap();
    bob.heard.wait_for_messages(1).await;
    for _ in 0..LOST {
        proxy.drop_push("message");
    }
    alice.send_texts(&to_user("bob"), numbered(LOST + 2).split_off(1)).await;
    let heard = bob.heard.wait_for("the newest", |_| {
        let heard = texts_of(&bob.heard.messages());
        (heard.last().map(String::as_str) == Some("302")).then_some(heard)
    });
    let heard: Vec<usize> = heard.await.iter().map(|number| number.parse().unwrap()).collect();
    assert!(heard.is_sorted(), "what was heard was heard in order: {heard:?}");
    let history = bob.cloud_history(&c2c("alice")).await;
    assert_eq!(texts(&history), numbered(LOST + 2));
    assert_dense(&history);
    assert_eq!(bob.unread(&c2c("alice")).await, 302);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fresh_install_shows_everything_and_reports_none_of_it_as_new() {
    let server = TestServer::start().await;
    let old = server.device("bob").login().await;
    let mut alice = server.wire("alice").await;
    alice.create_group("club", &["bob"]).await;
    alice.send_texts(&to_group("club"), numbered(30)).await;
    alice.send_texts(&to_user("bob"), numbered(120)).await;
    old.heard.wait_for_texts(150).await;
    old.mark_read(&group("club")).await.unwrap();
    alice.send_texts(&to_group("club"), numbered(3)).await;
    old.heard.wait_for_texts(153).await;

    let new = server.device("bob").on(Platform::Ipad).login().await;
    assert_eq!(new.unread(&c2c("alice")).await, 120);
    assert_eq!(new.unread(&group("club")).await, 3);
    assert_eq!(new.total_unread().await, 123);
    for id in [c2c("alice"), group("club")] {
        assert_eq!(new.cloud_history(&id).await, old.cloud_history(&id).await);
    }
    let order = |list: Vec<Conversation>| list.into_iter().map(|one| one.conversation_id).collect::<Vec<_>>();
    assert_eq!(order(new.conversations().await), order(old.conversations().await));
    assert_eq!(texts_of(&new.heard.messages()), [""; 0], "history is not news");
    alice.send_text(&to_user("bob"), "news").await.unwrap();
    assert_eq!(new.heard.wait_for_texts(1).await, ["news"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_list_of_conversations_is_whole_and_in_order() {
    const PEERS: usize = 130;
    let server = TestServer::start().await;
    let before = server.device("bob").login().await;
    let mut expected = Vec::new();
    for number in 0..PEERS {
        let name = format!("peer{number}");
        server.wire(&name).await.send_text(&to_user("bob"), "hello").await.unwrap();
        expected.insert(0, c2c(&name));
    }
    before.heard.wait_for_texts(PEERS).await;
    let fresh = server.device("bob").on(Platform::Ipad).login().await;
    for device in [&before, &fresh] {
        let listed: Vec<_> = device.conversations().await.into_iter().map(|one| one.conversation_id).collect();
        assert_eq!(listed.len(), PEERS);
        let order = device.conversations().await.into_iter().map(|one| (one.order_key, one.conversation_id));
        assert!(order.is_sorted_by(|one, next| (next.0, &one.1) <= (one.0, &next.1)), "newest first, then by id");
        assert_eq!(listed.iter().collect::<BTreeSet<_>>(), expected.iter().collect::<BTreeSet<_>>());
        assert_eq!(device.total_unread().await, 130);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changed_beside_messages_arrives_too() {
    let server = TestServer::start().await;
    let proxy = server.proxy().await;
    let bob = server.device("bob").through(&proxy).login().await;
    let mut alice = server.wire("alice").await;
    alice.create_group("left", &["bob"]).await;
    bob.sends(&c2c("alice"), "have you read this?").await;
    alice.send_text(&to_user("bob"), "yes").await.unwrap();
    bob.heard.wait_for_texts(1).await;
    assert_eq!(bob.unread(&c2c("alice")).await, 1);
    proxy.disconnect().await;

    let mut elsewhere = server.wire("bob").await;
    alice.mark_all_read(&to_user("bob")).await;
    elsewhere.mark_all_read(&to_user("alice")).await;
    elsewhere.call(&SetSelfInfo { nick: Some("Bobby".to_owned()), face_url: None }).await.unwrap();
    elsewhere.call(&QuitGroup { group_id: "left".parse().unwrap() }).await.unwrap();
    alice.create_group("joined", &["bob"]).await;
    reconnect(&bob, &proxy).await;

    assert_eq!(bob.unread(&c2c("alice")).await, 0, "the own read position followed");
    let history = bob.page(newest(&c2c("alice"))).await.unwrap();
    assert!(
        history.messages.iter().filter(|message| message.is_self).all(|message| message.is_peer_read),
        "so did the peer's"
    );
    bob.heard
        .wait_for_one("the profile", |heard| matches!(heard, Heard::SelfInfo(info) if info.nick_name == "Bobby"))
        .await;
    assert!(bob.conversation(&group("joined")).await.is_ok());
    let refused = bob.send_text(&group("left"), "still here?").await.expect_err("it left");
    assert_eq!(refused.code().0, 10007);
}

/// Puts an empty store in a stopped server's place, with the same apps and keys: its operator lost everything else.
async fn wipe(server: &TestServer) {
    if let Some(database) = server.home().database() {
        let instance = format!("update instance set id = '{}', secret = 'another'", InstanceId::generate());
        let tables =
            "truncate account, login_slot, log, conversation, log_change, message, group_info restart identity";
        return database.run(&[tables, &instance]).await;
    }
    let mut empty = TestServer::start().await;
    empty.stop().await;
    let options = SqliteConnectOptions::new().filename(empty.folder().join(STORE_FILE));
    let mut store = options.connect().await.unwrap();
    sqlx::query("attach $1 as lost").bind(server.folder().join(STORE_FILE).to_str()).execute(&mut store).await.unwrap();
    for query in ["delete from app", "insert into app select * from lost.app", "detach lost"] {
        sqlx::query(query).execute(&mut store).await.unwrap();
    }
    store.close().await.unwrap();
    server.home().restore(empty.home()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wiped_server_is_noticed() {
    let mut server = TestServer::start().await;
    let proxy = server.proxy().await;
    let alice = server.device("alice").through(&proxy).login().await;
    let bob = server.device("bob").login().await;
    for text in numbered(5) {
        alice.sends(&c2c("bob"), &text).await;
    }
    bob.heard.wait_for_texts(5).await;
    bob.client.conversations().set_conversation_draft(c2c("alice"), Some("a draft".to_owned())).await.unwrap();
    assert_eq!(found_in(&bob, &c2c("alice"), &["3"]).await, ["3"]);
    proxy.disconnect().await;
    let queued = alice.queue_text(&c2c("bob"), "kept in the outbox").await;
    server.stop().await;
    wipe(&server).await;
    let seen = bob.heard.count();
    server.start_again().await;

    bob.synced_after(seen).await;
    assert_eq!(bob.total_unread().await, 0, "what is gone is not unread");
    let kept = bob.conversation(&c2c("alice")).await.unwrap();
    assert_eq!((kept.draft_text.as_deref(), kept.last_message), (Some("a draft"), None));
    assert_eq!(found_in(&bob, &c2c("alice"), &["1", "2", "3"]).await, [""; 0], "what is gone is not found");
    proxy.heal();
    alice.client.network_changed();
    assert_eq!(queued.end().await.unwrap().seq, 1, "the new log begins at its beginning");
    assert_eq!(bob.heard.wait_for_texts(6).await[5], "kept in the outbox");
    for (device, peer) in [(&alice, "bob"), (&bob, "alice")] {
        assert_eq!(texts(&device.cloud_history(&c2c(peer)).await), ["kept in the outbox"]);
        assert_eq!(found_in(device, &c2c(peer), &["3", "outbox"]).await, ["kept in the outbox"]);
    }
    assert_eq!(bob.unread(&c2c("alice")).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_restored_from_a_copy_is_noticed() {
    let mut server = TestServer::start().await;
    let bob = server.device("bob").login().await;
    let alice = server.device("alice").login().await;
    for text in numbered(5) {
        alice.sends(&c2c("bob"), &text).await;
    }
    server.stop().await;
    let copy = server.home().copy().await;
    server.start_again().await;
    for text in ["lost 6", "lost 7", "lost 8"] {
        alice.sends(&c2c("bob"), text).await;
    }
    bob.heard.wait_for_texts(8).await;
    bob.client.conversations().set_conversation_draft(c2c("alice"), Some("a draft".to_owned())).await.unwrap();
    server.stop().await;
    server.home().restore(&copy).await;
    server.start_again().await;

    for device in [&alice, &bob] {
        let peer = if device.user() == "alice" { "bob" } else { "alice" };
        eventually("the truth of the restored server", async || {
            let history = device.cloud_history(&c2c(peer)).await;
            if texts(&history) == numbered(5) { Ok(()) } else { Err(history) }
        })
        .await;
    }
    assert_eq!(bob.unread(&c2c("alice")).await, 5);
    assert_eq!(bob.conversation(&c2c("alice")).await.unwrap().draft_text.as_deref(), Some("a draft"));
    let seen = texts_of(&bob.heard.messages()).len();
    let sent = alice.sends(&c2c("bob"), "6 again").await;
    assert_eq!(sent.seq, 6);
    assert_eq!(bob.heard.wait_for_texts(seen + 1).await.last().unwrap(), "6 again");
    let mut truth = server.wire("bob").await;
    let log: Vec<_> = truth.history(&to_user("alice")).await.iter().map(stored_line).collect();
    assert_eq!(bob.cloud_history(&c2c("alice")).await, log);
}
