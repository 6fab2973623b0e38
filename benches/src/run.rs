// SPDX-License-Identifier: Apache-2.0
//! The order of a run: limits, the SDK, ours, peers. Each part stands alone: where one fails or does not end, the report says
//! so, and the others are measured.

use std::io::{self, BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::bare::Bare;
use crate::client::Protocol;
use crate::engine::Engine;
use crate::host::{Host, usage_of};
use crate::limits;
use crate::report::{Report, tell};
use crate::scenario::messages::{self, Compared};
use crate::scenario::{Sizes, catch_up, groups, growth, history, idle, register, sdk_store};
use crate::socket::broken;

/// What is run of all that there is.
#[derive(Debug, Clone, Default)]
pub struct Selection(pub Vec<String>);

/// The names that a selection may hold.
pub const SCENARIOS: [&str; 7] = ["messages", "groups", "history", "catch-up", "idle", "growth", "sdk-store"];

/// How long a part may take. The longest, growth, takes some minutes.
const PART_MAX: Duration = Duration::from_secs(600);

impl Selection {
    /// Whether a scenario is run: all are where none is named.
    pub fn has(&self, name: &str) -> bool {
        self.0.is_empty() || self.0.iter().any(|chosen| chosen == name)
    }
}

/// A process that is measured beside ours: where it listens, and its number.
#[derive(Debug, Clone)]
pub struct Peer {
    /// Its address.
    pub addr: SocketAddr,
    /// Its process, for its memory.
    pub process: String,
}

/// The bare server, in a process of its own.
#[derive(Debug)]
pub struct BareProcess {
    child: Child,
    addr: SocketAddr,
}

impl BareProcess {
    /// Starts it: this very program, told to be it.
    pub fn start(program: &Path) -> io::Result<Self> {
        let mut child = Command::new(program).arg("bare").stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().ok_or_else(|| broken("no output"))?).read_line(&mut line)?;
        let addr = line.trim().parse().map_err(|error| broken(format!("{line}: {error}")))?;
        Ok(Self { child, addr })
    }

    /// It as a peer.
    pub fn peer(&self) -> Peer {
        Peer { addr: self.addr, process: self.child.id().to_string() }
    }
}

