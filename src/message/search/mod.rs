// SPDX-License-Identifier: Apache-2.0
//! Searching what this device has.
//!
//! * `segment`: text into words. `wanted`: what is looked for. `fill`: bringing in what an older version stored.
//! * [`queries`] has the index: messages that the server has are in it from the transaction on that stores them. Those that
//!   were not sent are few and change: they are looked at one by one.

mod fill;
mod segment;
#[cfg(test)]
mod tests;
mod wanted;

use std::cmp::Reverse;
use std::collections::HashMap;
use std::ops::{Range, RangeInclusive};

use hongyan_protocol::codes::Code;
use hongyan_protocol::ids::{ConversationId, UserId};
use sqlx::SqliteConnection;

use crate::conversation;
use crate::error::ImError;
use crate::listener::events::ConversationRow;
use crate::message::limits::{SEARCH_COUNT_MAX, SEARCH_KEYWORD_BYTES_MAX, SEARCH_KEYWORDS_MAX, SEARCH_SENDERS_MAX};
use crate::message::queries::{self, HistoryKey, Scope};
use crate::message::types::{Message, MessageSearchParam, MessageSearchResult, MessageSearchResultItem};
use crate::store::Store;
use crate::sync::Local;

pub(crate) use fill::fill;
use wanted::Wanted;
pub(super) use wanted::Words;

/// A search, checked.
struct Search {
    /// Nothing where no message can be it.
    wanted: Option<Wanted>,
    conversation: Option<ConversationId>,
    time_ms: Option<RangeInclusive<i64>>,
    /// Which of what was found are on the page.
    page: Range<usize>,
}

/// Looks for messages on this device, when the searches that were asked for before have ended.
pub(super) async fn search(local: &Local, param: MessageSearchParam) -> Result<MessageSearchResult, ImError> {
    let search = Search::check(param, local.context.connection.server_time_ms())?;
    let _turn = local.search_turns.acquire().await.map_err(|_| ImError::from(Code::NOT_INITIALIZED))?;
    let found = look(&local.store, local.user(), &search).await;
    if let Err(error) = &found {
        local.store.note(error);
    }
    found
}

/// Checks a search, and finds nothing.
pub(super) fn check(local: &Local, param: MessageSearchParam) -> Result<MessageSearchResult, ImError> {
    Search::check(param, local.context.connection.server_time_ms())?;
    Ok(nothing())
}

async fn look(store: &Store, user: &UserId, search: &Search) -> Result<MessageSearchResult, ImError> {
    let Some(wanted) = &search.wanted else { return Ok(nothing()) };
    fill::complete(store).await?;
    // All of it is of one moment: a message that is sent meanwhile would be found twice, or not at all.
    let mut snapshot = store.snapshot().await?;
    let found = look_at(&mut snapshot, user, search, wanted).await;
    store.commit(snapshot).await?;
    found
}

async fn look_at(
    reader: &mut SqliteConnection,
    user: &UserId,
    search: &Search,
    wanted: &Wanted,
) -> Result<MessageSearchResult, ImError> {
    let conversation = match &search.conversation {
        None => None,
        Some(id) => match conversation::queries::find(reader, id).await? {
            None => return Ok(nothing()),
            Some(known) => Some(known.row),
        },
    };
    let scope = Scope { expression: wanted.expression(), conversation, time_ms: search.time_ms.clone() };
    let unsent = list_unsent(reader, &scope, wanted).await?;
    match (&search.conversation, conversation) {
        (Some(id), Some(row)) => in_one(reader, user, &scope, search, (id, row, unsent)).await,
        _ => in_all(reader, user, &scope, search, unsent).await,
    }
}

fn nothing() -> MessageSearchResult {
    MessageSearchResult { total_count: 0, message_search_result_items: Vec::new() }
}

