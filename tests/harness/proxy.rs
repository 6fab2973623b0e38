// SPDX-License-Identifier: Apache-2.0
//! A TCP proxy between client and server that breaks the connection: on command, or at random from a seed.
//!
//! It reads the frames in both directions, so that a fault can strike between a request and its answer, or take one
//! push out of many. Faults of a network only: a frame is never changed, and nothing is lost from the middle of a
//! connection but by the commands that say so, which stand for a server that lost a push.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::io::AsyncWriteExt;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::frames::{Kind, Piece, Pieces};
use super::net;
use super::wait::{pass, within};

/// What the proxy does with everything that comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// Passes it on.
    Open,
    /// Holds it until the mode changes.
    Stalled,
    /// Takes connections and frames and passes nothing on, as when the way to the server broke and nobody said so.
    /// What a connection was given meanwhile is lost, so that it ends when the mode changes.
    HalfOpen,
    /// Ends new connections at once; those that stand go on.
    Refusing,
}

/// A fault that strikes once, at the next frame that it fits.
#[derive(Debug)]
enum Strike {
    /// Cut when the server has answered the `left`-th request of this name from now, and keep the answer back.
    LoseAnswer { method: &'static str, left: u32 },
    /// Leave a push out.
    DropPush(&'static str),
    /// Pass a push on twice.
    RepeatPush(&'static str),
}

/// How often something goes wrong by itself, in thousandths of the frames.
#[derive(Debug, Clone, Copy, Default)]
pub struct Chaos {
    pub cut: u32,
    pub repeat_push: u32,
    pub drop_push: u32,
    /// Each frame waits up to so long.
    pub delay_ms_max: u64,
}

/// What passed through.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    pub connections: u64,
    /// Connections that have ended.
    pub ended: u64,
    /// Requests by name, counted when they were passed on.
    pub requests: BTreeMap<String, u64>,
    /// One-shot faults that have struck.
    pub strikes: u64,
}

impl Seen {
    pub fn requests(&self, method: &str) -> u64 {
        self.requests.get(method).copied().unwrap_or(0)
    }
}

struct Control {
    upstream: SocketAddr,
    mode: watch::Sender<Mode>,
    /// A connection ends when this is no longer what it was when the connection began.
    cuts: watch::Sender<u64>,
    seen: watch::Sender<Seen>,
    strikes: Mutex<Vec<Strike>>,
    chaos: Mutex<(Chaos, StdRng)>,
}

/// What becomes of a frame.
enum Verdict {
    Pass,
    Twice,
    Drop,
    Cut,
}

/// The proxy, which ends with all its connections when dropped.
pub struct Proxy {
    addr: SocketAddr,
    control: Arc<Control>,
    accepting: JoinHandle<()>,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.cut();
    }
}

impl Proxy {
    /// A proxy before a server. The seed is that of its random faults; none happen before [`Proxy::chaos`].
    pub async fn start(upstream: SocketAddr, seed: u64) -> Self {
        let listener = net::bind().await;
        let addr = listener.local_addr().expect("a bound listener has an address");
        let control = Arc::new(Control {
            upstream,
            mode: watch::Sender::new(Mode::Open),
            cuts: watch::Sender::new(0),
            seen: watch::Sender::default(),
            strikes: Mutex::default(),
            chaos: Mutex::new((Chaos::default(), StdRng::seed_from_u64(seed))),
        });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&control)));
        Self { addr, control, accepting }
    }

    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Ends all connections.
    pub fn cut(&self) {
        self.control.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// Ends all connections and lets none begin until [`Proxy::heal`]. Once this has returned nothing comes through.
    pub async fn disconnect(&self) {
        self.refuse();
        self.cut();
        self.wait_for("the end of all connections", |seen| seen.ended == seen.connections).await;
    }

    /// Ends new connections at once until [`Proxy::heal`].
    pub fn refuse(&self) {
        self.control.mode.send_replace(Mode::Refusing);
    }

    /// Holds all frames until [`Proxy::heal`].
    pub fn stall(&self) {
        self.control.mode.send_replace(Mode::Stalled);
    }

    /// Swallows all frames and answers nothing until [`Proxy::heal`].
    pub fn half_open(&self) {
        self.control.mode.send_replace(Mode::HalfOpen);
    }

    /// Ends all faults that were switched on, random ones too, and forgets those that have not yet struck.
    pub fn heal(&self) {
        lock(&self.control.strikes).clear();
        self.chaos(Chaos::default());
        self.control.mode.send_replace(Mode::Open);
    }

    /// Makes things go wrong at random, by the proxy's seed.
    pub fn chaos(&self, chaos: Chaos) {
        lock(&self.control.chaos).0 = chaos;
    }

    /// Cuts a connection between the `count`-th request of this name from now and its answer: the server has done
    /// it, the client never hears of it.
    pub fn lose_answer(&self, method: &'static str, count: u32) {
        self.strike_at_next(Strike::LoseAnswer { method, left: count });
    }

    /// Leaves out the next push of an event.
    pub fn drop_push(&self, event: &'static str) {
        self.strike_at_next(Strike::DropPush(event));
    }

    /// Passes the next push of an event on twice.
    pub fn repeat_push(&self, event: &'static str) {
        self.strike_at_next(Strike::RepeatPush(event));
    }

    fn strike_at_next(&self, strike: Strike) {
        lock(&self.control.strikes).push(strike);
    }

    /// What passed through until now.
    pub fn seen(&self) -> Seen {
        self.control.seen.borrow().clone()
    }

    /// Waits until what passed through fulfils a condition.
    pub async fn wait_for(&self, what: &str, condition: impl FnMut(&Seen) -> bool) -> Seen {
        let mut seen = self.control.seen.subscribe();
        within(what, seen.wait_for(condition)).await.expect("the proxy holds the sender").clone()
    }
}

