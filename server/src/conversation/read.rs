// SPDX-License-Identifier: Apache-2.0
//! Read positions: they only move forward, on all devices of the user, and the peer of a one-to-one conversation
//! learns of them.

use std::sync::Arc;

use hongyan_protocol::codes::Code;
use hongyan_protocol::conversation::{ConversationStates, MarkRead, ReadPosition, ReadScope};
use hongyan_protocol::frame::encode_event;
use hongyan_protocol::ids::{LogId, LogKey, SdkAppId, Seq, UserId, Version};
use hongyan_protocol::message::{Change, ChangeKind, NewChange, Target};

use super::logs::{self, KIND_C2C, KIND_GROUP, LogHead};
use super::members::pair_of;
use super::rows::{self, Left, OwnRow};
use super::view::pair;
use super::{Conversations, changes};
use crate::bus::Hint;
use crate::error::Error;
use crate::rooms::Caller;
use crate::store::{Connection, Write, fetch_all};
use crate::{account, group, message};

/// Rows of one write operation, so that others get their turns between; and so of one event or answer, far inside the
/// size of a frame.
const MOVES_MAX: usize = 1_000;

/// A read position that moves, with the log as it will be.
struct Move {
    row: OwnRow,
    head: LogHead,
    /// Of the message read last.
    seq_ms: i64,
}

impl Conversations {
    pub(crate) async fn mark_read(&self, caller: &Caller, params: MarkRead) -> Result<ConversationStates, Error> {
        let kinds = match (&params.of, params.up_to) {
            (ReadScope::One(target), up_to) => {
                let read = self.store.write(|mut write| async {
                    let moves = find_move(&mut write, caller, target, up_to).await?.into_iter().collect();
                    self.commit_moves(write, caller, moves, Shown::Elsewhere).await
                });
                return read.await;
            }
            (ReadScope::AllC2c, ReadPosition::End) => [KIND_C2C, KIND_C2C],
            (ReadScope::AllGroups, ReadPosition::End) => [KIND_GROUP, KIND_GROUP],
            (ReadScope::All, ReadPosition::End) => [KIND_C2C, KIND_GROUP],
            (ReadScope::AllC2c | ReadScope::AllGroups | ReadScope::All, _) => {
                return Err(Error::new(Code::BAD_PARAMETER, "several conversations are read to their end"));
            }
        };
        let mut beyond = None;
        loop {
            let read = self.store.write(|write| self.read_some(write, caller, kinds, beyond));
            match read.await? {
                (states, None) => return Ok(states),
                // Each conversation is read once: those that go on meanwhile do not keep this going.
                (_, last) => beyond = last,
            }
        }
    }

    /// Reads conversations of the kinds to their ends, those beyond a log, and says behind which one others follow.
    async fn read_some(
        &self,
        mut write: Write,
        caller: &Caller,
        kinds: [i64; 2],
        beyond: Option<LogId>,
    ) -> Result<(ConversationStates, Option<LogId>), Error> {
        let (moves, last) = list_moves(&mut write, caller, kinds, beyond).await?;
        let shown = if last.is_some() { Shown::Everywhere } else { Shown::Elsewhere };
        Ok((self.commit_moves(write, caller, moves, shown).await?, last))
    }

    /// Writes the moves of one operation and tells of them.
    async fn commit_moves(
        &self,
        mut write: Write,
        caller: &Caller,
        mut moves: Vec<Move>,
        shown: Shown,
    ) -> Result<ConversationStates, Error> {
        if moves.is_empty() {
            let after = account::queries::get(&mut write, caller.app, &caller.user).await?.version;
            return Ok(ConversationStates { after, states: Vec::new() });
        }
        let mut hints = self.apply_moves(&mut write, caller, &mut moves).await?;
        let states = states_of(moves)?;
        hints.push(states_hint(caller, &states, shown));
        let bus = Arc::clone(&self.bus);
        write.commit(move || hints.into_iter().for_each(|hint| bus.publish(hint))).await?;
        Ok(states)
    }

    /// Writes the moves, gives them their versions, and tells of them in the logs between users.
    async fn apply_moves(&self, write: &mut Write, caller: &Caller, moves: &mut [Move]) -> Result<Vec<Hint>, Error> {
        let count = i64::try_from(moves.len()).expect("a page fits");
        let users = [caller.user.clone()];
        let raised = account::queries::raise_versions(write, caller.app, &users, count).await?;
        let head = raised.get(&caller.user).copied().ok_or_else(|| Error::from(Code::ACCOUNT_NOT_FOUND))?;
        let mut version = Version::parse(head.get() - count)?;
        let now_ms = self.clock.now_ms();
        let mut told = Vec::new();
        for change in moves.iter_mut() {
            version = version.next();
            change.row.version = version;
            if matches!(&change.head.key, LogKey::C2c(low, high) if low != high) {
                change.head.change_seq = change.head.change_seq.next();
                let kind =
                    ChangeKind::Read { user: caller.user.clone(), seq: change.row.read_seq, seq_ms: change.seq_ms };
                let read = Change { change_seq: change.head.change_seq, server_ms: now_ms, kind };
                told.push((&change.head, read));
            }
        }
        if !told.is_empty() {
            let rows: Vec<_> = told.iter().map(|(head, change)| (head.id, change)).collect();
            changes::insert(write, &rows).await?;
            let heads: Vec<_> = told.iter().map(|(head, _)| *head).collect();
            logs::set_heads(write, &heads, self.store.sync_time().now_ms()).await?;
        }
        let hints = told.into_iter().map(|(head, change)| change_hint(caller.app, head, change)).collect();
        rows::set_read(write, caller.app, &moves.iter().map(|change| &change.row).collect::<Vec<_>>()).await?;
        Ok(hints)
    }
}

