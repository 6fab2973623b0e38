// SPDX-License-Identifier: Apache-2.0
//! The limit of every chat server here: a WebSocket server that does nothing but hand frames on. It stands on the library
//! that the real one stands on, and is spoken to by the same client.
//!
//! `e:NUMBER:TEXT` comes back as `a:NUMBER`; `j:GROUP` enters a group; `g:GROUP:NUMBER:TEXT` goes to its other members as it
//! is, and comes back as `a:NUMBER`.

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::{SinkExt, StreamExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

use crate::client::{Client, Event, Protocol, To};
use crate::payload::Stamp;
use crate::socket::Socket;
use crate::ws;

/// As the real server has them.
const READ_BUFFER_BYTES: usize = 2 * 1024;
const WRITE_BUFFER_BYTES: usize = 16 * 1024;

/// Frames that may wait for one connection, and that are written with one call.
const WAITING_MAX: usize = 4_096;
const WRITTEN_AT_ONCE: usize = 64;

type Sender = mpsc::Sender<Utf8Bytes>;

/// By group, with the number of the connection.
type Groups = Arc<Mutex<HashMap<String, Vec<(u64, Sender)>>>>;

/// Serves for ever.
pub async fn serve(listener: TcpListener) -> io::Result<()> {
    let groups = Groups::default();
    for number in 0.. {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(serve_one(stream, number, Arc::clone(&groups)));
    }
    Ok(())
}

async fn serve_one(stream: TcpStream, number: u64, groups: Groups) {
    // A connection whose option cannot be set is slower, not wrong.
    let _ = stream.set_nodelay(true);
    let config = WebSocketConfig::default().read_buffer_size(READ_BUFFER_BYTES).write_buffer_size(WRITE_BUFFER_BYTES);
    let Ok(mut socket) = tokio_tungstenite::accept_async_with_config(stream, Some(config)).await else { return };
    let (sender, mut waiting) = mpsc::channel(WAITING_MAX);
    let mut frames = Vec::with_capacity(1);
    loop {
        tokio::select! {
            incoming = socket.next() => match incoming {
                Some(Ok(Message::Text(text))) => {
                    let Some(answer) = take(&text, number, &sender, &groups) else { continue };
                    if socket.send(Message::Text(answer.into())).await.is_err() {
                        return;
                    }
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return,
            },
            _ = waiting.recv_many(&mut frames, WRITTEN_AT_ONCE) => {
                for frame in frames.drain(..) {
                    if socket.feed(Message::Text(frame)).await.is_err() {
                        return;
                    }
                }
                if socket.flush().await.is_err() {
                    return;
                }
            }
        }
    }
}

/// Does what a frame says, and gives the answer where it has one.
fn take(text: &Utf8Bytes, connection: u64, sender: &Sender, groups: &Groups) -> Option<String> {
    let mut parts = text.splitn(3, ':');
    match (parts.next()?, parts.next()?) {
        ("e", number) => Some(format!("a:{number}")),
        ("j", group) => {
            let mut groups = groups.lock().unwrap_or_else(PoisonError::into_inner);
            groups.entry(group.to_owned()).or_default().push((connection, sender.clone()));
            Some("j".to_owned())
        }
        ("g", group) => {
            let (number, _) = parts.next()?.split_once(':')?;
            let groups = groups.lock().unwrap_or_else(PoisonError::into_inner);
            for (other, member) in groups.get(group)? {
                if *other != connection {
                    // Who reads too slowly loses it, which its receiver counts.
                    let _ = member.try_send(text.clone());
                }
            }
            Some(format!("a:{number}"))
        }
        _ => None,
    }
}

/// Where a bare server listens.
#[derive(Debug, Clone, Copy)]
pub struct Bare(pub SocketAddr);

impl Protocol for Bare {
    type Client = BareClient;

    fn receivers_of_one(&self) -> u64 {
        0
    }

    async fn connect(&self, _user: usize, from: Option<Ipv4Addr>) -> io::Result<BareClient> {
        Ok(BareClient(ws::connect(self.0, "/", from).await?))
    }
}

/// A connection to it.
#[derive(Debug)]
pub struct BareClient(Socket);

impl Client for BareClient {
    async fn enter(&mut self, group: usize, _members: &[usize]) -> io::Result<()> {
        ws::write(&mut self.0, &format!("j:{group}"));
        self.0.flush().await?;
        if let Some(answer) = ws::read(&mut self.0).await? {
            self.0.content(&answer);
        }
        Ok(())
    }

    fn send(&mut self, to: To, number: u64, text: &str) {
        let frame = match to {
            To::User(_) => format!("e:{number}:{text}"),
            To::Group(group) => format!("g:{group}:{number}:{text}"),
        };
        ws::write(&mut self.0, &frame);
    }

    async fn next(&mut self) -> io::Result<Event> {
        loop {
            let Some(found) = ws::read(&mut self.0).await? else { return Ok(Event::Ended) };
            let frame = self.0.content(&found);
            if let Some(number) = frame.strip_prefix(b"a:") {
                let number = number.iter().fold(0, |number, digit| number * 10 + u64::from(digit.wrapping_sub(b'0')));
                return Ok(Event::Acked(number));
            }
            if let Some(stamp) = Stamp::find(frame) {
                return Ok(Event::Received(stamp));
            }
        }
    }
}
