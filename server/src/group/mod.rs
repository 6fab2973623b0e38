// SPDX-License-Identifier: Apache-2.0
//! Groups: making them and who is in them.
//!
//! `policy` is the table of what differs between types. Membership is the open end of a member's own row in the room
//! of conversations; what happens to it is told by a tip in the group's log, written in the same operation.

mod create;
mod members;
pub(crate) mod policy;
pub(crate) mod queries;
mod tips;

use std::sync::Arc;

use hongyan_protocol::clock::Clock;

use crate::bus::{Bus, Hint};
use crate::error::Error;
use crate::store::{Store, Write};

/// The room of groups.
pub(crate) struct Groups {
    pub(crate) store: Arc<Store>,
    pub(crate) clock: Clock,
    pub(crate) bus: Arc<Bus>,
}

impl Groups {
    async fn commit(&self, write: Write, hints: Vec<Hint>) -> Result<(), Error> {
        let bus = Arc::clone(&self.bus);
        write.commit(move || hints.into_iter().for_each(|hint| bus.publish(hint))).await
    }
}

#[cfg(test)]
mod tests;
