// SPDX-License-Identifier: Apache-2.0
//! One-to-one messages: each sender writes to a receiver of its own, all online.

use std::io;

use super::{Sizes, connect_all};
use crate::client::{Client, Protocol, To};
use crate::load::{self, Outcome, Sending, Worker};
use crate::report::{Aim, CPU_MICROSECONDS, MILLISECONDS, PER_SECOND, Report};

/// How many messages each sender keeps on their way.
pub const IN_FLIGHT: [u64; 2] = [1, 10];

/// What the figures of a protocol are called and compared with.
#[derive(Debug, Clone, Copy)]
pub struct Compared {
    /// Whose figures they are.
    pub who: &'static str,
    /// The figure that bounds the messages per second.
    pub limit: Option<&'static str>,
    /// Whether the first aims are this one's.
    pub has_aims: bool,
}

/// What the time of a server's processor is now, where it is known.
pub type Cpu<'a> = &'a (dyn Fn() -> Option<u64> + Sync);

/// The name of the figure of messages per second.
pub fn sends(who: &str, pairs: usize, in_flight: u64) -> String {
    format!("{who} {pairs}×{in_flight} sends")
}

/// Runs the scenario.
pub async fn run<P: Protocol>(
    protocol: &P,
    compared: Compared,
    sizes: &Sizes,
    cpu: Cpu<'_>,
    report: &mut Report,
) -> io::Result<()> {
    let pairs = sizes.pairs;
    let clients = connect_all(protocol, 0..2 * pairs).await?;
    let receivers = protocol.receivers_of_one();
    let mut workers: Vec<_> = clients
        .into_iter()
        .enumerate()
        .map(|(user, client)| {
            let to = Sending { to: vec![To::User(pairs + user)], in_flight: 1, receivers };
            Worker::new(client, user, (user < pairs).then_some(to))
        })
        .collect();
    for in_flight in IN_FLIGHT {
        workers.iter_mut().for_each(|worker| worker.set_in_flight(in_flight));
        let mut outcomes = Vec::with_capacity(sizes.trials);
        let mut costs = Vec::with_capacity(sizes.trials);
        for _ in 0..sizes.trials {
            let before = cpu();
            let outcome;
            (workers, outcome) = load::run(workers, sizes.length).await?;
            costs.extend(before.zip(cpu()).map(|(before, after)| (after - before) as f64 / outcome.acked as f64));
            outcomes.push(outcome);
        }
        tell(compared, pairs, in_flight, &outcomes, costs, report);
    }
    Ok(())
}

fn tell(compared: Compared, pairs: usize, in_flight: u64, outcomes: &[Outcome], costs: Vec<f64>, report: &mut Report) {
    let Compared { who, limit, has_aims } = compared;
    let each = |of: fn(&Outcome) -> f64| outcomes.iter().map(of).collect::<Vec<_>>();
    let load = format!("{who} {pairs}×{in_flight}");
    let figure = report.add(sends(who, pairs, in_flight), PER_SECOND, each(|outcome| outcome.sends_per_s));
    figure.limit = limit.map(str::to_owned);
    if has_aims {
        figure.aim = if in_flight == 1 { Aim::value(6_000.0) } else { Aim::ratio(0.6) };
    }
    let received = each(|outcome| outcome.deliveries_per_s);
    if received.iter().any(|rate| *rate > 0.0) {
        report.add(format!("{load} received"), PER_SECOND, received).limit = limit.map(str::to_owned);
    }
    let fsync = limit.is_some().then(|| crate::limits::FSYNC.to_owned());
    for (name, of) in [
        ("send to ack p50", (|outcome| outcome.ack.p50_ms) as fn(&Outcome) -> f64),
        ("send to ack p99", |outcome| outcome.ack.p99_ms),
        ("send to ack max", |outcome| outcome.ack.max_ms),
        ("end to end p50", |outcome| outcome.delivery.p50_ms),
        ("end to end p99", |outcome| outcome.delivery.p99_ms),
        ("end to end max", |outcome| outcome.delivery.max_ms),
    ] {
        // An echo has no receiver.
        let Some(times) = Some(each(of)).filter(|times| times.iter().any(|time| *time > 0.0)) else { continue };
        let figure = report.add(format!("{load} {name}"), MILLISECONDS, times);
        figure.limit.clone_from(&fsync);
        if has_aims && in_flight == 1 && name.ends_with("p99") {
            figure.aim = Aim::value(25.0);
        }
    }
    if !costs.is_empty() {
        report.add(format!("{load} processor per send"), CPU_MICROSECONDS, costs);
    }
    outcomes.iter().for_each(|outcome| report.faults.add(outcome.faults));
}

/// Sends so many messages to each of some users from one connection, and waits until the server has them.
pub async fn fill<C: Client>(client: &mut C, to: &[To], each: usize, from_number: u64) -> io::Result<()> {
    const ON_WAY_MAX: u64 = 200;
    let count = (to.len() * each) as u64;
    let (mut sent, mut acked) = (0, 0);
    while acked < count {
        while sent < count && sent - acked < ON_WAY_MAX {
            let target = to[usize::try_from(sent).unwrap_or(0) % to.len()];
            let stamp = crate::payload::Stamp { sender: 0, number: sent + 1, sent_us: 0 };
            sent += 1;
            client.send(target, from_number + sent, &stamp.text());
        }
        match client.next().await? {
            crate::client::Event::Acked(_) => acked += 1,
            crate::client::Event::Received(_) => {}
            other => return Err(crate::socket::broken(format!("{other:?} while a log was filled"))),
        }
    }
    Ok(())
}
