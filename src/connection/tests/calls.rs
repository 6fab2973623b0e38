// SPDX-License-Identifier: Apache-2.0
//! Requests, their answers, and what the sync task is told in order.

use hongyan_protocol::account::{GetProfiles, Ping, Pong, Profiles, SelfInfo, SetSelfInfo};
use hongyan_protocol::codes::Code;
use hongyan_protocol::frame::Event;
use hongyan_protocol::ids::{LogId, MessageId, Seq, Version};
use hongyan_protocol::message::{MessageBody, SendMessage, SentMessage, Target};
use hongyan_protocol::sync::Resync;

use crate::connection::handle::{CALL_DEADLINE, Inbound};
use crate::connection::limits::{HEARTBEAT_FOREGROUND_MS, STABLE_MS};
use crate::connection::tests::harness::{Rig, Server, WALL_MS, code, session, user, within};

fn question() -> GetProfiles {
    GetProfiles { users: vec![user("bob")] }
}

fn self_info(version: i64) -> SelfInfo {
    SelfInfo { version: Version::parse(version).unwrap(), profile: session().profile }
}

fn message() -> SendMessage {
    SendMessage { id: MessageId::generate(), to: Target::User(user("bob")), body: MessageBody::default() }
}

fn sent() -> SentMessage {
    let (log, seq) = (LogId::parse(1).unwrap(), Seq::parse(1).unwrap());
    SentMessage { log, seq, server_ms: WALL_MS, counted: 1, sender_counted: 1 }
}

#[tokio::test]
async fn nobody_logged_in_means_6014() {
    let server = Server::start().await;
    let rig = Rig::start(server.port);
    assert_eq!(code(within(rig.call(question())).await.unwrap()), Code::NOT_LOGGED_IN);
}

#[tokio::test]
async fn a_call_ends_with_its_answer_or_the_servers_code() {
    let server = Server::start().await;
    let (rig, mut peer) = Rig::online(&server).await;
    let (one, other) = (rig.call(question()), rig.call(question()));
    let ((first, _), (second, _)) = (peer.called::<GetProfiles>().await, peer.called::<GetProfiles>().await);
    peer.answer::<GetProfiles>(second, Ok(Profiles { profiles: Vec::new() })).await;
    peer.refuse(first, Code::BAD_PARAMETER).await;
    let outcomes = [within(one).await.unwrap(), within(other).await.unwrap()];
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    let refusal = outcomes.into_iter().find_map(Result::err).unwrap();
    assert_eq!((refusal.code(), refusal.is_retryable()), (Code::BAD_PARAMETER, false));
}

