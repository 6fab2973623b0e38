// SPDX-License-Identifier: Apache-2.0
//! A server that does what a test tells it, and a connection to it.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{FutureExt, SinkExt, StreamExt};
use hongyan_protocol::account::{Login, Profile as UserProfile, Resume, Session};
use hongyan_protocol::clock::Clock;
use hongyan_protocol::codes::Code;
use hongyan_protocol::frame::{Call, ClientFrame, Event, WireError, encode_event, encode_push, encode_reply};
use hongyan_protocol::ids::{DeviceId, InstanceId, SdkAppId, UserId, Version};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, accept_async};

use crate::client::core::Context;
use crate::config::{ClientConfig, LogLevel, Platform, Settings};
use crate::connection::command::Credentials;
use crate::connection::handle::{CALL_DEADLINE, ConnectionHandle, ConnectionNumber, Inbound, Shared};
use crate::connection::inbox::Inbox;
use crate::connection::task::{Hooks, Profile, Task};
use crate::error::ImError;
use crate::listener::dispatcher::Dispatcher;
use crate::listener::queue::{Batch, ConnectionEvent};
use crate::runtime;

pub(crate) const WALL_MS: i64 = 1_700_000_000_000;
/// No step of a test takes this long; the tests' clock has nothing to do with it.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("what the test waits for comes")
}

pub(crate) struct Server {
    listener: TcpListener,
    pub(crate) port: u16,
}

impl Server {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        Self { listener, port }
    }

    pub(crate) async fn accept(&self) -> Peer {
        let stream = self.accept_stream().await;
        Peer { socket: within(accept_async(stream)).await.unwrap(), pushes: 0 }
    }

    /// A connection that is never answered.
    pub(crate) async fn accept_stream(&self) -> TcpStream {
        within(self.listener.accept()).await.unwrap().0
    }

    /// Accepts a connection and opens a session on it by `login`.
    pub(crate) async fn accept_login(&self) -> (Peer, Login) {
        let mut peer = self.accept().await;
        let (id, login) = peer.called::<Login>().await;
        peer.answer::<Login>(id, Ok(session())).await;
        (peer, login)
    }

    /// The same by `resume`.
    pub(crate) async fn accept_resume(&self) -> (Peer, Resume) {
        let mut peer = self.accept().await;
        let (id, resume) = peer.called::<Resume>().await;
        peer.answer::<Resume>(id, Ok(session())).await;
        (peer, resume)
    }
}

pub(crate) fn session() -> Session {
    Session {
        protocol: 1,
        protocol_min: 1,
        capabilities: Vec::new(),
        instance: InstanceId::generate(),
        server_ms: WALL_MS,
        version: Version::ZERO,
        profile: UserProfile { user_id: user("alice"), nick: String::new(), face_url: String::new() },
        resume_token: "token".to_owned(),
        user_sig_expires_ms: WALL_MS + 3_600_000,
        silence_ms_max: 400_000,
    }
}

pub(crate) fn user(id: &str) -> UserId {
    UserId::parse(id).unwrap()
}

/// The server's end of one connection.
pub(crate) struct Peer {
    socket: WebSocketStream<TcpStream>,
    pushes: u64,
}

impl Peer {
    /// The next request, which is of this kind.
    pub(crate) async fn called<C: Call>(&mut self) -> (u64, C) {
        let frame = self.next_frame().await;
        assert_eq!(frame.method, C::METHOD);
        (frame.id, frame.params().unwrap())
    }

    pub(crate) async fn next_frame(&mut self) -> ClientFrame {
        match within(self.socket.next()).await {
            Some(Ok(Message::Text(text))) => ClientFrame::parse(text.as_bytes()).unwrap(),
            other => panic!("a request should come, not {other:?}"),
        }
    }

    pub(crate) async fn answer<C: Call>(&mut self, id: u64, outcome: Result<C::Reply, WireError>) {
        self.write(encode_reply(id, &outcome)).await;
    }

    pub(crate) async fn refuse(&mut self, id: u64, code: Code) {
        self.write(encode_reply::<()>(id, &Err(code.into()))).await;
    }

    pub(crate) async fn push<E: Event>(&mut self, event: &E) {
        self.pushes += 1;
        let frame = encode_push(self.pushes, &encode_event(event));
        self.write(frame).await;
    }

    /// A push that is lost on its way.
    pub(crate) fn lose_push(&mut self) -> u64 {
        self.pushes += 1;
        self.pushes
    }

    pub(crate) async fn write(&mut self, text: String) {
        self.socket.send(Message::text(text)).await.unwrap();
    }

