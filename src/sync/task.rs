// SPDX-License-Identifier: Apache-2.0
//! The one task that writes what the connection hears and sends what the outbox holds.

use std::future::Future;
use std::sync::Arc;

use hongyan_protocol::clock::Clock;
use hongyan_protocol::codes::Code;
use hongyan_protocol::ids::{InstanceId, MessageId};
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tracing::instrument::WithSubscriber;

use crate::account::LoginStatus;
use crate::connection::handle::{ConnectionNumber, Inbound};
use crate::connection::status::Status;
use crate::error::ImError;
use crate::listener::events::EventRef;
use crate::message;
use crate::message::outbox::{Verdict, Window};
use crate::sync::batch::WriteError;
use crate::sync::catch_up::{catch_up, forget_all, meet_instance};
use crate::sync::fill::{Incomplete, fill_known};
use crate::sync::live::{self, Told};
use crate::sync::local::Local;
use crate::sync::mending::Mending;

/// How much is taken from the inbox for one write.
const INBOUND_MAX: usize = 512;

/// How long a comparison of heads that failed waits before it is tried again: doubled from the first to the last.
const RETRY_MS_MIN: u64 = 500;
const RETRY_MS_MAX: u64 = 30_000;

/// The task's own state; all that must survive is in the store.
pub(super) struct Task {
    local: Arc<Local>,
    clock: Clock,
    /// What the connection is to others: it says whether anybody is logged in.
    status: watch::Receiver<Status>,
    connection: Option<ConnectionNumber>,
    /// The store of the server that was met last.
    instance: Option<InstanceId>,
    window: Window,
    catching_up: CatchingUp,
    /// What lacks something that a comparison of heads is not needed for.
    incomplete: Incomplete,
    /// What is being fetched, one thing at a time. Events and the outbox go on beside it; it is a task of its own,
    /// because it may hold the store's writer while this task waits for it.
    mending: JoinSet<Mended>,
    /// Stops it.
    stop: watch::Sender<bool>,
    /// When to look for what is new in the outbox; nothing while nothing is.
    learn_at_ms: Option<u64>,
}

/// Whether heads are to be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CatchingUp {
    /// They were, and nothing was lost since.
    Done,
    /// They are being compared, and nothing was lost since that began.
    Running { failures: u32 },
    /// As soon as there is a connection, but not before a time.
    Due { not_before_ms: u64, failures: u32 },
}

const DUE_NOW: CatchingUp = CatchingUp::Due { not_before_ms: 0, failures: 0 };

/// What came of fetching.
enum Mended {
    CaughtUp(Result<(), WriteError>),
    /// Says whether heads are to be compared.
    Filled(Result<bool, WriteError>),
}

impl Mended {
    fn from_panic(error: JoinError) -> Self {
        Self::CaughtUp(Err(ImError::new(Code::INTERNAL_ERROR, error.to_string()).into()))
    }
}

/// What woke the task.
enum Woken {
    Inbound(Vec<Inbound>),
    Mended(Mended),
    /// Somebody found that the cache is not what the server has.
    Doubt,
    /// The outbox, a login or its end, or a time that has come.
    Looking,
}

impl Task {
    pub(super) fn new(local: &Arc<Local>) -> Self {
        Self {
            local: Arc::clone(local),
            clock: local.context.clock.clone(),
            status: local.context.connection.watch_status(),
            connection: None,
            instance: None,
            window: Window::default(),
            catching_up: DUE_NOW,
            incomplete: Incomplete::default(),
            mending: JoinSet::new(),
            stop: watch::Sender::new(false),
            learn_at_ms: Some(0),
        }
    }

    /// Runs until it is told to end. A write that has begun then is ended and told of.
    pub(super) async fn run(mut self, mut closing: watch::Receiver<bool>) {
        loop {
            let woken = tokio::select! {
                // A failed wait means that nobody is left who could ask for anything.
                _ = closing.wait_for(|is_closing| *is_closing) => break,
                woken = self.next() => woken,
            };
            match woken {
                Woken::Inbound(inbound) => self.take_in(inbound).await,
                Woken::Mended(mended) => self.take_in_mended(mended).await,
                Woken::Doubt => {
                    self.fail("read", WriteError::Contradiction("a reader found it")).await;
                }
                Woken::Looking => {}
            }
            self.mend();
            if let Err(error) = self.send().await {
                // The table is right; what is known of it here may not be.
                self.window = Window::default();
                self.learn_at_ms = Some(self.clock.monotonic_ms() + RETRY_MS_MIN);
                self.fail("send what the outbox holds", error).await;
            }
        }
        self.await_mending_end().await;
    }

