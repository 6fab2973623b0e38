// SPDX-License-Identifier: Apache-2.0
//! Conversations: the list, unread counts, read positions and drafts.
//!
//! * `state`: what this device knows of a conversation and how it learns, as pure functions.
//! * `queries`: the table. `list`: its rows as apps see them. `manager`: what apps call.

pub(crate) mod list;
mod manager;
pub(crate) mod queries;
pub(crate) mod state;
#[cfg(test)]
mod tests;
mod types;

pub use manager::ConversationManager;
pub use types::{Conversation, ConversationPage, ConversationType};
