// SPDX-License-Identifier: Apache-2.0
//! Connections that send and receive for a while, in a closed loop: each sender keeps so many messages on their way, and
//! sends the next one when the server has one of them.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::watch;

use crate::client::{Client, Event, To};
use crate::payload::{Faults, Received, Stamp, now_us};
use crate::socket::broken;
use crate::stats::{Quantiles, Times};

/// How long the last messages may take to arrive once nobody sends any more.
const SETTLE_WITHIN: Duration = Duration::from_secs(20);

/// How long a load runs.
#[derive(Debug, Clone, Copy)]
pub struct Length {
    /// Before anything is counted.
    pub warm_up: Duration,
    /// What is counted.
    pub counted: Duration,
}

/// Whom a connection sends to, and how many at once.
#[derive(Debug, Clone)]
pub struct Sending {
    /// In turn.
    pub to: Vec<To>,
    /// Messages on their way at once.
    pub in_flight: u64,
    /// How many receive each of them.
    pub receivers: u64,
}

/// One connection's part in a load. It can take part in several, one after the other.
#[derive(Debug)]
pub struct Worker<C> {
    /// The connection.
    pub client: C,
    user: usize,
    sending: Option<Sending>,
    last_number: u64,
    received: Received,
}

/// What a load came to.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// Acknowledged per second.
    pub sends_per_s: f64,
    /// Received per second.
    pub deliveries_per_s: f64,
    /// From sending to the acknowledgement.
    pub ack: Quantiles,
    /// From sending to the receiver.
    pub delivery: Quantiles,
    /// Acknowledged in all, the warm-up and the end among them.
    pub acked: u64,
    /// What went wrong.
    pub faults: Faults,
}

/// What all connections of a load share.
#[derive(Debug)]
struct Shared {
    count_from_us: u64,
    count_to_us: u64,
    /// Messages that should be received, and those that were, once each.
    expected: AtomicU64,
    received: AtomicU64,
    acked: AtomicU64,
}

#[derive(Debug, Default)]
struct Tally {
    acks: Times,
    deliveries: Times,
    faults: Faults,
}

impl<C: Client> Worker<C> {
    /// A connection that sends, or only listens.
    pub fn new(client: C, user: usize, sending: Option<Sending>) -> Self {
        Self { client, user, sending, last_number: 0, received: Received::default() }
    }

    /// Changes what it does in the next load. Receivers know its messages by their numbers, so it keeps its receivers.
    pub fn set_in_flight(&mut self, in_flight: u64) {
        if let Some(sending) = &mut self.sending {
            sending.in_flight = in_flight;
        }
    }

    /// Goes on behind the numbers that were used for something else.
    pub fn begin_after(&mut self, number: u64) {
        self.last_number = number;
    }

    fn send_one(&mut self, shared: &Shared) {
        let Some(sending) = &self.sending else { return };
        self.last_number += 1;
        let turn = self.last_number - 1;
        let receivers = sending.to.len() as u64;
        let to = sending.to[usize::try_from(turn % receivers).unwrap_or(0)];
        let stamp = Stamp { sender: self.user, number: turn / receivers + 1, sent_us: now_us() };
        shared.expected.fetch_add(sending.receivers, Ordering::Relaxed);
        self.client.send(to, self.last_number, &stamp.text());
    }

