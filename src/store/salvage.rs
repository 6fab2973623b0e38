// SPDX-License-Identifier: Apache-2.0
//! What is saved from a damaged file: only this device has its drafts and what it has not sent yet. All else
//! comes again from the server.

use std::path::Path;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection, FromRow};

/// A draft of a damaged file.
#[derive(FromRow)]
pub(crate) struct SalvagedDraft {
    pub(crate) conversation_id: String,
    pub(crate) draft_text: String,
    pub(crate) draft_ms: i64,
}

/// A message of a damaged file that was not sent.
#[derive(FromRow)]
pub(crate) struct SalvagedMessage {
    pub(crate) message_id: String,
    pub(crate) conversation_id: String,
    pub(crate) timestamp_ms: i64,
    pub(crate) failure: Option<i32>,
    pub(crate) body: String,
    /// Whether it waited in the outbox; if not, it had failed.
    pub(crate) is_queued: bool,
}

/// What could be read.
#[derive(Default)]
pub(super) struct Salvaged {
    pub(super) drafts: Vec<SalvagedDraft>,
    /// In the order in which they were to be sent.
    pub(super) messages: Vec<SalvagedMessage>,
}

/// Reads what can be read. A file too damaged to be opened gives nothing.
pub(super) async fn read(file: &Path) -> Salvaged {
    if !file.exists() {
        return Salvaged::default();
    }
    match SqliteConnectOptions::new().filename(file).disable_statement_logging().connect().await {
        Ok(mut connection) => {
            let drafts = logged("drafts", drafts(&mut connection).await);
            let messages = logged("queued messages", messages(&mut connection).await);
            let _ = connection.close().await;
            Salvaged { drafts, messages }
        }
        Err(error) => {
            tracing::warn!(%error, "nothing could be saved from the damaged local database");
            Salvaged::default()
        }
    }
}

fn logged<T>(what: &'static str, rows: Result<Vec<T>, sqlx::Error>) -> Vec<T> {
    rows.unwrap_or_else(|error| {
        tracing::warn!(%error, what, "could not be saved from the damaged local database");
        Vec::new()
    })
}

async fn drafts(connection: &mut SqliteConnection) -> Result<Vec<SalvagedDraft>, sqlx::Error> {
    sqlx::query_as("select conversation_id, draft_text, draft_ms from conversation where draft_text is not null")
        .fetch_all(connection)
        .await
}

async fn messages(connection: &mut SqliteConnection) -> Result<Vec<SalvagedMessage>, sqlx::Error> {
    sqlx::query_as(
        "select m.message_id, c.conversation_id, m.timestamp_ms, m.failure, m.body, \
                o.position is not null as is_queued \
         from message m \
         join conversation c on c.row_id = m.conversation \
         left join outbox o on o.message_id = m.message_id \
         where m.status <> 2 \
         order by o.position, m.timestamp_ms, m.row_id",
    )
    .fetch_all(connection)
    .await
}