    /// Waits for something to do.
    async fn next(&mut self) -> Woken {
        let local = Arc::clone(&self.local);
        let wake_ms = self.wake_ms();
        tokio::select! {
            inbound = local.inbox().take(INBOUND_MAX) => Woken::Inbound(inbound),
            Some(mended) = self.mending.join_next() => Woken::Mended(mended.unwrap_or_else(Mended::from_panic)),
            () = local.doubt.notified() => Woken::Doubt,
            Ok(()) = self.status.changed() => Woken::Looking,
            () = local.outbox.filled.notified() => {
                self.learn_at_ms = Some(0);
                Woken::Looking
            }
            () = sleep_until(&self.clock, wake_ms) => Woken::Looking,
        }
    }

    fn wake_ms(&self) -> Option<u64> {
        let retry = match (self.connection, self.catching_up) {
            (Some(_), CatchingUp::Due { not_before_ms, .. }) if self.mending.is_empty() => Some(not_before_ms),
            _ => None,
        };
        let window = self.window.wake_ms(self.connection.is_some());
        retry.into_iter().chain(self.learn_at_ms).chain(window).min()
    }

    /// Begins to fetch what is known to be missing, where nothing is being fetched.
    fn mend(&mut self) {
        let (Some(_), Some(instance), true) = (self.connection, self.instance, self.mending.is_empty()) else {
            return;
        };
        self.stop = watch::Sender::new(false);
        let mending = Mending::new(Arc::clone(&self.local), self.stop.subscribe());
        match self.catching_up {
            CatchingUp::Due { not_before_ms, failures } if not_before_ms <= self.clock.monotonic_ms() => {
                // Heads tell of all that was incomplete before they were read.
                self.incomplete = Incomplete::default();
                self.set_catching_up(CatchingUp::Running { failures });
                self.tell(EventRef::SyncStart);
                self.mend_by(async move { Mended::CaughtUp(catch_up(&mending, instance).await) });
            }
            CatchingUp::Done if !self.incomplete.is_empty() => {
                let incomplete = std::mem::take(&mut self.incomplete);
                self.mend_by(async move { Mended::Filled(fill_known(&mending, incomplete).await) });
            }
            _ => {}
        }
    }

    fn mend_by(&mut self, mending: impl Future<Output = Mended> + Send + 'static) {
        self.mending.spawn(mending.with_subscriber(self.local.context.log.clone()));
    }

    /// Takes in what came of fetching.
    async fn take_in_mended(&mut self, mended: Mended) {
        match mended {
            Mended::CaughtUp(Ok(())) => {
                if let CatchingUp::Running { .. } = self.catching_up {
                    self.set_catching_up(CatchingUp::Done);
                }
                self.tell(EventRef::SyncFinish);
            }
            Mended::CaughtUp(Err(error)) => {
                let failures = match self.catching_up {
                    CatchingUp::Running { failures } => failures,
                    _ => 0,
                };
                self.tell(EventRef::SyncFailed);
                // It is told of; what follows here is not another failure.
                self.set_catching_up(DUE_NOW);
                self.fail("compare heads", error).await;
                let wait_ms = RETRY_MS_MAX.min(RETRY_MS_MIN << failures.min(10));
                let not_before_ms = self.clock.monotonic_ms() + wait_ms;
                self.set_catching_up(CatchingUp::Due { not_before_ms, failures: failures + 1 });
            }
            Mended::Filled(Ok(false)) => {}
            Mended::Filled(Ok(true)) => self.set_catching_up(DUE_NOW),
            Mended::Filled(Err(error)) => self.fail("fetch what is missing", error).await,
        }
    }

    /// What is being fetched comes from a connection, or for a cache, that is gone.
    async fn stop_mending(&mut self) {
        self.await_mending_end().await;
        if let CatchingUp::Running { .. } = self.catching_up {
            self.tell(EventRef::SyncFailed);
        }
        self.set_catching_up(DUE_NOW);
    }

    /// Once this returns nothing is fetched or written any more but by the task itself.
    async fn await_mending_end(&mut self) {
        self.stop.send_replace(true);
        while self.mending.join_next().await.is_some() {}
    }

    /// Takes in what the connection heard: what was told between two connections is one write.
    async fn take_in(&mut self, inbound: Vec<Inbound>) {
        let mut told = Vec::new();
        for inbound in inbound {
            match inbound {
                Inbound::Event { name, data } => told.extend(Told::read(self.local.user(), &name, &data)),
                Inbound::SendReply { message_id, outcome: Ok(sent) } => told.push(Told::Sent { id: message_id, sent }),
                Inbound::SendReply { message_id, outcome: Err(error) } => {
                    if let Verdict::Failed(code) = self.window.refuse(message_id, &error, self.clock.monotonic_ms()) {
                        told.push(Told::Failed { id: message_id, code });
                    }
                }
                Inbound::PushLost => told.push(Told::Lost),
                Inbound::Connected { connection, session } => {
                    self.write(std::mem::take(&mut told)).await;
                    self.window.disconnect();
                    self.stop_mending().await;
                    self.connection = Some(connection);
                    self.instance = Some(session.instance);
                    // What follows belongs to that store. Where it fails, the comparison begins with it.
                    if let Err(error) = meet_instance(&self.local, session.instance).await {
                        self.fail("meet the server's store", error).await;
                    }
                }
                Inbound::Disconnected => {
                    self.write(std::mem::take(&mut told)).await;
                    self.window.disconnect();
                    self.stop_mending().await;
                    self.connection = None;
                }
                Inbound::Background => {
                    self.write(std::mem::take(&mut told)).await;
                    if let Err(error) = self.local.store.checkpoint().await {
                        tracing::warn!(%error, "the local database could not be checkpointed");
                    }
                }
            }
        }
        self.write(told).await;
    }

