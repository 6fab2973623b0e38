// SPDX-License-Identifier: Apache-2.0
//! The outbox: how a message gets from this device to the server, once.
//!
//! 1. **Stored before it is sent.** `send_message` writes the message (status sending) and its place in the outbox in
//!    one transaction, and only then wakes the sync task. From here on a kill of the app loses nothing. Calls that run
//!    beside each other are stored in the order in which they were made: each has a [`Turn`].
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
//!    server) pauses the outbox and is tried again; until the queue of that conversation has drained, its messages go one
//!    by one. What was on its way behind the refused one may still be taken, and then stands before it.
//! 6. **A deadline ends it.** [`SEND_DEADLINE`] after the call, on the monotonic clock, a message fails with 9508 (nothing
//!    reached the server) or 6012 (it was on its way: the server may have it). Should its answer
//!    or the message itself come later, it is sent after all, and listeners hear so. Sending it again uses its id, so that
//!    it can never be there twice. The time runs only while the user is logged in: with each login it begins anew.
//! 7. **Without a login nothing is lost.** Whoever waits is told 7009 when the session ends (logout, kicked, expired,
//!    closed); the messages go on at the next login, also after a restart of the app.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use hongyan_protocol::codes::Code;
use hongyan_protocol::frame::WireError;
use hongyan_protocol::ids::{ConversationId, MessageId};
use hongyan_protocol::message::{MessageBody, SendMessage, Target};
use tokio::sync::{Notify, oneshot};

use crate::connection::handle::{ConnectionHandle, ConnectionNumber};
use crate::error::ImError;
use crate::listener::events::ConversationRow;
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
    /// them when the session ends.
    waiters: Mutex<Waiters>,
    /// The end of the last turn that was taken. Held to take one.
    last_turn: Mutex<Option<oneshot::Receiver<()>>>,
}

/// A call's place among those that store messages. It ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    before: Option<oneshot::Receiver<()>>,
    _end: oneshot::Sender<()>,
}

impl Turn {
    /// Waits until the call before has ended its turn.
    pub(crate) async fn comes(&mut self) {
        if let Some(before) = self.before.take() {
            // A turn that was dropped has ended as well.
            let _ = before.await;
        }
    }
}

impl Outbox {
    /// Takes a turn behind all that were taken. To be called before a call is handed to the SDK's threads, which run
    /// calls in any order.
    pub(crate) fn take_turn(&self) -> Turn {
        let (end, ended) = oneshot::channel();
        let before = self.last_turn.lock().unwrap_or_else(PoisonError::into_inner).replace(ended);
        Turn { before, _end: end }
    }

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

    /// Tells everybody that no more will come: the messages stay in the outbox for the next login.
    pub(crate) fn interrupt(&self) {
        self.waiters().clear();
    }

    fn waiters(&self) -> MutexGuard<'_, Waiters> {
        self.waiters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A message that waits.
#[derive(Debug, Clone, Copy)]
struct Queued {
    id: MessageId,
    conversation: ConversationRow,
    /// Nothing while nobody is logged in. It never falls from one position to the next.
    deadline_ms: Option<u64>,
}

/// The sync task's view of the outbox: what waits, what is on its way. It survives nothing; the table does.
#[derive(Debug, Default)]
pub(crate) struct Window {
    /// By position.
    queued: BTreeMap<i64, Queued>,
    positions: HashMap<MessageId, i64>,
    in_flight: HashSet<MessageId>,
    /// Conversations whose messages go one by one, because one was refused and is to be sent again.
    careful: HashSet<ConversationRow>,
    /// Nothing is sent before; 0 where there is no pause.
    pause_until_ms: u64,
    is_logged_in: bool,
}

/// What came of an attempt to send.
#[derive(Debug, Default)]
pub(crate) struct Attempt {
    /// What cannot be sent at all.
    pub(crate) failed: Vec<(MessageId, Code)>,
    /// What had left the table: it arrived or failed already.
    pub(crate) gone: Vec<MessageId>,
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
        let Some(removed) = self.positions.remove(&id).and_then(|position| self.queued.remove(&position)) else {
            return;
        };
        let conversation = removed.conversation;
        if self.careful.contains(&conversation) && !self.queued.values().any(|one| one.conversation == conversation) {
            self.careful.remove(&conversation);
        }
    }

    fn find(&self, id: MessageId) -> Option<&Queued> {
        self.queued.get(self.positions.get(&id)?)
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
        if let Some(conversation) = self.find(id).map(|refused| refused.conversation) {
            self.careful.insert(conversation);
        }
        Verdict::Again
    }

