// SPDX-License-Identifier: Apache-2.0
//! The table `log_change`: what happened to a conversation beside its messages, dense like them.

use hongyan_protocol::codes::Code;
use hongyan_protocol::ids::{ChangeSeq, LogId};
use hongyan_protocol::limits::CHANGES_PER_PAGE_MAX;
use hongyan_protocol::message::{Change, ChangeKind, ChangePage, GetChanges};

use super::Conversations;
use crate::error::Error;
use crate::rooms::Caller;
use crate::store::{Connection, Write, execute, fetch_all};

impl Conversations {
    pub(crate) async fn get_changes(&self, caller: &Caller, params: GetChanges) -> Result<ChangePage, Error> {
        if params.limit == 0 || params.limit > CHANGES_PER_PAGE_MAX {
            return Err(Error::new(Code::BAD_PARAMETER, "a page has 1 to 500 changes"));
        }
        let (mut read, view) = self.open_view(caller, &params.of).await?;
        let changes = list(&mut read, view.head.id, params.after, params.limit).await?;
        Ok(ChangePage { log: view.head.id, changes, change_seq: view.head.change_seq })
    }
}

#[derive(sqlx::FromRow)]
struct ChangeRow {
    change_seq: i64,
    server_ms: i64,
    body: String,
}

impl TryFrom<ChangeRow> for Change {
    type Error = Error;

    fn try_from(row: ChangeRow) -> Result<Self, Error> {
        let kind: ChangeKind = serde_json::from_str(&row.body)
            .map_err(|error| Error::internal(format!("reading change {}", row.change_seq), error))?;
        Ok(Self { change_seq: ChangeSeq::parse(row.change_seq)?, server_ms: row.server_ms, kind })
    }
}

async fn list(on: &mut Connection, log: LogId, after: ChangeSeq, limit: u32) -> Result<Vec<Change>, Error> {
    fetch_all!(
        on,
        ChangeRow,
        "select change_seq, server_ms, body
         from log_change
         where log = $1 and change_seq > $2
         order by change_seq
         limit $3",
        log.get(),
        after.get(),
        i64::from(limit)
    )?
    .into_iter()
    .map(Change::try_from)
    .collect()
}

/// Adds changes, whose numbers their logs' heads gave.
pub(crate) async fn insert(on: &mut Write, changes: &[(LogId, &Change)]) -> Result<(), Error> {
    let rows: Vec<_> = changes
        .iter()
        .map(|(log, change)| {
            let body = serde_json::to_string(&change.kind).expect("a change is texts and numbers");
            (log, change.change_seq, change.server_ms, body)
        })
        .collect();
    execute!(
        on,
        "insert into log_change (log, change_seq, server_ms, body)
         select r.log, r.change_seq, r.server_ms, r.body
         from {rows $1 as r(log bigint, change_seq bigint, server_ms bigint, body text)}";
        &rows
    )?;
    Ok(())
}
