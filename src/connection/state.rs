// SPDX-License-Identifier: Apache-2.0
//! The states of a connection and its pure step: given a state and what happened, the next state and what is
//! to be done. No I/O, no clock, no secrets: the task in `task.rs` holds those and obeys.
//!
//! ```text
//! LoggedOut ── login ──▶ LoggingIn ── session ──▶ Online ◀──▶ Reconnecting
//!     ▲                      │                      │              │
//!     └──── LoggingOut ◀─────┴────── logout ────────┴──────────────┤
//! Kicked, Expired ◀── the server's word ───────────────────────────┘      close: Closed, from everywhere
//! ```

use hongyan_protocol::codes::Code;

use crate::account::LoginStatus;
use crate::connection::status::Admission;
use crate::error::ImError;
use crate::listener::events::EventRef;

/// The connection of a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum State {
    /// Nobody is logged in: never yet, after a logout, or after a login that failed.
    LoggedOut,
    /// `login` runs.
    LoggingIn(LoggingIn),
    /// A session is open.
    Online(Online),
    /// The user is logged in and the session's socket is being made again.
    Reconnecting(Link),
    /// `logout` runs.
    LoggingOut(LoggingOut),
    /// Another device took the place of this one.
    Kicked,
    /// The UserSig has ended.
    Expired,
    /// The client has ended.
    Closed,
}

/// A login on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LoggingIn {
    pub(crate) step: LoginStep,
    /// When the login has failed.
    pub(crate) until_ms: u64,
    /// Why the last attempt failed.
    pub(crate) last_failure: Option<Failure>,
}

/// How far a login is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LoginStep {
    /// The user's store is being opened.
    Preparing,
    /// The socket is being made.
    Linking(Link),
}

/// A socket on its way. Each attempt counts those that failed before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Link {
    /// The next attempt is due later.
    Waiting { failed_attempts: u32, until_ms: u64 },
    /// The socket is being opened.
    Dialing { failed_attempts: u32, until_ms: u64 },
    /// The first frame was sent.
    Authenticating { failed_attempts: u32, until_ms: u64, credential: Credential },
}

/// What the first frame of a connection shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Credential {
    /// `login`
    UserSig,
    /// `resume`
    Token,
}

/// An open session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Online {
    pub(crate) since_ms: u64,
    /// How often it failed before.
    pub(crate) failed_attempts: u32,
    /// How long the server bears silence.
    pub(crate) silence_max_ms: u64,
    pub(crate) heartbeat: Heartbeat,
    /// The server is about to stop and asked to come back after this time.
    pub(crate) away_ms: Option<u64>,
}

/// The heartbeat of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Heartbeat {
    /// The next one is due.
    Due { at_ms: u64 },
    /// One was sent; the socket is dead if nothing comes.
    Awaited { until_ms: u64 },
}

/// How far a logout is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LoggingOut {
    /// The server was told.
    Telling { until_ms: u64 },
    /// The store is being closed.
    Releasing { until_ms: u64 },
}

/// Why an attempt or a connection failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) code: Code,
    pub(crate) detail: String,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Input {
    /// The app asks for a session; of the same user as the one there is, or of another.
    Login { is_same_user: bool },
    /// The app asks to end it.
    Logout,
    /// The app asks to end everything.
    Close,
    /// The store was opened, or could not be.
    Prepared(Result<(), ImError>),
    /// The store was closed.
    Released,
    /// The socket is open.
    Dialed,
    /// The server took the credential.
    Opened { silence_max_ms: u64 },
    /// The server refused the credential.
    Refused { failure: Failure, retry_after_ms: Option<u64> },
    /// The socket could not be opened, or is gone.
    Lost(Failure),
    /// A frame came.
    Received,
    /// The answer to a heartbeat came.
    Ponged,
    /// The server answered the logout.
    LogoutDone,
    /// The server said that another device took the session's place.
    KickedOff,
    /// The server said that the UserSig has ended.
    SigEnded,
    /// The server is about to stop.
    GoingAway { reconnect_after_ms: u64 },
    /// The device's network changed.
    NetworkChanged,
    /// People began or ceased to look at the app: as the environment says.
    ForegroundChanged,
    /// Time passed.
    Tick,
}

/// What a step may look at beside the state.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Environment {
    /// The monotonic hand.
    pub(crate) now_ms: u64,
    /// From 0 to 1.
    pub(crate) random: f64,
    pub(crate) is_foreground: bool,
    /// Whether the last session left a token.
    pub(crate) has_token: bool,
    /// When the UserSig ends, on the monotonic hand, as far as a session told.
    pub(crate) sig_ends_at_ms: Option<u64>,
    /// Whether the credentials are newer than those that the server last took, and these are kept.
    pub(crate) is_renewing: bool,
}

