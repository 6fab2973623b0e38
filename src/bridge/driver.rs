// SPDX-License-Identifier: Apache-2.0
//! The task that runs the calls that wait. It begins them in the order in which they were made, and each leaves on its
//! answer or when the bridge is shut down.

use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use hongyan_protocol::codes::Code;
use tokio::sync::{mpsc, oneshot};
use tracing::Dispatch;

use crate::bridge::outlet::Outlet;
use crate::bridge::{Answer, events};
use crate::client::ImClient;
use crate::runtime;

/// A call that waits.
pub(super) struct Job {
    pub(super) call_id: i64,
    pub(super) call: BoxFuture<'static, Answer>,
}

/// The way to the task, which ends when this is dropped.
pub(super) struct Driver {
    /// Bounded by the places that the outlet gives.
    jobs: mpsc::UnboundedSender<Job>,
    _closing: oneshot::Sender<()>,
}

impl Driver {
    pub(super) fn start(client: Arc<ImClient>, outlet: Arc<Outlet>) -> Self {
        let (jobs, new_jobs) = mpsc::unbounded_channel();
        let (closing, closed) = oneshot::channel();
        // The calls log for themselves: each runs on its client's own tasks.
        runtime::spawn(&Dispatch::none(), run(client, outlet, new_jobs, closed));
        Self { jobs, _closing: closing }
    }

    /// Has a call run; gives its answer where nothing runs any more. The task lives as long as this, unless it failed.
    pub(super) fn take(&self, job: Job) -> Option<Answer> {
        self.jobs.send(job).err().map(|_| Err(Code::INTERNAL_ERROR.into()))
    }
}

async fn run(
    client: Arc<ImClient>,
    outlet: Arc<Outlet>,
    mut jobs: mpsc::UnboundedReceiver<Job>,
    mut closed: oneshot::Receiver<()>,
) {
    let mut running = FuturesUnordered::new();
    loop {
        tokio::select! {
            biased;
            _ = &mut closed => break,
            Some(job) = jobs.recv() => running.push(Running(job)),
            Some((call_id, answer)) = running.next(), if !running.is_empty() => outlet.reply(call_id, &answer),
        }
    }
    let interrupted = Err(Code::INTERRUPTED_BY_CLOSE.into());
    for Running(job) in running.iter() {
        outlet.reply(job.call_id, &interrupted);
    }
    drop(running);
    while let Some(job) = jobs.recv().await {
        outlet.reply(job.call_id, &interrupted);
    }
    // Whatever the SDK itself might get wrong here, the app hears of the end.
    if AssertUnwindSafe(client.close()).catch_unwind().await.is_err() {
        tracing::error!("the client of a bridge ended badly");
    }
    outlet.close(events::SHUT_DOWN.text("null"));
}

/// A call with its id. What the SDK itself might get wrong in it ends this one alone.
struct Running(Job);

impl Future for Running {
    type Output = (i64, Answer);

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let job = &mut self.0;
        let answer = std::task::ready!(AssertUnwindSafe(&mut job.call).catch_unwind().poll_unpin(context));
        Poll::Ready((job.call_id, answer.unwrap_or_else(|_| Err(Code::INTERNAL_ERROR.into()))))
    }
}
