// SPDX-License-Identifier: Apache-2.0
//! Accepting connections, as plain text or under TLS.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpListener;
use tokio_rustls::server::TlsStream;
use tokio_rustls::{Accept, TlsAcceptor};

use super::budget;
use super::peers::{Peer, PeerSocket, Peers};

/// How long accepting rests after an error such as "too many open files", which does not pass at once.
const ACCEPT_REST: Duration = Duration::from_millis(200);

/// The listener: no Nagle, a limit per address.
pub(super) struct GatewayListener {
    pub(super) listener: TcpListener,
    pub(super) peers: Arc<Peers>,
    /// Nothing where connections are plain text.
    pub(super) tls: Option<TlsAcceptor>,
}

impl Listener for GatewayListener {
    type Io = PeerStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            match self.listener.accept().await {
                Ok((stream, address)) => {
                    let Some(peer) = self.peers.admit(address) else {
                        tracing::debug!(address = %address.ip(), "refused: too many connections that do not log in");
                        continue;
                    };
                    budget::prepare_socket(&stream);
                    return (PeerStream::new(PeerSocket::new(stream, peer), self.tls.as_ref()), address);
                }
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    tracing::error!(%error, "cannot accept connections");
                    tokio::time::sleep(ACCEPT_REST).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}

fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// A connection's bytes as HTTP sees them.
pub(super) struct PeerStream {
    layer: Layer,
    peer: Arc<Peer>,
}

/// What lies between HTTP and the socket. TLS is boxed, so that a plain connection does not pay for it.
enum Layer {
    Plain(PeerSocket),
    /// The handshake runs in the connection's own task, when HTTP first reads: a slow one holds up nobody else.
    Handshake(Box<Accept<PeerSocket>>),
    Tls(Box<TlsStream<PeerSocket>>),
    /// The handshake failed.
    Broken,
}

/// What a request knows of its connection.
#[derive(Debug, Clone)]
pub(super) struct PeerInfo(pub(super) Arc<Peer>);

impl Connected<IncomingStream<'_, GatewayListener>> for PeerInfo {
    fn connect_info(stream: IncomingStream<'_, GatewayListener>) -> Self {
        Self(Arc::clone(&stream.io().peer))
    }
}

impl PeerStream {
    fn new(socket: PeerSocket, tls: Option<&TlsAcceptor>) -> Self {
        let peer = Arc::clone(socket.peer());
        let layer = match tls {
            Some(tls) => Layer::Handshake(Box::new(tls.accept(socket))),
            None => Layer::Plain(socket),
        };
        Self { layer, peer }
    }

    /// The stream once it carries bytes of HTTP.
    fn poll_open(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Pin<&mut dyn Bytes>>> {
        if let Layer::Handshake(handshake) = &mut self.layer {
            self.layer = match ready!(Pin::new(handshake.as_mut()).poll(cx)) {
                Ok(stream) => Layer::Tls(Box::new(stream)),
                Err(error) => {
                    tracing::debug!(address = %self.peer.address(), %error, "a TLS handshake failed");
                    Layer::Broken
                }
            };
        }
        Poll::Ready(match &mut self.layer {
            Layer::Plain(socket) => Ok(Pin::new(socket)),
            Layer::Tls(stream) => Ok(Pin::new(stream.as_mut())),
            Layer::Handshake(_) | Layer::Broken => Err(io::ErrorKind::ConnectionAborted.into()),
        })
    }
}

/// What both kinds of streams are.
trait Bytes: AsyncRead + AsyncWrite + Send + Unpin {}

impl Bytes for PeerSocket {}
impl Bytes for TlsStream<PeerSocket> {}

impl AsyncRead for PeerStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_open(cx))?.poll_read(cx, buf)
    }
}

impl AsyncWrite for PeerStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_open(cx))?.poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_open(cx))?.poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.layer {
            // There is nothing that the other end could be told.
            Layer::Handshake(_) | Layer::Broken => Poll::Ready(Ok(())),
            Layer::Plain(socket) => Pin::new(socket).poll_shutdown(cx),
            Layer::Tls(stream) => Pin::new(stream.as_mut()).poll_shutdown(cx),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_open(cx))?.poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        // The same of a socket and of TLS.
        true
    }
}
