// SPDX-License-Identifier: Apache-2.0
//! The limit of the SDK's store: SQLite alone with the same messages, in the same journal mode and batches, through the
//! same driver; one connection, and not a column or an index more than the list and the pages need.

use std::io;
use std::path::Path;

use hongyan_protocol::message::Message;
use serde_json::json;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection};

use super::account::Account;
use super::phone::{LARGEST_PAGE, SCREENFUL};
use crate::socket::broken;

/// What the SDK takes in with one write at the most.
const BATCH_ROWS: usize = 512;

const SCHEMA: &str = "create table conversation (row_id integer primary key, name text not null, list_key integer not null); \
     create index conversation_list on conversation (list_key desc, row_id); \
     create table message (row_id integer primary key, message_id text not null unique, \
         conversation integer not null, seq integer not null, sender text not null, server_ms integer not null, \
         body text not null); \
     create unique index message_history on message (conversation, seq);";

/// The rows of an account, as they are given to SQLite.
pub(super) struct Rows {
    heads: Vec<String>,
    pushed: Vec<String>,
    names: String,
}

impl Rows {
    /// Encodes them, which is no part of the limit.
    pub(super) fn of(account: &Account) -> Self {
        let heads: Vec<_> = account.heads().into_iter().filter_map(|head| head.last_message).collect();
        let names: Vec<_> = (0..account.conversations).map(|conversation| format!("Goose {conversation}")).collect();
        let names: Vec<_> = names.iter().enumerate().map(|(row, name)| json!([row, name, row + 1])).collect();
        let pushed: Vec<_> = account.pushes().into_iter().map(|push| push.message).collect();
        let encode = |messages: &[Message]| {
            let row = |message: &Message| {
                let body = serde_json::to_string(message).unwrap_or_default();
                let conversation = crate::payload::Stamp::find(body.as_bytes()).map_or(0, |stamp| stamp.sender);
                let Message { id, seq, sender, server_ms, .. } = message;
                json!([id, conversation, seq, sender, server_ms, body])
            };
            messages
                .chunks(BATCH_ROWS)
                .map(|batch| json!(batch.iter().map(row).collect::<Vec<_>>()).to_string())
                .collect()
        };
        Self { heads: encode(&heads), pushed: encode(&pushed), names: json!(names).to_string() }
    }
}

/// A store of bare SQLite.
pub(super) struct BareStore(SqliteConnection);

impl BareStore {
    /// Opens a file, or makes it.
    pub(super) async fn open(file: &Path) -> io::Result<Self> {
        let options = SqliteConnectOptions::new()
            .filename(file)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal)
            .pragma("journal_size_limit", "8388608")
            .disable_statement_logging();
        Ok(Self(options.connect().await.map_err(failed)?))
    }

    /// Fills it with what is there before anything is pushed.
    pub(super) async fn prepare(&mut self, rows: &Rows) -> io::Result<()> {
        sqlx::raw_sql(SCHEMA).execute(&mut self.0).await.map_err(failed)?;
        let insert = "insert into conversation select value ->> 0, value ->> 1, value ->> 2 from json_each($1)";
        sqlx::query(insert).bind(&rows.names).execute(&mut self.0).await.map_err(failed)?;
        self.insert(&rows.heads).await
    }

    /// Inserts what is pushed.
    pub(super) async fn push(&mut self, rows: &Rows) -> io::Result<()> {
        self.insert(&rows.pushed).await
    }

    async fn insert(&mut self, batches: &[String]) -> io::Result<()> {
        for batch in batches {
            let mut tx = self.0.begin_with("begin immediate").await.map_err(failed)?;
            sqlx::query(
                "insert into message (message_id, conversation, seq, sender, server_ms, body) \
                 select value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5 from json_each($1)",
            )
            .bind(batch)
            .execute(&mut *tx)
            .await
            .map_err(failed)?;
            tx.commit().await.map_err(failed)?;
        }
        Ok(())
    }

    /// The first page of the list; gives how many rows it has.
    pub(super) async fn list_screenful(&mut self) -> io::Result<usize> {
        Ok(self.list(i64::MAX, SCREENFUL).await?.len())
    }

    /// The whole list by the largest pages; gives how many rows it has.
    pub(super) async fn list_all(&mut self) -> io::Result<usize> {
        let (mut before, mut rows) = (i64::MAX, 0);
        loop {
            let page = self.list(before, LARGEST_PAGE).await?;
            rows += page.len();
            let Some((last, ..)) = page.last() else { return Ok(rows) };
            before = *last;
        }
    }

    async fn list(&mut self, before: i64, limit: i32) -> io::Result<Vec<(i64, String, String)>> {
        sqlx::query_as(
            "select c.list_key, c.name, m.body from conversation c \
             join message m on m.row_id = \
                 (select l.row_id from message l where l.conversation = c.row_id order by l.seq desc limit 1) \
             where c.list_key < $1 order by c.list_key desc limit $2",
        )
        .bind(before)
        .bind(limit)
        .fetch_all(&mut self.0)
        .await
        .map_err(failed)
    }

    /// A page of a conversation's history that ends at a place; gives how many rows it has.
    pub(super) async fn history(&mut self, conversation: usize, last: usize, count: i32) -> io::Result<usize> {
        let number = |index: usize| i64::try_from(index).unwrap_or(i64::MAX);
        let page: Vec<(i64, String, i64, String)> = sqlx::query_as(
            "select seq, sender, server_ms, body from message where conversation = $1 and seq <= $2 \
             order by seq desc limit $3",
        )
        .bind(number(conversation))
        .bind(number(last))
        .bind(count)
        .fetch_all(&mut self.0)
        .await
        .map_err(failed)?;
        Ok(page.len())
    }

    /// Closes it, which moves all of it into its file.
    pub(super) async fn close(self) -> io::Result<()> {
        self.0.close().await.map_err(failed)
    }
}

fn failed(error: sqlx::Error) -> io::Error {
    broken(error.to_string())
}
