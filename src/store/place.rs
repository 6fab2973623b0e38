// SPDX-License-Identifier: Apache-2.0
//! Where a user's file lies, and the lock that keeps a second process or client away from it.

use std::fmt::Write as _;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use hongyan_protocol::codes::Code;
use hongyan_protocol::ids::{SdkAppId, UserId};

use crate::error::ImError;

/// What most file systems allow for one name.
const NAME_BYTES_MAX: usize = 200;

/// What SQLite keeps beside a database file.
const COMPANIONS: [&str; 3] = ["", "-wal", "-shm"];

/// The folder of one user of one app on one server, claimed for this process.
pub(super) struct Place {
    folder: PathBuf,
    // Held until the store is closed or dropped; a plain mutex, taken only to let go.
    lock: Mutex<Option<File>>,
}

impl Place {
    /// Makes the folder and takes its lock.
    pub(super) fn claim(data_folder: &Path, server_url: &str, app: SdkAppId, user: &UserId) -> Result<Self, ImError> {
        let server = escape(server_url.trim_end_matches('/'));
        if server.len() > NAME_BYTES_MAX {
            return Err(ImError::new(Code::INVALID_PARAMETERS, "the server's address is too long"));
        }
        let folder = data_folder.join(server).join(app.to_string()).join(escape(user.as_str()));
        fs::create_dir_all(&folder).map_err(|error| io_failed("make the data folder", &error))?;
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(folder.join("lock"))
            .map_err(|error| io_failed("open the lock file", &error))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { folder, lock: Mutex::new(Some(lock)) }),
            Err(TryLockError::WouldBlock) => Err(ImError::new(
                Code::DATABASE_LOAD_FAILED,
                "another process or another client has this user's local data open",
            )),
            Err(TryLockError::Error(error)) => Err(io_failed("lock the data folder", &error)),
        }
    }

    /// The database.
    pub(super) fn file(&self) -> PathBuf {
        self.folder.join("im.db")
    }

    /// A damaged database that was set aside.
    pub(super) fn aside(&self) -> PathBuf {
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

    /// Renames a damaged database, over the one that was set aside before it.
    pub(super) fn set_aside(&self) -> Result<(), ImError> {
        for suffix in COMPANIONS {
            let (from, to) = (with_suffix(&self.file(), suffix), with_suffix(&self.aside(), suffix));
            match fs::rename(&from, &to) {
                Ok(()) => {}
                // A stale companion must not be read as part of the file that is set aside now.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    let _ = fs::remove_file(&to);
                }
                Err(error) => return Err(io_failed("set the damaged database aside", &error)),
            }
        }
        match fs::remove_file(self.mark()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io_failed("clear the mark", &error)),
            _ => Ok(()),
        }
    }

    /// Lets another process or client open the place.
    pub(super) fn release(&self) {
        if let Ok(mut lock) = self.lock.lock() {
            *lock = None;
        }
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
    use super::escape;

    #[test]
    fn names_differ_also_where_case_does_not_count() {
        assert_eq!(escape("http://127.0.0.1:8080"), "http_3a_2f_2f127_2e0_2e0_2e1_3a8080");
        assert_ne!(escape("Alice").to_lowercase(), escape("alice"));
        assert_eq!(escape("../x"), "_2e_2e_2fx");
    }
}
