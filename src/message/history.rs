// SPDX-License-Identifier: Apache-2.0
//! Reading history: what is held on this device, merged with what the server has where something is missing.
//!
//! A page is read from the local table as far as the log is held without a hole. At a hole the server is asked for the
//! page next to it, which is stored and makes the hole smaller, and the reading goes on. So each message is
//! fetched once in the life of an install, and what was read stays readable offline.
//!
//! Without the server a page ends at the nearest hole; where it would begin with one, it goes on behind it.

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
use crate::sync::batch::{Batch, WriteError};
use crate::sync::{Local, is_unanswered};

/// What the server answers where this user may not, or no more, read a log.
const REFUSALS: [Code; 3] = [Code::NO_PERMISSION, Code::GROUP_NOT_FOUND, Code::MSG_ACCOUNT_NOT_IMPORTED];

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
            Err(WriteError::Failed(error)) if is_unanswered(&error) => {
                tracing::info!(conversation.id = %reading.id, code = error.code().0, "history is read on this device alone");
                return read_as_held(local, &reading).await;
            }
            Err(WriteError::Failed(error)) if REFUSALS.contains(&error.code()) => {
                // Nothing is to be fetched any more: what is held is all there is.
                let Some(known) = find(local, &reading.id).await? else { return Err(error) };
                if !has_rows(local, &known).await? {
                    return Err(error);
                }
            }
            Err(error) => return Err(local.doubt(error)),
        }
    }
    let Some(known) = find(local, &reading.id).await? else { return Ok(nothing()) };
    let rows = rows(local, &known, &reading, reading.count + 1, None).await?;
    page(local, &reading, rows, true).await
}

/// Reads what is held while the server cannot be asked.
async fn read_as_held(local: &Local, reading: &Reading) -> Result<HistoryPage, ImError> {
    let Some(known) = find(local, &reading.id).await? else { return Ok(nothing()) };
    let holes = holes(&known, reading);
    let is_whole = holes.is_empty();
    for hole in holes.into_iter().map(Some).chain([None]) {
        let rows = rows(local, &known, reading, reading.count + 1, hole).await?;
        if !rows.is_empty() {
            // What could not be fetched now is still there to be read later.
            return page(local, reading, rows, is_whole).await;
        }
    }
    Ok(nothing())
}

/// Whether anything of a conversation is on this device.
async fn has_rows(local: &Local, known: &Known) -> Result<bool, ImError> {
    let mut reader = local.store.read().await?;
    Ok(!queries::page_before(&mut reader, known.row, HistoryKey::END, i64::MIN, 1).await?.is_empty())
}

async fn check(local: &Local, option: &HistoryOption) -> Result<Reading, ImError> {
    let invalid = |what: &str| ImError::new(Code::INVALID_PARAMETERS, what);
    let id = ConversationId::parse(&option.conversation_id)?;
    let count = u32::try_from(option.count).unwrap_or(0);
    if !(1..=HISTORY_COUNT_MAX).contains(&count) {
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
    Ok(Reading { id, direction: option.direction, count, start })
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

async fn read_merged(local: &Local, reading: &Reading) -> Result<HistoryPage, WriteError> {
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
                    return Ok(page(local, reading, rows, hole.is_none()).await?);
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
        let fetched = local.fetch(&reading.id, ask, limit).await?;
        if progress.is_some_and(|seq| !fetched.covered.contains(seq)) {
            let what = "a page of messages does not begin where it was asked for";
            return Err(ImError::new(Code::DECODE_FAILED, what).into());
        }
        if known.is_none() && fetched.messages.is_empty() {
            return Ok(nothing());
        }
        let mut batch = Batch::begin(&local.store, local.user(), [reading.id.clone()]).await?;
        if local.generation() != generation {
            let what = "the page belongs to a cache that was dropped";
            return Err(ImError::new(Code::NETWORK_DISCONNECTED, what).into());
        }
        batch.add_page(&reading.id, fetched)?;
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
    holes(known, reading).first().copied()
}

/// All sequences in the reading's direction that were never fetched, nearest first.
fn holes(known: &Known, reading: &Reading) -> Vec<SeqRange> {
    let (first, last) = (known.own.visible_from, known.max_seq);
    match reading.direction {
        HistoryDirection::Older => {
            // A place before a message stands at the message before it.
            let to = reading.start.map_or(last.get(), |start| start.anchor_seq - i64::from(start.sub <= 0));
            let to = Seq::parse(to.clamp(0, last.get())).unwrap_or(last);
            known.held.missing(SeqRange::new(first, to)).into_iter().rev().collect()
        }
        HistoryDirection::Newer => {
            let from = after_start(reading).next().max(first);
            known.held.missing(SeqRange::new(from, last))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listener::events::ConversationRow;

    fn range(from: i64, to: i64) -> SeqRange {
        SeqRange::new(Seq::parse(from).unwrap(), Seq::parse(to).unwrap())
    }

    /// A log of 100 of which 21 to 40 and 61 to 80 are held, joined at 11.
    fn known() -> Known {
        let mut known = Known::nothing(ConversationRow(1), ConversationId::parse("group_g").unwrap());
        known.max_seq = Seq::parse(100).unwrap();
        known.own.visible_from = Seq::parse(11).unwrap();
        known.held.insert(range(21, 40));
        known.held.insert(range(61, 80));
        known
    }

    fn hole(direction: HistoryDirection, start: Option<(i64, i64)>) -> Option<SeqRange> {
        let start = start.map(|(anchor_seq, sub)| HistoryKey { anchor_seq, sub });
        next_hole(&known(), &Reading { id: known().id, direction, count: 20, start })
    }

    #[test]
    fn reading_stops_at_the_nearest_hole_in_its_direction() {
        use HistoryDirection::{Newer, Older};
        assert_eq!(hole(Older, None), Some(range(81, 100)));
        assert_eq!(hole(Older, Some((81, 0))), Some(range(41, 60)));
        assert_eq!(hole(Older, Some((70, -1))), Some(range(41, 60)));
        assert_eq!(hole(Older, Some((21, 0))), Some(range(11, 20)), "nothing before the joining is missing");
        assert_eq!(hole(Older, Some((11, 0))), None);
        assert_eq!(hole(Older, Some((100, 3))), Some(range(81, 100)), "what was not sent stands after the end");
        assert_eq!(hole(Newer, None), Some(range(11, 20)));
        assert_eq!(hole(Newer, Some((20, 0))), Some(range(41, 60)));
        assert_eq!(hole(Newer, Some((41, -1))), Some(range(41, 60)), "a sequence itself is part of the page");
        assert_eq!(hole(Newer, Some((100, 0))), None);
    }
}
