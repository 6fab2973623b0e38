// SPDX-License-Identifier: Apache-2.0
//! The store: it opens, migrates, begins, commits and converts errors, and knows no table of any room.
//!
//! Rooms write query text that SQLite and PostgreSQL both understand and run it through the macros of
//! [`connection`]; many rows travel as one JSON array of arrays, read with `json_each($1)`, so that a batch is one
//! statement. Writes share commits, see [`mod@write`].

pub mod connection;
mod folder;
mod instance;
mod metrics;
mod sync_time;
pub mod write;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hongyan_protocol::clock::Clock;
use hongyan_protocol::codes::Code;
use hongyan_protocol::ids::InstanceId;
use sqlx::ConnectOptions;
use sqlx::migrate::Migrator;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use tokio::sync::watch;

use crate::error::Error;
use crate::metrics::Metrics;
pub(crate) use connection::{Connection, Engine, execute, fetch_all, fetch_optional, json_rows};
pub(crate) use folder::FolderLock;
use instance::Instance;
use metrics::StoreMetrics;
pub(crate) use sync_time::SyncTime;
pub(crate) use write::PanicGuard;
pub(crate) use write::Write;
use write::{Committer, Shared};

static MIGRATIONS: Migrator = sqlx::migrate!("src/store/migrations/sqlite");

/// The file of the embedded engine, in the data folder.
const FILE_NAME: &str = "hongyan.db";

/// How long a write waits for a command of another process that writes to the same file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// How long an operation waits for its turn to write, so that a stuck disk is answered and not waited for.
const TURN_WAIT_MAX: Duration = Duration::from_secs(30);

/// How long the store may take to prove that it reads and writes.
const CHECK_WAIT_MAX: Duration = Duration::from_secs(5);

/// What the writer keeps of the file in memory (SQLite counts KiB below zero): the leaves of the indexes that sends touch at
/// random. Only what is used is taken.
const WRITER_CACHE: &str = "-65536";

/// Pages of the write-ahead log before they go over into the file. Leaves that many sends touch go over once.
const CHECKPOINT_PAGES: &str = "8192";

/// Readers beside the one writer. SQLite reads are short and mostly in memory.
const READERS_COUNT_MAX: u32 = 4;

/// An opened store.
pub struct Store {
    clock: Clock,
    readers: SqlitePool,
    writer: Arc<Shared>,
    committer: Committer,
    instance: Instance,
    sync_time: Arc<SyncTime>,
    metrics: StoreMetrics,
}

impl Store {
    /// Opens the embedded engine in a folder, which is made for its owner alone where it is missing. A server may be
    /// running on the folder; then its tables must be of this version.
    pub async fn open(data_folder: &Path, clock: Clock) -> Result<Self, Error> {
        Self::open_with(data_folder, clock, None, &Metrics::default()).await
    }

    /// Opens it for the one server that has the folder.
    pub(crate) async fn open_alone(
        data_folder: &Path,
        clock: Clock,
        lock: &FolderLock,
        metrics: &Metrics,
    ) -> Result<Self, Error> {
        Self::open_with(data_folder, clock, Some(lock), metrics).await
    }

    async fn open_with(
        data_folder: &Path,
        clock: Clock,
        lock: Option<&FolderLock>,
        metrics: &Metrics,
    ) -> Result<Self, Error> {
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
        let of_writer =
            options.clone().pragma("cache_size", WRITER_CACHE).pragma("wal_autocheckpoint", CHECKPOINT_PAGES);
        let mut connection = of_writer.connect().await.map_err(|error| opening(&file, error))?;
        let is_pending = is_migration_pending(&mut connection).await?;
        // Tables do not change under a server that runs on them.
        let _alone = if is_pending && lock.is_none() { Some(FolderLock::take(data_folder)?) } else { None };
        MIGRATIONS.run(&mut connection).await.map_err(|error| opening(&file, error))?;
        let instance = Instance::open(&mut connection, clock.now_ms()).await?;
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS_COUNT_MAX)
            .connect_with(options.pragma("query_only", "on"))
            .await
            .map_err(|error| opening(&file, error))?;
        let sync_time = Arc::new(SyncTime::new(clock.clone(), instance.sync_ms));
        metrics.gauge_of("hongyan_store_readers_in_use", "Readers that work on a query.", {
            let readers = readers.clone();
            move || (readers.size() as usize).saturating_sub(readers.num_idle())
        });
        let metrics = StoreMetrics::new(metrics);
        let writer = Connection::sqlite_writer(connection);
        let (writer, committer) = Shared::start(writer, Arc::clone(&sync_time), metrics.clone());
        Ok(Self { clock, readers, writer, committer, instance, sync_time, metrics })
    }

    /// Which store this is.
    pub fn instance(&self) -> InstanceId {
        self.instance.id
    }

    /// What this store signs with.
    pub(crate) fn secret(&self) -> &[u8] {
        self.instance.secret.as_bytes()
    }

    /// The time that catching up goes by.
    pub(crate) fn sync_time(&self) -> &SyncTime {
        &self.sync_time
    }

    /// Becomes true when a commit failed, so that nobody can say what the store holds. Nothing is written after it.
    pub fn failed(&self) -> watch::Receiver<bool> {
        self.writer.failed()
    }

    /// A view of the store as it is now, for one or more queries.
    pub async fn read(&self) -> Result<Connection, Error> {
        let asked = Instant::now();
        let reader = self.readers.begin().await?;
        self.metrics.got_reader(asked);
        Ok(Connection::sqlite_reader(reader))
    }

    /// The right to write, until the operation commits or is dropped. 70169 where it does not come in time.
    pub async fn begin(&self) -> Result<Write, Error> {
        let asked = Instant::now();
        let turn = self.clock.timeout(TURN_WAIT_MAX, Shared::begin(&self.writer)).await;
        self.metrics.got_turn(asked);
        turn.unwrap_or_else(|_| Err(Error::new(Code::ACCOUNT_TIMEOUT, "the store is busy; try again")))
    }

    /// Whether the store reads and writes now.
    pub(crate) async fn check(&self) -> Result<(), Error> {
        if *self.failed().borrow() {
            return Err(Error::new(Code::ACCOUNT_INTERNAL_ERROR, "the store has failed"));
        }
        let checked = self.clock.timeout(CHECK_WAIT_MAX, async {
            fetch_optional!(self.read().await?, (i64,), "select 1")?;
            // Dropped at once: nothing is written.
            self.begin().await.map(drop)
        });
        checked.await.unwrap_or_else(|_| Err(Error::new(Code::ACCOUNT_TIMEOUT, "the store does not answer in time")))
    }

    /// To be held by a task that everybody waits for: the store fails when it panics.
    pub(crate) fn guard(&self) -> PanicGuard {
        self.writer.guard()
    }

    /// Keeps the time of catching up before it is handed to a client; mostly there is nothing to do.
    pub(crate) async fn keep_sync_time(&self) -> Result<(), Error> {
        if self.sync_time.is_kept_recently() { Ok(()) } else { self.begin().await?.commit(|| {}).await }
    }

    /// Commits what was begun and closes the files. Later calls fail.
    pub async fn close(&self) {
        self.committer.close().await;
        self.readers.close().await;
    }
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

#[cfg(test)]
mod tests;
