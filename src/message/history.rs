// SPDX-License-Identifier: Apache-2.0
//! Reading history: what is held on this device, merged with what the server has where something is missing.
//!
//! A page is read from the local table as far as the log is held without a hole. At a hole the server is asked for the
//! page next to it, which is stored and makes the hole smaller, and the reading goes on. So each message is
//! fetched once in the life of an install, and what was read stays readable offline.

use hongyan_protocol::codes::Code;
use hongyan_protocol::ids::{ConversationId, MessageId, Seq, SeqRange};
use hongyan_protocol::limits::MESSAGES_PER_PAGE_MAX;
use hongyan_protocol::message::Page;

use crate::conversation;
use crate::conversation::state::Known;
use crate::error::ImError;
use crate::message::limits::{FETCH_MIN, HISTORY_COUNT_MAX};
use crate::message::queries::{self, HistoryKey, MessageRow};
use crate::message::types::{HistoryDirection, HistoryOption, HistoryPage, HistorySource};
use crate::sync::batch::Batch;
use crate::sync::{Local, is_unanswered};

/// A reading, checked.
struct Reading {
    id: ConversationId,
    direction: HistoryDirection,
    count: u32,
    /// After which place it starts, in its direction; nothing for the log's end or beginning.
    start: Option<HistoryKey>,
}

/// Reads a page of history.
pub(super) async fn read(local: &Local, option: HistoryOption) -> Result<HistoryPage, ImError> {
    let reading = check(local, &option).await?;
    let is_cloud = option.source == HistorySource::Cloud;
    if is_cloud {
        match read_merged(local, &reading).await {
            Ok(page) => return Ok(page),
            Err(error) if is_unanswered(&error) => {
                tracing::info!(conversation.id = %reading.id, code = error.code().0, "history is read on this device alone");
            }
            Err(error) => return Err(error),
        }
    }
    let Some(known) = find(local, &reading.id).await? else { return Ok(nothing()) };
    let rows = rows(local, &known, &reading, reading.count + 1, None).await?;
    // What could not be fetched now is still there to be read later.
    let is_whole = !is_cloud || next_hole(&known, &reading).is_none();
    page(local, &reading, rows, is_whole).await
}

async fn check(local: &Local, option: &HistoryOption) -> Result<Reading, ImError> {
    let invalid = |what: &str| ImError::new(Code::INVALID_PARAMETERS, what);
    let id = ConversationId::parse(&option.conversation_id)?;
    if !(1..=HISTORY_COUNT_MAX).contains(&option.count) {
        return Err(invalid("a page of history has 1 to 200 messages"));
    }
    let start = if let Some(message_id) = &option.last_message_id {
        let message_id = MessageId::parse(message_id).map_err(|error| invalid(error.what))?;
        let mut reader = local.store.read().await?;
        let row = queries::find_by_ids(&mut reader, &[message_id]).await?.pop();
        Some(row.ok_or_else(|| invalid("the last message is not on this device"))?.key())
    } else if let Some(seq) = option.last_message_seq {
        let seq = Seq::parse(seq).map_err(|error| invalid(error.what))?;
        // The message of that sequence is part of the page.
        Some(match option.direction {
            HistoryDirection::Older => HistoryKey::before(seq.next()),
            HistoryDirection::Newer => HistoryKey::before(seq),
        })
    } else {
        None
    };
    Ok(Reading { id, direction: option.direction, count: option.count, start })
}

fn nothing() -> HistoryPage {
    HistoryPage { messages: Vec::new(), is_finished: true }
}

/// What is known of a conversation, with what is held of its log.
async fn find(local: &Local, id: &ConversationId) -> Result<Option<Known>, ImError> {
    let mut reader = local.store.read().await?;
    let Some(mut known) = conversation::queries::find(&mut reader, id).await? else { return Ok(None) };
    known.held = queries::load_held(&mut reader, &[known.row]).await?.remove(&known.row).unwrap_or_default();
    Ok(Some(known))
}

