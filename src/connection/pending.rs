// SPDX-License-Identifier: Apache-2.0
//! Requests that wait for their answer. An entry leaves on its answer, at its deadline, when the connection is
//! lost and when the client is closed; each way gives the waiter back, so that it is told.

use std::collections::{BTreeSet, HashMap};

use crate::connection::command::Waiter;

/// How many requests may wait. Beyond it a request is refused (9507).
pub(crate) const PENDING_MAX: usize = 1_000;

/// Requests that wait for their answer, by their id on the wire.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    entries: HashMap<u64, (u64, Waiter)>,
    /// (deadline, id)
    deadlines: BTreeSet<(u64, u64)>,
}

impl Pending {
    pub(crate) fn is_full(&self) -> bool {
        self.entries.len() >= PENDING_MAX
    }

    pub(crate) fn insert(&mut self, id: u64, deadline_ms: u64, waiter: Waiter) {
        self.entries.insert(id, (deadline_ms, waiter));
        self.deadlines.insert((deadline_ms, id));
    }

    /// Who waits for an answer that came.
    pub(crate) fn take(&mut self, id: u64) -> Option<Waiter> {
        let (deadline_ms, waiter) = self.entries.remove(&id)?;
        self.deadlines.remove(&(deadline_ms, id));
        Some(waiter)
    }

    /// Who has waited too long.
    pub(crate) fn take_expired(&mut self, now_ms: u64) -> Vec<Waiter> {
        let mut expired = Vec::new();
        while let Some((deadline_ms, id)) = self.deadlines.first().copied()
            && deadline_ms <= now_ms
        {
            expired.extend(self.take(id));
        }
        expired
    }

    /// Everybody who waits.
    pub(crate) fn take_all(&mut self) -> Vec<Waiter> {
        self.deadlines.clear();
        self.entries.drain().map(|(_, (_, waiter))| waiter).collect()
    }

    pub(crate) fn next_deadline_ms(&self) -> Option<u64> {
        self.deadlines.first().map(|(deadline_ms, _)| *deadline_ms)
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    fn waiter() -> Waiter {
        Waiter::Call { answer: oneshot::channel().0, event: None }
    }

    #[test]
    fn an_entry_leaves_on_its_answer_once() {
        let mut pending = Pending::default();
        pending.insert(1, 30, waiter());
        assert!(pending.take(1).is_some());
        assert!(pending.take(1).is_none());
        assert_eq!(pending.next_deadline_ms(), None);
    }

    #[test]
    fn entries_leave_at_their_deadline() {
        let mut pending = Pending::default();
        for (id, deadline_ms) in [(1, 30), (2, 10), (3, 10), (4, 20)] {
            pending.insert(id, deadline_ms, waiter());
        }
        assert_eq!(pending.next_deadline_ms(), Some(10));
        assert_eq!(pending.take_expired(9).len(), 0);
        assert_eq!(pending.take_expired(20).len(), 3);
        assert_eq!(pending.next_deadline_ms(), Some(30));
    }

    #[test]
    fn all_entries_leave_when_the_connection_does() {
        let mut pending = Pending::default();
        for id in 0..100 {
            pending.insert(id, id, waiter());
        }
        assert_eq!(pending.take_all().len(), 100);
        assert_eq!((pending.next_deadline_ms(), pending.take_expired(u64::MAX).len()), (None, 0));
    }
}
