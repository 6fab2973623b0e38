// SPDX-License-Identifier: Apache-2.0
//! The embedded engine: one file in the data folder.

use std::path::Path;
use std::time::Duration;

use sqlx::ConnectOptions;
use sqlx::migrate::Migrator;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};

use super::{FolderLock, folder};
use crate::error::Error;

pub(super) static MIGRATIONS: Migrator = sqlx::migrate!("src/store/migrations/sqlite");

/// The file, in the data folder.
pub(super) const FILE_NAME: &str = "hongyan.db";

/// How long a write waits for a command of another process that writes to the same file.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// What the writer keeps of the file in memory (SQLite counts KiB below zero): the leaves of the indexes that sends touch at
/// random. Only what is used is taken.
const WRITER_CACHE: &str = "-65536";

/// Pages of the write-ahead log before they go over into the file. Leaves that many sends touch go over once.
const CHECKPOINT_PAGES: &str = "8192";

/// Readers beside the one writer. SQLite reads are short and mostly in memory.
const READERS_COUNT_MAX: u32 = 4;

/// Opens the file, which is made for its owner alone where it is missing: the writer's connection, and the readers.
pub(super) async fn open(
    data_folder: &Path,
    lock: Option<&FolderLock>,
) -> Result<(SqliteConnection, SqlitePool), Error> {
    let file = data_folder.join(FILE_NAME);
    folder::prepare(data_folder, &file)?;
    let options = SqliteConnectOptions::new()
        .filename(&file)
        .journal_mode(SqliteJournalMode::Wal)
        // Acknowledged means durable: each commit waits for the disk.
        .synchronous(SqliteSynchronous::Full)
        // Rows of one room never point at rows of another by the engine's means.
        .foreign_keys(false)
        .busy_timeout(BUSY_TIMEOUT);
    let of_writer = options.clone().pragma("cache_size", WRITER_CACHE).pragma("wal_autocheckpoint", CHECKPOINT_PAGES);
    let mut writer = of_writer.connect().await.map_err(|error| opening(&file, error))?;
    let is_pending = is_migration_pending(&mut writer).await?;
    // Tables do not change under a server that runs on them.
    let _alone = if is_pending && lock.is_none() { Some(FolderLock::take(data_folder)?) } else { None };
    MIGRATIONS.run(&mut writer).await.map_err(|error| opening(&file, error))?;
    let readers = SqlitePoolOptions::new()
        .max_connections(READERS_COUNT_MAX)
        .connect_with(options.pragma("query_only", "on"))
        .await
        .map_err(|error| opening(&file, error))?;
    Ok((writer, readers))
}

/// Whether the tables are older than this version's.
async fn is_migration_pending(connection: &mut SqliteConnection) -> Result<bool, Error> {
    let tables: i64 =
        sqlx::query_scalar("select count(*) from sqlite_master where type = 'table' and name = '_sqlx_migrations'")
            .fetch_one(&mut *connection)
            .await?;
    if tables == 0 {
        return Ok(true);
    }
    let applied: Vec<i64> =
        sqlx::query_scalar("select version from _sqlx_migrations where success").fetch_all(connection).await?;
    Ok(MIGRATIONS.iter().any(|migration| !applied.contains(&migration.version)))
}

fn opening(file: &Path, error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::internal(format!("opening the store {}", file.display()), error)
}
