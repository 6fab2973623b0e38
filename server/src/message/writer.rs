// SPDX-License-Identifier: Apache-2.0
//! The writer: one task that stores sends in the order in which they were submitted.
//!
//! It takes all that waits into one operation with one statement per table. Idle, a send is stored at once; while the
//! disk is busy the next batch grows by itself. A batch that fails is tried again one by one, so that nobody pays for
//! another's message.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use hongyan_protocol::clock::Clock;
use hongyan_protocol::codes::Code;
use hongyan_protocol::message::{SendMessage, SentMessage};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::batch::Batcher;
use super::ledger::EncodedBody;
use super::limits::{BATCH_MAX, QUEUE_MAX};
use super::metrics::SendMetrics;
use crate::bus::Bus;
use crate::error::Error;
use crate::metrics::Metrics;
use crate::rooms::Caller;
use crate::store::Store;

/// How a sender gets its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivered {
    /// The answer left with the hint, as the [`crate::bus::Origin`] of the message's event.
    ByHint,
    /// The message was stored before; this is what was answered then.
    Reply(SentMessage),
}

/// A send that waits for its commit.
#[derive(Debug)]
pub struct SendTicket {
    answer: oneshot::Receiver<Result<Delivered, Error>>,
}

impl SendTicket {
    /// Waits for the message to be durable. Dropping it does not take the message back.
    pub async fn outcome(self) -> Result<Delivered, Error> {
        self.answer.await.map_err(|_| stopped())?
    }
}

fn stopped() -> Error {
    Error::new(Code::ACCOUNT_INTERNAL_ERROR, "the server is stopping")
}

/// A message that was submitted.
pub(crate) struct Pending {
    pub(crate) caller: Caller,
    /// The id of the request, for the answer.
    pub(crate) request: u64,
    pub(crate) send: SendMessage,
    pub(crate) encoded: EncodedBody,
}

type Answer = oneshot::Sender<Result<Delivered, Error>>;

pub(crate) struct Writer {
    /// Gone once the writer closes. A plain mutex: the sender is cloned out of it.
    queue: Mutex<Option<mpsc::Sender<(Pending, Answer)>>>,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl Writer {
    pub(crate) fn start(store: Arc<Store>, clock: Clock, bus: Arc<Bus>, metrics: &Metrics) -> Self {
        let (queue, submitted) = mpsc::channel(QUEUE_MAX);
        metrics.gauge_of("hongyan_send_queue_sends", "Sends that wait for the writer.", {
            // Held weakly: the writer ends when the last of those who submit is gone.
            let queue = queue.downgrade();
            move || queue.upgrade().map_or(0, |queue| queue.max_capacity() - queue.capacity())
        });
        let metrics = SendMetrics::new(metrics);
        let guard = store.guard();
        let batcher = Arc::new(Batcher::new(store, clock, bus));
        let task = tokio::spawn(async move {
            let _guard = guard;
            run(batcher, submitted, metrics).await;
        });
        Self { queue: Mutex::new(Some(queue)), task: Mutex::new(Some(task)) }
    }

    pub(crate) async fn submit(&self, caller: Caller, request: u64, send: SendMessage) -> Result<SendTicket, Error> {
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner).clone().ok_or_else(stopped)?;
        let encoded = EncodedBody::new(&send.to, &send.body);
        let (answer, ticket) = oneshot::channel();
        let pending = Pending { caller, request, send, encoded };
        queue.send((pending, answer)).await.map_err(|_| stopped())?;
        Ok(SendTicket { answer: ticket })
    }

    pub(crate) async fn close(&self) {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).take();
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(task) = task
            && let Err(error) = task.await
        {
            tracing::error!(%error, "the writer ended badly");
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if let Some(task) = self.task.lock().unwrap_or_else(PoisonError::into_inner).take() {
            task.abort();
        }
    }
}

async fn run(batcher: Arc<Batcher>, mut submitted: mpsc::Receiver<(Pending, Answer)>, metrics: SendMetrics) {
    let mut waiting = Vec::with_capacity(BATCH_MAX);
    while submitted.recv_many(&mut waiting, BATCH_MAX).await > 0 {
        let (batch, answers): (Vec<Pending>, Vec<Answer>) = waiting.drain(..).unzip();
        let outcomes = match store(&batcher, &batch, &metrics).await {
            Ok(outcomes) => outcomes,
            Err(error) if batch.len() == 1 => vec![Err(error)],
            // Tried one by one they would all fare the same, each after a wait behind the others.
            Err(error) if error.is_for_everybody() => {
                tracing::warn!(%error, sends = batch.len(), "a batch of sends was not stored");
                batch.iter().map(|_| Err(error.to_wire().into())).collect()
            }
            Err(error) => {
                tracing::warn!(%error, sends = batch.len(), "a batch of sends failed; trying one by one");
                store_one_by_one(&batcher, &batch, &metrics).await
            }
        };
        for (answer, outcome) in answers.into_iter().zip(outcomes) {
            metrics.ended(&outcome);
            // Whoever gave up on its ticket has its message stored all the same.
            let _ = answer.send(outcome);
        }
    }
}

/// Stores sends as one batch, which counts where it is durable.
async fn store(
    batcher: &Arc<Batcher>,
    batch: &[Pending],
    metrics: &SendMetrics,
) -> Result<Vec<Result<Delivered, Error>>, Error> {
    let begun = Instant::now();
    let outcomes = Batcher::store(batcher, batch).await?;
    metrics.batch_stored(begun, batch.len());
    Ok(outcomes)
}

async fn store_one_by_one(
    batcher: &Arc<Batcher>,
    batch: &[Pending],
    metrics: &SendMetrics,
) -> Vec<Result<Delivered, Error>> {
    let mut outcomes = Vec::with_capacity(batch.len());
    for pending in batch {
        let stored = store(batcher, std::slice::from_ref(pending), metrics).await;
        outcomes.push(stored.and_then(|mut outcome| outcome.pop().unwrap_or_else(|| Err(stopped()))));
    }
    outcomes
}