async fn accept(listener: TcpListener, control: Arc<Control>) {
    while let Ok((client, _)) = listener.accept().await {
        // Before anything else it counts, and can be cut.
        let cuts = control.cuts.subscribe();
        if *control.mode.borrow() != Mode::Refusing {
            control.seen.send_modify(|seen| seen.connections += 1);
            tokio::spawn(connection(client, Arc::clone(&control), cuts));
        }
    }
}

/// One connection from its beginning to its end.
async fn connection(mut client: TcpStream, control: Arc<Control>, mut cuts: watch::Receiver<u64>) {
    let both_ways = async {
        if control.pass_gate().await.is_none() {
            return;
        }
        let Ok(mut server) = TcpStream::connect(control.upstream).await else { return };
        let _ = (client.set_nodelay(true), server.set_nodelay(true));
        let lost_answer = Mutex::new(None);
        let (client_read, client_write) = client.split();
        let (server_read, server_write) = server.split();
        // Either way's end ends the connection.
        tokio::select! {
            () = one_way(client_read, server_write, &control, &lost_answer) => {}
            () = one_way(server_read, client_write, &control, &lost_answer) => {}
        }
    };
    tokio::select! {
        () = both_ways => {}
        _ = cuts.changed() => {}
    }
    control.seen.send_modify(|seen| seen.ended += 1);
}

/// Passes one direction on until it ends or is cut. `lost_answer` is the request whose answer the client shall not
/// see, known to both directions.
async fn one_way(from: ReadHalf<'_>, mut to: WriteHalf<'_>, control: &Control, lost_answer: &Mutex<Option<u64>>) {
    let mut pieces = Pieces::new(from);
    while let Some(piece) = pieces.next().await {
        if control.pass_gate().await.is_none() {
            return;
        }
        let verdict = control.judge(&piece, lost_answer);
        let times = match verdict {
            Verdict::Cut => return,
            Verdict::Drop => 0,
            Verdict::Pass => 1,
            Verdict::Twice => 2,
        };
        let delay = control.draw_delay();
        if !delay.is_zero() {
            pass(delay).await;
        }
        for _ in 0..times {
            if to.write_all(&piece.bytes).await.is_err() {
                return;
            }
        }
        if let Kind::Request { method, .. } = piece.kind {
            control.seen.send_modify(|seen| *seen.requests.entry(method).or_default() += 1);
        }
    }
}

impl Control {
    /// Waits until frames may pass; nothing where the connection ends instead.
    async fn pass_gate(&self) -> Option<()> {
        let mut mode = self.mode.subscribe();
        loop {
            let now = *mode.borrow_and_update();
            match now {
                Mode::Open | Mode::Refusing => return Some(()),
                Mode::Stalled => mode.changed().await.ok()?,
                Mode::HalfOpen => {
                    let _ = mode.wait_for(|mode| *mode != Mode::HalfOpen).await;
                    return None;
                }
            }
        }
    }

    fn judge(&self, piece: &Piece, lost_answer: &Mutex<Option<u64>>) -> Verdict {
        let struck = self.strike(piece, lost_answer);
        if struck.is_some() {
            self.seen.send_modify(|seen| seen.strikes += 1);
        }
        struck.unwrap_or_else(|| self.draw(&piece.kind))
    }

    /// What a one-shot fault does to a frame; nothing where none fits.
    fn strike(&self, piece: &Piece, lost_answer: &Mutex<Option<u64>>) -> Option<Verdict> {
        let mut strikes = lock(&self.strikes);
        match &piece.kind {
            Kind::Reply { id } => (*lock(lost_answer) == Some(*id)).then_some(Verdict::Cut),
            Kind::Push { event } => {
                let at = strikes.iter().position(
                    |strike| matches!(strike, Strike::DropPush(of) | Strike::RepeatPush(of) if of == event),
                )?;
                Some(if matches!(strikes.remove(at), Strike::DropPush(_)) { Verdict::Drop } else { Verdict::Twice })
            }
            Kind::Request { id, method: of } => {
                let at = strikes.iter_mut().position(|strike| match strike {
                    Strike::LoseAnswer { method, left } if method == of => {
                        *left -= 1;
                        *left == 0
                    }
                    _ => false,
                })?;
                strikes.remove(at);
                *lock(lost_answer) = Some(*id);
                None
            }
            Kind::Head | Kind::Other => None,
        }
    }

    fn draw(&self, kind: &Kind) -> Verdict {
        let (chaos, random) = &mut *lock(&self.chaos);
        let is_push = matches!(kind, Kind::Push { .. });
        let drawn = random.random_range(0..1000);
        if drawn < chaos.cut {
            Verdict::Cut
        } else if is_push && drawn < chaos.cut + chaos.repeat_push {
            Verdict::Twice
        } else if is_push && drawn < chaos.cut + chaos.repeat_push + chaos.drop_push {
            Verdict::Drop
        } else {
            Verdict::Pass
        }
    }

    fn draw_delay(&self) -> Duration {
        let (chaos, random) = &mut *lock(&self.chaos);
        Duration::from_millis(random.random_range(0..=chaos.delay_ms_max))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("nothing panics while it holds this")
}
