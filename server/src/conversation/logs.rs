// SPDX-License-Identifier: Apache-2.0
//! The table `log`.

use hongyan_protocol::ids::{ChangeSeq, GroupId, LogId, LogKey, SdkAppId, Seq, UserId};

use crate::error::Error;
use crate::store::{Connection, Write, execute, fetch_all, fetch_optional};

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

/// The logs between those of the pairs that have one, held until the commit: who gives places in a log, reads or writes
/// the rows of its members, or tells of changes in it, holds its row. Several are held in the order of their ids, those
/// between users before those of groups.
pub(crate) async fn lock_c2c(on: &mut Write, pairs: &[Pair]) -> Result<Vec<LogHead>, Error> {
    if pairs.is_empty() {
        return Ok(Vec::new());
    }
    fetch_all!(
        on,
        LogRow,
        "select l.id, l.app, l.kind, l.low, l.high, l.max_seq, l.counted, l.change_seq, l.member_version, l.last_ms
         from {rows $1 as r(app bigint, low text, high text)}
         join log as l on l.app = r.app and l.low = r.low and l.high = r.high and l.kind = 0
         order by l.id
         {for update of l}";
        pairs
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
         select r.app, 0, r.low, r.high, 0, 0, 0, 0, 0, $1
         from {rows $2 as r(app bigint, low text, high text)}
         where true
         on conflict (app, low, high) where kind = 0 do nothing",
        active_ms;
        pairs
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

/// The heads of logs, held until the commit.
pub(crate) async fn lock(on: &mut Write, logs: &[LogId]) -> Result<Vec<LogHead>, Error> {
    if logs.is_empty() {
        return Ok(Vec::new());
    }
    fetch_all!(
        on,
        LogRow,
        "select l.id, l.app, l.kind, l.low, l.high, l.max_seq, l.counted, l.change_seq, l.member_version, l.last_ms
         from {rows $1 as r(id bigint)}
         join log as l on l.id = r.id
         order by l.kind, l.id
         {for update of l}";
        &logs.iter().map(|log| (log,)).collect::<Vec<_>>()
    )?
    .into_iter()
    .map(LogHead::try_from)
    .collect()
}

/// The head of a log that must exist, held until the commit.
pub(crate) async fn lock_one(on: &mut Write, log: LogId) -> Result<LogHead, Error> {
    lock(on, &[log]).await?.pop().ok_or_else(|| missing(log))
}

/// A log that must exist.
pub(crate) async fn get(on: &mut Connection, log: LogId) -> Result<LogHead, Error> {
    let row = fetch_optional!(
        on,
        LogRow,
        "select id, app, kind, low, high, max_seq, counted, change_seq, member_version, last_ms
         from log
         where id = $1",
        log.get()
    )?;
    row.ok_or_else(|| missing(log))?.try_into()
}

fn missing(log: LogId) -> Error {
    Error::internal(format!("reading log {log}"), "a row points at a log that is not there")
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
         set max_seq = r.max_seq, counted = r.counted, change_seq = r.change_seq, member_version = r.member_version,
             last_ms = r.last_ms, active_ms = case when active_ms > $1 then active_ms else $1 end
         from {rows $2 as r(id bigint, max_seq bigint, counted bigint, change_seq bigint, member_version bigint,
                            last_ms bigint)}
         where log.id = r.id",
        active_ms;
        &rows
    )?;
    Ok(())
}
