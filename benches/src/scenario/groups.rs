// SPDX-License-Identifier: Apache-2.0
//! Groups whose members are all online: one alone, then several at once.

use std::io;

use super::messages::Compared;
use super::{Sizes, connect_all};
use crate::client::{Client, Protocol, To};
use crate::load::{self, Outcome, Sending, Worker};
use crate::report::{Aim, MILLISECONDS, PER_SECOND, Report};

/// The name of the figure of deliveries per second.
pub fn deliveries(who: &str, groups: usize, members: usize) -> String {
    format!("{who} {groups} × group of {members} deliveries")
}

/// Runs the scenario.
pub async fn run<P: Protocol>(protocol: &P, compared: Compared, sizes: &Sizes, report: &mut Report) -> io::Result<()> {
    let members = sizes.members;
    let mut clients = connect_all(protocol, 0..sizes.groups * members).await?;
    for group in 0..sizes.groups {
        let users: Vec<usize> = (group * members..(group + 1) * members).collect();
        for user in &users {
            clients[*user].enter(group, &users).await?;
        }
    }
    let mut workers: Vec<_> = clients
        .into_iter()
        .enumerate()
        .map(|(user, client)| {
            let to = vec![To::Group(user / members)];
            let sending = Sending { to, in_flight: 1, receivers: members as u64 - 1 };
            Worker::new(client, user, (user % members < sizes.writers).then_some(sending))
        })
        .collect();
    let mut counts = vec![1, sizes.groups];
    counts.dedup();
    for groups in counts {
        for (user, worker) in workers.iter_mut().enumerate() {
            worker.set_in_flight(u64::from(user < groups * members));
        }
        let mut outcomes = Vec::with_capacity(sizes.trials);
        for _ in 0..sizes.trials {
            let outcome;
            (workers, outcome) = load::run(workers, sizes.length).await?;
            outcomes.push(outcome);
        }
        tell(compared, groups, sizes, &outcomes, report);
    }
    Ok(())
}

fn tell(compared: Compared, groups: usize, sizes: &Sizes, outcomes: &[Outcome], report: &mut Report) {
    let Compared { who, limit, has_aims } = compared;
    let each = |of: fn(&Outcome) -> f64| outcomes.iter().map(of).collect::<Vec<_>>();
    let of_bare = |name: &str| limit.is_some().then(|| name.replacen(who, crate::limits::BARE, 1));
    let name = deliveries(who, groups, sizes.members);
    let figure = report.add(&name, PER_SECOND, each(|outcome| outcome.deliveries_per_s));
    figure.limit = of_bare(&name);
    if has_aims && groups > 1 {
        figure.aim = Aim::value(150_000.0);
    }
    for (what, of) in [
        ("send to ack p99", (|outcome| outcome.ack.p99_ms) as fn(&Outcome) -> f64),
        ("end to end p50", |outcome| outcome.delivery.p50_ms),
        ("end to end p99", |outcome| outcome.delivery.p99_ms),
    ] {
        let name = format!("{who} {groups} × group of {} {what}", sizes.members);
        report.add(&name, MILLISECONDS, each(of)).limit = of_bare(&name);
    }
    outcomes.iter().for_each(|outcome| report.faults.add(outcome.faults));
}
