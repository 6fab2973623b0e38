// SPDX-License-Identifier: Apache-2.0
//! Storing one batch of sends, of any number of tenants, in one operation.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use hongyan_protocol::account::Profile;
use hongyan_protocol::clock::Clock;
use hongyan_protocol::codes::Code;
use hongyan_protocol::frame::{encode_event, encode_reply};
use hongyan_protocol::ids::{GroupId, LogId, MessageId, SdkAppId, Seq, UserId};
use hongyan_protocol::message::{Message, NewMessage, SentMessage, Target};

use super::ledger::{Counting, Draft, Ledger};
use super::queries::{self, Sent};
use super::writer::{Delivered, Pending};
use crate::bus::{Bus, Hint, Origin};
use crate::conversation::logs::{self, Pair};
use crate::conversation::members::{Listed, MemberLists};
use crate::conversation::rows::{self, OwnRow};
use crate::conversation::view::pair;
use crate::error::Error;
use crate::store::{Store, Write};
use crate::{account, group};

/// What stores batches.
pub(crate) struct Batcher {
    store: Arc<Store>,
    clock: Clock,
    bus: Arc<Bus>,
    members: MemberLists,
}

impl Batcher {
    pub(crate) fn new(store: Arc<Store>, clock: Clock, bus: Arc<Bus>) -> Self {
        Self { store, clock, bus, members: MemberLists::default() }
    }

    /// Stores a batch and publishes it. Either every send gets its own outcome, or nothing happened.
    pub(crate) async fn store(this: &Arc<Self>, sends: &[Pending]) -> Result<Vec<Result<Delivered, Error>>, Error> {
        this.store.write(|write| Self::store_in(this, write, sends)).await
    }

    async fn store_in(
        this: &Arc<Self>,
        mut write: Write,
        sends: &[Pending],
    ) -> Result<Vec<Result<Delivered, Error>>, Error> {
        // Taken under the writer: what waited long for its turn did not happen before that.
        let active_ms = this.store.sync_time().now_ms();
        let mut batch = Batch::read(&mut write, sends, active_ms).await?;
        let now_ms = this.clock.now_ms();
        let outcomes: Vec<_> = sends.iter().map(|pending| batch.place(pending, now_ms)).collect();
        batch.open_rows(&mut write).await?;
        batch.ledger.write(&mut write, active_ms).await?;
        let heads: Vec<_> = batch.ledger.written_heads();
        let listed = this.members.list(&mut write, &heads).await?;
        let hints = hints(batch, &listed);
        let publisher = Arc::clone(this);
        let publish = move || {
            publisher.members.remember(&listed);
            hints.into_iter().for_each(|hint| publisher.bus.publish(hint));
        };
        write.commit(publish).await?;
        Ok(outcomes)
    }
}

/// All that placing a batch needs to know.
struct Batch<'a> {
    ledger: Ledger,
    /// Ids that were used before, in the store or in this batch.
    sent: HashMap<(SdkAppId, MessageId), Sent>,
    profiles: HashMap<(SdkAppId, UserId), Profile>,
    pairs: HashMap<Pair, LogId>,
    /// Those between users that had no message before this batch.
    empty: HashSet<LogId>,
    groups: HashMap<(SdkAppId, GroupId), LogId>,
    rows: HashMap<(LogId, UserId), OwnRow>,
    /// The sends that were placed, in the order of the ledger's entries.
    placed: Vec<(&'a Pending, SentMessage)>,
}

impl<'a> Batch<'a> {
    async fn read(write: &mut Write, sends: &[Pending], active_ms: i64) -> Result<Self, Error> {
        let ids: Vec<_> = sends.iter().map(|pending| (pending.caller.app, pending.send.id)).collect();
        let sent = queries::list_sent(write, &ids).await?;
        let mut batch = Self {
            ledger: Ledger::default(),
            sent,
            profiles: HashMap::new(),
            pairs: HashMap::new(),
            empty: HashSet::new(),
            groups: HashMap::new(),
            rows: HashMap::new(),
            placed: Vec::new(),
        };
        let new: Vec<_> =
            sends.iter().filter(|pending| !batch.sent.contains_key(&(pending.caller.app, pending.send.id))).collect();
        batch.read_profiles(write, new.iter().map(|pending| (pending.caller.app, pending.caller.user.clone()))).await?;
        batch.open_pairs(write, &new, active_ms).await?;
        batch.open_groups(write, &new).await?;
        batch.read_rows(write, &new).await?;
        Ok(batch)
    }

