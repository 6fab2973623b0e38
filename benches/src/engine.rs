// SPDX-License-Identifier: Apache-2.0
//! What a measured server keeps its data in.

use std::io;
use std::path::Path;
use std::process::Command;
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

    /// The server's setting for a store that is empty; nothing where its folder is the store.
    pub fn make_empty(&self) -> io::Result<Option<String>> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let Self::Postgres(instance) = self else { return Ok(None) };
        let name = format!("bench_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let statement = format!("create database {name} template template0");
        let made = Command::new("psql").args(["--quiet", "--no-psqlrc", "--command", &statement, instance]).status()?;
        let address = instance.rsplit_once('/').map(|(server, _)| format!("{server}/{name}"));
        if made.success() { Ok(address) } else { Err(broken("psql made no database")) }
    }

    /// The same, as the server's rooms are told.
    pub fn empty_place(&self, folder: &Path) -> io::Result<Place> {
        let mut layers = Layers::defaults();
        if let Some(store) = self.make_empty()? {
            layers = layers.with_value("store", &store, "the engine").map_err(io::Error::other)?;
        }
        let mut config = layers.build().map_err(io::Error::other)?;
        folder.clone_into(&mut config.data_folder);
        config.place().map_err(io::Error::other)
    }
}
