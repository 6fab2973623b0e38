// SPDX-License-Identifier: Apache-2.0
//! The task that owns the socket. It turns what happens into inputs of the pure step and does what the step says.

use std::collections::VecDeque;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use futures_util::{FutureExt, TryFutureExt};
use hongyan_protocol::account::{Logout, Ping, Platform, Session};
use hongyan_protocol::codes::Code;
use hongyan_protocol::ids::{DeviceId, SdkAppId, UserId};
use rustls::ClientConfig;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::Utf8Bytes;
use tracing::{debug, info, warn};

use crate::client::core::Context;
use crate::connection::address::Address;
use crate::connection::command::{Answer, Command, Credentials};
use crate::connection::handle::{ConnectionNumber, Shared};
use crate::connection::inbox::Inbox;
use crate::connection::pending::Pending;
use crate::connection::socket::Socket;
use crate::connection::state::{Action, Environment, Failure, Input, State};
use crate::connection::status::{Status, Wishes};
use crate::connection::step::step;
use crate::error::ImError;
use crate::runtime;

/// How many frames are read before commands and deadlines are looked at again.
const FRAMES_PER_TURN: usize = 64;

/// What a client says of itself, and to whom.
#[derive(Debug, Clone)]
pub(crate) struct Profile {
    pub(crate) server: Address,
    /// Whom to believe, where the server's address asks for TLS.
    pub(crate) tls: Arc<ClientConfig>,
    pub(crate) sdk_app_id: SdkAppId,
    pub(crate) platform: Platform,
    pub(crate) device_id: DeviceId,
}

/// Something that the task asks of the client around it.
pub(crate) type Hook<A, T> = Box<dyn Fn(A) -> BoxFuture<'static, T> + Send + Sync>;

/// What the task asks of the client around it.
pub(crate) struct Hooks {
    /// Opens a user's store, closes any other; gives where events go.
    pub(crate) prepare: Hook<UserId, Result<Arc<Inbox>, ImError>>,
    /// Closes the store.
    pub(crate) release: Hook<(), ()>,
}

/// The task's own things.
pub(crate) struct Task {
    pub(super) shared: Arc<Shared>,
    pub(super) state: State,
    pub(super) line: Line,
    /// Requests whose answer will come on this socket.
    pub(super) pending: Pending,
    pub(super) inbox: Option<Arc<Inbox>>,
    pub(super) connection: ConnectionNumber,
    /// The session that the server just opened, until it is adopted.
    pub(super) opened: Option<Box<Session>>,
    /// The number of the last push of this session.
    pub(super) last_push: u64,
    pub(super) own: OwnRequests,
    commands: mpsc::Receiver<Command>,
    context: Arc<Context>,
    pub(super) profile: Profile,
    hooks: Hooks,
    /// Requests that wait for the socket that is being made, and their frames in order.
    pub(super) parked: Pending,
    pub(super) parked_frames: VecDeque<(u64, u64, String)>,
    pub(super) credentials: Option<Credentials>,
    pub(super) token: Option<String>,
    pub(super) sig_ends_at_ms: Option<u64>,
    /// What the server last took, while newer credentials are on their way.
    pub(super) kept: Option<Kept>,
    asking: Option<Asking>,
    login: Option<Answer<()>>,
    logout: Option<Answer<()>>,
    /// Opening or closing the store.
    chore: Option<JoinHandle<ChoreDone>>,
    wishes: Wishes,
}

/// The way to the server.
pub(super) enum Line {
    Down,
    Dialing(BoxFuture<'static, Result<Box<Socket>, Failure>>),
    /// `is_adopted`: a session is open on it and the sync task knows.
    Up {
        socket: Box<Socket>,
        is_adopted: bool,
    },
}

/// The ids of the task's own requests.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct OwnRequests {
    pub(super) authenticate: Option<u64>,
    pub(super) ping: Option<u64>,
    pub(super) logout: Option<u64>,
}

/// Credentials that the server took, and what it said of them.
pub(super) struct Kept {
    credentials: Option<Credentials>,
    token: Option<String>,
    sig_ends_at_ms: Option<u64>,
}

/// A call that the step is about to decide on.
enum Asking {
    Login(Credentials, Answer<()>),
    Logout(Answer<()>),
}

/// What became of the store.
enum ChoreDone {
    Prepared(Result<Arc<Inbox>, ImError>),
    Released,
    /// Opening or closing it panicked.
    Broken(ImError),
}

enum Happened {
    Wished,
    Command(Command),
    Dialed(Result<Box<Socket>, Failure>),
    Frame(Result<Utf8Bytes, Failure>),
    Chore(ChoreDone),
    Woke,
}

