// SPDX-License-Identifier: Apache-2.0
//! A real server in this process, on a port, in a folder and by a clock of its own.

use std::net::{IpAddr, SocketAddr};
use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;

use hongyan_protocol::clock::Clock;
use hongyan_server::config::{Config, StoreAddress, TlsConfig};
use hongyan_server::gateway::Reload;
use hongyan_server::server::Server;
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpSocket};

use super::app::App;
use super::certificates::{self, Pair};
use super::database::TestDatabase;
use super::database_proxy::DatabaseProxy;
use super::device::DeviceSpec;
use super::net;
use super::own_postgres::OwnPostgres;
use super::proxy::Proxy;
use super::scrape::Scrape;
use super::wait::within;
use super::wire::Wire;

/// Where a server is and the app it made at its first start.
pub struct Endpoint {
    addr: SocketAddr,
    is_tls: bool,
    app: App,
}

impl Endpoint {
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    pub fn app(&self) -> &App {
        &self.app
    }

    pub fn url(&self) -> String {
        format!("{}://{}", if self.is_tls { "https" } else { "http" }, self.addr)
    }

    /// A device of a user of this server's app, with an SDK of its own.
    pub fn device(&self, user: &str) -> DeviceSpec {
        DeviceSpec::new(self.app.clone(), user, self.url())
    }

    /// A logged-in user without an SDK.
    pub async fn wire(&self, user: &str) -> Wire {
        Wire::login(self.addr, &self.app, user).await
    }

    /// A logged-in user without an SDK, whose side of the connection holds little.
    pub async fn narrow_wire(&self, user: &str) -> Wire {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_recv_buffer_size(4096).expect("a small buffer");
        let socket = within("a connection", socket.connect(self.addr)).await.expect("the server listens");
        let mut wire = Wire::over(socket, self.addr).await;
        wire.call(&self.app.login(user)).await.expect("a good ticket logs in");
        wire
    }

    /// A proxy before this server.
    pub async fn proxy(&self) -> Proxy {
        Proxy::start(self.addr, 0).await
    }
}

/// What a server keeps: its folder, and its database where it does not run on SQLite.
pub struct Home {
    folder: TempDir,
    /// Several servers may share it.
    database: Option<Arc<TestDatabase>>,
    /// What is between the server and the database.
    proxy: Option<DatabaseProxy>,
    /// An instance that holds nothing but this.
    own_postgres: Option<OwnPostgres>,
}

impl Home {
    pub async fn new() -> Self {
        Self::on(TestDatabase::create().await.map(Arc::new))
    }

    fn on(database: Option<Arc<TestDatabase>>) -> Self {
        let folder = tempfile::tempdir().expect("a folder for the server");
        Self { folder, database, proxy: None, own_postgres: None }
    }

    /// On SQLite, whatever the tests run on: for what is about its files.
    pub fn on_files() -> Self {
        Self::on(None)
    }

    /// A folder for another server of the same database.
    pub fn beside(&self) -> Self {
        Self::on(self.database.clone())
    }

    /// On SQLite, in a folder that may hold data.
    pub fn in_folder(folder: TempDir) -> Self {
        Self { folder, ..Self::on_files() }
    }

    /// On a database that is reached through a proxy; nothing where the tests run on SQLite.
    pub async fn behind_a_proxy() -> Option<Self> {
        let mut home = Self::new().await;
        let database = home.database.as_ref()?;
        home.proxy = Some(DatabaseProxy::start(database.server()).await);
        Some(home)
    }

    /// On a PostgreSQL of its own; nothing where the tests run on SQLite.
    pub async fn on_its_own_postgres() -> Option<Self> {
        let own_postgres = Some(OwnPostgres::start().await?);
        Some(Self { own_postgres, ..Self::on_files() })
    }

