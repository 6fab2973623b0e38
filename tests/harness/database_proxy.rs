// SPDX-License-Identifier: Apache-2.0
//! A TCP proxy between a server and its database, which takes the database away, and answers that it gave.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::net;
use super::wait::within;

/// What a server sends to commit: PostgreSQL's simple query, with its length.
const COMMIT: &[u8] = b"Q\0\0\0\x0bcommit\0";

const CHUNK_BYTES: usize = 16 * 1024;

struct Control {
    upstream: String,
    is_gone: watch::Sender<bool>,
    is_stalled: watch::Sender<bool>,
    /// What a server says when nothing is passed on any more.
    stalls_at: Mutex<Option<&'static str>>,
    /// What a server says when its connection is held: nothing more is passed on there, and neither end is told.
    holds_at: Mutex<Option<&'static str>>,
    /// The next connection ends as soon as it is there.
    refuses_next: watch::Sender<bool>,
    /// The next commit reaches the database, and its answer nobody.
    loses_commit: AtomicBool,
    lost_commits: watch::Sender<u64>,
}

impl Control {
    /// Stalls where a server says what it is to stall at.
    fn hear(&self, chunk: &[u8]) {
        let stalls_at = *self.stalls_at.lock().expect("no holder of this lock panics");
        if stalls_at.is_some_and(|text| contains(chunk, text.as_bytes())) {
            self.is_stalled.send_replace(true);
        }
    }

    /// Whether it is time to hold the connection where this is said.
    fn is_held_by(&self, chunk: &[u8]) -> bool {
        let holds_at = *self.holds_at.lock().expect("no holder of this lock panics");
        holds_at.is_some_and(|text| contains(chunk, text.as_bytes()))
    }

    /// Waits while nothing is passed on.
    async fn flows(&self) {
        let mut stalled = self.is_stalled.subscribe();
        stalled.wait_for(|is_stalled| !is_stalled).await.expect("the sender is in here");
    }
}

/// The proxy, which ends with all its connections when dropped.
pub struct DatabaseProxy {
    addr: SocketAddr,
    control: Arc<Control>,
    accepting: JoinHandle<()>,
}

impl Drop for DatabaseProxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.take_away();
    }
}

impl DatabaseProxy {
    pub async fn start(upstream: String) -> Self {
        let listener = net::bind().await;
        let addr = listener.local_addr().expect("a bound listener has an address");
        let control = Arc::new(Control {
            upstream,
            is_gone: watch::Sender::new(false),
            is_stalled: watch::Sender::new(false),
            stalls_at: Mutex::new(None),
            holds_at: Mutex::new(None),
            refuses_next: watch::Sender::new(false),
            loses_commit: AtomicBool::new(false),
            lost_commits: watch::Sender::new(0),
        });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&control)));
        Self { addr, control, accepting }
    }

    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Ends all connections and lets none begin.
    pub fn take_away(&self) {
        self.control.is_gone.send_replace(true);
    }

    /// Keeps all connections and takes new ones, and passes nothing on: a database that is gone and did not say so.
    pub fn stall(&self) {
        self.control.is_stalled.send_replace(true);
    }

    /// The same from the moment on at which a server says something.
    pub fn stall_at(&self, text: &'static str) {
        *self.control.stalls_at.lock().expect("no holder of this lock panics") = Some(text);
    }

    /// Keeps the connection on which a server says something, and passes nothing on there: one that is lost alone.
    pub fn hold_at(&self, text: &'static str) {
        *self.control.holds_at.lock().expect("no holder of this lock panics") = Some(text);
    }

    /// Ends the next connection as soon as it is there, and waits until that has happened.
    pub async fn refuse_next(&self) {
        self.control.refuses_next.send_replace(true);
        let mut refuses = self.control.refuses_next.subscribe();
        let refused = refuses.wait_for(|refuses_next| !refuses_next);
        within("a connection to refuse", refused).await.expect("the proxy holds the sender");
    }

    pub fn give_back(&self) {
        self.control.is_gone.send_replace(false);
        self.control.is_stalled.send_replace(false);
    }

    /// Passes the next commit on, waits for its answer, keeps it back, and takes the database away.
    pub fn lose_next_commit(&self) {
        self.control.loses_commit.store(true, Ordering::SeqCst);
    }

    /// Waits until that has happened.
    pub async fn lost_a_commit(&self) {
        let mut lost = self.control.lost_commits.subscribe();
        within("a lost commit", lost.wait_for(|count| *count > 0)).await.expect("the proxy holds the sender");
    }
}

fn contains(chunk: &[u8], text: &[u8]) -> bool {
    chunk.windows(text.len()).any(|bytes| bytes == text)
}

async fn accept(listener: TcpListener, control: Arc<Control>) {
    while let Ok((server, _)) = listener.accept().await {
        let is_refused = control.refuses_next.send_replace(false);
        if !is_refused && !*control.is_gone.borrow() {
            tokio::spawn(connection(server, Arc::clone(&control)));
        }
    }
}

async fn connection(mut server: TcpStream, control: Arc<Control>) {
    let mut gone = control.is_gone.subscribe();
    let both_ways = async {
        let Ok(mut database) = TcpStream::connect(&control.upstream).await else { return };
        let _ = (server.set_nodelay(true), database.set_nodelay(true));
        // Whether the next answer is that of the commit.
        let is_commit_lost = AtomicBool::new(false);
        let (server_read, server_write) = server.split();
        let (database_read, database_write) = database.split();
        let is_held = tokio::select! {
            is_held = to_database(server_read, database_write, &control, &is_commit_lost) => is_held,
            () = to_server(database_read, server_write, &control, &is_commit_lost) => false,
        };
        if is_held {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        () = both_ways => {}
        _ = gone.wait_for(|is_gone| *is_gone) => {}
    }
}

/// Says at the end whether the connection is held.
async fn to_database(
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    control: &Control,
    is_commit_lost: &AtomicBool,
) -> bool {
    let mut chunk = vec![0; CHUNK_BYTES];
    while let Ok(count @ 1..) = from.read(&mut chunk).await {
        if control.is_held_by(&chunk[..count]) {
            return true;
        }
        control.hear(&chunk[..count]);
        if contains(&chunk[..count], COMMIT) && control.loses_commit.swap(false, Ordering::SeqCst) {
            is_commit_lost.store(true, Ordering::SeqCst);
        }
        control.flows().await;
        if to.write_all(&chunk[..count]).await.is_err() {
            break;
        }
    }
    false
}

async fn to_server(mut from: ReadHalf<'_>, mut to: WriteHalf<'_>, control: &Control, is_commit_lost: &AtomicBool) {
    let mut chunk = vec![0; CHUNK_BYTES];
    while let Ok(count @ 1..) = from.read(&mut chunk).await {
        if is_commit_lost.load(Ordering::SeqCst) {
            control.is_gone.send_replace(true);
            control.lost_commits.send_modify(|count| *count += 1);
            return;
        }
        control.flows().await;
        if to.write_all(&chunk[..count]).await.is_err() {
            return;
        }
    }
}
