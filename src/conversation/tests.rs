// SPDX-License-Identifier: Apache-2.0
//! The list: its order, its pages, and the plans of this room's queries.

use hongyan_protocol::ids::{ConversationId, SdkAppId, UserId};
use sqlx::{AssertSqlSafe, Row};

use super::{list, queries};
use crate::store::Store;
use crate::sync::batch::Batch;

fn alice() -> UserId {
    UserId::parse("alice").unwrap()
}

async fn open(folder: &std::path::Path) -> Store {
    Store::open(folder, "http://127.0.0.1:1", SdkAppId::parse(1).unwrap(), &alice()).await.unwrap()
}

/// Conversations with users of these names, with these keys.
async fn fill(store: &Store, rows: &[(&str, i64)]) {
    let id = |name: &str| ConversationId::C2c(UserId::parse(name).unwrap());
    let mut batch = Batch::begin(store, &alice(), rows.iter().map(|(name, _)| id(name))).await.unwrap();
    for (name, key) in rows {
        batch.find(&id(name)).unwrap().order_key = *key;
    }
    batch.save().await.unwrap();
}

#[tokio::test]
async fn pages_follow_the_order_key_and_ties_the_id() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    fill(&store, &[("eve", 5), ("bob", 7), ("carol", 7), ("dave", 7), ("zoe", 9), ("unlisted", 0)]).await;
    let mut reader = store.read().await.unwrap();
    let (mut seen, mut cursor) = (Vec::new(), None);
    loop {
        let page = list::page(&mut reader, &alice(), cursor.as_deref(), 2).await.unwrap();
        assert!(page.conversations.len() <= 2);
        seen.extend(page.conversations.into_iter().map(|conversation| conversation.conversation_id));
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(seen, ["c2c_zoe", "c2c_bob", "c2c_carol", "c2c_dave", "c2c_eve"]);
}

#[tokio::test]
async fn a_cursor_stays_right_when_rows_move() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    fill(&store, &[("bob", 9), ("carol", 8), ("dave", 7), ("eve", 6)]).await;
    let mut reader = store.read().await.unwrap();
    let first = list::page(&mut reader, &alice(), None, 2).await.unwrap();
    fill(&store, &[("eve", 20), ("carol", 19)]).await;
    let second = list::page(&mut reader, &alice(), first.next_cursor.as_deref(), 2).await.unwrap();
    let ids: Vec<_> = second.conversations.iter().map(|conversation| conversation.conversation_id.as_str()).collect();
    assert_eq!(ids, ["c2c_dave"]);
    assert!(list::page(&mut reader, &alice(), Some("nonsense"), 2).await.is_err());
}

#[tokio::test]
async fn a_draft_raises_its_conversation_until_it_is_cleared() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    fill(&store, &[("bob", 5), ("carol", 8)]).await;
    let bob = ConversationId::parse("c2c_bob").unwrap();
    for (draft, first) in [(Some("dear bob"), "c2c_bob"), (None, "c2c_carol")] {
        let mut batch = Batch::begin(&store, &alice(), [bob.clone()]).await.unwrap();
        let row = batch.find(&bob).unwrap().row;
        let draft_ms = if draft.is_some() { 100 } else { 0 };
        queries::set_draft(batch.tx(), row, draft, draft_ms).await.unwrap();
        batch.touch(&bob, Some(draft_ms));
        assert_eq!(batch.save().await.unwrap().events.len(), 1);
        let mut reader = store.read().await.unwrap();
        let page = list::page(&mut reader, &alice(), None, 10).await.unwrap();
        assert_eq!(page.conversations[0].conversation_id, first);
        assert_eq!(page.conversations.iter().find_map(|c| c.draft_text.as_deref()), draft);
    }
}

#[tokio::test]
async fn lists_are_read_by_their_indexes() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let mut reader = store.read().await.unwrap();
    for (query, index) in [
        (queries::LIST_PAGE, "conversation_list"),
        (queries::PROBES, "conversation_list"),
        (queries::TOTAL_UNREAD, "conversation_unread"),
    ] {
        let explain = AssertSqlSafe(format!("explain query plan {query}"));
        let rows = sqlx::query(explain).fetch_all(&mut *reader).await.unwrap();
        let plan: Vec<String> = rows.iter().map(|row| row.get("detail")).collect();
        assert!(plan.iter().any(|line| line.contains(&format!("INDEX {index}"))), "{query}: {plan:?}");
        assert!(!plan.iter().any(|line| line.contains("TEMP B-TREE")), "{query}: {plan:?}");
    }
}
