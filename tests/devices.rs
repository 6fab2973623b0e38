// SPDX-License-Identifier: Apache-2.0
//! Several devices of one user: they show the same, and only those of one platform take each other's place.

use hongyan::conversation::Conversation;
use hongyan::{LoginStatus, Platform};

use crate::harness::device::{Device, newest};
use crate::harness::recorder::Heard;
use crate::harness::server::TestServer;
use crate::harness::view::{c2c, group, text, texts, texts_of};
use crate::harness::wait::eventually;
use crate::harness::wire::{to_group, to_user};

/// A phone and a tablet of one user.
async fn two_devices(server: &TestServer, user: &str) -> [Device; 2] {
    [server.device(user).login().await, server.device(user).on(Platform::Ipad).login().await]
}

/// Waits until a device shows so many unread in a conversation.
async fn unread_becomes(device: &Device, conversation: &str, count: i64) {
    eventually(format!("{count} unread in {conversation}"), async || {
        let unread = device.unread(conversation).await;
        if unread == count { Ok(()) } else { Err(unread) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_devices_of_one_user_show_the_same_messages() {
    let server = TestServer::start().await;
    let [phone, pad] = two_devices(&server, "alice").await;
    let bob = server.device("bob").login().await;
    phone.sends(&c2c("bob"), "from the phone").await;
    pad.heard.wait_for_texts(1).await;
    pad.sends(&c2c("bob"), "from the pad").await;
    bob.heard.wait_for_texts(2).await;
    bob.sends(&c2c("alice"), "from bob").await;

    assert_eq!(phone.heard.wait_for_texts(2).await, ["from the pad", "from bob"], "not what was sent from here");
    assert_eq!(pad.heard.wait_for_texts(2).await, ["from the phone", "from bob"]);
    assert!(pad.heard.messages()[0].is_self, "a message of the other device is one's own");
    let expected = ["from the phone", "from the pad", "from bob"];
    for (device, peer) in [(&phone, "bob"), (&pad, "bob"), (&bob, "alice")] {
        assert_eq!(texts(&device.cloud_history(&c2c(peer)).await), expected);
    }
    assert_eq!((phone.unread(&c2c("bob")).await, pad.unread(&c2c("bob")).await), (1, 1));
    assert_eq!(bob.unread(&c2c("alice")).await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn conversations_are_told_of_as_they_appear_and_change() {
    let server = TestServer::start().await;
    let bob = server.device("bob").login().await;
    let alice = server.device("alice").login().await;
    let shows = |all: &[Conversation], words: &str, unread: i64| {
        all.iter().any(|one| {
            let last = one.last_message.as_ref().map(text);
            one.conversation_id == c2c("alice") && last.as_deref() == Some(words) && one.unread_count == unread
        })
    };
    alice.sends(&c2c("bob"), "first").await;
    bob.heard
        .wait_for_one("a new one", |heard| matches!(heard, Heard::ConversationsNew(all) if shows(all, "first", 1)))
        .await;
    alice.sends(&c2c("bob"), "second").await;
    bob.heard
        .wait_for_one(
            "its change",
            |heard| matches!(heard, Heard::ConversationsChanged(all) if shows(all, "second", 2)),
        )
        .await;
    bob.heard.wait_for_one("the total", |heard| matches!(heard, Heard::TotalUnread(2))).await;
    alice.heard.wait_for_one("a new one here", |heard| matches!(heard, Heard::ConversationsNew(_))).await;
    let new = bob.heard.all().iter().filter(|heard| matches!(heard, Heard::ConversationsNew(_))).count();
    assert_eq!(new, 1, "it is new once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_position_follows_the_user_and_reaches_the_peer() {
    let server = TestServer::start().await;
    let [phone, pad] = two_devices(&server, "alice").await;
    let bob = server.device("bob").login().await;
    for text in ["1", "2", "3"] {
        bob.sends(&c2c("alice"), text).await;
    }
    unread_becomes(&phone, &c2c("bob"), 3).await;
    unread_becomes(&pad, &c2c("bob"), 3).await;
    phone.mark_read(&c2c("bob")).await.unwrap();

    assert_eq!(phone.unread(&c2c("bob")).await, 0, "at once where it was read");
    unread_becomes(&pad, &c2c("bob"), 0).await;
    pad.heard.wait_for_one("the total", |heard| matches!(heard, Heard::TotalUnread(0))).await;
    assert_eq!(pad.total_unread().await, 0);
    bob.heard.wait_for_one("a receipt", |heard| matches!(heard, Heard::Receipts(all) if all.iter().any(|one| one.user_id == "alice" && one.seq == 3))).await;
    let shown = bob.page(newest(&c2c("alice"))).await.unwrap().messages;
    assert!(shown.iter().all(|message| message.is_peer_read), "bob sees that all were read");

    bob.sends(&c2c("alice"), "4").await;
    unread_becomes(&phone, &c2c("bob"), 1).await;
    unread_becomes(&pad, &c2c("bob"), 1).await;
    assert!(!bob.page(newest(&c2c("alice"))).await.unwrap().messages[0].is_peer_read);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_position_never_moves_back() {
    let server = TestServer::start().await;
    let alice = server.device("alice").login().await;
    let mut bob = server.wire("bob").await;
    bob.create_group("club", &["alice"]).await;
    let sent = bob.send_texts(&to_group("club"), ["1", "2", "3", "4"].map(str::to_owned)).await;
    unread_becomes(&alice, &group("club"), 4).await;
    let conversations = alice.client.conversations();
    conversations.clean_conversation_unread_message_count(group("club"), 0, sent[2].seq.get()).await.unwrap();
    unread_becomes(&alice, &group("club"), 1).await;
    conversations.clean_conversation_unread_message_count(group("club"), 0, sent[0].seq.get()).await.unwrap();
    assert_eq!(alice.unread(&group("club")).await, 1, "an earlier position changes nothing");
    assert_eq!(alice.conversation(&group("club")).await.unwrap().group_read_sequence, sent[2].seq.get());
    conversations.clean_conversation_unread_message_count(group("club"), 0, 1_000_000).await.unwrap();
    unread_becomes(&alice, &group("club"), 0).await;
    bob.send_text(&to_group("club"), "5").await.unwrap();
    unread_becomes(&alice, &group("club"), 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn marking_all_as_read_reaches_every_conversation_of_its_kind() {
    let server = TestServer::start().await;
    let [phone, pad] = two_devices(&server, "alice").await;
    for name in ["bob", "carol"] {
        let mut peer = server.wire(name).await;
        peer.create_group(&format!("of {name}"), &["alice"]).await;
        peer.send_text(&to_user("alice"), "hello").await.unwrap();
        peer.send_text(&to_group(&format!("of {name}")), "hello").await.unwrap();
    }
    eventually("four unread", async || {
        let total = phone.total_unread().await;
        if total == 4 { Ok(()) } else { Err(total) }
    })
    .await;
    phone.mark_read("c2c").await.unwrap();
    assert_eq!(phone.total_unread().await, 2);
    unread_becomes(&pad, &c2c("carol"), 0).await;
    unread_becomes(&pad, &group("of carol"), 1).await;
    phone.mark_read("").await.unwrap();
    assert_eq!(phone.total_unread().await, 0);
    unread_becomes(&pad, &group("of bob"), 0).await;
    unread_becomes(&pad, &group("of carol"), 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_left_out_of_unread_counts_is_shown_and_not_counted() {
    let server = TestServer::start().await;
    let [phone, pad] = two_devices(&server, "alice").await;
    let bob = server.device("bob").login().await;
    let mut quiet = bob.client.messages().create_text_message("quiet".to_owned()).unwrap();
    quiet.is_excluded_from_unread_count = true;
    bob.client.messages().send_message(quiet, c2c("alice")).await.unwrap();
    bob.sends(&c2c("alice"), "loud").await;
    for device in [&phone, &pad] {
        assert_eq!(device.heard.wait_for_texts(2).await, ["quiet", "loud"]);
        unread_becomes(device, &c2c("bob"), 1).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_on_the_same_platform_takes_the_earlier_ones_place() {
    let server = TestServer::start().await;
    let proxy = server.proxy().await;
    let bob = server.device("bob").login().await;
    let old = server.device("alice").through(&proxy).login().await;
    let new = server.device("alice").login().await;
    old.heard.wait_for_one("the kick", |heard| matches!(heard, Heard::KickedOffline)).await;

    assert_eq!(old.client.login_status(), LoginStatus::NotLoggedIn);
    let refused = old.send_text(&c2c("bob"), "from the old phone").await.expect_err("it is logged out");
    assert_eq!(refused.code().0, 6014);
    old.client.network_changed();
    new.sends(&c2c("bob"), "from the new phone").await;
    assert_eq!(bob.heard.wait_for_texts(1).await, ["from the new phone"]);
    assert_eq!(proxy.seen().connections, 1, "who was kicked does not come back by itself");
    let kicks = old.heard.all().iter().filter(|heard| matches!(heard, Heard::KickedOffline)).count();
    assert_eq!(kicks, 1);

    old.login().await.expect("it may log in again");
    new.heard.wait_for_one("the kick", |heard| matches!(heard, Heard::KickedOffline)).await;
    assert_eq!(texts(&old.cloud_history(&c2c("bob")).await), ["from the new phone"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_on_another_platform_takes_nobodys_place() {
    const PLATFORMS: [Platform; 7] = [
        Platform::Android,
        Platform::Iphone,
        Platform::Ipad,
        Platform::Windows,
        Platform::Mac,
        Platform::Linux,
        Platform::Web,
    ];
    let server = TestServer::start().await;
    let mut devices = Vec::new();
    for platform in PLATFORMS {
        devices.push(server.device("alice").on(platform).login().await);
    }
    let mut bob = server.wire("bob").await;
    bob.send_text(&to_user("alice"), "to all of you").await.unwrap();
    for device in &devices {
        assert_eq!(texts_of(&device.heard.wait_for_messages(1).await), ["to all of you"]);
        assert_eq!(device.client.login_status(), LoginStatus::LoggedIn);
        assert!(!device.heard.all().iter().any(|heard| matches!(heard, Heard::KickedOffline)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_kicked_while_away_is_told_on_the_way_back() {
    let server = TestServer::start().await;
    let proxy = server.proxy().await;
    let old = server.device("alice").through(&proxy).login().await;
    proxy.disconnect().await;
    let _new = server.device("alice").login().await;
    proxy.heal();
    old.client.network_changed();
    old.heard.wait_for_one("the kick", |heard| matches!(heard, Heard::KickedOffline)).await;
    assert_eq!(old.client.login_status(), LoginStatus::NotLoggedIn);
}
