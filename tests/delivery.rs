// SPDX-License-Identifier: Apache-2.0
//! Acknowledged means durable, each message exists exactly once, and everybody sees one order.

use std::collections::HashSet;
use std::sync::Arc;

use futures_util::future::join_all;
use hongyan::Platform;
use hongyan::message::Message;
use hongyan_protocol::frame::ServerFrame;
use hongyan_protocol::ids::Seq;
use hongyan_protocol::message::{NewMessage, SendMessage, SentMessage};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::harness::device::Device;
use crate::harness::is_soak;
use crate::harness::process::ServerProcess;
use crate::harness::server::TestServer;
use crate::harness::view::{assert_dense, c2c, group, line, stored_line, text, texts, texts_of};
use crate::harness::wait::within;
use crate::harness::wire::{Wire, text_message, text_of, to_group, to_user};

/// Four devices of two users send to one another at once while the server is killed and started again, once in each
/// round; then the server and all devices hold every message once, in one order, at the places that were acknowledged.
async fn send_through_kills(rounds: usize, per_device: usize) {
    let mut server = ServerProcess::start().await;
    let devices = [
        (server.device("alice").login().await, "bob"),
        (server.device("alice").on(Platform::Ipad).login().await, "bob"),
        (server.device("bob").login().await, "alice"),
        (server.device("bob").on(Platform::Ipad).login().await, "alice"),
    ]
    .map(|(device, peer)| (Arc::new(device), c2c(peer)));
    let per_round = devices.len() * per_device;
    let acknowledged = Arc::new(watch::Sender::new(Vec::<Message>::new()));
    for round in 0..rounds {
        let mut sends = JoinSet::new();
        for (number, (device, conversation)) in devices.iter().enumerate() {
            for index in 0..per_device {
                let (device, conversation) = (Arc::clone(device), conversation.clone());
                let acknowledged = Arc::clone(&acknowledged);
                sends.spawn(async move {
                    let sent = device.send_text(&conversation, &format!("{round}/{number}/{index}")).await;
                    acknowledged.send_modify(|all| all.push(sent.expect("a send outlives the server")));
                });
            }
        }
        let before_the_kill = round * per_round + per_round / 5;
        let mut watching = acknowledged.subscribe();
        within("acknowledgements", watching.wait_for(|all| all.len() >= before_the_kill)).await.unwrap();
        server.kill();
        assert!(acknowledged.borrow().len() < (round + 1) * per_round, "the kill came amid the sends");
        server.start_again().await;
        if round > 0 {
            // Clients wait longer after each loss that follows soon on another.
            devices.iter().for_each(|(device, _)| device.client.network_changed());
        }
        while let Some(sent) = within("the end of all sends", sends.join_next()).await {
            sent.expect("every send ends well");
        }
    }

    let log: Vec<_> = server.wire("alice").await.history(&to_user("bob")).await.iter().map(stored_line).collect();
    assert_eq!(log.len(), rounds * per_round, "each message is there, and nothing besides");
    assert_eq!(log[0].seq, 1);
    assert_dense(&log);
    let ids: HashSet<_> = log.iter().map(|line| &line.id).collect();
    assert_eq!(ids.len(), log.len(), "each message is there once");
    for message in acknowledged.borrow().iter() {
        assert_eq!(log[usize::try_from(message.seq).unwrap() - 1], line(message), "it is what was acknowledged");
    }
    for (device, conversation) in &devices {
        assert_eq!(device.cloud_history(conversation).await, log, "every device shows the same order");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_survives_a_killed_server_once_and_in_one_order() {
    send_through_kills(1, 250).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn soak_what_was_acknowledged_survives_fifty_kills() {
    if is_soak() {
        send_through_kills(50, 50).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_sent_again_after_a_lost_answer_gets_the_first_answer() {
    let server = TestServer::start().await;
    let proxy = server.proxy().await;
    let mut bob = server.wire("bob").await;
    let message = text_message(&to_user("bob"), "once");
    let mut alice = Wire::login(proxy.addr(), server.app(), "alice").await;
    proxy.lose_answer("send_message", 1);
    alice.post(&message).await;
    alice.ended().await;
    let stored = bob.next_message().await.message;
    for _ in 0..3 {
        let mut again = server.wire("alice").await;
        let sent = again.call(&message).await.expect("sending again is harmless");
        assert_eq!((sent.seq, sent.server_ms, sent.counted), (stored.seq, stored.server_ms, stored.counted));
    }
    assert_eq!(bob.history(&to_user("alice")).await, [stored]);
    assert!(bob.pushes_so_far().await.is_empty(), "and nobody hears of it again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_and_a_resend_make_one_message() {
    let server = TestServer::start().await;
    let proxy = server.proxy().await;
    let bob = server.device("bob").login().await;
    let alice = server.device("alice").through(&proxy).login().await;
    proxy.lose_answer("send_message", 1);
    let sent = alice.sends(&c2c("bob"), "once").await;
    assert_eq!(proxy.seen().strikes, 1, "the answer was lost");
    bob.sends(&c2c("alice"), "after").await;

    assert_eq!((sent.seq, text(&sent)), (1, "once".to_owned()));
    assert_eq!(texts_of(&bob.heard.messages()), ["once"], "the peer heard of it once");
    assert_eq!(texts_of(&alice.heard.wait_for_messages(1).await), ["after"], "the sender did not hear its own");
    for (device, peer) in [(&alice, "bob"), (&bob, "alice")] {
        assert_eq!(texts(&device.cloud_history(&c2c(peer)).await), ["once", "after"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_lost_anywhere_in_a_row_of_sends_loses_and_doubles_nothing() {
    const SENDS: u32 = 6;
    let server = TestServer::start().await;
    let proxy = server.proxy().await;
    let bob = server.device("bob").login().await;
    let alice = server.device("alice").through(&proxy).login().await;
    let mut expected = Vec::new();
    for lost in 1..=SENDS {
        proxy.lose_answer("send_message", lost);
        let mut queued = Vec::new();
        for index in 0..SENDS {
            let text = format!("{lost}/{index}");
            queued.push(alice.queue_text(&c2c("bob"), &text).await);
            expected.push(text);
        }
        proxy.wait_for("the loss", |seen| seen.strikes == u64::from(lost)).await;
        alice.client.network_changed();
        for send in queued {
            send.end().await.expect("a send outlives a connection");
        }
    }
    assert_eq!(texts(&alice.cloud_history(&c2c("bob")).await), expected, "in the order in which they were queued");
    assert_eq!(texts_of(&bob.heard.wait_for_messages(expected.len()).await), expected);
    assert_eq!(texts(&bob.cloud_history(&c2c("alice")).await), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_push_is_heard_once() {
    let server = TestServer::start().await;
    let proxy = server.proxy().await;
    let bob = server.device("bob").through(&proxy).login().await;
    let alice = server.device("alice").login().await;
    proxy.repeat_push("message");
    alice.sends(&c2c("bob"), "twice on the wire").await;
    proxy.wait_for("the repetition", |seen| seen.strikes == 1).await;
    alice.sends(&c2c("bob"), "after").await;
    assert_eq!(texts_of(&bob.heard.wait_for_messages(2).await), ["twice on the wire", "after"]);
    assert_eq!(bob.unread(&c2c("alice")).await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn sends_that_are_not_waited_for_keep_the_order_of_their_calls() {
    let server = TestServer::start().await;
    let bob = server.device("bob").login().await;
    let alice = server.device("alice").login().await;
    let words: Vec<String> = (0..100).map(|number| number.to_string()).collect();
    let messages = alice.client.messages();
    let sends = words.iter().map(|word| messages.send_c2c_text_message(word.clone(), "bob".to_owned()));
    // All of them are begun, in this order, before the first has ended.
    within("the sends", join_all(sends)).await.into_iter().for_each(|sent| assert!(sent.is_ok()));
    assert_eq!(bob.heard.wait_for_texts(words.len()).await, words);
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_concurrent_senders_make_one_dense_sequence() {
    const MEMBERS: usize = 50;
    const PER_MEMBER: usize = 4;
    let server = TestServer::start().await;
    let names: Vec<String> = (0..MEMBERS).map(|number| format!("member{number}")).collect();
    let mut members = Vec::new();
    for name in &names {
        members.push(server.wire(name).await);
    }
    let observer = server.device("observer").login().await;
    let mut named: Vec<&str> = names[1..].iter().map(String::as_str).collect();
    named.push("observer");
    members[0].create_group("fifty", &named).await;
    let tips = members[0].history(&to_group("fifty")).await.len();

    let mut sending = JoinSet::new();
    for (number, member) in members.into_iter().enumerate() {
        sending.spawn(send_and_watch(member, number, PER_MEMBER, MEMBERS * PER_MEMBER));
    }
    let mut sent = Vec::new();
    while let Some(member) = within("the end of all sends", sending.join_next()).await {
        sent.extend(member.expect("every member saw one rising sequence"));
    }
    sent.sort_by_key(|(seq, _)| *seq);
    let first = i64::try_from(tips).unwrap() + 1;
    let expected: Vec<i64> = (first..first + i64::try_from(MEMBERS * PER_MEMBER).unwrap()).collect();
    assert_eq!(sent.iter().map(|(seq, _)| seq.get()).collect::<Vec<_>>(), expected, "no sequence twice, none left out");

    let texts_in_order: Vec<&str> = sent.iter().map(|(_, text)| text.as_str()).collect();
    assert_eq!(observer.heard.wait_for_texts(texts_in_order.len()).await, texts_in_order);
    let history = observer.cloud_history(&group("fifty")).await;
    assert_eq!(texts(&history)[history.len() - texts_in_order.len()..], texts_in_order);
}

/// Sends without waiting and reads until the whole group's messages have passed: answers and pushes of one log come
/// in one rising order. Gives what this member sent.
async fn send_and_watch(mut member: Wire, number: usize, count: usize, total: usize) -> Vec<(Seq, String)> {
    let mut sent = Vec::new();
    let mut waiting = Vec::new();
    for index in 0..count {
        let text = format!("{number}/{index}");
        waiting.push((member.post(&text_message(&to_group("fifty"), &text)).await, text));
    }
    let mut seqs: Vec<Seq> = Vec::new();
    while seqs.len() < total {
        match member.read().await.expect("the connection stands") {
            ServerFrame::Reply { id, outcome } => {
                let (expected, text) = waiting.remove(0);
                assert_eq!(id, expected, "answers come in the order of the sends");
                let reply: SentMessage = serde_json::from_str(outcome.expect("it is stored").get()).unwrap();
                seqs.push(reply.seq);
                sent.push((reply.seq, text));
            }
            ServerFrame::Push { event, data, .. } if event == "message" => {
                let new: NewMessage = serde_json::from_str(data.get()).unwrap();
                if !text_of(&new.message.body).is_empty() {
                    seqs.push(new.message.seq);
                }
            }
            ServerFrame::Push { .. } => {}
        }
    }
    for pair in seqs.windows(2) {
        assert_eq!(pair[1], pair[0].next(), "what one member sees rises by one");
    }
    sent
}

#[tokio::test(flavor = "multi_thread")]
async fn a_graceful_stop_answers_what_it_stored_and_loses_none_of_it() {
    const SENDS: usize = 200;
    let mut server = TestServer::start().await;
    let _bob = server.wire("bob").await;
    let mut alice = server.wire("alice").await;
    for index in 0..SENDS {
        alice.post(&text_message(&to_user("bob"), &index.to_string())).await;
    }
    let first = alice.next_reply().await.expect("the first answer comes before the stop");
    server.stop().await;
    let mut answers = vec![first];
    while let Some(answer) = alice.next_reply().await {
        answers.push(answer);
    }
    server.start_again().await;
    let history = server.wire("alice").await.history(&to_user("bob")).await;
    let stored = answers.iter().filter_map(|(_, outcome)| outcome.as_ref().ok());
    let stored: Vec<SentMessage> = stored.map(|reply| serde_json::from_str(reply).unwrap()).collect();
    assert_eq!(stored.len(), history.len(), "everything that was stored was answered, and the other way round");
    for (reply, message) in stored.iter().zip(&history) {
        assert_eq!((reply.seq, reply.server_ms), (message.seq, message.server_ms));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sends_go_on_through_a_restart_of_the_server() {
    const SENDS: usize = 60;
    let mut server = TestServer::start().await;
    let bob = server.device("bob").login().await;
    let alice: Device = server.device("alice").login().await;
    let mut queued = Vec::new();
    let expected: Vec<String> = (0..SENDS).map(|index| index.to_string()).collect();
    for (index, text) in expected.iter().enumerate() {
        queued.push(alice.queue_text(&c2c("bob"), text).await);
        if index == SENDS / 3 {
            server.stop().await;
        } else if index == 2 * SENDS / 3 {
            server.start_again().await;
        }
    }
    for send in queued {
        send.end().await.expect("a send outlives a restart");
    }
    assert_eq!(texts(&alice.cloud_history(&c2c("bob")).await), expected);
    assert_eq!(texts_of(&bob.heard.wait_for_messages(SENDS).await), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_used_again_with_another_body_or_by_another_sender_is_refused_and_reveals_nothing() {
    let server = TestServer::start().await;
    let (mut alice, mut bob) = (server.wire("alice").await, server.wire("bob").await);
    let mut carol = server.wire("carol").await;
    let message = text_message(&to_user("bob"), "secret");
    let first = alice.call(&message).await.unwrap();
    assert_eq!(alice.call(&message).await.unwrap(), first, "sent again, it gets the first answer");

    let mut other_body = text_message(&to_user("bob"), "another");
    other_body.id = message.id;
    let other_target = SendMessage { to: to_user("carol"), ..message.clone() };
    for (sender, again) in [(&mut alice, &other_body), (&mut carol, &message)] {
        let error = sender.call(again).await.expect_err("the id is taken");
        assert_eq!(error.code.0, 70402);
        assert!(!error.text.contains("secret") && !error.text.contains("alice"), "{error}");
    }
    assert_eq!(alice.call(&other_target).await.expect_err("the id is taken").code.0, 70402);
    assert_eq!(bob.history(&to_user("alice")).await.len(), 1);
    assert_eq!(carol.history(&to_user("alice")).await.len(), 0);
    assert_eq!(carol.history(&to_user("bob")).await.len(), 0);
}
