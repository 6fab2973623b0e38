// SPDX-License-Identifier: Apache-2.0
//! Writing: operations follow one another and share commits.
//!
//! A commit costs a wait for the disk, an operation does not. So an operation ([`Write`]) runs inside a savepoint of
//! a transaction that other operations have used before it; when it is done it stands in line, and the committer,
//! which takes its turn like any operation, commits for all who stand there. An idle store commits at once; the more
//! is waiting, the more shares a commit. An operation that fails or is dropped midway is undone alone.
//!
//! What an operation publishes leaves while the writer is still held, so in the order of commits.
//!
//! A commit of the embedded engine whose outcome is unknown makes the store *failed*: nothing is written after it, and the
//! server stops. What the disk holds then is found out by opening it again. So does a panic of a task that everybody
//! waits for, and a rollback that the engine refuses.
//!
//! PostgreSQL knows what it holds, it is only out of reach: the connection is *lost*, operations are refused with a code
//! that says to try again, and the committer connects anew until it succeeds. Where a commit was on its way, those who
//! waited for it are told to try again too (their ids show what was done), nothing of it is published, and
//! `Shared::doubts` says so once the store is back.

mod transaction;

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::{Duration, Instant};

use hongyan_protocol::codes::Code;
use tokio::sync::{Mutex, Notify, OwnedMutexGuard, oneshot, watch};
use tokio::task::JoinHandle;

use self::transaction::{CommitError, commit, open, roll_back};
use super::metrics::StoreMetrics;
use super::postgres::{Backend, Source};
use super::{Connection, SyncTime, execute, instance};
use crate::error::Error;

/// How long the committer waits after an attempt to connect that failed; doubled each time, up to the most.
const RECONNECT_WAIT: Duration = Duration::from_millis(100);
const RECONNECT_WAIT_MAX: Duration = Duration::from_secs(3);

/// What the writer's connection is in the middle of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// No transaction.
    Idle,
    /// A transaction is being opened; a dropped operation may leave it so.
    Opening,
    /// A transaction, no operation inside it.
    Open,
    /// An operation is in its savepoint; one that was dropped leaves the savepoint to who comes next.
    Inside,
    /// The connection broke. The committer makes another.
    Lost,
    /// Closed, or a commit failed: nothing is written any more.
    Over,
}

/// The writer's connection, and where to get another.
pub(super) struct Writer {
    connection: Connection,
    /// Nothing for the embedded engine.
    origin: Option<Origin>,
}

struct Origin {
    source: Arc<Source>,
    backend: Backend,
}

impl Writer {
    pub(super) fn new(connection: Connection, origin: Option<(Source, Backend)>) -> Self {
        let origin = origin.map(|(source, backend)| Origin { source: Arc::new(source), backend });
        Self { connection, origin }
    }
}

struct Group {
    /// Gone while it is lost, and after the close.
    connection: Option<Connection>,
    origin: Option<Origin>,
    state: State,
    /// A commit was on its way when the connection was lost.
    is_in_doubt: bool,
    waiting: Vec<Waiting>,
    /// Whether the last commit failed because the disk is full.
    lacks_room: bool,
    failed: watch::Sender<bool>,
    metrics: StoreMetrics,
}

/// An operation that is done and waits for the commit.
struct Waiting {
    publish: Box<dyn FnOnce() + Send>,
    done: oneshot::Sender<Result<(), Error>>,
}

/// What became of a commit.
type Outcome = oneshot::Receiver<Result<(), Error>>;

/// The writer of a store.
pub(crate) struct Shared {
    /// Taken by each operation in turn, and by the committer. An async lock, because statements run under it; it is
    /// fair, so that the committer gets its turn behind those who came before.
    group: Arc<Mutex<Group>>,
    work: Arc<Notify>,
    /// Raised by each turn of the committer; nothing once it is closed.
    turns: watch::Sender<Option<u64>>,
    doubts: watch::Sender<u64>,
    failed: watch::Sender<bool>,
    sync_time: Arc<SyncTime>,
    metrics: StoreMetrics,
}

