// SPDX-License-Identifier: Apache-2.0
//! What others may know of the connection without asking its task.

use std::sync::atomic::{AtomicI64, Ordering};

use hongyan_protocol::clock::Clock;
use hongyan_protocol::codes::Code;
use hongyan_protocol::ids::UserId;

use crate::account::LoginStatus;

/// What becomes of a request that is made now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admission {
    /// It is sent.
    Send,
    /// It waits for the connection that is being made.
    Park,
    /// It fails.
    Refuse(Code),
}

/// The connection as others see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Status {
    /// Whether a session is wanted.
    pub(crate) login: LoginStatus,
    /// Whose; only while logged in.
    pub(crate) user: Option<UserId>,
    /// What becomes of a request that is made now.
    pub(crate) admission: Admission,
}

/// What the app and the system wish. One loop brings it about; whoever wishes waits for nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wishes {
    /// Whether people look at the app.
    pub(crate) is_foreground: bool,
    /// How often the network changed.
    pub(crate) network_changes: u64,
    /// Whether the client is to end.
    pub(crate) is_closed: bool,
}

/// The server's time, kept as its distance from the monotonic hand: whoever sets the device's wall moves nothing.
#[derive(Debug)]
pub(crate) struct ServerTime(AtomicI64);

const UNKNOWN: i64 = i64::MIN;

impl ServerTime {
    pub(crate) fn unknown() -> Self {
        Self(AtomicI64::new(UNKNOWN))
    }

    /// Takes in what the server said just now.
    pub(crate) fn set(&self, server_ms: i64, clock: &Clock) {
        self.0.store(server_ms.saturating_sub(monotonic_ms(clock)), Ordering::Relaxed);
    }

    /// The server's time now; the device's own until a server was met.
    pub(crate) fn now_ms(&self, clock: &Clock) -> i64 {
        match self.0.load(Ordering::Relaxed) {
            UNKNOWN => clock.now_ms(),
            offset => offset.saturating_add(monotonic_ms(clock)),
        }
    }
}

fn monotonic_ms(clock: &Clock) -> i64 {
    i64::try_from(clock.monotonic_ms()).unwrap_or(i64::MAX)
}
