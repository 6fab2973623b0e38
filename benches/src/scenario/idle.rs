// SPDX-License-Identifier: Apache-2.0
//! Connections that have logged in and say nothing: what memory each takes.

use std::io;

use super::messages::Compared;
use super::{Sizes, connect_all};
use crate::client::Protocol;
use crate::report::{Aim, KIB, PER_SECOND, Report};

/// Runs the scenario. `rss` says how much memory the server holds.
pub async fn run<P: Protocol>(
    protocol: &P,
    compared: Compared,
    sizes: &Sizes,
    rss: &(dyn Fn() -> io::Result<u64> + Sync),
    report: &mut Report,
) -> io::Result<()> {
    let Compared { who, limit, has_aims } = compared;
    let (count, before) = (sizes.idle, rss()?);
    let began = std::time::Instant::now();
    let clients = connect_all(protocol, 0..count).await?;
    let seconds = began.elapsed().as_secs_f64();
    let grown = rss()?.saturating_sub(before) as f64;
    drop(clients);
    let name = format!("{who} idle connection");
    let figure = report.add(&name, KIB, vec![grown / count as f64 / 1024.0]);
    figure.limit = limit.map(|_| name.replacen(who, crate::limits::BARE, 1));
    if has_aims {
        figure.aim = Aim::value(8.0);
    }
    report.add(format!("{who} logins"), PER_SECOND, vec![count as f64 / seconds]);
    Ok(())
}
