// SPDX-License-Identifier: Apache-2.0
//! A client without an SDK: it writes any bytes, and reads frames one by one.

use std::collections::VecDeque;
use std::fmt::Debug;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use hongyan_protocol::account::{ClientInfo, Login, Platform, Resume, Session};
use hongyan_protocol::frame::{Call, ServerFrame, WireError, encode_call};
use hongyan_protocol::ids::{DeviceId, MessageId, UserId};
use hongyan_protocol::message::{Element, MessageBody, SendMessage, Target, TextElement};
use serde_json::Value;
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::{WebSocketStream, client_async};

use super::TestServer;

/// How long anything may take before a test fails instead of hanging. Nothing waits so long that goes well.
const PATIENCE: Duration = Duration::from_secs(20);

pub(super) async fn within<T>(what: impl Debug, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("waited too long for {what:?}"))
}

/// An event as it was read.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Push {
    pub(super) number: u64,
    pub(super) event: String,
    pub(super) data: Value,
}

/// One connection.
pub(super) struct Wire {
    socket: WebSocketStream<TcpStream>,
    last_id: u64,
    /// Read on the way to an answer.
    pushes: VecDeque<Push>,
    /// Every frame, in order: written behind `→`, read behind `←`.
    pub(super) log: Vec<String>,
    pub(super) device: DeviceId,
}

pub(super) fn client_info(platform: Platform, device_id: DeviceId) -> ClientInfo {
    ClientInfo { protocol: 1, sdk: "test/1".to_owned(), platform, device_id, capabilities: Vec::new() }
}

pub(super) fn user(id: &str) -> UserId {
    UserId::parse(id).unwrap()
}

/// A text message with an id of its own.
pub(super) fn text_to(peer: &str, text: &str) -> SendMessage {
    let elements = vec![Element::Text(TextElement { text: text.to_owned() })];
    let body = MessageBody { elements, ..MessageBody::default() };
    SendMessage { id: MessageId::generate(), to: Target::User(user(peer)), body }
}

impl Wire {
    pub(super) async fn connect(addr: SocketAddr) -> Self {
        Self::over(TcpStream::connect(addr).await.unwrap(), addr).await.expect("the server takes WebSockets")
    }

