// SPDX-License-Identifier: Apache-2.0

mod outage;
mod shared;

use std::future::Future;
#[cfg(unix)]
use std::path::Path;
use std::pin::Pin;
use std::sync::Mutex;
use std::task::Poll;

use hongyan_protocol::codes::Code;
use tempfile::TempDir;

use super::database::TestDatabase;
use super::*;

/// Where a store of the test's own is: in a database of its own, where the tests run on PostgreSQL.
struct Home {
    folder: TempDir,
    database: Option<TestDatabase>,
}

impl Home {
    async fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), database: TestDatabase::create().await }
    }

    /// On SQLite, whatever the tests run on: for what is about its files, or what only it does.
    fn on_files() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), database: None }
    }

    fn place(&self) -> Place {
        match &self.database {
            Some(database) => Place::Postgres(Box::new(database.address().parse().unwrap())),
            None => Place::Folder(self.folder.path().to_owned()),
        }
    }

    async fn open_by(&self, clock: &Clock) -> Store {
        Store::open(&self.place(), clock.clone()).await.unwrap()
    }

    /// With a table of the test's own.
    async fn open(&self) -> Store {
        let store = self.open_by(&Clock::frozen(1_000_000)).await;
        let mut write = store.begin().await.unwrap();
        execute!(write, "create table if not exists note (number bigint primary key)").unwrap();
        write.commit(|| {}).await.unwrap();
        store
    }
}

async fn add(write: &mut Write, number: i64) -> Result<u64, Error> {
    execute!(write, "insert into note (number) values ($1)", number)
}

async fn notes(store: &Store) -> Vec<i64> {
    let mut read = store.read().await.unwrap();
    let rows = fetch_all!(read, (i64,), "select number from note order by number limit 1000").unwrap();
    rows.into_iter().map(|(number,)| number).collect()
}

/// Asks a future once, so that it begins, and finds that it has not ended.
async fn is_pending(future: &mut (impl Future + Unpin)) -> bool {
    std::future::poll_fn(|context| Poll::Ready(Pin::new(&mut *future).poll(context).is_pending())).await
}

#[tokio::test]
async fn an_operation_that_is_dropped_or_fails_is_undone_alone() {
    let home = Home::new().await;
    let store = home.open().await;
    let mut dropped = store.begin().await.unwrap();
    add(&mut dropped, 1).await.unwrap();
    // Those who stand in line behind it get the turn that it leaves, in the transaction that it began.
    let (second, third) = (store.begin(), store.begin());
    tokio::pin!(second, third);
    assert!(is_pending(&mut second).await && is_pending(&mut third).await);
    drop(dropped);
    let mut second = second.await.unwrap();
    add(&mut second, 2).await.unwrap();
    let second = tokio::spawn(second.commit(|| {}));
    let mut third = third.await.unwrap();
    add(&mut third, 3).await.unwrap();
    assert!(add(&mut third, 2).await.unwrap_err().is_internal());
    drop(third);
    second.await.unwrap().unwrap();
    assert_eq!(notes(&store).await, [2]);
}

#[tokio::test]
async fn an_operation_that_is_dropped_while_it_gets_in_line_costs_nobody_else_anything() {
    let home = Home::new().await;
    let store = home.open().await;
    let mut first = store.begin().await.unwrap();
    add(&mut first, 1).await.unwrap();
    let second = store.begin();
    tokio::pin!(second);
    assert!(is_pending(&mut second).await);
    let first = tokio::spawn(first.commit(|| {}));
    let mut second = second.await.unwrap();
    add(&mut second, 2).await.unwrap();
    // Its savepoint is being left, and nobody waits for it.
    let mut second = Box::pin(second.commit(|| {}));
    assert!(is_pending(&mut second).await);
    drop(second);
    first.await.unwrap().unwrap();
    store.write(|write| write.commit(|| {})).await.unwrap();
    assert_eq!(notes(&store).await, [1, 2], "who is dropped while it waits does not take back what it did");
}

