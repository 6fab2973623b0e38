// SPDX-License-Identifier: Apache-2.0
//! The table of conversations.

use std::collections::HashMap;

use hongyan_protocol::codes::Code;
use hongyan_protocol::ids::{ChangeSeq, ConversationId, LogId, Seq, Version};
use hongyan_protocol::sync::Probe;
use serde::Serialize;
use sqlx::{FromRow, SqliteConnection};

use crate::conversation::state::{Known, OwnRow};
use crate::error::ImError;
use crate::listener::events::ConversationRow;
use crate::store::{SalvagedDraft, Transaction, to_json};
use crate::sync::ranges::RangeSet;

#[derive(FromRow)]
struct KnownRow {
    row_id: i64,
    conversation_id: String,
    log: Option<i64>,
    version: i64,
    visible_from: i64,
    visible_to: Option<i64>,
    read_seq: i64,
    base_counted: i64,
    base_own: i64,
    own_counted: i64,
    max_seq: i64,
    change_seq: i64,
    counted: i64,
    order_key: i64,
    peer_read_seq: i64,
    peer_read_ms: i64,
    frontier_seq: Option<i64>,
    name: String,
    face_url: String,
    group_type: Option<String>,
    draft_ms: i64,
    local_key: i64,
}

impl TryFrom<KnownRow> for Known {
    type Error = ImError;

    fn try_from(row: KnownRow) -> Result<Self, ImError> {
        let bad = |_| bad_row(&row.conversation_id);
        Ok(Self {
            row: ConversationRow(row.row_id),
            id: ConversationId::parse(&row.conversation_id).map_err(bad)?,
            log: row.log.map(LogId::parse).transpose().map_err(bad)?,
            own: OwnRow {
                version: Version::parse(row.version).map_err(bad)?,
                visible_from: Seq::parse(row.visible_from).map_err(bad)?,
                visible_to: row.visible_to.map(Seq::parse).transpose().map_err(bad)?,
                read_seq: Seq::parse(row.read_seq).map_err(bad)?,
                base_counted: row.base_counted,
                base_own: row.base_own,
            },
            own_counted: row.own_counted,
            max_seq: Seq::parse(row.max_seq).map_err(bad)?,
            change_seq: ChangeSeq::parse(row.change_seq).map_err(bad)?,
            counted: row.counted,
            order_key: row.order_key,
            peer_read_seq: Seq::parse(row.peer_read_seq).map_err(bad)?,
            peer_read_ms: row.peer_read_ms,
            frontier: row.frontier_seq.map(Seq::parse).transpose().map_err(bad)?,
            name: row.name,
            face_url: row.face_url,
            group_type: row.group_type,
            draft_ms: row.draft_ms,
            local_key: row.local_key,
            held: RangeSet::default(),
        })
    }
}

fn bad_row(id: &str) -> ImError {
    ImError::new(Code::DATABASE_FAILED, format!("the stored row of conversation {id} cannot be read"))
}

macro_rules! known_columns {
    () => {
        "row_id, conversation_id, log, version, visible_from, visible_to, read_seq, base_counted, base_own, \
         own_counted, max_seq, change_seq, counted, order_key, peer_read_seq, peer_read_ms, frontier_seq, name, \
         face_url, group_type, draft_ms, local_key "
    };
}

/// What is known of some conversations, without what is held of their logs. Those that have no row get one.
pub(crate) async fn load_or_insert(tx: &mut Transaction, ids: &[ConversationId]) -> Result<Vec<Known>, ImError> {
    let ids = to_json(&ids.iter().map(ToString::to_string).collect::<Vec<_>>())?;
    sqlx::query(
        "insert into conversation (conversation_id) \
         select value from json_each($1) where true \
         on conflict (conversation_id) do nothing",
    )
    .bind(&ids)
    .execute(&mut **tx)
    .await?;
    let rows: Vec<KnownRow> = sqlx::query_as(concat!(
        "select ",
        known_columns!(),
        "from conversation where conversation_id in (select value from json_each($1))"
    ))
    .bind(&ids)
    .fetch_all(&mut **tx)
    .await?;
    rows.into_iter().map(Known::try_from).collect()
}

/// What is known of one conversation, without what is held of its log.
pub(crate) async fn find(connection: &mut SqliteConnection, id: &ConversationId) -> Result<Option<Known>, ImError> {
    let row: Option<KnownRow> =
        sqlx::query_as(concat!("select ", known_columns!(), "from conversation where conversation_id = $1"))
            .bind(id.to_string())
            .fetch_optional(connection)
            .await?;
    row.map(Known::try_from).transpose()
}

