// SPDX-License-Identifier: Apache-2.0
//! Which installation this is.

use std::fs;
use std::io;
use std::path::Path;

use hongyan_protocol::codes::Code;
use hongyan_protocol::ids::DeviceId;

use crate::error::ImError;

/// The id of this installation: made on the first start, kept in the data folder, shared by the users of it.
pub(crate) fn device_id(data_folder: &Path) -> Result<DeviceId, ImError> {
    let path = data_folder.join("device");
    match fs::read_to_string(&path) {
        // What cannot be read as an id was cut off by a power cut or a full disk: a new device then.
        Ok(text) => DeviceId::parse(text.trim()).or_else(|_| make(data_folder, &path)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => make(data_folder, &path),
        Err(error) => Err(error),
    }
    .map_err(|error| ImError::new(Code::IO_FAILED, format!("{}: {error}", path.display())))
}

fn make(data_folder: &Path, path: &Path) -> io::Result<DeviceId> {
    let id = DeviceId::generate();
    // Each writer has a file of its own, and all read back what the last rename left: two clients that start
    // together agree.
    let draft = data_folder.join(format!("device.{id}"));
    fs::write(&draft, format!("{id}\n"))?;
    fs::rename(&draft, path)?;
    let text = fs::read_to_string(path)?;
    DeviceId::parse(text.trim()).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_installation_keeps_its_id() {
        let folder = tempfile::tempdir().unwrap();
        let first = device_id(folder.path()).unwrap();
        assert_eq!(device_id(folder.path()).unwrap(), first);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_broken_id_is_made_anew_and_an_unreadable_one_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("device"), "0197").unwrap();
        let made = device_id(folder.path()).unwrap();
        assert_eq!(device_id(folder.path()).unwrap(), made);
        let missing = folder.path().join("missing");
        assert_eq!(device_id(&missing).unwrap_err().code(), Code::IO_FAILED);
    }
}
