// SPDX-License-Identifier: Apache-2.0
//! Several stores on one database. Only where the tests run on PostgreSQL.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Barrier;

use super::*;

async fn open_on(database: &TestDatabase, clock: Clock) -> Store {
    let place = Place::Postgres(Box::new(database.address().parse().unwrap()));
    Store::open(&place, clock).await.unwrap()
}

/// Two stores of one database with a table of the test's own, in which two rows count.
async fn two_stores(database: &TestDatabase) -> [Store; 2] {
    let stores = [open_on(database, Clock::frozen(1_000_000)).await, open_on(database, Clock::frozen(1_000_000)).await];
    let mut write = stores[0].begin().await.unwrap();
    execute!(write, "create table counter (number bigint primary key, count bigint not null)").unwrap();
    execute!(write, "insert into counter (number, count) values (1, 0), (2, 0)").unwrap();
    write.commit(|| {}).await.unwrap();
    stores
}

async fn count_up(write: &mut Write, number: i64) -> Result<u64, Error> {
    execute!(write, "update counter set count = count + 1 where number = $1", number)
}

async fn counts(store: &Store) -> Vec<i64> {
    let mut read = store.read().await.unwrap();
    let rows = fetch_all!(read, (i64,), "select count from counter order by number limit 10").unwrap();
    rows.into_iter().map(|(count,)| count).collect()
}

/// Counts one row up in an operation, and while that waits for its commit the other in a second one. Gives how often
/// the second was run.
async fn hold_and_want(store: &Store, held: i64, wanted: i64, both_hold: &Barrier) -> usize {
    let runs = AtomicUsize::new(0);
    let mut first = store.begin().await.unwrap();
    count_up(&mut first, held).await.unwrap();
    let second = store.write(|mut write| async {
        if runs.fetch_add(1, Ordering::Relaxed) == 0 {
            both_hold.wait().await;
        }
        count_up(&mut write, wanted).await?;
        write.commit(|| {}).await
    });
    tokio::pin!(second);
    // It stands before the committer.
    assert!(is_pending(&mut second).await);
    let (first, second) = tokio::join!(first.commit(|| {}), second);
    first.unwrap();
    second.unwrap();
    runs.load(Ordering::Relaxed)
}

#[tokio::test]
async fn servers_that_hold_what_the_other_needs_are_parted_and_both_go_on() {
    let Some(database) = TestDatabase::create().await else { return };
    let [one, two] = two_stores(&database).await;
    let both_hold = Barrier::new(2);
    let runs = tokio::join!(hold_and_want(&one, 1, 2, &both_hold), hold_and_want(&two, 2, 1, &both_hold));
    assert!(runs.0 + runs.1 > 2, "neither was in the other's way");
    assert_eq!(counts(&one).await, [2, 2]);
}

#[tokio::test]
async fn a_view_stays_as_it_was_while_others_write() {
    let Some(database) = TestDatabase::create().await else { return };
    let [one, two] = two_stores(&database).await;
    let mut view = one.read().await.unwrap();
    let before = fetch_all!(view, (i64,), "select count from counter order by number limit 10").unwrap();
    let mut write = two.begin().await.unwrap();
    count_up(&mut write, 1).await.unwrap();
    write.commit(|| {}).await.unwrap();
    let after = fetch_all!(view, (i64,), "select count from counter order by number limit 10").unwrap();
    assert_eq!((before, counts(&one).await), (after, vec![1, 0]));
}

#[tokio::test]
async fn a_server_whose_wall_is_behind_follows_the_others_within_the_overlap() {
    let Some(database) = TestDatabase::create().await else { return };
    let (ahead, behind) = (Clock::frozen(600_000_000), Clock::frozen(1_000_000));
    let (one, two) = (open_on(&database, ahead.clone()).await, open_on(&database, behind.clone()).await);
    assert_eq!((one.instance(), one.secret()), (two.instance(), two.secret()));
    for _ in 0..10 {
        for clock in [&ahead, &behind] {
            clock.advance(Duration::from_secs(31));
        }
        let mut time = 0;
        for store in [&one, &two] {
            store.keep_sync_time().await.unwrap();
            let write = store.begin().await.unwrap();
            time = store.sync_time().now_ms();
            write.commit(|| {}).await.unwrap();
        }
        assert!(one.sync_time().now_ms() - time <= hongyan_protocol::limits::SYNC_OVERLAP_MS);
    }
}
