// SPDX-License-Identifier: Apache-2.0
//! Writing messages and what becomes of them. What was not sent stands after the sequence that it is anchored at; no two
//! of a conversation have the same `sub`.

use std::collections::{HashMap, HashSet};

use hongyan_protocol::ids::{MessageId, Seq, UserId};
use hongyan_protocol::limits::INTEGER_MAX;
use serde::Serialize;

use super::bad_row;
use super::index::{self, ArrivedRow, IndexRow};
use crate::error::ImError;
use crate::listener::events::ConversationRow;
use crate::store::{Transaction, to_json};
use crate::sync::batch::WriteError;

/// A message to be stored: one that the server has.
#[derive(Debug, Serialize)]
pub(crate) struct NewRow {
    pub(crate) id: MessageId,
    pub(crate) conversation: i64,
    pub(crate) seq: Seq,
    pub(crate) sender: UserId,
    pub(crate) nick: String,
    pub(crate) face_url: String,
    pub(crate) server_ms: i64,
    pub(crate) body: String,
    /// How a search finds it.
    #[serde(skip)]
    pub(crate) found: Option<IndexRow>,
}

/// Whether the store has another message at one of these places (a JSON array of [`NewRow`] or [`SentRow`]): then the
/// server's log is not the one it was.
pub(crate) async fn is_contradicted(tx: &mut Transaction, rows: &str) -> Result<bool, ImError> {
    Ok(sqlx::query_scalar(
        "select exists ( \
             select 1 from json_each($1) j \
             join message m on m.conversation = j.value ->> 'conversation' and m.anchor_seq = j.value ->> 'seq' \
                  and m.sub = 0 \
             where m.message_id <> j.value ->> 'id')",
    )
    .bind(rows)
    .fetch_one(&mut **tx)
    .await?)
}

/// Which of some messages were sent from here and are not known to have arrived.
pub(crate) async fn list_unsent_among(tx: &mut Transaction, ids: &[MessageId]) -> Result<Vec<MessageId>, ImError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let found: Vec<String> = sqlx::query_scalar(
        "select message_id from message where message_id in (select value from json_each($1)) and status <> 2",
    )
    .bind(to_json(ids)?)
    .fetch_all(&mut **tx)
    .await?;
    found.iter().map(|id| MessageId::parse(id).map_err(|_| bad_row(id))).collect()
}

/// Stores messages that the server has; `json` is a JSON array of them. Those that are there already stay as they are,
/// but for those that were not known to have arrived.
pub(crate) async fn insert(tx: &mut Transaction, rows: &[NewRow], json: &str) -> Result<(), WriteError> {
    let changed: Vec<(i64, i64)> = sqlx::query_as(
        "insert into message (message_id, conversation, anchor_seq, sub, status, sender, nick, face_url, \
                              timestamp_ms, is_local_origin, body) \
         select value ->> 'id', value ->> 'conversation', value ->> 'seq', 0, 2, value ->> 'sender', value ->> 'nick', \
                value ->> 'face_url', value ->> 'server_ms', 0, value ->> 'body' \
         from json_each($1) where true \
         on conflict (message_id) do update set \
             anchor_seq = excluded.anchor_seq, sub = 0, status = 2, failure = null, nick = excluded.nick, \
             face_url = excluded.face_url, timestamp_ms = excluded.timestamp_ms, body = excluded.body \
         where message.status <> 2 \
         returning conversation, anchor_seq",
    )
    .bind(json)
    .fetch_all(&mut **tx)
    .await?;
    let changed: HashSet<(i64, i64)> = changed.into_iter().collect();
    let is_changed = |row: &&NewRow| changed.contains(&(row.conversation, row.seq.get()));
    index::index(tx, rows.iter().filter(is_changed).filter_map(|row| row.found.as_ref())).await?;
    Ok(())
}

/// What the server made of a message that was sent from here.
#[derive(Debug, Serialize)]
pub(crate) struct SentRow {
    pub(crate) id: MessageId,
    pub(crate) conversation: i64,
    pub(crate) seq: Seq,
    pub(crate) server_ms: i64,
}

/// Puts messages that were sent from here to their places. A place that is taken is a contradiction.
pub(crate) async fn set_sent(tx: &mut Transaction, sent: &[SentRow]) -> Result<(), WriteError> {
    let arrived: Vec<ArrivedRow> = sqlx::query_as(
        "update message set anchor_seq = j.value ->> 'seq', sub = 0, status = 2, failure = null, \
                timestamp_ms = j.value ->> 'server_ms' \
         from json_each($1) j \
         where message.message_id = j.value ->> 'id' and message.status <> 2 \
         returning conversation, anchor_seq, sender, body",
    )
    .bind(to_json(sent)?)
    .fetch_all(&mut **tx)
    .await?;
    Ok(index::index_arrived(tx, &arrived).await?)
}

