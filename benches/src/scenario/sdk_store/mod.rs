// SPDX-License-Identifier: Apache-2.0
//! The SDK's store under an account of an ordinary size: filled by the SDK's own sync task, read as an app reads it. The
//! server is a scripted one, because a real one would be what is measured: it takes longer to bring a message than the
//! SDK takes to store it.
//!
//! * `account`: what is stored. `phone`: the SDK with an app on it. `bare`: the limit.

mod account;
mod bare;
mod phone;

use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Instant;

use self::account::{Account, SEARCHES};
use self::bare::{BareStore, Rows};
use self::phone::{Phone, SCREENFUL};
use super::Sizes;
use crate::payload::Faults;
use crate::report::{BYTES, MILLISECONDS, PER_SECOND, Report};
use crate::scripted::{Script, Scripted, push};
use crate::socket::broken;
use crate::stats::{Times, TrialTimes};

/// Messages of a page of history that fills a screen.
const PAGE: i32 = 20;

/// How often a store is opened, and the whole list read, in a trial.
const OPENINGS: usize = 5;

/// How often each word is looked for in a trial.
const SEARCHES_EACH: usize = 20;

/// Steps through conversations and places: primes, so that none comes again soon.
const CONVERSATION_STEP: usize = 7_919;
const PLACE_STEP: usize = 104_729;

/// Whose figures they are.
const SDK: &str = "sdk store";
const BARE: &str = "limit: bare SQLite";

/// What the SDK and bare SQLite are measured by alike.
#[derive(Debug, Default)]
struct Found {
    stored: Vec<f64>,
    file: Vec<f64>,
    opened: TrialTimes,
    screenful: TrialTimes,
    all: TrialTimes,
    page: TrialTimes,
}

/// What only the SDK does.
#[derive(Debug, Default)]
struct FoundOfSdk {
    shared: Found,
    met: Vec<f64>,
    all_at_first: TrialTimes,
    /// As [`SEARCHES`].
    searched: [TrialTimes; SEARCHES.len()],
    faults: Faults,
}

/// Runs the scenario.
pub async fn run(folder: &Path, sizes: &Sizes, report: &mut Report) -> io::Result<()> {
    let account = Account::new(sizes);
    let rows = Rows::of(&account);
    let mut found = Found::default();
    for _ in 0..sizes.trials {
        try_bare(folder, &account, &rows, sizes, &mut found).await?;
    }
    drop(rows);
    tell(BARE, None, found, &account, report);
    let pushes = account.pushes();
    let script = Script {
        user: account.user.clone(),
        server_ms: account.server_ms(),
        version: account.version(),
        heads: account.heads(),
        pushes: (1..).zip(&pushes).map(|(number, message)| push(number, message)).collect(),
    };
    drop(pushes);
    let mut found = FoundOfSdk::default();
    for _ in 0..sizes.trials {
        try_sdk(folder, &account, &script, sizes, &mut found).await?;
    }
    report.add(format!("{SDK}, new device of {} conversations", account.conversations), MILLISECONDS, found.met);
    tell(SDK, Some(BARE), found.shared, &account, report);
    report.add_times(&all_at_first(&account), &found.all_at_first, Some(&all(BARE, &account)));
    for ((what, _), times) in SEARCHES.iter().zip(&found.searched) {
        report.add_times(&format!("{SDK}, search for {what}"), times, None);
    }
    report.faults.add(found.faults);
    Ok(())
}

fn stored(who: &str, account: &Account) -> String {
    format!("{who}, {} pushed messages stored", account.pushed)
}

fn all(who: &str, account: &Account) -> String {
    format!("{who}, list of {}", account.conversations)
}

fn all_at_first(account: &Account) -> String {
    format!("{SDK}, list of {} right after opening", account.conversations)
}

fn tell(who: &str, limit: Option<&str>, found: Found, account: &Account, report: &mut Report) {
    let of_limit = |name: &str| limit.map(|limit| name.replacen(who, limit, 1));
    let name = stored(who, account);
    report.add(&name, PER_SECOND, found.stored).limit = of_limit(&name);
    let name = format!("{who}, file per message");
    report.add(&name, BYTES, found.file).limit = of_limit(&name);
    for (name, times) in [
        (format!("{who}, opened to its first {SCREENFUL} conversations"), found.opened),
        (format!("{who}, first {SCREENFUL} conversations"), found.screenful),
        (all(who, account), found.all),
        (format!("{who}, page of {PAGE}"), found.page),
    ] {
        report.add_times(&name, &times, of_limit(&name).as_deref());
    }
}

async fn try_sdk(
    folder: &Path,
    account: &Account,
    script: &Script,
    sizes: &Sizes,
    found: &mut FoundOfSdk,
) -> io::Result<()> {
    let home = tempfile::Builder::new().prefix("sdk-").tempdir_in(folder)?;
    let server = Scripted::listen(script).await?;
    let phone = Phone::start(home.path(), server.addr()?)?;
    let used = async {
        fill(&phone, account, found).await?;
        read_sdk(&phone, account, sizes, &mut found.shared).await?;
        search_sdk(&phone, account, &mut found.searched).await
    };
    tokio::select! {
        biased;
        served = server.serve(phone.allowed()) => {
            served?;
            return Err(broken("the SDK hung up"));
        }
        used = used => used?,
    }
    phone.close().await;
    found.shared.file.push(store_bytes(home.path())? as f64 / account.messages() as f64);
    let (mut opened, mut all_at_first) = (Times::default(), Times::default());
    for _ in 0..OPENINGS {
        let began = Instant::now();
        // Nobody listens there: what is stored is shown without a server.
        let phone = Phone::start(home.path(), SocketAddr::from((Ipv4Addr::LOCALHOST, server.addr()?.port())))?;
        phone.open(&account.user).await?;
        expect_screenful(phone.list_screenful().await?, account)?;
        opened.push_since(began);
        let began = Instant::now();
        expect_all(phone.list_all().await?, account)?;
        all_at_first.push_since(began);
        phone.close().await;
    }
    found.shared.opened.push(opened);
    found.all_at_first.push(all_at_first);
    Ok(())
}

