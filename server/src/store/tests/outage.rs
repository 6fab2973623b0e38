// SPDX-License-Identifier: Apache-2.0
//! A PostgreSQL that goes silent, is slow, or is set up otherwise. Only where the tests run on PostgreSQL.

use futures_util::future::join_all;
use sqlx::ConnectOptions as _;

use super::*;
use crate::store::database_proxy::DatabaseProxy;
use crate::store::wait::{eventually, within};

async fn open_at(options: PgConnectOptions) -> Store {
    Store::open(&Place::Postgres(Box::new(options)), Clock::frozen(1_000_000)).await.unwrap()
}

/// As a server opens it when it starts.
async fn open_alone_at(options: PgConnectOptions) -> Result<Store, Error> {
    let folder = tempfile::tempdir().unwrap();
    let lock = FolderLock::take(folder.path()).unwrap();
    let place = Place::Postgres(Box::new(options));
    Store::open_alone(&place, Clock::frozen(1_000_000), &lock, &Metrics::new()).await
}

fn options_of(database: &TestDatabase) -> PgConnectOptions {
    database.address().parse().unwrap()
}

/// The same through a proxy.
fn behind(proxy: &DatabaseProxy, database: &TestDatabase) -> PgConnectOptions {
    options_of(database).host(&proxy.addr().ip().to_string()).port(proxy.addr().port())
}

/// A statement of the test's own for the database as a whole.
fn alter(database: &TestDatabase, what: &str) -> String {
    let options = options_of(database);
    format!("alter database {} {what}", options.get_database().unwrap())
}

#[tokio::test]
async fn a_database_that_goes_silent_is_given_up_in_time_and_comes_back() {
    let Some(database) = TestDatabase::create().await else { return };
    let proxy = DatabaseProxy::start(database.server()).await;
    let store = open_at(behind(&proxy, &database)).await;
    let mut reader = store.read().await.unwrap();
    let count = async |reader: &mut Connection| fetch_all!(reader, (i64,), "select count(*) from instance");
    count(&mut reader).await.unwrap();
    let (idle, written) = (store.read().await.unwrap(), store.begin().await.unwrap());
    drop((idle, written));
    store.writer.settle().await;

    proxy.stall();
    let asked = Instant::now();
    let reading = async { count(&mut reader).await.unwrap_err() };
    let beginning = async { store.read().await.err().unwrap() };
    let writing = async { store.write(|write| write.commit(|| {})).await.unwrap_err() };
    let refusals = within("three refusals", async { tokio::join!(reading, beginning, writing) }).await;
    for refusal in [&refusals.0, &refusals.1, &refusals.2] {
        assert_eq!(refusal.code(), Code::ACCOUNT_TIMEOUT, "{}", refusal.to_chain());
    }
    assert!(asked.elapsed() < Duration::from_secs(30), "each waited for once");
    drop(reader);

    proxy.give_back();
    eventually("a store that is back", async || store.write(|write| write.commit(|| {})).await).await;
    count(&mut store.read().await.unwrap()).await.unwrap();
    let _held = store.read().await.unwrap();
    proxy.stall();
    within("the close", store.close()).await;
}

/// What a server says on its way to an open store, of each step something.
const STEPS: [&str; 5] =
    ["to_regclass", "pg_advisory_lock", "create table", "pg_is_in_recovery", "insert into instance"];

#[tokio::test]
async fn a_database_that_goes_silent_while_it_is_opened_is_given_up_in_time_and_said_to_be() {
    if TestDatabase::create().await.is_none() {
        return;
    }
    let asked = Instant::now();
    let attempts = STEPS.map(|step| async move {
        let database = TestDatabase::create().await.unwrap();
        let proxy = DatabaseProxy::start(database.server()).await;
        proxy.stall_at(step);
        let opened = within(step, open_alone_at(behind(&proxy, &database))).await;
        let refusal = opened.err().unwrap_or_else(|| panic!("{step} is not said"));
        assert!(refusal.to_chain().contains("PostgreSQL does not answer in time"), "{step}: {}", refusal.to_chain());
        proxy.give_back();
        open_alone_at(options_of(&database)).await.unwrap().close().await;
    });
    join_all(attempts).await;
    assert!(asked.elapsed() < Duration::from_secs(30), "none waits longer than for one answer");
}

