// SPDX-License-Identifier: Apache-2.0
//! The tables of messages, of what is held of each log, and of the outbox. Here: reading messages.
//!
//! * `write`: writing messages and what becomes of them. `held`: the ranges. `outbox`: what waits to be sent.
//! * `index`: what is searched, kept in step with the messages. `search`: looking there.

macro_rules! message_columns {
    () => {
        "message_id, conversation, anchor_seq, sub, status, sender, nick, face_url, timestamp_ms, failure, \
         body "
    };
}

mod held;
mod index;
mod outbox;
mod search;
mod write;

use std::collections::HashMap;

use hongyan_protocol::codes::Code;
use hongyan_protocol::ids::{ConversationId, MessageId, Seq, SeqRange, UserId};
use sqlx::{FromRow, SqliteConnection};

use crate::conversation;
use crate::error::ImError;
use crate::listener::events::ConversationRow;
use crate::message::types::{Message, MessageStatus, read_body};
use crate::store::to_json;

pub(crate) use held::{load_held, save_held};
pub(crate) use index::IndexRow;
pub(super) use index::{index_backlog, is_whole, key_of};
pub(crate) use outbox::{OutgoingRow, dequeue, insert_outgoing, insert_salvaged, list_outbox, list_outcomes, requeue};
pub(super) use outbox::{QueuedRow, list_queued};
#[cfg(test)]
pub(super) use search::{PAGE_HITS, PAGE_UNSENT};
pub(super) use search::{Scope, UNSENT_PAGE, count_hits, list_at, page_hits, page_newest, page_unsent};
#[cfg(test)]
pub(super) use write::LATEST_UNSENT_MS;
pub(crate) use write::{
    NewRow, SentRow, anchor_unsent, conversations_of, forget, forget_all, insert, is_contradicted, latest_unsent_ms,
    list_unsent_among, set_failed, set_sent,
};

const SENDING: i64 = MessageStatus::Sending as i64;
const SENT: i64 = MessageStatus::Sent as i64;
const FAILED: i64 = MessageStatus::Failed as i64;

/// A stored message.
#[derive(Debug, FromRow)]
pub(crate) struct MessageRow {
    message_id: String,
    conversation: i64,
    anchor_seq: i64,
    sub: i64,
    status: i64,
    sender: String,
    nick: String,
    face_url: String,
    timestamp_ms: i64,
    failure: Option<i32>,
    body: String,
}

/// A place in a conversation's history: by sequence, and among what is not sent after the same sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct HistoryKey {
    pub(crate) anchor_seq: i64,
    pub(crate) sub: i64,
}

impl HistoryKey {
    /// Before everything.
    pub(crate) const START: Self = Self { anchor_seq: -1, sub: 0 };
    /// After everything.
    pub(crate) const END: Self = Self { anchor_seq: i64::MAX, sub: i64::MAX };

    /// Before the message of a sequence and after all that is anchored before it.
    pub(crate) fn before(seq: Seq) -> Self {
        Self { anchor_seq: seq.get(), sub: -1 }
    }
}

impl MessageRow {
    /// Where it stands.
    pub(crate) fn key(&self) -> HistoryKey {
        HistoryKey { anchor_seq: self.anchor_seq, sub: self.sub }
    }
}

pub(super) const PAGE_BEFORE: &str = concat!(
    "select ",
    message_columns!(),
    "from message \
     where conversation = $1 and (anchor_seq, sub) < ($2, $3) and anchor_seq >= $4 \
     order by anchor_seq desc, sub desc \
     limit $5"
);

/// The messages before a place, nearest first, none before `floor`.
pub(crate) async fn page_before(
    connection: &mut SqliteConnection,
    conversation: ConversationRow,
    before: HistoryKey,
    floor: i64,
    limit: u32,
) -> Result<Vec<MessageRow>, ImError> {
    Ok(sqlx::query_as(PAGE_BEFORE)
        .bind(conversation.0)
        .bind(before.anchor_seq)
        .bind(before.sub)
        .bind(floor)
        .bind(limit)
        .fetch_all(connection)
        .await?)
}

pub(super) const PAGE_AFTER: &str = concat!(
    "select ",
    message_columns!(),
    "from message \
     where conversation = $1 and (anchor_seq, sub) > ($2, $3) and anchor_seq <= $4 \
     order by anchor_seq, sub \
     limit $5"
);

/// The messages after a place, nearest first, none after `ceiling`.
pub(crate) async fn page_after(
    connection: &mut SqliteConnection,
    conversation: ConversationRow,
    after: HistoryKey,
    ceiling: i64,
    limit: u32,
) -> Result<Vec<MessageRow>, ImError> {
    Ok(sqlx::query_as(PAGE_AFTER)
        .bind(conversation.0)
        .bind(after.anchor_seq)
        .bind(after.sub)
        .bind(ceiling)
        .bind(limit)
        .fetch_all(connection)
        .await?)
}

pub(super) const PAGE_UNHEARD: &str = concat!(
    "select ",
    message_columns!(),
    "from message \
     where conversation = $1 and anchor_seq between $2 and $3 and sub = 0 and is_local_origin = 0 \
     order by anchor_seq \
     limit $4"
);

/// What listeners are told of a range: sent messages that were not sent from here, rising.
pub(crate) async fn page_unheard(
    connection: &mut SqliteConnection,
    conversation: ConversationRow,
    range: SeqRange,
    limit: u32,
) -> Result<Vec<MessageRow>, ImError> {
    Ok(sqlx::query_as(PAGE_UNHEARD)
        .bind(conversation.0)
        .bind(range.from.get())
        .bind(range.to.get())
        .bind(limit)
        .fetch_all(connection)
        .await?)
}

