// SPDX-License-Identifier: Apache-2.0
//! The file: one owner, no newer schema, nothing lost by damage or a kill that only this device had.

use std::fs;
use std::path::{Path, PathBuf};

use hongyan_protocol::codes::Code;
use hongyan_protocol::ids::{ConversationId, MessageId, SdkAppId, Seq, UserId};
use sqlx::AssertSqlSafe;

use super::Store;
use crate::conversation::queries as conversations;
use crate::error::ImError;
use crate::message::queries::{self as messages, OutgoingRow};
use crate::sync::batch::Batch;

const SERVER: &str = "http://127.0.0.1:1";

fn alice() -> UserId {
    UserId::parse("alice").unwrap()
}

fn bob() -> ConversationId {
    ConversationId::parse("c2c_bob").unwrap()
}

async fn open(folder: &Path) -> Result<Store, ImError> {
    Store::open(folder, SERVER, SdkAppId::parse(1).unwrap(), &alice()).await
}

fn code(result: Result<Store, ImError>) -> Option<Code> {
    result.err().map(|error| error.code())
}

/// The database below a folder.
fn file(folder: &Path, name: &str) -> PathBuf {
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() {
                folders.push(entry);
            } else if entry.file_name().is_some_and(|found| found == name) {
                return entry;
            }
        }
    }
    panic!("no file {name}")
}

async fn queue(store: &Store, count: usize) -> Vec<MessageId> {
    let mut batch = Batch::begin(store, &alice(), [bob()]).await.unwrap();
    let conversation = batch.find(&bob()).unwrap().row;
    let ids: Vec<MessageId> = (0..count).map(|_| MessageId::generate()).collect();
    for (id, timestamp_ms) in ids.iter().zip(1_000..) {
        let body = r#"{"elements":[{"type":"text","text":"hello"}]}"#;
        let row = OutgoingRow {
            id: *id,
            conversation,
            anchor_seq: Seq::ZERO,
            sender: &alice(),
            nick: "",
            face_url: "",
            timestamp_ms,
            body,
        };
        messages::insert_outgoing(batch.tx(), &row).await.unwrap();
    }
    conversations::set_draft(batch.tx(), conversation, Some("dear bob"), 2_000).await.unwrap();
    batch.touch(&bob(), Some(2_000));
    batch.save().await.unwrap();
    ids
}

async fn queued(store: &Store) -> Vec<MessageId> {
    let mut reader = store.read().await.unwrap();
    messages::list_outbox(&mut reader, 0).await.unwrap().into_iter().map(|(_, id, _)| id).collect()
}

async fn draft(store: &Store) -> Option<String> {
    let mut reader = store.read().await.unwrap();
    let drafts: Vec<Option<String>> =
        sqlx::query_scalar("select draft_text from conversation").fetch_all(&mut *reader).await.unwrap();
    drafts.into_iter().flatten().next()
}

#[tokio::test]
async fn a_second_handle_to_one_file_is_refused_until_the_first_is_closed() {
    let folder = tempfile::tempdir().unwrap();
    let first = open(folder.path()).await.unwrap();
    assert_eq!(code(open(folder.path()).await), Some(Code::DATABASE_LOAD_FAILED));
    first.close().await;
    let second = open(folder.path()).await.unwrap();
    drop(second);
    open(folder.path()).await.unwrap();
}

#[tokio::test]
async fn users_apps_and_servers_have_files_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let app = |number| SdkAppId::parse(number).unwrap();
    let user = |name| UserId::parse(name).unwrap();
    let mut stores = Vec::new();
    for (server, number, name) in
        [(SERVER, 1, "alice"), (SERVER, 1, "Alice"), (SERVER, 2, "alice"), ("http://127.0.0.1:2", 1, "alice")]
    {
        stores.push(Store::open(folder.path(), server, app(number), &user(name)).await.unwrap());
    }
    queue(&stores[0], 1).await;
    assert_eq!(queued(&stores[0]).await.len(), 1);
    for other in &stores[1..] {
        assert_eq!(queued(other).await, []);
    }
}

#[tokio::test]
async fn a_file_of_a_newer_version_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await.unwrap();
    let ids = queue(&store, 2).await;
    let set = |version: i64| AssertSqlSafe(format!("pragma user_version = {version}"));
    let known = sqlx::query_scalar("pragma user_version").fetch_one(&store.0.writer).await.unwrap();
    sqlx::raw_sql(set(99)).execute(&store.0.writer).await.unwrap();
    store.close().await;
    assert_eq!(code(open(folder.path()).await), Some(Code::DATABASE_LOAD_FAILED));
    let connection = sqlx::SqlitePool::connect_with(super::options(&file(folder.path(), "im.db"))).await.unwrap();
    sqlx::raw_sql(set(known)).execute(&connection).await.unwrap();
    connection.close().await;
    assert_eq!(queued(&open(folder.path()).await.unwrap()).await, ids);
}

#[tokio::test]
async fn a_kill_keeps_the_outbox_in_its_order() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await.unwrap();
    let ids = queue(&store, 5).await;
    // What is begun and not committed when the app is killed was never there.
    let mut tx = store.begin().await.unwrap();
    messages::dequeue(&mut tx, &ids).await.unwrap();
    drop(tx);
    drop(store);
    let store = open(folder.path()).await.unwrap();
    assert_eq!(queued(&store).await, ids);
    assert_eq!(draft(&store).await.as_deref(), Some("dear bob"));
}