/// The move that reading one conversation makes, if it makes any.
async fn find_move(
    on: &mut Write,
    caller: &Caller,
    target: &Target,
    up_to: ReadPosition,
) -> Result<Option<Move>, Error> {
    let head = match target {
        Target::Group(id) => {
            let info = group::queries::get(on, caller.app, id).await?;
            logs::lock_one(on, info.log).await?
        }
        Target::User(peer) => {
            let (low, high) = pair(&caller.user, peer);
            match logs::find_c2c(on, caller.app, &low, &high).await? {
                Some(head) => logs::lock_one(on, head.id).await?,
                None => return Ok(None),
            }
        }
    };
    let Some(mut row) = rows::find(on, caller.app, &caller.user, head.id).await? else {
        return match target {
            Target::Group(_) => Err(Code::NO_PERMISSION.into()),
            Target::User(_) => Ok(None),
        };
    };
    let end = row.end(&head);
    let seq = match up_to {
        ReadPosition::End => end.visible_to,
        ReadPosition::Seq(seq) => seq.min(end.visible_to),
        ReadPosition::Time { server_ms } => {
            message::queries::find_last_at(on, head.id, end.visible_to, server_ms).await?
        }
    };
    if seq <= row.read_seq {
        return Ok(None);
    }
    let at = if seq == end.visible_to {
        Base { counted: end.counted, own: row.own_counted, ms: end.ms }
    } else {
        find_base(on, &head, &row.user, seq).await?
    };
    row.read_seq = seq;
    (row.base_counted, row.base_own) = (at.counted, at.own);
    Ok(Some(Move { row, head, seq_ms: at.ms }))
}

/// What counts up to a position, and its time.
struct Base {
    counted: i64,
    own: i64,
    ms: i64,
}

async fn find_base(on: &mut Connection, head: &LogHead, user: &UserId, seq: Seq) -> Result<Base, Error> {
    let (counted, ms) = message::queries::get_position(on, head.id, seq).await?;
    let own = message::queries::own_counted_at(on, head.id, user, seq).await?;
    Ok(Base { counted, own, ms })
}

#[derive(sqlx::FromRow)]
struct UnreadRow {
    log: i64,
}

/// The moves that reading conversations of the kinds to their ends makes, the first of them beyond a log; and the last
/// log that was looked at, where others follow.
async fn list_moves(
    on: &mut Write,
    caller: &Caller,
    kinds: [i64; 2],
    beyond: Option<LogId>,
) -> Result<(Vec<Move>, Option<LogId>), Error> {
    let unread = fetch_all!(
        on,
        UnreadRow,
        "select c.log
         from conversation as c
         join log as l on l.id = c.log
         where c.app = $1 and c.user_id = $2 and c.log > $6 and l.kind in ($3, $4)
           and c.read_seq < coalesce(c.visible_to, l.max_seq)
         order by c.log
         limit $5",
        caller.app.get(),
        caller.user.as_str(),
        kinds[0],
        kinds[1],
        // One more tells whether others follow.
        i64::try_from(MOVES_MAX + 1).expect("a page fits"),
        beyond.map_or(0, LogId::get)
    )?;
    let mut ids = unread.into_iter().map(|row| LogId::parse(row.log)).collect::<Result<Vec<_>, _>>()?;
    let last = if ids.len() > MOVES_MAX { ids.get(MOVES_MAX - 1).copied() } else { None };
    ids.truncate(MOVES_MAX);
    let heads = logs::lock(on, &ids).await?;
    let wanted: Vec<_> = ids.iter().map(|log| (caller.app, caller.user.clone(), *log)).collect();
    let mut rows = rows::list(on, &wanted).await?;
    let mut moves: Vec<Move> = heads
        .into_iter()
        .filter_map(|head| {
            let mut row = rows.remove(&(head.id, caller.user.clone()))?;
            let Left { visible_to, counted, ms } = row.end(&head);
            if visible_to <= row.read_seq {
                // Read meanwhile, before it was held.
                return None;
            }
            row.read_seq = visible_to;
            (row.base_counted, row.base_own) = (counted, row.own_counted);
            Some(Move { row, head, seq_ms: ms })
        })
        .collect();
    moves.sort_by_key(|change| change.head.id);
    Ok((moves, last))
}

/// The rows as an event carries them. There is at least one.
fn states_of(moves: Vec<Move>) -> Result<ConversationStates, Error> {
    let states: Vec<_> = moves.into_iter().map(|change| change.row.into_state(change.head.key)).collect();
    let first = states.first().map_or(1, |state| state.version.get());
    Ok(ConversationStates { after: Version::parse(first - 1)?, states })
}

/// Which of the user's own sessions see an event.
enum Shown {
    Everywhere,
    /// All but the one whose answer says the same.
    Elsewhere,
}

fn states_hint(caller: &Caller, states: &ConversationStates, shown: Shown) -> Hint {
    Hint::Event {
        app: caller.app,
        users: Arc::new([caller.user.clone()]),
        event: encode_event(states).into(),
        origin: None,
        except: match shown {
            Shown::Everywhere => None,
            Shown::Elsewhere => Some(caller.session),
        },
    }
}

fn change_hint(app: SdkAppId, head: &LogHead, change: Change) -> Hint {
    Hint::Event {
        app,
        users: pair_of(&head.key).expect("reading tells in logs between users"),
        event: encode_event(&NewChange { log: head.id, key: head.key.clone(), change }).into(),
        origin: None,
        except: None,
    }
}
