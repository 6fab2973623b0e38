// SPDX-License-Identifier: Apache-2.0
//! The outbox: how a message gets from this device to the server, once.
//!
//! 1. **Stored before it is sent.** `send_message` writes the message (status sending) and its place in the outbox in
//!    one transaction, and only then wakes the sync task. From here on a kill of the app loses nothing.
//! 2. **In order, pipelined.** The sync task sends the messages of the outbox by rising position, up to
//!    [`IN_FLIGHT_MAX`] of them unanswered at a time. The server takes the requests of a session in the
//!    order of the socket, so messages of one conversation keep their order.
//! 3. **Answered at its place.** The reply comes to the sync task among the events, at the place that the message has in
//!    its conversation's log. One transaction then moves the message there, marks it sent and takes it
//!    out of the outbox; after it the caller and the listeners hear of it.
//! 4. **Again after a lost connection.** What was not answered is sent again from the lowest position on, with the same
//!    ids. A message that the server had stored gets its first answer again; one that meanwhile came
//!    back as a message of the log (from a page, or from a head) is known to have arrived and is not sent.
//! 5. **A refusal ends it**: status failed, with the server's code. What may pass (limits, failures inside the
//!    server) pauses the outbox and is tried again.
//! 6. **A deadline ends it.** [`SEND_DEADLINE`] after the call, on the monotonic clock, a message fails with 9508 (nothing
//!    reached the server) or 6012 (it was on its way: the server may have it). Should its answer
//!    or the message itself come later, it is sent after all, and listeners hear so. Sending it again uses its id, so that
//!    it can never be there twice.
//! 7. **After a restart** of the app the outbox goes on with fresh deadlines.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use hongyan_protocol::codes::Code;
use hongyan_protocol::frame::WireError;
use hongyan_protocol::ids::{ConversationId, MessageId};
use hongyan_protocol::message::{MessageBody, SendMessage, Target};
use tokio::sync::{Notify, oneshot};

use crate::connection::handle::{ConnectionHandle, ConnectionNumber};
use crate::error::ImError;
use crate::message::limits::{IN_FLIGHT_MAX, PAUSE, SEND_DEADLINE};
use crate::message::queries::{self, QueuedRow};
use crate::store::Store;

/// Who waits for which message, for what becomes of it.
type Waiters = HashMap<MessageId, Vec<oneshot::Sender<Result<(), ImError>>>>;

/// What the callers of `send_message` and the sync task share.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    /// Set when something was put into the outbox.
    pub(crate) filled: Notify,
    /// Held to look or to change it, never over an await. An entry leaves when its message arrives or fails, and all of
    /// them when the client is closed.
    waiters: Mutex<Waiters>,
}

impl Outbox {
    /// Waits for what becomes of a message. To be called before the message is stored.
    pub(crate) fn watch(&self, id: MessageId) -> oneshot::Receiver<Result<(), ImError>> {
        let (sender, receiver) = oneshot::channel();
        self.waiters().entry(id).or_default().push(sender);
        receiver
    }

    /// Tells those who wait for a message.
    pub(crate) fn settle(&self, id: MessageId, outcome: &Result<(), ImError>) {
        for waiter in self.waiters().remove(&id).unwrap_or_default() {
            // Whoever no longer waits does not mind.
            let _ = waiter.send(outcome.clone());
        }
    }

    /// Forgets those of a message's waiters that no longer wait.
    pub(crate) fn forget_closed(&self, id: MessageId) {
        let mut waiters = self.waiters();
        if let Some(of_message) = waiters.get_mut(&id) {
            of_message.retain(|waiter| !waiter.is_closed());
            if of_message.is_empty() {
                waiters.remove(&id);
            }
        }
    }

    /// Tells everybody that no more will come: the messages stay in the outbox for the next time.
    pub(crate) fn close(&self) {
        self.waiters().clear();
    }

    fn waiters(&self) -> MutexGuard<'_, Waiters> {
        self.waiters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A message that waits.
#[derive(Debug, Clone, Copy)]
struct Queued {
    position: i64,
    id: MessageId,
    deadline_ms: u64,
}

/// The sync task's view of the outbox: what waits, what is on its way. It survives nothing; the table does.
#[derive(Debug, Default)]
pub(crate) struct Window {
    /// By rising position.
    queued: VecDeque<Queued>,
    in_flight: HashSet<MessageId>,
    /// Nothing is sent before; 0 where there is no pause.
    pause_until_ms: u64,
}

/// What the sync task does with the answer to a message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing further: it will be sent again.
    Again,
    /// It failed.
    Failed(Code),
}

impl Window {
    /// Forgets what was on its way: the connection is gone.
    pub(crate) fn disconnect(&mut self) {
        self.in_flight.clear();
        self.pause_until_ms = 0;
    }

    /// Forgets a message that arrived or failed.
    pub(crate) fn remove(&mut self, id: MessageId) {
        self.in_flight.remove(&id);
        self.queued.retain(|queued| queued.id != id);
    }