impl Drop for BareProcess {
    fn drop(&mut self) {
        // Fails only where it has ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a part. What keeps it from its end goes into the report, and what it had found before stays there.
pub async fn part(
    what: &str,
    within: Duration,
    report: &mut Report,
    work: impl AsyncFnOnce(&mut Report) -> io::Result<()>,
) {
    let why = match tokio::time::timeout(within, work(&mut *report)).await {
        Ok(Ok(())) => return,
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("did not finish within {} s", within.as_secs()),
    };
    report.leave_out(what, why);
}

/// What this machine can do.
pub async fn limits(bare: &Peer, folder: &Path, selection: &Selection, sizes: &Sizes, report: &mut Report) {
    tell("limits of this machine");
    part("limit: fsync", PART_MAX, report, async |report| limits::fsync(folder, sizes, report)).await;
    // Pages of history are held against its echoes.
    let with_echoes = Selection(selection.0.iter().map(|name| name.replace("history", "messages")).collect());
    peer(&Bare(bare.addr), limits::BARE, bare, &with_echoes, sizes, report).await;
}

/// The SDK, on a folder of its own.
pub async fn sdk(folder: &Path, selection: &Selection, sizes: &Sizes, report: &mut Report) {
    if selection.has("sdk-store") {
        tell("the SDK");
        part("sdk store", PART_MAX, report, async |report| sdk_store::run(folder, sizes, report).await).await;
    }
}

/// Ours, on a store that holds nothing yet.
pub async fn ours<H: Host>(host: &mut H, engine: &Engine, selection: &Selection, sizes: &Sizes, report: &mut Report) {
    let who = engine.who();
    tell(who);
    let catch_up_of = format!("{who} catch-up");
    let mut seeded = None;
    if selection.has("catch-up") {
        part(&catch_up_of, PART_MAX, report, async |_| {
            seeded = Some(catch_up::seed(host.endpoint(), sizes).await?);
            Ok(())
        })
        .await;
    }
    if selection.has("messages") {
        part(&format!("{who} messages"), PART_MAX, report, async |report| {
            limits::commits(engine, host.folder(), sizes, report).await?;
            let compared = Compared { who, limit: Some(engine.commits()), has_aims: true };
            let cpu = || host.usage().ok().map(|usage| usage.cpu_us);
            messages::run(host.endpoint(), compared, sizes, &cpu, report).await
        })
        .await;
    }
    let compared = Compared { who, limit: Some(limits::BARE), has_aims: true };
    if selection.has("groups") {
        let work = async |report: &mut Report| groups::run(host.endpoint(), compared, sizes, report).await;
        part(&format!("{who} groups"), PART_MAX, report, work).await;
    }
    if selection.has("history") {
        let work = async |report: &mut Report| history::run(host.endpoint(), sizes, report).await;
        part(&format!("{who} history"), PART_MAX, report, work).await;
    }
    if let Some(seeded) = seeded {
        let work = async |report: &mut Report| catch_up::run(host.endpoint(), &seeded, sizes, report).await;
        part(&catch_up_of, PART_MAX, report, work).await;
    }
    if selection.has("idle") {
        part(&format!("{who} idle"), PART_MAX, report, async |report| {
            register(host.endpoint(), 0..sizes.idle).await?;
            // What the accounts took is not a connection's; nor may memory that was given back hide what one takes.
            host.restart().await?;
            let rss = || host.usage().map(|usage| usage.rss_bytes);
            idle::run(host.endpoint(), compared, sizes, &rss, report).await
        })
        .await;
    }
}

/// Ours as it grows, on another store that holds nothing yet.
pub async fn grown<H: Host>(host: &H, engine: &Engine, sizes: &Sizes, report: &mut Report) {
    let who = engine.who();
    let work = async |report: &mut Report| growth::run(host, who, sizes, report).await;
    part(&format!("{who} growth"), PART_MAX, report, work).await;
}

/// Another server, as far as its protocol goes.
pub async fn peer<P: Protocol>(
    protocol: &P,
    who: &'static str,
    at: &Peer,
    selection: &Selection,
    sizes: &Sizes,
    report: &mut Report,
) {
    tell(who);
    let compared = Compared { who, limit: None, has_aims: false };
    if selection.has("idle") {
        // First, so that no memory that was given back hides what a connection takes.
        let rss = || usage_of(&at.process).map(|usage| usage.rss_bytes);
        let work = async |report: &mut Report| idle::run(protocol, compared, sizes, &rss, report).await;
        part(&format!("{who} idle"), PART_MAX, report, work).await;
    }
    if selection.has("messages") {
        let work = async |report: &mut Report| messages::run(protocol, compared, sizes, &|| None, report).await;
        part(&format!("{who} messages"), PART_MAX, report, work).await;
    }
    if selection.has("groups") {
        let work = async |report: &mut Report| groups::run(protocol, compared, sizes, report).await;
        part(&format!("{who} groups"), PART_MAX, report, work).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::PER_SECOND;

    #[tokio::test]
    async fn a_part_that_fails_or_never_ends_is_told_and_the_next_one_runs() {
        let mut report = Report::default();
        part("broken", PART_MAX, &mut report, async |report| {
            report.add("found before", PER_SECOND, vec![1.0]);
            Err(broken("it hung up"))
        })
        .await;
        part("endless", Duration::ZERO, &mut report, async |_| std::future::pending().await).await;
        part("whole", PART_MAX, &mut report, async |report| {
            report.add("found after", PER_SECOND, vec![2.0]);
            Ok(())
        })
        .await;
        let names: Vec<&str> = report.figures.iter().map(|figure| figure.name.as_str()).collect();
        assert_eq!(names, ["found before", "found after"]);
        assert_eq!(report.left_out.len(), 2);
        let table = report.table();
        assert!(table.contains("broken: it hung up\n") && table.contains("endless: did not finish within 0 s\n"));
    }
}
