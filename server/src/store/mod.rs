// SPDX-License-Identifier: Apache-2.0
//! The store: it opens, migrates, begins, commits and converts errors, and knows no table of any room.
//!
//! Rooms write one query text for SQLite and PostgreSQL and run it through the macros of [`connection`]; `dialect` is what
//! the engines write differently, `rows` how many rows travel with one statement. Writes share commits, see [`mod@write`].
//! `sqlite` and `postgres` open the engines, `failure` says what their errors mean.

pub mod backup;
pub mod connection;
mod dialect;
mod failure;
mod folder;
mod instance;
mod metrics;
mod postgres;
pub(crate) mod rows;
mod sqlite;
mod sync_time;
pub mod write;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hongyan_protocol::clock::Clock;
use hongyan_protocol::codes::Code;
use hongyan_protocol::ids::InstanceId;
use sqlx::postgres::{PgConnectOptions, PgPool};
use sqlx::sqlite::SqlitePool;
use tokio::sync::watch;

use crate::error::Error;
use crate::metrics::Metrics;
pub(crate) use connection::{Connection, Engine, execute, fetch, fetch_all, fetch_optional, text};
pub(crate) use dialect::Text;
pub(crate) use failure::Failure;
pub(crate) use folder::FolderLock;
use instance::Instance;
use metrics::StoreMetrics;
pub(crate) use sync_time::SyncTime;
pub(crate) use write::PanicGuard;
pub(crate) use write::Write;
use write::{Committer, Shared, Writer};

/// How long an operation waits for its turn to write, so that a stuck disk is answered and not waited for.
const TURN_WAIT_MAX: Duration = Duration::from_secs(30);

/// How long the store may take to prove that it reads and writes.
const CHECK_WAIT_MAX: Duration = Duration::from_secs(5);

/// How often an operation is tried that other servers are in the way of, and no longer than one waits for its turn.
const ATTEMPTS_MAX: usize = 100;

/// Where a store is.
#[derive(Clone)]
pub enum Place {
    /// The embedded engine, in the data folder.
    Folder(PathBuf),
    /// A database of PostgreSQL.
    Postgres(Box<PgConnectOptions>),
}

#[derive(Clone)]
enum Readers {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

impl Readers {
    fn in_use_count(&self) -> usize {
        let (size, idle) = match self {
            Self::Sqlite(pool) => (pool.size(), pool.num_idle()),
            Self::Postgres(pool) => (pool.size(), pool.num_idle()),
        };
        (size as usize).saturating_sub(idle)
    }
}

/// An opened store.
pub struct Store {
    clock: Clock,
    readers: Readers,
    writer: Arc<Shared>,
    committer: Committer,
    instance: Instance,
    sync_time: Arc<SyncTime>,
    metrics: StoreMetrics,
}

impl Store {
    /// Opens a store. A server may be running on it, in a folder too, which is made for its owner alone where it is missing;
    /// then its tables must be of this version.
    pub async fn open(place: &Place, clock: Clock) -> Result<Self, Error> {
        Self::open_with(place, clock, None, &Metrics::default()).await
    }

    /// Opens it for the one server that has the data folder.
    pub(crate) async fn open_alone(
        place: &Place,
        clock: Clock,
        lock: &FolderLock,
        metrics: &Metrics,
    ) -> Result<Self, Error> {
        Self::open_with(place, clock, Some(lock), metrics).await
    }

    async fn open_with(
        place: &Place,
        clock: Clock,
        lock: Option<&FolderLock>,
        metrics: &Metrics,
    ) -> Result<Self, Error> {
        let (mut connection, origin, readers) = match place {
            Place::Folder(folder) => {
                let (writer, readers) = sqlite::open(folder, lock).await?;
                (Connection::from(writer), None, Readers::Sqlite(readers))
            }
            Place::Postgres(options) => {
                let (source, writer, backend, readers) = postgres::open(options, lock).await?;
                (Connection::from(writer), Some((source, backend)), Readers::Postgres(readers))
            }
        };
        let instance = Instance::open(&mut connection, clock.now_ms()).await?;
        let sync_time = Arc::new(SyncTime::new(clock.clone(), instance.sync_ms));
        metrics.gauge_of("hongyan_store_readers_in_use", "Readers that work on a query.", {
            let readers = readers.clone();
            move || readers.in_use_count()
        });
        let metrics = StoreMetrics::new(metrics);
        let writer = Writer::new(connection, origin);
        let (writer, committer) = Shared::start(writer, Arc::clone(&sync_time), metrics.clone());
        Ok(Self { clock, readers, writer, committer, instance, sync_time, metrics })
    }