/// The task that commits.
pub(crate) struct Committer {
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

impl Shared {
    pub(super) fn start(writer: Writer, sync_time: Arc<SyncTime>, metrics: StoreMetrics) -> (Arc<Self>, Committer) {
        let failed = watch::Sender::new(false);
        let group = Group {
            connection: Some(writer.connection),
            origin: writer.origin,
            state: State::Idle,
            is_in_doubt: false,
            waiting: Vec::new(),
            lacks_room: false,
            failed: failed.clone(),
            metrics: metrics.clone(),
        };
        metrics.connected();
        let shared = Arc::new(Self {
            group: Arc::new(Mutex::new(group)),
            work: Arc::new(Notify::new()),
            turns: watch::Sender::new(Some(0)),
            doubts: watch::Sender::new(0),
            failed,
            sync_time,
            metrics,
        });
        let task = tokio::spawn({
            let shared = Arc::clone(&shared);
            async move {
                let _guard = shared.guard();
                loop {
                    shared.work.notified().await;
                    shared.commit_group(&mut *shared.group.lock().await).await;
                    shared.turns.send_modify(|turns| *turns = turns.map(|turns| turns + 1));
                    shared.reconnect().await;
                }
            }
        });
        (Arc::clone(&shared), Committer { shared, task })
    }

    pub(crate) fn failed(&self) -> watch::Receiver<bool> {
        self.failed.subscribe()
    }

    pub(super) fn doubts(&self) -> watch::Receiver<u64> {
        self.doubts.subscribe()
    }

    /// Waits until what stood in line is committed, and so no row is held by this server; or until nobody commits any more.
    pub(super) async fn settle(&self) {
        let (mut turns, mut failed) = (self.turns.subscribe(), self.failed());
        let before = *turns.borrow_and_update();
        self.work.notify_one();
        // The senders are in here.
        tokio::select! {
            _ = turns.wait_for(|turns| turns.is_none() || *turns != before) => {}
            _ = failed.wait_for(|has_failed| *has_failed) => {}
        }
    }

    /// To be held by a task that everybody waits for.
    pub(crate) fn guard(&self) -> PanicGuard {
        PanicGuard { failed: self.failed.clone() }
    }

    pub(crate) async fn begin(shared: &Arc<Self>) -> Result<Write, Error> {
        let group = Arc::clone(&shared.group).lock_owned().await;
        // Made before the first statement: dropped midway, it wakes the committer, which cleans up.
        let mut write = Write { group, shared: Arc::clone(shared) };
        if *shared.failed.borrow() {
            return Err(stopped());
        }
        write.group.enter(&shared.sync_time).await?;
        Ok(write)
    }

    /// Commits what stands in line and answers it.
    async fn commit_group(&self, group: &mut Group) {
        if let Err(error) = group.leave_dropped().await {
            group.abandon(&error).await;
        }
        if !matches!(group.state, State::Open | State::Inside) {
            return;
        }
        if group.waiting.is_empty() {
            group.roll_back().await;
            return;
        }
        let begun = Instant::now();
        let committed = self.try_commit(group).await;
        self.metrics.committed(begun, group.waiting.len(), committed.is_ok());
        match committed {
            Ok(()) => {
                group.state = State::Idle;
                if std::mem::take(&mut group.lacks_room) {
                    tracing::info!("there is room on the disk again");
                }
                for waiting in group.waiting.drain(..) {
                    (waiting.publish)();
                    // Whoever was dropped while waiting has its effect all the same.
                    let _ = waiting.done.send(Ok(()));
                }
            }
            Err(CommitError::Undone(error)) => {
                // Said once, not for each of the writes that are refused until there is room.
                if error.is_no_room() && !std::mem::replace(&mut group.lacks_room, true) {
                    tracing::error!("the disk is full; writes are refused until there is room");
                }
                group.abandon(&error).await;
            }
            Err(CommitError::Unknown(error)) => {
                group.is_in_doubt = true;
                group.break_off("a commit", &error);
                group.fail_waiting(&error);
            }
        }
    }

