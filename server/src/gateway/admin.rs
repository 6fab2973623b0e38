// SPDX-License-Identifier: Apache-2.0
//! The listener of who looks after the server: metrics and health, on an address of their own.
//!
//! It asks nobody who they are, so it listens on loopback unless the settings say otherwise. What comes to it is bounded
//! like the other connections before their login, and takes no place from them.

use std::sync::Arc;

use hongyan_protocol::clock::Clock;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::listener::GatewayListener;
use super::metrics::GatewayMetrics;
use super::peers::Peers;
use super::{Gateway, http};
use crate::metrics::Metrics;

/// Connections of one address at once. A scrape takes one, for some milliseconds.
const PER_ADDRESS_MAX: usize = 16;

/// Places for these connections. They are not among what is counted: who looks must not change what is seen.
pub(super) fn peers(clock: Clock) -> Arc<Peers> {
    Peers::new(PER_ADDRESS_MAX, clock, GatewayMetrics::new(&Metrics::default()))
}

/// Answers until it is aborted.
pub(super) fn run(gateway: Arc<Gateway>, listener: TcpListener, metrics: Metrics) -> JoinHandle<()> {
    let listener = GatewayListener { listener, peers: Arc::clone(&gateway.admin_peers), tls: None };
    let serve = axum::serve(listener, http::admin_router(gateway, metrics).into_make_service());
    tokio::spawn(async move {
        if let Err(error) = serve.await {
            tracing::error!(%error, "the admin listener ended");
        }
    })
}
