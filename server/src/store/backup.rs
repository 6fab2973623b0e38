// SPDX-License-Identifier: Apache-2.0
//! Copies of the embedded engine's store: made while a server runs on it, put back while none does.
//!
//! A backup is one file, whole and of one moment: everything that was acknowledged before it began is in it. A restored
//! store is another instance, so that clients drop what they cached and resume tokens end.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use hongyan_protocol::clock::Clock;
use hongyan_protocol::codes::Code;
use hongyan_protocol::ids::InstanceId;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection as _};

use super::sqlite::{BUSY_TIMEOUT, FILE_NAME, MIGRATIONS};
use super::{FolderLock, Place, Store, folder};
use crate::error::Error;
use crate::metrics::Metrics;

/// What is added to a backup's name until it is whole.
const UNFINISHED: &str = ".unfinished";

/// Where in the data folder a backup becomes a store again before it takes its place.
const STAGING: &str = "restoring";

/// What SQLite keeps beside a database.
const COMPANIONS: [&str; 2] = ["-wal", "-shm"];

/// What becomes of a store that a restore finds in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Present {
    /// It stays, and the restore is refused.
    Kept,
    /// It is set aside in the same folder.
    SetAside,
}

/// What a restore did.
#[derive(Debug)]
pub struct Restored {
    /// Which store it is now.
    pub instance: InstanceId,
    /// Where the store is that was there before.
    pub aside: Option<PathBuf>,
}

/// Writes a copy of a folder's store into a new file, for its owner alone. A server may be running and writing; it is
/// not held up. Gives the bytes of the file. A file that exists is never written over.
pub async fn back_up(data_folder: &Path, file: &Path) -> Result<u64, Error> {
    let store = data_folder.join(FILE_NAME);
    if !store.is_file() {
        return Err(refused(format!("there is no store in {}", data_folder.display())));
    }
    if file.symlink_metadata().is_ok() {
        return Err(refused(format!("{} exists; a backup writes over nothing", file.display())));
    }
    let unfinished = with_suffix(file, UNFINISHED);
    // The engine takes an empty file for one that it may fill, and leaves its mode.
    folder::create_private(&unfinished).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => refused(format!(
            "{} exists: a backup into {} is being made, or was stopped midway; if so, remove it",
            unfinished.display(),
            file.display()
        )),
        _ => writing(file, error),
    })?;
    let _removal = Removal(&unfinished);
    copy_into(&store, &unfinished).await?;
    check(&unfinished).await.map_err(|error| error.context(format!("the backup {} is not whole", file.display())))?;
    put_in_place(&unfinished, file).map_err(|error| writing(file, error))
}

/// Makes a backup the store of a folder on which no server runs. The backup is read only; what it holds is
/// brought to this version's tables.
pub async fn restore(file: &Path, data_folder: &Path, present: Present, clock: Clock) -> Result<Restored, Error> {
    check(file).await?;
    let lock = FolderLock::take(data_folder)?;
    let store = data_folder.join(FILE_NAME);
    if store.exists() && present == Present::Kept {
        return Err(refused(format!(
            "the folder {} holds a store already, which is left as it is unless it is to be set aside (--set-aside)",
            data_folder.display()
        )));
    }
    let staging = data_folder.join(STAGING);
    // A restore that was stopped leaves its own behind.
    clear(&staging).map_err(|error| restoring(file, error))?;
    let instance = prepare(file, &staging, clock, &lock).await?;
    let aside = if store.exists() { Some(set_aside(&store).await?) } else { None };
    let moved = fs::rename(staging.join(FILE_NAME), &store).and_then(|()| sync_folder_of(&store));
    moved.and_then(|()| clear(&staging)).map_err(|error| restoring(file, error))?;
    Ok(Restored { instance, aside })
}

async fn copy_into(store: &Path, file: &Path) -> Result<(), Error> {
    let options = SqliteConnectOptions::new().filename(store).create_if_missing(false).busy_timeout(BUSY_TIMEOUT);
    let mut connection = options.connect().await.map_err(|error| writing(file, error))?;
    let name = file.to_str().ok_or_else(|| refused(format!("the name {} is not text", file.display())))?;
    let copied = sqlx::query("vacuum into $1").bind(name).execute(&mut connection).await;
    let closed = connection.close().await;
    copied.and(closed).map_err(|error| writing(file, error))
}

/// Says whether a file is a whole store that this version can open.
async fn check(file: &Path) -> Result<(), Error> {
    if !file.is_file() {
        return Err(refused(format!("there is no file {}", file.display())));
    }
    let not_whole = |why: String| refused(format!("{} is not a whole backup of a store: {why}", file.display()));
    if has_log(file) {
        return Err(not_whole("a write-ahead log lies beside it; make a copy with the command backup".to_owned()));
    }
    // Nothing is written beside the file either: it may lie where only reading is allowed.
    let options = SqliteConnectOptions::new().filename(file).read_only(true).immutable(true);
    let mut connection = options.connect().await.map_err(|error| not_whole(error.to_string()))?;
    let found = look(&mut connection).await;
    // It only read.
    let _ = connection.close().await;
    let found = found.map_err(|error| not_whole(error.to_string()))?;
    if found.damage != "ok" {
        return Err(not_whole(found.damage));
    }
    // The engine takes the rest of a page that is cut off for zeros.
    if fs::metadata(file).map(|file| file.len()).ok() != u64::try_from(found.bytes).ok() {
        return Err(not_whole(format!("it should have {} bytes", found.bytes)));
    }
    let is_known = |version: i64, checksum: &[u8]| {
        MIGRATIONS.iter().any(|known| known.version == version && *known.checksum == *checksum)
    };
    match found.versions.iter().find(|(version, checksum)| !is_known(*version, checksum)) {
        Some((version, _)) => Err(refused(format!(
            "{} was written by a newer version of the server (its tables are of version {version})",
            file.display()
        ))),
        None => Ok(()),
    }
}

