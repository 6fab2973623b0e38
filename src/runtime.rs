// SPDX-License-Identifier: Apache-2.0
//! The threads that all clients of the process share.

use std::future::Future;
use std::sync::OnceLock;

use hongyan_protocol::codes::Code;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;
use tracing::Dispatch;
use tracing::instrument::WithSubscriber;

use crate::error::ImError;

/// An IM client waits nearly all the time: two threads keep a long parse from delaying the socket.
const WORKERS: usize = 2;

static RUNTIME: OnceLock<Runtime> = OnceLock::new();

fn runtime() -> &'static Runtime {
    RUNTIME.get_or_init(|| {
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(WORKERS).thread_name("hongyan").enable_all();
        #[cfg(not(target_vendor = "apple"))]
        known_to_java(&mut builder);
        builder.build().expect("a process that can start threads can start the SDK's two")
    })
}

/// The workers wake Kotlin's coroutines.
#[cfg(not(target_vendor = "apple"))]
fn known_to_java(builder: &mut Builder) {
    use std::cell::RefCell;

    thread_local!(static KNOWN: RefCell<Option<crate::jvm::AttachedThread>> = const { RefCell::new(None) });
    builder.on_thread_start(|| KNOWN.set(crate::jvm::attach(c"hongyan")));
    builder.on_thread_stop(|| drop(KNOWN.take()));
}

/// Runs a future on the SDK's threads; its log lines go to `log`.
pub(crate) fn spawn<F>(log: &Dispatch, future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    runtime().spawn(future.with_subscriber(log.clone()))
}

/// Runs a call of an app to its end on the SDK's threads, also where the app stops waiting for it: a dropped
/// future leaves nothing half done.
pub(crate) async fn run<T, F>(log: &Dispatch, call: F) -> Result<T, ImError>
where
    T: Send + 'static,
    F: Future<Output = Result<T, ImError>> + Send + 'static,
{
    spawn(log, call).await.map_err(|error| ImError::new(Code::INTERNAL_ERROR, error.to_string()))?
}

/// Waits for a future on a thread that is not one of the runtime's.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    runtime().block_on(future)
}
