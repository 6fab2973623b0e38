// SPDX-License-Identifier: Apache-2.0
//! Conversations: the log between two users or of a group, and each user's own row of it.
//!
//! Membership of a group is such a row whose end is open. `logs`, `rows` and `changes` hold the tables;
//! `members` is who hears of a message, `read` the read positions, `heads` catching up.

pub(crate) mod changes;
mod heads;
pub(crate) mod logs;
pub(crate) mod members;
mod read;
pub(crate) mod rows;
pub(crate) mod view;

use std::sync::Arc;

use hongyan_protocol::clock::Clock;

use crate::bus::Bus;
use crate::store::Store;

/// The room of conversations.
pub(crate) struct Conversations {
    pub(crate) store: Arc<Store>,
    pub(crate) clock: Clock,
    pub(crate) bus: Arc<Bus>,
}

#[cfg(test)]
mod tests;
