// SPDX-License-Identifier: Apache-2.0
//! The table `conversation`: each user's own row of a log.

use std::collections::HashMap;

use hongyan_protocol::conversation::ConversationState;
use hongyan_protocol::ids::{LogId, LogKey, SdkAppId, Seq, UserId, Version};

use super::logs::LogHead;
use crate::error::Error;
use crate::store::{Connection, Write, execute, fetch_all, fetch_optional};

/// A user's own row of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OwnRow {
    pub(crate) log: LogId,
    pub(crate) user: UserId,
    pub(crate) visible_from: Seq,
    /// Nothing while the user is in it.
    pub(crate) left: Option<Left>,
    pub(crate) read_seq: Seq,
    pub(crate) base_counted: i64,
    pub(crate) base_own: i64,
    pub(crate) own_counted: i64,
    pub(crate) version: Version,
}

/// What a user who left can see last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Left {
    pub(crate) visible_to: Seq,
    /// The log's counted messages there.
    pub(crate) counted: i64,
    /// The time of that message.
    pub(crate) ms: i64,
}

impl OwnRow {
    pub(crate) fn is_member(&self) -> bool {
        self.left.is_none()
    }

    /// The last message that the user can see.
    pub(crate) fn end(&self, head: &LogHead) -> Left {
        self.left.unwrap_or(Left { visible_to: head.max_seq, counted: head.counted, ms: head.last_ms })
    }

    pub(crate) fn into_state(self, key: LogKey) -> ConversationState {
        ConversationState {
            log: self.log,
            key,
            version: self.version,
            visible_from: self.visible_from,
            visible_to: self.left.map(|left| left.visible_to),
            read_seq: self.read_seq,
            base_counted: self.base_counted,
            base_own: self.base_own,
            own_counted: self.own_counted,
        }
    }
}

#[derive(sqlx::FromRow)]
pub(crate) struct ConversationRow {
    user_id: String,
    log: i64,
    visible_from: i64,
    visible_to: Option<i64>,
    left_counted: i64,
    left_ms: i64,
    read_seq: i64,
    base_counted: i64,
    base_own: i64,
    own_counted: i64,
    version: i64,
}

impl TryFrom<ConversationRow> for OwnRow {
    type Error = Error;

    fn try_from(row: ConversationRow) -> Result<Self, Error> {
        let left = match row.visible_to {
            Some(seq) => Some(Left { visible_to: Seq::parse(seq)?, counted: row.left_counted, ms: row.left_ms }),
            None => None,
        };
        Ok(Self {
            log: LogId::parse(row.log)?,
            user: UserId::parse(row.user_id)?,
            visible_from: Seq::parse(row.visible_from)?,
            left,
            read_seq: Seq::parse(row.read_seq)?,
            base_counted: row.base_counted,
            base_own: row.base_own,
            own_counted: row.own_counted,
            version: Version::parse(row.version)?,
        })
    }
}

pub(crate) async fn find(
    on: &mut Connection,
    app: SdkAppId,
    user: &UserId,
    log: LogId,
) -> Result<Option<OwnRow>, Error> {
    fetch_optional!(
        on,
        ConversationRow,
        "select user_id, log, visible_from, visible_to, left_counted, left_ms, read_seq, base_counted, base_own,
                own_counted, version
         from conversation
         where app = $1 and user_id = $2 and log = $3",
        app.get(),
        user.as_str(),
        log.get()
    )?
    .map(OwnRow::try_from)
    .transpose()
}

/// The rows of users in logs, where they have one.
pub(crate) async fn list(
    on: &mut Connection,
    wanted: &[(SdkAppId, UserId, LogId)],
) -> Result<HashMap<(LogId, UserId), OwnRow>, Error> {
    if wanted.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = fetch_all!(
        on,
        ConversationRow,
        "select c.user_id, c.log, c.visible_from, c.visible_to, c.left_counted, c.left_ms, c.read_seq,
                c.base_counted, c.base_own, c.own_counted, c.version
         from {rows $1 as r(app bigint, user_id text, log bigint)}
         join conversation as c on c.app = r.app and c.user_id = r.user_id and c.log = r.log";
        wanted
    )?;
    rows.into_iter().map(OwnRow::try_from).map(|row| row.map(|row| ((row.log, row.user.clone()), row))).collect()
}

