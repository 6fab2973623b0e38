// SPDX-License-Identifier: Apache-2.0
//! The binary `hongyan-bench`. `make bench` and `make bench-peers` start it.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use hongyan_bench::bare;
use hongyan_bench::engine::Engine;
use hongyan_bench::host::{ServerProcess, end_process};
use hongyan_bench::mqtt::Mqtt;
use hongyan_bench::report::{Report, tell};
use hongyan_bench::run::{self, BareProcess, Peer, SCENARIOS, Selection};
use hongyan_bench::scenario::Sizes;
use hongyan_bench::xmpp::Xmpp;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

#[derive(Debug, Parser)]
#[command(name = "hongyan-bench", about = "Measures a Hongyan server, and others beside it")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Measure
    Run(Box<RunArgs>),
    /// Be the WebSocket server that does nothing, which the others are held against
    Bare,
}

#[derive(Debug, Args)]
struct RunArgs {
    /// The server's binary
    #[arg(long, value_name = "FILE")]
    server: PathBuf,
    /// A PostgreSQL to measure the server on besides, by the address of one of its databases
    #[arg(long, value_name = "URL", env = "HONGYAN_TEST_POSTGRES")]
    postgres: Option<String>,
    /// Where folders for data are made, on the disk that is measured
    #[arg(long, value_name = "DIR", default_value = "target/bench")]
    folder: PathBuf,
    /// Where the report is written
    #[arg(long, value_name = "FILE", default_value = "target/bench/report.json")]
    report: PathBuf,
    /// Shorter loads over less: for a look while working
    #[arg(long)]
    quick: bool,
    /// Only these
    #[arg(long, value_delimiter = ',', value_parser = SCENARIOS)]
    only: Vec<String>,
    /// Not ours, only the limits and the peers
    #[arg(long)]
    no_server: bool,
    /// An ejabberd to measure beside it; the process of a peer is ended when it has been
    #[arg(long, value_name = "ADDR:PORT,PROCESS", value_parser = parse_peer)]
    ejabberd: Option<Peer>,
    /// A Prosody to measure beside it
    #[arg(long, value_name = "ADDR:PORT,PROCESS", value_parser = parse_peer)]
    prosody: Option<Peer>,
    /// A Mosquitto to measure beside it
    #[arg(long, value_name = "ADDR:PORT,PROCESS", value_parser = parse_peer)]
    mosquitto: Option<Peer>,
    /// Something that cannot be measured here, and why: for table and report
    #[arg(long, value_name = "NAME=TEXT")]
    missing: Vec<String>,
    /// Something to keep in the report, such as the commit
    #[arg(long, value_name = "NAME=TEXT")]
    about: Vec<String>,
}

fn parse_peer(text: &str) -> Result<Peer, String> {
    let (addr, process) = text.split_once(',').ok_or("an address and a process are needed")?;
    let addr = addr.parse().map_err(|error| format!("{addr}: {error}"))?;
    Ok(Peer { addr, process: process.to_owned() })
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Bare => block_on_all(serve_bare()),
        // One thread: the server that is measured needs the other processors.
        Command::Run(args) => tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .and_then(|runtime| runtime.block_on(measure(*args))),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tell(&format!("failed: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn block_on_all(work: impl Future<Output = io::Result<()>>) -> io::Result<()> {
    tokio::runtime::Runtime::new()?.block_on(work)
}

async fn serve_bare() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    tell(&listener.local_addr()?.to_string());
    bare::serve(listener).await
}

async fn measure(args: RunArgs) -> io::Result<()> {
    let sizes = if args.quick { Sizes::quick() } else { Sizes::full() };
    let selection = Selection(args.only.clone());
    let mut report = Report::default();
    for (name, value) in about(&args, &sizes) {
        report.about.insert(name, value);
    }
    for (what, why) in pairs(&args.missing) {
        report.leave_out(what, why.to_owned());
    }
    std::fs::create_dir_all(&args.folder)?;
    let interrupted = interrupted()?;
    let ended = tokio::select! {
        biased;
        name = interrupted => Err(broken_off(name)),
        measured = measure_all(&args, &selection, &sizes, &mut report) => measured,
    };
    if let Err(error) = ended {
        report.leave_out("the rest", error.to_string());
    }
    // What was found before a failure is kept.
    report.compare();
    report.write(&args.report)?;
    tell(&format!("\n{}", report.table()));
    tell(&format!("all of it: {}", args.report.display()));
    if report.left_out.len() > args.missing.len() {
        return Err(io::Error::other("not all of it was measured"));
    }
    if report.faults.is_clean() { Ok(()) } else { Err(io::Error::other("messages were lost, doubled or misordered")) }
}

/// Waits until somebody wants this to end; what it started then ends with it, and its folders are removed.
fn interrupted() -> io::Result<impl Future<Output = &'static str>> {
    let (mut hangup, mut interrupt, mut terminate) =
        (signal(SignalKind::hangup())?, signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! {
            _ = hangup.recv() => "SIGHUP",
            _ = interrupt.recv() => "SIGINT",
            _ = terminate.recv() => "SIGTERM",
        }
    })
}

