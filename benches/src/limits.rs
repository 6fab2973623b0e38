// SPDX-License-Identifier: Apache-2.0
//! What this machine can do at the most, measured in the same run: its disk, batched commits on it, and a WebSocket server
//! that does nothing.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hongyan_protocol::clock::Clock;
use hongyan_protocol::ids::MessageId;
use hongyan_protocol::message::{Element, MessageBody, SendMessage, Target, TextElement};
use hongyan_server::bus::{Bus, SessionId};
use hongyan_server::metrics::Metrics;
use hongyan_server::rooms::{Caller, Rooms, RoomsConfig};

use crate::engine::Engine;
use crate::hongyan::{Hongyan, user_id};
use crate::payload::Stamp;
use crate::report::{MILLISECONDS, PER_SECOND, Report};
use crate::scenario::Sizes;
use crate::socket::broken;
use crate::stats::Times;

/// The name of the figure of one wait for the disk.
pub const FSYNC: &str = "limit: fsync p50";

/// Whose figures those of the server are that does nothing.
pub const BARE: &str = "limit: bare";

/// What is written before each wait for the disk.
const BLOCK: [u8; 4096] = [b'x'; 4096];

/// Messages that wait for the writer: as many as a batch holds while the batch before is stored.
const SUBMITTED_MAX: usize = 2_000;

/// Measures how long the disk takes.
pub fn fsync(folder: &Path, sizes: &Sizes, report: &mut Report) -> io::Result<()> {
    let (mut p50, mut p99) = (Vec::new(), Vec::new());
    let mut file = tempfile::tempfile_in(folder)?;
    for _ in 0..sizes.trials {
        let mut times = fsyncs(&mut file, sizes.length.counted / 5)?;
        let quantiles = times.quantiles();
        p50.push(quantiles.p50_ms);
        p99.push(quantiles.p99_ms);
    }
    report.add(FSYNC, MILLISECONDS, p50);
    report.add("limit: fsync p99", MILLISECONDS, p99);
    Ok(())
}

fn fsyncs(file: &mut File, length: Duration) -> io::Result<Times> {
    let (began, mut times) = (Instant::now(), Times::default());
    while began.elapsed() < length {
        file.write_all(&BLOCK)?;
        let before = Instant::now();
        file.sync_data()?;
        times.push(u64::try_from(before.elapsed().as_micros()).unwrap_or(u64::MAX));
    }
    Ok(times)
}

/// Measures the server's own batches on this disk: its rooms, without sockets and without anybody to deliver to, given
/// messages as fast as they take them.
pub async fn commits(engine: &Engine, folder: &Path, sizes: &Sizes, report: &mut Report) -> io::Result<()> {
    let folder = tempfile::Builder::new().prefix("limit-").tempdir_in(folder)?;
    let (place, _database) = engine.empty_place(folder.path())?;
    let config = RoomsConfig { data_folder: folder.path().to_owned(), store: place, silence_ms_max: i64::MAX };
    let (clock, bus, metrics) = (Clock::system(), Arc::new(Bus::silent()), Metrics::new());
    let rooms = Rooms::open(config, clock, bus, &metrics).await.map_err(failed)?;
    let app = rooms.apps().create("bench").await.map_err(failed)?;
    let hongyan = Hongyan { addr: ([127, 0, 0, 1], 0).into(), app: app.sdk_app_id, key: app.key };
    let mut callers = Vec::new();
    for user in 0..2 * sizes.pairs {
        let session = SessionId::new(user as u64 + 1);
        callers.push(rooms.login(session, hongyan.login(user)).await.map_err(failed)?.caller);
    }
    let mut rates = Vec::new();
    for _ in 0..sizes.trials {
        store(&rooms, &callers, sizes.pairs, sizes.length.warm_up).await?;
        rates.push(store(&rooms, &callers, sizes.pairs, sizes.length.counted).await?);
    }
    rooms.close().await;
    report.add(engine.commits(), PER_SECOND, rates);
    Ok(())
}

/// Messages per second.
async fn store(rooms: &Arc<Rooms>, callers: &[Caller], pairs: usize, length: Duration) -> io::Result<f64> {
    let (began, mut count) = (Instant::now(), 0);
    let mut tickets = std::collections::VecDeque::with_capacity(SUBMITTED_MAX);
    while began.elapsed() < length || !tickets.is_empty() {
        while began.elapsed() < length && tickets.len() < SUBMITTED_MAX {
            let sender = usize::try_from(count).unwrap_or(0) % pairs;
            count += 1;
            let send = message(sender, pairs + sender, count);
            tickets.push_back(rooms.submit_send(&callers[sender], count, send).await.map_err(failed)?);
        }
        if let Some(ticket) = tickets.pop_front() {
            ticket.outcome().await.map_err(failed)?;
        }
    }
    Ok(count as f64 / began.elapsed().as_secs_f64())
}

fn message(sender: usize, receiver: usize, number: u64) -> SendMessage {
    let text = Stamp { sender, number, sent_us: 0 }.text();
    let body = MessageBody { elements: vec![Element::Text(TextElement { text })], ..MessageBody::default() };
    SendMessage { id: MessageId::generate(), to: Target::User(user_id(receiver)), body }
}

fn failed(error: hongyan_server::Error) -> io::Error {
    broken(error.to_string())
}
