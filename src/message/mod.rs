// SPDX-License-Identifier: Apache-2.0
//! Messages: sending them, the outbox, and history.
//!
//! * `outbox`: how a message gets to the server, once; a protocol, described there. `send`: putting messages into it.
//! * `history`: pages of a log, this device merged with the server. `search`: what this device has, by words.
//! * `queries`: the tables. `types`: what apps see. `manager`: what apps call.

mod history;
pub(crate) mod limits;
mod manager;
pub(crate) mod outbox;
pub(crate) mod queries;
pub(crate) mod search;
mod send;
#[cfg(test)]
mod tests;
mod types;

pub use manager::MessageManager;
pub use types::{
    Element, GroupTipsType, HistoryDirection, HistoryOption, HistoryPage, HistorySource, KeywordListMatchType, Message,
    MessagePriority, MessageReceipt, MessageSearchParam, MessageSearchResult, MessageSearchResultItem, MessageStatus,
    MessageType, OutgoingMessage,
};
