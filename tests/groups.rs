// SPDX-License-Identifier: Apache-2.0
//! Membership decides what is seen of a group's log, and it is checked where the log is written.

use hongyan::message::HistorySource;
use hongyan_protocol::group::{InviteToGroup, QuitGroup};
use hongyan_protocol::message::{GetMessages, Page};

use crate::harness::device::newest;
use crate::harness::server::TestServer;
use crate::harness::view::{group, texts};
use crate::harness::wait::eventually;
use crate::harness::wire::{Wire, text_of, to_group};

async fn quit(member: &mut Wire, group_id: &str) {
    member.call(&QuitGroup { group_id: group_id.parse().unwrap() }).await.expect("a member may leave");
}

async fn invite(member: &mut Wire, group_id: &str, user: &str) {
    let invite = InviteToGroup { group_id: group_id.parse().unwrap(), users: vec![user.parse().unwrap()] };
    member.call(&invite).await.expect("a member may invite");
}

/// The texts that a user may see of a group, without tips.
async fn seen_by(member: &mut Wire, group_id: &str) -> Vec<String> {
    let history = member.history(&to_group(group_id)).await;
    history.iter().map(|message| text_of(&message.body).to_owned()).filter(|text| !text.is_empty()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_left_and_came_back_does_not_see_what_was_between() {
    let server = TestServer::start().await;
    let (mut alice, mut carol) = (server.wire("alice").await, server.wire("carol").await);
    let bob = server.device("bob").login().await;
    alice.create_group("club", &["bob", "carol"]).await;
    alice.send_text(&to_group("club"), "before").await.unwrap();
    bob.heard.wait_for_texts(1).await;
    bob.client.groups().quit_group("club".to_owned()).await.unwrap();
    for text in ["between 1", "between 2"] {
        alice.send_text(&to_group("club"), text).await.unwrap();
    }
    let refused = bob.send_text(&group("club"), "from outside").await.expect_err("bob left");
    assert_eq!(refused.code().0, 10007);
    invite(&mut carol, "club", "bob").await;
    alice.send_text(&to_group("club"), "after").await.unwrap();

    assert_eq!(bob.heard.wait_for_texts(2).await, ["before", "after"], "nothing between was heard");
    let shown = |lines: Vec<_>| {
        texts(&lines).into_iter().filter(|text| !text.is_empty()).map(str::to_owned).collect::<Vec<_>>()
    };
    let history = shown(bob.cloud_history(&group("club")).await);
    assert!(!history.iter().any(|text| text.starts_with("between")), "{history:?}");
    assert!(history.ends_with(&["after".to_owned()]), "{history:?}");
    assert_eq!(bob.unread(&group("club")).await, 1, "what was between is not unread");
    let mut raw = Wire::login(server.addr(), server.app(), "bob").await;
    assert_eq!(seen_by(&mut raw, "club").await, ["after"], "the server shows only what came since");
    assert_eq!(seen_by(&mut carol, "club").await, ["before", "between 1", "between 2", "after"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_left_keeps_what_they_have_and_gets_nothing_more() {
    let server = TestServer::start().await;
    let mut alice = server.wire("alice").await;
    let bob = server.device("bob").login().await;
    alice.create_group("club", &["bob"]).await;
    alice.send_texts(&to_group("club"), ["1".to_owned(), "2".to_owned()]).await;
    bob.heard.wait_for_texts(2).await;
    let mut raw = Wire::login(server.addr(), server.app(), "bob").await;
    quit(&mut raw, "club").await;
    alice.send_text(&to_group("club"), "after").await.unwrap();
    alice.send_text(&crate::harness::wire::to_user("bob"), "a word aside").await.unwrap();
    assert_eq!(bob.heard.wait_for_texts(3).await, ["1", "2", "a word aside"]);
    let local = bob.history(&group("club"), HistorySource::Local).await.unwrap();
    assert!(texts(&local).contains(&"2") && !texts(&local).contains(&"after"), "{local:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_not_a_member_is_refused_and_learns_nothing() {
    let server = TestServer::start().await;
    let (mut alice, mut eve) = (server.wire("alice").await, server.wire("eve").await);
    let _bob = server.wire("bob").await;
    alice.create_group("club", &["bob"]).await;
    alice.send_text(&to_group("club"), "secret").await.unwrap();
    let refused = eve.send_text(&to_group("club"), "let me in").await.expect_err("eve is not a member");
    assert_eq!(refused.code.0, 10007);
    let read = GetMessages { of: to_group("club"), page: Page::Before(None), limit: 10 };
    assert_eq!(eve.call(&read).await.expect_err("eve is not a member").code.0, 10007);
    let invite_self = InviteToGroup { group_id: "club".parse().unwrap(), users: vec!["eve".parse().unwrap()] };
    assert_eq!(eve.call(&invite_self).await.expect_err("eve is not a member").code.0, 10007);
    let leave = QuitGroup { group_id: "club".parse().unwrap() };
    assert_eq!(eve.call(&leave).await.expect_err("eve is not a member").code.0, 10007);
    assert_eq!(eve.send_text(&to_group("no such"), "hello").await.expect_err("there is none").code.0, 10010);
    assert_eq!(seen_by(&mut alice, "club").await, ["secret"], "nothing changed");
    assert!(eve.pushes_so_far().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_appears_with_all_members_and_its_first_message_is_the_tip() {
    let server = TestServer::start().await;
    let bob = server.device("bob").login().await;
    let alice = server.device("alice").login().await;
    let group_id = alice.create_group(None, "the club", &["bob"]).await.unwrap();
    assert!(group_id.starts_with("@TGS#"), "the server made the id {group_id}");
    for device in [&alice, &bob] {
        let shown = eventually("the group under its name", async || {
            let shown = device.conversation(&group(&group_id)).await.map_err(|error| error.to_string())?;
            if shown.show_name == "the club" { Ok(shown) } else { Err(shown.show_name) }
        });
        assert_eq!(shown.await.unread_count, 0, "a tip does not count");
    }
    alice.sends(&group(&group_id), "welcome").await;
    assert_eq!(bob.heard.wait_for_texts(1).await, ["welcome"]);
    let history = bob.cloud_history(&group(&group_id)).await;
    assert_eq!(texts(&history), ["", "welcome"]);
    assert_eq!(history, alice.cloud_history(&group(&group_id)).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_held_of_a_group_is_read_after_leaving_it() {
    let server = TestServer::start().await;
    let mut alice = server.wire("alice").await;
    let _bob = server.wire("bob").await;
    alice.create_group("club", &["bob"]).await;
    let sent = (1..=300).map(|number| number.to_string());
    alice.send_texts(&to_group("club"), sent).await;
    let bob = server.device("bob").login().await;
    let held = bob.page(newest(&group("club"))).await.unwrap().messages;
    bob.client.groups().quit_group("club".to_owned()).await.unwrap();
    let all = bob.cloud_history(&group("club")).await;
    assert!(all.len() >= held.len() && all.len() < 300, "what is held, and no more: {}", all.len());
    let eve = server.device("eve").login().await;
    let refused = eve.page(newest(&group("club"))).await.expect_err("eve has nothing of it");
    assert_eq!(refused.code().0, 10007);
}