pub(super) const LIST_UNHEARD: &str = concat!(
    "select ",
    message_columns!(),
    "from json_each($1) j \
     cross join message m on m.conversation = j.value ->> 0 and m.anchor_seq between j.value ->> 1 and j.value ->> 2 \
         and m.sub = 0 and m.is_local_origin = 0 \
     order by j.key, m.anchor_seq \
     limit $2"
);

/// The same of several ranges that hold few messages: range by range, each rising.
pub(crate) async fn list_unheard(
    connection: &mut SqliteConnection,
    ranges: &[(ConversationRow, SeqRange)],
) -> Result<Vec<MessageRow>, ImError> {
    let count = ranges.iter().fold(0_i64, |count, (_, range)| count.saturating_add(range.count()));
    let ranges: Vec<_> = ranges.iter().map(|(row, range)| (row.0, range.from, range.to)).collect();
    Ok(sqlx::query_as(LIST_UNHEARD).bind(to_json(&ranges)?).bind(count).fetch_all(connection).await?)
}

/// Some messages by their ids, in no order.
pub(crate) async fn find_by_ids(
    connection: &mut SqliteConnection,
    ids: &[MessageId],
) -> Result<Vec<MessageRow>, ImError> {
    Ok(sqlx::query_as(concat!(
        "select ",
        message_columns!(),
        "from message where message_id in (select value from json_each($1))"
    ))
    .bind(to_json(ids)?)
    .fetch_all(connection)
    .await?)
}

pub(super) const LAST_OF_EACH: &str = concat!(
    "select ",
    message_columns!(),
    "from message where row_id in ( \
         select (select m.row_id from message m where m.conversation = j.value \
                 order by m.anchor_seq desc, m.sub desc limit 1) \
         from json_each($1) j)"
);

/// The last message of each of some conversations.
pub(crate) async fn last_of_each(
    connection: &mut SqliteConnection,
    conversations: &[i64],
) -> Result<Vec<MessageRow>, ImError> {
    Ok(sqlx::query_as(LAST_OF_EACH).bind(to_json(conversations)?).fetch_all(connection).await?)
}

pub(super) const TIMES_UP_TO: &str = "select j.value ->> 0, \
            (select m.timestamp_ms from message m \
             where m.conversation = j.value ->> 0 and m.anchor_seq <= j.value ->> 1 and m.sub = 0 \
             order by m.anchor_seq desc, m.sub desc limit 1) \
     from json_each($1) j";

/// The server's time of the last message up to a sequence, of each of some conversations, where one is held.
pub(crate) async fn times_up_to(
    connection: &mut SqliteConnection,
    positions: &[(i64, i64)],
) -> Result<HashMap<i64, i64>, ImError> {
    let rows: Vec<(i64, Option<i64>)> =
        sqlx::query_as(TIMES_UP_TO).bind(to_json(positions)?).fetch_all(connection).await?;
    Ok(rows.into_iter().filter_map(|(row, ms)| Some((row, ms?))).collect())
}

/// Makes of rows what apps see, in the same order.
pub(crate) async fn show(
    connection: &mut SqliteConnection,
    user: &UserId,
    rows: Vec<MessageRow>,
) -> Result<Vec<Message>, ImError> {
    let mut conversations: Vec<i64> = rows.iter().map(|row| row.conversation).collect();
    conversations.sort_unstable();
    conversations.dedup();
    let positions = conversation::queries::positions(connection, &conversations).await?;
    rows.into_iter()
        .map(|row| {
            let position = positions.get(&row.conversation).ok_or_else(|| bad_row(&row.message_id))?;
            show_one(user, row, position)
        })
        .collect()
}

fn show_one(user: &UserId, row: MessageRow, position: &conversation::queries::Position) -> Result<Message, ImError> {
    let conversation =
        ConversationId::parse(&position.conversation_id).map_err(|_| bad_row(&position.conversation_id))?;
    let status = match row.status {
        SENDING => MessageStatus::Sending,
        FAILED => MessageStatus::Failed,
        _ => MessageStatus::Sent,
    };
    let seq = if row.sub == 0 { row.anchor_seq } else { 0 };
    let is_self = row.sender == user.as_str();
    let (user_id, group_id) = match conversation {
        ConversationId::C2c(peer) => (Some(peer.to_string()), None),
        ConversationId::Group(group) => (None, Some(group.to_string())),
    };
    let body = read_body(&row.body);
    Ok(Message {
        message_id: row.message_id,
        conversation_id: position.conversation_id.clone(),
        seq,
        sender: row.sender,
        nick_name: row.nick,
        face_url: row.face_url,
        is_read: is_self || seq <= position.read_seq,
        is_peer_read: is_self && user_id.is_some() && seq > 0 && seq <= position.peer_read_seq,
        user_id,
        group_id,
        timestamp_ms: row.timestamp_ms,
        status,
        is_self,
        elements: body.elements.into_iter().map(Into::into).collect(),
        cloud_custom_data: body.cloud_custom_data.map(|data| data.0).unwrap_or_default(),
        priority: body.priority.into(),
        is_excluded_from_unread_count: body.is_excluded_from_unread_count,
        failure: row.failure,
    })
}

pub(super) fn bad_row(id: &str) -> ImError {
    ImError::new(Code::DATABASE_FAILED, format!("the stored row of {id} cannot be read"))
}