    /// Starts the time of the messages when a user is logged in, and stops it when not.
    pub(crate) fn keep_time(&mut self, is_logged_in: bool, now_ms: u64) {
        if is_logged_in {
            let untimed = self.queued.values_mut().rev().take_while(|queued| queued.deadline_ms.is_none());
            untimed.for_each(|queued| queued.deadline_ms = Some(now_ms + millis(SEND_DEADLINE)));
        } else if self.is_logged_in {
            self.queued.values_mut().for_each(|queued| queued.deadline_ms = None);
        }
        self.is_logged_in = is_logged_in;
    }

    fn first_deadline_ms(&self) -> Option<u64> {
        self.queued.values().next()?.deadline_ms
    }

    /// Takes the messages whose deadline has passed, with the code that each fails with.
    pub(crate) fn expire(&mut self, now_ms: u64) -> Vec<(MessageId, Code)> {
        let is_over = |queued: &&Queued| queued.deadline_ms.is_some_and(|deadline_ms| deadline_ms <= now_ms);
        let expired: Vec<MessageId> = self.queued.values().take_while(is_over).map(|queued| queued.id).collect();
        let code = |id| if self.in_flight.contains(id) { Code::REQUEST_TIMEOUT } else { Code::NETWORK_DISCONNECTED };
        let failed = expired.iter().map(|id| (*id, code(id))).collect();
        for id in expired {
            self.remove(id);
        }
        failed
    }

    /// When the task is to look again though nothing happened.
    pub(crate) fn wake_ms(&self, is_connected: bool) -> Option<u64> {
        let can_resume = is_connected && self.in_flight.len() < self.queued.len() && self.pause_until_ms > 0;
        self.first_deadline_ms().into_iter().chain(can_resume.then_some(self.pause_until_ms)).min()
    }

    /// Learns of what was put into the table since the last time. Its time begins with the next [`Self::keep_time`].
    pub(crate) async fn learn(&mut self, store: &Store) -> Result<(), ImError> {
        let last = self.queued.last_key_value().map_or(0, |(position, _)| *position);
        let mut connection = store.read().await?;
        for (position, id, conversation) in queries::list_outbox(&mut connection, last).await? {
            self.queued.insert(position, Queued { id, conversation, deadline_ms: None });
            self.positions.insert(id, position);
        }
        Ok(())
    }

    /// What may be sent now, first to be sent first.
    pub(super) fn sendable(&self) -> Vec<MessageId> {
        let room = IN_FLIGHT_MAX.saturating_sub(self.in_flight.len());
        if room == 0 {
            return Vec::new();
        }
        let unanswered = self.in_flight.iter().filter_map(|id| self.find(*id)).map(|queued| queued.conversation);
        let mut busy: HashSet<ConversationRow> = unanswered.collect();
        let mut may_go = |queued: &&Queued| {
            let conversation = queued.conversation;
            !self.in_flight.contains(&queued.id) && (!self.careful.contains(&conversation) || busy.insert(conversation))
        };
        self.queued.values().filter(|queued| may_go(queued)).take(room).map(|queued| queued.id).collect()
    }

    /// Sends as many messages as may be on their way.
    pub(crate) async fn send(
        &mut self,
        store: &Store,
        handle: &ConnectionHandle,
        connection: ConnectionNumber,
        now_ms: u64,
    ) -> Result<Attempt, ImError> {
        let mut attempt = Attempt::default();
        if self.pause_until_ms > now_ms {
            return Ok(attempt);
        }
        self.pause_until_ms = 0;
        let next = self.sendable();
        if next.is_empty() {
            return Ok(attempt);
        }
        let mut reader = store.read().await?;
        let rows = queries::list_queued(&mut reader, &next).await?;
        drop(reader);
        if rows.len() < next.len() {
            // Some came back as messages of the log, or failed: they left the table.
            let waiting: HashSet<&str> = rows.iter().map(|row| row.message_id.as_str()).collect();
            let is_gone = |id: &&MessageId| !waiting.contains(id.to_string().as_str());
            attempt.gone = next.iter().filter(is_gone).copied().collect();
        }
        for row in &rows {
            let message = match to_request(row) {
                Ok(message) => message,
                Err((id, code)) => {
                    attempt.failed.extend(id.map(|id| (id, code)));
                    continue;
                }
            };
            match handle.send_ordered(connection, &message) {
                Ok(()) => {
                    self.in_flight.insert(message.id);
                }
                // Nothing after it may go before it.
                Err(error) if error.is_retryable() => {
                    self.pause_until_ms = now_ms + millis(PAUSE);
                    break;
                }
                Err(error) => attempt.failed.push((message.id, error.code())),
            }
        }
        for id in attempt.failed.iter().map(|(id, _)| id).chain(&attempt.gone) {
            self.remove(*id);
        }
        Ok(attempt)
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
