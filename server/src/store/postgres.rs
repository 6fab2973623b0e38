// SPDX-License-Identifier: Apache-2.0
//! PostgreSQL, which several servers may share.
//!
//! A server writes on one connection and reads on a pool of others. A connection that breaks takes nothing with it
//! but what was not committed: see [`Source::connect`] for how the writer comes back.

use std::time::Duration;

use hongyan_protocol::codes::Code;
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions, Postgres};
use sqlx::{ConnectOptions, Connection as _, Transaction};

use super::FolderLock;
use super::connection::{Line, closed, timed_out};
use super::failure::Failure;
use crate::error::Error;

static MIGRATIONS: Migrator = sqlx::migrate!("src/store/migrations/postgres");

/// Readers beside the one writer.
const READERS_COUNT_MAX: u32 = 8;

/// How long a reader waits for a connection.
const READER_WAIT_MAX: Duration = Duration::from_secs(5);

/// How long one attempt to connect may take.
const CONNECT_WAIT_MAX: Duration = Duration::from_secs(5);

/// How often it is looked, while tables are made or changed, whether PostgreSQL is at it. Two looks in a row must find that it
/// is not: one may fail for a moment. The crate's own tests do not wait that long.
const PRESENCE_INTERVAL: Duration = if cfg!(test) { Duration::from_millis(200) } else { Duration::from_secs(5) };

/// How long a statement waits for a row that another server holds. That one holds it until its commit, which takes less;
/// two who wait for each other are parted by this, sooner than by PostgreSQL's own search for deadlocks.
const LOCK_WAIT: &str = "100ms";

/// After which PostgreSQL ends a writer that has gone silent with rows held, so that the other servers go on.
const SILENCE_MAX: &str = "10s";

/// How long a statement may take.
const STATEMENT_WAIT_MAX: &str = "30s";

/// Each statement names the rows that it wants by an index. What PostgreSQL would choose instead for a table that is still
/// small, it would go on with while the table grows, until it counts the table again: a minute or more in which each batch
/// reads all messages there are. Compiling is for long queries; here it would be set off by the price of what is ruled out.
const BY_INDEX: [(&str, &str); 5] = [
    ("enable_seqscan", "off"),
    ("enable_hashjoin", "off"),
    ("enable_mergejoin", "off"),
    ("enable_material", "off"),
    ("jit", "off"),
];

/// How long a reader that was used may take to show that it can be used again.
const PING_WAIT_MAX: Duration = Duration::from_secs(2);

/// How often a new writer looks whether the one before it is gone.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);

const BEHIND: &str = "the database has tables of an older version, on which servers may be running; the server of this \
                      version changes them when it starts";

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

/// How the database is set up.
#[derive(sqlx::FromRow)]
struct Setup {
    is_standby: bool,
    is_lazy: bool,
    is_unsafe: bool,
}

/// Opens a database. Its tables are made where there are none, and changed by the server that opens it.
pub(super) async fn open(
    options: &PgConnectOptions,
    lock: Option<&FolderLock>,
) -> Result<(Source, PgConnection, Backend, PgPool), Error> {
    let plain = options.clone().application_name("hongyan-server");
    let options = plain.clone().options(BY_INDEX);
    let of_writer = options.clone().options([
        ("lock_timeout", LOCK_WAIT),
        ("idle_in_transaction_session_timeout", SILENCE_MAX),
        ("statement_timeout", STATEMENT_WAIT_MAX),
    ]);
    // Without the writer's other limits: whoever starts second waits until the tables are made. What changes tables reads whole
    // ones, and not by an index.
    let of_tables = plain.options([("idle_in_transaction_session_timeout", SILENCE_MAX)]);
    let mut connection = connect_with(&of_tables).await.map_err(|error| opening(&options, error))?;
    let looked = Line::default().hear(is_behind(&mut connection)).await;
    if looked.map_err(|error| opening(&options, error))? && lock.is_none() {
        return Err(Error::new(Code::ACCOUNT_INTERNAL_ERROR, BEHIND));
    }
    migrate(&mut connection, &options).await.map_err(|error| opening(&options, error))?;
    closed(connection.close()).await.map_err(|error| opening(&options, error))?;
    let source = Source { writer: of_writer };
    let (writer, backend) = source.connect(None).await.map_err(|error| opening(&options, error))?;
    let readers = PgPoolOptions::new()
        .max_connections(READERS_COUNT_MAX)
        .acquire_timeout(READER_WAIT_MAX)
        // The first statement shows it as well: see `read`.
        .test_before_acquire(false)
        // One that went silent is not waited for, nor asked again.
        .after_release(|connection, _| Box::pin(is_free(connection)))
        .connect_lazy_with(options.options([("statement_timeout", STATEMENT_WAIT_MAX)]));
    Ok((source, writer, backend, readers))
}

async fn connect_with(options: &PgConnectOptions) -> Result<PgConnection, sqlx::Error> {
    let connected = tokio::time::timeout(CONNECT_WAIT_MAX, options.connect()).await;
    connected.unwrap_or_else(|_| Err(timed_out()))
}

