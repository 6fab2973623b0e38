// SPDX-License-Identifier: Apache-2.0
//! The routes: the WebSocket, and what an operator's machinery asks.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use hongyan_protocol::limits::PACKET_BYTES_MAX;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::server::create_response_with_body;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

use super::listener::PeerInfo;
use super::{Gateway, connection};
use crate::error::Error;
use crate::metrics::Metrics;

/// What one read of a socket takes at the most. With the library's own 128 KiB an idle connection would cost that much.
const READ_BUFFER_BYTES: usize = 2 * 1024;

/// What is gathered before it is written, which an idle connection may go on holding.
pub(super) const WRITE_BUFFER_BYTES: usize = 16 * 1024;

/// What may wait there for a socket that takes nothing. Frames leave half of it to the answers to a client's pings; of those
/// that find no room only the newest is kept. A frame that finds none, because a client pings on and does not read, ends the
/// session: nothing is left out unsaid.
const WRITE_BUFFER_BYTES_MAX: usize = 4 * WRITE_BUFFER_BYTES;

/// Prometheus' text format, by the name that tells its version.
const METRICS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What is taken in of one message. A little more than a frame may have, so that one that is a little too large is
/// answered in order.
const MESSAGE_BYTES_MAX: usize = PACKET_BYTES_MAX + 64 * 1024;

/// The WebSocket of a connection.
pub(super) type Socket = WebSocketStream<TokioIo<Upgraded>>;

/// All routes of those who connect.
pub(super) fn router(gateway: Arc<Gateway>) -> Router {
    Router::new().route("/v1/ws", any(upgrade)).with_state(Arc::clone(&gateway)).merge(health(gateway))
}

/// The routes of who looks after the server, on a listener of their own.
pub(super) fn admin_router(gateway: Arc<Gateway>, metrics: Metrics) -> Router {
    Router::new().route("/metrics", get(show_metrics)).with_state(metrics).merge(health(gateway))
}

fn health(gateway: Arc<Gateway>) -> Router {
    Router::new().route("/healthz", get(healthz)).route("/readyz", get(readyz)).with_state(gateway)
}

async fn upgrade(
    State(gateway): State<Arc<Gateway>>,
    ConnectInfo(PeerInfo(peer)): ConnectInfo<PeerInfo>,
    mut request: Request,
) -> Response {
    let Ok(response) = create_response_with_body(&request, Body::empty) else {
        return closing((StatusCode::BAD_REQUEST, "this is a WebSocket\n"));
    };
    let refused = &gateway.registry.metrics.refused;
    if gateway.is_draining() {
        refused.stopping.inc();
        return closing((StatusCode::SERVICE_UNAVAILABLE, "stopping"));
    }
    let Some(open) = gateway.open() else {
        refused.server_full.inc();
        return closing((StatusCode::SERVICE_UNAVAILABLE, "too many connections"));
    };
    let upgrading = hyper::upgrade::on(&mut request);
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(WRITE_BUFFER_BYTES)
        .max_write_buffer_size(WRITE_BUFFER_BYTES_MAX)
        .max_message_size(Some(MESSAGE_BYTES_MAX))
        .max_frame_size(Some(MESSAGE_BYTES_MAX));
    tokio::spawn(async move {
        // A client that is gone before it has the answer was no connection yet.
        let Ok(upgraded) = upgrading.await else { return };
        let socket = Socket::from_raw_socket(TokioIo::new(upgraded), Role::Server, Some(config)).await;
        connection::run(gateway, peer, socket, open).await;
    });
    response
}

/// Whether the process answers at all.
async fn healthz() -> Response {
    closing("ok\n")
}

/// Whether it should be given work.
async fn readyz(State(gateway): State<Arc<Gateway>>) -> Response {
    if gateway.is_draining() {
        return closing((StatusCode::SERVICE_UNAVAILABLE, "stopping\n"));
    }
    if gateway.readiness.find(gateway.rooms.check()).await {
        closing("ready\n")
    } else {
        closing((StatusCode::SERVICE_UNAVAILABLE, "the store does not answer\n"))
    }
}

/// What is counted. What the process takes is read from files of the system: no work for a thread of sessions.
async fn show_metrics(State(metrics): State<Metrics>) -> Response {
    let text = tokio::task::spawn_blocking(move || metrics.encode()).await;
    match text.unwrap_or_else(|error| Err(Error::internal("writing the metrics", error))) {
        Ok(text) => closing(([(header::CONTENT_TYPE, METRICS_TYPE)], text)),
        Err(error) => {
            tracing::error!(code = error.code().0, %error, "the metrics could not be shown");
            closing(StatusCode::INTERNAL_SERVER_ERROR)
        }
    }
}

/// An answer after which the connection closes: one kept open would be cut by the login deadline, maybe in the midst of
/// the next answer.
fn closing(response: impl IntoResponse) -> Response {
    ([(header::CONNECTION, "close")], response).into_response()
}