#[tokio::test]
async fn who_makes_tables_on_a_connection_that_is_lost_gives_up_and_the_next_can() {
    let Some(database) = TestDatabase::create().await else { return };
    let proxy = DatabaseProxy::start(database.server()).await;
    proxy.hold_at("create table instance");
    let refusal = within("a refusal", open_alone_at(behind(&proxy, &database))).await.err().unwrap();
    assert!(refusal.to_chain().contains("PostgreSQL has ended the connection"), "{}", refusal.to_chain());
    open_alone_at(options_of(&database)).await.unwrap().close().await;
}

#[tokio::test]
async fn a_database_that_fails_to_answer_once_is_not_given_up_while_tables_are_made() {
    let Some(database) = TestDatabase::create().await else { return };
    // Who has begun to make the same table is waited for.
    let mut other = options_of(&database).connect().await.unwrap();
    sqlx::query("begin").execute(&mut other).await.unwrap();
    sqlx::query("create table instance (id text)").execute(&mut other).await.unwrap();
    let proxy = DatabaseProxy::start(database.server()).await;
    let opening = open_alone_at(behind(&proxy, &database));
    let waiting =
        "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
    // On a connection of its own: within a transaction the answer stays the same.
    let mut observer = options_of(&database).connect().await.unwrap();
    let failing_once = async {
        eventually("a server that waits", async || {
            let count: i64 = sqlx::query_scalar(waiting).fetch_one(&mut observer).await.unwrap();
            if count == 1 { Ok(()) } else { Err(count) }
        })
        .await;
        proxy.refuse_next().await;
        sqlx::query("rollback").execute(&mut other).await.unwrap();
    };
    let (opened, ()) = within("its tables", async { tokio::join!(opening, failing_once) }).await;
    opened.unwrap().close().await;
}

#[tokio::test]
async fn what_is_acknowledged_is_durable_however_the_database_is_set_up() {
    let Some(database) = TestDatabase::create().await else { return };
    for what in ["set synchronous_commit = off", "set default_transaction_isolation = 'serializable'"] {
        database.run(&[&alter(&database, what)]).await;
    }
    let store = open_at(options_of(&database)).await;
    let mut write = store.begin().await.unwrap();
    let found = fetch_all!(
        write,
        (String, String),
        "select current_setting('synchronous_commit'), current_setting('transaction_isolation')"
    );
    assert_eq!(found.unwrap(), [("on".to_owned(), "read committed".to_owned())]);
}

#[tokio::test]
async fn who_is_too_slow_or_may_only_read_is_told_to_try_again_and_the_store_goes_on() {
    let Some(database) = TestDatabase::create().await else { return };
    let store = open_at(options_of(&database)).await;
    let mut slow = store.begin().await.unwrap();
    execute!(slow, "set local statement_timeout = '20ms'").unwrap();
    let refusal = execute!(slow, "select pg_sleep(20)").unwrap_err();
    assert!(refusal.code() == Code::ACCOUNT_TIMEOUT && refusal.is_for_everybody(), "{}", refusal.to_chain());
    drop(slow);
    let mut reading = store.begin().await.unwrap();
    execute!(reading, "set transaction read only").unwrap();
    let refusal = execute!(reading, "update instance set sync_ms = sync_ms").unwrap_err();
    assert_eq!(refusal.code(), Code::ACCOUNT_TIMEOUT, "{}", refusal.to_chain());
    drop(reading);
    store.write(|write| write.commit(|| {})).await.unwrap();
}

#[tokio::test]
async fn tables_change_under_nobody_but_by_the_server_that_starts() {
    let Some(database) = TestDatabase::create().await else { return };
    let place = Place::Postgres(Box::new(options_of(&database)));
    // Where there are none, nobody runs on them.
    Store::open(&place, Clock::frozen(0)).await.unwrap().close().await;
    database.run(&["delete from _sqlx_migrations", "drop table instance"]).await;
    let refusal = Store::open(&place, Clock::frozen(0)).await.err().unwrap();
    assert!(!refusal.is_internal() && refusal.to_string().contains("older version"), "{refusal}");
}
