// SPDX-License-Identifier: Apache-2.0
//! What managers and the sync task hold of the connection.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hongyan_protocol::account::Session;
use hongyan_protocol::clock::Clock;
use hongyan_protocol::codes::Code;
use hongyan_protocol::frame::{Call, Event, WireError, encode_call};
use hongyan_protocol::ids::{MessageId, UserId};
use hongyan_protocol::json::reason;
use hongyan_protocol::limits::PACKET_BYTES_MAX;
use hongyan_protocol::message::{SendMessage, SentMessage};
use serde_json::value::RawValue;
use tokio::sync::{mpsc, oneshot, watch};

use crate::account::LoginStatus;
use crate::connection::command::{Answer, Command, Credentials, Request, Waiter};
use crate::connection::status::{Admission, ServerTime, Status, Wishes};
use crate::error::ImError;

/// How long a call waits for its answer unless it says otherwise.
pub(crate) const CALL_DEADLINE: Duration = Duration::from_secs(30);

/// Which connection of a client's life: rises with each session that is opened or taken up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(crate) struct ConnectionNumber(pub u64);

/// What the sync task is told, in the order of the socket.
pub(crate) enum Inbound {
    /// A session was opened or taken up; the socket is ready for requests.
    Connected {
        /// To be shown with each [`ConnectionHandle::send_ordered`].
        connection: ConnectionNumber,
        /// What the server said of it.
        session: Box<Session>,
    },
    /// The socket is gone: no reply to what was sent before will come.
    Disconnected,
    /// An event of the server.
    Event {
        /// Its name on the wire.
        name: String,
        /// Its data, not yet read.
        data: Box<RawValue>,
    },
    /// The answer to a [`ConnectionHandle::send_ordered`], at its place among the events.
    SendReply {
        /// Which message.
        message_id: MessageId,
        /// What became of it. 6012 where the server did not answer in time: it may be stored all the same.
        outcome: Result<SentMessage, WireError>,
    },
    /// Events were lost, here or on their way: the heads are to be compared.
    PushLost,
    /// The app goes to the background and may be stopped at any moment from now on.
    Background,
}

/// Without the data of events, which is what people write.
impl fmt::Debug for Inbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, what): (&str, &dyn fmt::Debug) = match self {
            Self::Connected { connection, .. } => ("Connected", connection),
            Self::Disconnected => ("Disconnected", &()),
            Self::Event { name, .. } => ("Event", name),
            Self::SendReply { message_id, .. } => ("SendReply", message_id),
            Self::PushLost => ("PushLost", &()),
            Self::Background => ("Background", &()),
        };
        f.debug_tuple(kind).field(what).finish()
    }
}

/// A way to the connection's task. Cloning it is cheap.
#[derive(Debug, Clone)]
pub(crate) struct ConnectionHandle(Arc<Shared>);

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) clock: Clock,
    pub(crate) commands: mpsc::Sender<Command>,
    pub(crate) status: watch::Sender<Status>,
    pub(crate) wishes: watch::Sender<Wishes>,
    pub(crate) server_time: ServerTime,
    pub(crate) ids: AtomicU64,
}

/// How many commands may wait for the task. Beyond it a request is refused (9507).
const COMMANDS_MAX: usize = 1_000;

impl Shared {
    /// What a task and its handles share, and the task's end of it.
    pub(crate) fn new(clock: Clock) -> (Arc<Self>, mpsc::Receiver<Command>) {
        let (commands, receiver) = mpsc::channel(COMMANDS_MAX);
        let status =
            Status { login: LoginStatus::NotLoggedIn, user: None, admission: Admission::Refuse(Code::NOT_LOGGED_IN) };
        let wishes = Wishes { is_foreground: true, network_changes: 0, is_closed: false };
        let shared = Self {
            clock,
            commands,
            status: watch::Sender::new(status),
            wishes: watch::Sender::new(wishes),
            server_time: ServerTime::unknown(),
            // 0 is the server's id for frames that it could not read.
            ids: AtomicU64::new(1),
        };
        (Arc::new(shared), receiver)
    }

    pub(crate) fn next_id(&self) -> u64 {
        self.ids.fetch_add(1, Ordering::Relaxed)
    }
}

