// SPDX-License-Identifier: Apache-2.0
//! The bus: how what was committed reaches the sessions that want to hear of it.
//!
//! It carries hints, never the truth: a hint that is lost costs a client one `sync`. The encoded event is
//! inside, so that a hint is mostly enough. Rooms publish while they still hold the writer, so that hints
//! leave in the order of commits; therefore delivering never blocks, waits or fails.

use std::fmt;
use std::sync::Arc;

use hongyan_protocol::ids::{DeviceId, SdkAppId, UserId};

/// One session of one server process: a connection that logged in. Never used again within a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(u64);

impl SessionId {
    /// The session with a number. The gateway counts them; tests make them up.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number itself, for logs.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// The session whose request caused an event. It gets its answer where the others get the push, so that
/// everything of one log arrives on one socket in the log's order.
#[derive(Clone)]
pub struct Origin {
    /// Which session.
    pub session: SessionId,
    /// The id of its request.
    pub request: u64,
    /// The encoded answer, as `frame::encode_reply` wrote it.
    pub reply: String,
}

/// What the sessions of some users should hear.
#[derive(Clone)]
pub enum Hint {
    /// Something happened that these users see.
    Event {
        /// Within which app.
        app: SdkAppId,
        /// Whose sessions hear of it. Shared, because a large group's list serves many hints.
        users: Arc<[UserId]>,
        /// What `frame::encode_event` wrote: encoded once, shared by all who get it.
        event: Arc<str>,
        /// Who gets an answer in place of the push.
        origin: Option<Origin>,
        /// A session that already knows, and gets nothing.
        except: Option<SessionId>,
    },
    /// Logins of a user lost their place to another one, or were ended by the user.
    Kick {
        /// Within which app.
        app: SdkAppId,
        /// Whose.
        user: UserId,
        /// Which devices, each up to and with the epoch of the login that lost: a later login stays.
        devices: Vec<(DeviceId, i64)>,
        /// Why, for a log.
        reason: String,
        /// The session that ended its own login; its answer says so.
        except: Option<SessionId>,
    },
}

/// Without what people write, and what answers them.
impl fmt::Debug for Hint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Event { app, users, event, .. } => {
                let mut shown = f.debug_struct("Event");
                shown.field("app", app).field("users", users).field("bytes", &event.len()).finish_non_exhaustive()
            }
            Self::Kick { app, user, devices, .. } => {
                let mut shown = f.debug_struct("Kick");
                shown.field("app", app).field("user", user).field("devices", devices).finish_non_exhaustive()
            }
        }
    }
}

/// Hands hints to whoever delivers them in this process.
pub struct Bus {
    deliver: Box<dyn Fn(Hint) + Send + Sync>,
}

impl Bus {
    /// A bus that ends in a function. It is called under the writer's lock and must neither block nor publish.
    pub fn new(deliver: impl Fn(Hint) + Send + Sync + 'static) -> Self {
        Self { deliver: Box::new(deliver) }
    }

    /// A bus that nobody listens to, for commands that work beside a running server.
    pub fn silent() -> Self {
        Self::new(drop)
    }

    /// Hands a hint on.
    pub fn publish(&self, hint: Hint) {
        (self.deliver)(hint);
    }
}

impl fmt::Debug for Bus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Bus")
    }
}
