// SPDX-License-Identifier: Apache-2.0
//! The WebSocket: opening it, and reading and writing without one waiting for the other.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, Sink, Stream as _, StreamExt};
use hongyan_protocol::codes::Code;
use hongyan_protocol::limits::PACKET_BYTES_MAX;
use rustls::{AlertDescription, ClientConfig};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use crate::connection::address::Address;
use crate::connection::sent::Sent;
use crate::connection::state::Failure;

/// How many bytes may wait to be written: a full line makes calls fail (9507) instead of growing memory.
const OUTGOING_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Phones read small events.
const READ_BUFFER_BYTES: usize = 16 * 1024;

/// How long an address has for itself.
const NEXT_ADDRESS_AFTER: Duration = Duration::from_millis(250);

/// What a WebSocket lies on: a TCP connection, or TLS on it.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl Stream for TcpStream {}
impl Stream for TlsStream<Sent> {}

/// An open WebSocket.
pub(crate) struct Socket {
    stream: WebSocketStream<Box<dyn Stream>>,
    outgoing: VecDeque<Message>,
    outgoing_bytes: usize,
}

impl Socket {
    /// Opens one, under TLS wherever the address names whom to expect. Dropping the future gives up.
    pub(crate) async fn open(address: Address, tls: Arc<ClientConfig>) -> Result<Self, Failure> {
        let addresses: Vec<_> = lookup_host((address.host.as_str(), address.port))
            .await
            .map_err(|error| Failure::new(Code::DNS_FAILED, error.to_string()))?
            .collect();
        let stream = connect(addresses).await.map_err(|error| dial_failure(&error))?;
        // A chat's frames are small and each is waited for.
        stream.set_nodelay(true).map_err(|error| dial_failure(&error))?;
        let stream: Box<dyn Stream> = match address.tls_name {
            Some(name) => {
                let encrypted = TlsConnector::from(tls).connect(name, Sent(stream)).await;
                Box::new(encrypted.map_err(|error| tls_failure(&error))?)
            }
            None => Box::new(stream),
        };
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER_BYTES)
            .max_message_size(Some(PACKET_BYTES_MAX))
            .max_frame_size(Some(PACKET_BYTES_MAX));
        let (stream, _) = client_async_with_config(&address.url, stream, Some(config))
            .await
            .map_err(|error| Failure::new(Code::CONNECT_REFUSED, error.to_string()))?;
        Ok(Self { stream, outgoing: VecDeque::new(), outgoing_bytes: 0 })
    }

    /// Puts a frame behind those that wait to be written; gives it back where too much waits.
    pub(crate) fn write(&mut self, frame: String) -> Result<(), String> {
        if self.outgoing_bytes > OUTGOING_BYTES_MAX {
            return Err(frame);
        }
        self.outgoing_bytes += frame.len();
        self.outgoing.push_back(Message::text(frame));
        Ok(())
    }

    /// The next text frame. Writes meanwhile what waits. A dropped future loses nothing.
    pub(crate) async fn next(&mut self) -> Result<Utf8Bytes, Failure> {
        poll_fn(|context| {
            // A half-open line takes no more bytes: that must not keep what arrives from being read, nor the
            // missing answer to a heartbeat from being noticed.
            if let Poll::Ready(Err(error)) = self.poll_write(context) {
                return Poll::Ready(Err(loss(&error)));
            }
            self.poll_read(context)
        })
        .await
    }

    /// Writes what the line takes at once and lets go.
    pub(crate) fn hang_up(mut self) {
        self.outgoing.push_back(Message::Close(None));
        let _ = poll_fn(|context| self.poll_write(context)).now_or_never();
    }

    fn poll_write(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        while let Some(frame) = self.outgoing.pop_front() {
            match Pin::new(&mut self.stream).poll_ready(context) {
                Poll::Ready(Ok(())) => {
                    self.outgoing_bytes = self.outgoing_bytes.saturating_sub(frame.len());
                    Pin::new(&mut self.stream).start_send(frame)?;
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    self.outgoing.push_front(frame);
                    return Poll::Pending;
                }
            }
        }
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<Result<Utf8Bytes, Failure>> {
        loop {
            match ready!(Pin::new(&mut self.stream).poll_next(context)) {
                Some(Ok(Message::Text(text))) => return Poll::Ready(Ok(text)),
                Some(Ok(Message::Close(frame))) => {
                    let reason = frame.map(|frame| frame.reason.to_string()).filter(|reason| !reason.is_empty());
                    let detail = reason.unwrap_or_else(|| Code::CONNECTION_RESET_BY_PEER.text().to_owned());
                    return Poll::Ready(Err(Failure::new(Code::CONNECTION_RESET_BY_PEER, detail)));
                }
                // Other kinds are not the protocol's: passed over, like unknown events.
                Some(Ok(_)) => {}
                Some(Err(error)) => return Poll::Ready(Err(loss(&error))),
                None => return Poll::Ready(Err(Code::CONNECTION_RESET_BY_PEER.into())),
            }
        }
    }
}

