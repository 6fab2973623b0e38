// SPDX-License-Identifier: Apache-2.0
//! The one place that makes an [`ImError`] of a database error.

use hongyan_protocol::codes::Code;

use crate::error::ImError;

// Primary result codes of SQLite.
const IO_ERROR: i32 = 10;
const CORRUPT: i32 = 11;
const FULL: i32 = 13;
const CANNOT_OPEN: i32 = 14;
const NOT_A_DATABASE: i32 = 26;
const READ_ONLY: i32 = 8;

impl From<sqlx::Error> for ImError {
    fn from(error: sqlx::Error) -> Self {
        let code = match &error {
            sqlx::Error::Database(database) => match primary_code(database.code().as_deref()) {
                CORRUPT | NOT_A_DATABASE => Code::DATABASE_FAILED,
                FULL | IO_ERROR | CANNOT_OPEN | READ_ONLY => Code::IO_FAILED,
                _ => Code::DATABASE_OPERATION_FAILED,
            },
            sqlx::Error::Io(_) => Code::IO_FAILED,
            sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed => Code::NOT_INITIALIZED,
            // A row that is not as it was written.
            sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => Code::DATABASE_FAILED,
            _ => Code::DATABASE_OPERATION_FAILED,
        };
        Self::new(code, format!("local database: {error}"))
    }
}

/// The primary code of an extended one: its lowest byte.
fn primary_code(extended: Option<&str>) -> i32 {
    extended.and_then(|code| code.parse::<i32>().ok()).map_or(0, |code| code & 0xff)
}
