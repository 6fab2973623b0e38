// SPDX-License-Identifier: Apache-2.0
//! Comparing heads after an absence, and loading everything on a fresh install.
//!
//! The server is asked for the heads of what changed since the last complete comparison. All heads are stored first:
//! lists, unread counts and last messages are right after that. Then the newest messages that listeners have
//! not heard of are fetched, up to the caps below, the newest conversation first; what is beyond the caps is a
//! hole that is filled when somebody reads there. Only when all of it has succeeded does the time of
//! the comparison advance, so that a failure anywhere repeats it.

use hongyan_protocol::codes::Code;
use hongyan_protocol::ids::{ConversationId, InstanceId, Seq, Version};
use hongyan_protocol::limits::{HEADS_PER_PAGE_MAX, SYNC_PROBES_MAX};
use hongyan_protocol::sync::{Sync, SyncCursor, SyncPage};

use crate::connection::handle::CALL_DEADLINE;
use crate::conversation;
use crate::conversation::state::{Known, LIVE_HOLE_MAX};
use crate::error::ImError;
use crate::listener::events::EventRef;
use crate::message;
use crate::sync::batch::{Batch, WriteError};
use crate::sync::fill::fill;
use crate::sync::local::Local;
use crate::sync::mending::Mending;
use crate::sync::queries;
use crate::sync::raw::{SyncByHead, heads_of};

/// The messages of one conversation that listeners are told of after an absence: its newest.
pub(super) const REPORTED_PER_CONVERSATION_MAX: i64 = LIVE_HOLE_MAX;

/// The messages of all conversations that listeners are told of after an absence.
pub(super) const REPORTED_MAX: i64 = 1_000;

/// How often heads are compared anew because the server turned out to hold less than this device.
const RELOADS_MAX: u32 = 2;

/// Meets the server's store, compares heads and fetches what listeners are to hear of.
pub(super) async fn catch_up(mending: &Mending, instance: InstanceId) -> Result<(), WriteError> {
    let local = &mending.local;
    meet_instance(local, instance).await?;
    for _ in 0..RELOADS_MAX {
        let compared = match compare(mending).await? {
            // A head that moved up while the pages were read may have been on none of them.
            Compared::SeveralPages => compare(mending).await?,
            compared => compared,
        };
        if compared != Compared::Behind {
            return Ok(());
        }
        tracing::warn!(user.id = %local.user(), "the server holds less than this device: the cache is loaded anew");
        forget_all(local).await?;
    }
    Err(ImError::new(Code::DECODE_FAILED, "the server goes on to say that it holds less than it said").into())
}

/// What came of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Compared {
    /// The server holds less than this device: what is cached does not belong to it.
    Behind,
    /// All heads came on one page, as they were at one time.
    OnePage,
    /// They came on several pages, as they were at several times.
    SeveralPages,
}

/// One comparison.
async fn compare(mending: &Mending) -> Result<Compared, WriteError> {
    let local = &mending.local;
    let mut reader = local.store.read().await?;
    let state = queries::load(&mut reader).await?;
    let probes = conversation::queries::list_probes(&mut reader, SYNC_PROBES_MAX).await?;
    drop(reader);
    let mut call =
        Sync { since_ms: state.since_ms, version: state.version, probes, cursor: None, limit: HEADS_PER_PAGE_MAX };
    let mut budget = REPORTED_MAX;
    let mut holes = Vec::new();
    let mut first: Option<SyncPage> = None;
    let mut cursor: Option<SyncCursor>;
    loop {
        let raw = mending.wait(local.context.connection.call(&SyncByHead(call.clone()), CALL_DEADLINE)).await?;
        let (page, heads) = heads_of(raw);
        if page.is_behind_client {
            return Ok(Compared::Behind);
        }
        cursor = page.next;
        first.get_or_insert(page);
        let seen =
            heads.into_iter().filter_map(|(head, last)| Some((head.state.key.seen_by(local.user())?, head, last)));
        let seen: Vec<_> = seen.collect();
        let order: Vec<ConversationId> = seen.iter().map(|(id, _, _)| id.clone()).collect();
        let mut batch = Batch::begin(&local.store, local.user(), order.iter().cloned()).await?;
        for (id, head, last) in seen {
            batch.add_head(&id, &head, last);
        }
        for id in &order {
            if let Some(known) = batch.find(id) {
                budget -= cap(known, budget);
            }
        }
        holes.extend(batch.deliver());
        local.announce(batch.save().await?);
        match cursor {
            Some(next) => call.cursor = Some(next),
            None => break,
        }
        // Probes speak of the whole store: they are answered once.
        call.probes.clear();
    }
    if fill(mending, holes).await? {
        return Err(ImError::new(Code::REQUEST_TIMEOUT, "messages arrived faster than they could be fetched").into());
    }
    let Some(first) = first else { return Ok(Compared::OnePage) };
    complete(local, &first).await?;
    Ok(if first.next.is_some() { Compared::SeveralPages } else { Compared::OnePage })
}

/// Lets listeners hear no more of a conversation than its share, and says how much that is.
fn cap(known: &mut Known, budget: i64) -> i64 {
    let Some(from) = known.next_unheard() else { return 0 };
    let unheard = known.max_seq.get() - from.get() + 1;
    if unheard <= 0 {
        return 0;
    }
    let share = unheard.min(REPORTED_PER_CONVERSATION_MAX).min(budget);
    if share < unheard
        && let Ok(frontier) = Seq::parse(known.max_seq.get() - share)
    {
        known.frontier = Some(frontier);
    }
    share
}

async fn complete(local: &Local, first: &SyncPage) -> Result<(), WriteError> {
    let mut batch = Batch::begin(&local.store, local.user(), []).await?;
    let state = batch.state();
    state.since_ms = Some(state.since_ms.unwrap_or(0).max(first.server_ms));
    if first.version >= state.version {
        state.version = first.version;
        state.apply_profile(&first.profile);
    }
    local.announce(batch.save().await?);
    Ok(())
}

/// Meets the server's store. Another one than before makes everything that is cached worthless.
pub(super) async fn meet_instance(local: &Local, instance: InstanceId) -> Result<(), WriteError> {
    let mut batch = Batch::begin(&local.store, local.user(), []).await?;
    match batch.state().instance {
        Some(known) if known == instance => return Ok(()),
        Some(_) => {
            tracing::warn!(user.id = %local.user(), "another server store than before: the cache is loaded anew");
            drop(batch);
            forget_all(local).await?;
            batch = Batch::begin(&local.store, local.user(), []).await?;
        }
        None => {}
    }
    batch.state().instance = Some(instance);
    local.announce(batch.save().await?);
    Ok(())
}

/// Drops what came from the server. What only this device has stays: the outbox, what failed, drafts.
pub(super) async fn forget_all(local: &Local) -> Result<(), WriteError> {
    let mut batch = Batch::begin(&local.store, local.user(), []).await?;
    local.begin_generation();
    message::queries::forget_all(batch.tx()).await?;
    conversation::queries::forget_all(batch.tx()).await?;
    let state = batch.state();
    state.since_ms = None;
    state.version = Version::ZERO;
    let mut written = batch.save().await?;
    written.events.push(EventRef::TotalUnread);
    local.announce(written);
    Ok(())
}