    async fn write(&mut self, told: Vec<Told>) {
        if told.is_empty() {
            return;
        }
        let settled: Vec<(MessageId, Option<Code>)> = told.iter().filter_map(settled).collect();
        let written = live::write(&self.local, told).await;
        let rest = match written {
            Ok(rest) => rest,
            Err(error) => {
                // Nothing of it was stored: replies come again with the messages, the rest with the heads.
                self.window.disconnect();
                return self.fail("store what the server told", error).await;
            }
        };
        for (id, failure) in settled {
            self.window.remove(id);
            if let Some(code) = failure {
                self.local.outbox.settle(id, &Err(code.into()));
            }
        }
        if rest.is_lost {
            self.set_catching_up(DUE_NOW);
        }
        self.incomplete.add(rest.incomplete);
    }

    /// Goes on with the outbox: learns what is new, gives up what is too old, sends what may be sent.
    async fn send(&mut self) -> Result<(), WriteError> {
        let local = Arc::clone(&self.local);
        let now_ms = self.clock.monotonic_ms();
        if self.learn_at_ms.is_some_and(|at_ms| at_ms <= now_ms) {
            self.window.learn(&local.store).await?;
            self.learn_at_ms = None;
        }
        let login = self.status.borrow_and_update().login;
        self.window.keep_time(login == LoginStatus::LoggedIn, now_ms);
        if login == LoginStatus::NotLoggedIn {
            local.outbox.interrupt();
        }
        let mut failed = self.window.expire(now_ms);
        if let Some(connection) = self.connection {
            let attempt = self.window.send(&local.store, &local.context.connection, connection, now_ms).await?;
            failed.extend(attempt.failed);
            self.settle_gone(&attempt.gone).await?;
        }
        if failed.is_empty() {
            return Ok(());
        }
        let told = failed.iter().map(|(id, code)| Told::Failed { id: *id, code: *code }).collect();
        let written = live::write(&local, told).await.map(drop).map_err(ImError::from);
        for (id, code) in failed {
            local.outbox.settle(id, &Err(written.clone().err().unwrap_or_else(|| code.into())));
        }
        Ok(written?)
    }

    /// Tells those who wait for what had left the outbox already.
    async fn settle_gone(&self, gone: &[MessageId]) -> Result<(), ImError> {
        if gone.is_empty() {
            return Ok(());
        }
        let mut reader = self.local.store.read().await?;
        for (id, outcome) in message::queries::list_outcomes(&mut reader, gone).await? {
            self.local.outbox.settle(id, &outcome);
        }
        Ok(())
    }

    /// After a failure nothing is known to be complete: heads are compared again.
    async fn fail(&mut self, doing: &'static str, error: WriteError) {
        let user = self.local.user().clone();
        match error {
            WriteError::Contradiction(what) => {
                tracing::error!(user.id = %user, doing, what, "the cache is loaded anew");
                self.stop_mending().await;
                if let Err(error) = forget_all(&self.local).await {
                    tracing::error!(user.id = %user, error = %ImError::from(error), "the cache could not be dropped");
                }
            }
            WriteError::Failed(error) => {
                tracing::warn!(user.id = %user, doing, code = error.code().0, %error, "the sync task failed");
                self.local.store.note(&error);
            }
        }
        let not_before_ms = self.clock.monotonic_ms() + RETRY_MS_MIN;
        self.set_catching_up(CatchingUp::Due { not_before_ms, failures: 0 });
    }

    fn set_catching_up(&mut self, catching_up: CatchingUp) {
        self.catching_up = catching_up;
        self.local.set_current(catching_up == CatchingUp::Done);
    }

    fn tell(&self, event: EventRef) {
        self.local.context.dispatcher.push(event);
    }
}

async fn sleep_until(clock: &Clock, deadline_ms: Option<u64>) {
    match deadline_ms {
        Some(deadline_ms) => clock.sleep_until(deadline_ms).await,
        None => std::future::pending().await,
    }
}

fn settled(told: &Told) -> Option<(MessageId, Option<Code>)> {
    match told {
        Told::Sent { id, .. } => Some((*id, None)),
        Told::Failed { id, code } => Some((*id, Some(*code))),
        _ => None,
    }
}