impl Task {
    pub(crate) fn new(
        (shared, commands): (Arc<Shared>, mpsc::Receiver<Command>),
        context: Arc<Context>,
        profile: Profile,
        hooks: Hooks,
    ) -> Self {
        let wishes = *shared.wishes.borrow();
        Self {
            shared,
            state: State::LoggedOut,
            line: Line::Down,
            pending: Pending::default(),
            inbox: None,
            connection: ConnectionNumber::default(),
            opened: None,
            last_push: 0,
            own: OwnRequests::default(),
            commands,
            context,
            profile,
            hooks,
            parked: Pending::default(),
            parked_frames: VecDeque::new(),
            credentials: None,
            token: None,
            sig_ends_at_ms: None,
            kept: None,
            asking: None,
            login: None,
            logout: None,
            chore: None,
            wishes,
        }
    }

    pub(crate) fn profile(&self) -> &Profile {
        &self.profile
    }

    /// Runs until the client is closed.
    pub(crate) async fn run(mut self) {
        let mut wishes = self.shared.wishes.subscribe();
        // A wish may have been made before the task began.
        wishes.mark_changed();
        while self.state != State::Closed || self.chore.is_some() {
            let wake_at_ms = self.wake_at_ms();
            let clock = self.shared.clock.clone();
            let happened = tokio::select! {
                // The sender lives in `shared`.
                _ = wishes.changed() => Happened::Wished,
                Some(command) = self.commands.recv() => Happened::Command(command),
                happened = self.line.next() => happened,
                done = finished(&mut self.chore) => Happened::Chore(done),
                () = clock.sleep_until(wake_at_ms.unwrap_or(u64::MAX)), if wake_at_ms.is_some() => Happened::Woke,
            };
            self.handle(happened);
        }
    }

    fn wake_at_ms(&self) -> Option<u64> {
        let deadlines = [self.state.wake_at_ms(), self.pending.next_deadline_ms(), self.parked.next_deadline_ms()];
        deadlines.into_iter().flatten().min()
    }

    fn handle(&mut self, happened: Happened) {
        match happened {
            Happened::Wished => self.reconcile(),
            Happened::Command(Command::Login(credentials, answer)) => {
                let is_same_user = self.credentials.as_ref().is_some_and(|own| own.user == credentials.user);
                self.asking = Some(Asking::Login(credentials, answer));
                self.step(Input::Login { is_same_user });
            }
            Happened::Command(Command::Logout(answer)) => {
                self.asking = Some(Asking::Logout(answer));
                self.step(Input::Logout);
            }
            Happened::Command(Command::Request(request)) => self.request(request),
            Happened::Dialed(Ok(socket)) => {
                self.line = Line::Up { socket, is_adopted: false };
                self.step(Input::Dialed);
            }
            Happened::Dialed(Err(failure)) => {
                self.line = Line::Down;
                self.lost(failure);
            }
            Happened::Frame(Ok(frame)) => self.frames(&frame),
            Happened::Frame(Err(failure)) => self.lost(failure),
            Happened::Chore(ChoreDone::Prepared(Ok(inbox))) => {
                self.inbox = Some(inbox);
                self.step(Input::Prepared(Ok(())));
            }
            Happened::Chore(ChoreDone::Prepared(Err(error))) => self.step(Input::Prepared(Err(error))),
            Happened::Chore(ChoreDone::Released) => self.step(Input::Released),
            Happened::Chore(ChoreDone::Broken(error)) => {
                // Whichever of the two the state waits for.
                self.step(Input::Prepared(Err(error)));
                self.step(Input::Released);
            }
            Happened::Woke => self.woke(),
        }
    }

    fn frames(&mut self, first: &Utf8Bytes) {
        self.frame(first);
        for _ in 1..FRAMES_PER_TURN {
            let Line::Up { socket, .. } = &mut self.line else { return };
            match socket.next().now_or_never() {
                Some(Ok(frame)) => self.frame(&frame),
                Some(Err(failure)) => return self.lost(failure),
                None => return,
            }
        }
    }

    fn lost(&mut self, failure: Failure) {
        warn!(code = failure.code.0, detail = failure.detail, "no connection");
        self.step(Input::Lost(failure));
    }

    fn woke(&mut self) {
        let now_ms = self.shared.clock.monotonic_ms();
        let mut expired = self.pending.take_expired(now_ms);
        expired.extend(self.parked.take_expired(now_ms));
        for waiter in expired {
            self.fail(waiter, Code::REQUEST_TIMEOUT);
        }
        self.step(Input::Tick);
    }

    /// Brings about what is wished and not yet so.
    fn reconcile(&mut self) {
        let wishes = *self.shared.wishes.borrow();
        let before = std::mem::replace(&mut self.wishes, wishes);
        if wishes.is_foreground != before.is_foreground {
            self.step(Input::ForegroundChanged);
        }
        if wishes.network_changes != before.network_changes {
            self.step(Input::NetworkChanged);
        }
        if wishes.is_closed {
            self.step(Input::Close);
        }
    }

    pub(super) fn step(&mut self, input: Input) {
        let environment = Environment {
            now_ms: self.shared.clock.monotonic_ms(),
            random: rand::random(),
            is_foreground: self.wishes.is_foreground,
            has_token: self.token.is_some(),
            sig_ends_at_ms: self.sig_ends_at_ms,
            is_renewing: self.kept.is_some(),
        };
        let before = std::mem::discriminant(&self.state);
        let (state, actions) = step(std::mem::replace(&mut self.state, State::Closed), input, &environment);
        self.state = state;
        if std::mem::discriminant(&self.state) != before {
            info!(state = ?self.state, "connection");
        }
        self.publish();
        for action in actions {
            self.act(action);
        }
    }

