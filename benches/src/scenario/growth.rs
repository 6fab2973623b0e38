// SPDX-License-Identifier: Apache-2.0
//! What a send costs as a store grows: by stored messages, and by the conversations that its users have.

use std::io;
use std::time::Duration;

use super::messages::fill;
use super::{Sizes, connect_all, register};
use crate::client::{Client, To};
use crate::host::Host;
use crate::load::{self, Length, Sending, Worker};
use crate::report::{CPU_MICROSECONDS, MILLISECONDS, PER_SECOND, Report};

/// How many users each sender writes to in turn while the store fills.
const PEERS: usize = 20;

/// Messages that each sender keeps on their way while it fills.
const FILL_IN_FLIGHT: u64 = 20;

/// Users with many conversations, and messages that each keeps on their way.
const OWNERS: usize = 5;
const OWNERS_IN_FLIGHT: u64 = 10;

/// The first of them, who is nobody of the others.
const FIRST_OWNER: usize = 300_000;

/// Runs the scenario on a store that holds nothing yet.
pub async fn run<H: Host>(host: &H, who: &'static str, sizes: &Sizes, report: &mut Report) -> io::Result<()> {
    by_messages(host, who, sizes, report).await?;
    by_conversations(host, who, sizes, report).await
}

async fn by_messages<H: Host>(host: &H, who: &str, sizes: &Sizes, report: &mut Report) -> io::Result<()> {
    let hongyan = host.endpoint();
    let pairs = sizes.pairs;
    // Who receives is away: only what storing costs is asked for.
    register(hongyan, pairs..pairs + pairs * PEERS).await?;
    let clients = connect_all(hongyan, 0..pairs).await?;
    let mut workers: Vec<_> = clients
        .into_iter()
        .enumerate()
        .map(|(user, client)| {
            let to = (0..PEERS).map(|peer| To::User(pairs + user * PEERS + peer)).collect();
            Worker::new(client, user, Some(Sending { to, in_flight: FILL_IN_FLIGHT, receivers: 0 }))
        })
        .collect();
    let mut stored = 0;
    let mut baseline = None;
    for level in &sizes.stored {
        workers.iter_mut().for_each(|worker| worker.set_in_flight(FILL_IN_FLIGHT));
        while stored < *level {
            let piece = Length { warm_up: Duration::ZERO, counted: Duration::from_millis(200) };
            let outcome;
            (workers, outcome) = load::run(workers, piece).await?;
            stored += outcome.acked;
        }
        workers.iter_mut().for_each(|worker| worker.set_in_flight(1));
        let label = format!("{who} {level} messages stored");
        workers = measure(host, workers, sizes, &label, &mut baseline, &mut stored, report).await?;
    }
    Ok(())
}

async fn by_conversations<H: Host>(host: &H, who: &str, sizes: &Sizes, report: &mut Report) -> io::Result<()> {
    let hongyan = host.endpoint();
    let most = sizes.per_user.iter().copied().max().unwrap_or(0);
    register(hongyan, 0..most).await?;
    let mut baseline = None;
    for count in &sizes.per_user {
        let mut clients = connect_all(hongyan, FIRST_OWNER..FIRST_OWNER + OWNERS).await?;
        let to: Vec<To> = (0..*count).map(To::User).collect();
        for client in &mut clients {
            fill(client, &to, 1, 0).await?;
        }
        let mut workers = Vec::new();
        for (index, client) in clients.into_iter().enumerate() {
            let sending = Sending { to: to.clone(), in_flight: OWNERS_IN_FLIGHT, receivers: 0 };
            let mut worker = Worker::new(client, FIRST_OWNER + index, Some(sending));
            worker.begin_after(*count as u64);
            workers.push(worker);
        }
        let label = format!("{who} {count} conversations per user");
        measure(host, workers, sizes, &label, &mut baseline, &mut 0, report).await?;
    }
    Ok(())
}

/// Measures sends at one size. The first size is what the later ones are compared with.
async fn measure<C: Client, H: Host>(
    host: &H,
    mut workers: Vec<Worker<C>>,
    sizes: &Sizes,
    label: &str,
    baseline: &mut Option<String>,
    stored: &mut u64,
    report: &mut Report,
) -> io::Result<Vec<Worker<C>>> {
    let (mut rates, mut p99, mut costs) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..sizes.trials {
        let before = host.usage()?.cpu_us;
        let outcome;
        (workers, outcome) = load::run(workers, sizes.length).await?;
        costs.push((host.usage()?.cpu_us - before) as f64 / outcome.acked as f64);
        rates.push(outcome.sends_per_s);
        p99.push(outcome.ack.p99_ms);
        *stored += outcome.acked;
        report.faults.add(outcome.faults);
    }
    report.add(format!("{label}: sends"), PER_SECOND, rates);
    report.add(format!("{label}: send to ack p99"), MILLISECONDS, p99);
    let name = format!("{label}: processor per send");
    let first = baseline.get_or_insert_with(|| name.clone()).clone();
    let figure = report.add(&name, CPU_MICROSECONDS, costs);
    figure.limit = (first != name).then_some(first);
    Ok(workers)
}
