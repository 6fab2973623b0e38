// SPDX-License-Identifier: Apache-2.0
//! Bringing in what an older version stored.
//!
//! It is begun when the store is opened, beside everything else. A search that comes before the end goes on with it, and
//! answers when it is done: what it finds is always all there is.

use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::error::ImError;
use crate::message::queries;
use crate::store::Store;

/// Brings in everything, in small steps, each in a turn of its own between searches. Ends once there are no more turns.
pub(crate) async fn fill(store: Store, turns: Arc<Semaphore>) {
    while let Ok(_turn) = turns.acquire().await {
        match step(&store).await {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => {
                store.note(&error);
                return tracing::warn!(%error, "what is stored could not be made ready for searches");
            }
        }
    }
}

/// Returns when everything is in.
pub(super) async fn complete(store: &Store) -> Result<(), ImError> {
    while step(store).await? {}
    Ok(())
}

/// Whether there is more to do.
async fn step(store: &Store) -> Result<bool, ImError> {
    let is_whole = queries::is_whole(&mut *store.read().await?).await?;
    Ok(!is_whole && queries::index_backlog(store).await?)
}
