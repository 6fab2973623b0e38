// SPDX-License-Identifier: Apache-2.0
//! What a failed statement means for those who wait for it.

use sqlx::postgres::{PgDatabaseError, PgSeverity};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// Another server was in the way. The same operation succeeds once that one is done.
    Conflict,
    /// The connection is gone, and with it whatever was not committed.
    Disconnected,
    /// The engine ended the statement for its length. It would take as long for anybody.
    TooSlow,
    /// The disk is full: nothing was written.
    NoRoom,
    /// Whoever asked, or the store, is at fault.
    Other,
}

/// PostgreSQL's codes for: could not serialise, deadlock, a lock that did not come in time; and for a key that is there
/// already, because a room looks before it inserts.
const CONFLICTS: [&str; 4] = ["40001", "40P01", "55P03", "23505"];

/// PostgreSQL's code for a statement that took too long.
const POSTGRES_CANCELED: &str = "57014";

/// Its code for a transaction that may only read: the other side is no longer the one that writes.
const POSTGRES_READ_ONLY: &str = "25006";

/// What the engines call a full disk.
const SQLITE_FULL: &str = "13";
const POSTGRES_DISK_FULL: &str = "53100";

impl Failure {
    pub(crate) fn of(error: &sqlx::Error) -> Self {
        match error {
            sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut => Self::Disconnected,
            sqlx::Error::Database(error) => match error.try_downcast_ref::<PgDatabaseError>() {
                Some(error) if matches!(error.severity(), PgSeverity::Fatal | PgSeverity::Panic) => Self::Disconnected,
                Some(error) if CONFLICTS.contains(&error.code()) => Self::Conflict,
                Some(error) if error.code() == POSTGRES_READ_ONLY => Self::Disconnected,
                Some(error) if error.code() == POSTGRES_CANCELED => Self::TooSlow,
                Some(error) if error.code() == POSTGRES_DISK_FULL => Self::NoRoom,
                None if error.code().is_some_and(|code| code == SQLITE_FULL) => Self::NoRoom,
                _ => Self::Other,
            },
            _ => Self::Other,
        }
    }
}

/// Whether a commit that failed with this surely did nothing: PostgreSQL says so itself, and the connection goes on.
pub(super) fn is_undone(error: &sqlx::Error) -> bool {
    let error = error.as_database_error().and_then(|error| error.try_downcast_ref::<PgDatabaseError>());
    error.is_some_and(|error| error.severity() == PgSeverity::Error)
}