    async fn read_profiles(
        &mut self,
        write: &mut Write,
        users: impl Iterator<Item = (SdkAppId, UserId)>,
    ) -> Result<(), Error> {
        let wanted: HashSet<_> = users.filter(|user| !self.profiles.contains_key(user)).collect();
        let wanted: Vec<_> = wanted.into_iter().collect();
        self.profiles.extend(account::queries::list_profiles(write, &wanted).await?);
        Ok(())
    }

    /// Takes hold of the logs between users, and makes those that are missing where both users exist.
    async fn open_pairs(&mut self, write: &mut Write, new: &[&Pending], active_ms: i64) -> Result<(), Error> {
        let wanted: HashSet<Pair> = new.iter().filter_map(|pending| self.pair_to_open(pending)).collect();
        let mut missing: Vec<Pair> = wanted.into_iter().collect();
        missing.sort();
        self.take_pairs(logs::lock_c2c(write, &missing).await?);
        missing.retain(|pair| !self.pairs.contains_key(pair));
        let users = missing.iter().flat_map(|(app, low, high)| [(*app, low.clone()), (*app, high.clone())]);
        self.read_profiles(write, users).await?;
        missing.retain(|(app, low, high)| {
            [low, high].into_iter().all(|user| self.profiles.contains_key(&(*app, user.clone())))
        });
        if !missing.is_empty() {
            logs::insert_c2c(write, &missing, active_ms).await?;
            self.take_pairs(logs::lock_c2c(write, &missing).await?);
        }
        self.empty = self.pairs.values().copied().filter(|log| self.ledger.head(*log).max_seq == Seq::ZERO).collect();
        Ok(())
    }

    /// Gives both users their rows of the logs that got their first message: nobody sees a conversation before that.
    async fn open_rows(&self, write: &mut Write) -> Result<(), Error> {
        let is_first = |log: LogId| self.empty.contains(&log) && self.ledger.head(log).max_seq > Seq::ZERO;
        let mut first: Vec<_> = self
            .pairs
            .iter()
            .filter(|(_, log)| is_first(**log))
            .flat_map(|((app, low, high), log)| [(*app, low.clone(), *log), (*app, high.clone(), *log)])
            .collect();
        if first.is_empty() {
            return Ok(());
        }
        first.sort();
        rows::insert_c2c(write, &first).await
    }

    fn take_pairs(&mut self, heads: Vec<logs::LogHead>) {
        for head in heads {
            if let hongyan_protocol::ids::LogKey::C2c(low, high) = &head.key {
                self.pairs.insert((head.app, low.clone(), high.clone()), head.id);
            }
            self.ledger.put_head(head);
        }
    }

    /// The log between users that a send goes to, where its sender exists.
    fn pair_to_open(&self, pending: &Pending) -> Option<Pair> {
        let app = pending.caller.app;
        let Target::User(peer) = &pending.send.to else { return None };
        let (low, high) = pair(&pending.caller.user, peer);
        self.profiles.contains_key(&(app, pending.caller.user.clone())).then_some((app, low, high))
    }

    async fn open_groups(&mut self, write: &mut Write, new: &[&Pending]) -> Result<(), Error> {
        let wanted: HashSet<(SdkAppId, GroupId)> = new
            .iter()
            .filter_map(|pending| match &pending.send.to {
                Target::Group(group) => Some((pending.caller.app, group.clone())),
                Target::User(_) => None,
            })
            .collect();
        if wanted.is_empty() {
            return Ok(());
        }
        self.groups = group::queries::list_logs(write, &wanted.into_iter().collect::<Vec<_>>()).await?;
        let logs: Vec<LogId> = self.groups.values().copied().collect();
        for head in logs::lock(write, &logs).await? {
            self.ledger.put_head(head);
        }
        Ok(())
    }