struct Found {
    damage: String,
    bytes: i64,
    versions: Vec<(i64, Vec<u8>)>,
}

async fn look(connection: &mut SqliteConnection) -> Result<Found, sqlx::Error> {
    let damage: String = sqlx::query_scalar("pragma integrity_check(1)").fetch_one(&mut *connection).await?;
    let pages: i64 = sqlx::query_scalar("pragma page_count").fetch_one(&mut *connection).await?;
    let page_bytes: i64 = sqlx::query_scalar("pragma page_size").fetch_one(&mut *connection).await?;
    let versions = sqlx::query_as("select version, checksum from _sqlx_migrations order by version")
        .fetch_all(&mut *connection)
        .await?;
    let _: String = sqlx::query_scalar("select id from instance").fetch_one(connection).await?;
    Ok(Found { damage, bytes: pages.saturating_mul(page_bytes), versions })
}

/// Makes a store of a backup in a folder of its own, so that whatever fails has touched nothing else.
async fn prepare(file: &Path, staging: &Path, clock: Clock, lock: &FolderLock) -> Result<InstanceId, Error> {
    let copy = staging.join(FILE_NAME);
    folder::prepare(staging, &copy)?;
    let mut from = File::open(file).map_err(|error| restoring(file, error))?;
    let mut to = File::options().write(true).open(&copy).map_err(|error| restoring(file, error))?;
    io::copy(&mut from, &mut to).and_then(|_| to.sync_all()).map_err(|error| restoring(file, error))?;
    drop(to);
    let store = Store::open_alone(&Place::Folder(staging.to_owned()), clock, lock, &Metrics::default()).await?;
    let renewed = store.renew_instance().await;
    // Closing takes what is in the write-ahead log over into the one file that is moved.
    store.close().await;
    let instance = renewed?;
    if has_log(&copy) {
        return Err(Error::internal("restoring a backup", "the restored store could not be closed"));
    }
    Ok(instance)
}

/// Gives a store another name in its folder. Stopped midway, the folder still holds it, whole, under its old one.
async fn set_aside(store: &Path) -> Result<PathBuf, Error> {
    let setting_aside = |error| Error::internal(format!("setting {} aside", store.display()), error);
    let aside = free_name(store);
    for suffix in COMPANIONS {
        let companion = with_suffix(store, suffix);
        if companion.exists() {
            fs::hard_link(&companion, with_suffix(&aside, suffix)).map_err(setting_aside)?;
        }
    }
    // One file holds all of it then. Where that fails the store is damaged, and keeps all its files.
    if fold(store).await.is_ok() && !has_log(store) {
        for suffix in COMPANIONS {
            remove(&with_suffix(&aside, suffix)).map_err(setting_aside)?;
        }
    }
    fs::hard_link(store, &aside).and_then(|()| sync_folder_of(store)).map_err(setting_aside)?;
    // A log that is left would be read as part of what comes into this place.
    for suffix in COMPANIONS {
        remove(&with_suffix(store, suffix)).map_err(setting_aside)?;
    }
    Ok(aside)
}

async fn fold(store: &Path) -> Result<(), sqlx::Error> {
    let options = SqliteConnectOptions::new().filename(store).create_if_missing(false);
    let mut connection = options.connect().await?;
    let folded = sqlx::query("pragma wal_checkpoint(truncate)").execute(&mut connection).await;
    connection.close().await?;
    folded.map(drop)
}

fn has_log(store: &Path) -> bool {
    fs::metadata(with_suffix(store, "-wal")).is_ok_and(|log| log.len() > 0)
}

/// A name beside a store that nothing has yet.
fn free_name(store: &Path) -> PathBuf {
    let mut names = (1u64..).map(|number| with_suffix(store, &format!(".before-restore-{number}")));
    names.find(|name| name.symlink_metadata().is_err()).expect("a folder holds fewer files than there are numbers")
}

/// Gives a finished file its name, unless something has it, and waits until both are on the disk.
fn put_in_place(unfinished: &Path, file: &Path) -> io::Result<u64> {
    let whole = File::open(unfinished)?;
    whole.sync_all()?;
    // What is replaced is this empty file and nobody else's.
    folder::create_private(file)?;
    fs::rename(unfinished, file).inspect_err(|_| drop(fs::remove_file(file)))?;
    sync_folder_of(file)?;
    Ok(whole.metadata()?.len())
}

fn sync_folder_of(file: &Path) -> io::Result<()> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

/// Removes an unfinished file, whatever happened.
struct Removal<'a>(&'a Path);

impl Drop for Removal<'_> {
    fn drop(&mut self) {
        for suffix in ["", "-journal"].into_iter().chain(COMPANIONS) {
            // Mostly it has its place already.
            let _ = fs::remove_file(with_suffix(self.0, suffix));
        }
    }
}

fn remove(file: &Path) -> io::Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn clear(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn refused(text: String) -> Error {
    Error::new(Code::BAD_PARAMETER, text)
}

fn writing(file: &Path, error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::internal(format!("writing the backup {}", file.display()), error)
}

fn restoring(file: &Path, error: io::Error) -> Error {
    Error::internal(format!("restoring {}", file.display()), error)
}

#[cfg(test)]
mod tests;