impl Search {
    fn check(param: MessageSearchParam, now_ms: i64) -> Result<Self, ImError> {
        let invalid = |what: String| Err(ImError::new(Code::INVALID_PARAMETERS, what));
        let (keywords, senders) = (&param.keyword_list, &param.sender_user_id_list);
        if keywords.len() > SEARCH_KEYWORDS_MAX || senders.len() > SEARCH_SENDERS_MAX {
            return invalid(format!("at most {SEARCH_KEYWORDS_MAX} keywords and {SEARCH_SENDERS_MAX} senders"));
        }
        if keywords.iter().any(|keyword| keyword.len() > SEARCH_KEYWORD_BYTES_MAX) {
            return invalid(format!("a keyword has at most {SEARCH_KEYWORD_BYTES_MAX} bytes"));
        }
        if keywords.is_empty() && senders.is_empty() && param.message_type_list.is_empty() {
            return invalid("without a keyword, a sender or a type is needed".to_owned());
        }
        let senders = senders.iter().map(|id| UserId::parse(id.as_str())).collect::<Result<Vec<_>, _>>()?;
        let conversation = param.conversation_id.as_deref().map(ConversationId::parse).transpose()?;
        let (position_ms, period_ms) = (param.search_time_position_ms, param.search_time_period_ms);
        if position_ms < 0 || period_ms < 0 {
            return invalid("a search begins at a time and goes back from there".to_owned());
        }
        let time_ms = match (position_ms, period_ms) {
            (0, 0) => None,
            // What is newer than now by this device's clock is found as well.
            (0, period_ms) => Some(now_ms.saturating_sub(period_ms)..=i64::MAX),
            (position_ms, 0) => Some(0..=position_ms),
            (position_ms, period_ms) => Some(position_ms.saturating_sub(period_ms)..=position_ms),
        };
        let size = u32::try_from(param.page_size).unwrap_or(0);
        let (Ok(index), true) = (usize::try_from(param.page_index), (1..=SEARCH_COUNT_MAX).contains(&size)) else {
            return invalid(format!("pages are numbered from 0 and have 1 to {SEARCH_COUNT_MAX} entries"));
        };
        let start = index.saturating_mul(size as usize);
        let wanted = Wanted::new(keywords, param.keyword_list_match_type, &senders, &param.message_type_list);
        Ok(Self { wanted, conversation, time_ms, page: start..start.saturating_add(size as usize) })
    }
}

/// A message that was not sent and is what is wanted.
struct Unsent {
    conversation: i64,
    key: HistoryKey,
    timestamp_ms: i64,
}

/// Looks at all that was not sent, some at a time. Gives those of one conversation newest first.
async fn list_unsent(reader: &mut SqliteConnection, scope: &Scope, wanted: &Wanted) -> Result<Vec<Unsent>, ImError> {
    let mut found = Vec::new();
    let mut page = queries::page_unsent(reader, scope, None).await?;
    loop {
        let met = page.iter().filter(|row| row.words().is_some_and(|words| wanted.is_met_by(&words)));
        found.extend(met.map(|row| Unsent {
            conversation: row.conversation,
            key: row.key(),
            timestamp_ms: row.timestamp_ms,
        }));
        if page.len() < queries::UNSENT_PAGE {
            break;
        }
        page = queries::page_unsent(reader, scope, page.last()).await?;
    }
    found.sort_unstable_by_key(|unsent| Reverse(unsent.key));
    Ok(found)
}

/// The messages of one conversation, newest first. What was not sent stands where history shows it.
async fn in_one(
    reader: &mut SqliteConnection,
    user: &UserId,
    scope: &Scope,
    search: &Search,
    (id, row, unsent): (&ConversationId, ConversationRow, Vec<Unsent>),
) -> Result<MessageSearchResult, ImError> {
    let page = &search.page;
    let sent_count = queries::count_hits(reader, scope).await?.first().map_or(0, |hits| hits.messages_count);
    // Those that were not sent and are before the page push as many of the others onto it.
    let first_sent = page.start.saturating_sub(unsent.len());
    let limit = page.end - first_sent;
    let sent = queries::page_hits(reader, scope, as_i64(first_sent), as_i64(limit)).await?;
    let total = as_i64(unsent.len()).saturating_add(sent_count);
    let places: Vec<_> = merge(sent, first_sent, &unsent, page).into_iter().map(|key| (row.0, key)).collect();
    if places.is_empty() {
        return Ok(MessageSearchResult { total_count: as_i32(total), ..nothing() });
    }
    let rows = queries::list_at(reader, &places).await?;
    let message_list = queries::show(reader, user, rows).await?;
    let item = MessageSearchResultItem { conversation_id: id.to_string(), message_count: as_i32(total), message_list };
    Ok(MessageSearchResult { total_count: as_i32(total), message_search_result_items: vec![item] })
}

