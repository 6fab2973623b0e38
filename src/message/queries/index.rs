// SPDX-License-Identifier: Apache-2.0
//! The index of what is searched: every message that the server has, from the transaction on that stores it as such. It
//! does not change while the message is there.
//!
//! What an older version stored is the backlog: it is brought in little by little, newest first, and each step is a
//! transaction, so that a kill costs nothing of it. Bringing a message in twice changes nothing.

use std::ops::Range;

use hongyan_protocol::message::Element;
use serde::Serialize;
use sqlx::{FromRow, SqliteConnection};

use super::HistoryKey;
use crate::error::ImError;
use crate::listener::events::ConversationRow;
use crate::message::search::Words;
use crate::message::types::read_body;
use crate::store::{Store, Transaction, to_json};

/// The rules by which words are made: to be raised with each change of what is found, or of how.
const VERSION: i64 = 1;

/// How much of the backlog is brought in at a time: the store's other writes wait that long. The last message of a step may
/// go beyond the bytes.
const STEP_MESSAGES: i64 = 500;
const STEP_BYTES: i64 = 256 * 1024;

/// The bits of a place that are the sequence; those above are the conversation. What has larger numbers is not found:
/// 10^12 messages of a conversation, or 8 million conversations.
const SEQ_BITS: u32 = 40;
const CONVERSATIONS_MAX: i64 = (1 << 23) - 1;

/// Where a message that the server has stands, in one number that rises with the sequence.
fn place_of(conversation: i64, seq: i64) -> Option<i64> {
    let is_in_range = (0..CONVERSATIONS_MAX).contains(&conversation) && (0..1 << SEQ_BITS).contains(&seq);
    is_in_range.then_some(conversation << SEQ_BITS | seq)
}

/// Where in its conversation a place is.
pub(in crate::message) fn key_of(place: i64) -> HistoryKey {
    HistoryKey { anchor_seq: place & ((1 << SEQ_BITS) - 1), sub: 0 }
}

/// The places of a conversation.
pub(super) fn places_of(conversation: ConversationRow) -> Range<i64> {
    place_of(conversation.0, 0).map_or(0..0, |first| first..first + (1 << SEQ_BITS))
}

/// A message as it is found.
#[derive(Debug, Serialize)]
pub(crate) struct IndexRow {
    place: i64,
    text: String,
    about: String,
}

impl IndexRow {
    /// Nothing for a message that no search finds.
    pub(crate) fn of(conversation: i64, seq: i64, sender: &str, elements: &[Element]) -> Option<Self> {
        let place = place_of(conversation, seq)?;
        let Words { text, about } = Words::of(sender, elements)?;
        Some(Self { place, text, about })
    }
}

/// A message that became one of those that the server has.
#[derive(FromRow)]
pub(super) struct ArrivedRow {
    conversation: i64,
    anchor_seq: i64,
    sender: String,
    body: String,
}

impl ArrivedRow {
    fn indexed(&self) -> Option<IndexRow> {
        IndexRow::of(self.conversation, self.anchor_seq, &self.sender, &read_body(&self.body).elements)
    }
}

/// Brings messages in.
pub(super) async fn index<'a>(tx: &mut Transaction, rows: impl Iterator<Item = &'a IndexRow>) -> Result<(), ImError> {
    let rows: Vec<&IndexRow> = rows.collect();
    if rows.is_empty() {
        return Ok(());
    }
    // In the order of their places: each step back would cost a part of the index of its own.
    sqlx::query(
        "insert or replace into message_index (rowid, text, about) \
         select value ->> 'place', value ->> 'text', value ->> 'about' from json_each($1) \
         order by value ->> 'place'",
    )
    .bind(to_json(&rows)?)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Brings messages in that were sent from here and have arrived.
pub(super) async fn index_arrived(tx: &mut Transaction, arrived: &[ArrivedRow]) -> Result<(), ImError> {
    let rows: Vec<IndexRow> = arrived.iter().filter_map(ArrivedRow::indexed).collect();
    index(tx, rows.iter()).await
}

/// Takes out what the server had of some conversations.
pub(super) async fn forget(tx: &mut Transaction, conversations: &[ConversationRow]) -> Result<(), ImError> {
    for conversation in conversations {
        let places = places_of(*conversation);
        sqlx::query("delete from message_index where rowid >= $1 and rowid < $2")
            .bind(places.start)
            .bind(places.end)
            .execute(&mut **tx)
            .await?;
    }
    Ok(())
}

/// Takes out everything.
pub(super) async fn forget_all(tx: &mut Transaction) -> Result<(), ImError> {
    sqlx::query("insert into message_index (message_index) values ('delete-all')").execute(&mut **tx).await?;
    Ok(())
}

/// Whether everything that can be found is in the index.
pub(in crate::message) async fn is_whole(connection: &mut SqliteConnection) -> Result<bool, ImError> {
    Ok(sqlx::query_scalar("select version = $1 and backlog_to = 0 from search_state")
        .bind(VERSION)
        .fetch_one(connection)
        .await?)
}

/// Brings in a part of the backlog. Whether there is more.
pub(in crate::message) async fn index_backlog(store: &Store) -> Result<bool, ImError> {
    let mut tx = store.begin().await?;
    let version: i64 = sqlx::query_scalar("select version from search_state").fetch_one(&mut *tx).await?;
    let is_old = version != VERSION;
    if is_old {
        forget_all(&mut tx).await?;
    }
    let backlog_to: i64 = sqlx::query_scalar(
        "select iif($1, (select coalesce(max(row_id), 0) from message), backlog_to) from search_state",
    )
    .bind(is_old)
    .fetch_one(&mut *tx)
    .await?;
    let next_to = index_step(&mut tx, backlog_to).await?;
    sqlx::query("update search_state set version = $1, backlog_to = $2")
        .bind(VERSION)
        .bind(next_to)
        .execute(&mut *tx)
        .await?;
    store.commit(tx).await?;
    Ok(next_to > 0)
}

/// Brings in the newest of the messages up to a row. Gives the row up to which the next step goes; 0 after the last.
async fn index_step(tx: &mut Transaction, backlog_to: i64) -> Result<i64, ImError> {
    // A body's length is known without reading it.
    let sizes: Vec<(i64, i64)> = sqlx::query_as(
        "select row_id, octet_length(body) from message \
         where row_id <= $1 and status = 2 \
         order by row_id desc \
         limit $2",
    )
    .bind(backlog_to)
    .bind(STEP_MESSAGES)
    .fetch_all(&mut **tx)
    .await?;
    let (mut bytes, mut first) = (0, None);
    for (row_id, size) in sizes {
        if bytes >= STEP_BYTES {
            break;
        }
        bytes += size;
        first = Some(row_id);
    }
    let Some(first) = first else { return Ok(0) };
    let rows: Vec<ArrivedRow> = sqlx::query_as(
        "select conversation, anchor_seq, sender, body from message \
         where row_id between $1 and $2 and status = 2 \
         order by row_id desc \
         limit $3",
    )
    .bind(first)
    .bind(backlog_to)
    .bind(STEP_MESSAGES)
    .fetch_all(&mut **tx)
    .await?;
    index_arrived(tx, &rows).await?;
    Ok(first - 1)
}