    /// Waits until the client has closed the connection.
    pub(crate) async fn closed(mut self) {
        while let Some(Ok(_)) = within(self.socket.next()).await {}
    }
}

/// A connection's task with what stands around it.
pub(crate) struct Rig {
    pub(crate) handle: ConnectionHandle,
    pub(crate) clock: Clock,
    pub(crate) inbox: Arc<Inbox>,
    events: UnboundedReceiver<ConnectionEvent>,
}

impl Rig {
    pub(crate) fn start(port: u16) -> Self {
        let clock = Clock::frozen(WALL_MS);
        let (shared, commands) = Shared::new(clock.clone());
        let handle = ConnectionHandle::new(Arc::clone(&shared));
        let dispatcher = Arc::new(Dispatcher::new());
        let (told, events) = unbounded_channel();
        dispatcher
            .start(move |batch, _| {
                if let Batch::Connection(batch) = batch {
                    batch.into_iter().for_each(|event| drop(told.send(event)));
                }
                Vec::new()
            })
            .unwrap();
        let settings = Settings::check(ClientConfig {
            sdk_app_id: 7,
            server_url: format!("http://127.0.0.1:{port}"),
            data_folder: "unused".to_owned(),
            platform: Platform::Linux,
            log_level: LogLevel::None,
            is_insecure_allowed: false,
            extra_root_certificates: String::new(),
            public_key_pins: Vec::new(),
        })
        .unwrap();
        let profile = Profile {
            server: settings.server.clone(),
            tls: settings.trust.client_config(clock.clone()),
            sdk_app_id: SdkAppId::parse(7).unwrap(),
            platform: settings.platform.on_the_wire(),
            device_id: DeviceId::generate(),
        };
        let context = Arc::new(Context {
            settings,
            clock: clock.clone(),
            connection: handle.clone(),
            dispatcher,
            log: tracing::Dispatch::none(),
        });
        let inbox = Arc::new(Inbox::default());
        let given = Arc::clone(&inbox);
        let hooks = Hooks {
            prepare: Box::new(move |_| std::future::ready(Ok(Arc::clone(&given))).boxed()),
            release: Box::new(|()| std::future::ready(()).boxed()),
        };
        runtime::spawn(&tracing::Dispatch::none(), Task::new((shared, commands), context, profile, hooks).run());
        Self { handle, clock, inbox, events }
    }

    /// A rig whose user is logged in.
    pub(crate) async fn online(server: &Server) -> (Self, Peer) {
        let rig = Self::start(server.port);
        let login = rig.log_in("alice");
        let (peer, _) = server.accept_login().await;
        within(login).await.unwrap().unwrap();
        (rig, peer)
    }

    pub(crate) fn log_in(&self, id: &str) -> JoinHandle<Result<(), ImError>> {
        let (handle, credentials) = (self.handle.clone(), Credentials { user: user(id), user_sig: "sig".to_owned() });
        tokio::spawn(async move { handle.login(credentials).await })
    }

    pub(crate) fn log_out(&self) -> JoinHandle<Result<(), ImError>> {
        let handle = self.handle.clone();
        tokio::spawn(async move { handle.logout().await })
    }

    pub(crate) fn call<C: Call>(&self, params: C) -> JoinHandle<Result<C::Reply, ImError>> {
        let handle = self.handle.clone();
        tokio::spawn(async move { handle.call(&params, CALL_DEADLINE).await })
    }

    pub(crate) fn close(&self) {
        self.handle.wish(|wishes| wishes.is_closed = true);
    }

    pub(crate) fn advance_ms(&self, span_ms: u64) {
        self.clock.advance(Duration::from_millis(span_ms));
    }

    /// Waits until listeners would be told of an event, passing over others.
    pub(crate) async fn hears(&mut self, wanted: impl Fn(&ConnectionEvent) -> bool) {
        within(async {
            while let Some(event) = self.events.recv().await {
                if wanted(&event) {
                    return;
                }
            }
            panic!("the dispatcher ended");
        })
        .await;
    }

    /// The next thing that the sync task is told.
    pub(crate) async fn inbound(&self) -> Inbound {
        within(self.inbox.take(1)).await.pop().expect("a take gives at least one")
    }

    pub(crate) async fn connected(&self) -> ConnectionNumber {
        match self.inbound().await {
            Inbound::Connected { connection, .. } => connection,
            other => panic!("{other:?}"),
        }
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.close();
    }
}

pub(crate) fn code<T: std::fmt::Debug>(outcome: Result<T, ImError>) -> Code {
    outcome.expect_err("it fails").code()
}
