// SPDX-License-Identifier: Apache-2.0
//! What all sessions together may leave waiting in memory.
//!
//! Each queue is bounded, but thousands of clients that do not read would fill thousands of queues. So the bytes of all that
//! waits are counted, as they are held: events, those that many queues share once, and answers, long ones until their last
//! piece is on its way. What is on its way into a socket is not: that little each connection may have. While half of what
//! is allowed waits, who has an unread answer is not read any further. When it is too much, the piles that are large and lie
//! long go until there is room ([`super::registry`]): events are left out, and their clients told to ask; where that is not
//! enough, answers go, which cannot be left out, and so end their session. Who reads has hardly anything waiting, and nothing
//! for long, and so goes last.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::net::TcpStream;

use super::queue::OutFrame;

/// What one place in a queue costs besides the event in it.
pub(super) const ENTRY_BYTES: usize = size_of::<OutFrame>();

/// How much of the budget is in use after room was made, in quarters: there is room for many events then, so that looking for
/// the largest piles of many thousands is rare.
const QUARTERS_AFTER: usize = 3;

/// What the system may hold of one connection that the client's end has no room for yet. By itself it takes megabytes,
/// which no count of the process shows.
#[cfg(any(target_os = "linux", target_os = "android"))]
const UNSENT_BYTES_MAX: u32 = 128 * 1024;

/// Has a connection send at once, and leave what it cannot send in its queue, where it counts.
pub(super) fn prepare_socket(stream: &TcpStream) {
    // A connection whose options cannot be set is slower, or costs more, and is not wrong.
    let _ = stream.set_nodelay(true);
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let _ = socket2::SockRef::from(stream).set_tcp_notsent_lowat(UNSENT_BYTES_MAX);
}

/// The count of what waits.
#[derive(Debug)]
pub(super) struct Budget {
    bytes_max: AtomicUsize,
    held_bytes: AtomicUsize,
}

impl Default for Budget {
    fn default() -> Self {
        Self { bytes_max: AtomicUsize::new(usize::MAX), held_bytes: AtomicUsize::new(0) }
    }
}

impl Budget {
    pub(super) fn set_max(&self, bytes_max: usize) {
        self.bytes_max.store(bytes_max, Ordering::Relaxed);
    }

    pub(super) fn held_bytes(&self) -> usize {
        self.held_bytes.load(Ordering::Relaxed)
    }

    pub(super) fn is_exceeded(&self) -> bool {
        self.held_bytes() > self.bytes_max.load(Ordering::Relaxed)
    }

    /// Whether so much waits that everybody should read what they have before they get more.
    pub(super) fn is_scarce(&self) -> bool {
        self.held_bytes() > self.bytes_max.load(Ordering::Relaxed) / 2
    }

    /// Whether so much has been freed that nothing further need go.
    pub(super) fn has_room(&self) -> bool {
        self.held_bytes() <= self.bytes_max.load(Ordering::Relaxed) / 4 * QUARTERS_AFTER
    }

    pub(super) fn add(&self, bytes: usize) {
        self.held_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn remove(&self, bytes: usize) {
        self.held_bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// An event that queues hold. It counts as long as one of them does.
pub(super) struct Charged {
    text: Arc<str>,
    budget: Arc<Budget>,
}

impl Charged {
    pub(super) fn new(text: &Arc<str>, budget: &Arc<Budget>) -> Arc<Self> {
        budget.add(text.len());
        Arc::new(Self { text: Arc::clone(text), budget: Arc::clone(budget) })
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }
}

impl Drop for Charged {
    fn drop(&mut self) {
        self.budget.remove(self.text.len());
    }
}