    /// Shows the state to others, before whoever asked is answered.
    fn publish(&self) {
        let login = self.state.login_status();
        let is_logged_in = login == crate::account::LoginStatus::LoggedIn;
        let user = self.credentials.as_ref().filter(|_| is_logged_in).map(|own| own.user.clone());
        let status = Status { login, user, admission: self.state.admission() };
        self.shared.status.send_if_modified(|shown| {
            let is_changed = *shown != status;
            *shown = status;
            is_changed
        });
    }

    fn act(&mut self, action: Action) {
        debug!(?action, "connection");
        match action {
            Action::RefuseCall(code) => match self.asking.take() {
                Some(Asking::Login(_, answer) | Asking::Logout(answer)) => answered(Some(answer), Err(code.into())),
                None => {}
            },
            Action::AcceptLogin => {
                if let Some(Asking::Login(credentials, answer)) = self.asking.take() {
                    (self.credentials, self.login) = (Some(credentials), Some(answer));
                }
            }
            Action::AcceptLogout => {
                if let Some(Asking::Logout(answer)) = self.asking.take() {
                    self.logout = Some(answer);
                }
            }
            Action::AnswerLogin(outcome) => answered(self.login.take(), outcome),
            Action::AnswerLogout => answered(self.logout.take(), Ok(())),
            Action::Prepare => self.prepare(),
            Action::Release => self.release(),
            Action::Dial => {
                let dialing = Socket::open(self.profile.server.clone(), Arc::clone(&self.profile.tls));
                self.line = Line::Dialing(dialing.map_ok(Box::new).boxed())
            }
            Action::Authenticate(credential) => self.authenticate(credential),
            Action::Adopt => self.adopt(),
            Action::Ping => self.own.ping = self.ask(&Ping {}),
            Action::SendLogout => self.own.logout = self.ask(&Logout {}),
            Action::HangUp(code) => self.hang_up(code),
            Action::FailParked(code) => {
                self.parked_frames.clear();
                for waiter in self.parked.take_all() {
                    self.fail(waiter, code);
                }
            }
            Action::ForgetToken => self.token = None,
            Action::ForgetCredentials => {
                (self.credentials, self.token, self.sig_ends_at_ms, self.kept) = (None, None, None, None);
            }
            Action::KeepCredentials => self.keep_credentials(),
            Action::RestoreCredentials => {
                if let Some(Kept { credentials, token, sig_ends_at_ms }) = self.kept.take() {
                    (self.credentials, self.token, self.sig_ends_at_ms) = (credentials, token, sig_ends_at_ms);
                }
            }
            Action::Tell(event) => self.context.dispatcher.push(event),
        }
    }

    fn keep_credentials(&mut self) {
        let (token, sig_ends_at_ms) = (self.token.take(), self.sig_ends_at_ms.take());
        // Those of a renewal that failed before were never taken.
        self.kept.get_or_insert_with(|| Kept { credentials: self.credentials.clone(), token, sig_ends_at_ms });
    }

    fn prepare(&mut self) {
        let Some(credentials) = &self.credentials else { return };
        let prepared = (self.hooks.prepare)(credentials.user.clone());
        self.inbox = None;
        self.chore(async move { ChoreDone::Prepared(prepared.await) });
    }

    fn release(&mut self) {
        let released = (self.hooks.release)(());
        self.inbox = None;
        self.chore(async move {
            released.await;
            ChoreDone::Released
        });
    }

    /// Starts a chore behind the one that runs, whose outcome is then of no interest.
    fn chore(&mut self, chore: impl Future<Output = ChoreDone> + Send + 'static) {
        let before = self.chore.take();
        self.chore = Some(runtime::spawn(&self.context.log, async move {
            if let Some(before) = before {
                // It ended either way, and how it ended no longer matters.
                let _ = before.await;
            }
            chore.await
        }));
    }
}

impl Line {
    async fn next(&mut self) -> Happened {
        match self {
            Self::Down => std::future::pending().await,
            Self::Dialing(dialing) => Happened::Dialed(dialing.await),
            Self::Up { socket, .. } => Happened::Frame(socket.next().await),
        }
    }
}

async fn finished(chore: &mut Option<JoinHandle<ChoreDone>>) -> ChoreDone {
    let Some(running) = chore else { return std::future::pending().await };
    let done = running.await;
    *chore = None;
    done.unwrap_or_else(|error| ChoreDone::Broken(ImError::new(Code::INTERNAL_ERROR, error.to_string())))
}

pub(super) fn answered<T>(answer: Option<Answer<T>>, outcome: Result<T, ImError>) {
    if let Some(answer) = answer {
        // Whoever asked may have stopped waiting.
        let _ = answer.send(outcome);
    }
}
