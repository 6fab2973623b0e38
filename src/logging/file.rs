// SPDX-License-Identifier: Apache-2.0
//! Two files that take turns.

use std::collections::HashMap;
use std::fs::{File, OpenOptions, create_dir_all, rename};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// How large one of the two files grows.
pub(crate) const FILE_BYTES_MAX: u64 = 5 * 1024 * 1024;
/// After so many lines that could not be written, writing is tried again: a full disk may have room by then.
const SKIPPED_BEFORE_RETRY: u32 = 1_000;

/// The files that are open in this process. Held to open one.
static OPEN: Mutex<Option<HashMap<PathBuf, Weak<Mutex<LogFile>>>>> = Mutex::new(None);

/// The newer file, `hongyan.log`; once it is full it becomes `hongyan.1.log` in place of the one before. A disk
/// that is full or gone costs lines, never the client.
#[derive(Debug)]
pub(crate) struct LogFile {
    folder: PathBuf,
    bytes_max: u64,
    state: State,
}

#[derive(Debug)]
enum State {
    Open { file: File, bytes: u64 },
    Failed { skipped: u32 },
}

impl LogFile {
    /// Opens the files of a folder, or takes part in them: of two clients in one folder that each turned them by
    /// themselves, one would go on in a file that the other has put away.
    pub(crate) fn shared(folder: &Path, bytes_max: u64) -> Arc<Mutex<Self>> {
        let key = create_dir_all(folder).and_then(|()| folder.canonicalize()).unwrap_or_else(|_| folder.to_owned());
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        let files = open.get_or_insert_default();
        files.retain(|_, file| file.strong_count() > 0);
        if let Some(file) = files.get(&key).and_then(Weak::upgrade) {
            return file;
        }
        let file = Arc::new(Mutex::new(Self::open(folder, bytes_max)));
        files.insert(key, Arc::downgrade(&file));
        file
    }

    fn open(folder: &Path, bytes_max: u64) -> Self {
        let mut log = Self { folder: folder.to_owned(), bytes_max, state: State::Failed { skipped: 0 } };
        log.reopen();
        log
    }

    /// Writes a line, which ends with a line feed.
    pub(crate) fn write(&mut self, line: &str) {
        if let State::Failed { skipped } = &mut self.state {
            *skipped += 1;
            if *skipped < SKIPPED_BEFORE_RETRY {
                return;
            }
            self.reopen();
        }
        if self.try_write(line).is_err() {
            self.state = State::Failed { skipped: 0 };
        }
    }

    fn try_write(&mut self, line: &str) -> io::Result<()> {
        let line_bytes = line.len() as u64;
        if let State::Open { bytes, .. } = self.state
            && bytes > 0
            && bytes + line_bytes > self.bytes_max
        {
            rename(self.current(), self.folder.join("hongyan.1.log"))?;
            self.reopen();
        }
        if let State::Open { file, bytes } = &mut self.state {
            file.write_all(line.as_bytes())?;
            *bytes += line_bytes;
        }
        Ok(())
    }

    fn current(&self) -> PathBuf {
        self.folder.join("hongyan.log")
    }

    fn reopen(&mut self) {
        let opened = create_dir_all(&self.folder).and_then(|()| {
            let file = OpenOptions::new().create(true).append(true).open(self.current())?;
            let bytes = file.metadata()?.len();
            Ok(State::Open { file, bytes })
        });
        self.state = opened.unwrap_or(State::Failed { skipped: 0 });
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_files_stay_within_their_bounds_and_keep_the_newest_lines() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = LogFile::open(folder.path(), 1_000);
        for number in 0..1_000 {
            log.write(&format!("line {number:04}\n"));
        }
        let sizes: Vec<u64> =
            fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).collect();
        assert_eq!(sizes.len(), 2);
        assert!(sizes.iter().all(|bytes| *bytes <= 1_000), "{sizes:?}");
        assert!(fs::read_to_string(folder.path().join("hongyan.log")).unwrap().ends_with("line 0999\n"));
    }

    #[test]
    fn two_clients_in_one_folder_lose_no_line_of_each_other() {
        let folder = tempfile::tempdir().unwrap();
        let logs = folder.path().join("logs");
        let (one, other) = (LogFile::shared(&logs, 40), LogFile::shared(&folder.path().join(".").join("logs"), 40));
        for number in 0..6 {
            let log = if number == 5 { &other } else { &one };
            log.lock().unwrap().write(&format!("line {number:04}\n"));
        }
        let read = |name| fs::read_to_string(logs.join(name)).unwrap();
        let expected: String = (0..6).map(|number| format!("line {number:04}\n")).collect();
        assert_eq!(format!("{}{}", read("hongyan.1.log"), read("hongyan.log")), expected);
    }

    #[test]
    fn a_second_run_goes_on_where_the_first_ended() {
        let folder = tempfile::tempdir().unwrap();
        LogFile::open(folder.path(), 1_000).write("one\n");
        LogFile::open(folder.path(), 1_000).write("two\n");
        assert_eq!(fs::read_to_string(folder.path().join("hongyan.log")).unwrap(), "one\ntwo\n");
    }

    #[test]
    fn a_folder_that_cannot_be_made_costs_lines_only_and_is_tried_again() {
        let folder = tempfile::tempdir().unwrap();
        let logs = folder.path().join("logs");
        fs::write(&logs, "a file is in the way").unwrap();
        let mut log = LogFile::open(&logs, 1_000);
        log.write("lost\n");
        fs::remove_file(&logs).unwrap();
        for _ in 0..SKIPPED_BEFORE_RETRY {
            log.write("kept\n");
        }
        assert!(fs::read_to_string(logs.join("hongyan.log")).unwrap().ends_with("kept\n"));
    }
}
