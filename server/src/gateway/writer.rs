// SPDX-License-Identifier: Apache-2.0
//! Moving frames from a session's queue to its socket.
//!
//! A connection keeps the room of the largest piece that it has ever written: an answer that fills half a megabyte would cost
//! that for as long as the connection stands. So what is long goes in fragments.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_util::Sink;
use futures_util::stream::SplitSink;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::{self, Bytes, Message};

use super::budget::UNWRITTEN_BYTES_FREE;
use super::http::{Socket, WRITE_BUFFER_BYTES};
use super::peers::Peer;
use super::session::Session;

/// The writing half of a connection.
pub(super) struct Writer {
    pub(super) sink: SplitSink<Socket, Message>,
    session: Arc<Session>,
    peer: Arc<Peer>,
    /// What is left of a frame of which fragments were written.
    rest: Bytes,
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
    pub(super) fn new(sink: SplitSink<Socket, Message>, session: Arc<Session>, peer: Arc<Peer>) -> Self {
        let written_bytes = peer.written_bytes();
        Self {
            sink,
            session,
            peer,
            rest: Bytes::new(),
            written_bytes,
            flushed_at_bytes: written_bytes,
            handed_bytes: 0,
            unwritten_bytes: 0,
            is_dirty: false,
        }
    }

    /// Writes what waits, then returns. Waits where there is nothing, and while the socket takes nothing; what was not
    /// written stays where it is when this is dropped.
    pub(super) async fn write(&mut self) -> Result<(), tungstenite::Error> {
        std::future::poll_fn(|cx| self.poll_write(cx)).await
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), tungstenite::Error>> {
        loop {
            let is_ready = Pin::new(&mut self.sink).poll_ready(cx);
            ready!(self.noted(is_ready))?;
            let Some(piece) = self.next_piece() else { break };
            Pin::new(&mut self.sink).start_send(piece)?;
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

    /// The next frame, or the next fragment of the one before.
    fn next_piece(&mut self) -> Option<Message> {
        if !self.rest.is_empty() {
            return Some(self.next_fragment(Data::Continue));
        }
        let text = self.session.pop()?.into_text();
        self.handed_bytes += text.len();
        if text.len() <= WRITE_BUFFER_BYTES {
            return Some(Message::text(text));
        }
        self.rest = text.into_boxed_str().into_boxed_bytes().into();
        Some(self.next_fragment(Data::Text))
    }

    fn next_fragment(&mut self, kind: Data) -> Message {
        let fragment = self.rest.split_to(self.rest.len().min(WRITE_BUFFER_BYTES));
        Message::Frame(Frame::message(fragment, OpCode::Data(kind), self.rest.is_empty()))
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