async fn read_merged(local: &Local, reading: &Reading) -> Result<HistoryPage, ImError> {
    let mut known = find(local, &reading.id).await?;
    // Whether the log's end as it is known here can be relied upon.
    let is_fixed = |known: &Known| local.is_current() || known.own.visible_to.is_some();
    let mut is_end_known = known.as_ref().is_some_and(|known| known.log.is_some() && is_fixed(known));
    loop {
        let hole = match &known {
            Some(known) if is_end_known => {
                let hole = next_hole(known, reading);
                let rows = rows(local, known, reading, reading.count + 1, hole).await?;
                if hole.is_none() || rows.len() >= usize::try_from(reading.count).unwrap_or(usize::MAX) {
                    return page(local, reading, rows, hole.is_none()).await;
                }
                hole
            }
            _ => None,
        };
        let (ask, progress) = match (hole, reading.direction) {
            // Without a hole the log's end is what is missing.
            (None, HistoryDirection::Older) => (Page::Before(None), None),
            (None, HistoryDirection::Newer) => (Page::After(after_start(reading)), None),
            (Some(hole), HistoryDirection::Older) => (Page::Before(Some(hole.to.next())), Some(hole.to)),
            (Some(hole), HistoryDirection::Newer) => (Page::After(hole.from.previous()), Some(hole.from)),
        };
        let limit = reading.count.clamp(FETCH_MIN, MESSAGES_PER_PAGE_MAX);
        let generation = local.generation();
        let (fetched, messages) = local.fetch(&reading.id, ask, limit).await?;
        if progress.is_some_and(|seq| !fetched.covered.contains(seq)) {
            return Err(ImError::new(Code::DECODE_FAILED, "a page of messages does not begin where it was asked for"));
        }
        if known.is_none() && messages.is_empty() {
            return Ok(nothing());
        }
        let mut batch = Batch::begin(&local.store, local.user(), [reading.id.clone()]).await?;
        if local.generation() != generation {
            return Err(ImError::new(Code::NETWORK_DISCONNECTED, "the page belongs to a cache that was dropped"));
        }
        batch.add_page(&reading.id, &fetched, messages)?;
        local.announce(batch.save().await?);
        known = find(local, &reading.id).await?;
        is_end_known = true;
    }
}

fn after_start(reading: &Reading) -> Seq {
    let seq = reading.start.map_or(0, |start| if start.sub < 0 { start.anchor_seq - 1 } else { start.anchor_seq });
    Seq::parse(seq.max(0)).unwrap_or(Seq::ZERO)
}

/// The nearest sequences in the reading's direction that were never fetched.
fn next_hole(known: &Known, reading: &Reading) -> Option<SeqRange> {
    let (first, last) = (known.own.visible_from, known.max_seq);
    match reading.direction {
        HistoryDirection::Older => {
            // A place before a message stands at the message before it.
            let to = reading.start.map_or(last.get(), |start| start.anchor_seq - i64::from(start.sub <= 0));
            let to = Seq::parse(to.clamp(0, last.get())).unwrap_or(last);
            known.held.missing(SeqRange::new(first, to)).last().copied()
        }
        HistoryDirection::Newer => {
            let from = after_start(reading).next().max(first);
            known.held.missing(SeqRange::new(from, last)).first().copied()
        }
    }
}

/// The rows in the reading's direction, up to a hole where there is one.
async fn rows(
    local: &Local,
    known: &Known,
    reading: &Reading,
    limit: u32,
    hole: Option<SeqRange>,
) -> Result<Vec<MessageRow>, ImError> {
    let mut reader = local.store.read().await?;
    match reading.direction {
        HistoryDirection::Older => {
            let floor = hole.map_or(i64::MIN, |hole| hole.to.get());
            let start = reading.start.unwrap_or(HistoryKey::END);
            queries::page_before(&mut reader, known.row, start, floor, limit).await
        }
        HistoryDirection::Newer => {
            // What was not sent and stands after a missing message is not reached yet.
            let ceiling = hole.map_or(i64::MAX, |hole| hole.from.get() - 1);
            let start = reading.start.unwrap_or(HistoryKey::START);
            queries::page_after(&mut reader, known.row, start, ceiling, limit).await
        }
    }
}

/// Makes a page of rows, of which one more than asked for was read.
async fn page(
    local: &Local,
    reading: &Reading,
    mut rows: Vec<MessageRow>,
    is_whole: bool,
) -> Result<HistoryPage, ImError> {
    let count = usize::try_from(reading.count).unwrap_or(usize::MAX);
    let is_finished = is_whole && rows.len() <= count;
    rows.truncate(count);
    let mut reader = local.store.read().await?;
    Ok(HistoryPage { messages: queries::show(&mut reader, local.user(), rows).await?, is_finished })
}
