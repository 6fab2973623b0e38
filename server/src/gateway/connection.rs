// SPDX-License-Identifier: Apache-2.0
//! The task of one connection: it alone reads and writes the socket.

use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::stream::{FuturesUnordered, SplitStream};
use futures_util::{FutureExt, SinkExt, StreamExt};
use hongyan_protocol::account::{Kicked, Logout, Ping, Pong};
use hongyan_protocol::codes::Code;
use hongyan_protocol::frame::{Call, ClientFrame, WireError, encode_event, encode_reply};
use hongyan_protocol::message::SendMessage;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{self, Message};

use super::admission::RateLimit;
use super::http::Socket;
use super::login;
use super::peers::Peer;
use super::registry::{Member, Registry};
use super::requests::{Request, Work, encode_answer, find_work, reply_bytes_max};
use super::session::{Session, Stage};
use super::writer::Writer;
use super::{Gateway, Open};
use crate::error::Error;
use crate::rooms::{Delivered, Opened, SendTicket};

/// A send that waits for its commit; it ends with the encoded answer, or with nothing where the answer has already
/// left in the log's order.
type Ticket = Pin<Box<dyn Future<Output = Option<String>> + Send>>;

/// A send that waits for a place in the writer's queue; it ends with its ticket, or with the encoded refusal.
type Submitting = Pin<Box<dyn Future<Output = Result<Ticket, String>> + Send>>;

struct Connection {
    gateway: Arc<Gateway>,
    session: Arc<Session>,
    writer: Writer,
    stream: SplitStream<Socket>,
    /// While there is one nothing further is read: what a session sends keeps its order.
    submitting: Option<Submitting>,
    tickets: FuturesUnordered<Ticket>,
    limit: RateLimit,
    /// Whether the stream has ended, after which it must not be asked again.
    is_gone: bool,
}

/// Serves one connection until it closes. `open` counts it until then.
pub(super) async fn run(gateway: Arc<Gateway>, peer: Arc<Peer>, socket: Socket, open: Open) {
    let (sink, stream) = socket.split();
    let session = gateway.new_session();
    let now_ms = gateway.clock.monotonic_ms();
    let limit = RateLimit::new(gateway.config.requests_per_second, gateway.config.requests_burst, now_ms);
    let writer = Writer::new(sink, Arc::clone(&session), Arc::clone(&peer));
    let mut connection = Connection {
        gateway,
        session,
        writer,
        stream,
        submitting: None,
        tickets: FuturesUnordered::new(),
        limit,
        is_gone: false,
    };
    connection.run(&peer).await;
    drop(open);
}

impl Connection {
    async fn run(&mut self, peer: &Arc<Peer>) {
        let Some(text) = self.first_frame().await else { return };
        // Boxed, as is all that happens once: a task is as large as the largest of its steps, for as long as it lives.
        match Box::pin(login::open(&self.gateway, self.session.id, peer, &text)).await {
            Ok((id, opened)) => {
                let membership = Box::pin(self.enter(id, opened)).await;
                if membership.is_some() {
                    // From here on the sweeper looks after it; until here the deadline of the peer does.
                    peer.logged_in();
                }
                self.serve(membership.as_ref().map(|membership| &membership.member)).await;
            }
            Err((id, error)) => {
                self.session.reply(encode_reply::<()>(id, &Err(error)));
                self.session.end(None);
                self.serve(None).await;
            }
        }
    }

    /// The first frame. How long it may take is the peer's deadline, which ends the stream.
    async fn first_frame(&mut self) -> Option<Vec<u8>> {
        loop {
            match self.stream.next().await {
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {
                    self.limit.take(self.gateway.clock.monotonic_ms()).ok()?;
                }
                Some(Ok(Message::Text(text))) => return Some(text.as_bytes().to_vec()),
                Some(Ok(Message::Binary(_))) => return Some(Vec::new()),
                Some(Ok(Message::Close(_))) => {
                    self.answer_close();
                    return None;
                }
                Some(Err(_)) | None => return None,
            }
        }
    }

    /// Says goodbye to a client that did. The library has the answer ready and writes it when it is asked to read on; whoever
    /// has no room for it goes without.
    fn answer_close(&mut self) {
        let _ = self.stream.next().now_or_never();
    }

    /// Makes the session one that hints find.
    async fn enter(&mut self, id: u64, opened: Opened) -> Option<Membership> {
        let user_sig_expires_ms = opened.session.user_sig_expires_ms;
        let answer = encode_reply(id, &Ok(opened.session));
        let member =
            Arc::new(Member { session: Arc::clone(&self.session), caller: opened.caller, user_sig_expires_ms });
        if !self.gateway.registry.enter(Arc::clone(&member), answer) {
            self.session.end(None);
            return None;
        }
        let membership = Membership { registry: Arc::clone(&self.gateway.registry), member };
        // From here on a kick finds this session; this asks about those before.
        if let Err(error) = self.gateway.rooms.check_login(&membership.member.caller).await {
            self.session.end(self.explain(&error));
        }
        Some(membership)
    }