/// The ids of some rows, in no order.
pub(crate) async fn find_ids(tx: &mut Transaction, rows: &[ConversationRow]) -> Result<Vec<ConversationId>, ImError> {
    let rows = to_json(&rows.iter().map(|row| row.0).collect::<Vec<_>>())?;
    let ids: Vec<String> = sqlx::query_scalar(
        "select conversation_id from conversation where row_id in (select value from json_each($1))",
    )
    .bind(rows)
    .fetch_all(&mut **tx)
    .await?;
    ids.iter().map(|id| ConversationId::parse(id).map_err(|_| bad_row(id))).collect()
}

#[derive(Serialize)]
struct Saved<'a> {
    row: i64,
    log: Option<i64>,
    version: i64,
    visible_from: i64,
    visible_to: Option<i64>,
    read_seq: i64,
    base_counted: i64,
    base_own: i64,
    own_counted: i64,
    max_seq: i64,
    change_seq: i64,
    counted: i64,
    order_key: i64,
    peer_read_seq: i64,
    peer_read_ms: i64,
    frontier_seq: Option<i64>,
    name: &'a str,
    face_url: &'a str,
    group_type: Option<&'a str>,
    local_key: i64,
}

impl<'a> From<&'a Known> for Saved<'a> {
    fn from(known: &'a Known) -> Self {
        Self {
            row: known.row.0,
            log: known.log.map(LogId::get),
            version: known.own.version.get(),
            visible_from: known.own.visible_from.get(),
            visible_to: known.own.visible_to.map(Seq::get),
            read_seq: known.own.read_seq.get(),
            base_counted: known.own.base_counted,
            base_own: known.own.base_own,
            own_counted: known.own_counted,
            max_seq: known.max_seq.get(),
            change_seq: known.change_seq.get(),
            counted: known.counted,
            order_key: known.order_key,
            peer_read_seq: known.peer_read_seq.get(),
            peer_read_ms: known.peer_read_ms,
            frontier_seq: known.frontier.map(Seq::get),
            name: &known.name,
            face_url: &known.face_url,
            group_type: known.group_type.as_deref(),
            local_key: known.local_key,
        }
    }
}

