// SPDX-License-Identifier: Apache-2.0
//! What waits to be sent.

use hongyan_protocol::codes::Code;
use hongyan_protocol::ids::{ConversationId, MessageId, Seq, UserId};
use hongyan_protocol::limits::INTEGER_MAX;
use sqlx::{FromRow, SqliteConnection};

use super::{SENT, bad_row, set_failed};
use crate::conversation;
use crate::conversation::state::Known;
use crate::error::ImError;
use crate::listener::events::ConversationRow;
use crate::message::limits::OUTBOX_MESSAGES_MAX;
use crate::store::{SalvagedMessage, Transaction, to_json};

/// A message that is about to be sent.
pub(crate) struct OutgoingRow<'a> {
    pub(crate) id: MessageId,
    pub(crate) conversation: ConversationRow,
    pub(crate) anchor_seq: Seq,
    pub(crate) sender: &'a UserId,
    pub(crate) nick: &'a str,
    pub(crate) face_url: &'a str,
    pub(crate) timestamp_ms: i64,
    pub(crate) body: &'a str,
}

/// Stores a message and puts it at the end of the outbox. Its id must be new.
pub(crate) async fn insert_outgoing(tx: &mut Transaction, row: &OutgoingRow<'_>) -> Result<(), ImError> {
    let inserted = sqlx::query(
        "insert into message (message_id, conversation, anchor_seq, sub, status, sender, nick, face_url, \
                              timestamp_ms, is_local_origin, body) \
         values ($1, $2, $3, \
                 (select coalesce(max(sub), 0) + 1 from message where conversation = $2 and status <> 2), \
                 1, $4, $5, $6, $7, 1, $8) \
         on conflict (message_id) do nothing",
    )
    .bind(row.id.to_string())
    .bind(row.conversation.0)
    .bind(row.anchor_seq.get())
    .bind(row.sender.as_str())
    .bind(row.nick)
    .bind(row.face_url)
    .bind(row.timestamp_ms)
    .bind(row.body)
    .execute(&mut **tx)
    .await?;
    if inserted.rows_affected() == 0 {
        return Err(ImError::new(
            Code::INVALID_PARAMETERS,
            "a message of this id was sent before; resend it by its id",
        ));
    }
    enqueue(tx, row.id).await
}

/// Puts a message that failed at the end of the outbox again. Whether there was one.
pub(crate) async fn requeue(tx: &mut Transaction, id: MessageId) -> Result<bool, ImError> {
    let changed = sqlx::query("update message set status = 1, failure = null where message_id = $1 and status = 3")
        .bind(id.to_string())
        .execute(&mut **tx)
        .await?;
    if changed.rows_affected() == 0 {
        return Ok(false);
    }
    enqueue(tx, id).await?;
    Ok(true)
}

async fn enqueue(tx: &mut Transaction, id: MessageId) -> Result<(), ImError> {
    let count: i64 = sqlx::query_scalar("select count(*) from outbox").fetch_one(&mut **tx).await?;
    if count >= OUTBOX_MESSAGES_MAX {
        return Err(ImError::new(Code::REQUEST_QUEUE_FULL, "too many messages wait to be sent"));
    }
    sqlx::query("insert into outbox (message_id) values ($1) on conflict (message_id) do nothing")
        .bind(id.to_string())
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// The outbox after a position, first to be sent first: position, message, conversation.
pub(crate) async fn list_outbox(
    connection: &mut SqliteConnection,
    after: i64,
) -> Result<Vec<(i64, MessageId, ConversationRow)>, ImError> {
    let rows: Vec<(i64, String, i64)> = sqlx::query_as(
        "select o.position, o.message_id, m.conversation \
         from outbox o \
         join message m on m.message_id = o.message_id \
         where o.position > $1 \
         order by o.position \
         limit $2",
    )
    .bind(after)
    .bind(OUTBOX_MESSAGES_MAX)
    .fetch_all(connection)
    .await?;
    rows.into_iter()
        .map(|(position, id, row)| {
            Ok((position, MessageId::parse(&id).map_err(|_| bad_row(&id))?, ConversationRow(row)))
        })
        .collect()
}

/// What became of some messages that left the outbox.
pub(crate) async fn list_outcomes(
    connection: &mut SqliteConnection,
    ids: &[MessageId],
) -> Result<Vec<(MessageId, Result<(), ImError>)>, ImError> {
    let rows: Vec<(String, i64, Option<i32>)> = sqlx::query_as(
        "select message_id, status, failure from message where message_id in (select value from json_each($1))",
    )
    .bind(to_json(ids)?)
    .fetch_all(connection)
    .await?;
    let outcome = |id: &MessageId| match rows.iter().find(|(found, _, _)| *found == id.to_string()) {
        Some((_, SENT, _)) => Ok(()),
        Some((_, _, failure)) => Err(failure.map_or(Code::REQUEST_TIMEOUT, Code).into()),
        None => Err(ImError::new(Code::DATABASE_NO_DATA, "the message is not in the store any more")),
    };
    Ok(ids.iter().map(|id| (*id, outcome(id))).collect())
}

/// A message of the outbox.
#[derive(FromRow)]
pub(in crate::message) struct QueuedRow {
    pub(in crate::message) message_id: String,
    pub(in crate::message) conversation_id: String,
    pub(in crate::message) body: String,
}

/// Some messages of the outbox, first to be sent first.
pub(in crate::message) async fn list_queued(
    connection: &mut SqliteConnection,
    ids: &[MessageId],
) -> Result<Vec<QueuedRow>, ImError> {
    Ok(sqlx::query_as(
        "select o.message_id, c.conversation_id, m.body \
         from outbox o \
         join message m on m.message_id = o.message_id \
         join conversation c on c.row_id = m.conversation \
         where o.message_id in (select value from json_each($1)) \
         order by o.position",
    )
    .bind(to_json(ids)?)
    .fetch_all(connection)
    .await?)
}

/// Takes messages out of the outbox.
pub(crate) async fn dequeue(tx: &mut Transaction, ids: &[MessageId]) -> Result<(), ImError> {
    if ids.is_empty() {
        return Ok(());
    }
    sqlx::query("delete from outbox where message_id in (select value from json_each($1))")
        .bind(to_json(ids)?)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Puts what waited in a damaged file into a new one.
pub(crate) async fn insert_salvaged(
    tx: &mut Transaction,
    user: &UserId,
    messages: &[SalvagedMessage],
) -> Result<(), ImError> {
    for message in messages {
        let (Ok(id), Ok(conversation)) =
            (MessageId::parse(&message.message_id), ConversationId::parse(&message.conversation_id))
        else {
            continue;
        };
        let known = conversation::queries::load_or_insert(tx, &[conversation]).await?;
        let Some(known) = known.into_iter().next() else { continue };
        let anchor_seq = Seq::parse(INTEGER_MAX)?;
        let row = OutgoingRow {
            id,
            conversation: known.row,
            anchor_seq,
            sender: user,
            nick: "",
            face_url: "",
            timestamp_ms: message.timestamp_ms,
            body: &message.body,
        };
        match insert_outgoing(tx, &row).await {
            // A damaged index may give one row twice.
            Err(error) if error.code() == Code::INVALID_PARAMETERS => continue,
            inserted => inserted?,
        }
        if !message.is_queued {
            dequeue(tx, &[id]).await?;
            set_failed(tx, &[(id, message.failure.unwrap_or(Code::REQUEST_TIMEOUT.0))]).await?;
        }
        let known = Known { local_key: known.local_key.max(message.timestamp_ms), ..known };
        conversation::queries::save(tx, &[&known]).await?;
    }
    Ok(())
}
