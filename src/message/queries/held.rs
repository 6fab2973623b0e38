// SPDX-License-Identifier: Apache-2.0
//! What is held of each log.

use std::collections::HashMap;

use hongyan_protocol::ids::{Seq, SeqRange};
use sqlx::SqliteConnection;

use crate::error::ImError;
use crate::listener::events::ConversationRow;
use crate::store::{Transaction, to_json};
use crate::sync::ranges::RangeSet;

/// What is held of some logs.
pub(crate) async fn load_held(
    connection: &mut SqliteConnection,
    conversations: &[ConversationRow],
) -> Result<HashMap<ConversationRow, RangeSet>, ImError> {
    let rows: Vec<(i64, i64, i64)> = sqlx::query_as(
        "select conversation, from_seq, to_seq from held_range \
         where conversation in (select value from json_each($1)) \
         order by conversation, from_seq",
    )
    .bind(to_json(&conversations.iter().map(|row| row.0).collect::<Vec<_>>())?)
    .fetch_all(connection)
    .await?;
    let mut held: HashMap<ConversationRow, RangeSet> = HashMap::new();
    for (row, from, to) in rows {
        held.entry(ConversationRow(row)).or_default().insert(SeqRange::new(Seq::parse(from)?, Seq::parse(to)?));
    }
    Ok(held)
}

/// Writes what is held of some logs, from what was held before.
pub(crate) async fn save_held(
    tx: &mut Transaction,
    changes: &[(ConversationRow, &RangeSet, &RangeSet)],
) -> Result<(), ImError> {
    let (mut gone, mut new) = (Vec::new(), Vec::new());
    for (row, before, after) in changes {
        let is_in = |set: &RangeSet, range: &SeqRange| set.ranges().binary_search_by_key(&range.from, |r| r.from).ok();
        for range in before.ranges().iter().filter(|range| is_in(after, range).is_none()) {
            gone.push((row.0, range.from));
        }
        for range in after.ranges() {
            if is_in(before, range).is_none_or(|at| before.ranges().get(at) != Some(range)) {
                new.push((row.0, range.from, range.to));
            }
        }
    }
    if !gone.is_empty() {
        sqlx::query(
            "delete from held_range \
             where (conversation, from_seq) in (select value ->> 0, value ->> 1 from json_each($1))",
        )
        .bind(to_json(&gone)?)
        .execute(&mut **tx)
        .await?;
    }
    if !new.is_empty() {
        sqlx::query(
            "insert into held_range (conversation, from_seq, to_seq) \
             select value ->> 0, value ->> 1, value ->> 2 from json_each($1) where true \
             on conflict (conversation, from_seq) do update set to_seq = excluded.to_seq",
        )
        .bind(to_json(&new)?)
        .execute(&mut **tx)
        .await?;
    }
    Ok(())
}