/// Gives the two users of a log their rows, at its first message.
pub(crate) async fn insert_c2c(on: &mut Write, rows: &[(SdkAppId, UserId, LogId)]) -> Result<(), Error> {
    execute!(
        on,
        "insert into conversation (app, user_id, log, visible_from, visible_to, left_counted, left_ms, read_seq,
                                   base_counted, base_own, own_counted, version)
         select r.app, r.user_id, r.log, 1, null, 0, 0, 0, 0, 0, 0, 0
         from {rows $1 as r(app bigint, user_id text, log bigint)}
         where true
         on conflict (app, user_id, log) do nothing";
        rows
    )?;
    Ok(())
}

/// Writes how many counted messages of their own users have in logs.
pub(crate) async fn set_own_counted(on: &mut Write, rows: &[(SdkAppId, UserId, LogId, i64)]) -> Result<(), Error> {
    execute!(
        on,
        "update conversation
         set own_counted = r.own_counted
         from {rows $1 as r(app bigint, user_id text, log bigint, own_counted bigint)}
         where conversation.app = r.app and conversation.user_id = r.user_id and conversation.log = r.log";
        rows
    )?;
    Ok(())
}

/// Lets users in: they see the log after `head`, and what counts before does not count for them. For who was in
/// it before, nothing between shows. Read positions do not fall: what is not visible counts as read.
pub(crate) async fn join(
    on: &mut Write,
    head: &LogHead,
    users: &HashMap<UserId, Version>,
) -> Result<Vec<OwnRow>, Error> {
    let rows: Vec<_> = users.iter().collect();
    fetch_all!(
        on,
        ConversationRow,
        "insert into conversation (app, user_id, log, visible_from, visible_to, left_counted, left_ms, read_seq,
                                   base_counted, base_own, own_counted, version)
         select $1, r.user_id, $2, $3 + 1, null, 0, 0, $3, $4, 0, 0, r.version
         from {rows $5 as r(user_id text, version bigint)}
         where true
         on conflict (app, user_id, log)
         do update set visible_from = excluded.visible_from, visible_to = null, left_counted = 0, left_ms = 0,
                       read_seq = excluded.read_seq, base_counted = excluded.base_counted,
                       base_own = conversation.own_counted, version = excluded.version
         returning user_id, log, visible_from, visible_to, left_counted, left_ms, read_seq, base_counted, base_own,
                   own_counted, version",
        head.app.get(),
        head.id.get(),
        head.max_seq.get(),
        head.counted;
        &rows
    )?
    .into_iter()
    .map(OwnRow::try_from)
    .collect()
}

/// Ends what a user sees of a log at its head.
pub(crate) async fn leave(on: &mut Write, head: &LogHead, user: &UserId, version: Version) -> Result<OwnRow, Error> {
    fetch_optional!(
        on,
        ConversationRow,
        "update conversation
         set visible_to = $4, left_counted = $5, left_ms = $6, version = $7
         where app = $1 and user_id = $2 and log = $3
         returning user_id, log, visible_from, visible_to, left_counted, left_ms, read_seq, base_counted, base_own,
                   own_counted, version",
        head.app.get(),
        user.as_str(),
        head.id.get(),
        head.max_seq.get(),
        head.counted,
        head.last_ms,
        version.get()
    )?
    .ok_or_else(|| Error::internal(format!("leaving log {}", head.id), "a member without a row"))?
    .try_into()
}

/// Writes read positions, with the versions that they were given.
pub(crate) async fn set_read(on: &mut Write, app: SdkAppId, rows: &[&OwnRow]) -> Result<(), Error> {
    let rows: Vec<_> = rows
        .iter()
        .map(|row| (app, &row.user, row.log, row.read_seq, row.base_counted, row.base_own, row.version))
        .collect();
    // The whole key comes from the rows: with a part of it bound apart, SQLite would go through the rows once for each
    // conversation of the app.
    execute!(
        on,
        "update conversation
         set read_seq = r.read_seq, base_counted = r.base_counted, base_own = r.base_own, version = r.version
         from {rows $1 as r(app bigint, user_id text, log bigint, read_seq bigint, base_counted bigint,
                            base_own bigint, version bigint)}
         where conversation.app = r.app and conversation.user_id = r.user_id and conversation.log = r.log";
        &rows
    )?;
    Ok(())
}
