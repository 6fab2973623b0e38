// SPDX-License-Identifier: Apache-2.0
//! The one row that says which store this is.

use hongyan_protocol::ids::InstanceId;
use rand::RngCore;
use sqlx::sqlite::SqliteConnection;

use super::{Connection, execute};
use crate::error::Error;

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
    pub(crate) async fn open(connection: &mut SqliteConnection, now_ms: i64) -> Result<Self, Error> {
        if let Some(found) = Self::find(connection).await? {
            // A command beside a server that is busy writing has nothing to wait for.
            return Ok(found);
        }
        sqlx::query(
            "insert into instance (id, secret, sync_ms)
             select $1, $2, $3
             where not exists (select 1 from instance)",
        )
        .bind(InstanceId::generate().to_string())
        .bind(random_hex())
        .bind(now_ms)
        .execute(&mut *connection)
        .await?;
        let made = Self::find(connection).await?;
        made.ok_or_else(|| Error::internal("opening the store", "the row of the instance is not there"))
    }

    async fn find(connection: &mut SqliteConnection) -> Result<Option<Self>, Error> {
        let row = sqlx::query_as::<_, InstanceRow>("select id, secret, sync_ms from instance limit 1")
            .fetch_optional(connection)
            .await?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some(Self { id: InstanceId::parse(&row.id)?, secret: row.secret, sync_ms: row.sync_ms }))
    }
}

/// Keeps how far the time of catching up has come.
pub(crate) async fn keep_sync_time(connection: &mut Connection, sync_ms: i64) -> Result<(), Error> {
    execute!(connection, "update instance set sync_ms = $1 where sync_ms < $1", sync_ms)?;
    Ok(())
}

/// 64 hexadecimal characters that nobody can guess.
fn random_hex() -> String {
    let mut bytes = [0; 32];
    rand::rng().fill_bytes(&mut bytes);
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