    /// Which store this is.
    pub fn instance(&self) -> InstanceId {
        self.instance.id
    }

    /// Makes this another store for whoever opens it next, as is due after its tables were put back from a copy: clients
    /// load their caches again, and nobody resumes a session of before. No server may be running on it.
    pub(crate) async fn renew_instance(&self) -> Result<InstanceId, Error> {
        let mut write = self.begin().await?;
        let id = instance::renew(&mut write).await?;
        write.commit(|| {}).await?;
        Ok(id)
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

    /// How often nobody could say what a commit left behind, while the store itself went on. What was published then may be
    /// less than what happened.
    pub fn doubts(&self) -> watch::Receiver<u64> {
        self.writer.doubts()
    }

    /// A view of the store as it is now, for one or more queries.
    pub async fn read(&self) -> Result<Connection, Error> {
        let asked = Instant::now();
        let reader = match &self.readers {
            Readers::Sqlite(readers) => readers.begin().await?.into(),
            Readers::Postgres(readers) => postgres::read(readers).await?.into(),
        };
        self.metrics.got_reader(asked);
        Ok(reader)
    }

    /// Runs an operation that writes: it does its work and commits. One that another server was in the way of is undone and
    /// run again, once what stood in line before it is committed, so that neither waits for the other.
    pub(crate) async fn write<T, F>(&self, mut operation: impl FnMut(Write) -> F) -> Result<T, Error>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let begun_ms = self.clock.monotonic_ms();
        let is_in_time = || u128::from(self.clock.monotonic_ms() - begun_ms) < TURN_WAIT_MAX.as_millis();
        let mut attempts = 1;
        loop {
            match operation(self.begin().await?).await {
                Err(error) if error.is_conflict() && attempts < ATTEMPTS_MAX && is_in_time() => {
                    tracing::debug!(attempts, %error, "an operation is run again");
                    if self.clock.timeout(TURN_WAIT_MAX, self.writer.settle()).await.is_err() {
                        return Err(error);
                    }
                    attempts += 1;
                }
                outcome => return outcome,
            }
        }
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
            // Dropped at once: nothing is written.
            drop(self.begin().await?);
            fetch_optional!(self.read().await?, (i64,), "select cast(1 as bigint)").map(drop)
        });
        checked.await.unwrap_or_else(|_| Err(Error::new(Code::ACCOUNT_TIMEOUT, "the store does not answer in time")))
    }

    /// To be held by a task that everybody waits for: the store fails when it panics.
    pub(crate) fn guard(&self) -> PanicGuard {
        self.writer.guard()
    }

    /// Keeps the time of catching up before it is handed to a client; mostly there is nothing to do.
    pub(crate) async fn keep_sync_time(&self) -> Result<(), Error> {
        if self.sync_time.is_kept_recently() {
            return Ok(());
        }
        self.write(|write| write.commit(|| {})).await
    }

    /// Commits what was begun and closes the engine. Later calls fail.
    pub async fn close(&self) {
        self.committer.close().await;
        match &self.readers {
            Readers::Sqlite(readers) => readers.close().await,
            Readers::Postgres(readers) => postgres::close(readers).await,
        }
    }
}

#[cfg(test)]
#[path = "../../../tests/harness/database.rs"]
#[expect(dead_code, reason = "the end-to-end tests use more of it")]
pub(crate) mod database;
#[cfg(test)]
#[path = "../../../tests/harness/database_proxy.rs"]
#[expect(dead_code, reason = "the end-to-end tests use more of it")]
mod database_proxy;
#[cfg(test)]
#[path = "../../../tests/harness/net.rs"]
#[expect(dead_code, reason = "the end-to-end tests use more of it")]
mod net;
#[cfg(test)]
#[path = "../../../tests/harness/wait.rs"]
#[expect(dead_code, reason = "the end-to-end tests use more of it")]
mod wait;

#[cfg(test)]
mod tests;