    /// Sends until the time is over and all is acknowledged, then listens until it is told to stop.
    async fn run(
        mut self,
        shared: Arc<Shared>,
        done: Done,
        mut stop: watch::Receiver<bool>,
    ) -> io::Result<(Self, Tally)> {
        let mut tally = Tally::default();
        // When each message that is on its way was sent, by its number.
        let mut on_way = std::collections::BTreeMap::new();
        let mut done = Some(done);
        for _ in 0..self.sending.as_ref().map_or(0, |sending| sending.in_flight) {
            self.send_one(&shared);
            on_way.insert(self.last_number, now_us());
        }
        if on_way.is_empty() {
            drop(done.take());
        }
        loop {
            let event = tokio::select! {
                biased;
                event = self.client.next() => event?,
                _ = stop.wait_for(|is_over| *is_over) => return Ok((self, tally)),
            };
            let now = now_us();
            let is_counted = (shared.count_from_us..shared.count_to_us).contains(&now);
            match event {
                Event::Acked(number) => {
                    let Some(sent_us) = on_way.remove(&number) else { continue };
                    shared.acked.fetch_add(1, Ordering::Relaxed);
                    if is_counted {
                        tally.acks.push(now.saturating_sub(sent_us));
                    }
                    if now < shared.count_to_us {
                        self.send_one(&shared);
                        on_way.insert(self.last_number, now);
                    }
                }
                Event::Refused(_) => {
                    tally.faults.refused += 1;
                    return Err(broken("the server refused a message"));
                }
                // One's own, reflected by a room.
                Event::Received(stamp) if stamp.sender == self.user => {}
                Event::Received(stamp) => {
                    let doubled = tally.faults.doubled;
                    self.received.take(stamp, &mut tally.faults);
                    if tally.faults.doubled == doubled {
                        shared.received.fetch_add(1, Ordering::Relaxed);
                    }
                    if is_counted {
                        tally.deliveries.push(now.saturating_sub(stamp.sent_us));
                    }
                }
                Event::Ended => return Err(broken(format!("the connection of user {} ended", self.user))),
            }
            if on_way.is_empty() {
                drop(done.take());
            }
        }
    }
}

/// Held by whoever still has messages on their way.
type Done = tokio::sync::mpsc::Sender<()>;

/// Runs a load over connections and gives them back.
pub async fn run<C: Client>(workers: Vec<Worker<C>>, length: Length) -> io::Result<(Vec<Worker<C>>, Outcome)> {
    let begin_us = now_us();
    let us = |duration: Duration| u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
    let count_from_us = begin_us + us(length.warm_up);
    let shared = Arc::new(Shared {
        count_from_us,
        count_to_us: count_from_us + us(length.counted),
        expected: AtomicU64::new(0),
        received: AtomicU64::new(0),
        acked: AtomicU64::new(0),
    });
    let (stop, stopping) = watch::channel(false);
    let (done, mut all_done) = tokio::sync::mpsc::channel(1);
    let tasks: Vec<_> = workers
        .into_iter()
        .map(|worker| tokio::spawn(worker.run(Arc::clone(&shared), done.clone(), stopping.clone())))
        .collect();
    drop(done);
    // Nobody sends anything here: it ends when the last sender lets go.
    let over = length.warm_up + length.counted + SETTLE_WITHIN;
    let _ = tokio::time::timeout(over, all_done.recv()).await;
    let settled = async {
        while shared.received.load(Ordering::Relaxed) < shared.expected.load(Ordering::Relaxed) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let _ = tokio::time::timeout(SETTLE_WITHIN, settled).await;
    stop.send_replace(true);
    let (mut workers, mut acks, mut deliveries) = (Vec::new(), Times::default(), Times::default());
    let mut outcome = Outcome { acked: shared.acked.load(Ordering::Relaxed), ..Outcome::default() };
    for task in tasks {
        let (worker, tally) = task.await.map_err(io::Error::other)??;
        workers.push(worker);
        acks.append(tally.acks);
        deliveries.append(tally.deliveries);
        outcome.faults.add(tally.faults);
    }
    let (expected, received) = (&shared.expected, &shared.received);
    outcome.faults.lost += expected.load(Ordering::Relaxed).saturating_sub(received.load(Ordering::Relaxed));
    let seconds = length.counted.as_secs_f64();
    outcome.sends_per_s = acks.count() as f64 / seconds;
    outcome.deliveries_per_s = deliveries.count() as f64 / seconds;
    (outcome.ack, outcome.delivery) = (acks.quantiles(), deliveries.quantiles());
    Ok((workers, outcome))
}
