// SPDX-License-Identifier: Apache-2.0
//! The gateway seen from a socket: a real server in this process, raw WebSocket clients, a clock that tests move.

mod admission;
mod drain;
mod fragments;
mod frames;
mod http;
mod metrics;
mod refusals;
mod registry;
mod sessions;
mod slow;
mod store;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use hongyan_protocol::account::Platform;
use hongyan_protocol::clock::Clock;
use hongyan_protocol::ids::SdkAppId;
use hongyan_protocol::usersig::{self, UserSigClaims};
use tempfile::TempDir;
use tokio::net::TcpListener;

use self::wire::Wire;
use crate::bus::Hint;
use crate::config::{Config, GatewayConfig};
use crate::server::Server;

/// What every test's frozen clock shows at first.
const START_MS: i64 = 1_700_000_000_000;

/// A server, its clock and its folder.
struct TestServer {
    server: Server,
    clock: Clock,
    folder: TempDir,
}

impl TestServer {
    async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    async fn start_with(change: impl FnOnce(&mut GatewayConfig)) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), change).await
    }

    async fn start_in(folder: TempDir, change: impl FnOnce(&mut GatewayConfig)) -> Self {
        let clock = Clock::frozen(START_MS);
        let mut config = Config::for_folder(folder.path());
        change(&mut config.gateway);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Server::start_with_clock(config, listener, clock.clone()).await.unwrap();
        Self { server, clock, folder }
    }

    fn app(&self) -> SdkAppId {
        self.server.demo_app().0
    }

    /// A UserSig of the demo app that is valid for a day.
    fn sign(&self, user: &str) -> String {
        self.sign_for(user, 86_400)
    }

    fn sign_for(&self, user: &str, expire_s: i64) -> String {
        let (sdk_app_id, key) = self.server.demo_app();
        let time_s = self.clock.now_ms() / 1_000;
        let claims = UserSigClaims { identifier: user.to_owned(), sdk_app_id, time_s, expire_s, user_buf: None };
        usersig::sign(&claims, &key)
    }

    /// A connection that has not logged in.
    async fn connect(&self) -> Wire {
        Wire::connect(self.server.addr()).await
    }

    /// A session of a user on a new phone.
    async fn login(&self, user: &str) -> Wire {
        self.login_on(user, Platform::Android).await
    }

    async fn login_on(&self, user: &str, platform: Platform) -> Wire {
        let mut wire = self.connect().await;
        wire.login(self, user, platform).await.expect("a good UserSig logs in");
        wire
    }

    /// Gives a user's sessions an event that means nothing.
    fn make_noise(&self, user: &str) {
        let event: Arc<str> = r#""event":"noise","data":{}}"#.into();
        let users: Arc<[_]> = [wire::user(user)].into();
        let app = self.app();
        self.server.gateway.registry.deliver(Hint::Event { app, users, event, origin: None, except: None });
    }

    fn advance_s(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }
}
