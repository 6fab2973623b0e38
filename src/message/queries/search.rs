// SPDX-License-Identifier: Apache-2.0
//! Looking for messages: those that the server has in the index, the few others one by one.

use std::ops::{Range, RangeInclusive};

use sqlx::{FromRow, SqliteConnection};

use super::index::{key_of, places_of};
use super::{HistoryKey, MessageRow};
use crate::error::ImError;
use crate::listener::events::ConversationRow;
use crate::message::search::Words;
use crate::message::types::read_body;
use crate::store::to_json;

/// What is looked for, and where.
pub(in crate::message) struct Scope {
    /// In the language of FTS5.
    pub(in crate::message) expression: String,
    /// One conversation, or all.
    pub(in crate::message) conversation: Option<ConversationRow>,
    /// The time of the messages, or any.
    pub(in crate::message) time_ms: Option<RangeInclusive<i64>>,
}

impl Scope {
    fn places(&self) -> Range<i64> {
        self.conversation.map_or(0..i64::MAX, places_of)
    }
}

/// What the index finds in a [`Scope`]: its expression is $1, its places begin with $2 and end before $3, its times are $4
/// to $5. A place is a conversation above 40 bits of sequence.
macro_rules! hits {
    () => {
        "from message_index \
         where message_index match $1 and rowid >= $2 and rowid < $3 \
           and ($4 is null or exists ( \
               select 1 from message m \
               where m.conversation = message_index.rowid >> 40 \
                 and m.anchor_seq = message_index.rowid & 0xffffffffff \
                 and m.sub = 0 and m.timestamp_ms between $4 and $5)) "
    };
}

/// How many messages were found in a conversation, and the newest of them.
#[derive(Debug, FromRow)]
pub(in crate::message) struct HitsRow {
    pub(in crate::message) conversation: i64,
    pub(in crate::message) messages_count: i64,
    pub(in crate::message) newest: i64,
}

/// Counts what is found in each conversation.
pub(in crate::message) async fn count_hits(
    connection: &mut SqliteConnection,
    scope: &Scope,
) -> Result<Vec<HitsRow>, ImError> {
    let places = scope.places();
    Ok(sqlx::query_as(concat!(
        "select rowid >> 40 as conversation, count(*) as messages_count, max(rowid) as newest ",
        hits!(),
        "group by rowid >> 40"
    ))
    .bind(&scope.expression)
    .bind(places.start)
    .bind(places.end)
    .bind(scope.time_ms.as_ref().map(RangeInclusive::start))
    .bind(scope.time_ms.as_ref().map(RangeInclusive::end))
    .fetch_all(connection)
    .await?)
}

pub(in crate::message) const PAGE_HITS: &str =
    concat!("select rowid ", hits!(), "order by rowid desc limit $6 offset $7");

/// Where what is found stands, the last place first.
pub(in crate::message) async fn page_hits(
    connection: &mut SqliteConnection,
    scope: &Scope,
    offset: i64,
    limit: i64,
) -> Result<Vec<HistoryKey>, ImError> {
    let places = scope.places();
    let hits: Vec<i64> = sqlx::query_scalar(PAGE_HITS)
        .bind(&scope.expression)
        .bind(places.start)
        .bind(places.end)
        .bind(scope.time_ms.as_ref().map(RangeInclusive::start))
        .bind(scope.time_ms.as_ref().map(RangeInclusive::end))
        .bind(limit)
        .bind(offset)
        .fetch_all(connection)
        .await?;
    Ok(hits.into_iter().map(key_of).collect())
}

/// Orders conversations by the newest message that was found in each, newest first. Each comes with the sequence of
/// the newest that the server has, and the time of the newest that was not sent; 0 for none.
pub(in crate::message) async fn page_newest(
    connection: &mut SqliteConnection,
    conversations: &[(i64, i64, i64)],
    offset: i64,
    limit: i64,
) -> Result<Vec<i64>, ImError> {
    Ok(sqlx::query_scalar(
        "select j.value ->> 0 \
         from json_each($1) j \
         left join message m on m.conversation = j.value ->> 0 and m.anchor_seq = j.value ->> 1 and m.sub = 0 \
         order by max(coalesce(m.timestamp_ms, 0), j.value ->> 2) desc, j.value ->> 0 \
         limit $2 offset $3",
    )
    .bind(to_json(conversations)?)
    .bind(limit)
    .bind(offset)
    .fetch_all(connection)
    .await?)
}

/// The message of each of some places, the last place of a conversation first.
pub(in crate::message) async fn list_at(
    connection: &mut SqliteConnection,
    places: &[(i64, HistoryKey)],
) -> Result<Vec<MessageRow>, ImError> {
    let places: Vec<(i64, i64, i64)> = places.iter().map(|(row, key)| (*row, key.anchor_seq, key.sub)).collect();
    Ok(sqlx::query_as(concat!(
        "select ",
        message_columns!(),
        "from json_each($1) j \
         join message on conversation = j.value ->> 0 and anchor_seq = j.value ->> 1 and sub = j.value ->> 2 \
         order by conversation, anchor_seq desc, sub desc"
    ))
    .bind(to_json(&places)?)
    .fetch_all(connection)
    .await?)
}

/// How many of the messages that were not sent are read at a time: those that failed stay, and may be many.
pub(in crate::message) const UNSENT_PAGE: usize = 200;

pub(in crate::message) const PAGE_UNSENT: &str = "select row_id, conversation, anchor_seq, sub, timestamp_ms, sender, body \
     from message \
     where status <> 2 and (conversation, timestamp_ms, row_id) > ($1, $2, $3) \
       and ($4 is null or conversation = $4) and ($5 is null or timestamp_ms between $5 and $6) \
     order by conversation, timestamp_ms, row_id \
     limit $7";

/// What was not sent, of one conversation or of all, by its age, after one that was looked at before.
pub(in crate::message) async fn page_unsent(
    connection: &mut SqliteConnection,
    scope: &Scope,
    after: Option<&UnsentRow>,
) -> Result<Vec<UnsentRow>, ImError> {
    let start = (scope.conversation.map_or(0, |row| row.0), i64::MIN, 0);
    let after = after.map_or(start, |row| (row.conversation, row.timestamp_ms, row.row_id));
    Ok(sqlx::query_as(PAGE_UNSENT)
        .bind(after.0)
        .bind(after.1)
        .bind(after.2)
        .bind(scope.conversation.map(|row| row.0))
        .bind(scope.time_ms.as_ref().map(RangeInclusive::start))
        .bind(scope.time_ms.as_ref().map(RangeInclusive::end))
        .bind(i64::try_from(UNSENT_PAGE).unwrap_or(i64::MAX))
        .fetch_all(connection)
        .await?)
}

/// A message that was not sent, as far as a search looks at it.
#[derive(Debug, FromRow)]
pub(in crate::message) struct UnsentRow {
    row_id: i64,
    pub(in crate::message) conversation: i64,
    anchor_seq: i64,
    sub: i64,
    pub(in crate::message) timestamp_ms: i64,
    sender: String,
    body: String,
}

impl UnsentRow {
    /// Where it stands.
    pub(in crate::message) fn key(&self) -> HistoryKey {
        HistoryKey { anchor_seq: self.anchor_seq, sub: self.sub }
    }

    /// What of it can be found.
    pub(in crate::message) fn words(&self) -> Option<Words> {
        Words::of(&self.sender, &read_body(&self.body).elements)
    }
}