/// Tries one address after another, the next as soon as one fails or takes long: a name often has an address of a
/// kind that the network at hand does not carry.
async fn connect(addresses: Vec<SocketAddr>) -> io::Result<TcpStream> {
    let mut untried = addresses.into_iter();
    let mut attempts = FuturesUnordered::new();
    let mut failure = io::Error::new(io::ErrorKind::NotFound, "the server's name has no address");
    loop {
        match untried.next() {
            Some(address) => attempts.push(TcpStream::connect(address)),
            None if attempts.is_empty() => return Err(failure),
            None => {}
        }
        tokio::select! {
            Some(outcome) = attempts.next() => match outcome {
                Ok(stream) => return Ok(stream),
                Err(error) => failure = error,
            },
            () = tokio::time::sleep(NEXT_ADDRESS_AFTER), if untried.len() > 0 => {}
        }
    }
}

fn dial_failure(error: &io::Error) -> Failure {
    let code = match error.kind() {
        io::ErrorKind::ConnectionRefused => Code::CONNECT_REFUSED,
        io::ErrorKind::TimedOut => Code::CONNECT_TIMEOUT,
        io::ErrorKind::NetworkUnreachable | io::ErrorKind::HostUnreachable => Code::NETWORK_UNREACHABLE,
        _ => Code::NETWORK_DISCONNECTED,
    };
    Failure::new(code, error.to_string())
}

/// A certificate that is not trusted is 9501, and what is no TLS that the SDK speaks 9502. The rest is a connection that
/// broke.
fn tls_failure(error: &io::Error) -> Failure {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::InvalidCertificate(why)) => {
            Failure::new(Code::PACKET_ENCRYPT_FAILED, format!("the server's certificate is not trusted: {why}"))
        }
        Some(
            rustls::Error::PeerIncompatible(_)
            | rustls::Error::AlertReceived(AlertDescription::ProtocolVersion | AlertDescription::HandshakeFailure),
        ) => {
            let detail = format!("the server speaks no TLS 1.3 that the SDK knows: {error}");
            Failure::new(Code::PACKET_DECRYPT_FAILED, detail)
        }
        Some(rustls::Error::AlertReceived(_)) => Failure::new(Code::CONNECT_REFUSED, error.to_string()),
        Some(
            rustls::Error::InvalidMessage(_)
            | rustls::Error::InappropriateMessage { .. }
            | rustls::Error::InappropriateHandshakeMessage { .. }
            | rustls::Error::PeerMisbehaved(_)
            | rustls::Error::PeerSentOversizedRecord
            | rustls::Error::NoApplicationProtocol,
        ) => Failure::new(Code::PACKET_DECRYPT_FAILED, format!("the server does not speak TLS: {error}")),
        Some(_) => Failure::new(Code::CONNECTION_RESET, error.to_string()),
        None if error.kind() == io::ErrorKind::UnexpectedEof => Code::CONNECTION_RESET_BY_PEER.into(),
        None => dial_failure(error),
    }
}

fn loss(error: &Error) -> Failure {
    let code = match error {
        Error::ConnectionClosed | Error::AlreadyClosed => Code::CONNECTION_RESET_BY_PEER,
        Error::Capacity(_) => Code::PACKET_TOO_LARGE,
        _ => Code::CONNECTION_RESET,
    };
    Failure::new(code, error.to_string())
}
