// SPDX-License-Identifier: Apache-2.0
//! Pages of a long log, read backwards to its beginning.

use std::io;
use std::time::Instant;

use futures_util::future::try_join_all;
use hongyan_protocol::ids::Seq;
use hongyan_protocol::message::{GetMessages, Page, Target};

use super::messages::fill;
use super::{Sizes, connect_all, register};
use crate::client::{Client, Protocol, To};
use crate::hongyan::{Hongyan, HongyanClient, group_id};
use crate::report::{PER_SECOND, Report};
use crate::socket::broken;
use crate::stats::{Times, TrialTimes};

/// As on a screen, and the most that there may be.
const PAGES: [u32; 2] = [20, 200];

/// Members of a group who read its log at once.
const READERS: usize = 10;

/// Who wrote it. Neither this user nor the group is one of the other scenarios.
const WRITER: usize = 400_000;

/// Runs the scenario.
pub async fn run(hongyan: &Hongyan, sizes: &Sizes, report: &mut Report) -> io::Result<()> {
    let members: Vec<usize> = (WRITER..=WRITER + READERS).collect();
    register(hongyan, WRITER + 1..WRITER + READERS + 1).await?;
    let mut client = hongyan.connect(WRITER, None).await?;
    client.enter(WRITER, &members).await?;
    fill(&mut client, &[To::Group(WRITER)], sizes.history, 0).await?;
    for limit in PAGES {
        let (mut rates, mut trials) = (Vec::new(), TrialTimes::default());
        for _ in 0..sizes.trials {
            let mut readers = connect_all(hongyan, WRITER + 1..WRITER + READERS + 1).await?;
            let began = Instant::now();
            let read = readers.iter_mut().map(|client| read_back(client, limit, sizes.history));
            let mut times = Times::default();
            try_join_all(read).await?.into_iter().for_each(|of_one| times.append(of_one));
            rates.push(times.count() as f64 / began.elapsed().as_secs_f64());
            trials.push(times);
        }
        let name = format!("hongyan history, {READERS} readers, pages of {limit}");
        report.add(&name, PER_SECOND, rates).limit = Some(super::messages::sends(crate::limits::BARE, sizes.pairs, 1));
        report.add_times(&name, &trials, None);
    }
    Ok(())
}

/// Reads a log to its beginning; each of its messages must come once.
async fn read_back(client: &mut HongyanClient, limit: u32, messages: usize) -> io::Result<Times> {
    let (mut times, mut before, mut count) = (Times::default(), None, 0);
    loop {
        let request = GetMessages { of: Target::Group(group_id(WRITER)), page: Page::Before(before), limit };
        let began = Instant::now();
        let page = client.call(&request).await?;
        times.push_since(began);
        count += page.messages.len();
        let Some(first) = page.messages.first() else { break };
        before = Some(first.seq);
        if first.seq == Seq::ZERO.next() {
            break;
        }
    }
    if count < messages { Err(broken(format!("{count} of {messages} messages were read"))) } else { Ok(times) }
}
