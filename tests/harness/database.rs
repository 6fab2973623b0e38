// SPDX-License-Identifier: Apache-2.0
//! A database of its own for each server under test, on the PostgreSQL that the environment names. Without one, tests run
//! on SQLite.
//!
//! The tests of the server's crate hold this file too.

use std::future::Future;
use std::sync::atomic::{AtomicU32, Ordering};

use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};

/// Where PostgreSQL is: `.ci/postgres` sets it for the command that it runs.
const ADDRESS: &str = "HONGYAN_TEST_POSTGRES";

/// An empty database, dropped with this.
pub struct TestDatabase {
    address: String,
    name: String,
}

impl TestDatabase {
    /// Nothing where the tests run on SQLite.
    pub async fn create() -> Option<Self> {
        match std::env::var(ADDRESS) {
            Ok(instance) => Some(Self::create_from(&instance, "template0").await),
            Err(_) => None,
        }
    }

    async fn create_from(instance: &str, template: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("test_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        run(instance, format!("create database {name} template {template}")).await;
        Self { address: at_database(instance, &name), name }
    }

    /// Another with what is in this one. Nobody is connected.
    pub async fn copy(&self) -> Self {
        Self::create_from(&instance(), &self.name).await
    }

    /// Puts in its place what is in a copy.
    pub async fn restore(&self, copy: &Self) {
        run(&instance(), format!("drop database {} with (force)", self.name)).await;
        run(&instance(), format!("create database {} template {}", self.name, copy.name)).await;
    }

    /// Runs statements beside the server's.
    pub async fn run(&self, statements: &[&str]) {
        for sql in statements {
            run(&self.address, (*sql).to_owned()).await;
        }
    }

    /// The host and the port of PostgreSQL.
    pub fn server(&self) -> String {
        let options = options(&self.address);
        format!("{}:{}", options.get_host(), options.get_port())
    }

    /// The value of a server's setting `store`.
    pub fn address(&self) -> &str {
        &self.address
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let sql = format!("drop database if exists {} with (force)", self.name);
        // A runtime may be running on this thread.
        let dropping = std::thread::spawn(move || block_on(run(&instance(), sql)));
        if dropping.join().is_err() && !std::thread::panicking() {
            panic!("the database {} is not dropped", self.name);
        }
    }
}

fn instance() -> String {
    std::env::var(ADDRESS).expect("a database was made there")
}

fn block_on(future: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be made");
    runtime.block_on(future);
}

/// The address of an instance with another database in its path.
fn at_database(instance: &str, name: &str) -> String {
    let (path, query) = instance.split_once('?').unwrap_or((instance, ""));
    let (server, _) = path.rsplit_once('/').expect("an address names a database");
    format!("{server}/{name}?{query}")
}

fn options(address: &str) -> PgConnectOptions {
    address.parse().unwrap_or_else(|error| panic!("{ADDRESS} is no address: {error}"))
}

async fn run(address: &str, sql: String) {
    let mut connection = options(address).connect().await.expect("PostgreSQL runs");
    sqlx::query(AssertSqlSafe(sql)).execute(&mut connection).await.expect("a database can be made and dropped");
    connection.close().await.expect("a connection closes");
}