/// What is on a page, of messages that were sent, from the one of a number on, and of all others; both newest first.
fn merge(sent: Vec<HistoryKey>, first_sent: usize, unsent: &[Unsent], page: &Range<usize>) -> Vec<HistoryKey> {
    let mut keys = sent;
    keys.extend(unsent.iter().map(|unsent| unsent.key));
    keys.sort_unstable_by_key(|key| Reverse(*key));
    // Their numbers go on from `first_sent`. What was not sent and is newer than all of these may be numbered too high, but
    // never as high as the page begins.
    keys.into_iter().skip(page.start - first_sent).take(page.len()).collect()
}

/// What was found in a conversation.
#[derive(Default)]
struct Found {
    messages_count: i64,
    /// The place of the newest that the server has; 0 for none.
    newest: i64,
    /// The newest that was not sent.
    unsent: Option<Unsent>,
}

/// The conversations, the one with the newest message first.
async fn in_all(
    reader: &mut SqliteConnection,
    user: &UserId,
    scope: &Scope,
    search: &Search,
    unsent: Vec<Unsent>,
) -> Result<MessageSearchResult, ImError> {
    let mut all: HashMap<i64, Found> = HashMap::new();
    for hits in queries::count_hits(reader, scope).await? {
        let found = Found { messages_count: hits.messages_count, newest: hits.newest, unsent: None };
        all.insert(hits.conversation, found);
    }
    for unsent in unsent {
        let found = all.entry(unsent.conversation).or_default();
        found.messages_count += 1;
        if found.unsent.as_ref().is_none_or(|other| other.timestamp_ms < unsent.timestamp_ms) {
            found.unsent = Some(unsent);
        }
    }
    let total_count = as_i32(as_i64(all.len()));
    let unsent_ms = |found: &Found| found.unsent.as_ref().map_or(0, |unsent| unsent.timestamp_ms);
    let newest = |(row, found): (&i64, &Found)| (*row, queries::key_of(found.newest).anchor_seq, unsent_ms(found));
    let newest: Vec<_> = all.iter().map(newest).collect();
    let page = &search.page;
    let page = queries::page_newest(reader, &newest, as_i64(page.start), as_i64(page.len())).await?;
    let ids = conversation::queries::positions(reader, &page).await?;
    let found: Vec<(i64, Found)> = page.into_iter().filter_map(|row| Some((row, all.remove(&row)?))).collect();
    let counts: Vec<(i64, i64)> = found.iter().map(|(row, found)| (*row, found.messages_count)).collect();
    let mut messages = single_messages(reader, user, found).await?;
    let items = counts.into_iter().filter_map(|(conversation, count)| {
        let conversation_id = ids.get(&conversation)?.conversation_id.clone();
        let message_list = messages.remove(&conversation_id).into_iter().collect();
        Some(MessageSearchResultItem { conversation_id, message_count: as_i32(count), message_list })
    });
    Ok(MessageSearchResult { total_count, message_search_result_items: items.collect() })
}

/// The messages of conversations in which exactly one was found.
async fn single_messages(
    reader: &mut SqliteConnection,
    user: &UserId,
    found: Vec<(i64, Found)>,
) -> Result<HashMap<String, Message>, ImError> {
    let single = found.into_iter().filter(|(_, found)| found.messages_count == 1);
    let places: Vec<_> = single
        .map(|(row, found)| (row, found.unsent.map_or(queries::key_of(found.newest), |unsent| unsent.key)))
        .collect();
    let rows = queries::list_at(reader, &places).await?;
    let messages = queries::show(reader, user, rows).await?;
    Ok(messages.into_iter().map(|message| (message.conversation_id.clone(), message)).collect())
}

fn as_i64(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn as_i32(count: i64) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}