    async fn try_commit(&self, group: &mut Group) -> Result<(), CommitError> {
        let sync_ms = self.sync_time.now_ms();
        let connection = group.connection();
        let is_due = !self.sync_time.is_kept_recently();
        let is_kept = is_due && instance::keep_sync_time(connection, sync_ms).await.map_err(CommitError::Undone)?;
        commit(connection).await?;
        if is_kept {
            self.sync_time.set_kept(sync_ms);
        }
        Ok(())
    }

    /// Connects again where the connection is lost, however long that takes.
    async fn reconnect(&self) {
        let mut wait = RECONNECT_WAIT;
        let (source, lost) = {
            let group = self.group.lock().await;
            match &group.origin {
                Some(origin) if group.state == State::Lost => (Arc::clone(&origin.source), origin.backend.clone()),
                _ => return,
            }
        };
        // Those who come meanwhile are refused at once: the group is not held.
        let (connection, backend) = loop {
            match source.connect(Some(&lost)).await {
                Ok(connected) => break connected,
                Err(error) => tracing::warn!(%error, "the store is out of reach"),
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(RECONNECT_WAIT_MAX);
        };
        let mut group = self.group.lock().await;
        if group.state != State::Lost {
            return;
        }
        tracing::info!("the store is back");
        group.connection = Some(connection.into());
        group.origin = Some(Origin { source, backend });
        group.state = State::Idle;
        self.metrics.connected();
        if std::mem::take(&mut group.is_in_doubt) {
            self.doubts.send_modify(|doubts| *doubts += 1);
        }
    }
}

/// Makes the store failed when the task that holds it panics: what it was in the midst of, nobody can say.
pub(crate) struct PanicGuard {
    failed: watch::Sender<bool>,
}

impl Drop for PanicGuard {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.failed.send_replace(true);
        }
    }
}

impl Group {
    fn connection(&mut self) -> &mut Connection {
        self.connection.as_mut().expect("a group that is not over has its connection")
    }

    /// Opens an operation's savepoint, and the transaction where there is none.
    async fn enter(&mut self, sync_time: &SyncTime) -> Result<(), Error> {
        if let Err(error) = self.leave_dropped().await {
            self.abandon(&error).await;
        }
        match self.state {
            State::Over => Err(stopped()),
            State::Lost => Err(Error::unreachable("the store is out of reach", "its connection is lost")),
            State::Idle => self.open(sync_time).await,
            // The savepoint of one that was dropped holds nothing any more.
            State::Inside => Ok(()),
            State::Opening | State::Open => {
                self.state = State::Inside;
                execute!(self.connection(), "savepoint operation").map(drop)
            }
        }
    }

    /// Opens a transaction and an operation's savepoint in it. Where it fails, what there is of it goes before the next one.
    async fn open(&mut self, sync_time: &SyncTime) -> Result<(), Error> {
        self.state = State::Opening;
        if let Err(error) = open(self.connection()).await {
            // PostgreSQL has nothing to wait for here: it is gone, or it is no longer the one that writes.
            if self.origin.is_some() {
                self.break_off("opening a transaction", &error);
                return Err(Error::unreachable("opening a transaction", error));
            }
            return Err(error);
        }
        if sync_time.is_look_due() {
            sync_time.set_looked(instance::read_sync_time(self.connection()).await?);
        }
        self.state = State::Inside;
        Ok(())
    }

    /// Undoes what an operation that was dropped, or failed, has left. Dropped midway, it is done again: the savepoint stays.
    async fn leave_dropped(&mut self) -> Result<(), Error> {
        match self.state {
            State::Opening => self.roll_back().await,
            // Fails where the engine gave up the whole transaction, and everybody's work with it.
            State::Inside => execute!(self.connection(), "rollback to operation").map(drop)?,
            State::Idle | State::Open | State::Lost | State::Over => {}
        }
        Ok(())
    }

