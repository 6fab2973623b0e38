// SPDX-License-Identifier: Apache-2.0
//! What a caller may see of the conversation that a request names.

use hongyan_protocol::codes::Code;
use hongyan_protocol::ids::{LogKey, Seq, UserId};
use hongyan_protocol::message::Target;

use super::logs::{self, LogHead};
use super::{Conversations, rows};
use crate::account;
use crate::error::Error;
use crate::group;
use crate::rooms::Caller;
use crate::store::Connection;

/// A log that the caller takes part in, as it is within one view of the store.
pub(crate) struct View {
    pub(crate) head: LogHead,
    pub(crate) visible_from: Seq,
}

impl Conversations {
    /// The log that a request names. 10010 for no such group, 10007 for one that the caller is not in, 20003 for a peer
    /// without an account. Two users who never wrote to one another get an empty log.
    pub(crate) async fn open_view(&self, caller: &Caller, target: &Target) -> Result<(Connection, View), Error> {
        let mut read = self.store.read().await?;
        let head = match target {
            Target::Group(group) => {
                let info = group::queries::get(&mut read, caller.app, group).await?;
                logs::get(&mut read, info.log).await?
            }
            Target::User(peer) => {
                let (low, high) = pair(&caller.user, peer);
                match logs::find_c2c(&mut read, caller.app, &low, &high).await? {
                    Some(head) => head,
                    None => {
                        // Looked at before anything is written: names that nobody has cost no turn of the writer.
                        if account::queries::find(&mut read, caller.app, peer).await?.is_none() {
                            return Err(Code::MSG_ACCOUNT_NOT_IMPORTED.into());
                        }
                        drop(read);
                        let head = self.open_c2c(caller, low, high).await?;
                        read = self.store.read().await?;
                        head
                    }
                }
            }
        };
        let row = rows::find(&mut read, caller.app, &caller.user, head.id).await?;
        let is_open = match target {
            Target::Group(_) => row.as_ref().is_some_and(rows::OwnRow::is_member),
            Target::User(_) => true,
        };
        if !is_open {
            return Err(Code::NO_PERMISSION.into());
        }
        let visible_from = row.map_or(Seq::ZERO.next(), |row| row.visible_from);
        Ok((read, View { head, visible_from }))
    }

    /// Makes the log between two users that have none.
    async fn open_c2c(&self, caller: &Caller, low: UserId, high: UserId) -> Result<LogHead, Error> {
        let pairs = [(caller.app, low, high)];
        let head = self.store.write(|mut write| async {
            logs::insert_c2c(&mut write, &pairs, self.store.sync_time().now_ms()).await?;
            let head = logs::lock_c2c(&mut write, &pairs).await?.pop();
            write.commit(|| {}).await?;
            Ok(head)
        });
        head.await?.ok_or_else(|| Error::internal("opening a log", "a log that was just made is not there"))
    }
}

/// Two users in the order of a log's key.
pub(crate) fn pair(one: &UserId, other: &UserId) -> (UserId, UserId) {
    match LogKey::between(one.clone(), other.clone()) {
        LogKey::C2c(low, high) => (low, high),
        LogKey::Group(_) => unreachable!("between two users there is no group"),
    }
}
