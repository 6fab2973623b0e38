// SPDX-License-Identifier: Apache-2.0
//! Running one query text on whichever engine is behind a connection.

use sqlx::sqlite::{Sqlite, SqliteConnection};

/// A connection of any engine, inside a transaction.
pub struct Connection(Kind);

enum Kind {
    SqliteReader(sqlx::Transaction<'static, Sqlite>),
    SqliteWriter(SqliteConnection),
}

/// The engine behind a connection, for the macros below.
pub(crate) enum Engine<'a> {
    Sqlite(&'a mut SqliteConnection),
}

impl Connection {
    pub(crate) fn sqlite_reader(transaction: sqlx::Transaction<'static, Sqlite>) -> Self {
        Self(Kind::SqliteReader(transaction))
    }

    pub(crate) fn sqlite_writer(connection: SqliteConnection) -> Self {
        Self(Kind::SqliteWriter(connection))
    }

    pub(crate) fn engine(&mut self) -> Engine<'_> {
        match &mut self.0 {
            Kind::SqliteReader(transaction) => Engine::Sqlite(transaction),
            Kind::SqliteWriter(connection) => Engine::Sqlite(connection),
        }
    }

    /// Closes a writer's connection; a reader goes back to its pool.
    pub(crate) async fn close(self) -> Result<(), sqlx::Error> {
        match self.0 {
            Kind::SqliteReader(transaction) => transaction.rollback().await,
            Kind::SqliteWriter(connection) => sqlx::Connection::close(connection).await,
        }
    }
}

/// Rows for a statement that reads them with `json_each($1)`: `r.value->>0` is the first column of each.
pub(crate) fn json_rows<T: serde::Serialize>(rows: &[T]) -> String {
    serde_json::to_string(rows).expect("rows are tuples of numbers and texts")
}

/// Runs a statement: `execute!(connection, "text", binds…)` gives the number of rows that it touched.
macro_rules! execute {
    ($on:expr, $sql:expr $(, $bind:expr)* $(,)?) => {
        match $on.engine() {
            $crate::store::Engine::Sqlite(connection) => {
                sqlx::query($sql)$(.bind($bind))*.execute(connection).await.map(|done| done.rows_affected())
            }
        }
        .map_err($crate::error::Error::from)
    };
}

/// All rows of a query: `fetch_all!(connection, Row, "text", binds…)`.
macro_rules! fetch_all {
    ($on:expr, $row:ty, $sql:expr $(, $bind:expr)* $(,)?) => {
        match $on.engine() {
            $crate::store::Engine::Sqlite(connection) => {
                sqlx::query_as::<_, $row>($sql)$(.bind($bind))*.fetch_all(connection).await
            }
        }
        .map_err($crate::error::Error::from)
    };
}

/// The only row of a query, if there is one: `fetch_optional!(connection, Row, "text", binds…)`.
macro_rules! fetch_optional {
    ($on:expr, $row:ty, $sql:expr $(, $bind:expr)* $(,)?) => {
        match $on.engine() {
            $crate::store::Engine::Sqlite(connection) => {
                sqlx::query_as::<_, $row>($sql)$(.bind($bind))*.fetch_optional(connection).await
            }
        }
        .map_err($crate::error::Error::from)
    };
}

pub(crate) use {execute, fetch_all, fetch_optional};
