// SPDX-License-Identifier: Apache-2.0
//! The ordered way from the socket to the sync task.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::connection::handle::Inbound;

/// How many events may wait.
const EVENTS_MAX: usize = 4096;
/// How many bytes of events may wait.
const EVENT_BYTES_MAX: usize = 8 * 1024 * 1024;

/// A queue whose writer never waits. Events beyond its bounds are dropped and one [`Inbound::PushLost`] stands
/// where they were: the sync task then compares heads, and a server's page costs less than a socket that is not
/// read (the sync task's own calls are answered on it). Replies are always taken, for there are never more than
/// the requests in flight; connections that came and went unseen leave no trace.
#[derive(Default)]
pub(crate) struct Inbox {
    /// Held for a push or a take, never while anything is awaited or called.
    queue: Mutex<Queue>,
    filled: Notify,
}

#[derive(Default)]
struct Queue {
    items: VecDeque<Inbound>,
    events: usize,
    event_bytes: usize,
}

impl Inbox {
    /// Puts something at the end.
    pub(crate) fn push(&self, item: Inbound) {
        self.queue().push(item);
        self.filled.notify_one();
    }

    /// Takes up to `max` of what waits, at least one: waits for it. A dropped future takes nothing. One task
    /// takes at a time.
    pub(crate) async fn take(&self, max: usize) -> Vec<Inbound> {
        loop {
            let filled = self.filled.notified();
            let taken = self.queue().take(max);
            if !taken.is_empty() {
                return taken;
            }
            filled.await;
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn event_bytes(item: &Inbound) -> Option<usize> {
    match item {
        Inbound::Event { data, .. } => Some(data.get().len()),
        _ => None,
    }
}

impl Queue {
    fn push(&mut self, item: Inbound) {
        match &item {
            Inbound::Event { data, .. } => {
                let bytes = data.get().len();
                if self.events >= EVENTS_MAX || self.event_bytes + bytes > EVENT_BYTES_MAX {
                    return self.push(Inbound::PushLost);
                }
                self.events += 1;
                self.event_bytes += bytes;
            }
            Inbound::PushLost if matches!(self.items.back(), Some(Inbound::PushLost)) => return,
            Inbound::Background if matches!(self.items.back(), Some(Inbound::Background)) => return,
            Inbound::Disconnected => {
                // What follows a connection's opening finds what was lost before it.
                while let Some(Inbound::PushLost) = self.items.back() {
                    self.items.pop_back();
                }
                match self.items.back() {
                    Some(Inbound::Disconnected) => return,
                    Some(Inbound::Connected { .. }) => {
                        self.items.pop_back();
                        return;
                    }
                    _ => {}
                }
            }
            _ => {}
        }
        self.items.push_back(item);
    }

    fn take(&mut self, max: usize) -> Vec<Inbound> {
        let taken: Vec<Inbound> = self.items.drain(..max.min(self.items.len())).collect();
        for bytes in taken.iter().filter_map(event_bytes) {
            self.events -= 1;
            self.event_bytes -= bytes;
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use hongyan_protocol::codes::Code;
    use hongyan_protocol::ids::MessageId;
    use serde_json::value::RawValue;

    use super::*;
    use crate::connection::handle::ConnectionNumber;
    use crate::connection::tests::harness::session;

    fn event(bytes: usize) -> Inbound {
        let data = RawValue::from_string(format!("\"{}\"", "a".repeat(bytes))).unwrap();
        Inbound::Event { name: "message".to_owned(), data }
    }

    fn reply() -> Inbound {
        Inbound::SendReply { message_id: MessageId::generate(), outcome: Err(Code::BAD_PARAMETER.into()) }
    }

    fn taken(inbox: &Inbox) -> Vec<Inbound> {
        inbox.take(usize::MAX).now_or_never().unwrap_or_default()
    }

    #[test]
    fn events_beyond_the_bounds_become_one_loss_at_their_place() {
        for (bytes, count) in [(1, 100_000), (100_000, 1_000)] {
            let inbox = Inbox::default();
            for _ in 0..count {
                inbox.push(event(bytes));
            }
            inbox.push(reply());
            inbox.push(event(bytes));
            let taken = taken(&inbox);
            assert!(taken.len() <= EVENTS_MAX + 3);
            assert!(taken.iter().filter_map(event_bytes).sum::<usize>() <= EVENT_BYTES_MAX);
            let [.., before, reply, after] = taken.as_slice() else { panic!("too few") };
            assert!(matches!(before, Inbound::PushLost) && matches!(after, Inbound::PushLost));
            assert!(matches!(reply, Inbound::SendReply { .. }), "a reply is never dropped");
        }
    }

    #[test]
    fn room_that_was_made_is_used_again() {
        let inbox = Inbox::default();
        for _ in 0..3 {
            (0..EVENTS_MAX).for_each(|_| inbox.push(event(1)));
            assert!(taken(&inbox).iter().all(|item| matches!(item, Inbound::Event { .. })));
        }
    }

    #[test]
    fn connections_that_come_and_go_unseen_take_no_room() {
        let inbox = Inbox::default();
        inbox.push(Inbound::Disconnected);
        for number in 0..20_000 {
            let connection = ConnectionNumber(number);
            inbox.push(Inbound::Connected { connection, session: Box::new(session()) });
            inbox.push(Inbound::PushLost);
            inbox.push(Inbound::Disconnected);
        }
        assert_eq!(taken(&inbox).len(), 1);
        for number in 0..20_000 {
            let connection = ConnectionNumber(number);
            inbox.push(Inbound::Connected { connection, session: Box::new(session()) });
            inbox.push(event(1));
            inbox.push(Inbound::Disconnected);
        }
        assert!(taken(&inbox).len() <= 3 * EVENTS_MAX + 1);
    }

    #[tokio::test]
    async fn whoever_takes_waits_for_something() {
        let inbox = std::sync::Arc::new(Inbox::default());
        let taking = tokio::spawn({
            let inbox = std::sync::Arc::clone(&inbox);
            async move { inbox.take(2).await.len() }
        });
        tokio::task::yield_now().await;
        inbox.push(reply());
        assert_eq!(taking.await.unwrap(), 1);
    }
}
