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

use super::http::{Socket, WRITE_BUFFER_BYTES};
use super::peers::Peer;
use super::queue::OutFrame;
use super::session::Session;

/// The writing half of a connection.
pub(super) struct Writer {
    pub(super) sink: SplitSink<Socket, Message>,
    session: Arc<Session>,
    peer: Arc<Peer>,
    /// What is left of a frame of which fragments were written.
    rest: Bytes,
    /// Whether that frame is an answer. Its fragments share its bytes: all of them are held, and count, until the sink has
    /// passed the last one on.
    is_answer_held: bool,
    /// How many bytes the socket had taken when this was last looked at.
    written_bytes: u64,
    /// Whether something was handed to the sink since its last flush.
    pub(super) is_dirty: bool,
}

impl Writer {
    pub(super) fn new(sink: SplitSink<Socket, Message>, session: Arc<Session>, peer: Arc<Peer>) -> Self {
        let written_bytes = peer.written_bytes();
        Self { sink, session, peer, rest: Bytes::new(), is_answer_held: false, written_bytes, is_dirty: false }
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
        self.session.unblocked();
        Poll::Ready(Ok(()))
    }

    /// The next frame, or the next fragment of the one before. The sink has none left when it is asked for.
    fn next_piece(&mut self) -> Option<Message> {
        if !self.rest.is_empty() {
            return Some(self.next_fragment(Data::Continue));
        }
        if std::mem::take(&mut self.is_answer_held) {
            self.session.set_unwritten(0);
        }
        let frame = self.session.pop()?;
        let is_answer = matches!(frame, OutFrame::Reply(_));
        let text = frame.into_text();
        if text.len() <= WRITE_BUFFER_BYTES {
            return Some(Message::text(text));
        }
        if is_answer {
            self.session.set_unwritten(text.len());
            self.is_answer_held = true;
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
        }
        answer
    }
}
