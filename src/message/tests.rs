// SPDX-License-Identifier: Apache-2.0
//! The outbox's rules, without a network, and the plans of this room's queries.

use hongyan_protocol::codes::Code;
use hongyan_protocol::frame::WireError;
use hongyan_protocol::ids::{ConversationId, MessageId, SdkAppId, Seq, UserId};
use sqlx::{AssertSqlSafe, Row};

use super::outbox::{Verdict, Window};
use super::queries::{self, OutgoingRow};
use super::types::{Element, OutgoingMessage};
use crate::message::limits::SEND_DEADLINE;
use crate::store::Store;
use crate::sync::batch::Batch;

fn alice() -> UserId {
    UserId::parse("alice").unwrap()
}

async fn open(folder: &std::path::Path) -> Store {
    Store::open(folder, "http://127.0.0.1:1", SdkAppId::parse(1).unwrap(), &alice()).await.unwrap()
}

async fn queue(store: &Store, count: usize) -> Vec<MessageId> {
    let bob = ConversationId::parse("c2c_bob").unwrap();
    let mut batch = Batch::begin(store, &alice(), [bob.clone()]).await.unwrap();
    let known = batch.find(&bob).unwrap();
    let (conversation, anchor_seq) = (known.row, known.max_seq);
    let ids: Vec<MessageId> = (0..count).map(|_| MessageId::generate()).collect();
    for id in &ids {
        let row = OutgoingRow {
            id: *id,
            conversation,
            anchor_seq,
            sender: &alice(),
            nick: "",
            face_url: "",
            timestamp_ms: 1_000,
            body: r#"{"elements":[{"type":"text","text":"hello"}]}"#,
        };
        queries::insert_outgoing(batch.tx(), &row).await.unwrap();
    }
    batch.save().await.unwrap();
    ids
}

#[tokio::test]
async fn each_message_has_its_own_deadline_from_when_it_was_queued() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let span_ms = u64::try_from(SEND_DEADLINE.as_millis()).unwrap();
    let mut window = Window::default();
    let early = queue(&store, 2).await;
    window.learn(&store).await.unwrap();
    window.keep_time(true, 1_000);
    let late = queue(&store, 1).await;
    window.learn(&store).await.unwrap();
    window.keep_time(true, 5_000);
    assert_eq!(window.wake_ms(false), Some(1_000 + span_ms));
    assert_eq!(window.expire(999 + span_ms), []);
    let gone: Vec<_> = early.iter().map(|id| (*id, Code::NETWORK_DISCONNECTED)).collect();
    assert_eq!(window.expire(1_000 + span_ms), gone);
    assert_eq!(window.wake_ms(false), Some(5_000 + span_ms));
    assert_eq!(window.expire(5_000 + span_ms), [(late[0], Code::NETWORK_DISCONNECTED)]);
    assert_eq!(window.wake_ms(false), None);
}

#[tokio::test]
async fn a_refusal_fails_and_a_request_for_patience_pauses() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let ids = queue(&store, 2).await;
    let mut window = Window::default();
    window.learn(&store).await.unwrap();
    window.keep_time(true, 0);
    let not_member = WireError::from(Code::NO_PERMISSION);
    assert_eq!(window.refuse(ids[0], &not_member, 100), Verdict::Failed(Code::NO_PERMISSION));
    let busy = WireError { retry_after_ms: Some(700), ..WireError::from(Code::SERVER_FREQUENCY_LIMIT) };
    assert_eq!(window.refuse(ids[1], &busy, 100), Verdict::Again);
    assert_eq!(window.wake_ms(true), Some(800));
    window.disconnect();
    assert!(window.wake_ms(true).is_some_and(|wake_ms| wake_ms > 800), "a new connection does not wait");
}

#[test]
fn what_an_app_may_not_send_is_refused_before_it_is_stored() {
    let text = |length: usize| OutgoingMessage::with(Element::Text { text: "x".repeat(length) });
    let code = |message: Result<OutgoingMessage, crate::ImError>| message.err().map(|error| error.code());
    assert_eq!(code(text(12 * 1024)), None);
    assert_eq!(code(text(12 * 1024 + 1)), Some(Code::MESSAGE_TOO_LONG));
    assert_eq!(code(OutgoingMessage::with(Element::Text { text: "a\0b".to_owned() })), Some(Code::INVALID_ELEMENT));
    assert_eq!(code(OutgoingMessage::with(Element::Unknown { json: "{}".to_owned() })), Some(Code::INVALID_ELEMENT));
    let fine = text(1).unwrap();
    let wire_code = |message: OutgoingMessage| message.into_wire().err().map(|error| error.code());
    assert_eq!(wire_code(fine.clone()), None);
    assert_eq!(wire_code(OutgoingMessage { elements: Vec::new(), ..fine.clone() }), Some(Code::INVALID_PARAMETERS));
    let many = vec![fine.elements[0].clone(); 33];
    assert_eq!(wire_code(OutgoingMessage { elements: many, ..fine.clone() }), Some(Code::INVALID_PARAMETERS));
    assert_eq!(
        wire_code(OutgoingMessage { message_id: "7".to_owned(), ..fine.clone() }),
        Some(Code::INVALID_PARAMETERS)
    );
    let data = vec![0; 12 * 1024];
    assert_eq!(wire_code(OutgoingMessage { cloud_custom_data: data, ..fine }), Some(Code::MESSAGE_TOO_LONG));
}

