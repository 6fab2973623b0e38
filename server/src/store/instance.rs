// SPDX-License-Identifier: Apache-2.0
//! The one row that says which store this is.

use hongyan_protocol::ids::InstanceId;

use super::{Connection, execute, fetch_optional};
use crate::error::Error;
use crate::secret;

#[derive(sqlx::FromRow)]
struct InstanceRow {
    id: String,
    secret: String,
    sync_ms: i64,
}

pub(crate) struct Instance {
    pub(crate) id: InstanceId,
    pub(crate) secret: String,
    pub(crate) sync_ms: i64,
}

impl Instance {
    /// Reads the row; the first opening makes it.
    pub(crate) async fn open(connection: &mut Connection, now_ms: i64) -> Result<Self, Error> {
        if let Some(found) = Self::find(connection).await? {
            // A command beside a server that is busy writing has nothing to wait for.
            return Ok(found);
        }
        // Another server may be making it.
        execute!(
            connection,
            "insert into instance (id, secret, sync_ms)
             select $1, $2, $3
             where not exists (select 1 from instance)
             on conflict do nothing",
            InstanceId::generate().to_string(),
            secret::generate(),
            now_ms
        )?;
        let made = Self::find(connection).await?;
        made.ok_or_else(|| Error::internal("opening the store", "the row of the instance is not there"))
    }

    async fn find(connection: &mut Connection) -> Result<Option<Self>, Error> {
        let row = fetch_optional!(connection, InstanceRow, "select id, secret, sync_ms from instance limit 1")?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some(Self { id: InstanceId::parse(&row.id)?, secret: row.secret, sync_ms: row.sync_ms }))
    }
}

/// Makes the store another one: clients drop what they cached of it, and resume tokens that were signed with its secret
/// end.
pub(crate) async fn renew(connection: &mut Connection) -> Result<InstanceId, Error> {
    let id = InstanceId::generate();
    execute!(connection, "update instance set id = $1, secret = $2", id.to_string(), secret::generate())?;
    Ok(id)
}

/// How far the time of catching up has come, by what all servers kept.
pub(crate) async fn read_sync_time(connection: &mut Connection) -> Result<i64, Error> {
    let row = fetch_optional!(connection, (i64,), "select sync_ms from instance limit 1")?;
    Ok(row.map_or(0, |(sync_ms,)| sync_ms))
}

/// Keeps how far the time of catching up has come. Says whether it is kept: another server may be at it, and nobody waits
/// for that in a transaction of many.
pub(crate) async fn keep_sync_time(connection: &mut Connection, sync_ms: i64) -> Result<bool, Error> {
    let free = fetch_optional!(connection, (i64,), "select sync_ms from instance limit 1 {for update skip locked}")?;
    if free.is_some_and(|(kept_ms,)| kept_ms < sync_ms) {
        execute!(connection, "update instance set sync_ms = $1 where sync_ms < $1", sync_ms)?;
    }
    Ok(free.is_some())
}