/// A new device meets the account, and then hears of all that is pushed.
async fn fill(phone: &Phone, account: &Account, found: &mut FoundOfSdk) -> io::Result<()> {
    let began = Instant::now();
    phone.log_in(&account.user).await?;
    found.met.push(began.elapsed().as_secs_f64() * 1_000.0);
    let began = Instant::now();
    phone.store(account.pushed).await?;
    let faults = phone.hear(account.pushed).await?;
    found.shared.stored.push(account.pushed as f64 / began.elapsed().as_secs_f64());
    found.faults.add(faults);
    Ok(())
}

async fn read_sdk(phone: &Phone, account: &Account, sizes: &Sizes, found: &mut Found) -> io::Result<()> {
    let (mut screenful, mut all, mut page) = (Times::default(), Times::default(), Times::default());
    for _ in 0..OPENINGS {
        let began = Instant::now();
        expect_all(phone.list_all().await?, account)?;
        all.push_since(began);
    }
    for index in 0..sizes.reads {
        let began = Instant::now();
        expect_screenful(phone.list_screenful().await?, account)?;
        screenful.push_since(began);
        let (conversation, last) = place(account, index);
        let began = Instant::now();
        let seqs = phone.history(conversation, last, PAGE).await?;
        page.push_since(began);
        let falling = (1..=i64::try_from(last).unwrap_or(0)).rev().take(page_len(last));
        expect(falling.eq(seqs.iter().copied()), || format!("{seqs:?} where {last} is the last"))?;
    }
    found.screenful.push(screenful);
    found.all.push(all);
    found.page.push(page);
    Ok(())
}

async fn search_sdk(phone: &Phone, account: &Account, found: &mut [TrialTimes; SEARCHES.len()]) -> io::Result<()> {
    for ((what, word), found) in SEARCHES.iter().zip(found) {
        let mut times = Times::default();
        for _ in 0..SEARCHES_EACH {
            let began = Instant::now();
            let count = phone.search(word).await?;
            times.push_since(began);
            let right = account.conversations_with(word).min(usize::try_from(SCREENFUL).unwrap_or(0));
            expect(count == right, || format!("{count} conversations with {what}"))?;
        }
        found.push(times);
    }
    Ok(())
}

async fn try_bare(folder: &Path, account: &Account, rows: &Rows, sizes: &Sizes, found: &mut Found) -> io::Result<()> {
    let home = tempfile::Builder::new().prefix("bare-").tempdir_in(folder)?;
    let file = home.path().join("im.db");
    let mut store = BareStore::open(&file).await?;
    store.prepare(rows).await?;
    let began = Instant::now();
    store.push(rows).await?;
    found.stored.push(account.pushed as f64 / began.elapsed().as_secs_f64());
    let (mut screenful, mut all, mut page) = (Times::default(), Times::default(), Times::default());
    for _ in 0..OPENINGS {
        let began = Instant::now();
        let count = store.list_all().await?;
        all.push_since(began);
        expect(count == account.conversations, || format!("a list of {count}"))?;
    }
    for index in 0..sizes.reads {
        let began = Instant::now();
        expect_screenful(store.list_screenful().await?, account)?;
        screenful.push_since(began);
        let (conversation, last) = place(account, index);
        let began = Instant::now();
        let count = store.history(conversation, last, PAGE).await?;
        page.push_since(began);
        expect(count == page_len(last), || format!("a page of {count}"))?;
    }
    store.close().await?;
    found.file.push(store_bytes(home.path())? as f64 / account.messages() as f64);
    let mut opened = Times::default();
    for _ in 0..OPENINGS {
        let began = Instant::now();
        let mut store = BareStore::open(&file).await?;
        expect_screenful(store.list_screenful().await?, account)?;
        opened.push_since(began);
        store.close().await?;
    }
    found.screenful.push(screenful);
    found.all.push(all);
    found.page.push(page);
    found.opened.push(opened);
    Ok(())
}

/// A busy conversation, and a place in it that has a page before it where there are as many messages.
fn place(account: &Account, index: usize) -> (usize, usize) {
    let each = account.messages_each();
    let places = each.saturating_sub(page_len(usize::MAX)).max(1);
    (index * CONVERSATION_STEP % account.busy, each - index * PLACE_STEP % places)
}

fn page_len(last: usize) -> usize {
    last.min(usize::try_from(PAGE).unwrap_or(0))
}

/// The bytes of all databases in a folder.
fn store_bytes(folder: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            bytes += store_bytes(&entry.path())?;
        } else if entry.file_name().to_string_lossy().starts_with("im.db") {
            bytes += entry.metadata()?.len();
        }
    }
    Ok(bytes)
}

fn expect_screenful(count: usize, account: &Account) -> io::Result<()> {
    let right = account.conversations.min(usize::try_from(SCREENFUL).unwrap_or(0));
    expect(count == right, || format!("{count} conversations on the first page"))
}

fn expect_all((count, unread): (usize, usize), account: &Account) -> io::Result<()> {
    let is_right = (count, unread) == (account.conversations, account.pushed);
    expect(is_right, || format!("{count} conversations with {unread} unread messages"))
}

fn expect(is_right: bool, found: impl FnOnce() -> String) -> io::Result<()> {
    if is_right { Ok(()) } else { Err(broken(found())) }
}
