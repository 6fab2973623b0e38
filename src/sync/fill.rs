// SPDX-License-Identifier: Apache-2.0
//! Fetching what is missing.

use std::collections::BTreeSet;

use futures_util::stream::{self, StreamExt};
use hongyan_protocol::codes::Code;
use hongyan_protocol::ids::{ConversationId, LogKey, SeqRange};
use hongyan_protocol::limits::{CHANGES_PER_PAGE_MAX, MESSAGES_PER_PAGE_MAX};
use hongyan_protocol::message::{GetChanges, GetMessages, NewChange, Page};

use crate::connection::handle::CALL_DEADLINE;
use crate::conversation::state::Step;
use crate::error::ImError;
use crate::message::outbox::target;
use crate::sync::batch::{Batch, WriteError};
use crate::sync::local::Local;
use crate::sync::mending::Mending;
use crate::sync::raw::{GetRawMessages, RawPage};

/// How many pages are asked for at a time.
const PAGES_AT_ONCE: usize = 8;

impl Local {
    /// Asks the server for a page of a conversation's log.
    pub(crate) async fn fetch(&self, id: &ConversationId, page: Page, limit: u32) -> Result<RawPage, ImError> {
        let call = GetMessages { of: target(id.clone()), page, limit: limit.clamp(1, MESSAGES_PER_PAGE_MAX) };
        self.context.connection.call(&GetRawMessages(call), CALL_DEADLINE).await
    }
}

/// Conversations that lack something.
#[derive(Debug, Default)]
pub(super) struct Incomplete {
    /// Messages before some that are held: those wait to be delivered.
    pub(super) messages: BTreeSet<ConversationId>,
    /// Changes before some that came.
    pub(super) changes: BTreeSet<ConversationId>,
}

impl Incomplete {
    pub(super) fn is_empty(&self) -> bool {
        self.messages.is_empty() && self.changes.is_empty()
    }

    pub(super) fn add(&mut self, mut other: Self) {
        self.messages.append(&mut other.messages);
        self.changes.append(&mut other.changes);
    }
}

/// Fetches what is known to be missing. Says whether heads are to be compared for what lacks more than that.
pub(super) async fn fill_known(mending: &Mending, incomplete: Incomplete) -> Result<bool, WriteError> {
    let local = &mending.local;
    for id in &incomplete.changes {
        fill_changes(mending, id).await?;
    }
    // Some may have been filled since, by whoever read there.
    let mut batch = Batch::begin(&local.store, local.user(), incomplete.messages).await?;
    let holes = batch.deliver();
    local.announce(batch.save().await?);
    fill(mending, holes).await
}

/// Fills holes before what comes after them is delivered, until none is left. Says whether a conversation is left
/// that lacks more than may be filled here.
pub(super) async fn fill(mending: &Mending, holes: Vec<(ConversationId, Step)>) -> Result<bool, WriteError> {
    let mut is_lost = holes.iter().any(|(_, step)| *step == Step::CatchUp);
    let mut waiting = holes;
    while !waiting.is_empty() {
        let mut pages = stream::iter(waiting.into_iter().filter_map(|(id, step)| match step {
            Step::Fill(hole) => Some(fetch_hole(mending, id, hole)),
            _ => None,
        }))
        .buffer_unordered(PAGES_AT_ONCE)
        .ready_chunks(PAGES_AT_ONCE);
        let mut left = Vec::new();
        while let Some(chunk) = pages.next().await {
            let chunk: Vec<_> = chunk.into_iter().collect::<Result<_, _>>()?;
            left.extend(write_holes(&mending.local, chunk).await?);
        }
        is_lost |= left.iter().any(|(_, step)| *step == Step::CatchUp);
        left.retain(|(_, step)| *step != Step::CatchUp);
        waiting = left;
    }
    Ok(is_lost)
}

/// A hole, and what the server has there; nothing where this user may not ask any more.
type Hole = (ConversationId, SeqRange, Option<RawPage>);

async fn fetch_hole(mending: &Mending, id: ConversationId, hole: SeqRange) -> Result<Hole, ImError> {
    let limit = u32::try_from(hole.count()).unwrap_or(MESSAGES_PER_PAGE_MAX);
    match mending.wait(mending.local.fetch(&id, Page::After(hole.from.previous()), limit)).await {
        Ok(fetched) => Ok((id, hole, Some(fetched))),
        Err(error) if is_unanswered(&error) => Err(error),
        Err(error) => {
            tracing::warn!(conversation.id = %id, code = error.code().0, "missing messages cannot be fetched");
            Ok((id, hole, None))
        }
    }
}

/// Whether a call failed without a judgement of the server on what it asked.
pub(crate) fn is_unanswered(error: &ImError) -> bool {
    error.is_retryable()
        || [
            Code::NOT_LOGGED_IN,
            Code::NOT_INITIALIZED,
            Code::USER_SIG_EXPIRED_LOCALLY,
            Code::KICKED_OFFLINE,
            Code::KICKED_WHILE_OFFLINE,
            Code::USER_SIG_EXPIRED,
            Code::INTERRUPTED_BY_CLOSE,
            Code::DECODE_FAILED,
        ]
        .contains(&error.code())
}

async fn write_holes(local: &Local, holes: Vec<Hole>) -> Result<Vec<(ConversationId, Step)>, WriteError> {
    let ids: Vec<ConversationId> = holes.iter().map(|(id, _, _)| id.clone()).collect();
    let mut batch = Batch::begin(&local.store, local.user(), ids).await?;
    for (id, hole, fetched) in holes {
        let is_progress = match fetched {
            Some(page) => {
                let is_progress = page.covered.contains(hole.from);
                batch.add_page(&id, page)?;
                is_progress
            }
            None => false,
        };
        // What the server does not give must not hold up what follows: it stays a hole.
        if !is_progress && let Some(known) = batch.find(&id) {
            known.frontier = known.frontier.max(Some(hole.to));
        }
    }
    let left = batch.deliver();
    local.announce(batch.save().await?);
    Ok(left)
}

/// Fetches the changes that are missing of a conversation.
async fn fill_changes(mending: &Mending, id: &ConversationId) -> Result<(), WriteError> {
    let local = &mending.local;
    loop {
        let mut batch = Batch::begin(&local.store, local.user(), [id.clone()]).await?;
        let Some(after) = batch.find(id).map(|known| known.change_seq) else { return Ok(()) };
        drop(batch);
        let call = GetChanges { of: target(id.clone()), after, limit: CHANGES_PER_PAGE_MAX };
        let page = match mending.wait(local.context.connection.call(&call, CALL_DEADLINE)).await {
            Ok(page) => page,
            Err(error) if is_unanswered(&error) => return Err(error.into()),
            Err(_) => return Ok(()),
        };
        let Some(last) = page.changes.last().map(|change| change.change_seq) else { return Ok(()) };
        let mut batch = Batch::begin(&local.store, local.user(), [id.clone()]).await?;
        let key = LogKey::of(local.user(), id);
        for change in page.changes {
            batch.add_change(id, &NewChange { log: page.log, key: key.clone(), change });
        }
        local.announce(batch.save().await?);
        if last >= page.change_seq || last <= after {
            return Ok(());
        }
    }
}
