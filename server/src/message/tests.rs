// SPDX-License-Identifier: Apache-2.0

use std::collections::HashSet;
use std::time::Duration;

use hongyan_protocol::account::SetSelfInfo;
use hongyan_protocol::bytes::Base64Bytes;
use hongyan_protocol::clock::Clock;
use hongyan_protocol::codes::Code;
use hongyan_protocol::ids::{MessageId, SeqRange};
use hongyan_protocol::limits::PACKET_BYTES_MAX;
use hongyan_protocol::message::{
    CustomElement, Element, GroupTips, GroupTipsType, MessageBody, NewMessage, Page, SendMessage,
};

use crate::bus::Hint;
use crate::rooms::Delivered;
use crate::rooms::world::{START_MS, World, events, group, message, seq, text, to_group, to_user, user};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_sends_get_one_dense_order_that_hints_keep() {
    let world = World::open().await;
    let alice = world.user("alice").await;
    let names: Vec<String> = (0..8).map(|number| format!("user{number}")).collect();
    let mut members = Vec::new();
    for name in &names {
        members.push(world.user(name).await);
    }
    world.create_group(&alice, "team", &names.iter().map(String::as_str).collect::<Vec<_>>()).await;
    world.take_hints();
    let mut tickets = Vec::new();
    for round in 0..50 {
        for member in &members {
            let send = message(to_group("team"), &format!("{round}"));
            tickets.push(world.rooms.submit_send(member, world.number(), send).await.unwrap());
        }
    }
    for ticket in tickets {
        assert_eq!(ticket.outcome().await.unwrap(), Delivered::ByHint);
    }
    let seqs: Vec<i64> =
        events::<NewMessage>(&world.take_hints(), &alice.user).iter().map(|event| event.message.seq.get()).collect();
    assert_eq!(seqs, (2..=401).collect::<Vec<_>>());
    let mut after = 0;
    let mut stored = Vec::new();
    while after < 401 {
        let page = world.page(&alice, to_group("team"), Page::After(seq(after)), 200).await.unwrap();
        after = page.covered.to.get();
        stored.extend(page.messages);
    }
    for member in &members {
        // What one session submits keeps its order.
        let words: Vec<_> = stored.iter().filter(|stored| stored.sender == member.user).map(|m| &m.body).collect();
        assert_eq!(words, (0..50).map(|round| text(&round.to_string())).collect::<Vec<_>>().iter().collect::<Vec<_>>());
    }
    assert_eq!(stored.last().unwrap().counted, 400);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_sent_again_changes_nothing_and_gets_the_first_result() {
    let world = World::open().await;
    let (alice, _bob) = (world.user("alice").await, world.user("bob").await);
    let send = message(to_user("bob"), "once");
    let mut tickets = Vec::new();
    for _ in 0..20 {
        tickets.push(world.rooms.submit_send(&alice, world.number(), send.clone()).await.unwrap());
    }
    let mut by_hint = 0;
    let mut replies = HashSet::new();
    for ticket in tickets {
        match ticket.outcome().await.unwrap() {
            Delivered::ByHint => by_hint += 1,
            Delivered::Reply(sent) => {
                replies.insert((sent.seq.get(), sent.server_ms, sent.counted));
            }
        }
    }
    assert_eq!((by_hint, replies), (1, HashSet::from([(1, START_MS, 1)])));
    // Neither a later time nor a restart changes what it is answered.
    let world = world.restart(Clock::frozen(START_MS + 1_000)).await;
    let again = world.send(&alice, send).await.unwrap();
    assert_eq!((again.seq.get(), again.server_ms), (1, START_MS));
    assert!(world.take_hints().is_empty());
    let page = world.page(&alice, to_user("bob"), Page::Before(None), 10).await.unwrap();
    assert_eq!(page.messages.len(), 1);
}

#[tokio::test]
async fn an_id_with_another_body_target_or_sender_is_refused_and_reveals_nothing() {
    let world = World::open().await;
    let (alice, bob) = (world.user("alice").await, world.user("bob").await);
    world.user("carol").await;
    let send = message(to_user("bob"), "first");
    world.send(&alice, send.clone()).await.unwrap();
    let other_body = SendMessage { body: text("second"), ..send.clone() };
    let other_target = SendMessage { to: to_user("carol"), ..send.clone() };
    let to_alice = SendMessage { to: to_user("alice"), ..send.clone() };
    let mut refusals = Vec::new();
    for (caller, send) in [(&alice, other_body), (&alice, other_target), (&bob, to_alice), (&bob, send)] {
        refusals.push(world.send(caller, send).await.unwrap_err().to_wire());
    }
    assert_eq!(refusals[0].code, Code::BAD_PARAMETER);
    assert!(refusals.iter().all(|refusal| *refusal == refusals[0]), "{refusals:?}");
    assert!(!refusals[0].text.contains("first"));
    assert_eq!(world.head(&alice, &to_user("bob")).await.unwrap().max_seq, seq(1));
    assert!(world.head(&alice, &to_user("carol")).await.is_none());
}

#[tokio::test]
async fn an_id_that_is_refused_within_a_batch_opens_no_conversation_with_its_second_target() {
    let world = World::open().await;
    let (alice, _bob, carol) = (world.user("alice").await, world.user("bob").await, world.user("carol").await);
    let first = message(to_user("bob"), "first");
    let second = SendMessage { to: to_user("carol"), ..first.clone() };
    // A send to nobody gets no place, so that its id may still be used.
    let nobody = message(to_user("ghost"), "third");
    let third = SendMessage { to: to_user("bob"), ..nobody.clone() };
    // Held until all four wait, so that they go in one batch.
    let held = world.store().begin().await.unwrap();
    let mut tickets = Vec::new();
    for send in [message(to_user("bob"), "zero"), first, second, nobody, third] {
        tickets.push(world.rooms.submit_send(&alice, world.number(), send).await.unwrap());
        tokio::task::yield_now().await;
    }
    drop(held);
    let mut codes = Vec::new();
    for ticket in tickets {
        codes.push(ticket.outcome().await.map_err(|error| error.code()).err());
    }
    assert_eq!(codes, [None, None, Some(Code::BAD_PARAMETER), Some(Code::MSG_ACCOUNT_NOT_IMPORTED), None]);
    assert!(world.heads(&carol).await.is_empty());
    assert_eq!(world.heads(&alice).await.len(), 1);
}

#[tokio::test]
async fn one_bad_send_of_a_batch_hurts_no_other() {
    let world = World::open().await;
    let (alice, bob) = (world.user("alice").await, world.user("bob").await);
    world.create_group(&bob, "club", &[]).await;
    let mut tickets = Vec::new();
    for to in [to_user("bob"), to_user("ghost"), to_group("club"), to_group("nowhere"), to_user("bob")] {
        tickets.push(world.rooms.submit_send(&alice, world.number(), message(to, "x")).await.unwrap());
    }
    let mut codes = Vec::new();
    for ticket in tickets {
        codes.push(ticket.outcome().await.map_err(|error| error.code()).err());
    }
    let expected =
        [None, Some(Code::MSG_ACCOUNT_NOT_IMPORTED), Some(Code::NO_PERMISSION), Some(Code::GROUP_NOT_FOUND), None];
    assert_eq!(codes, expected);
    assert_eq!(world.head(&bob, &to_user("alice")).await.unwrap().max_seq, seq(2));
}

#[tokio::test]
async fn a_body_that_the_protocol_does_not_allow_is_answered_with_its_code() {
    let world = World::open().await;
    let (alice, bob) = (world.user("alice").await, world.user("bob").await);
    let tips = GroupTips {
        group_id: group("g"),
        tips: GroupTipsType::Quit,
        operator: user("bob"),
        members: vec![],
        member_count: 0,
    };
    let custom = CustomElement { data: Base64Bytes(vec![0; 12 * 1024]), description: "x".into(), extension: "".into() };
    let nul = CustomElement { data: Base64Bytes(vec![0]), description: "\0".into(), extension: String::new() };
    let one = |element| MessageBody { elements: vec![element], ..MessageBody::default() };
    for (body, code) in [
        (MessageBody::default(), Code::BAD_PARAMETER),
        (MessageBody { elements: vec![text("x").elements[0].clone(); 33], ..text("") }, Code::BAD_PARAMETER),
        (text("a\0b"), Code::BAD_PARAMETER),
        (text(&"x".repeat(12 * 1024 + 1)), Code::SERVER_MESSAGE_TOO_LONG),
        (one(Element::Custom(custom)), Code::SERVER_MESSAGE_TOO_LONG),
        (one(Element::Custom(nul)), Code::BAD_PARAMETER),
        (one(Element::GroupTips(tips)), Code::BAD_PARAMETER),
        (one(Element::Unknown(serde_json::json!({"type": "hologram"}))), Code::BAD_PARAMETER),
    ] {
        let send = SendMessage { id: MessageId::generate(), to: to_user("bob"), body };
        assert_eq!(world.send(&alice, send).await.unwrap_err().code(), code);
    }
    assert!(world.heads(&bob).await.is_empty());
    world.say(&alice, to_user("bob"), &"雁".repeat(4 * 1024)).await;
}

#[tokio::test]
async fn time_within_a_log_never_falls_when_the_wall_is_set_back() {
    let world = World::open().await;
    let (alice, _bob) = (world.user("alice").await, world.user("bob").await);
    let first = world.say(&alice, to_user("bob"), "1").await;
    world.clock.set_wall_offset(-3_600_000);
    let second = world.say(&alice, to_user("bob"), "2").await;
    world.user("carol").await;
    let elsewhere = world.say(&alice, to_user("carol"), "3").await;
    world.clock.set_wall_offset(5);
    let third = world.say(&alice, to_user("bob"), "4").await;
    assert_eq!((first.server_ms, second.server_ms, third.server_ms), (START_MS, START_MS, START_MS + 5));
    assert_eq!(elsewhere.server_ms, START_MS - 3_600_000, "another log follows the wall");
}

#[tokio::test]
async fn a_message_carries_its_senders_profile_of_then() {
    let world = World::open().await;
    let (alice, bob) = (world.user("alice").await, world.user("bob").await);
    let named = |nick: &str| SetSelfInfo { nick: Some(nick.into()), face_url: None };
    world.rooms.set_self_info(&alice, named("old")).await.unwrap();
    world.say(&alice, to_user("bob"), "x").await;
    world.rooms.set_self_info(&alice, named("new")).await.unwrap();
    let page = world.page(&bob, to_user("alice"), Page::Before(None), 1).await.unwrap();
    assert_eq!(page.messages[0].sender_nick, "old");
    let head = world.head(&bob, &to_user("alice")).await.unwrap();
    assert_eq!(head.peer.unwrap().nick, "new");
}

#[tokio::test]
async fn both_ends_hear_of_a_message_once_and_the_sender_gets_its_answer_by_the_hint() {
    let world = World::open().await;
    let (alice, bob) = (world.user("alice").await, world.user("bob").await);
    world.say(&alice, to_user("bob"), "x").await;
    world.say(&alice, to_user("alice"), "to myself").await;
    let hints = world.take_hints();
    let users: Vec<_> = hints
        .iter()
        .map(|hint| match hint {
            Hint::Event { users, origin: Some(origin), .. } if origin.session == alice.session => users.to_vec(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(users, [vec![user("alice"), user("bob")], vec![user("alice")]]);
    let seen = events::<NewMessage>(&hints, &bob.user);
    assert_eq!((seen.len(), &seen[0].message.body), (1, &text("x")));
}

#[tokio::test]
async fn pages_of_large_messages_stay_inside_a_frame_and_join_without_a_gap() {
    let world = World::open().await;
    let (alice, _bob) = (world.user("alice").await, world.user("bob").await);
    // Each byte is six in JSON.
    for _ in 0..20 {
        world.say(&alice, to_user("bob"), &"\u{1}".repeat(12 * 1024)).await;
    }
    let mut next = 1;
    while next <= 20 {
        let page = world.page(&alice, to_user("bob"), Page::After(seq(next - 1)), 200).await.unwrap();
        assert!(serde_json::to_string(&page).unwrap().len() < PACKET_BYTES_MAX);
        assert_eq!(page.covered.from, seq(next));
        assert_eq!(page.covered.count(), i64::try_from(page.messages.len()).unwrap());
        next = page.covered.to.get() + 1;
    }
    let newest = world.page(&alice, to_user("bob"), Page::Before(None), 200).await.unwrap();
    assert_eq!(newest.covered.to, seq(20));
    assert!(newest.messages.len() < 20 && newest.messages[0].seq == newest.covered.from);
}

#[tokio::test]
async fn two_users_who_never_wrote_have_an_empty_log_and_strangers_none() {
    let world = World::open().await;
    let (alice, bob) = (world.user("alice").await, world.user("bob").await);
    let page = world.page(&alice, to_user("bob"), Page::Before(None), 20).await.unwrap();
    assert!(page.covered.is_empty() && page.messages.is_empty());
    let same = world.page(&bob, to_user("alice"), Page::After(seq(0)), 20).await.unwrap();
    assert_eq!(same.log, page.log);
    assert_eq!(world.say(&bob, to_user("alice"), "x").await.log, page.log);
    let ghost = world.page(&alice, to_user("ghost"), Page::Before(None), 20).await.unwrap_err();
    assert_eq!(ghost.code(), Code::MSG_ACCOUNT_NOT_IMPORTED);
    for limit in [0, 201] {
        let refused = world.page(&alice, to_user("bob"), Page::Before(None), limit).await.unwrap_err();
        assert_eq!(refused.code(), Code::BAD_PARAMETER);
    }
}

#[tokio::test]
async fn what_was_submitted_is_answered_before_the_rooms_close_and_nothing_after() {
    let world = World::open().await;
    let (alice, _bob) = (world.user("alice").await, world.user("bob").await);
    let mut tickets = Vec::new();
    for _ in 0..100 {
        let send = message(to_user("bob"), "x");
        tickets.push(world.rooms.submit_send(&alice, world.number(), send).await.unwrap());
    }
    world.rooms.close().await;
    for ticket in tickets {
        ticket.outcome().await.unwrap();
    }
    assert!(world.rooms.submit_send(&alice, 1, message(to_user("bob"), "late")).await.is_err());
    let world = world.restart(Clock::frozen(START_MS)).await;
    world.clock.advance(Duration::from_secs(1));
    let page = world.page(&alice, to_user("bob"), Page::Before(None), 200).await.unwrap();
    assert_eq!(page.covered, SeqRange::new(seq(1), seq(100)));
    assert_eq!(world.say(&alice, to_user("bob"), "next").await.seq, seq(101));
}

#[tokio::test]
async fn after_a_commit_that_failed_nothing_is_acknowledged_any_more() {
    let world = World::open_on_sqlite().await;
    let (alice, _bob) = (world.user("alice").await, world.user("bob").await);
    world.say(&alice, to_user("bob"), "kept").await;
    world.take_hints();
    let mut broken = world.store().begin().await.unwrap();
    // The transaction is gone when the committer comes, and the savepoint that proves it is a false one.
    crate::store::execute!(broken, "rollback").unwrap();
    crate::store::execute!(broken, "savepoint operation").unwrap();
    assert!(broken.commit(|| {}).await.is_err());
    assert!(*world.rooms.failed().borrow());
    assert!(world.rooms.check().await.is_err());
    assert!(world.send(&alice, message(to_user("bob"), "late")).await.is_err());
    assert!(world.take_hints().is_empty());
    let world = world.restart(Clock::frozen(START_MS)).await;
    let page = world.page(&alice, to_user("bob"), Page::Before(None), 10).await.unwrap();
    assert_eq!(page.messages.len(), 1);
    world.say(&alice, to_user("bob"), "again").await;
}
