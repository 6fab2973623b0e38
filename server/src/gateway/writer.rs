// SPDX-License-Identifier: Apache-2.0
//! Moving frames from a session's queue to its socket.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::extract::ws::{Message, WebSocket};
use futures_util::Sink;
use futures_util::stream::SplitSink;

use super::budget::UNWRITTEN_BYTES_FREE;
use super::peers::Peer;
use super::session::Session;

/// The writing half of a connection.
pub(super) struct Writer {
    pub(super) sink: SplitSink<WebSocket, Message>,
    session: Arc<Session>,
    peer: Arc<Peer>,
    /// How many bytes the socket had taken when this was last looked at, and at the last flush.
    written_bytes: u64,
    flushed_at_bytes: u64,
    /// How many were handed to the sink since that.
    handed_bytes: usize,
    /// What of them counts as waiting.
    unwritten_bytes: usize,
    /// Whether something was handed to the sink since its last flush.
    pub(super) is_dirty: bool,
}

impl Writer {
    pub(super) fn new(sink: SplitSink<WebSocket, Message>, session: Arc<Session>, peer: Arc<Peer>) -> Self {
        let written_bytes = peer.written_bytes();
        Self {
            sink,
            session,
            peer,
            written_bytes,
            flushed_at_bytes: written_bytes,
            handed_bytes: 0,
            unwritten_bytes: 0,
            is_dirty: false,
        }
    }

    /// Writes what waits, then returns. Waits where there is nothing, and while the socket takes nothing; what was not
    /// written stays where it is when this is dropped.
    pub(super) async fn write(&mut self) -> Result<(), axum::Error> {
        std::future::poll_fn(|cx| self.poll_write(cx)).await
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), axum::Error>> {
        loop {
            let is_ready = Pin::new(&mut self.sink).poll_ready(cx);
            ready!(self.noted(is_ready))?;
            let Some(frame) = self.session.pop() else { break };
            let text = frame.into_text();
            self.handed_bytes += text.len();
            Pin::new(&mut self.sink).start_send(Message::Text(text.into()))?;
            self.is_dirty = true;
        }
        if !self.is_dirty {
            return Poll::Pending;
        }
        let is_flushed = Pin::new(&mut self.sink).poll_flush(cx);
        ready!(self.noted(is_flushed))?;
        self.is_dirty = false;
        (self.handed_bytes, self.flushed_at_bytes) = (0, self.written_bytes);
        self.count_unwritten();
        self.session.unblocked();
        Poll::Ready(Ok(()))
    }

    /// Notes for the sweeper whether the socket takes anything. That it could be asked again is no sign of it: bytes are.
    fn noted<T>(&mut self, answer: Poll<T>) -> Poll<T> {
        let written_bytes = self.peer.written_bytes();
        if written_bytes != self.written_bytes {
            self.written_bytes = written_bytes;
            self.session.unblocked();
        }
        if answer.is_pending() {
            self.session.blocked();
            self.count_unwritten();
        }
        answer
    }

    /// Counts what the socket has not taken with what waits in the queue. Under TLS it takes a little more than was handed
    /// to it, which does not matter here.
    fn count_unwritten(&mut self) {
        let taken_bytes = usize::try_from(self.written_bytes - self.flushed_at_bytes).unwrap_or(usize::MAX);
        let unwritten_bytes = self.handed_bytes.saturating_sub(taken_bytes);
        let counted_bytes = if unwritten_bytes > UNWRITTEN_BYTES_FREE { unwritten_bytes } else { 0 };
        if counted_bytes != self.unwritten_bytes {
            self.unwritten_bytes = counted_bytes;
            self.session.set_unwritten(counted_bytes);
        }
    }
}
