// SPDX-License-Identifier: Apache-2.0
//! Fetching beside the sync task, and how it is stopped: only the waiting for the server is cut short. A write that has
//! begun is ended and told of, for what is stored and not told would never be.

use std::future::Future;
use std::sync::Arc;

use hongyan_protocol::codes::Code;
use tokio::sync::watch;

use crate::error::ImError;
use crate::sync::local::Local;

/// What a task that fetches works with.
pub(super) struct Mending {
    pub(super) local: Arc<Local>,
    stopped: watch::Receiver<bool>,
}

impl Mending {
    /// One that runs until `stopped` is set, or its sender gone.
    pub(super) fn new(local: Arc<Local>, stopped: watch::Receiver<bool>) -> Self {
        Self { local, stopped }
    }

    /// Waits for an answer of the server; 9508 once nobody wants it any more.
    pub(super) async fn wait<T>(&self, answer: impl Future<Output = Result<T, ImError>>) -> Result<T, ImError> {
        until_stopped(&self.stopped, answer).await
    }
}

async fn until_stopped<T>(
    stopped: &watch::Receiver<bool>,
    answer: impl Future<Output = Result<T, ImError>>,
) -> Result<T, ImError> {
    let mut stopped = stopped.clone();
    tokio::select! {
        biased;
        _ = stopped.wait_for(|is_stopped| *is_stopped) => Err(Code::NETWORK_DISCONNECTED.into()),
        answer = answer => answer,
    }
}

#[cfg(test)]
mod tests {
    use hongyan_protocol::codes::Code;
    use tokio::sync::watch;

    use crate::error::ImError;

    #[tokio::test]
    async fn only_waiting_for_the_server_is_cut_short() {
        let (stop, stopped) = watch::channel(false);
        let wait = super::until_stopped(&stopped, std::future::pending::<Result<(), ImError>>());
        stop.send_replace(true);
        assert_eq!(wait.await.map_err(|error| error.code()), Err(Code::NETWORK_DISCONNECTED));
        drop(stop);
        let wait = super::until_stopped(&stopped, async { Ok(()) });
        assert!(wait.await.is_err(), "nothing is asked any more");
    }
}
