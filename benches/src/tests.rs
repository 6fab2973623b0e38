// SPDX-License-Identifier: Apache-2.0
//! Every scenario, as small as it can be, against a real server: not how fast it is, but that nothing is lost, doubled or
//! out of order, and that the generator would notice.

use std::io;
use std::path::Path;

use hongyan_server::config::{Config, Layers};
use hongyan_server::server::Server;
use tempfile::TempDir;
use tokio::net::TcpListener;

use crate::bare;
use crate::engine::Engine;
use crate::hongyan::Hongyan;
use crate::host::{Host, SETTINGS, Usage, usage_of};
use crate::report::Report;
use crate::run::{self, Peer, Selection};
use crate::scenario::Sizes;

/// A server within this process.
struct LocalServer {
    folder: TempDir,
    server: Option<Server>,
    endpoint: Hongyan,
}

async fn start(folder: &Path) -> Server {
    let mut layers = Layers::defaults();
    for (key, value) in SETTINGS {
        layers = layers.with_value(key, value, "a test").unwrap();
    }
    let mut config: Config = layers.build().unwrap();
    config.data_folder = folder.to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    Server::start(config, listener).await.unwrap()
}

impl LocalServer {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = start(folder.path()).await;
        let (app, key) = server.demo_app();
        let endpoint = Hongyan { addr: server.addr(), app, key };
        Self { folder, server: Some(server), endpoint }
    }
}

impl Host for LocalServer {
    fn endpoint(&self) -> &Hongyan {
        &self.endpoint
    }

    async fn restart(&mut self) -> io::Result<()> {
        if let Some(server) = self.server.take() {
            server.shutdown().await;
        }
        let server = start(self.folder.path()).await;
        self.endpoint.addr = server.addr();
        self.server = Some(server);
        Ok(())
    }

    fn usage(&self) -> io::Result<Usage> {
        usage_of("self")
    }

    fn folder(&self) -> &Path {
        self.folder.path()
    }
}

async fn bare_peer() -> Peer {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(bare::serve(listener));
    Peer { addr, process: "self".to_owned() }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_scenario_delivers_each_message_once_and_in_order() {
    let (sizes, selection, mut report) = (Sizes::smoke(), Selection::default(), Report::default());
    let folder = tempfile::tempdir().unwrap();
    run::limits(&bare_peer().await, folder.path(), &selection, &sizes, &mut report).await;
    run::sdk(folder.path(), &selection, &sizes, &mut report).await;
    let mut host = LocalServer::start().await;
    run::ours(&mut host, &Engine::Sqlite, &selection, &sizes, &mut report).await;
    run::grown(&LocalServer::start().await, &Engine::Sqlite, &sizes, &mut report).await;
    report.compare();
    assert!(report.faults.is_clean() && report.left_out.is_empty(), "{}", report.table());
    for figure in &report.figures {
        if figure.name.contains("idle") {
            // This process holds server and clients: so few connections need not make it grow.
            continue;
        }
        assert!(figure.median > 0.0, "{}: nothing was measured", figure.name);
        assert_eq!(figure.limit.is_some(), figure.ratio.is_some(), "{}: its limit is no figure", figure.name);
    }
    let written = folder.path().join("report.json");
    report.write(&written).unwrap();
    let read: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(written).unwrap()).unwrap();
    assert_eq!(read["figures"].as_array().unwrap().len(), report.figures.len());
}
