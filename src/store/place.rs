// SPDX-License-Identifier: Apache-2.0
//! Where a user's file lies, and the lock that keeps a second process or client away from it.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use hongyan_protocol::codes::Code;
use hongyan_protocol::ids::{SdkAppId, UserId};

use crate::error::ImError;

/// What most file systems allow for one name.
const NAME_BYTES_MAX: usize = 200;

/// What SQLite keeps beside a database file.
const COMPANIONS: [&str; 3] = ["", "-wal", "-shm"];

/// The folders that this process has open. On a system whose files cannot be locked (the standard library knows no
/// lock on Android) this is what keeps a second client away; another process there is the app's own doing.
/// Held to look or to change it.
static OPEN_HERE: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

/// The folder of one user of one app on one server, claimed for this process.
pub(super) struct Place {
    folder: PathBuf,
    // Held until the store is closed or dropped; a plain mutex, taken only to let go.
    claim: Mutex<Option<Claim>>,
}

/// What keeps others away from a folder until it is dropped.
struct Claim {
    folder: PathBuf,
    _lock: File,
}

impl Claim {
    /// Nothing where another process or another client has the folder.
    fn take(folder: &Path) -> Result<Option<Self>, ImError> {
        // Two spellings of one folder are one folder.
        let folder = fs::canonicalize(folder).map_err(|error| io_failed("find the data folder", &error))?;
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(folder.join("lock"))
            .map_err(|error| io_failed("open the lock file", &error))?;
        let mut open_here = OPEN_HERE.lock().unwrap_or_else(PoisonError::into_inner);
        if open_here.contains(&folder) || !is_free(lock.try_lock())? {
            return Ok(None);
        }
        open_here.insert(folder.clone());
        Ok(Some(Self { folder, _lock: lock }))
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        OPEN_HERE.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.folder);
    }
}

/// Whether no other process has a lock; where there are no locks, no other is known to.
fn is_free(locked: Result<(), TryLockError>) -> Result<bool, ImError> {
    match locked {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => Ok(true),
        Err(TryLockError::Error(error)) => Err(io_failed("lock the data folder", &error)),
    }
}

impl Place {
    /// Makes the folder and takes its lock.
    pub(super) fn claim(data_folder: &Path, server: &str, app: SdkAppId, user: &UserId) -> Result<Self, ImError> {
        let server = escape(server);
        if server.len() > NAME_BYTES_MAX {
            return Err(ImError::new(Code::INVALID_PARAMETERS, "the server's address is too long"));
        }
        let folder = data_folder.join(server).join(app.to_string()).join(escape(user.as_str()));
        fs::create_dir_all(&folder).map_err(|error| io_failed("make the data folder", &error))?;
        let claim = Claim::take(&folder)?.ok_or_else(|| {
            ImError::new(
                Code::DATABASE_LOAD_FAILED,
                "another process or another client has this user's local data open",
            )
        })?;
        Ok(Self { folder, claim: Mutex::new(Some(claim)) })
    }

    /// The database.
    pub(super) fn file(&self) -> PathBuf {
        self.folder.join("im.db")
    }

    /// The database that is being made of a damaged one.
    pub(super) fn unfinished(&self) -> PathBuf {
        self.folder.join("im-unfinished.db")
    }

    /// A database that was made of a damaged one and is to take its place.
    fn rebuilt(&self) -> PathBuf {
        self.folder.join("im-rebuilt.db")
    }

    /// A damaged database that was set aside.
    fn aside(&self) -> PathBuf {
        self.folder.join("im-damaged.db")
    }

    fn mark(&self) -> PathBuf {
        self.folder.join("damaged")
    }

    /// Whether the database was found damaged while it was in use.
    pub(super) fn is_marked_corrupt(&self) -> bool {
        self.mark().exists()
    }

    /// Has the database rebuilt the next time it is opened.
    pub(super) fn mark_corrupt(&self) {
        if let Err(error) = File::create(self.mark()) {
            tracing::warn!(%error, "could not mark the damaged local database");
        }
    }

    /// Clears away a rebuilding that was stopped half way, and what was set aside before: an old write-ahead log must
    /// not be read as part of what is set aside now.
    pub(super) fn begin_rebuilding(&self) -> Result<(), ImError> {
        [self.unfinished(), self.aside()]
            .iter()
            .flat_map(|file| COMPANIONS.map(|suffix| with_suffix(file, suffix)))
            .try_for_each(|file| remove(&file))
    }

    /// Says that what was made of the damaged database is whole; it must be closed.
    pub(super) fn end_rebuilding(&self) -> Result<(), ImError> {
        fs::rename(self.unfinished(), self.rebuilt()).map_err(|error| io_failed("keep the new database", &error))
    }

    /// Puts a database that was made of a damaged one into its place and sets the damaged one aside. Stopped anywhere, it goes on the
    /// next time; without a new database it does nothing.
    pub(super) fn replace_damaged(&self) -> Result<(), ImError> {
        if !self.rebuilt().exists() {
            return Ok(());
        }
        for suffix in COMPANIONS {
            let (from, to) = (with_suffix(&self.file(), suffix), with_suffix(&self.aside(), suffix));
            match fs::rename(&from, &to) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(io_failed("set the damaged database aside", &error));
                }
                _ => {}
            }
        }
        // Before the new one is there: after it, the mark would have it rebuilt once more.
        remove(&self.mark())?;
        fs::rename(self.rebuilt(), self.file()).map_err(|error| io_failed("keep the new database", &error))
    }

    /// Lets another process or client open the place.
    pub(super) fn release(&self) {
        if let Ok(mut claim) = self.claim.lock() {
            *claim = None;
        }
    }
}

fn remove(path: &Path) -> Result<(), ImError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io_failed("clear a file away", &error)),
        _ => Ok(()),
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn io_failed(doing: &str, error: &io::Error) -> ImError {
    ImError::new(Code::IO_FAILED, format!("could not {doing}: {error}"))
}

/// A name that no file system confuses with another: capitals are spelled out, because some systems take `A`
/// and `a` for the same.
fn escape(text: &str) -> String {
    let mut name = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'-' => name.push(char::from(byte)),
            _ => write!(name, "_{byte:02x}").expect("writing to a string cannot fail"),
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_no_file_can_be_locked_a_second_client_of_the_process_is_refused_all_the_same() {
        let unsupported = TryLockError::Error(io::Error::from(io::ErrorKind::Unsupported));
        assert!(is_free(Err(unsupported)).unwrap());
        assert!(!is_free(Err(TryLockError::WouldBlock)).unwrap());
        let folder = tempfile::tempdir().unwrap();
        let first = Claim::take(folder.path()).unwrap();
        // As if the system had no locks.
        first.as_ref().unwrap()._lock.unlock().unwrap();
        assert!(Claim::take(&folder.path().join(".")).unwrap().is_none());
        drop(first);
        assert!(Claim::take(folder.path()).unwrap().is_some());
    }

    #[test]
    fn names_differ_also_where_case_does_not_count() {
        assert_eq!(escape("http://127.0.0.1:8080"), "http_3a_2f_2f127_2e0_2e0_2e1_3a8080");
        assert_ne!(escape("Alice").to_lowercase(), escape("alice"));
        assert_eq!(escape("../x"), "_2e_2e_2fx");
    }
}
