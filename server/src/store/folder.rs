// SPDX-License-Identifier: Apache-2.0
//! The data folder: private to its owner, and of one server at a time.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::path::Path;

use hongyan_protocol::codes::Code;

use crate::error::Error;

const LOCK_FILE_NAME: &str = "hongyan.lock";

/// Makes the folder and an empty file in it, both for their owner alone. What exists is left as it is.
pub(crate) fn prepare(folder: &Path, file: &Path) -> Result<(), Error> {
    let preparing = |error| Error::internal(format!("preparing the data folder {}", folder.display()), error);
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder).map_err(preparing)?;
    // The engine gives its other files the mode of this one.
    open_private(file).map(drop).map_err(preparing)
}

/// Makes an empty file for its owner alone. Fails where there is one.
pub(crate) fn create_private(file: &Path) -> std::io::Result<()> {
    private().create_new(true).open(file).map(drop)
}

fn open_private(file: &Path) -> std::io::Result<File> {
    private().create(true).truncate(false).open(file)
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// The right of one server to a data folder. The system takes it back when the process ends, however it ends.
///
/// Commands that only touch a few rows work beside a running server and need none. Two servers would each push
/// only what they wrote themselves.
#[derive(Debug)]
pub(crate) struct FolderLock {
    _file: File,
}

impl FolderLock {
    /// Takes the folder, or says that another server has it.
    pub(crate) fn take(folder: &Path) -> Result<Self, Error> {
        let path = folder.join(LOCK_FILE_NAME);
        prepare(folder, &path)?;
        let locking = |error| Error::internal(format!("locking the data folder {}", folder.display()), error);
        let file = open_private(&path).map_err(locking)?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(Error::new(
                Code::BAD_PARAMETER,
                format!("another server is running on the data folder {}", folder.display()),
            )),
            Err(TryLockError::Error(error)) => Err(locking(error)),
        }
    }
}