/// Makes the tables, or changes them. How long that takes nobody can say: rows may be many, and another server may be at it
/// just now. So it is given up not after a time but where PostgreSQL is gone, or the backend that does it.
async fn migrate(connection: &mut PgConnection, options: &PgConnectOptions) -> Result<(), MigrateError> {
    let backend = Line::default().hear(backend_of(connection)).await?;
    tokio::select! {
        migrated = MIGRATIONS.run(connection) => migrated,
        error = absence(options, &backend) => Err(error.into()),
    }
}

/// Waits until two looks in a row do not find a backend, however long that takes.
async fn absence(options: &PgConnectOptions, backend: &Backend) -> sqlx::Error {
    let mut was_absent = false;
    loop {
        tokio::time::sleep(PRESENCE_INTERVAL).await;
        let absent = match Line::default().hear(is_there(options, backend)).await {
            Ok(true) => None,
            Ok(false) => Some(sqlx::Error::Io(std::io::Error::other("PostgreSQL has ended the connection"))),
            Err(error @ sqlx::Error::Io(_)) => Some(error),
            // It answers, if only that it has no place for one more.
            Err(_) => None,
        };
        match absent {
            Some(error) if was_absent => return error,
            absent => was_absent = absent.is_some(),
        }
    }
}

async fn is_there(options: &PgConnectOptions, backend: &Backend) -> Result<bool, sqlx::Error> {
    let mut connection = connect_with(options).await?;
    let found: Option<i32> = sqlx::query_scalar(
        "select pid
         from pg_stat_activity
         where pid = $1 and backend_start::text = $2",
    )
    .bind(backend.pid)
    .bind(&backend.started)
    .fetch_optional(&mut connection)
    .await?;
    drop(closed(connection.close()).await);
    Ok(found.is_some())
}

/// Whether a database has tables of an older version, on which servers of that version may be running.
async fn is_behind(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    let is_made: bool =
        sqlx::query_scalar("select to_regclass('_sqlx_migrations') is not null").fetch_one(&mut *connection).await?;
    if !is_made {
        return Ok(false);
    }
    let applied: Vec<i64> =
        sqlx::query_scalar("select version from _sqlx_migrations where success").fetch_all(connection).await?;
    Ok(MIGRATIONS.iter().any(|migration| !applied.contains(&migration.version)))
}

async fn is_free(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    let heard = tokio::time::timeout(PING_WAIT_MAX, connection.ping()).await;
    heard.unwrap_or_else(|_| Err(timed_out())).map(|()| true)
}

impl Source {
    /// A connection for the writer. One that was lost before it is ended first: a commit on its way there is over then, one
    /// way or the other, and what this connection reads shows which.
    pub(super) async fn connect(&self, lost: Option<&Backend>) -> Result<(PgConnection, Backend), sqlx::Error> {
        Line::default().hear(self.connect_after(lost)).await
    }

    async fn connect_after(&self, lost: Option<&Backend>) -> Result<(PgConnection, Backend), sqlx::Error> {
        let mut connection = connect_with(&self.writer).await?;
        if let Some(lost) = lost {
            while end(&mut connection, lost).await? {
                tokio::time::sleep(LOOK_INTERVAL).await;
            }
        }
        prepare(&mut connection).await?;
        let backend = backend_of(&mut connection).await?;
        Ok((connection, backend))
    }
}

async fn backend_of(connection: &mut PgConnection) -> Result<Backend, sqlx::Error> {
    sqlx::query_as(
        "select pid, backend_start::text as started
         from pg_stat_activity
         where pid = pg_backend_pid()",
    )
    .fetch_one(connection)
    .await
}

/// Sees to it that what is committed stays.
async fn prepare(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let setup: Setup = sqlx::query_as(
        "select pg_is_in_recovery() as is_standby,
                current_setting('synchronous_commit') = 'off' as is_lazy,
                current_setting('fsync') = 'off' as is_unsafe",
    )
    .fetch_one(&mut *connection)
    .await?;
    if setup.is_standby {
        return Err(sqlx::Error::Io(std::io::Error::other("it is a standby, which nobody can write to")));
    }
    if setup.is_lazy {
        // Acknowledged means durable. Where more is asked for than this, it stays.
        sqlx::query("set synchronous_commit = on").execute(connection).await?;
    }
    if setup.is_unsafe {
        tracing::warn!("PostgreSQL runs with fsync = off: a crash of its machine loses what was acknowledged");
    }
    Ok(())
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
        let begun = tokio::time::timeout(READER_WAIT_MAX, readers.begin_with(BEGIN_READING)).await;
        match begun.map_err(|_| timed_out())? {
            Err(error @ sqlx::Error::PoolTimedOut) => return Err(error),
            Err(error) if Failure::of(&error) == Failure::Disconnected && attempts < READERS_COUNT_MAX => attempts += 1,
            outcome => return outcome,
        }
    }
}

/// Closes the readers. Those that are silent are left behind.
pub(super) async fn close(readers: &PgPool) {
    let closing = async {
        readers.close().await;
        Ok(())
    };
    if let Err(error) = closed(closing).await {
        tracing::warn!(%error, "closing the store's readers");
    }
}

/// Without the password.
fn opening(options: &PgConnectOptions, error: impl std::error::Error + Send + Sync + 'static) -> Error {
    let (host, database) = (options.get_host(), options.get_database().unwrap_or_default());
    Error::internal(format!("opening the store {database} on {host}:{}", options.get_port()), error)
}