/// What is to be done, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Action {
    /// The call that asked now is answered with a code.
    RefuseCall(Code),
    /// The login that asked now is the one that runs, with its credentials.
    AcceptLogin,
    /// The logout that asked now is the one that runs.
    AcceptLogout,
    /// The login that runs is answered.
    AnswerLogin(Result<(), ImError>),
    /// The logout that runs is answered.
    AnswerLogout,
    /// The user's store is opened, any other closed.
    Prepare,
    /// The store is closed.
    Release,
    /// A socket is opened.
    Dial,
    /// The first frame is sent.
    Authenticate(Credential),
    /// The new session is taken into use.
    Adopt,
    /// A heartbeat is sent.
    Ping,
    /// The server is told that the user logs out.
    SendLogout,
    /// The socket, if there is one, is let go; calls that wait for an answer on it get this code.
    HangUp(Code),
    /// Calls that wait for a connection get this code.
    FailParked(Code),
    /// The token is no longer of use.
    ForgetToken,
    /// UserSig and token are no longer of use, nor are kept ones.
    ForgetCredentials,
    /// UserSig and token are kept until the server takes those that come now.
    KeepCredentials,
    /// The UserSig is of no use; what was kept is used again.
    RestoreCredentials,
    /// Listeners hear of it.
    Tell(EventRef),
}

impl State {
    /// When the next [`Input::Tick`] is due.
    pub(crate) fn wake_at_ms(&self) -> Option<u64> {
        match self {
            Self::LoggingIn(login) => Some(match login.step {
                LoginStep::Preparing => login.until_ms,
                LoginStep::Linking(link) => link.until_ms().min(login.until_ms),
            }),
            Self::Online(online) => Some(match online.heartbeat {
                Heartbeat::Due { at_ms } => at_ms,
                Heartbeat::Awaited { until_ms } => until_ms,
            }),
            Self::Reconnecting(link) => Some(link.until_ms()),
            Self::LoggingOut(LoggingOut::Telling { until_ms } | LoggingOut::Releasing { until_ms }) => Some(*until_ms),
            Self::LoggedOut | Self::Kicked | Self::Expired | Self::Closed => None,
        }
    }

    /// What becomes of a request that is made now.
    pub(crate) fn admission(&self) -> Admission {
        match self {
            Self::Online(_) => Admission::Send,
            // A session that just broke is mostly there again in a moment.
            Self::Reconnecting(
                Link::Waiting { failed_attempts: 0, .. } | Link::Dialing { .. } | Link::Authenticating { .. },
            ) => Admission::Park,
            Self::Reconnecting(Link::Waiting { .. }) => Admission::Refuse(Code::NETWORK_DISCONNECTED),
            Self::LoggedOut | Self::LoggingIn(_) | Self::LoggingOut(_) | Self::Kicked => {
                Admission::Refuse(Code::NOT_LOGGED_IN)
            }
            Self::Expired => Admission::Refuse(Code::USER_SIG_EXPIRED_LOCALLY),
            Self::Closed => Admission::Refuse(Code::NOT_INITIALIZED),
        }
    }

    /// What apps see.
    pub(crate) fn login_status(&self) -> LoginStatus {
        match self {
            Self::LoggingIn(_) => LoginStatus::LoggingIn,
            Self::Online(_) | Self::Reconnecting(_) | Self::LoggingOut(_) => LoginStatus::LoggedIn,
            Self::LoggedOut | Self::Kicked | Self::Expired | Self::Closed => LoginStatus::NotLoggedIn,
        }
    }
}

impl Link {
    pub(crate) fn until_ms(self) -> u64 {
        match self {
            Self::Waiting { until_ms, .. } | Self::Dialing { until_ms, .. } | Self::Authenticating { until_ms, .. } => {
                until_ms
            }
        }
    }

    pub(crate) fn failed_attempts(self) -> u32 {
        match self {
            Self::Waiting { failed_attempts, .. }
            | Self::Dialing { failed_attempts, .. }
            | Self::Authenticating { failed_attempts, .. } => failed_attempts,
        }
    }
}

impl Failure {
    pub(crate) fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into() }
    }

    pub(crate) fn told(&self) -> EventRef {
        EventRef::ConnectFailed { code: self.code, detail: self.detail.clone() }
    }
}

impl From<Code> for Failure {
    fn from(code: Code) -> Self {
        Self::new(code, code.text())
    }
}

impl From<Failure> for ImError {
    fn from(failure: Failure) -> Self {
        Self::new(failure.code, failure.detail)
    }
}
