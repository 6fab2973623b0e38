// SPDX-License-Identifier: Apache-2.0
//! The embedded engine: one file in the data folder.

use std::path::Path;
use std::time::Duration;

use sqlx::migrate::Migrator;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions, Connection as _};

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
pub(super) const READERS_COUNT_MAX: u32 = 4;

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
    let of_writer = options
        .clone()
        .pragma("cache_size", WRITER_CACHE)
        .pragma("wal_autocheckpoint", CHECKPOINT_PAGES)
        // What an operation changes is kept aside until it is over, to be able to undo it alone. Beyond 64 KiB that would go
        // through a file that is made and deleted for each.
        .pragma("temp_store", "memory");
    let mut writer = of_writer.connect().await.map_err(|error| opening(&file, error))?;
    let is_pending = is_migration_pending(&mut writer).await?;
    // Tables do not change under a server that runs on them.
    let _alone = if is_pending && lock.is_none() { Some(FolderLock::take(data_folder)?) } else { None };
    if lock.is_some() {
        fold_log(&mut writer).await.map_err(|error| opening(&file, error))?;
    }
    MIGRATIONS.run(&mut writer).await.map_err(|error| opening(&file, error))?;
    let readers = SqlitePoolOptions::new()
        .max_connections(READERS_COUNT_MAX)
        .before_acquire(|connection, _| Box::pin(is_free(connection)))
        .connect_with(options.pragma("query_only", "on"))
        .await
        .map_err(|error| opening(&file, error))?;
    Ok((writer, readers))
}

/// Whether a reader may be used. Where the engine gave up a transaction by itself, as it does when reading fails, the
/// driver goes on counting it, and would nest every further one inside: the reader would show for ever what it showed
/// first. Another takes its place.
async fn is_free(connection: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    if connection.is_in_transaction() {
        // A rollback that was only asked for is done when this returns.
        connection.ping().await?;
    }
    Ok(!connection.is_in_transaction())
}

/// Takes what a server left in the write-ahead log over into the file. After a wait for the disk that failed the
/// system may hold a part of the log in memory that no later wait brings to the disk; what is written behind it would be
/// lost with it. Written anew, and waited for, it is not.
async fn fold_log(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    let (is_busy,): (i64,) = sqlx::query_as("pragma wal_checkpoint(truncate)").fetch_one(connection).await?;
    if is_busy != 0 {
        tracing::warn!("a command that reads the store keeps its write-ahead log from being taken over");
    }
    Ok(())
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