    /// The last event of a session whose login does not stand. Only who lost their place is to stay away.
    fn explain(&self, error: &Error) -> Option<Arc<str>> {
        if error.code() == Code::KICKED_WHILE_OFFLINE {
            return Some(encode_event(&Kicked { reason: error.to_wire().text }).into());
        }
        tracing::error!(session = self.session.id.get(), code = error.code().0, %error, "a login could not be checked");
        None
    }

    /// Reads, writes and answers until the session has ended and the client knows.
    async fn serve(&mut self, member: Option<&Arc<Member>>) {
        loop {
            // Every answer wakes its session, and so comes by here.
            self.gateway.registry.make_room();
            let stage = self.session.stage();
            match stage {
                Stage::Aborted => return,
                Stage::Draining if self.has_answered() => {
                    self.session.end(None);
                }
                Stage::Ended if self.session.is_written() && !self.writer.is_dirty => return self.say_goodbye().await,
                _ => {}
            }
            let can_take_more = stage == Stage::Open && self.can_take_more();
            // Who asks faster than the rate is read more slowly. A refusal would put their sends out of order.
            let wait = Duration::from_millis(self.limit.wait_ms(self.gateway.clock.monotonic_ms()));
            tokio::select! {
                written = self.writer.write() => if written.is_err() { return },
                () = self.session.changed() => {}
                submitted = submitted(&mut self.submitting) => self.waits(submitted),
                Some(answer) = self.tickets.next(), if !self.tickets.is_empty() => {
                    if let Some(text) = answer {
                        self.session.reply(text);
                    }
                }
                incoming = self.stream.next(), if can_take_more && wait.is_zero() => self.hear(incoming, member),
                () = self.gateway.clock.sleep(wait), if can_take_more && !wait.is_zero() => {}
            }
            if self.is_gone && self.session.stage() == Stage::Open {
                return;
            }
        }
    }

    /// Whether everything that was read has its answer in the queue.
    fn has_answered(&self) -> bool {
        self.session.requests() == 0 && self.submitting.is_none() && self.tickets.is_empty()
    }

    /// Whether another request may be read; else it waits in the socket.
    fn can_take_more(&self) -> bool {
        !self.is_gone
            && self.submitting.is_none()
            && !self.session.is_congested()
            && self.session.requests() < self.gateway.config.requests_in_flight_max
            && self.tickets.len() < self.gateway.config.sends_in_flight_max
    }

    fn hear(&mut self, incoming: Option<Result<Message, tungstenite::Error>>, member: Option<&Arc<Member>>) {
        self.session.heard();
        let taken = self.limit.take(self.gateway.clock.monotonic_ms());
        debug_assert!(taken.is_ok(), "nothing is read before there is a token for it");
        match incoming {
            Some(Ok(Message::Text(text))) => match member {
                Some(member) => self.take(text.as_bytes(), member),
                None => {
                    self.session.end(None);
                }
            },
            Some(Ok(Message::Binary(_))) => self.refuse(Code::BAD_JSON, "frames are text"),
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
            Some(Ok(Message::Close(_))) => {
                self.answer_close();
                self.is_gone = true;
            }
            // An error is bytes that are no WebSocket messages, or one far larger than any frame: nothing more can be read.
            Some(Err(_)) | None => self.is_gone = true,
        }
    }

    fn take(&mut self, text: &[u8], member: &Arc<Member>) {
        let frame = match ClientFrame::parse(text) {
            Ok(frame) => frame,
            Err(error) => return self.refuse(error.code(), &error.to_string()),
        };
        if let Err(error) = self.dispatch(&frame, member) {
            let (session, app, user) = (self.session.id.get(), member.caller.app.get(), member.caller.user.as_str());
            let (request, code) = (frame.id, error.code.0);
            // Where no method has that name, it may be anything: a text that a broken client put there.
            let method = (error.code != Code::REST_INVALID_RESOURCE).then_some(frame.method.as_str());
            tracing::debug!(session, app, user.id = user, request, method, code, "a request was not read");
            self.session.metrics.failed(error.code);
            self.session.reply(encode_reply::<()>(frame.id, &Err(error)));
        }
    }

