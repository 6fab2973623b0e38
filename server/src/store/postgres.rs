// SPDX-License-Identifier: Apache-2.0
//! PostgreSQL, which several servers may share.
//!
//! A server writes on one connection and reads on a pool of others. A connection that breaks takes nothing with it
//! but what was not committed: see [`Source::connect`] for how the writer comes back.

use std::time::Duration;

use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions, Postgres};
use sqlx::{ConnectOptions, Connection as _, Transaction};

use super::failure::Failure;
use crate::error::Error;

static MIGRATIONS: Migrator = sqlx::migrate!("src/store/migrations/postgres");

/// Readers beside the one writer.
const READERS_COUNT_MAX: u32 = 8;

/// How long a reader waits for a connection.
const READER_WAIT_MAX: Duration = Duration::from_secs(5);

/// How long one attempt to connect may take.
const CONNECT_WAIT_MAX: Duration = Duration::from_secs(5);

/// How long a statement waits for a row that another server holds. That one holds it until its commit, which takes less;
/// two who wait for each other are parted by this, sooner than by PostgreSQL's own search for deadlocks.
const LOCK_WAIT: &str = "100ms";

/// After which PostgreSQL ends a writer that has gone silent with rows held, so that the other servers go on.
const SILENCE_MAX: &str = "10s";

/// How long a statement of the writer may take.
const STATEMENT_WAIT_MAX: &str = "30s";

/// How often a new writer looks whether the one before it is gone.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);

/// A view of the store, all statements of a reader in it.
const BEGIN_READING: &str = "begin isolation level repeatable read, read only";

/// Where a server's connections come from.
pub(super) struct Source {
    writer: PgConnectOptions,
}

/// The process of the database that serves a connection.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub(super) struct Backend {
    pid: i32,
    started: String,
}

/// Opens a database and makes its tables.
pub(super) async fn open(options: &PgConnectOptions) -> Result<(Source, PgConnection, Backend, PgPool), Error> {
    let options = options.clone().application_name("hongyan-server");
    let of_writer = options.clone().options([
        ("lock_timeout", LOCK_WAIT),
        ("idle_in_transaction_session_timeout", SILENCE_MAX),
        ("statement_timeout", STATEMENT_WAIT_MAX),
    ]);
    // Without the writer's limits: whoever starts second waits until the tables are made.
    let mut connection = connect_with(&options).await.map_err(|error| opening(&options, error))?;
    MIGRATIONS.run(&mut connection).await.map_err(|error| opening(&options, error))?;
    connection.close().await.map_err(|error| opening(&options, error))?;
    let source = Source { writer: of_writer };
    let (writer, backend) = source.connect(None).await.map_err(|error| opening(&options, error))?;
    let readers = PgPoolOptions::new()
        .max_connections(READERS_COUNT_MAX)
        .acquire_timeout(READER_WAIT_MAX)
        // The first statement shows it as well: see `read`.
        .test_before_acquire(false)
        .connect_lazy_with(options);
    Ok((source, writer, backend, readers))
}

async fn connect_with(options: &PgConnectOptions) -> Result<PgConnection, sqlx::Error> {
    let connected = tokio::time::timeout(CONNECT_WAIT_MAX, options.connect()).await;
    connected.unwrap_or_else(|_| Err(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())))
}

impl Source {
    /// A connection for the writer. One that was lost before it is ended first: a commit on its way there is over then, one
    /// way or the other, and what this connection reads shows which.
    pub(super) async fn connect(&self, lost: Option<&Backend>) -> Result<(PgConnection, Backend), sqlx::Error> {
        let mut connection = connect_with(&self.writer).await?;
        if let Some(lost) = lost {
            while end(&mut connection, lost).await? {
                tokio::time::sleep(LOOK_INTERVAL).await;
            }
        }
        let backend = sqlx::query_as(
            "select pid, backend_start::text as started
             from pg_stat_activity
             where pid = pg_backend_pid()",
        )
        .fetch_one(&mut connection)
        .await?;
        Ok((connection, backend))
    }
}

/// Ends a backend; says whether it was still there.
async fn end(connection: &mut PgConnection, backend: &Backend) -> Result<bool, sqlx::Error> {
    let ended: Option<bool> = sqlx::query_scalar(
        "select pg_terminate_backend(pid)
         from pg_stat_activity
         where pid = $1 and backend_start::text = $2",
    )
    .bind(backend.pid)
    .bind(&backend.started)
    .fetch_optional(connection)
    .await?;
    Ok(ended.is_some())
}

/// A view of the store. Connections that broke while they lay idle are left behind.
pub(super) async fn read(readers: &PgPool) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
    let mut attempts = 0;
    loop {
        match readers.begin_with(BEGIN_READING).await {
            Err(error @ sqlx::Error::PoolTimedOut) => return Err(error),
            Err(error) if Failure::of(&error) == Failure::Disconnected && attempts < READERS_COUNT_MAX => attempts += 1,
            outcome => return outcome,
        }
    }
}

/// Without the password.
fn opening(options: &PgConnectOptions, error: impl std::error::Error + Send + Sync + 'static) -> Error {
    let (host, database) = (options.get_host(), options.get_database().unwrap_or_default());
    Error::internal(format!("opening the store {database} on {host}:{}", options.get_port()), error)
}
