// SPDX-License-Identifier: Apache-2.0
//! The file that keeps one user's data on this device: opening, migrating, transactions and errors.
//!
//! It knows no table. Each room's queries stand in that room's `queries.rs`; writing ones take a
//! [`Transaction`], of which there is one at a time, and everything that belongs together is
//! committed together.
//!
//! * `place`: where the file lies and the lock that keeps a second process away from it.
//! * `schema`: versions of the schema.
//! * `salvage`: what is saved from a damaged file.
//! * `error`: the one place that makes an [`ImError`] of a database error.

mod error;
mod place;
mod salvage;
mod schema;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hongyan_protocol::codes::Code;
use hongyan_protocol::ids::{SdkAppId, UserId};
use serde::Serialize;
use sqlx::pool::PoolConnection;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions, Connection, Sqlite};

use crate::error::ImError;
use place::Place;
pub(crate) use salvage::{SalvagedDraft, SalvagedMessage};

/// How long a reader waits for a free connection. Writers are not counted: they wait for one another.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(60);

/// Connections that read beside the one that writes. Each has a thread of its own.
const READERS_MAX: u32 = 2;

/// A running write, or reads of one moment. Dropped without [`Store::commit`] it leaves nothing behind.
pub(crate) type Transaction = sqlx::Transaction<'static, Sqlite>;

/// One user's data on this device. Clones are handles to the same file.
#[derive(Clone)]
pub(crate) struct Store(Arc<Inner>);

struct Inner {
    writer: SqlitePool,
    readers: SqlitePool,
    place: Place,
}

impl Store {
    /// Opens the file of a user, making it where there is none. A damaged file is set aside, and what only this
    /// device had (queued messages, drafts) is carried over to a new one.
    ///
    /// 6005: another process or client has it open, or a newer version of the SDK wrote it. 6022: the
    /// disk is full or may not be written.
    pub(crate) async fn open(
        data_folder: &Path,
        server_url: &str,
        app: SdkAppId,
        user: &UserId,
    ) -> Result<Self, ImError> {
        let place = Place::claim(data_folder, server_url, app, user)?;
        // A rebuilding that was stopped near its end.
        place.replace_damaged()?;
        if !place.is_marked_corrupt() {
            match Self::connect(&place).await {
                Ok((writer, readers)) => return Ok(Self(Arc::new(Inner { writer, readers, place }))),
                Err(error) if error.code() != Code::DATABASE_FAILED => return Err(error),
                Err(error) => tracing::warn!(user.id = %user, code = error.code().0, "the local database is damaged"),
            }
        }
        rebuild(&place, user).await?;
        let (writer, readers) = Self::connect(&place).await?;
        Ok(Self(Arc::new(Inner { writer, readers, place })))
    }

    async fn connect(place: &Place) -> Result<(SqlitePool, SqlitePool), ImError> {
        let writer = connect_writer(&place.file()).await?;
        let readers = pool(READERS_MAX).connect_lazy_with(options(&place.file()).read_only(true));
        Ok((writer, readers))
    }

    /// Begins a write once the one before it has ended.
    pub(crate) async fn begin(&self) -> Result<Transaction, ImError> {
        Ok(self.0.writer.begin_with("begin immediate").await?)
    }

    /// Ends a write: all of it stays, or, after an error, nothing. Of reads there is nothing to stay.
    pub(crate) async fn commit(&self, tx: Transaction) -> Result<(), ImError> {
        Ok(tx.commit().await?)
    }

    /// A connection for reading what was committed.
    pub(crate) async fn read(&self) -> Result<PoolConnection<Sqlite>, ImError> {
        Ok(self.0.readers.acquire().await?)
    }

    /// A reader for which everything stands still from its first query on. Ended like a write, or dropped.
    pub(crate) async fn snapshot(&self) -> Result<Transaction, ImError> {
        Ok(self.0.readers.begin().await?)
    }

    /// Looks at an error of this store: a damaged file is rebuilt the next time it is opened.
    pub(crate) fn note(&self, error: &ImError) {
        if error.code() == Code::DATABASE_FAILED {
            self.0.place.mark_corrupt();
        }
    }

    /// Moves what is in the write-ahead log into the file, before the system suspends the app.
    pub(crate) async fn checkpoint(&self) -> Result<(), ImError> {
        sqlx::query("pragma wal_checkpoint(truncate)").execute(&self.0.writer).await?;
        Ok(())
    }

    /// Waits for running reads and writes and closes the file. What comes later answers 6013.
    pub(crate) async fn close(&self) {
        self.0.readers.close().await;
        self.0.writer.close().await;
        self.0.place.release();
    }
}

async fn connect_writer(file: &Path) -> Result<SqlitePool, ImError> {
    let writer = pool(1).connect_with(options(file)).await?;
    let prepared = schema::prepare(&writer).await;
    if let Err(error) = prepared {
        writer.close().await;
        return Err(error);
    }
    Ok(writer)
}

/// Makes a new database of what can be read of a damaged one, beside it, and puts it into its place once it is whole: a
/// kill on the way loses nothing of the outbox or the drafts.
async fn rebuild(place: &Place, user: &UserId) -> Result<(), ImError> {
    place.begin_rebuilding()?;
    let salvaged = salvage::read(&place.file()).await;
    let writer = connect_writer(&place.unfinished()).await?;
    let mut tx = writer.begin_with("begin immediate").await?;
    crate::conversation::queries::insert_salvaged(&mut tx, &salvaged.drafts).await?;
    crate::message::queries::insert_salvaged(&mut tx, user, &salvaged.messages).await?;
    tx.commit().await?;
    // All of it is to be in the one file that is renamed.
    sqlx::query("pragma wal_checkpoint(truncate)").execute(&writer).await?;
    writer.close().await;
    place.end_rebuilding()?;
    place.replace_damaged()?;
    tracing::warn!(
        user.id = %user,
        messages_count = salvaged.messages.len(),
        drafts_count = salvaged.drafts.len(),
        "a damaged local database was set aside and a new one begun"
    );
    Ok(())
}

fn pool(connections_max: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(connections_max)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        .before_acquire(|connection, _| Box::pin(is_free(connection)))
}

/// Whether a connection may be used. Where the engine gave up a transaction by itself, as it does for want of room, the
/// driver goes on counting it, and refuses every further one on that connection: another takes its place.
async fn is_free(connection: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    if connection.is_in_transaction() {
        // A rollback that was only asked for is done when this returns.
        connection.ping().await?;
    }
    Ok(!connection.is_in_transaction())
}

/// How every connection to the file is made: the place to give a key for an encrypted one.
fn options(file: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(file)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Normal)
        .foreign_keys(false)
        .pragma("journal_size_limit", "8388608")
        .disable_statement_logging()
}

/// What a statement is given instead of a list: a JSON array for `json_each`.
pub(crate) fn to_json<T: Serialize + ?Sized>(rows: &T) -> Result<String, ImError> {
    serde_json::to_string(rows).map_err(|error| ImError::new(Code::ENCODE_FAILED, error.to_string()))
}