#[tokio::test]
async fn a_damaged_file_is_set_aside_and_outbox_and_drafts_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await.unwrap();
    let ids = queue(&store, 5).await;
    let mut tx = store.begin().await.unwrap();
    messages::set_failed(&mut tx, &[(ids[1], 10007)]).await.unwrap();
    messages::dequeue(&mut tx, &ids[1..2]).await.unwrap();
    store.commit(tx).await.unwrap();
    let root: i64 = sqlx::query_scalar("select rootpage from sqlite_schema where name = 'held_range'")
        .fetch_one(&store.0.writer)
        .await
        .unwrap();
    store.close().await;
    let path = file(folder.path(), "im.db");
    let mut bytes = fs::read(&path).unwrap();
    let page = 4096 * usize::try_from(root - 1).unwrap();
    bytes[page..page + 4096].fill(0xff);
    fs::write(&path, bytes).unwrap();

    let store = open(folder.path()).await.unwrap();
    assert_eq!(queued(&store).await, [ids[0], ids[2], ids[3], ids[4]]);
    assert_eq!(draft(&store).await.as_deref(), Some("dear bob"));
    let mut reader = store.read().await.unwrap();
    let rows = messages::find_by_ids(&mut reader, &ids[1..2]).await.unwrap();
    let shown = messages::show(&mut reader, &alice(), rows).await.unwrap();
    assert_eq!(shown[0].failure, Some(10007));
    assert_eq!(shown[0].status, crate::message::MessageStatus::Failed);
    assert!(file(folder.path(), "im-damaged.db").exists());
}

#[tokio::test]
async fn a_file_found_damaged_in_use_is_rebuilt_at_the_next_opening() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await.unwrap();
    let ids = queue(&store, 1).await;
    store.note(&ImError::from(Code::DATABASE_FAILED));
    store.close().await;
    let store = open(folder.path()).await.unwrap();
    assert_eq!(queued(&store).await, ids);
    store.close().await;
    let aside = fs::metadata(file(folder.path(), "im-damaged.db")).unwrap().modified().unwrap();
    drop(open(folder.path()).await.unwrap());
    let again = fs::metadata(file(folder.path(), "im-damaged.db")).unwrap().modified().unwrap();
    assert_eq!(aside, again, "it is rebuilt once");
}

#[tokio::test]
async fn a_file_that_is_no_database_begins_anew() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await.unwrap();
    queue(&store, 1).await;
    store.close().await;
    fs::write(file(folder.path(), "im.db"), "not a database at all, but long enough to be looked at").unwrap();
    let store = open(folder.path()).await.unwrap();
    assert_eq!(queued(&store).await, []);
}

#[tokio::test]
async fn a_full_disk_has_its_code_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await.unwrap();
    let ids = queue(&store, 1).await;
    sqlx::raw_sql("pragma max_page_count = 1").execute(&store.0.writer).await.unwrap();
    let mut tx = store.begin().await.unwrap();
    let text = format!(r#"{{"elements":[{{"type":"text","text":"{}"}}]}}"#, "x".repeat(100_000));
    let known = conversations::load_or_insert(&mut tx, &[bob()]).await.unwrap();
    let row = OutgoingRow {
        id: MessageId::generate(),
        conversation: known[0].row,
        anchor_seq: Seq::ZERO,
        sender: &alice(),
        nick: "",
        face_url: "",
        timestamp_ms: 1,
        body: &text,
    };
    let error = messages::insert_outgoing(&mut tx, &row).await.unwrap_err();
    assert_eq!(error.code(), Code::IO_FAILED);
    drop(tx);
    assert_eq!(queued(&store).await, ids);
}

#[tokio::test]
async fn a_write_that_the_engine_gave_up_is_not_the_last_one() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await.unwrap();
    let mut tx = store.begin().await.unwrap();
    sqlx::raw_sql("rollback").execute(&mut *tx).await.unwrap();
    store.commit(tx).await.unwrap_err();
    let ids = queue(&store, 2).await;
    assert_eq!(queued(&store).await, ids);
}

#[tokio::test]
async fn a_kill_while_a_damaged_file_is_rebuilt_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await.unwrap();
    let ids = queue(&store, 3).await;
    store.note(&ImError::from(Code::DATABASE_FAILED));
    store.close().await;
    let path = file(folder.path(), "im.db");
    let beside = |name| path.with_file_name(name);

    // Killed while the new one was being made.
    fs::write(beside("im-unfinished.db"), "half of a database").unwrap();
    let store = open(folder.path()).await.unwrap();
    assert_eq!(queued(&store).await, ids);
    store.note(&ImError::from(Code::DATABASE_FAILED));
    store.close().await;

    // Killed when the new one was whole, before and after the old one was set aside.
    fs::copy(&path, beside("im-rebuilt.db")).unwrap();
    fs::write(&path, "damaged, and read already, but not yet set aside").unwrap();
    let store = open(folder.path()).await.unwrap();
    assert_eq!(queued(&store).await, ids);
    store.note(&ImError::from(Code::DATABASE_FAILED));
    store.close().await;
    fs::rename(&path, beside("im-rebuilt.db")).unwrap();
    let store = open(folder.path()).await.unwrap();
    assert_eq!(queued(&store).await, ids);
    assert_eq!(draft(&store).await.as_deref(), Some("dear bob"));
    assert!(!beside("damaged").exists() && !beside("im-rebuilt.db").exists());
}
