// SPDX-License-Identifier: Apache-2.0
//! Limits of this room, each beside the code it answers with.

use std::time::Duration;

use hongyan_protocol::limits::MESSAGES_PER_PAGE_MAX;

/// The messages that one page of history may ask for: 6017.
pub(crate) const HISTORY_COUNT_MAX: u32 = 200;

/// The keywords of a search, and the bytes of one: 6017.
pub(crate) const SEARCH_KEYWORDS_MAX: usize = 5;
pub(crate) const SEARCH_KEYWORD_BYTES_MAX: usize = 512;

/// The senders that a search may name: 6017.
pub(crate) const SEARCH_SENDERS_MAX: usize = 5;

/// The messages or conversations that one page of what was found may ask for: 6017.
pub(crate) const SEARCH_COUNT_MAX: u32 = 100;

/// The messages whose sending may wait at a time: 9507.
pub(crate) const OUTBOX_MESSAGES_MAX: i64 = 10_000;

/// The messages that may be on their way at a time: enough to keep a slow line busy, few enough to be sent again
/// after a lost connection.
pub(super) const IN_FLIGHT_MAX: usize = 32;

/// How long a message waits to be sent, from the call or from the start of the app: 9508 where the server could
/// not be reached, 6012 where it did not answer.
pub(super) const SEND_DEADLINE: Duration = Duration::from_secs(60);

/// How long sending pauses after the server asked for patience without saying how much.
pub(super) const PAUSE: Duration = Duration::from_secs(1);

/// The fewest sequences that are asked of the server at once: a small page costs as much as a whole one.
pub(super) const FETCH_MIN: u32 = 50;

const _: () = assert!(HISTORY_COUNT_MAX <= MESSAGES_PER_PAGE_MAX && FETCH_MIN <= MESSAGES_PER_PAGE_MAX);
