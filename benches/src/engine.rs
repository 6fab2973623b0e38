// SPDX-License-Identifier: Apache-2.0
//! What a measured server keeps its data in.

use std::io;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use hongyan_server::config::Layers;
use hongyan_server::store::Place;

use crate::socket::broken;

/// The engine behind a server.
#[derive(Debug, Clone)]
pub enum Engine {
    /// Files of its own.
    Sqlite,
    /// Databases of an instance, by the address of one that is there.
    Postgres(String),
}

impl Engine {
    /// Whose figures a server's are on this engine.
    pub fn who(&self) -> &'static str {
        match self {
            Self::Sqlite => "hongyan",
            Self::Postgres(_) => "hongyan on PostgreSQL",
        }
    }

    /// The figure of batched commits on this engine.
    pub fn commits(&self) -> &'static str {
        match self {
            Self::Sqlite => "limit: batched commits",
            Self::Postgres(_) => "limit: batched commits on PostgreSQL",
        }
    }

    /// An empty database for a server; nothing where its folder is the store.
    pub fn make_empty(&self) -> io::Result<Option<Database>> {
        match self {
            Self::Sqlite => Ok(None),
            Self::Postgres(instance) => Database::create(instance).map(Some),
        }
    }

    /// The same, as the server's rooms are told.
    pub fn empty_place(&self, folder: &Path) -> io::Result<(Place, Option<Database>)> {
        let mut layers = Layers::defaults();
        let database = self.make_empty()?;
        if let Some(database) = &database {
            layers = layers.with_value("store", database.address(), "the engine").map_err(io::Error::other)?;
        }
        let mut config = layers.build().map_err(io::Error::other)?;
        folder.clone_into(&mut config.data_folder);
        Ok((config.place().map_err(io::Error::other)?, database))
    }
}

/// A database of an instance, dropped with this.
#[derive(Debug)]
pub struct Database {
    instance: String,
    name: String,
    address: String,
}

impl Database {
    fn create(instance: &str) -> io::Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        if ask(instance, "show fsync")? != "on" {
            return Err(broken("the PostgreSQL does not wait for the disk (fsync): its figures would mean nothing"));
        }
        let name = format!("bench_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let address = at_database(instance, &name).ok_or_else(|| broken("the address names no database"))?;
        ask(instance, &format!("create database {name} template template0"))?;
        Ok(Self { instance: instance.to_owned(), name, address })
    }

    /// The value of a server's setting `store`.
    pub fn address(&self) -> &str {
        &self.address
    }
}

impl Drop for Database {
    #[expect(clippy::print_stderr, reason = "nobody else can say what is left behind")]
    fn drop(&mut self) {
        if let Err(error) = ask(&self.instance, &format!("drop database if exists {} with (force)", self.name)) {
            eprintln!("the database {} is left: {error}", self.name);
        }
    }
}

/// The address of an instance with another database in its path.
fn at_database(instance: &str, name: &str) -> Option<String> {
    let (path, query) = instance.split_once('?').map_or((instance, None), |(path, query)| (path, Some(query)));
    let (server, _) = path.rsplit_once('/')?;
    Some(query.map_or_else(|| format!("{server}/{name}"), |query| format!("{server}/{name}?{query}")))
}

/// What psql says to a statement.
fn ask(instance: &str, statement: &str) -> io::Result<String> {
    let arguments = ["--quiet", "--no-psqlrc", "--tuples-only", "--no-align", "--command", statement, instance];
    let output = Command::new("psql").args(arguments).stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        return Err(broken(format!("psql did not do it: {statement}")));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::at_database;

    #[test]
    fn an_address_keeps_its_query_with_another_database() {
        let of = |instance| at_database(instance, "bench").unwrap();
        assert_eq!(of("postgres://me@127.0.0.1:5432/postgres"), "postgres://me@127.0.0.1:5432/bench");
        assert_eq!(of("postgres:///postgres?host=/run/postgresql"), "postgres:///bench?host=/run/postgresql");
    }
}
