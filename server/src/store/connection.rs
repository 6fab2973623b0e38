// SPDX-License-Identifier: Apache-2.0
//! Running one query text on whichever engine is behind a connection.

use sqlx::Connection as _;
use sqlx::postgres::{PgConnection, Postgres};
use sqlx::sqlite::{Sqlite, SqliteConnection};

/// A connection of any engine, inside a transaction.
pub struct Connection(Kind);

enum Kind {
    SqliteReader(sqlx::Transaction<'static, Sqlite>),
    SqliteWriter(SqliteConnection),
    PostgresReader(sqlx::Transaction<'static, Postgres>),
    PostgresWriter(PgConnection),
}

/// The engine behind a connection, for the macros below.
pub(crate) enum Engine<'a> {
    Sqlite(&'a mut SqliteConnection),
    Postgres(&'a mut PgConnection),
}

impl From<sqlx::Transaction<'static, Sqlite>> for Connection {
    fn from(reader: sqlx::Transaction<'static, Sqlite>) -> Self {
        Self(Kind::SqliteReader(reader))
    }
}

impl From<SqliteConnection> for Connection {
    fn from(writer: SqliteConnection) -> Self {
        Self(Kind::SqliteWriter(writer))
    }
}

impl From<sqlx::Transaction<'static, Postgres>> for Connection {
    fn from(reader: sqlx::Transaction<'static, Postgres>) -> Self {
        Self(Kind::PostgresReader(reader))
    }
}

impl From<PgConnection> for Connection {
    fn from(writer: PgConnection) -> Self {
        Self(Kind::PostgresWriter(writer))
    }
}

impl Connection {
    pub(crate) fn engine(&mut self) -> Engine<'_> {
        match &mut self.0 {
            Kind::SqliteReader(transaction) => Engine::Sqlite(transaction),
            Kind::SqliteWriter(connection) => Engine::Sqlite(connection),
            Kind::PostgresReader(transaction) => Engine::Postgres(transaction),
            Kind::PostgresWriter(connection) => Engine::Postgres(connection),
        }
    }

    /// Closes a writer's connection; a reader goes back to its pool.
    pub(crate) async fn close(self) -> Result<(), sqlx::Error> {
        match self.0 {
            Kind::SqliteReader(transaction) => transaction.rollback().await,
            Kind::SqliteWriter(connection) => connection.close().await,
            Kind::PostgresReader(transaction) => transaction.rollback().await,
            Kind::PostgresWriter(connection) => connection.close().await,
        }
    }
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
            $crate::store::Engine::Postgres(connection) => {
                let query = sqlx::query(text.postgres.as_str())$(.bind($bind))*;
                $(let query = $crate::store::rows::BindColumns::bind_columns(query, $rows);)?
                query.execute(connection).await.map(|done| done.rows_affected())
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
            $crate::store::Engine::Postgres(connection) => {
                let query = sqlx::query_as::<_, $row>(text.postgres.as_str())$(.bind($bind))*;
                $(let query = $crate::store::rows::BindColumns::bind_columns(query, $rows);)?
                query.$fetch(connection).await
            }
        }
        .map_err($crate::error::Error::from)
    }};
}

pub(crate) use {execute, fetch, fetch_all, fetch_optional, text};
