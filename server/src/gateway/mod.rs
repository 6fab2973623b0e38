// SPDX-License-Identifier: Apache-2.0
//! Sockets and sessions.
//!
//! A connection is a `peers::Peer` from its first byte on, a task (`connection`) with a `session::Session` that others
//! can reach, and once it has logged in a `registry::Member` that hints find. Invariants:
//!
//! * one task reads and writes (`writer`) a socket; everything else goes through its bounded queue (`queue`);
//! * whoever delivers never waits: a slow session loses pushes, then its connection, and nobody else notices;
//! * what waits in all queues together is bounded (`budget`): the heaviest lose their pushes, or end, first;
//! * the app and the user of a request come from the session's verified login, never from a frame;
//! * a request that was read is answered, on the way out too ([`Gateway::drain`]).
//!
//! `listener` accepts, under TLS where there is a certificate (`tls`);
//! `login` lets in, by the rules of `admission`; `requests` maps methods to rooms; `sweeper` ends what is over; `http`
//! holds the routes, `readiness` the answer to one of them; `admin` is the listener of who looks after the server, `metrics` what they can see.

mod admin;
mod admission;
mod budget;
mod connection;
mod http;
mod listener;
mod login;
mod metrics;
mod peers;
mod queue;
mod readiness;
mod registry;
mod requests;
mod session;
mod sweeper;
#[cfg(test)]
mod tests;
mod tls;
mod writer;

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use hongyan_protocol::account::GoingAway;
use hongyan_protocol::clock::Clock;
use hongyan_protocol::codes::Code;
use hongyan_protocol::frame::encode_event;
use hongyan_protocol::ids::SdkAppId;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use self::admission::{LoginFailures, LoginRates, Rates};
use self::listener::{GatewayListener, PeerInfo};
use self::login::FailureKey;
use self::metrics::GatewayMetrics;
use self::peers::Peers;
use self::queue::QueueLimits;
use self::readiness::Readiness;
use self::registry::Registry;
use self::session::Session;
pub(crate) use self::tls::Certificate;
pub use self::tls::Reload;
use crate::bus::{Bus, SessionId};
use crate::config::GatewayConfig;
use crate::error::Error;
use crate::metrics::Metrics;
use crate::rooms::Rooms;

/// How long a task may take to end once nothing holds it.
const LEAVE_WITHIN: Duration = Duration::from_secs(5);

/// The sessions of one server before it has rooms: what the bus delivers to.
#[derive(Debug, Clone)]
pub struct Sessions(Arc<Registry>);

impl Sessions {
    /// None yet.
    pub fn new(metrics: &Metrics) -> Self {
        Self(Arc::new(Registry::new(GatewayMetrics::new(metrics))))
    }

    /// A bus that ends in these sessions.
    pub fn bus(&self) -> Bus {
        let registry = Arc::clone(&self.0);
        Bus::new(move |hint| registry.deliver(hint))
    }
}

/// The gateway of one server.
pub struct Gateway {
    config: GatewayConfig,
    clock: Clock,
    rooms: Arc<Rooms>,
    registry: Arc<Registry>,
    peers: Arc<Peers>,
    /// Those of the admin listener, which take no place from the others.
    admin_peers: Arc<Peers>,
    /// An app whose logins are refused on this address.
    closed_app: Option<SdkAppId>,
    /// Each held for one operation on a map or a number.
    logins: Mutex<LoginRates>,
    address_logins: Mutex<Rates<IpAddr>>,
    failures: Mutex<LoginFailures<FailureKey>>,
    readiness: Readiness,
    next_session: AtomicU64,
    is_draining: AtomicBool,
    connections: watch::Sender<usize>,
}

/// The tasks of a gateway that runs.
pub(crate) struct Running {
    accepting: JoinHandle<()>,
    admin: Option<JoinHandle<()>>,
    sweeping: JoinHandle<()>,
    /// Nothing where connections are plain text.
    following: Option<JoinHandle<()>>,
}

impl Running {
    /// Waits for the last connection to be gone, after [`Gateway::drain`].
    pub(crate) async fn end(mut self) {
        self.end_timers();
        // What is left then are connections without a request; they end with the process.
        if tokio::time::timeout(LEAVE_WITHIN, &mut self.accepting).await.is_err() {
            self.accepting.abort();
        }
        // To the last, an operator can see how far it is.
        if let Some(admin) = self.admin {
            admin.abort();
        }
    }

    /// Ends all at once.
    pub(crate) fn abort(self) {
        self.end_timers();
        self.accepting.abort();
        if let Some(admin) = self.admin {
            admin.abort();
        }
    }

    fn end_timers(&self) {
        self.sweeping.abort();
        if let Some(following) = &self.following {
            following.abort();
        }
    }
}

