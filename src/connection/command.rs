// SPDX-License-Identifier: Apache-2.0
//! What is asked of the connection's task.

use hongyan_protocol::ids::{MessageId, UserId};
use serde_json::value::RawValue;
use tokio::sync::oneshot;

use crate::connection::handle::ConnectionNumber;
use crate::error::ImError;

/// Where the outcome of a call is awaited.
pub(crate) type Answer<T> = oneshot::Sender<Result<T, ImError>>;

/// What is asked of the connection's task.
#[derive(Debug)]
pub(crate) enum Command {
    /// Open a session and keep it up.
    Login(Credentials, Answer<()>),
    /// End the session.
    Logout(Answer<()>),
    /// Send a request.
    Request(Request),
}

/// Who logs in, with what. Kept in memory only.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Credentials {
    /// Who.
    pub(crate) user: UserId,
    /// The ticket that the app's back end signed.
    pub(crate) user_sig: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").field("user", &self.user).finish_non_exhaustive()
    }
}

/// A request, encoded where it was made.
pub(crate) struct Request {
    /// Its id on the wire.
    pub(crate) id: u64,
    /// The whole frame.
    pub(crate) frame: String,
    /// When it is given up, on the monotonic hand.
    pub(crate) deadline_ms: u64,
    /// Who waits for the answer.
    pub(crate) waiter: Waiter,
}

/// Without the frame, in which a ticket may be.
impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Request").field("id", &self.id).field("waiter", &self.waiter).finish_non_exhaustive()
    }
}

/// Who waits for the answer to a request.
#[derive(Debug)]
pub(crate) enum Waiter {
    /// A call.
    Call {
        /// Where the result goes.
        answer: Answer<Box<RawValue>>,
        /// The event that the result also is for the sync task, at its place among the events.
        event: Option<&'static str>,
    },
    /// The sync task, for a message of the outbox.
    Send {
        /// Which message.
        message_id: MessageId,
        /// The connection it was meant for: on a later one it would overtake what is sent again.
        connection: ConnectionNumber,
    },
}
