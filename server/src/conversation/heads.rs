// SPDX-License-Identifier: Apache-2.0
//! Catching up: the heads of the conversations that changed since a client's last complete sync.

use std::collections::HashMap;

use hongyan_protocol::account::Profile;
use hongyan_protocol::codes::Code;
use hongyan_protocol::conversation::Head;
use hongyan_protocol::group::GroupProfile;
use hongyan_protocol::ids::{ChangeSeq, LogId, LogKey, SdkAppId, Seq, UserId};
use hongyan_protocol::limits::{HEADS_PER_PAGE_MAX, PACKET_BYTES_MAX, SYNC_OVERLAP_MS, SYNC_PROBES_MAX};
use hongyan_protocol::sync::{Probe, Sync, SyncCursor, SyncPage};

use super::rows::{ConversationRow, OwnRow};
use super::{Conversations, logs, rows};
use crate::error::Error;
use crate::message::queries::{Stored, text_bytes};
use crate::rooms::Caller;
use crate::store::{Connection, fetch_all, fetch_optional};
use crate::{account, group, message};

/// What the heads of one page may take of a frame. The rest is for the profile and the envelope.
const HEADS_BYTES_MAX: usize = PACKET_BYTES_MAX / 2;

/// What a head and the envelope of its message take beside their texts, mostly. With the largest numbers and ids it is
/// up to twice as much; the other half of the frame has room for that.
const ENVELOPE_BYTES: usize = 512;

const _: () = assert!(HEADS_BYTES_MAX + 2 * ENVELOPE_BYTES * HEADS_PER_PAGE_MAX as usize <= PACKET_BYTES_MAX);

impl Conversations {
    pub(crate) async fn sync(&self, caller: &Caller, params: Sync) -> Result<SyncPage, Error> {
        if params.limit == 0 || params.limit > HEADS_PER_PAGE_MAX {
            return Err(Error::new(Code::BAD_PARAMETER, "a page has 1 to 500 heads"));
        }
        if params.probes.len() > SYNC_PROBES_MAX {
            return Err(Error::new(Code::BAD_PARAMETER, "one sync has 100 probes at most"));
        }
        self.store.keep_sync_time().await?;
        // Before the view is taken: what is committed between is in this page and in the next sync.
        let server_ms = self.store.sync_time().now_ms();
        let mut read = self.store.read().await?;
        let account = account::queries::get(&mut read, caller.app, &caller.user).await?;
        let is_behind_client = params.version > account.version || is_behind(&mut read, caller, &params.probes).await?;
        let (heads, next) =
            if is_behind_client { (Vec::new(), None) } else { page(&mut read, caller, &params).await? };
        Ok(SyncPage { server_ms, is_behind_client, heads, next, version: account.version, profile: account.profile })
    }
}

/// Whether some log is shorter than the client knows it. One that is not there for this user is empty: between users
/// there is no row before the first message.
async fn is_behind(on: &mut Connection, caller: &Caller, probes: &[Probe]) -> Result<bool, Error> {
    if probes.is_empty() {
        return Ok(false);
    }
    let rows: Vec<_> = probes.iter().map(|probe| (probe.log, probe.max_seq)).collect();
    let beyond = fetch_optional!(
        on,
        (i64,),
        "select r.log
         from {rows $3 as r(log bigint, max_seq bigint)}
         left join conversation as c on c.app = $1 and c.user_id = $2 and c.log = r.log
         left join log as l on l.id = c.log
         where coalesce(c.visible_to, l.max_seq, 0) < r.max_seq
         limit 1",
        caller.app.get(),
        caller.user.as_str();
        &rows
    )?;
    Ok(beyond.is_some())
}

#[derive(sqlx::FromRow)]
struct HeadRow {
    #[sqlx(flatten)]
    own: ConversationRow,
    kind: i64,
    low: String,
    high: String,
    change_seq: i64,
    end_seq: i64,
    end_counted: i64,
    order_key: i64,
}

/// A head without what other rooms know of it.
struct BareHead {
    own: OwnRow,
    key: LogKey,
    change_seq: ChangeSeq,
    end_seq: Seq,
    end_counted: i64,
    order_key: i64,
}

impl TryFrom<HeadRow> for BareHead {
    type Error = Error;

    fn try_from(row: HeadRow) -> Result<Self, Error> {
        Ok(Self {
            own: row.own.try_into()?,
            key: logs::key_from_columns(row.kind, row.low, row.high)?,
            change_seq: ChangeSeq::parse(row.change_seq)?,
            end_seq: Seq::parse(row.end_seq)?,
            end_counted: row.end_counted,
            order_key: row.order_key,
        })
    }
}

impl BareHead {
    /// The other user, where there is one.
    fn peer(&self) -> Option<&UserId> {
        match &self.key {
            LogKey::C2c(low, high) => Some(if *low == self.own.user { high } else { low }),
            LogKey::Group(_) => None,
        }
    }
}