    /// Takes in a refusal, or that no answer came in time.
    pub(crate) fn refuse(&mut self, id: MessageId, error: &WireError, now_ms: u64) -> Verdict {
        if !error.code.is_retryable() {
            return Verdict::Failed(error.code);
        }
        // What was not sent yet waits with it, so that it does not overtake.
        let pause_ms = error.retry_after_ms.and_then(|ms| u64::try_from(ms).ok());
        let pause_ms = pause_ms.unwrap_or_else(|| millis(PAUSE)).min(millis(SEND_DEADLINE));
        self.pause_until_ms = now_ms.saturating_add(pause_ms);
        self.in_flight.remove(&id);
        Verdict::Again
    }

    /// Takes the messages whose deadline has passed, with the code that each fails with.
    pub(crate) fn expire(&mut self, now_ms: u64) -> Vec<(MessageId, Code)> {
        let expired: Vec<MessageId> =
            self.queued.iter().filter(|queued| queued.deadline_ms <= now_ms).map(|queued| queued.id).collect();
        let code = |id| if self.in_flight.contains(id) { Code::REQUEST_TIMEOUT } else { Code::NETWORK_DISCONNECTED };
        let failed = expired.iter().map(|id| (*id, code(id))).collect();
        for id in expired {
            self.remove(id);
        }
        failed
    }

    /// When the task is to look again though nothing happened.
    pub(crate) fn wake_ms(&self, is_connected: bool) -> Option<u64> {
        let deadline = self.queued.iter().map(|queued| queued.deadline_ms).min();
        let can_resume = is_connected && self.in_flight.len() < self.queued.len() && self.pause_until_ms > 0;
        deadline.into_iter().chain(can_resume.then_some(self.pause_until_ms)).min()
    }

    /// Learns of what was put into the table since the last time.
    pub(crate) async fn learn(&mut self, store: &Store, now_ms: u64) -> Result<(), ImError> {
        let last = self.queued.back().map_or(0, |queued| queued.position);
        let mut connection = store.read().await?;
        for (position, id) in queries::list_outbox_ids(&mut connection, last).await? {
            self.queued.push_back(Queued { position, id, deadline_ms: now_ms + millis(SEND_DEADLINE) });
        }
        Ok(())
    }

    /// Sends as many messages as may be on their way. Those that cannot be sent at all are given back.
    pub(crate) async fn send(
        &mut self,
        store: &Store,
        handle: &ConnectionHandle,
        connection: ConnectionNumber,
        now_ms: u64,
    ) -> Result<Vec<(MessageId, Code)>, ImError> {
        let mut refused = Vec::new();
        if self.pause_until_ms > now_ms {
            return Ok(refused);
        }
        self.pause_until_ms = 0;
        let room = IN_FLIGHT_MAX.saturating_sub(self.in_flight.len());
        let next: Vec<MessageId> =
            self.queued.iter().map(|queued| queued.id).filter(|id| !self.in_flight.contains(id)).take(room).collect();
        if next.is_empty() {
            return Ok(refused);
        }
        let mut reader = store.read().await?;
        let rows = queries::list_queued(&mut reader, &next).await?;
        drop(reader);
        if rows.len() < next.len() {
            // Some came back as messages of the log: they have arrived and left the table.
            let waiting: HashSet<&str> = rows.iter().map(|row| row.message_id.as_str()).collect();
            let is_gone = |id: &MessageId| !waiting.contains(id.to_string().as_str());
            next.iter().filter(|id| is_gone(id)).for_each(|id| self.remove(*id));
        }
        for row in &rows {
            let message = match to_request(row) {
                Ok(message) => message,
                Err((id, code)) => {
                    refused.extend(id.map(|id| (id, code)));
                    continue;
                }
            };
            match handle.send_ordered(connection, &message) {
                Ok(()) => {
                    self.in_flight.insert(message.id);
                }
                Err(error) if error.is_retryable() => {
                    self.pause_until_ms = now_ms + millis(PAUSE);
                    break;
                }
                Err(error) => refused.push((message.id, error.code())),
            }
        }
        for (id, _) in &refused {
            self.remove(*id);
        }
        Ok(refused)
    }
}

fn millis(span: std::time::Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// Makes the request of a stored message.
fn to_request(row: &QueuedRow) -> Result<SendMessage, (Option<MessageId>, Code)> {
    let id = MessageId::parse(&row.message_id).map_err(|error| (None, error.code))?;
    let conversation = ConversationId::parse(&row.conversation_id).map_err(|error| (Some(id), error.code))?;
    let body: MessageBody = serde_json::from_str(&row.body).map_err(|_| (Some(id), Code::ENCODE_FAILED))?;
    Ok(SendMessage { id, to: target(conversation), body })
}

/// How a request names a conversation.
pub(crate) fn target(conversation: ConversationId) -> Target {
    match conversation {
        ConversationId::C2c(user) => Target::User(user),
        ConversationId::Group(group) => Target::Group(group),
    }
}