#[tokio::test]
async fn a_call_ends_at_its_deadline_and_a_late_answer_harms_nothing() {
    let server = Server::start().await;
    let (rig, mut peer) = Rig::online(&server).await;
    let call = rig.call(question());
    let (id, _) = peer.called::<GetProfiles>().await;
    rig.clock.advance(CALL_DEADLINE);
    let error = within(call).await.unwrap().unwrap_err();
    assert_eq!((error.code(), error.is_retryable()), (Code::REQUEST_TIMEOUT, true));
    peer.answer::<GetProfiles>(id, Ok(Profiles { profiles: Vec::new() })).await;
    peer.called::<Ping>().await;
    let call = rig.call(question());
    let (id, _) = peer.called::<GetProfiles>().await;
    peer.answer::<GetProfiles>(id, Ok(Profiles { profiles: Vec::new() })).await;
    within(call).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_call_ends_when_the_connection_is_lost() {
    let server = Server::start().await;
    let (rig, mut peer) = Rig::online(&server).await;
    let call = rig.call(question());
    peer.called::<GetProfiles>().await;
    drop(peer);
    assert_eq!(code(within(call).await.unwrap()), Code::NETWORK_DISCONNECTED);
}

#[tokio::test]
async fn a_call_ends_when_the_client_is_closed() {
    let server = Server::start().await;
    let (rig, mut peer) = Rig::online(&server).await;
    let call = rig.call(question());
    peer.called::<GetProfiles>().await;
    rig.close();
    assert_eq!(code(within(call).await.unwrap()), Code::INTERRUPTED_BY_CLOSE);
}

#[tokio::test]
async fn a_call_made_while_the_connection_is_being_made_waits_for_it() {
    let server = Server::start().await;
    let (rig, peer) = Rig::online(&server).await;
    rig.connected().await;
    rig.advance_ms(STABLE_MS);
    drop(peer);
    assert!(matches!(rig.inbound().await, Inbound::Disconnected));
    let call = rig.call(question());
    rig.advance_ms(1_000);
    let (mut peer, _) = server.accept_resume().await;
    let (id, _) = peer.called::<GetProfiles>().await;
    peer.answer::<GetProfiles>(id, Ok(Profiles { profiles: Vec::new() })).await;
    within(call).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_call_that_waits_for_a_connection_ends_with_the_attempt() {
    let server = Server::start().await;
    let (rig, peer) = Rig::online(&server).await;
    rig.connected().await;
    rig.advance_ms(STABLE_MS);
    drop(peer);
    assert!(matches!(rig.inbound().await, Inbound::Disconnected));
    let call = rig.call(question());
    rig.advance_ms(1_000);
    drop(server.accept_stream().await);
    assert_eq!(code(within(call).await.unwrap()), Code::NETWORK_DISCONNECTED);
    assert_eq!(code(within(rig.call(question())).await.unwrap()), Code::NETWORK_DISCONNECTED);
}

#[tokio::test]
async fn a_packet_too_large_is_never_sent() {
    let server = Server::start().await;
    let (rig, _peer) = Rig::online(&server).await;
    let users = vec![user(&"a".repeat(32)); 40_000];
    assert_eq!(code(within(rig.call(GetProfiles { users })).await.unwrap()), Code::PACKET_TOO_LARGE);
}

#[tokio::test]
async fn a_line_that_takes_nothing_refuses_calls_instead_of_growing() {
    let server = Server::start().await;
    let (rig, _peer_that_reads_nothing) = Rig::online(&server).await;
    let users = vec![user(&"a".repeat(32)); 20_000];
    let calls: Vec<_> = (0..40).map(|_| rig.call(GetProfiles { users: users.clone() })).collect();
    let (first_ended, _, others) = within(futures_util::future::select_all(calls)).await;
    assert_eq!(code(first_ended.unwrap()), Code::REQUEST_QUEUE_FULL);
    rig.close();
    for call in others {
        assert!(within(call).await.unwrap().is_err());
    }
}

#[tokio::test]
async fn replies_to_messages_keep_their_place_among_the_events() {
    let server = Server::start().await;
    let (rig, mut peer) = Rig::online(&server).await;
    let connection = rig.connected().await;
    let message = message();
    rig.handle.send_ordered(connection, &message).unwrap();
    let (id, _) = peer.called::<SendMessage>().await;
    peer.push(&self_info(1)).await;
    peer.answer::<SendMessage>(id, Ok(sent())).await;
    peer.push(&self_info(2)).await;
    assert!(matches!(rig.inbound().await, Inbound::Event { name, .. } if name == SelfInfo::NAME));
    match rig.inbound().await {
        Inbound::SendReply { message_id, outcome } => assert_eq!((message_id, outcome), (message.id, Ok(sent()))),
        other => panic!("{other:?}"),
    }
    assert!(matches!(rig.inbound().await, Inbound::Event { .. }));
}

#[tokio::test]
async fn an_unanswered_message_is_reported_at_the_deadline() {
    let server = Server::start().await;
    let (rig, mut peer) = Rig::online(&server).await;
    let connection = rig.connected().await;
    rig.handle.send_ordered(connection, &message()).unwrap();
    peer.called::<SendMessage>().await;
    rig.clock.advance(CALL_DEADLINE);
    match rig.inbound().await {
        Inbound::SendReply { outcome, .. } => assert_eq!(outcome.unwrap_err().code, Code::REQUEST_TIMEOUT),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_message_meant_for_an_earlier_connection_is_not_sent_on_a_later_one() {
    let server = Server::start().await;
    let (rig, peer) = Rig::online(&server).await;
    let earlier = rig.connected().await;
    drop(peer);
    assert!(matches!(rig.inbound().await, Inbound::Disconnected));
    rig.handle.send_ordered(earlier, &message()).unwrap();
    rig.advance_ms(1_000);
    let (mut peer, _) = server.accept_resume().await;
    let later = rig.connected().await;
    let (overtaking, resent) = (message(), message());
    rig.handle.send_ordered(earlier, &overtaking).unwrap();
    rig.handle.send_ordered(later, &resent).unwrap();
    assert_eq!(peer.called::<SendMessage>().await.1.id, resent.id);
}

#[tokio::test]
async fn an_answer_that_is_also_an_event_is_told_before_the_call_ends() {
    let server = Server::start().await;
    let (rig, mut peer) = Rig::online(&server).await;
    rig.connected().await;
    let handle = rig.handle.clone();
    let change = SetSelfInfo { nick: Some("Alice".to_owned()), face_url: None };
    let call = tokio::spawn(async move { handle.call_with_event(&change, CALL_DEADLINE).await });
    let (id, _) = peer.called::<SetSelfInfo>().await;
    peer.answer::<SetSelfInfo>(id, Ok(self_info(4))).await;
    assert_eq!(within(call).await.unwrap().unwrap(), self_info(4));
    assert!(matches!(rig.inbound().await, Inbound::Event { name, .. } if name == SelfInfo::NAME));
}

#[tokio::test]
async fn a_lost_push_is_noticed_by_the_next_push_and_by_the_heartbeat() {
    let server = Server::start().await;
    let (rig, mut peer) = Rig::online(&server).await;
    rig.connected().await;
    peer.lose_push();
    peer.push(&self_info(2)).await;
    assert!(matches!(rig.inbound().await, Inbound::PushLost));
    assert!(matches!(rig.inbound().await, Inbound::Event { .. }));

    let push = peer.lose_push();
    rig.advance_ms(HEARTBEAT_FOREGROUND_MS);
    let (id, _) = peer.called::<Ping>().await;
    peer.answer::<Ping>(id, Ok(Pong { server_ms: WALL_MS, push })).await;
    assert!(matches!(rig.inbound().await, Inbound::PushLost));

    peer.push(&Resync {}).await;
    assert!(matches!(rig.inbound().await, Inbound::PushLost));
}

#[tokio::test]
async fn what_the_client_does_not_understand_is_passed_over() {
    let server = Server::start().await;
    let (rig, mut peer) = Rig::online(&server).await;
    rig.connected().await;
    let deep = "[".repeat(100);
    for frame in ["no JSON", "{}", r#"{"id":99,"result":{}}"#, r#"{"id":0,"error":{"code":60003,"text":""}}"#, &deep] {
        peer.write(frame.to_owned()).await;
    }
    let call = rig.call(question());
    let (id, _) = peer.called::<GetProfiles>().await;
    peer.write(format!(r#"{{"id":{id},"result":[1,2,3]}}"#)).await;
    assert_eq!(code(within(call).await.unwrap()), Code::DECODE_FAILED);
}