    fn dispatch(&mut self, frame: &ClientFrame, member: &Arc<Member>) -> Result<(), WireError> {
        match frame.method.as_str() {
            Ping::METHOD => {
                let pong = Pong { server_ms: self.gateway.clock.now_ms(), push: self.session.last_push() };
                self.session.reply(encode_reply(frame.id, &Ok(pong)));
            }
            SendMessage::METHOD => {
                let params = frame.params::<SendMessage>()?;
                self.send(frame.id, params, member);
            }
            Logout::METHOD => self.log_out(frame.id, member),
            _ => {
                let work = find_work(frame, Arc::clone(&self.gateway.rooms), Arc::clone(member))?;
                self.spawn(Request::begin(&self.session, frame.id, reply_bytes_max(&frame.method)), work);
            }
        }
        Ok(())
    }

    /// Submits a message before the next frame is read: what a session sends keeps its order.
    fn send(&mut self, id: u64, params: SendMessage, member: &Arc<Member>) {
        let (rooms, member, begun) = (Arc::clone(&self.gateway.rooms), Arc::clone(member), Instant::now());
        let mut submitting: Submitting = Box::pin(async move {
            match rooms.submit_send(&member.caller, id, params).await {
                Ok(ticket) => Ok(Box::pin(answer_of(ticket, id, member, begun)) as Ticket),
                Err(error) => {
                    let refused: Result<(), _> = Err(error);
                    Err(encode_answer(id, SendMessage::METHOD, &member, begun, &refused))
                }
            }
        });
        // Mostly there is a place at once.
        match submitting.as_mut().now_or_never() {
            Some(submitted) => self.waits(submitted),
            None => self.submitting = Some(submitting),
        }
    }

    /// Takes a send that got its place, or was refused one.
    fn waits(&mut self, submitted: Result<Ticket, String>) {
        self.submitting = None;
        match submitted {
            Ok(ticket) => self.tickets.push(ticket),
            Err(refusal) => self.session.reply(refusal),
        }
    }

    fn log_out(&self, id: u64, member: &Arc<Member>) {
        let (rooms, member) = (Arc::clone(&self.gateway.rooms), Arc::clone(member));
        let (request, begun) = (Request::begin(&self.session, id, 0), Instant::now());
        tokio::spawn(async move {
            let outcome = rooms.logout(&member.caller).await;
            request.answer(encode_answer(id, Logout::METHOD, &member, begun, &outcome));
            if outcome.is_ok() {
                member.session.end(None);
            }
        });
    }

    /// Works on a request in a task of its own: what it commits is announced even if this connection goes.
    fn spawn(&self, request: Request, work: Work) {
        tokio::spawn(async move { request.answer(work.await) });
    }

    /// Answers what is no frame, and ends the session: what follows cannot be trusted to be frames either.
    fn refuse(&self, code: Code, text: &str) {
        tracing::debug!(session = self.session.id.get(), code = code.0, "a connection brought what is no frame");
        self.session.metrics.failed(code);
        self.session.reply(encode_reply::<()>(0, &Err(WireError::new(code, text))));
        self.session.end(None);
    }

    /// Closes, and reads on until the client has closed too: closing a socket with unread bytes in it would take back what
    /// the client has not read yet.
    async fn say_goodbye(&mut self) {
        self.session.said_goodbye();
        let code = if self.gateway.is_draining() { CloseCode::Away } else { CloseCode::Normal };
        let close = Message::Close(Some(CloseFrame { code, reason: "".into() }));
        let session = Arc::clone(&self.session);
        let goodbye = async {
            if self.writer.sink.send(close).await.is_ok() && !self.is_gone {
                while let Some(Ok(_)) = self.stream.next().await {}
            }
        };
        let aborted = async {
            while session.stage() != Stage::Aborted {
                session.changed().await;
            }
        };
        tokio::select! {
            () = goodbye => {}
            () = aborted => {}
        }
    }
}

/// Waits for the send that has no place yet; for ever where there is none.
async fn submitted(submitting: &mut Option<Submitting>) -> Result<Ticket, String> {
    match submitting {
        Some(submitting) => submitting.await,
        None => std::future::pending().await,
    }
}

/// Waits for a send to be durable.
async fn answer_of(ticket: SendTicket, id: u64, member: Arc<Member>, begun: Instant) -> Option<String> {
    let outcome = match ticket.outcome().await {
        Ok(Delivered::ByHint) => {
            member.session.metrics.answered(SendMessage::METHOD, begun);
            return None;
        }
        Ok(Delivered::Reply(sent)) => Ok(sent),
        Err(error) => Err(error),
    };
    Some(encode_answer(id, SendMessage::METHOD, &member, begun, &outcome))
}

/// A place among those that hints find, left however the connection ends.
struct Membership {
    registry: Arc<Registry>,
    member: Arc<Member>,
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.registry.leave(self.member.session.id);
    }
}
