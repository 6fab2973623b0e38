// SPDX-License-Identifier: Apache-2.0
//! Messages: sending them and reading logs.
//!
//! `writer` stores what is sent, in batches; `ledger` is the one way into a log; `history` reads pages.

mod batch;
mod history;
pub(crate) mod ledger;
pub(crate) mod limits;
mod metrics;
pub(crate) mod queries;
mod writer;

use std::sync::Arc;

use hongyan_protocol::clock::Clock;
use hongyan_protocol::message::SendMessage;

use crate::bus::Bus;
use crate::conversation::Conversations;
use crate::error::Error;
use crate::metrics::Metrics;
use crate::rooms::Caller;
use crate::store::Store;
use writer::Writer;
pub use writer::{Delivered, SendTicket};

/// The room of messages.
pub(crate) struct Messages {
    conversations: Arc<Conversations>,
    writer: Writer,
}

impl Messages {
    /// Opens the room and starts its writer.
    pub(crate) fn start(
        store: Arc<Store>,
        clock: Clock,
        bus: Arc<Bus>,
        conversations: Arc<Conversations>,
        metrics: &Metrics,
    ) -> Self {
        Self { conversations, writer: Writer::start(store, clock, bus, metrics) }
    }

    pub(crate) async fn submit_send(
        &self,
        caller: &Caller,
        request: u64,
        send: SendMessage,
    ) -> Result<SendTicket, Error> {
        limits::check(&send.body)?;
        self.writer.submit(caller.clone(), request, send).await
    }

    /// Stores and answers what was submitted, then stops.
    pub(crate) async fn close(&self) {
        self.writer.close().await;
    }
}

#[cfg(test)]
mod tests;