/// Marks messages as failed; those that arrived meanwhile stay.
pub(crate) async fn set_failed(tx: &mut Transaction, failed: &[(MessageId, i32)]) -> Result<(), ImError> {
    if failed.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "update message set status = 3, failure = j.value ->> 1 \
         from json_each($1) j \
         where message.message_id = j.value ->> 0 and message.status <> 2",
    )
    .bind(to_json(failed)?)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// The conversations of some messages that were sent from here.
pub(crate) async fn conversations_of(
    tx: &mut Transaction,
    ids: &[MessageId],
) -> Result<HashMap<MessageId, ConversationRow>, ImError> {
    let rows: Vec<(String, i64)> = sqlx::query_as(
        "select message_id, conversation from message where message_id in (select value from json_each($1))",
    )
    .bind(to_json(ids)?)
    .fetch_all(&mut **tx)
    .await?;
    rows.into_iter()
        .map(|(id, row)| Ok((MessageId::parse(&id).map_err(|_| bad_row(&id))?, ConversationRow(row))))
        .collect()
}

pub(in crate::message) const LATEST_UNSENT_MS: &str = "select conversation, max(timestamp_ms) from message \
     where status <> 2 and conversation in (select value from json_each($1)) \
     group by conversation";

/// When the latest unsent message of each of some conversations was made.
pub(crate) async fn latest_unsent_ms(
    tx: &mut Transaction,
    conversations: &[ConversationRow],
) -> Result<HashMap<ConversationRow, i64>, ImError> {
    if conversations.is_empty() {
        return Ok(HashMap::new());
    }
    let rows: Vec<(i64, i64)> = sqlx::query_as(LATEST_UNSENT_MS)
        .bind(to_json(&conversations.iter().map(|row| row.0).collect::<Vec<_>>())?)
        .fetch_all(&mut **tx)
        .await?;
    Ok(rows.into_iter().map(|(row, ms)| (ConversationRow(row), ms)).collect())
}

/// Deletes what the server had of one conversation, and what was held of its log.
pub(crate) async fn forget(tx: &mut Transaction, conversations: &[ConversationRow]) -> Result<(), ImError> {
    if conversations.is_empty() {
        return Ok(());
    }
    index::forget(tx, conversations).await?;
    let rows = to_json(&conversations.iter().map(|row| row.0).collect::<Vec<_>>())?;
    sqlx::query("delete from message where status = 2 and conversation in (select value from json_each($1))")
        .bind(&rows)
        .execute(&mut **tx)
        .await?;
    sqlx::query("delete from held_range where conversation in (select value from json_each($1))")
        .bind(&rows)
        .execute(&mut **tx)
        .await?;
    sqlx::query(
        "update message set anchor_seq = $2 \
         where status <> 2 and conversation in (select value from json_each($1))",
    )
    .bind(&rows)
    .bind(INTEGER_MAX)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Deletes what the server had of every conversation. What was not sent stands after everything from then on.
pub(crate) async fn forget_all(tx: &mut Transaction) -> Result<(), ImError> {
    index::forget_all(tx).await?;
    sqlx::query("delete from message where status = 2").execute(&mut **tx).await?;
    sqlx::query("delete from held_range").execute(&mut **tx).await?;
    sqlx::query("update message set anchor_seq = $1").bind(INTEGER_MAX).execute(&mut **tx).await?;
    Ok(())
}

/// Gives what was not sent a place in logs that are known at last, or again: after the last message that is not younger,
/// before all that are held where each of them is.
pub(crate) async fn anchor_unsent(tx: &mut Transaction, ends: &[(ConversationRow, Seq)]) -> Result<(), ImError> {
    if ends.is_empty() {
        return Ok(());
    }
    let ends: Vec<(i64, i64)> = ends.iter().map(|(row, seq)| (row.0, seq.get())).collect();
    sqlx::query(
        "update message set anchor_seq = coalesce( \
             (select older.anchor_seq from message older \
              where older.conversation = message.conversation and older.status = 2 \
                and older.timestamp_ms <= message.timestamp_ms \
              order by older.anchor_seq desc limit 1), \
             (select younger.anchor_seq - 1 from message younger \
              where younger.conversation = message.conversation and younger.status = 2 \
              order by younger.anchor_seq limit 1), \
             j.value ->> 1) \
         from json_each($1) j \
         where message.conversation = j.value ->> 0 and message.status <> 2 and message.anchor_seq = $2",
    )
    .bind(to_json(&ends)?)
    .bind(INTEGER_MAX)
    .execute(&mut **tx)
    .await?;
    Ok(())
}