#[tokio::test]
async fn who_is_dropped_while_another_that_was_dropped_is_undone_costs_nobody_else_anything() {
    let home = Home::new().await;
    let store = home.open().await;
    // Each time a little further, so that some are dropped in the midst of it.
    for number in 1..=100 {
        let mut first = store.begin().await.unwrap();
        add(&mut first, number).await.unwrap();
        let (second, third) = (store.begin(), store.begin());
        tokio::pin!(second);
        let mut third = Box::pin(third);
        assert!(is_pending(&mut second).await && is_pending(&mut third).await);
        let first = tokio::spawn(first.commit(|| {}));
        let mut second = second.await.unwrap();
        add(&mut second, -number).await.unwrap();
        drop(second);
        for _ in 0..number {
            if !is_pending(&mut third).await {
                break;
            }
            tokio::task::yield_now().await;
        }
        drop(third);
        first.await.unwrap().unwrap();
    }
    assert_eq!(notes(&store).await, (1..=100).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_operations_publish_leaves_in_the_order_of_commits_and_after_them() {
    let home = Home::new().await;
    let store = Arc::new(home.open().await);
    let published = Arc::new(Mutex::new(Vec::new()));
    let tasks: Vec<_> = (0..100)
        .map(|_| {
            let (store, published) = (Arc::clone(&store), Arc::clone(&published));
            tokio::spawn(async move {
                let mut write = store.begin().await.unwrap();
                let rows = fetch_all!(write, (i64,), "select count(*) from note").unwrap();
                let place = rows[0].0 + 1;
                add(&mut write, place).await.unwrap();
                write.commit(move || published.lock().unwrap().push(place)).await.unwrap();
                assert!(notes(&store).await.contains(&place));
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(*published.lock().unwrap(), (1..=100).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_store_whose_commit_fails_refuses_further_writes_and_still_reads() {
    let home = Home::on_files();
    let store = home.open().await;
    let failed = store.failed();
    let mut write = store.begin().await.unwrap();
    add(&mut write, 1).await.unwrap();
    // The transaction is gone when the committer comes, and the savepoint that proves it is a false one.
    execute!(write, "rollback").unwrap();
    execute!(write, "savepoint operation").unwrap();
    let published = Arc::new(Mutex::new(false));
    let outcome = write
        .commit({
            let published = Arc::clone(&published);
            move || *published.lock().unwrap() = true
        })
        .await;
    assert_eq!(outcome.unwrap_err().code(), Code::ACCOUNT_INTERNAL_ERROR);
    assert!(*failed.borrow() && !*published.lock().unwrap());
    assert!(store.begin().await.is_err());
    assert!(notes(&store).await.is_empty());
}

#[tokio::test]
async fn an_operation_whose_transaction_the_engine_gave_up_is_not_acknowledged_and_the_next_is() {
    let home = Home::new().await;
    let store = home.open().await;
    let mut first = store.begin().await.unwrap();
    add(&mut first, 1).await.unwrap();
    let second = store.begin();
    tokio::pin!(second);
    assert!(is_pending(&mut second).await);
    let first = tokio::spawn(first.commit(|| {}));
    let mut second = second.await.unwrap();
    execute!(second, "rollback").unwrap();
    assert!(second.commit(|| {}).await.is_err());
    assert!(first.await.unwrap().is_err(), "it stood in line in the same transaction");
    let mut third = store.begin().await.unwrap();
    add(&mut third, 3).await.unwrap();
    third.commit(|| {}).await.unwrap();
    assert_eq!(notes(&store).await, [3]);
    assert!(!*store.failed().borrow());
}

#[tokio::test]
async fn a_reader_whose_view_the_engine_gave_up_does_not_go_on_showing_it() {
    let home = Home::new().await;
    let store = home.open().await;
    let mut readers = Vec::new();
    for _ in 0..sqlite::READERS_COUNT_MAX {
        let mut reader = store.read().await.unwrap();
        execute!(reader, "rollback").unwrap();
        readers.push(reader);
    }
    drop(readers);
    for number in 1..=3 {
        // All of them look, so that each has shown something.
        let mut readers = Vec::new();
        for _ in 0..sqlite::READERS_COUNT_MAX {
            let mut reader = store.read().await.unwrap();
            let rows = fetch_all!(reader, (i64,), "select count(*) from note").unwrap();
            assert_eq!(rows, [(number - 1,)]);
            readers.push(reader);
        }
        let mut write = store.begin().await.unwrap();
        add(&mut write, number).await.unwrap();
        write.commit(|| {}).await.unwrap();
    }
}

#[tokio::test]
async fn a_panic_while_publishing_stops_the_store_and_leaves_nobody_waiting() {
    let home = Home::new().await;
    let store = home.open().await;
    let mut first = store.begin().await.unwrap();
    add(&mut first, 1).await.unwrap();
    assert!(first.commit(|| panic!("the test's own")).await.is_err());
    assert!(store.failed().wait_for(|has_failed| *has_failed).await.is_ok());
    assert!(store.begin().await.is_err());
    assert_eq!(store.check().await.unwrap_err().code(), Code::ACCOUNT_INTERNAL_ERROR);
    assert_eq!(notes(&store).await, [1]);
}

#[tokio::test]
async fn a_panic_of_a_task_that_holds_the_guard_fails_the_store_and_its_end_does_not() {
    let home = Home::new().await;
    let store = home.open().await;
    drop(store.guard());
    assert!(!*store.failed().borrow());
    let guard = store.guard();
    let task = tokio::spawn(async move {
        let _guard = guard;
        panic!("the test's own");
    });
    assert!(task.await.unwrap_err().is_panic());
    assert!(*store.failed().borrow());
}

#[tokio::test]
async fn who_gets_no_turn_in_time_is_told_to_try_again_and_the_check_says_so_sooner() {
    let home = Home::new().await;
    let clock = Clock::frozen(1_000_000);
    let store = home.open_by(&clock).await;
    store.check().await.unwrap();
    let held = store.begin().await.unwrap();
    let (check, turn) = (store.check(), store.begin());
    tokio::pin!(check, turn);
    assert!(is_pending(&mut turn).await);
    let advance = async {
        // The check reads before it waits for its turn; its deadline was set before that.
        clock.advance(CHECK_WAIT_MAX);
    };
    let (checked, ()) = tokio::join!(check, advance);
    assert_eq!(checked.unwrap_err().code(), Code::ACCOUNT_TIMEOUT);
    assert!(is_pending(&mut turn).await);
    clock.advance(TURN_WAIT_MAX);
    let refusal = turn.await.err().unwrap();
    assert!(refusal.code() == Code::ACCOUNT_TIMEOUT && refusal.code().is_retryable());
    drop(held);
    store.check().await.unwrap();
}

#[tokio::test]
async fn tables_are_made_and_changed_by_whoever_has_the_folder() {
    let home = Home::on_files();
    let lock = FolderLock::take(home.folder.path()).unwrap();
    let refusal = Store::open(&home.place(), Clock::frozen(0)).await.err().unwrap();
    assert!(refusal.to_string().contains("another server"), "{refusal}");
    let server = Store::open_alone(&home.place(), Clock::frozen(0), &lock, &Metrics::new()).await.unwrap();
    // Beside a server that writes, a command only reads to open.
    let _write = server.begin().await.unwrap();
    Store::open(&home.place(), Clock::frozen(0)).await.unwrap();
}

#[tokio::test]
async fn a_closed_store_refuses_writes_and_has_kept_what_was_acknowledged() {
    let home = Home::new().await;
    let store = home.open().await;
    let mut write = store.begin().await.unwrap();
    add(&mut write, 7).await.unwrap();
    write.commit(|| {}).await.unwrap();
    let instance = store.instance();
    store.close().await;
    assert!(store.begin().await.is_err());
    let store = home.open().await;
    assert_eq!((notes(&store).await, store.instance()), (vec![7], instance));
}

#[tokio::test]
async fn who_waits_for_a_turn_of_the_committer_does_not_wait_for_one_that_is_gone() {
    let home = Home::new().await;
    let store = home.open().await;
    wait::within("a turn", store.writer.settle()).await;
    let waiting = store.writer.settle();
    tokio::pin!(waiting);
    assert!(is_pending(&mut waiting).await);
    store.close().await;
    wait::within("the end of waiting", waiting).await;
    wait::within("nothing", store.writer.settle()).await;
}

#[tokio::test]
async fn a_file_of_a_newer_server_is_refused() {
    let home = Home::new().await;
    let store = home.open().await;
    let mut write = store.begin().await.unwrap();
    execute!(
        write,
        "insert into _sqlx_migrations (version, description, success, checksum, execution_time)
         values (99999, 'later', true, $1, 0)",
        vec![0_u8]
    )
    .unwrap();
    write.commit(|| {}).await.unwrap();
    store.close().await;
    let refusal = Store::open(&home.place(), Clock::frozen(0)).await.err().unwrap();
    assert!(refusal.to_string().contains("opening the store"), "{refusal}");
}

#[cfg(unix)]
#[tokio::test]
async fn the_folder_and_its_files_are_their_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("new").join("data");
    let _store = Store::open(&Place::Folder(data.clone()), Clock::frozen(0)).await.unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&data), 0o700);
    for file in ["hongyan.db", "hongyan.db-wal"] {
        assert_eq!(mode(&data.join(file)), 0o600, "{file}");
    }
}

#[test]
fn a_folder_has_one_server_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let first = FolderLock::take(folder.path()).unwrap();
    assert!(FolderLock::take(folder.path()).unwrap_err().to_string().contains("another server"));
    drop(first);
    FolderLock::take(folder.path()).unwrap();
}

#[tokio::test]
async fn the_time_of_catching_up_never_falls_not_over_a_restart_either() {
    let home = Home::new().await;
    let clock = Clock::frozen(10_000_000);
    let store = home.open_by(&clock).await;
    clock.set_wall_offset(3_600_000);
    store.keep_sync_time().await.unwrap();
    let reached_ms = store.sync_time().now_ms();
    assert_eq!(reached_ms, 13_600_000);
    clock.set_wall_offset(0);
    assert_eq!(store.sync_time().now_ms(), reached_ms);
    store.close().await;
    let store = home.open_by(&Clock::frozen(10_000_000)).await;
    assert_eq!(store.sync_time().now_ms(), reached_ms);
}