fn broken_off(signal: &str) -> io::Error {
    io::Error::new(io::ErrorKind::Interrupted, format!("broken off by {signal}"))
}

async fn measure_all(args: &RunArgs, selection: &Selection, sizes: &Sizes, report: &mut Report) -> io::Result<()> {
    let bare = BareProcess::start(&std::env::current_exe()?)?;
    run::limits(&bare.peer(), &args.folder, selection, sizes, report).await;
    drop(bare);
    if !args.no_server {
        run::sdk(&args.folder, selection, sizes, report).await;
        measure_ours(args, selection, sizes, report).await;
    }
    if let Some(at) = &args.ejabberd {
        run::peer(&Xmpp(at.addr), "ejabberd", at, selection, sizes, report).await;
        end_process(&at.process).await;
    }
    if let Some(at) = &args.prosody {
        run::peer(&Xmpp(at.addr), "prosody", at, selection, sizes, report).await;
        end_process(&at.process).await;
    }
    if let Some(at) = &args.mosquitto {
        run::peer(&Mqtt(at.addr), "mosquitto", at, selection, sizes, report).await;
        end_process(&at.process).await;
    }
    Ok(())
}

async fn measure_ours(args: &RunArgs, selection: &Selection, sizes: &Sizes, report: &mut Report) {
    let start = |engine: &Engine| ServerProcess::start(&args.server, &args.folder, engine.make_empty()?);
    let without_growth = SCENARIOS.iter().any(|name| !["growth", "sdk-store"].contains(name) && selection.has(name));
    let engine = Engine::Sqlite;
    if without_growth {
        match start(&engine) {
            Ok(mut host) => run::ours(&mut host, &engine, selection, sizes, report).await,
            Err(error) => report.leave_out(engine.who(), error.to_string()),
        }
    }
    if selection.has("growth") {
        match start(&engine) {
            Ok(host) => run::grown(&host, &engine, sizes, report).await,
            Err(error) => report.leave_out("hongyan growth", error.to_string()),
        }
    }
    if let Some(address) = args.postgres.as_ref().filter(|_| selection.has("messages")) {
        let engine = Engine::Postgres(address.clone());
        let messages = Selection(vec!["messages".to_owned()]);
        match start(&engine) {
            Ok(mut host) => run::ours(&mut host, &engine, &messages, sizes, report).await,
            Err(error) => report.leave_out(engine.who(), error.to_string()),
        }
    }
}

/// The two sides of `NAME=TEXT`.
fn pairs(given: &[String]) -> impl Iterator<Item = (&str, &str)> {
    given.iter().filter_map(|text| text.split_once('='))
}

fn about(args: &RunArgs, sizes: &Sizes) -> Vec<(String, serde_json::Value)> {
    let read = |file: &str| std::fs::read_to_string(file).unwrap_or_default();
    let processor = read("/proc/cpuinfo");
    let processor = processor.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let mut about = vec![
        ("processors".to_owned(), json!(std::thread::available_parallelism().map_or(0, usize::from))),
        ("processor".to_owned(), json!(processor.map(|(_, name)| name))),
        ("kernel".to_owned(), json!(read("/proc/sys/kernel/osrelease").trim())),
        ("sizes".to_owned(), json!(format!("{sizes:?}"))),
        ("load".to_owned(), json!(read("/proc/loadavg").trim())),
    ];
    about.extend(pairs(&args.about).map(|(name, text)| (name.to_owned(), json!(text))));
    about
}