/// How a query is done: by its index.
async fn plan(store: &Store, query: &'static str, index: &str) -> Vec<String> {
    let mut reader = store.read().await.unwrap();
    let explain = AssertSqlSafe(format!("explain query plan {query}"));
    let rows = sqlx::query(explain).fetch_all(&mut *reader).await.unwrap();
    let plan: Vec<String> = rows.iter().map(|row| row.get("detail")).collect();
    assert!(
        plan.iter().any(|line| line.contains(&format!("USING INDEX {index} "))
            || line.contains(&format!("USING COVERING INDEX {index} "))),
        "{query}: {plan:?}"
    );
    assert!(!plan.iter().any(|line| line.contains("SCAN message") || line.contains("SCAN m")), "{query}: {plan:?}");
    plan
}

#[tokio::test]
async fn lists_are_read_by_their_indexes() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    for (query, index) in [
        (queries::PAGE_BEFORE, "message_history"),
        (queries::PAGE_AFTER, "message_history"),
        (queries::PAGE_UNHEARD, "message_history"),
        (queries::LAST_OF_EACH, "message_history"),
        (queries::TIMES_UP_TO, "message_history"),
        (queries::LATEST_UNSENT_MS, "message_unsent"),
    ] {
        let plan = plan(&store, query, index).await;
        assert!(!plan.iter().any(|line| line.contains("TEMP B-TREE FOR ORDER BY")), "{query}: {plan:?}");
    }
    // It has a page at the most to sort.
    plan(&store, queries::LIST_UNHEARD, "message_history").await;
}

#[tokio::test]
async fn the_time_of_a_message_runs_only_while_its_user_is_logged_in() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let span_ms = u64::try_from(SEND_DEADLINE.as_millis()).unwrap();
    let ids = queue(&store, 1).await;
    let mut window = Window::default();
    window.learn(&store).await.unwrap();
    window.keep_time(false, 0);
    assert_eq!((window.wake_ms(false), window.expire(u64::MAX)), (None, Vec::new()));
    window.keep_time(true, 1_000);
    window.keep_time(true, 2_000);
    assert_eq!(window.wake_ms(false), Some(1_000 + span_ms));
    window.keep_time(false, 3_000);
    assert_eq!(window.expire(u64::MAX), [], "kicked, say");
    window.keep_time(true, 500_000);
    assert_eq!(window.expire(500_000 + span_ms), [(ids[0], Code::NETWORK_DISCONNECTED)]);
}

#[tokio::test]
async fn after_a_request_for_patience_a_conversation_goes_on_one_by_one_until_it_has_drained() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let ids = queue(&store, 3).await;
    let mut window = Window::default();
    window.learn(&store).await.unwrap();
    assert_eq!(window.sendable(), ids);
    let busy = WireError::from(Code::SERVER_FREQUENCY_LIMIT);
    assert_eq!(window.refuse(ids[0], &busy, 0), Verdict::Again);
    assert_eq!(window.sendable(), ids[..1]);
    window.disconnect();
    assert_eq!(window.sendable(), ids[..1], "a new connection changes nothing");
    window.remove(ids[0]);
    assert_eq!(window.sendable(), ids[1..2]);
    window.remove(ids[1]);
    window.remove(ids[2]);
    let later = queue(&store, 2).await;
    window.learn(&store).await.unwrap();
    assert_eq!(window.sendable().len(), 5, "what was removed here alone is in the table still");
    assert!(later.iter().all(|id| window.sendable().contains(id)));
}

#[tokio::test]
async fn what_left_the_outbox_has_an_outcome() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let ids = queue(&store, 2).await;
    let mut tx = store.begin().await.unwrap();
    let sent = [queries::SentRow { id: ids[0], conversation: 1, seq: Seq::ZERO.next(), server_ms: 5 }];
    queries::set_sent(&mut tx, &sent).await.unwrap();
    queries::set_failed(&mut tx, &[(ids[1], Code::NO_PERMISSION.0)]).await.unwrap();
    queries::dequeue(&mut tx, &ids).await.unwrap();
    store.commit(tx).await.unwrap();
    let mut reader = store.read().await.unwrap();
    let asked = [ids[0], ids[1], MessageId::generate()];
    let outcomes = queries::list_outcomes(&mut reader, &asked).await.unwrap();
    let codes: Vec<_> = outcomes.into_iter().map(|(_, outcome)| outcome.err().map(|error| error.code())).collect();
    assert_eq!(codes, [None, Some(Code::NO_PERMISSION), Some(Code::DATABASE_NO_DATA)]);
}