    pub fn own_postgres(&self) -> &OwnPostgres {
        self.own_postgres.as_ref().expect("it was made with one")
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn database(&self) -> Option<&TestDatabase> {
        self.database.as_deref()
    }

    pub fn proxy(&self) -> &DatabaseProxy {
        self.proxy.as_ref().expect("it was made with one")
    }

    /// Another with what this one holds. Its server is stopped.
    pub async fn copy(&self) -> Self {
        let folder = tempfile::tempdir().expect("a folder for the copy");
        copy_files(self.folder(), folder.path());
        let database = match &self.database {
            Some(database) => Some(Arc::new(database.copy().await)),
            None => None,
        };
        Self { folder, ..Self::on(database) }
    }

    /// Puts in its place what a copy holds. Its server is stopped.
    pub async fn restore(&self, copy: &Self) {
        copy_files(copy.folder(), self.folder());
        if let (Some(database), Some(copy)) = (&self.database, &copy.database) {
            database.restore(copy).await;
        }
    }

    /// The setting `store` of its server.
    pub fn store(&self) -> String {
        if let Some(own_postgres) = &self.own_postgres {
            return own_postgres.address();
        }
        match (&self.database, &self.proxy) {
            (Some(database), Some(proxy)) => database.address().replace(&database.server(), &proxy.addr().to_string()),
            (Some(database), None) => database.address().to_owned(),
            (None, _) => "sqlite".to_owned(),
        }
    }
}

/// Makes one folder hold what another does, and nothing else.
fn copy_files(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(to).expect("a folder is read") {
        std::fs::remove_file(entry.expect("a folder is read").path()).expect("a server's folder holds files");
    }
    for entry in std::fs::read_dir(from).expect("a folder is read") {
        let path = entry.expect("a folder is read").path();
        let name = path.file_name().expect("an entry has a name");
        std::fs::copy(&path, to.join(name)).expect("a server's folder holds files");
    }
}

/// A server and what it keeps.
pub struct TestServer {
    /// Nothing while it is stopped.
    server: Option<Server>,
    home: Home,
    clock: Clock,
    endpoint: Endpoint,
}

impl Deref for TestServer {
    type Target = Endpoint;

    fn deref(&self) -> &Endpoint {
        &self.endpoint
    }
}

impl TestServer {
    /// A new server that keeps nothing yet.
    pub async fn start() -> Self {
        Self::start_at(Home::new().await).await
    }

    /// A new server on an address of its own, whose connections are TLS.
    pub async fn start_tls_on(host: IpAddr, pair: &Pair) -> Self {
        let home = Home::new().await;
        pair.write_into(home.folder());
        Self::start_on(home, net::bind_again(SocketAddr::new(host, 0)).await).await
    }

    /// Looks at the certificate anew, as on SIGHUP.
    pub async fn reload_certificate(&self) -> Reload {
        self.server.as_ref().expect("the server runs").reload_certificate().await
    }

    /// A server that keeps what it has there. One that has a certificate there makes connections TLS.
    pub async fn start_at(home: Home) -> Self {
        Self::start_on(home, net::bind().await).await
    }

    async fn start_on(home: Home, listener: TcpListener) -> Self {
        let clock = Clock::system();
        let addr = listener.local_addr().expect("a bound listener has an address");
        let server = serve(&home, listener, clock.clone()).await;
        let (id, key) = server.demo_app();
        let endpoint = Endpoint { addr, is_tls: server.is_tls(), app: App { id, key } };
        Self { server: Some(server), home, clock, endpoint }
    }

    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    pub fn folder(&self) -> &Path {
        self.home.folder()
    }

    pub fn home(&self) -> &Home {
        &self.home
    }

    /// A second tenant.
    pub async fn create_app(&self, name: &str) -> App {
        let server = self.server.as_ref().expect("the server runs");
        let (id, key) = server.create_app(name).await.expect("an app can be made");
        App { id, key }
    }

    /// Where metrics and health are shown.
    pub fn admin(&self) -> SocketAddr {
        let admin = self.server.as_ref().and_then(Server::admin_addr);
        admin.expect("the server runs and shows its metrics")
    }

    /// What the server shows of itself now.
    pub async fn scrape(&self) -> Scrape {
        Scrape::of(self.admin()).await
    }

    /// Stops gracefully and waits for the end.
    pub async fn stop(&mut self) {
        let server = self.server.take().expect("the server runs");
        within("the server's end", server.shutdown()).await;
    }

    /// Starts again with what it kept, on the same port.
    pub async fn start_again(&mut self) {
        let listener = net::bind_again(self.addr()).await;
        self.server = Some(serve(&self.home, listener, self.clock.clone()).await);
    }

    /// What a stopped server leaves behind.
    pub fn into_parts(self) -> (Home, Endpoint) {
        assert!(self.server.is_none(), "the server is stopped");
        (self.home, self.endpoint)
    }
}

async fn serve(home: &Home, listener: TcpListener, clock: Clock) -> Server {
    let mut config = Config::for_folder(home.folder());
    config.store = StoreAddress(home.store());
    config.admin.listen = Some(SocketAddr::from(([127, 0, 0, 1], 0)));
    if let Some((certificate, key)) = certificates::files_in(home.folder()) {
        config.tls = TlsConfig { certificate, key };
    }
    let server = Server::start_with_clock(config, listener, clock);
    within("a server", server).await.unwrap_or_else(|error| panic!("the server does not start: {error}"))
}
