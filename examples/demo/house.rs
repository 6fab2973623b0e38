// SPDX-License-Identifier: Apache-2.0
//! Where the play takes place: a temporary folder, and all clients that keep something in it.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use hongyan::ImClient;
use tempfile::TempDir;

use crate::failure::{Doing, Failure};
use crate::within;

/// A folder and who writes to it.
pub struct House {
    folder: TempDir,
    /// Held to add to it or to take all out.
    clients: Mutex<Vec<Arc<ImClient>>>,
}

impl House {
    /// An empty house.
    pub fn open() -> Result<Self, Failure> {
        let folder = tempfile::Builder::new().prefix("hongyan-demo-").tempdir().doing("making a folder")?;
        Ok(Self { folder, clients: Mutex::default() })
    }

    /// A place for somebody's files.
    pub fn place(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Notes a client, to be closed at the end whatever happens.
    pub fn note(&self, client: &Arc<ImClient>) {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(client));
    }

    /// Closes all clients, so that nobody writes any more, and removes the folder.
    pub async fn close(self) -> Result<(), Failure> {
        let clients = self.clients.into_inner().unwrap_or_else(PoisonError::into_inner);
        for client in clients {
            within("closing the clients", client.close()).await?;
        }
        self.folder.close().doing("removing the folder")
    }
}