impl ConnectionHandle {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self(shared)
    }

    /// Ends when the task has ended.
    pub(crate) async fn ended(&self) {
        self.0.commands.closed().await;
    }

    /// Sends a request and waits for its answer. 6014 where nobody is logged in, 6206 after the UserSig ended, 9508
    /// at once where the server cannot be reached now and when the connection is lost on the way, 6012 at the
    /// deadline. The request is on its way before the future is first polled.
    pub(crate) fn call<C: Call>(
        &self,
        params: &C,
        deadline: Duration,
    ) -> impl Future<Output = Result<C::Reply, ImError>> + Send + use<C> {
        self.ask(params, deadline, None)
    }

    /// Like [`Self::call`], for calls whose answer is also an event: the sync task is given it as such, at its
    /// place among the events, before this future ends.
    pub(crate) fn call_with_event<C>(
        &self,
        params: &C,
        deadline: Duration,
    ) -> impl Future<Output = Result<C::Reply, ImError>> + Send + use<C>
    where
        C: Call,
        C::Reply: Event,
    {
        self.ask(params, deadline, Some(<C::Reply as Event>::NAME))
    }

    /// Sends a message whose answer comes as [`Inbound::SendReply`], at its place among the events. What is meant
    /// for a connection that is gone is passed over in silence: [`Inbound::Disconnected`] says that no reply
    /// comes. An error means that nothing was sent: 9507 where too much waits, 9522 for a packet too large.
    pub(crate) fn send_ordered(&self, connection: ConnectionNumber, message: &SendMessage) -> Result<(), ImError> {
        let waiter = Waiter::Send { message_id: message.id, connection };
        let request = self.request(message, CALL_DEADLINE, waiter)?;
        self.0.commands.try_send(Command::Request(request)).map_err(|refusal| refused(&refusal))
    }

    /// Fails with the code that a request made now would fail with.
    pub(crate) fn check_logged_in(&self) -> Result<(), ImError> {
        match self.0.status.borrow().admission {
            Admission::Refuse(code) if code != Code::NETWORK_DISCONNECTED => Err(code.into()),
            _ => Ok(()),
        }
    }

    /// 6013 once the client is being closed.
    pub(crate) fn check_not_closed(&self) -> Result<(), ImError> {
        if self.0.wishes.borrow().is_closed { Err(closed()) } else { Ok(()) }
    }

    /// Who is logged in.
    pub(crate) fn user(&self) -> Option<UserId> {
        self.0.status.borrow().user.clone()
    }

    /// Whether somebody is logged in.
    pub(crate) fn login_status(&self) -> LoginStatus {
        self.0.status.borrow().login
    }

    /// Tells of each change of the connection as others see it.
    pub(crate) fn watch_status(&self) -> watch::Receiver<Status> {
        self.0.status.subscribe()
    }

    /// The server's time; the device's own until a server was met.
    pub(crate) fn server_time_ms(&self) -> i64 {
        self.0.server_time.now_ms(&self.0.clock)
    }

    /// Opens a session for a user and keeps it up.
    pub(crate) async fn login(&self, credentials: Credentials) -> Result<(), ImError> {
        self.command(|answer| Command::Login(credentials, answer)).await
    }

    /// Ends the session.
    pub(crate) async fn logout(&self) -> Result<(), ImError> {
        self.command(Command::Logout).await
    }

    /// Notes a wish; the task brings it about.
    pub(crate) fn wish(&self, wish: impl FnOnce(&mut Wishes)) {
        self.0.wishes.send_modify(wish);
    }

    /// Waits until the connection is seen as wanted.
    #[cfg(test)]
    pub(crate) async fn status_becomes(&self, wanted: impl Fn(&Status) -> bool) {
        let mut status = self.0.status.subscribe();
        status.wait_for(wanted).await.map(drop).expect("the handle holds the sender");
    }

    fn ask<C: Call>(
        &self,
        params: &C,
        deadline: Duration,
        event: Option<&'static str>,
    ) -> impl Future<Output = Result<C::Reply, ImError>> + Send + use<C> {
        let (answer, answered) = oneshot::channel();
        let asked = self.check_logged_in().and_then(|()| {
            let request = self.request(params, deadline, Waiter::Call { answer, event })?;
            self.0.commands.try_send(Command::Request(request)).map_err(|refusal| refused(&refusal))
        });
        async move {
            asked?;
            let result = answered.await.map_err(|_| closed())??;
            serde_json::from_str(result.get()).map_err(|error| ImError::new(Code::DECODE_FAILED, reason(&error)))
        }
    }

    fn request<C: Call>(&self, params: &C, deadline: Duration, waiter: Waiter) -> Result<Request, ImError> {
        let id = self.0.next_id();
        let frame = encode_call(id, params);
        if frame.len() > PACKET_BYTES_MAX {
            return Err(Code::PACKET_TOO_LARGE.into());
        }
        let span_ms = u64::try_from(deadline.as_millis()).unwrap_or(u64::MAX);
        Ok(Request { id, frame, deadline_ms: self.0.clock.monotonic_ms().saturating_add(span_ms), waiter })
    }

    async fn command(&self, command: impl FnOnce(Answer<()>) -> Command) -> Result<(), ImError> {
        let (answer, answered) = oneshot::channel();
        self.0.commands.send(command(answer)).await.map_err(|_| closed())?;
        answered.await.map_err(|_| closed())?
    }
}

fn refused(refusal: &mpsc::error::TrySendError<Command>) -> ImError {
    match refusal {
        mpsc::error::TrySendError::Full(_) => Code::REQUEST_QUEUE_FULL.into(),
        mpsc::error::TrySendError::Closed(_) => closed(),
    }
}

fn closed() -> ImError {
    Code::NOT_INITIALIZED.into()
}