    /// A connection whose receiving end takes little before it says stop.
    pub(super) async fn connect_narrow(addr: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4_096).unwrap();
        Self::over(socket.connect(addr).await.unwrap(), addr).await.expect("the server takes WebSockets")
    }

    pub(super) async fn over(stream: TcpStream, addr: SocketAddr) -> Option<Self> {
        let (socket, _) = within("a handshake", client_async(format!("ws://{addr}/v1/ws"), stream)).await.ok()?;
        let device = DeviceId::generate();
        Some(Self { socket, last_id: 0, pushes: VecDeque::new(), log: Vec::new(), device })
    }

    pub(super) async fn login(
        &mut self,
        server: &TestServer,
        user: &str,
        platform: Platform,
    ) -> Result<Session, WireError> {
        let user_sig = server.sign(user);
        self.login_with(server, user, platform, user_sig).await
    }

    pub(super) async fn login_with(
        &mut self,
        server: &TestServer,
        user: &str,
        platform: Platform,
        user_sig: String,
    ) -> Result<Session, WireError> {
        let client = client_info(platform, self.device);
        self.call(&Login { client, sdk_app_id: server.app(), user_id: user.to_owned(), user_sig }).await
    }

    pub(super) async fn resume(&mut self, platform: Platform, token: &str) -> Result<Session, WireError> {
        let client = client_info(platform, self.device);
        self.call(&Resume { client, token: token.to_owned() }).await
    }

    pub(super) async fn write(&mut self, text: impl Into<String>) {
        let text = text.into();
        self.log.push(format!("→ {text}"));
        within("room to write", self.socket.send(Message::text(text))).await.expect("the connection stands");
    }

    pub(super) async fn write_binary(&mut self, bytes: Vec<u8>) {
        within("room to write", self.socket.send(Message::binary(bytes))).await.expect("the connection stands");
    }

    /// Writes a ping of the WebSocket itself.
    pub(super) async fn write_ping(&mut self, payload: Vec<u8>) {
        within("room to write", self.socket.send(Message::Ping(payload.into()))).await.expect("the connection stands");
    }

    /// Reads on to the next frame, or to the end of the connection. Says how many pongs came before it.
    pub(super) async fn count_pongs(&mut self) -> usize {
        let mut count = 0;
        while let Some(Ok(Message::Pong(_))) = within("a pong", self.socket.next()).await {
            count += 1;
        }
        count
    }

    /// Says goodbye, and gives the code of the server's goodbye; nothing where the connection ends without one.
    pub(super) async fn part(&mut self) -> Option<CloseCode> {
        let close = CloseFrame { code: CloseCode::Away, reason: "".into() };
        within("room to write", self.socket.send(Message::Close(Some(close)))).await.expect("the connection stands");
        loop {
            match within("a goodbye", self.socket.next()).await {
                Some(Ok(Message::Close(close))) => return close.map(|close| close.code),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return None,
            }
        }
    }

    /// Writes what the server may stop reading in the middle.
    pub(super) async fn write_if_taken(&mut self, text: String) {
        let _ = within("an end of writing", self.socket.send(Message::text(text))).await;
    }

    /// Writes a request and gives its id.
    pub(super) async fn request<C: Call>(&mut self, params: &C) -> u64 {
        self.last_id += 1;
        self.write(encode_call(self.last_id, params)).await;
        self.last_id
    }

    /// Writes a request, where the connection still stands.
    pub(super) async fn ask_if_taken<C: Call>(&mut self, params: &C) {
        self.last_id += 1;
        self.write_if_taken(encode_call(self.last_id, params)).await;
    }

    /// Writes a request and waits for its answer; what else is read is kept.
    pub(super) async fn call<C: Call>(&mut self, params: &C) -> Result<C::Reply, WireError> {
        let id = self.request(params).await;
        let outcome = self.answer_to(id).await?;
        Ok(serde_json::from_value(outcome).expect("an answer has the form of its method"))
    }

    pub(super) async fn answer_to(&mut self, id: u64) -> Result<Value, WireError> {
        loop {
            match self.read().await.unwrap_or_else(|| panic!("the connection ended before the answer to {id}")) {
                ServerFrame::Reply { id: answered, outcome } if answered == id => {
                    return outcome.map(|result| serde_json::from_str(result.get()).unwrap());
                }
                ServerFrame::Reply { .. } => {}
                ServerFrame::Push { number, event, data } => self.keep(number, event, data.get()),
            }
        }
    }

    fn keep(&mut self, number: u64, event: String, data: &str) {
        self.pushes.push_back(Push { number, event, data: serde_json::from_str(data).unwrap() });
    }

    /// The next event, read before or not.
    pub(super) async fn push(&mut self) -> Push {
        loop {
            if let Some(push) = self.pushes.pop_front() {
                return push;
            }
            match self.read().await.expect("the connection stands") {
                ServerFrame::Push { number, event, data } => self.keep(number, event, data.get()),
                ServerFrame::Reply { .. } => {}
            }
        }
    }

    /// The next frame, or nothing at the end of the connection.
    pub(super) async fn read(&mut self) -> Option<ServerFrame> {
        loop {
            match within("a frame", self.socket.next()).await {
                Some(Ok(Message::Text(text))) => {
                    self.log.push(format!("← {text}"));
                    return Some(ServerFrame::parse(text.as_bytes()).expect("a server writes frames"));
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Close(_))) => {}
                Some(Ok(other)) => panic!("a server writes text, not {other:?}"),
                Some(Err(_)) | None => return None,
            }
        }
    }

    /// The connection's bytes from here on. What was read so far was all that there was.
    pub(super) fn into_stream(self) -> TcpStream {
        self.socket.into_inner()
    }

    /// All frames until the end of the connection.
    pub(super) async fn read_to_end(&mut self) -> Vec<ServerFrame> {
        let mut frames = Vec::new();
        while let Some(frame) = self.read().await {
            frames.push(frame);
        }
        frames
    }

    /// The code of the one error with id 0 that ends this connection.
    pub(super) async fn last_refusal(&mut self) -> Option<i32> {
        let frames = self.read_to_end().await;
        match frames.as_slice() {
            [] => None,
            [ServerFrame::Reply { id: 0, outcome: Err(error) }] => Some(error.code.0),
            other => panic!("one refusal and the end, not {other:?}"),
        }
    }
}
