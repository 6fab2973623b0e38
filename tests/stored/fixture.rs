// SPDX-License-Identifier: Apache-2.0
//! The stores of every version, as text under `tests/fixtures/stores`: a folder per version. `0.1.0-alpha` is from before
//! phones had an index of what is searched.
//!
//! * `sqlite/`, `postgres/`: the server's migrations as that version had them. `server.sql`: the rows of a server, one
//!   text for both engines. `tokens.json`: resume tokens that it had given out.
//! * `device/`: the SDK's migrations as that version had them. `device.sql`: the rows of one of its users' phones.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use sqlx::migrate::Migrator;
use sqlx::postgres::PgConnection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};

use crate::harness::server::Home;

/// The version that this tree will be released as, or was.
pub const COMING: &str = env!("CARGO_PKG_VERSION");

/// Where migrations stand in a version's fixture, and where they stand today.
pub const MIGRATIONS: [(&str, &str); 3] = [
    ("sqlite", "server/src/store/migrations/sqlite"),
    ("postgres", "server/src/store/migrations/postgres"),
    ("device", "src/store/migrations"),
];

/// Where the server keeps its tables in its data folder.
pub const SERVER_FILE: &str = "hongyan.db";

/// A path in the repository.
pub fn in_tree(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// A version's fixture.
#[derive(Debug)]
pub struct Fixture {
    pub version: String,
    folder: PathBuf,
}

impl Fixture {
    pub fn of(version: &str) -> Self {
        Self { version: version.to_owned(), folder: in_tree("tests/fixtures/stores").join(version) }
    }

    /// Every version's.
    pub fn all() -> Vec<Self> {
        let folders = fs::read_dir(in_tree("tests/fixtures/stores")).expect("there are fixtures");
        let names = folders.map(|entry| entry.unwrap().file_name().into_string().expect("a version"));
        names.map(|version| Self::of(&version)).collect()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn read(&self, name: &str) -> String {
        let path = self.path(name);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// Resume tokens that the server of then had given out, by name.
    pub fn token(&self, name: &str) -> String {
        let tokens: BTreeMap<String, String> = serde_json::from_str(&self.read("tokens.json")).unwrap();
        tokens[name].clone()
    }

    /// Makes the store of a server of this version, on the engine of the tests.
    pub async fn load_server(&self, home: &Home) {
        let rows = AssertSqlSafe(self.read("server.sql"));
        if let Some(database) = home.database() {
            let mut connection = PgConnection::connect(database.address()).await.expect("PostgreSQL runs");
            Migrator::new(self.path("postgres")).await.unwrap().run(&mut connection).await.unwrap();
            sqlx::raw_sql(rows).execute(&mut connection).await.unwrap();
            connection.close().await.unwrap();
        } else {
            let mut connection = open(&home.folder().join(SERVER_FILE)).await;
            Migrator::new(self.path("sqlite")).await.unwrap().run(&mut connection).await.unwrap();
            sqlx::raw_sql(rows).execute(&mut connection).await.unwrap();
            connection.close().await.unwrap();
        }
    }

    /// Makes the store of a phone of this version in the place of a file.
    pub async fn load_device(&self, file: &Path) {
        for suffix in ["", "-wal", "-shm"] {
            let _ = fs::remove_file(format!("{}{suffix}", file.display()));
        }
        let mut connection = open(file).await;
        let migrations = migrations(&self.path("device"));
        for text in migrations.values() {
            sqlx::raw_sql(AssertSqlSafe(text.clone())).execute(&mut connection).await.unwrap();
        }
        let version = format!("pragma user_version = {}", migrations.len());
        sqlx::raw_sql(AssertSqlSafe(version)).execute(&mut connection).await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(self.read("device.sql"))).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    }
}

/// Opens a file of SQLite, which is made where it is missing.
pub async fn open(file: &Path) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(file).create_if_missing(true);
    options.connect().await.unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// What a server signs resume tokens with.
pub async fn secret_in(home: &Home) -> String {
    const SQL: &str = "select secret from instance";
    let secret = if let Some(database) = home.database() {
        let mut connection = PgConnection::connect(database.address()).await.expect("PostgreSQL runs");
        sqlx::query_scalar(SQL).fetch_one(&mut connection).await
    } else {
        let mut connection = open(&home.folder().join(SERVER_FILE)).await;
        sqlx::query_scalar(SQL).fetch_one(&mut connection).await
    };
    secret.expect("a store has a secret")
}

/// The migrations in a folder, by name and so in their order.
pub fn migrations(folder: &Path) -> BTreeMap<String, String> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let files = entries.map(|entry| entry.unwrap().path());
    files
        .map(|path| {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            (name, fs::read_to_string(path).unwrap())
        })
        .collect()
}

/// The versions that the changelog names as released.
pub fn released() -> Vec<String> {
    let changelog = fs::read_to_string(in_tree("CHANGELOG.md")).unwrap();
    let headings = changelog.lines().filter_map(|line| line.strip_prefix("## "));
    let names = headings.map(|heading| heading.trim_start_matches('[').split([' ', ']']).next().unwrap().to_owned());
    names.filter(|name| name.starts_with(|c: char| c.is_ascii_digit())).collect()
}

/// A file below a folder.
pub fn find_file(folder: &Path, name: &str) -> Option<PathBuf> {
    fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find_map(|path| if path.is_dir() { find_file(&path, name) } else { path.ends_with(name).then_some(path) })
}
