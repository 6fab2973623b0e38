// SPDX-License-Identifier: Apache-2.0
//! A server that is no more than its protocol, for one client that is measured: it answers from memory, and pushes what was
//! encoded before as fast as it may. No store and no rule of a real one is in the way.

use std::io;
use std::net::SocketAddr;

use futures_util::{SinkExt, StreamExt};
use hongyan_protocol::PROTOCOL_VERSION;
use hongyan_protocol::account::{Done, Login, Logout, Ping, Pong, Profile, Session};
use hongyan_protocol::conversation::Head;
use hongyan_protocol::frame::{Call, ClientFrame, WireError, encode_event, encode_push, encode_reply};
use hongyan_protocol::ids::{InstanceId, UserId, Version};
use hongyan_protocol::message::NewMessage;
use hongyan_protocol::sync::{Sync, SyncCursor, SyncPage};
use serde::Serialize;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};
use tokio_tungstenite::{WebSocketStream, accept_async};

use crate::socket::broken;

/// How long sessions and their UserSigs last: longer than any run.
const SESSION_MS: i64 = 24 * 60 * 60 * 1_000;

/// Pushes that are written with one call.
const WRITTEN_AT_ONCE: usize = 64;

/// What the server knows and will say.
pub struct Script {
    /// Whose account it is.
    pub user: UserId,
    /// The server's time, which stands still.
    pub server_ms: i64,
    /// How far the user's own stream has come, which stands still too.
    pub version: Version,
    /// All heads, highest order key first.
    pub heads: Vec<Head>,
    /// Frames of pushes, in their order.
    pub pushes: Vec<Utf8Bytes>,
}

/// The frame of a push.
pub fn push(number: u64, message: &NewMessage) -> Utf8Bytes {
    encode_push(number, &encode_event(message)).into()
}

/// A server that listens.
pub struct Scripted<'a> {
    listener: TcpListener,
    script: &'a Script,
    instance: InstanceId,
}

impl<'a> Scripted<'a> {
    /// Listens on a free port.
    pub async fn listen(script: &'a Script) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        Ok(Self { listener, script, instance: InstanceId::generate() })
    }

    /// Where.
    pub fn addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves one connection until it ends. `allowed` says how many pushes may have left. What a client asks for without
    /// need is an error: what is measured then is not what was meant.
    pub async fn serve(&self, mut allowed: watch::Receiver<usize>) -> io::Result<()> {
        let (stream, _) = self.listener.accept().await?;
        stream.set_nodelay(true)?;
        let mut socket = accept_async(stream).await.map_err(io::Error::other)?;
        let mut sent = 0;
        loop {
            let may_send = self.script.pushes.len().min(*allowed.borrow_and_update());
            tokio::select! {
                biased;
                incoming = socket.next() => match incoming {
                    Some(Ok(Message::Text(text))) => {
                        let answer = self.answer(&text, sent)?;
                        socket.send(Message::text(answer)).await.map_err(io::Error::other)?;
                    }
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None => return Ok(()),
                },
                () = std::future::ready(()), if sent < may_send => {
                    let upto = may_send.min(sent + WRITTEN_AT_ONCE);
                    write(&mut socket, &self.script.pushes[sent..upto]).await?;
                    sent = upto;
                }
                changed = allowed.changed() => if changed.is_err() {
                    return Ok(());
                },
            }
        }
    }

    fn answer(&self, frame: &str, pushed: usize) -> io::Result<String> {
        let frame = ClientFrame::parse(frame.as_bytes()).map_err(|error| broken(error.to_string()))?;
        let id = frame.id;
        Ok(match frame.method.as_str() {
            Login::METHOD => reply(id, self.session()),
            Sync::METHOD => {
                let asked = frame.params().map_err(|error| broken(error.to_string()))?;
                reply(id, self.page(&asked))
            }
            Ping::METHOD => reply(id, Pong { server_ms: self.script.server_ms, push: pushed as u64 }),
            Logout::METHOD => reply(id, Done {}),
            other => return Err(broken(format!("{other} was asked for, without need"))),
        })
    }

    fn session(&self) -> Session {
        let server_ms = self.script.server_ms;
        Session {
            protocol: PROTOCOL_VERSION,
            protocol_min: PROTOCOL_VERSION,
            capabilities: Vec::new(),
            instance: self.instance,
            server_ms,
            version: self.script.version,
            profile: self.profile(),
            resume_token: "token".to_owned(),
            user_sig_expires_ms: server_ms + SESSION_MS,
            silence_ms_max: SESSION_MS,
        }
    }

    fn profile(&self) -> Profile {
        Profile { user_id: self.script.user.clone(), nick: String::new(), face_url: String::new() }
    }

    /// All heads for a client that was never here, none for one that was: what came since was pushed.
    fn page(&self, asked: &Sync) -> SyncPage {
        let heads = if asked.since_ms.is_none() { self.script.heads.as_slice() } else { &[] };
        let place = |head: &Head| SyncCursor { order_key: head.order_key, log: head.state.log };
        let from = asked.cursor.map_or(0, |cursor| {
            heads.iter().position(|head| place(head) == cursor).map_or(heads.len(), |last| last + 1)
        });
        let rest = &heads[from..];
        let page = &rest[..rest.len().min(usize::try_from(asked.limit).unwrap_or(usize::MAX))];
        SyncPage {
            server_ms: self.script.server_ms,
            is_behind_client: false,
            heads: page.to_vec(),
            next: page.last().filter(|_| page.len() < rest.len()).map(place),
            version: self.script.version,
            profile: self.profile(),
        }
    }
}

fn reply<R: Serialize>(id: u64, result: R) -> String {
    encode_reply::<R>(id, &Ok::<R, WireError>(result))
}

async fn write(socket: &mut WebSocketStream<TcpStream>, frames: &[Utf8Bytes]) -> io::Result<()> {
    for frame in frames {
        socket.feed(Message::Text(frame.clone())).await.map_err(io::Error::other)?;
    }
    socket.flush().await.map_err(io::Error::other)
}
