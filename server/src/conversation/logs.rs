// SPDX-License-Identifier: Apache-2.0
//! The table `log`.

use hongyan_protocol::ids::{ChangeSeq, GroupId, LogId, LogKey, SdkAppId, Seq, UserId};

use crate::error::Error;
use crate::store::{Connection, Write, execute, fetch_all, fetch_optional, json_rows};

/// The kinds of log, as the store numbers them.
pub(crate) const KIND_C2C: i64 = 0;
pub(crate) const KIND_GROUP: i64 = 1;

/// Where a log ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LogHead {
    pub(crate) id: LogId,
    pub(crate) app: SdkAppId,
    pub(crate) key: LogKey,
    pub(crate) max_seq: Seq,
    /// Messages that count as unread.
    pub(crate) counted: i64,
    pub(crate) change_seq: ChangeSeq,
    /// Raised when somebody joins or leaves.
    pub(crate) member_version: i64,
    /// The time of the last message.
    pub(crate) last_ms: i64,
}

#[derive(sqlx::FromRow)]
struct LogRow {
    id: i64,
    app: i64,
    kind: i64,
    low: String,
    high: String,
    max_seq: i64,
    counted: i64,
    change_seq: i64,
    member_version: i64,
    last_ms: i64,
}

/// The key of a log as its columns hold it.
pub(crate) fn key_from_columns(kind: i64, low: String, high: String) -> Result<LogKey, Error> {
    if kind == KIND_GROUP {
        Ok(LogKey::Group(GroupId::parse(low)?))
    } else {
        Ok(LogKey::C2c(UserId::parse(low)?, UserId::parse(high)?))
    }
}

impl TryFrom<LogRow> for LogHead {
    type Error = Error;

    fn try_from(row: LogRow) -> Result<Self, Error> {
        Ok(Self {
            id: LogId::parse(row.id)?,
            app: SdkAppId::parse(row.app)?,
            key: key_from_columns(row.kind, row.low, row.high)?,
            max_seq: Seq::parse(row.max_seq)?,
            counted: row.counted,
            change_seq: ChangeSeq::parse(row.change_seq)?,
            member_version: row.member_version,
            last_ms: row.last_ms,
        })
    }
}

/// The two users of a log in an app, the lower first.
pub(crate) type Pair = (SdkAppId, UserId, UserId);

pub(crate) async fn find_c2c(
    on: &mut Connection,
    app: SdkAppId,
    low: &UserId,
    high: &UserId,
) -> Result<Option<LogHead>, Error> {
    fetch_optional!(
        on,
        LogRow,
        "select id, app, kind, low, high, max_seq, counted, change_seq, member_version, last_ms
         from log
         where app = $1 and low = $2 and high = $3 and kind = 0",
        app.get(),
        low.as_str(),
        high.as_str()
    )?
    .map(LogHead::try_from)
    .transpose()
}

/// The logs between those of the pairs that have one.
pub(crate) async fn list_c2c(on: &mut Connection, pairs: &[Pair]) -> Result<Vec<LogHead>, Error> {
    if pairs.is_empty() {
        return Ok(Vec::new());
    }
    fetch_all!(
        on,
        LogRow,
        "select l.id, l.app, l.kind, l.low, l.high, l.max_seq, l.counted, l.change_seq, l.member_version, l.last_ms
         from json_each($1) as r
         join log as l on l.app = cast(r.value->>0 as bigint) and l.low = r.value->>1 and l.high = r.value->>2
           and l.kind = 0",
        json_rows(pairs)
    )?
    .into_iter()
    .map(LogHead::try_from)
    .collect()
}

/// Makes the logs between the pairs that have none yet.
pub(crate) async fn insert_c2c(on: &mut Write, pairs: &[Pair], active_ms: i64) -> Result<(), Error> {
    execute!(
        on,
        "insert into log (app, kind, low, high, max_seq, counted, change_seq, member_version, last_ms, active_ms)
         select cast(r.value->>0 as bigint), 0, r.value->>1, r.value->>2, 0, 0, 0, 0, 0, $2
         from json_each($1) as r
         where true
         on conflict (app, low, high) where kind = 0 do nothing",
        json_rows(pairs),
        active_ms
    )?;
    Ok(())
}

/// Makes the log of a new group.
pub(crate) async fn insert_group(
    on: &mut Write,
    app: SdkAppId,
    group: &GroupId,
    active_ms: i64,
) -> Result<LogHead, Error> {
    fetch_optional!(
        on,
        LogRow,
        "insert into log (app, kind, low, high, max_seq, counted, change_seq, member_version, last_ms, active_ms)
         values ($1, $2, $3, '', 0, 0, 0, 1, 0, $4)
         returning id, app, kind, low, high, max_seq, counted, change_seq, member_version, last_ms",
        app.get(),
        KIND_GROUP,
        group.as_str(),
        active_ms
    )?
    .expect("an insert returns its row")
    .try_into()
}

pub(crate) async fn list(on: &mut Connection, logs: &[LogId]) -> Result<Vec<LogHead>, Error> {
    if logs.is_empty() {
        return Ok(Vec::new());
    }
    fetch_all!(
        on,
        LogRow,
        "select l.id, l.app, l.kind, l.low, l.high, l.max_seq, l.counted, l.change_seq, l.member_version, l.last_ms
         from json_each($1) as r
         join log as l on l.id = cast(r.value->>0 as bigint)",
        json_rows(&logs.iter().map(|log| (log,)).collect::<Vec<_>>())
    )?
    .into_iter()
    .map(LogHead::try_from)
    .collect()
}

/// A log that must exist.
pub(crate) async fn get(on: &mut Connection, log: LogId) -> Result<LogHead, Error> {
    list(on, &[log])
        .await?
        .pop()
        .ok_or_else(|| Error::internal(format!("reading log {log}"), "a row points at a log that is not there"))
}

/// Writes heads as they are now. The time at which a log was active never falls.
pub(crate) async fn set_heads(on: &mut Write, heads: &[&LogHead], active_ms: i64) -> Result<(), Error> {
    let rows: Vec<_> = heads
        .iter()
        .map(|head| (head.id, head.max_seq, head.counted, head.change_seq, head.member_version, head.last_ms))
        .collect();
    execute!(
        on,
        "update log
         set max_seq = cast(r.value->>1 as bigint),
             counted = cast(r.value->>2 as bigint),
             change_seq = cast(r.value->>3 as bigint),
             member_version = cast(r.value->>4 as bigint),
             last_ms = cast(r.value->>5 as bigint),
             active_ms = case when active_ms > $2 then active_ms else $2 end
         from json_each($1) as r
         where log.id = cast(r.value->>0 as bigint)",
        json_rows(&rows),
        active_ms
    )?;
    Ok(())
}