/// A page of the caller's conversations, the newest first. A log that went on is found by its own time, a row that
/// changed by its version; a first sync gets all.
async fn list(on: &mut Connection, caller: &Caller, params: &Sync) -> Result<Vec<BareHead>, Error> {
    let since_ms = params.since_ms.map(|since_ms| since_ms.saturating_sub(SYNC_OVERLAP_MS));
    let cursor = params.cursor;
    fetch_all!(
        on,
        HeadRow,
        "select c.user_id, c.log, c.visible_from, c.visible_to, c.left_counted, c.left_ms, c.read_seq,
                c.base_counted, c.base_own, c.own_counted, c.version, l.kind, l.low, l.high, l.change_seq,
                coalesce(c.visible_to, l.max_seq) as end_seq,
                case when c.visible_to is null then l.counted else c.left_counted end as end_counted,
                case when c.visible_to is null then l.last_ms else c.left_ms end as order_key
         from conversation as c
         join log as l on l.id = c.log
         where c.app = $1 and c.user_id = $2
           and ($3 is null or c.version > $4 or (c.visible_to is null and l.active_ms >= $3))
           and ($5 is null
                or (case when c.visible_to is null then l.last_ms else c.left_ms end, c.log) < ($5, $6))
         order by order_key desc, c.log desc
         limit $7",
        caller.app.get(),
        caller.user.as_str(),
        since_ms,
        params.version.get(),
        cursor.map(|cursor| cursor.order_key),
        cursor.map(|cursor| cursor.log.get()),
        // One more tells whether another page follows.
        i64::from(params.limit) + 1
    )?
    .into_iter()
    .map(BareHead::try_from)
    .collect()
}

async fn page(on: &mut Connection, caller: &Caller, params: &Sync) -> Result<(Vec<Head>, Option<SyncCursor>), Error> {
    let bare = list(on, caller, params).await?;
    let found_count = bare.len();
    let taken: Vec<BareHead> = bare.into_iter().take(params.limit as usize).collect();
    let mut around = Around::read(on, caller.app, &taken).await?;
    let (mut heads, mut bytes) = (Vec::with_capacity(taken.len()), 0);
    for bare in taken {
        let (head, texts) = around.complete(caller.app, bare);
        bytes += ENVELOPE_BYTES + texts;
        if bytes > HEADS_BYTES_MAX && !heads.is_empty() {
            break;
        }
        heads.push(head);
    }
    let next = heads
        .last()
        .filter(|_| heads.len() < found_count)
        .map(|head| SyncCursor { order_key: head.order_key, log: head.state.log });
    Ok((heads, next))
}

/// What other rooms, and the peers' rows, add to a page of heads.
struct Around {
    messages: HashMap<LogId, Stored>,
    groups: HashMap<LogId, GroupProfile>,
    profiles: HashMap<(SdkAppId, UserId), Profile>,
    peers: HashMap<(LogId, UserId), OwnRow>,
}

impl Around {
    async fn read(on: &mut Connection, app: SdkAppId, heads: &[BareHead]) -> Result<Self, Error> {
        let last: Vec<_> = heads.iter().map(|head| (head.own.log, head.end_seq, head.key.clone())).collect();
        let of_groups: Vec<_> = heads.iter().filter(|head| head.peer().is_none()).map(|head| head.own.log).collect();
        let peers: Vec<_> = heads.iter().filter_map(|head| Some((app, head.peer()?.clone(), head.own.log))).collect();
        let users: Vec<_> = peers.iter().map(|(app, user, _)| (*app, user.clone())).collect();
        Ok(Self {
            messages: message::queries::list_at(on, &last).await?,
            groups: group::queries::list_profiles(on, &of_groups).await?,
            profiles: account::queries::list_profiles(on, &users).await?,
            peers: rows::list(on, &peers).await?,
        })
    }

    /// The head, and what its texts take of a frame.
    fn complete(&mut self, app: SdkAppId, head: BareHead) -> (Head, usize) {
        let log = head.own.log;
        let peer = head.peer().cloned();
        let last = self.messages.remove(&log);
        let mut texts = last.as_ref().map_or(0, |stored| stored.text_bytes);
        let head = Head {
            max_seq: head.end_seq,
            change_seq: head.change_seq,
            counted: head.end_counted,
            order_key: head.order_key,
            peer_read_seq: peer.clone().and_then(|peer| self.peers.get(&(log, peer))).map(|row| row.read_seq),
            last_message: last.map(|stored| stored.message),
            group: self.groups.remove(&log),
            peer: peer.and_then(|peer| self.profiles.get(&(app, peer)).cloned()),
            state: head.own.into_state(head.key),
        };
        texts += head.group.as_ref().map_or(0, |group| text_bytes(&group.name) + text_bytes(&group.face_url));
        texts += head.peer.as_ref().map_or(0, |peer| text_bytes(&peer.nick) + text_bytes(&peer.face_url));
        (head, texts)
    }
}
