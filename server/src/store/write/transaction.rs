// SPDX-License-Identifier: Apache-2.0
//! How a transaction begins and ends, and what each engine says of it.

use crate::error::Error;
use crate::store::{Connection, Engine, Failure, failure, text};

/// How a commit failed.
pub(super) enum CommitError {
    /// Nothing was written, for want of room or by the engine's own word: later writes may succeed.
    Undone(Error),
    /// Nobody can say what is on the disk.
    Unknown(Error),
}

/// Opens a transaction with an operation in it, in one go.
pub(super) async fn open(connection: &mut Connection) -> Result<(), Error> {
    let text = text!("{begin}; savepoint operation");
    match connection.engine() {
        Engine::Sqlite(connection) => sqlx::query(text.sqlite.as_str()).execute(connection).await.map(drop),
        Engine::Postgres(connection, line) => {
            line.hear(sqlx::raw_sql(text.postgres.as_str()).execute(connection)).await.map(drop)
        }
    }
    .map_err(Error::from)
}

/// Makes durable what was done since the transaction was opened.
pub(super) async fn commit(connection: &mut Connection) -> Result<(), CommitError> {
    let (outcome, is_undone): (_, fn(&sqlx::Error) -> bool) = match connection.engine() {
        Engine::Sqlite(connection) => {
            (sqlx::query("commit").execute(connection).await.map(drop), |error| Failure::of(error) == Failure::NoRoom)
        }
        // One message there and one back.
        Engine::Postgres(connection, line) => {
            (line.hear(sqlx::raw_sql("commit").execute(connection)).await.map(drop), failure::is_undone)
        }
    };
    outcome.map_err(|error| {
        if is_undone(&error) { CommitError::Undone(error.into()) } else { CommitError::Unknown(error.into()) }
    })
}

/// What SQLite says where the engine has rolled back by itself. Its number is that of any error of a statement.
const SQLITE_NO_TRANSACTION: &str = "no transaction is active";

/// Undoes it. Where there is no transaction there is nothing to undo.
pub(super) async fn roll_back(connection: &mut Connection) -> Result<(), Error> {
    let outcome = match connection.engine() {
        Engine::Sqlite(connection) => sqlx::query("rollback").execute(connection).await.map(drop),
        // Without a transaction it says so, and that is no error.
        Engine::Postgres(connection, line) => line.hear(sqlx::query("rollback").execute(connection)).await.map(drop),
    };
    match outcome {
        Err(error) if !is_without_transaction(&error) => Err(error.into()),
        _ => Ok(()),
    }
}

fn is_without_transaction(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(|error| error.message().contains(SQLITE_NO_TRANSACTION))
}
