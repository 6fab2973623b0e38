// SPDX-License-Identifier: Apache-2.0
//! One server: starting it, asking it, stopping it. Several may live in one process.

use std::net::SocketAddr;
use std::sync::Arc;

use hongyan_protocol::clock::Clock;
use hongyan_protocol::codes::Code;
use hongyan_protocol::ids::SdkAppId;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::app::{App, Apps};
use crate::config::{AdminConfig, Config};
use crate::error::Error;
use crate::gateway::{Certificate, Gateway, Reload, Running, Sessions};
use crate::metrics::Metrics;
use crate::rooms::{Rooms, RoomsConfig};

/// A server that runs. Dropping it cuts everyone off; [`Server::shutdown`] is the way to stop it.
pub struct Server {
    addr: SocketAddr,
    admin_addr: Option<SocketAddr>,
    rooms: Arc<Rooms>,
    pub(crate) gateway: Arc<Gateway>,
    /// Nothing where connections are plain text.
    certificate: Option<Arc<Certificate>>,
    stop: watch::Sender<bool>,
    /// Nothing once it was stopped.
    running: Option<(Running, JoinHandle<()>)>,
    demo: Option<App>,
    is_demo_new: bool,
}

impl Server {
    /// Starts a server on a listener. The settings' own address is not used.
    pub async fn start(config: Config, listener: TcpListener) -> Result<Self, Error> {
        Self::start_with_clock(config, listener, Clock::system()).await
    }

    /// Starts a server that goes by a given clock.
    pub async fn start_with_clock(mut config: Config, listener: TcpListener, clock: Clock) -> Result<Self, Error> {
        let addr =
            listener.local_addr().map_err(|error| Error::internal("asking for the listener's address", error))?;
        config.listen = addr;
        config.check().map_err(|error| Error::new(Code::BAD_PARAMETER, error.0))?;
        let certificate = Certificate::open(&config.tls)?;

        let admin = listen_for_admin(&config.admin).await?;
        let metrics = Metrics::new();
        let sessions = Sessions::new(&metrics);
        let rooms_config = RoomsConfig {
            data_folder: config.data_folder.clone(),
            store: config.place().map_err(|error| Error::new(Code::BAD_PARAMETER, error.0))?,
            silence_ms_max: i64::try_from(config.gateway.silence_ms_max).unwrap_or(i64::MAX),
        };
        let rooms = Rooms::open(rooms_config, clock.clone(), Arc::new(sessions.bus()), &metrics).await?;

        let is_demo_allowed = config.demo_app.is_allowed_on(addr);
        let made = if is_demo_allowed { rooms.apps().create_demo_if_empty().await? } else { None };
        let found = rooms.apps().find_demo().await?;
        let closed_app = found.as_ref().filter(|_| !is_demo_allowed).map(|app| app.sdk_app_id);
        if let Some(app) = closed_app {
            tracing::warn!(app = app.get(), "the demo app is closed: its key was shown, and this is not loopback");
        }

        let (stop, stopping) = watch::channel(false);
        let gateway = Gateway::new(config.gateway, clock, Arc::clone(&rooms), sessions, closed_app);
        let admin_addr = admin.as_ref().map(|(_, addr)| *addr);
        let admin = admin.map(|(listener, _)| (listener, metrics));
        let running = gateway.run(listener, certificate.clone(), admin, stopping)?;
        let guarding = tokio::spawn(guard(Arc::clone(&rooms), Arc::clone(&gateway), stop.clone()));
        Ok(Self {
            addr,
            admin_addr,
            rooms,
            gateway,
            certificate,
            stop,
            running: Some((running, guarding)),
            is_demo_new: made.is_some(),
            demo: found.filter(|_| is_demo_allowed),
        })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Where metrics and health are shown, if they are.
    pub fn admin_addr(&self) -> Option<SocketAddr> {
        self.admin_addr
    }

    /// Looks at the files of the certificate now, rather than within ten seconds. Where connections are plain text there
    /// is nothing that could have changed.
    pub async fn reload_certificate(&self) -> Reload {
        match &self.certificate {
            Some(certificate) => certificate.reload_aside().await,
            None => Reload::Unchanged,
        }
    }

    /// Whether connections are TLS.
    pub fn is_tls(&self) -> bool {
        self.certificate.is_some()
    }

    /// The apps and their settings.
    pub fn apps(&self) -> &Apps {
        self.rooms.apps()
    }

    /// The demo app's number and key.
    ///
    /// # Panics
    ///
    /// Where the settings allow none, or the store had other apps before: see [`Server::find_demo_app`].
    pub fn demo_app(&self) -> (SdkAppId, String) {
        let demo = self.demo.as_ref().expect("a server on a folder of its own, with the default settings, has one");
        (demo.sdk_app_id, demo.key.clone())
    }

    /// The demo app, where there is one that may be used.
    pub fn find_demo_app(&self) -> Option<&App> {
        self.demo.as_ref()
    }

    /// Whether this start made the demo app, so that its key should be shown.
    pub fn is_demo_app_new(&self) -> bool {
        self.is_demo_new
    }

    /// Makes an app; its number and key.
    pub async fn create_app(&self, name: &str) -> Result<(SdkAppId, String), Error> {
        self.apps().create(name).await.map(|app| (app.sdk_app_id, app.key))
    }

    /// Waits until the store fails, after which nothing is acknowledged any more and the process must end.
    pub async fn failed(&self) {
        // A sender that is gone means that the store was closed, not that it failed.
        if self.rooms.failed().wait_for(|has_failed| *has_failed).await.is_err() {
            std::future::pending().await
        }
    }

    /// Stops: accepts nobody, answers what was read, writes what waits, closes the store.
    pub async fn shutdown(mut self) {
        let Some((running, guarding)) = self.running.take() else { return };
        guarding.abort();
        self.stop.send_replace(true);
        self.gateway.drain().await;
        running.end().await;
        self.rooms.close().await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some((running, guarding)) = self.running.take() {
            guarding.abort();
            self.stop.send_replace(true);
            self.gateway.cut_off();
            running.abort();
        }
    }
}

/// The admin listener, where the settings name one.
async fn listen_for_admin(config: &AdminConfig) -> Result<Option<(TcpListener, SocketAddr)>, Error> {
    let Some(address) = config.listen else { return Ok(None) };
    let listening = |error| Error::internal(format!("listening on {address} (the setting admin.listen)"), error);
    let listener = TcpListener::bind(address).await.map_err(listening)?;
    let addr = listener.local_addr().map_err(listening)?;
    Ok(Some((listener, addr)))
}

/// Stops serving when the store can no longer say what it holds: what it does not know it must not answer. Where the store
/// went on after a commit in doubt, what was to be pushed is lost, and the sessions compare what they have.
async fn guard(rooms: Arc<Rooms>, gateway: Arc<Gateway>, stop: watch::Sender<bool>) {
    let (mut failed, mut doubts) = (rooms.failed(), rooms.doubts());
    loop {
        tokio::select! {
            failed = failed.wait_for(|has_failed| *has_failed) => {
                if failed.is_ok() {
                    tracing::error!("the store failed; the server stops");
                    stop.send_replace(true);
                    gateway.cut_off();
                }
                return;
            }
            changed = doubts.changed() => {
                if changed.is_err() {
                    return;
                }
                gateway.resync();
            }
        }
    }
}
