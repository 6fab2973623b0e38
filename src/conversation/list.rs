// SPDX-License-Identifier: Apache-2.0
//! The list as apps see it: rows with their last messages, and the cursor between pages.

use std::collections::HashMap;

use hongyan_protocol::codes::Code;
use hongyan_protocol::ids::{ConversationId, UserId};
use sqlx::SqliteConnection;

use crate::conversation::queries::{self, ListRow};
use crate::conversation::types::{Conversation, ConversationPage, ConversationType};
use crate::error::ImError;
use crate::listener::events::ConversationRow;
use crate::message::{self, Message, MessageReceipt};

/// A page of the list.
pub(super) async fn page(
    connection: &mut SqliteConnection,
    user: &UserId,
    cursor: Option<&str>,
    count: i32,
) -> Result<ConversationPage, ImError> {
    let after = cursor.map(parse_cursor).transpose()?;
    // One more than asked for says whether there is a next page.
    let mut rows = queries::list_page(connection, after, i64::from(count) + 1).await?;
    let wanted = usize::try_from(count).unwrap_or(usize::MAX);
    let has_more = rows.len() > wanted;
    rows.truncate(wanted);
    let next_cursor = rows.last().filter(|_| has_more).map(|row| format!("{} {}", row.list_key, row.conversation_id));
    Ok(ConversationPage { conversations: show(connection, user, rows).await?, next_cursor })
}

/// A cursor names the last row of the page before: it stays right when rows come and go.
fn parse_cursor(cursor: &str) -> Result<(i64, &str), ImError> {
    let place = cursor.split_once(' ').and_then(|(key, id)| Some((key.parse().ok()?, id)));
    place.ok_or_else(|| ImError::new(Code::INVALID_PARAMETERS, "a cursor is what the page before it gave"))
}

/// One conversation, in the list or not.
pub(super) async fn find(
    connection: &mut SqliteConnection,
    user: &UserId,
    id: &ConversationId,
) -> Result<Option<Conversation>, ImError> {
    let row = queries::find_listed(connection, id).await?;
    Ok(show(connection, user, row.into_iter().collect()).await?.into_iter().next())
}

/// Some conversations by their rows, in the order of the list.
pub(crate) async fn show_some(
    connection: &mut SqliteConnection,
    user: &UserId,
    rows: &[ConversationRow],
) -> Result<Vec<Conversation>, ImError> {
    let rows = queries::list_rows(connection, rows).await?;
    show(connection, user, rows).await
}

async fn show(
    connection: &mut SqliteConnection,
    user: &UserId,
    rows: Vec<ListRow>,
) -> Result<Vec<Conversation>, ImError> {
    let ids: Vec<i64> = rows.iter().map(|row| row.row_id).collect();
    let last = message::queries::last_of_each(connection, &ids).await?;
    let last = message::queries::show(connection, user, last).await?;
    let mut last: HashMap<String, Message> =
        last.into_iter().map(|message| (message.conversation_id.clone(), message)).collect();
    let read: Vec<(i64, i64)> =
        rows.iter().filter(|row| row.read_seq > 0).map(|row| (row.row_id, row.read_seq)).collect();
    let read_ms = message::queries::times_up_to(connection, &read).await?;
    rows.into_iter()
        .map(|row| {
            let last_message = last.remove(&row.conversation_id);
            let read_ms = read_ms.get(&row.row_id).copied().unwrap_or(0);
            show_one(row, last_message, read_ms)
        })
        .collect()
}

fn show_one(row: ListRow, last_message: Option<Message>, read_ms: i64) -> Result<Conversation, ImError> {
    let id = ConversationId::parse(&row.conversation_id)?;
    let (conversation_type, user_id, group_id) = match &id {
        ConversationId::C2c(peer) => (ConversationType::C2c, Some(peer.to_string()), None),
        ConversationId::Group(group) => (ConversationType::Group, None, Some(group.to_string())),
    };
    let is_group = conversation_type == ConversationType::Group;
    let fallback = user_id.clone().or_else(|| group_id.clone()).unwrap_or_default();
    Ok(Conversation {
        conversation_id: row.conversation_id,
        conversation_type,
        user_id,
        group_id,
        group_type: row.group_type,
        show_name: if row.name.is_empty() { fallback } else { row.name },
        face_url: row.face_url,
        unread_count: row.unread,
        last_message,
        draft_text: row.draft_text,
        draft_timestamp_ms: row.draft_ms,
        order_key: row.list_key,
        c2c_read_timestamp_ms: if is_group { 0 } else { read_ms },
        group_read_sequence: if is_group { row.read_seq } else { 0 },
    })
}

/// How far the peers of some one-to-one conversations have read.
pub(crate) async fn receipts(
    connection: &mut SqliteConnection,
    rows: &[ConversationRow],
) -> Result<Vec<MessageReceipt>, ImError> {
    let wanted: Vec<i64> = rows.iter().map(|row| row.0).collect();
    let positions = queries::positions(connection, &wanted).await?;
    let unknown = positions.values().filter(|position| position.peer_read_ms == 0 && position.peer_read_seq > 0);
    let unknown: Vec<(i64, i64)> = unknown.map(|position| (position.row_id, position.peer_read_seq)).collect();
    let times = message::queries::times_up_to(connection, &unknown).await?;
    let receipts = wanted.iter().filter_map(|row| {
        let position = positions.get(row)?;
        let ConversationId::C2c(peer) = ConversationId::parse(&position.conversation_id).ok()? else { return None };
        let known_ms = times.get(row).copied().unwrap_or(0);
        Some(MessageReceipt {
            user_id: peer.to_string(),
            conversation_id: position.conversation_id.clone(),
            seq: position.peer_read_seq,
            timestamp_ms: if position.peer_read_ms > 0 { position.peer_read_ms } else { known_ms },
        })
    });
    Ok(receipts.collect())
}
