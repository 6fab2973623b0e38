// SPDX-License-Identifier: Apache-2.0
//! Versions of the schema. A released one is never edited: the next one changes what it made.

use hongyan_protocol::codes::Code;
use sqlx::{AssertSqlSafe, SqlitePool};

use crate::error::ImError;

/// What each version adds to the one before it; the first makes version 1.
const VERSIONS: &[&str] =
    &[include_str!("migrations/0001_first_letter.sql"), include_str!("migrations/0002_search.sql")];

/// Brings the file to the newest version, and reads a little of each table so that damage shows here.
pub(super) async fn prepare(writer: &SqlitePool) -> Result<(), ImError> {
    let known = i64::try_from(VERSIONS.len()).unwrap_or(i64::MAX);
    let found: i64 = sqlx::query_scalar("pragma user_version").fetch_one(writer).await?;
    if found > known {
        return Err(ImError::new(
            Code::DATABASE_LOAD_FAILED,
            format!("the local data was written by a newer version of the SDK (schema {found}, known {known})"),
        ));
    }
    for (version, text) in (1i64..).zip(VERSIONS).filter(|(version, _)| *version > found) {
        let mut tx = writer.begin_with("begin immediate").await?;
        sqlx::raw_sql(*text).execute(&mut *tx).await?;
        sqlx::raw_sql(AssertSqlSafe(format!("pragma user_version = {version}"))).execute(&mut *tx).await?;
        tx.commit().await?;
    }
    sqlx::raw_sql(
        "select since_ms from sync_state; \
         select row_id from conversation where list_key > 0 order by list_key desc limit 100; \
         select row_id from message order by row_id desc limit 100; \
         select conversation from held_range limit 100; \
         select position from outbox limit 100; \
         select version from search_state; \
         select rowid from message_index limit 100;",
    )
    .execute(writer)
    .await?;
    Ok(())
}