impl Gateway {
    /// A gateway to rooms whose bus ends in `sessions`. Logins to `closed_app` are refused.
    pub fn new(
        config: GatewayConfig,
        clock: Clock,
        rooms: Arc<Rooms>,
        sessions: Sessions,
        closed_app: Option<SdkAppId>,
    ) -> Arc<Self> {
        let now_ms = clock.monotonic_ms();
        let metrics = Arc::clone(&sessions.0.metrics);
        metrics.budget.set_max(config.queue_bytes_total_max);
        Arc::new(Self {
            peers: Peers::new(config.unauthenticated_per_address_max, clock.clone(), metrics),
            admin_peers: admin::peers(clock.clone()),
            logins: Mutex::new(LoginRates::new(&config, now_ms)),
            address_logins: Mutex::new(Rates::new(config.address_logins_per_second, config.address_logins_burst)),
            failures: Mutex::new(LoginFailures::new(config.login_failures_per_minute_max)),
            readiness: Readiness::new(clock.clone()),
            next_session: AtomicU64::new(1),
            is_draining: AtomicBool::new(false),
            connections: watch::Sender::new(0),
            registry: sessions.0,
            config,
            clock,
            rooms,
            closed_app,
        })
    }

    /// Accepts connections until `stop` becomes true; under TLS where there is a certificate. Who looks after the server
    /// comes to a listener of their own.
    pub(crate) fn run(
        self: &Arc<Self>,
        listener: TcpListener,
        certificate: Option<Arc<Certificate>>,
        admin: Option<(TcpListener, Metrics)>,
        mut stop: watch::Receiver<bool>,
    ) -> Result<Running, Error> {
        let tls = certificate.as_ref().map(Certificate::acceptor).transpose()?;
        let service = http::router(Arc::clone(self)).into_make_service_with_connect_info::<PeerInfo>();
        let listener = GatewayListener { listener, peers: Arc::clone(&self.peers), tls };
        let serve = axum::serve(listener, service).with_graceful_shutdown(async move {
            // A sender that is gone means that the server was dropped.
            let _ = stop.wait_for(|is_stopping| *is_stopping).await;
        });
        let accepting = tokio::spawn(async move {
            if let Err(error) = serve.await {
                tracing::error!(%error, "accepting connections ended");
            }
        });
        let following = certificate.map(|certificate| tokio::spawn(certificate.follow(self.clock.clone())));
        let admin = admin.map(|(listener, metrics)| admin::run(Arc::clone(self), listener, metrics));
        Ok(Running { accepting, admin, sweeping: tokio::spawn(sweeper::run(Arc::clone(self))), following })
    }

    /// Sends everyone elsewhere: what was read is answered, what waits is written. Who takes longer than the setting
    /// allows is cut off.
    pub async fn drain(&self) {
        self.is_draining.store(true, Ordering::Release);
        let reconnect_after_ms = i64::try_from(self.config.reconnect_after_ms).unwrap_or(i64::MAX);
        self.registry.drain(&encode_event(&GoingAway { reconnect_after_ms }).into());
        self.peers.end_all();
        let mut connections = self.connections.subscribe();
        let all_gone = connections.wait_for(|count| *count == 0);
        // The machine's own time: what is waited for is what clients do with their sockets, and a stopping server must
        // end even where its clock stands still.
        if tokio::time::timeout(Duration::from_millis(self.config.drain_ms_max), all_gone).await.is_err() {
            tracing::warn!(connections_count = *self.connections.borrow(), "connections were cut off");
            self.cut_off();
            let all_gone = connections.wait_for(|count| *count == 0);
            let _ = tokio::time::timeout(LEAVE_WITHIN, all_gone).await;
        }
    }

    /// Has every session compare what it has with what there is.
    pub fn resync(&self) {
        self.registry.resync();
    }

    /// Cuts everyone off.
    pub fn cut_off(&self) {
        self.is_draining.store(true, Ordering::Release);
        self.registry.abort_all();
        self.peers.end_all();
    }

    fn is_draining(&self) -> bool {
        self.is_draining.load(Ordering::Acquire)
    }

    fn new_session(&self) -> Arc<Session> {
        let id = SessionId::new(self.next_session.fetch_add(1, Ordering::Relaxed));
        let limits = QueueLimits { pushes_max: self.config.queue_pushes_max, bytes_max: self.config.queue_bytes_max };
        Session::new(id, limits, self.clock.clone(), Arc::clone(&self.registry.metrics))
    }

    /// Counts a connection, while there is a place.
    fn open(self: &Arc<Self>) -> Option<Open> {
        let is_counted = self.connections.send_if_modified(|count| {
            let has_place = *count < self.config.connections_max;
            *count += usize::from(has_place);
            has_place
        });
        is_counted.then(|| Open(Arc::clone(self)))
    }

    /// Refuses an app that is closed on this address.
    fn check_open(&self, app: SdkAppId) -> Result<(), Error> {
        if self.closed_app == Some(app) {
            return Err(Error::new(Code::APP_NOT_ACTIVE, "the demo app is closed on this address"));
        }
        Ok(())
    }

    fn logins(&self) -> MutexGuard<'_, LoginRates> {
        self.logins.lock().expect("no holder of this lock panics")
    }

    fn address_logins(&self) -> MutexGuard<'_, Rates<IpAddr>> {
        self.address_logins.lock().expect("no holder of this lock panics")
    }

    fn failures(&self) -> MutexGuard<'_, LoginFailures<FailureKey>> {
        self.failures.lock().expect("no holder of this lock panics")
    }
}

/// A connection that counts while this lives.
struct Open(Arc<Gateway>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.connections.send_modify(|count| *count -= 1);
    }
}