    /// Reads the senders' own rows: membership, and their counters. Nobody else writes them while their logs are held.
    async fn read_rows(&mut self, write: &mut Write, new: &[&Pending]) -> Result<(), Error> {
        let wanted: HashSet<_> = new
            .iter()
            .filter_map(|pending| {
                let log = self.find_log(pending).ok()?;
                Some((pending.caller.app, pending.caller.user.clone(), log))
            })
            .collect();
        self.rows = rows::list(write, &wanted.into_iter().collect::<Vec<_>>()).await?;
        for ((log, user), row) in &self.rows {
            self.ledger.put_own(*log, user.clone(), row.own_counted);
        }
        Ok(())
    }

    /// The log that a send goes to.
    fn find_log(&self, pending: &Pending) -> Result<LogId, Error> {
        let app = pending.caller.app;
        match &pending.send.to {
            Target::User(peer) => {
                let (low, high) = pair(&pending.caller.user, peer);
                let log = self.pairs.get(&(app, low, high)).copied();
                log.ok_or_else(|| Code::MSG_ACCOUNT_NOT_IMPORTED.into())
            }
            Target::Group(group) => {
                let log = self.groups.get(&(app, group.clone())).copied();
                log.ok_or_else(|| Code::GROUP_NOT_FOUND.into())
            }
        }
    }

    /// Gives a send its place, or says why it gets none.
    fn place(&mut self, pending: &'a Pending, now_ms: i64) -> Result<Delivered, Error> {
        let (app, sender) = (pending.caller.app, &pending.caller.user);
        if let Some(sent) = self.sent.get(&(app, pending.send.id)) {
            return answer_repeat(pending, sent);
        }
        let profile = self.profiles.get(&(app, sender.clone())).ok_or_else(|| Error::from(Code::ACCOUNT_NOT_FOUND))?;
        let log = self.find_log(pending)?;
        let is_in = match self.rows.get(&(log, sender.clone())) {
            Some(row) => row.is_member(),
            // Between users there is no row before the first message.
            None => self.empty.contains(&log),
        };
        if !is_in {
            return Err(Code::NO_PERMISSION.into());
        }
        let is_left_out = pending.send.body.is_excluded_from_unread_count;
        let draft = Draft {
            id: pending.send.id,
            sender: profile.clone(),
            body: pending.send.body.clone(),
            encoded: pending.encoded.clone(),
            counting: if is_left_out { Counting::LeftOut } else { Counting::Counts },
        };
        let answer = answer_of(log, self.ledger.append(log, draft, now_ms));
        let sent = Sent { sender: sender.clone(), digest: pending.encoded.digest.clone(), answer: answer.clone() };
        self.sent.insert((app, pending.send.id), sent);
        self.placed.push((pending, answer));
        Ok(Delivered::ByHint)
    }
}

/// The first answer, for the same message; for anything else a refusal that says nothing of what is there.
fn answer_repeat(pending: &Pending, sent: &Sent) -> Result<Delivered, Error> {
    if sent.sender == pending.caller.user && sent.digest == pending.encoded.digest {
        Ok(Delivered::Reply(sent.answer.clone()))
    } else {
        Err(Error::new(Code::BAD_PARAMETER, "the message id cannot be used"))
    }
}

fn answer_of(log: LogId, message: &Message) -> SentMessage {
    SentMessage {
        log,
        seq: message.seq,
        server_ms: message.server_ms,
        counted: message.counted,
        sender_counted: message.sender_counted,
    }
}

/// One hint per message, in the order of their places. The sender's own session gets its answer by it.
fn hints(batch: Batch<'_>, listed: &Listed) -> Vec<Hint> {
    let messages = batch.ledger.into_messages();
    batch
        .placed
        .into_iter()
        .zip(messages)
        .map(|((pending, answer), (log, message))| {
            let origin = Origin {
                session: pending.caller.session,
                request: pending.request,
                reply: encode_reply(pending.request, &Ok(answer)),
            };
            Hint::Event {
                app: pending.caller.app,
                users: Arc::clone(&listed.lists[&log]),
                event: encode_event(&NewMessage { log, message }).into(),
                origin: Some(origin),
                except: None,
            }
        })
        .collect()
}
