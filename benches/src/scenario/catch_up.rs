// SPDX-License-Identifier: Apache-2.0
//! A user with very many conversations comes back: to a new device, and to one that was away while some of them went on.

use std::io;
use std::time::{Duration, Instant};

use hongyan_protocol::conversation::Head;
use hongyan_protocol::ids::Version;
use hongyan_protocol::limits::{HEADS_PER_PAGE_MAX, SYNC_PROBES_MAX};
use hongyan_protocol::sync::{Probe, Sync, SyncPage};

use super::messages::fill;
use super::{Sizes, register};
use crate::client::{Protocol, To};
use crate::hongyan::{Hongyan, HongyanClient};
use crate::report::{Aim, MILLISECONDS, Report};
use crate::socket::broken;

/// Who comes back. Nobody of the other scenarios, so that nothing else happens to its conversations.
const READER: usize = 500_000;

/// The conversations of a user, as they were made.
#[derive(Debug)]
pub struct Seeded {
    at: Instant,
}

/// Gives the reader its conversations, each with a message.
pub async fn seed(hongyan: &Hongyan, sizes: &Sizes) -> io::Result<Seeded> {
    let peers = peers(sizes.conversations);
    register(hongyan, peers.clone()).await?;
    let mut client = hongyan.connect(READER, None).await?;
    fill(&mut client, &peers.map(To::User).collect::<Vec<_>>(), 1, 0).await?;
    Ok(Seeded { at: Instant::now() })
}

fn peers(count: usize) -> std::ops::Range<usize> {
    READER + 1..READER + 1 + count
}

/// Runs the scenario, once the conversations have rested.
pub async fn run(hongyan: &Hongyan, seeded: &Seeded, sizes: &Sizes, report: &mut Report) -> io::Result<()> {
    tokio::time::sleep(sizes.rest.saturating_sub(seeded.at.elapsed())).await;
    let (mut fresh, mut back) = (Vec::new(), Vec::new());
    // In each trial the same ones change, so that those of the trial before are no others.
    for _ in 0..sizes.trials {
        let began = Instant::now();
        let (mut client, device, session) = hongyan.session(READER).await?;
        let all = sync(&mut client, None, Version::default(), Vec::new()).await?;
        fresh.push(ms(began.elapsed()));
        expect(all.heads.len() == sizes.conversations, || format!("{} heads of all", all.heads.len()))?;
        drop(client);

        let (mut client, _) = hongyan.resume(READER, device, &session.resume_token).await?;
        let held = sync(&mut client, None, Version::default(), Vec::new()).await?;
        drop(client);
        for peer in peers(sizes.changed) {
            let mut client = hongyan.connect(peer, None).await?;
            fill(&mut client, &[To::User(READER)], 1, 0).await?;
        }
        let probes = held.heads.iter().take(SYNC_PROBES_MAX);
        let probes = probes.map(|head| Probe { log: head.state.log, max_seq: head.max_seq }).collect();
        let began = Instant::now();
        let (mut client, _) = hongyan.resume(READER, device, &session.resume_token).await?;
        let news = sync(&mut client, Some(held.server_ms), held.version, probes).await?;
        back.push(ms(began.elapsed()));
        let is_right =
            if sizes.rest.is_zero() { news.heads.len() >= sizes.changed } else { news.heads.len() == sizes.changed };
        expect(is_right, || format!("{} heads of those that changed", news.heads.len()))?;
    }
    let (all, changed) = (sizes.conversations, sizes.changed);
    report.add(format!("hongyan new device, {all} conversations"), MILLISECONDS, fresh);
    let figure = report.add(format!("hongyan back to {all} conversations, {changed} changed"), MILLISECONDS, back);
    figure.aim = Aim::value(100.0);
    Ok(())
}

struct Synced {
    server_ms: i64,
    version: Version,
    heads: Vec<Head>,
}

/// All pages of a sync.
async fn sync(
    client: &mut HongyanClient,
    since_ms: Option<i64>,
    version: Version,
    probes: Vec<Probe>,
) -> io::Result<Synced> {
    let mut request = Sync { since_ms, version, probes, cursor: None, limit: HEADS_PER_PAGE_MAX };
    let mut synced: Option<Synced> = None;
    loop {
        let page: SyncPage = client.call(&request).await?;
        expect(!page.is_behind_client, || "the server holds less than was there".to_owned())?;
        let SyncPage { server_ms, version, heads, next, .. } = page;
        match &mut synced {
            Some(synced) => synced.heads.extend(heads),
            None => synced = Some(Synced { server_ms, version, heads }),
        }
        request.cursor = next;
        request.probes.clear();
        if next.is_none() {
            return synced.ok_or_else(|| broken("no page"));
        }
    }
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

fn expect(is_right: bool, found: impl FnOnce() -> String) -> io::Result<()> {
    if is_right { Ok(()) } else { Err(broken(found())) }
}