/// Writes what is known of conversations that [`load_or_insert`] gave in this transaction. Drafts are not touched.
pub(crate) async fn save(tx: &mut Transaction, known: &[&Known]) -> Result<(), ImError> {
    if known.is_empty() {
        return Ok(());
    }
    let rows = to_json(&known.iter().map(|known| Saved::from(*known)).collect::<Vec<_>>())?;
    sqlx::query(
        "update conversation set \
             log = j.value ->> 'log', version = j.value ->> 'version', \
             visible_from = j.value ->> 'visible_from', visible_to = j.value ->> 'visible_to', \
             read_seq = j.value ->> 'read_seq', base_counted = j.value ->> 'base_counted', \
             base_own = j.value ->> 'base_own', own_counted = j.value ->> 'own_counted', \
             max_seq = j.value ->> 'max_seq', change_seq = j.value ->> 'change_seq', \
             counted = j.value ->> 'counted', order_key = j.value ->> 'order_key', \
             peer_read_seq = j.value ->> 'peer_read_seq', peer_read_ms = j.value ->> 'peer_read_ms', \
             frontier_seq = j.value ->> 'frontier_seq', name = j.value ->> 'name', \
             face_url = j.value ->> 'face_url', group_type = j.value ->> 'group_type', \
             local_key = j.value ->> 'local_key' \
         from json_each($1) j \
         where conversation.row_id = j.value ->> 'row'",
    )
    .bind(rows)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Forgets all that came from the server. Drafts and what raises a conversation on this device stay.
pub(crate) async fn forget_all(tx: &mut Transaction) -> Result<(), ImError> {
    sqlx::query(
        "update conversation set \
             log = null, version = 0, visible_from = 1, visible_to = null, read_seq = 0, base_counted = 0, \
             base_own = 0, own_counted = 0, max_seq = 0, change_seq = 0, counted = 0, order_key = 0, \
             peer_read_seq = 0, peer_read_ms = 0, frontier_seq = null, name = '', face_url = '', group_type = null",
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

pub(super) const PROBES: &str = "select log, max_seq from conversation \
     where list_key > 0 and log is not null and max_seq > 0 \
     order by list_key desc, conversation_id \
     limit $1";

/// The heads of the logs that changed last, for a server to compare with its own. A log without messages says
/// nothing: the server may have no row of it.
pub(crate) async fn list_probes(connection: &mut SqliteConnection, limit: usize) -> Result<Vec<Probe>, ImError> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows: Vec<(i64, i64)> = sqlx::query_as(PROBES).bind(limit).fetch_all(connection).await?;
    rows.into_iter()
        .map(|(log, max_seq)| Ok(Probe { log: LogId::parse(log)?, max_seq: Seq::parse(max_seq)? }))
        .collect()
}

pub(super) const TOTAL_UNREAD: &str = "select coalesce(sum(unread), 0) from conversation where unread > 0";

/// How many messages are unread in all conversations together.
pub(crate) async fn total_unread(connection: &mut SqliteConnection) -> Result<i64, ImError> {
    Ok(sqlx::query_scalar(TOTAL_UNREAD).fetch_one(connection).await?)
}

/// What the list shows of a conversation, its last message by its row.
#[derive(FromRow)]
pub(super) struct ListRow {
    pub(super) row_id: i64,
    pub(super) conversation_id: String,
    pub(super) list_key: i64,
    pub(super) unread: i64,
    pub(super) read_seq: i64,
    pub(super) name: String,
    pub(super) face_url: String,
    pub(super) group_type: Option<String>,
    pub(super) draft_text: Option<String>,
    pub(super) draft_ms: i64,
}

macro_rules! list_columns {
    () => {
        "row_id, conversation_id, list_key, unread, read_seq, name, face_url, group_type, draft_text, draft_ms "
    };
}

// The bound on the key alone is what the index is entered by.
pub(super) const LIST_PAGE: &str = concat!(
    "select ",
    list_columns!(),
    "from conversation \
     where list_key > 0 and list_key <= $1 and (list_key < $1 or conversation_id > $2) \
     order by list_key desc, conversation_id \
     limit $3"
);

/// A page of the list, after a place in it.
pub(super) async fn list_page(
    connection: &mut SqliteConnection,
    after: Option<(i64, &str)>,
    limit: i64,
) -> Result<Vec<ListRow>, ImError> {
    let (key, id) = after.unwrap_or((i64::MAX, ""));
    Ok(sqlx::query_as(LIST_PAGE).bind(key).bind(id).bind(limit).fetch_all(connection).await?)
}

/// What the list shows of one conversation, listed or not.
pub(super) async fn find_listed(
    connection: &mut SqliteConnection,
    id: &ConversationId,
) -> Result<Option<ListRow>, ImError> {
    Ok(sqlx::query_as(concat!("select ", list_columns!(), "from conversation where conversation_id = $1"))
        .bind(id.to_string())
        .fetch_optional(connection)
        .await?)
}

/// What the list shows of some conversations, in its order.
pub(super) async fn list_rows(
    connection: &mut SqliteConnection,
    rows: &[ConversationRow],
) -> Result<Vec<ListRow>, ImError> {
    Ok(sqlx::query_as(concat!(
        "select ",
        list_columns!(),
        "from conversation where row_id in (select value from json_each($1)) order by list_key desc, conversation_id"
    ))
    .bind(to_json(&rows.iter().map(|row| row.0).collect::<Vec<_>>())?)
    .fetch_all(connection)
    .await?)
}

/// The conversations that some rows stand for, and how far they were read by this user and by the peer.
pub(crate) async fn positions(
    connection: &mut SqliteConnection,
    rows: &[i64],
) -> Result<HashMap<i64, Position>, ImError> {
    let found: Vec<Position> = sqlx::query_as(
        "select row_id, conversation_id, read_seq, peer_read_seq, peer_read_ms \
         from conversation where row_id in (select value from json_each($1))",
    )
    .bind(to_json(rows)?)
    .fetch_all(connection)
    .await?;
    Ok(found.into_iter().map(|position| (position.row_id, position)).collect())
}

/// How far a conversation was read.
#[derive(Debug, FromRow)]
pub(crate) struct Position {
    pub(crate) row_id: i64,
    pub(crate) conversation_id: String,
    pub(crate) read_seq: i64,
    pub(crate) peer_read_seq: i64,
    pub(crate) peer_read_ms: i64,
}

/// Sets or clears the draft of a conversation.
pub(crate) async fn set_draft(
    tx: &mut Transaction,
    row: ConversationRow,
    draft: Option<&str>,
    draft_ms: i64,
) -> Result<(), ImError> {
    sqlx::query("update conversation set draft_text = $2, draft_ms = $3 where row_id = $1")
        .bind(row.0)
        .bind(draft)
        .bind(draft_ms)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Puts the drafts of a damaged file into a new one.
pub(crate) async fn insert_salvaged(tx: &mut Transaction, drafts: &[SalvagedDraft]) -> Result<(), ImError> {
    for draft in drafts.iter().filter(|draft| ConversationId::parse(&draft.conversation_id).is_ok()) {
        sqlx::query(
            "insert into conversation (conversation_id, draft_text, draft_ms, local_key) values ($1, $2, $3, $3) \
             on conflict (conversation_id) do nothing",
        )
        .bind(&draft.conversation_id)
        .bind(&draft.draft_text)
        .bind(draft.draft_ms)
        .execute(&mut **tx)
        .await?;
    }
    Ok(())
}