    /// Undoes everything since the last commit. None of it was acknowledged.
    async fn abandon(&mut self, error: &Error) {
        self.roll_back().await;
        self.fail_waiting(error);
    }

    async fn roll_back(&mut self) {
        match roll_back(self.connection()).await {
            Ok(()) => self.state = State::Idle,
            Err(error) => self.break_off("a rollback", &error),
        }
    }

    /// Leaves the connection as it is. One that can be had anew is lost; otherwise nothing is written any more, and the
    /// server stops.
    fn break_off(&mut self, what: &'static str, error: &Error) {
        let error = error.to_chain();
        self.metrics.disconnected();
        if self.origin.is_some() {
            tracing::error!(error, "{what} failed; the store's connection is lost");
            self.state = State::Lost;
            self.connection = None;
        } else {
            tracing::error!(error, "{what} failed; the store is given up");
            self.state = State::Over;
            self.failed.send_replace(true);
        }
    }

    fn fail_waiting(&mut self, error: &Error) {
        for waiting in self.waiting.drain(..) {
            let failure = match self.state {
                State::Lost => Error::unreachable("committing", error.to_string()),
                _ => error.for_one_more(),
            };
            let _ = waiting.done.send(Err(failure));
        }
    }
}

fn stopped() -> Error {
    Error::new(Code::ACCOUNT_INTERNAL_ERROR, "the server is stopping")
}

impl Committer {
    /// Commits what stands in line, then closes the connection. Later operations are refused.
    pub(crate) async fn close(&self) {
        let mut group = self.shared.group.lock().await;
        if group.state != State::Over && !*self.shared.failed.borrow() {
            self.shared.commit_group(&mut group).await;
        }
        group.state = State::Over;
        self.shared.turns.send_replace(None);
        if let Some(connection) = group.connection.take()
            && let Err(error) = connection.close().await
        {
            tracing::warn!(%error, "closing the store");
        }
        self.task.abort();
    }
}

impl Drop for Committer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// One operation that writes. Dropped without [`Write::commit`] it never happened.
pub struct Write {
    group: OwnedMutexGuard<Group>,
    shared: Arc<Shared>,
}

impl Write {
    /// Waits until what was done is durable. `publish` is called in the order of commits; it must neither block nor
    /// take long. A caller that is dropped while it waits does not take back what it did.
    pub async fn commit(self, publish: impl FnOnce() + Send + 'static) -> Result<(), Error> {
        let mut failed = self.shared.failed();
        // In a task of its own: whoever is dropped in the midst of it would leave it open whether the savepoint is still
        // there, and everything that shares the transaction would have to be undone.
        let standing = tokio::spawn(self.stand_in_line(Box::new(publish)));
        let committed = standing.await.map_err(|_| stopped())??;
        tokio::select! {
            biased;
            outcome = committed => outcome.map_err(|_| stopped())?,
            // Without a committer nobody would answer.
            _ = failed.wait_for(|has_failed| *has_failed) => Err(stopped()),
        }
    }

    /// Leaves the savepoint, and the turn to who comes next. Gives where the outcome of the commit will come.
    async fn stand_in_line(mut self, publish: Box<dyn FnOnce() + Send>) -> Result<Outcome, Error> {
        // Proves that the savepoint, and so all that was done since, is still there: an engine that gave up the
        // transaction would let the next operation open another one, and commit that.
        execute!(self, "release operation")?;
        let (done, committed) = oneshot::channel();
        self.group.state = State::Open;
        self.group.waiting.push(Waiting { publish, done });
        Ok(committed)
    }
}

/// Wakes the committer, whether there is something to commit or to clean up.
impl Drop for Write {
    fn drop(&mut self) {
        self.shared.work.notify_one();
    }
}

impl Deref for Write {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.group.connection.as_ref().expect("an operation has the connection until it ends")
    }
}

impl DerefMut for Write {
    fn deref_mut(&mut self) -> &mut Connection {
        self.group.connection()
    }
}
