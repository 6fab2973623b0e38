// SPDX-License-Identifier: Apache-2.0
//! Connections from their first byte on: counted per address until they log in, and ended when they do not.
//!
//! The count and the deadline sit below TLS and HTTP, so that a connection that sends nothing, half a TLS handshake, or a
//! header a minute, is bound by them as well.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::task::{Context, Poll};

use futures_util::task::AtomicWaker;
use hongyan_protocol::clock::Clock;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::admission::address_key;
use super::metrics::GatewayMetrics;

const WAITING: u8 = 0;
const LOGGED_IN: u8 = 1;
const ENDED: u8 = 2;

/// One connection.
#[derive(Debug)]
pub(super) struct Peer {
    address: SocketAddr,
    since_ms: u64,
    state: AtomicU8,
    reader: AtomicWaker,
    /// Bytes that the socket has taken.
    written_bytes: AtomicU64,
    peers: Arc<Peers>,
}

impl Peer {
    /// What counts as its address.
    pub(super) fn address_key(&self) -> IpAddr {
        address_key(self.address.ip())
    }

    /// Where it comes from, for logs.
    pub(super) fn address(&self) -> IpAddr {
        self.address.ip()
    }

    /// How many bytes its socket has taken.
    pub(super) fn written_bytes(&self) -> u64 {
        self.written_bytes.load(Ordering::Relaxed)
    }

    /// Frees its place among those who have not logged in.
    pub(super) fn logged_in(&self) {
        if self.state.compare_exchange(WAITING, LOGGED_IN, Ordering::AcqRel, Ordering::Acquire).is_ok() {
            self.peers.release(self.address_key());
        }
    }

    /// Ends a connection that has not logged in: its next read fails.
    fn end(&self) {
        if self.state.compare_exchange(WAITING, ENDED, Ordering::AcqRel, Ordering::Acquire).is_ok() {
            self.peers.release(self.address_key());
            self.reader.wake();
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        if *self.state.get_mut() == WAITING {
            self.peers.release(self.address_key());
        }
    }
}

/// All connections that have not logged in yet.
#[derive(Debug)]
pub(super) struct Peers {
    per_address_max: usize,
    clock: Clock,
    metrics: Arc<GatewayMetrics>,
    /// Held for a few map operations, never across an await; taken for each connection twice.
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    by_address: HashMap<IpAddr, usize>,
    peers: Vec<Weak<Peer>>,
}

impl Waiting {
    fn release(&mut self, key: IpAddr) {
        if let Some(count) = self.by_address.get_mut(&key) {
            *count -= 1;
            if *count == 0 {
                self.by_address.remove(&key);
            }
        }
    }
}

impl Peers {
    pub(super) fn new(per_address_max: usize, clock: Clock, metrics: Arc<GatewayMetrics>) -> Arc<Self> {
        Arc::new(Self { per_address_max, clock, metrics, waiting: Mutex::default() })
    }

    /// A place for a new connection, while its address has one left.
    pub(super) fn admit(self: &Arc<Self>, address: SocketAddr) -> Option<Arc<Peer>> {
        let peer = {
            let mut waiting = self.lock();
            let count = waiting.by_address.entry(address_key(address.ip())).or_default();
            if *count >= self.per_address_max {
                self.metrics.refused.address_full.inc();
                return None;
            }
            *count += 1;
            self.metrics.waiting.inc();
            Arc::new(Peer {
                address,
                since_ms: self.clock.monotonic_ms(),
                state: AtomicU8::new(WAITING),
                reader: AtomicWaker::new(),
                written_bytes: AtomicU64::new(0),
                peers: Arc::clone(self),
            })
        };
        self.lock().peers.push(Arc::downgrade(&peer));
        Some(peer)
    }

    /// Ends those who have waited too long, and forgets those who have left or logged in.
    pub(super) fn sweep(&self, login_deadline_ms: u64) {
        let now_ms = self.clock.monotonic_ms();
        self.end_where(|peer| {
            let is_late = now_ms.saturating_sub(peer.since_ms) >= login_deadline_ms;
            self.metrics.refused.login_deadline.inc_by(u64::from(is_late));
            is_late
        });
    }

    /// Takes back the place of a connection that has logged in, was ended or is gone.
    fn release(&self, key: IpAddr) {
        self.lock().release(key);
        self.metrics.waiting.dec();
    }

    /// Ends all of them.
    pub(super) fn end_all(&self) {
        self.end_where(|_| true);
    }

    fn end_where(&self, is_over: impl Fn(&Peer) -> bool) {
        // Dropping the last reference to a peer takes the lock, so none is dropped while it is held.
        let peers = std::mem::take(&mut self.lock().peers);
        let waiting: Vec<_> = peers
            .iter()
            .filter_map(Weak::upgrade)
            .filter(|peer| peer.state.load(Ordering::Acquire) == WAITING)
            .filter(|peer| {
                let is_over = is_over(peer);
                if is_over {
                    peer.end();
                }
                !is_over
            })
            .map(|peer| Arc::downgrade(&peer))
            .collect();
        self.lock().peers.extend(waiting);
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().expect("no holder of this lock panics")
    }
}

/// A connection's bytes as its socket carries them, until its peer is ended.
#[derive(Debug)]
pub(super) struct PeerSocket {
    stream: TcpStream,
    peer: Arc<Peer>,
}

impl PeerSocket {
    pub(super) fn new(stream: TcpStream, peer: Arc<Peer>) -> Self {
        Self { stream, peer }
    }

    pub(super) fn peer(&self) -> &Arc<Peer> {
        &self.peer
    }

    fn check(&self) -> io::Result<()> {
        if self.peer.state.load(Ordering::Acquire) == ENDED {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "the connection did not log in"));
        }
        Ok(())
    }

    fn noted(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(count)) = &written {
            self.peer.written_bytes.fetch_add(*count as u64, Ordering::Relaxed);
        }
        written
    }
}

impl AsyncRead for PeerSocket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.peer.state.load(Ordering::Acquire) != LOGGED_IN {
            // Registered before the check, so that an end between the two wakes this reader.
            self.peer.reader.register(cx.waker());
            self.check()?;
        }
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for PeerSocket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.check()?;
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.noted(written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.check()?;
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.noted(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
