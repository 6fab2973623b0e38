// SPDX-License-Identifier: Apache-2.0
//! The order of a run: limits, ours, peers.

use std::io::{self, BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::bare::Bare;
use crate::client::Protocol;
use crate::engine::Engine;
use crate::host::{Host, usage_of};
use crate::limits;
use crate::report::{Report, tell};
use crate::scenario::messages::{self, Compared};
use crate::scenario::{Sizes, catch_up, groups, growth, history, idle, register};
use crate::socket::broken;

/// What is run of all that there is.
#[derive(Debug, Clone, Default)]
pub struct Selection(pub Vec<String>);

/// The names that a selection may hold.
pub const SCENARIOS: [&str; 6] = ["messages", "groups", "history", "catch-up", "idle", "growth"];

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

/// What this machine can do.
pub async fn limits(
    bare: &Peer,
    folder: &Path,
    selection: &Selection,
    sizes: &Sizes,
    report: &mut Report,
) -> io::Result<()> {
    tell("limits of this machine");
    limits::fsync(folder, sizes, report)?;
    // Pages of history are held against its echoes.
    let with_echoes = Selection(selection.0.iter().map(|name| name.replace("history", "messages")).collect());
    peer(&Bare(bare.addr), limits::BARE, bare, &with_echoes, sizes, report).await
}

/// Ours, on a store that holds nothing yet.
pub async fn ours<H: Host>(
    host: &mut H,
    engine: &Engine,
    selection: &Selection,
    sizes: &Sizes,
    report: &mut Report,
) -> io::Result<()> {
    let who = engine.who();
    tell(who);
    let seeded = match selection.has("catch-up") {
        true => Some(catch_up::seed(host.endpoint(), sizes).await?),
        false => None,
    };
    if selection.has("messages") {
        limits::commits(engine, host.folder(), sizes, report).await?;
        let compared = Compared { who, limit: Some(engine.commits()), has_aims: true };
        let cpu = || host.usage().ok().map(|usage| usage.cpu_us);
        messages::run(host.endpoint(), compared, sizes, &cpu, report).await?;
    }
    let compared = Compared { who, limit: Some(limits::BARE), has_aims: true };
    if selection.has("groups") {
        groups::run(host.endpoint(), compared, sizes, report).await?;
    }
    if selection.has("history") {
        history::run(host.endpoint(), sizes, report).await?;
    }
    if let Some(seeded) = seeded {
        catch_up::run(host.endpoint(), &seeded, sizes, report).await?;
    }
    if selection.has("idle") {
        register(host.endpoint(), 0..sizes.idle).await?;
        // What the accounts took is not a connection's; nor may memory that was given back hide what one takes.
        host.restart().await?;
        let rss = || host.usage().map(|usage| usage.rss_bytes);
        idle::run(host.endpoint(), compared, sizes, &rss, report).await?;
    }
    Ok(())
}

/// Ours as it grows, on another store that holds nothing yet.
pub async fn grown<H: Host>(
    host: &H,
    engine: &Engine,
    selection: &Selection,
    sizes: &Sizes,
    report: &mut Report,
) -> io::Result<()> {
    if selection.has("growth") { growth::run(host, engine.who(), sizes, report).await } else { Ok(()) }
}

/// Another server, as far as its protocol goes.
pub async fn peer<P: Protocol>(
    protocol: &P,
    who: &'static str,
    at: &Peer,
    selection: &Selection,
    sizes: &Sizes,
    report: &mut Report,
) -> io::Result<()> {
    tell(who);
    let compared = Compared { who, limit: None, has_aims: false };
    if selection.has("idle") {
        // First, so that no memory that was given back hides what a connection takes.
        let rss = || usage_of(&at.process).map(|usage| usage.rss_bytes);
        idle::run(protocol, compared, sizes, &rss, report).await?;
    }
    if selection.has("messages") {
        messages::run(protocol, compared, sizes, &|| None, report).await?;
    }
    if selection.has("groups") {
        groups::run(protocol, compared, sizes, report).await?;
    }
    Ok(())
}
