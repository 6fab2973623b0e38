// SPDX-License-Identifier: Apache-2.0
//! Running one query text on whichever engine is behind a connection.

use std::future::Future;
use std::time::Duration;

use sqlx::Connection as _;
use sqlx::postgres::{PgConnection, Postgres};
use sqlx::sqlite::{Sqlite, SqliteConnection};

/// How long PostgreSQL may be silent. Longer than it lets a statement take, so that what runs into this is a database that
/// is gone and did not say so. The crate's own tests do not wait that long.
const ANSWER_WAIT_MAX: Duration = if cfg!(test) { Duration::from_secs(3) } else { Duration::from_secs(35) };

/// How long a connection may take to say goodbye.
const CLOSE_WAIT_MAX: Duration = Duration::from_secs(5);

/// A connection of any engine, inside a transaction.
pub struct Connection {
    kind: Kind,
    line: Line,
}

enum Kind {
    SqliteReader(sqlx::Transaction<'static, Sqlite>),
    SqliteWriter(SqliteConnection),
    PostgresReader(sqlx::Transaction<'static, Postgres>),
    PostgresWriter(PgConnection),
}

/// The engine behind a connection, for the macros below.
pub(crate) enum Engine<'a> {
    Sqlite(&'a mut SqliteConnection),
    Postgres(&'a mut PgConnection, &'a mut Line),
}

/// The way to a database of the network.
#[derive(Default)]
pub(crate) struct Line {
    is_silent: bool,
}

impl Line {
    /// An answer, or [`timed_out`]. After that nothing more is asked: it would only wait as long again.
    pub(crate) async fn hear<T>(
        &mut self,
        answer: impl Future<Output = Result<T, sqlx::Error>>,
    ) -> Result<T, sqlx::Error> {
        if self.is_silent {
            return Err(timed_out());
        }
        let heard = tokio::time::timeout(ANSWER_WAIT_MAX, answer).await;
        self.is_silent = heard.is_err();
        heard.unwrap_or_else(|_| Err(timed_out()))
    }
}

/// What silence is for those who wait: a connection that is gone.
pub(super) fn timed_out() -> sqlx::Error {
    sqlx::Error::Io(std::io::Error::new(std::io::ErrorKind::TimedOut, "PostgreSQL does not answer in time"))
}

impl From<Kind> for Connection {
    fn from(kind: Kind) -> Self {
        Self { kind, line: Line::default() }
    }
}

impl From<sqlx::Transaction<'static, Sqlite>> for Connection {
    fn from(reader: sqlx::Transaction<'static, Sqlite>) -> Self {
        Kind::SqliteReader(reader).into()
    }
}

impl From<SqliteConnection> for Connection {
    fn from(writer: SqliteConnection) -> Self {
        Kind::SqliteWriter(writer).into()
    }
}

impl From<sqlx::Transaction<'static, Postgres>> for Connection {
    fn from(reader: sqlx::Transaction<'static, Postgres>) -> Self {
        Kind::PostgresReader(reader).into()
    }
}

impl From<PgConnection> for Connection {
    fn from(writer: PgConnection) -> Self {
        Kind::PostgresWriter(writer).into()
    }
}

impl Connection {
    pub(crate) fn engine(&mut self) -> Engine<'_> {
        match &mut self.kind {
            Kind::SqliteReader(transaction) => Engine::Sqlite(transaction),
            Kind::SqliteWriter(connection) => Engine::Sqlite(connection),
            Kind::PostgresReader(transaction) => Engine::Postgres(transaction, &mut self.line),
            Kind::PostgresWriter(connection) => Engine::Postgres(connection, &mut self.line),
        }
    }

    /// Closes a writer's connection; a reader goes back to its pool.
    pub(crate) async fn close(self) -> Result<(), sqlx::Error> {
        match self.kind {
            Kind::SqliteReader(transaction) => transaction.rollback().await,
            Kind::SqliteWriter(connection) => connection.close().await,
            Kind::PostgresReader(transaction) => closed(transaction.rollback()).await,
            Kind::PostgresWriter(connection) => closed(connection.close()).await,
        }
    }
}

/// Goodbye, which nobody waits for longer than it may take.
pub(super) async fn closed(closing: impl Future<Output = Result<(), sqlx::Error>>) -> Result<(), sqlx::Error> {
    tokio::time::timeout(CLOSE_WAIT_MAX, closing).await.unwrap_or_else(|_| Err(timed_out()))
}

/// The text of a statement, in the words of each engine; made once.
macro_rules! text {
    ($sql:literal) => {{
        static TEXT: std::sync::LazyLock<$crate::store::Text> =
            std::sync::LazyLock::new(|| $crate::store::Text::new($sql));
        &TEXT
    }};
}

/// Runs a statement: `execute!(connection, "text", binds…)` gives the number of rows that it touched. Rows that the
/// text names come last, behind a semicolon: `execute!(connection, "text", binds…; &rows)`.
macro_rules! execute {
    ($on:expr, $sql:literal $(, $bind:expr)* $(; $rows:expr)? $(,)?) => {{
        let text = $crate::store::text!($sql);
        match $on.engine() {
            $crate::store::Engine::Sqlite(connection) => {
                let query = sqlx::query(text.sqlite.as_str())$(.bind($bind))*$(.bind($crate::store::rows::to_json($rows)))?;
                query.execute(connection).await.map(|done| done.rows_affected())
            }
            $crate::store::Engine::Postgres(connection, line) => {
                let query = sqlx::query(text.postgres.as_str())$(.bind($bind))*;
                $(let query = $crate::store::rows::BindColumns::bind_columns(query, $rows);)?
                line.hear(query.execute(connection)).await.map(|done| done.rows_affected())
            }
        }
        .map_err($crate::error::Error::from)
    }};
}

/// All rows of a query: `fetch_all!(connection, Row, "text", binds…)`.
macro_rules! fetch_all {
    ($on:expr, $row:ty, $($query:tt)+) => { $crate::store::fetch!($on, fetch_all, $row, $($query)+) };
}

/// The only row of a query, if there is one: `fetch_optional!(connection, Row, "text", binds…)`.
macro_rules! fetch_optional {
    ($on:expr, $row:ty, $($query:tt)+) => { $crate::store::fetch!($on, fetch_optional, $row, $($query)+) };
}

macro_rules! fetch {
    ($on:expr, $fetch:ident, $row:ty, $sql:literal $(, $bind:expr)* $(; $rows:expr)? $(,)?) => {{
        let text = $crate::store::text!($sql);
        match $on.engine() {
            $crate::store::Engine::Sqlite(connection) => {
                let query = sqlx::query_as::<_, $row>(text.sqlite.as_str())$(.bind($bind))*;
                $(let query = query.bind($crate::store::rows::to_json($rows));)?
                query.$fetch(connection).await
            }
            $crate::store::Engine::Postgres(connection, line) => {
                let query = sqlx::query_as::<_, $row>(text.postgres.as_str())$(.bind($bind))*;
                $(let query = $crate::store::rows::BindColumns::bind_columns(query, $rows);)?
                line.hear(query.$fetch(connection)).await
            }
        }
        .map_err($crate::error::Error::from)
    }};
}

pub(crate) use {execute, fetch, fetch_all, fetch_optional, text};
