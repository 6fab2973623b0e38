// SPDX-License-Identifier: Apache-2.0
//! Who hears of a message.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use hongyan_protocol::ids::{LogId, LogKey, UserId};

use super::logs::LogHead;
use crate::error::Error;
use crate::store::{Connection, fetch_all};

/// How many users all remembered lists hold together. Beyond that all are forgotten and read again.
const REMEMBERED_USERS_MAX: usize = 1_000_000;

#[derive(sqlx::FromRow)]
struct MemberRow {
    log: i64,
    user_id: String,
}

/// The members of logs, by user id.
pub(crate) async fn list(on: &mut Connection, logs: &[LogId]) -> Result<HashMap<LogId, Vec<UserId>>, Error> {
    let rows = fetch_all!(
        on,
        MemberRow,
        "select c.log, c.user_id
         from {rows $1 as r(log bigint)}
         join conversation as c on c.log = r.log
         where c.visible_to is null
         order by c.log, c.user_id";
        &logs.iter().map(|log| (log,)).collect::<Vec<_>>()
    )?;
    let mut members: HashMap<LogId, Vec<UserId>> = HashMap::new();
    for row in rows {
        members.entry(LogId::parse(row.log)?).or_default().push(UserId::parse(row.user_id)?);
    }
    Ok(members)
}

/// The two users of a log between users; both are the same where somebody writes to themself.
pub(crate) fn pair_of(key: &LogKey) -> Option<Arc<[UserId]>> {
    match key {
        LogKey::C2c(low, high) if low == high => Some(Arc::new([low.clone()])),
        LogKey::C2c(low, high) => Some(Arc::new([low.clone(), high.clone()])),
        LogKey::Group(_) => None,
    }
}

/// The member lists of groups that were written to lately.
#[derive(Default)]
pub(crate) struct MemberLists {
    /// A plain mutex: it is held for look-ups only.
    remembered: Mutex<Remembered>,
}

#[derive(Default)]
struct Remembered {
    /// With the member version that the list is of.
    lists: HashMap<LogId, (i64, Arc<[UserId]>)>,
    users_count: usize,
}

/// Lists by log, and which of them were read just now.
pub(crate) struct Listed {
    pub(crate) lists: HashMap<LogId, Arc<[UserId]>>,
    fresh: Vec<(LogId, i64)>,
}

impl MemberLists {
    /// Who hears of messages in these logs, as of their heads.
    pub(crate) async fn list(&self, on: &mut Connection, heads: &[&LogHead]) -> Result<Listed, Error> {
        let mut listed = Listed { lists: HashMap::new(), fresh: Vec::new() };
        {
            let remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
            for head in heads {
                if let Some(pair) = pair_of(&head.key) {
                    listed.lists.insert(head.id, pair);
                } else if let Some((version, users)) = remembered.lists.get(&head.id)
                    && *version == head.member_version
                {
                    listed.lists.insert(head.id, Arc::clone(users));
                } else {
                    listed.fresh.push((head.id, head.member_version));
                }
            }
        }
        if !listed.fresh.is_empty() {
            let logs: Vec<LogId> = listed.fresh.iter().map(|(log, _)| *log).collect();
            let mut members = list(on, &logs).await?;
            for log in logs {
                listed.lists.insert(log, members.remove(&log).unwrap_or_default().into());
            }
        }
        Ok(listed)
    }

    /// Remembers what was read. Only once it is committed: a member version that is rolled back is given again, to
    /// other members.
    pub(crate) fn remember(&self, listed: &Listed) {
        if listed.fresh.is_empty() {
            return;
        }
        let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        for (log, version) in &listed.fresh {
            let users = Arc::clone(&listed.lists[log]);
            if remembered.users_count + users.len() > REMEMBERED_USERS_MAX {
                *remembered = Remembered::default();
            }
            remembered.users_count += users.len();
            if let Some((_, old)) = remembered.lists.insert(*log, (*version, users)) {
                remembered.users_count -= old.len();
            }
        }
    }
}
