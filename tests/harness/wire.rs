// SPDX-License-Identifier: Apache-2.0
//! A client without an SDK: it writes frames as it is told and reads what comes, in order.

use std::collections::VecDeque;
use std::net::SocketAddr;

use futures_util::{SinkExt, StreamExt};
use hongyan_protocol::PROTOCOL_VERSION;
use hongyan_protocol::account::{ClientInfo, Login, Ping, Platform, Pong, Session};
use hongyan_protocol::conversation::{ConversationStates, MarkRead, ReadPosition, ReadScope};
use hongyan_protocol::frame::{Call, Event, ServerFrame, WireError, encode_call};
use hongyan_protocol::group::{CreateGroup, GroupType, InviteToGroup, MemberOutcome};
use hongyan_protocol::ids::{DeviceId, GroupId, MessageId, Seq, UserId};
use hongyan_protocol::limits::{GROUP_INVITEES_MAX, HEADS_PER_PAGE_MAX, MESSAGES_PER_PAGE_MAX};
use hongyan_protocol::message::{
    Element, GetMessages, Message, MessageBody, NewMessage, Page, SendMessage, SentMessage, Target, TextElement,
};
use hongyan_protocol::sync::{Sync, SyncPage};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message as Frame;

use super::app::App;
use super::wait::within;

/// The path of the socket on a server.
pub const SOCKET_PATH: &str = "/v1/ws";

/// An event as it came.
#[derive(Debug, Clone)]
pub struct Push {
    pub number: u64,
    pub event: String,
    pub data: String,
}

impl Push {
    /// The event's data, where it is of this kind.
    pub fn read<E: Event>(&self) -> Option<E> {
        (self.event == E::NAME).then(|| serde_json::from_str(&self.data).expect("an event is of its own form"))
    }
}

/// One connection.
pub struct Wire {
    socket: WebSocketStream<TcpStream>,
    last_id: u64,
    /// Events that came while something else was waited for.
    pushes: VecDeque<Push>,
}

impl Wire {
    /// Connects and says nothing.
    pub async fn connect(addr: SocketAddr) -> Self {
        let socket = within("a connection", TcpStream::connect(addr)).await.expect("the server listens");
        Self::over(socket, addr).await
    }

    /// Speaks over a socket that was made elsewhere.
    pub async fn over(socket: TcpStream, addr: SocketAddr) -> Self {
        let url = format!("ws://{addr}{SOCKET_PATH}");
        let handshake = within("a handshake", tokio_tungstenite::client_async(url, socket)).await;
        let (socket, _) = handshake.expect("the server speaks WebSocket");
        Self { socket, last_id: 0, pushes: VecDeque::new() }
    }

    /// Connects and logs in as a new device.
    pub async fn login(addr: SocketAddr, app: &App, user: &str) -> Self {
        let mut wire = Self::connect(addr).await;
        wire.call(&app.login(user)).await.unwrap_or_else(|error| panic!("{user} cannot log in: {error}"));
        wire
    }

    /// Asks and waits for the answer.
    pub async fn call<C: Call>(&mut self, params: &C) -> Result<C::Reply, WireError> {
        let id = self.post(params).await;
        self.answer_to::<C>(id).await
    }

    /// Asks and does not wait. The answer carries the number given back.
    pub async fn post<C: Call>(&mut self, params: &C) -> u64 {
        self.last_id += 1;
        self.write(encode_call(self.last_id, params)).await;
        self.last_id
    }

    /// Waits for the answer to a request.
    pub async fn answer_to<C: Call>(&mut self, id: u64) -> Result<C::Reply, WireError> {
        let outcome = self.raw_answer_to(id).await?;
        Ok(serde_json::from_str(&outcome).expect("an answer is of its call's form"))
    }

    /// Waits for the answer to a request, as text.
    pub async fn raw_answer_to(&mut self, expected: u64) -> Result<String, WireError> {
        match self.next_reply().await {
            Some((id, outcome)) if id == expected => outcome,
            other => panic!("{other:?} came where the answer to request {expected} was due"),
        }
    }

    /// The next answer, whichever it is to; nothing where the connection ended.
    pub async fn next_reply(&mut self) -> Option<(u64, Result<String, WireError>)> {
        loop {
            match self.read().await? {
                ServerFrame::Reply { id, outcome } => return Some((id, outcome.map(|raw| raw.get().to_owned()))),
                ServerFrame::Push { number, event, data } => {
                    self.pushes.push_back(Push { number, event, data: data.get().to_owned() });
                }
            }
        }
    }

    /// The next event that has not been given out; nothing where the connection ended.
    pub async fn next_push(&mut self) -> Option<Push> {
        if let Some(push) = self.pushes.pop_front() {
            return Some(push);
        }
        match self.read().await? {
            ServerFrame::Push { number, event, data } => Some(Push { number, event, data: data.get().to_owned() }),
            reply @ ServerFrame::Reply { .. } => panic!("{reply:?} came where no answer was due"),
        }
    }

    /// The next event of one kind, passing over others.
    pub async fn next_event<E: Event>(&mut self) -> E {
        loop {
            let push = self.next_push().await.unwrap_or_else(|| panic!("the connection ended before {}", E::NAME));
            if let Some(event) = push.read() {
                return event;
            }
        }
    }

    /// The events that came so far. A ping makes sure that what the server had sent is here.
    pub async fn pushes_so_far(&mut self) -> Vec<Push> {
        self.ping().await;
        self.pushes.drain(..).collect()
    }

    pub async fn ping(&mut self) -> Pong {
        self.call(&Ping {}).await.expect("a heartbeat is answered")
    }

    /// Writes a text frame, whatever it holds.
    pub async fn write(&mut self, text: impl Into<String>) {
        self.write_frame(Frame::text(text.into())).await;
    }

    /// Writes a frame. What an ended connection says of it does not matter: reading tells.
    pub async fn write_frame(&mut self, frame: Frame) {
        let _ = within("room for a frame", self.socket.send(frame)).await;
    }

    /// The next frame with something in it; nothing where the connection ended.
    pub async fn read(&mut self) -> Option<ServerFrame> {
        loop {
            match within("a frame", self.socket.next()).await? {
                Ok(Frame::Text(text)) => {
                    return Some(ServerFrame::parse(text.as_bytes()).expect("a server's frames can be read"));
                }
                Ok(Frame::Close(_)) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }

    /// Waits for the end of the connection, passing over what comes before it.
    pub async fn ended(&mut self) {
        while self.read().await.is_some() {}
    }

    /// Sends a text and waits until it is stored.
    pub async fn send_text(&mut self, to: &Target, text: &str) -> Result<SentMessage, WireError> {
        self.call(&text_message(to, text)).await
    }

    /// Sends many texts, one batch of requests after the other.
    pub async fn send_texts(&mut self, to: &Target, texts: impl IntoIterator<Item = String>) -> Vec<SentMessage> {
        const IN_FLIGHT: usize = 100;
        let messages: Vec<SendMessage> = texts.into_iter().map(|text| text_message(to, &text)).collect();
        let mut sent = Vec::with_capacity(messages.len());
        for batch in messages.chunks(IN_FLIGHT) {
            let mut ids = Vec::with_capacity(batch.len());
            for message in batch {
                ids.push(self.post(message).await);
            }
            for id in ids {
                sent.push(self.answer_to::<SendMessage>(id).await.expect("a good message is stored"));
            }
        }
        sent
    }

    /// All that this user may see of a log, oldest first. Every sequence is accounted for: shown or hidden.
    pub async fn history(&mut self, of: &Target) -> Vec<Message> {
        let mut messages = Vec::new();
        let mut after = Seq::ZERO;
        loop {
            let request = GetMessages { of: of.clone(), page: Page::After(after), limit: MESSAGES_PER_PAGE_MAX };
            let page = self.call(&request).await.unwrap_or_else(|error| panic!("the log of {of:?}: {error}"));
            if page.covered.is_empty() {
                return messages;
            }
            assert_eq!(page.covered.from, after.next(), "a page begins where the one before ended");
            let mut shown = page.messages.iter().map(|message| message.seq).peekable();
            for number in page.covered.from.get()..=page.covered.to.get() {
                let seq = Seq::parse(number).expect("a covered sequence");
                let is_hidden = page.hidden.iter().any(|range| range.contains(seq));
                let is_shown = shown.next_if_eq(&seq).is_some();
                assert!(is_hidden != is_shown, "sequence {seq} is shown or hidden, and not both");
            }
            assert_eq!(shown.next(), None, "a page shows rising sequences that it covers");
            after = page.covered.to;
            messages.extend(page.messages);
        }
    }

    /// All pages of a sync from nothing.
    pub async fn heads(&mut self) -> Vec<SyncPage> {
        let mut request = Sync {
            since_ms: None,
            version: Default::default(),
            probes: Vec::new(),
            cursor: None,
            limit: HEADS_PER_PAGE_MAX,
        };
        let mut pages = Vec::new();
        loop {
            let page = self.call(&request).await.expect("the heads can be read");
            request.cursor = page.next;
            let is_last = page.next.is_none();
            pages.push(page);
            if is_last {
                return pages;
            }
        }
    }

    /// Marks everything in a conversation as read.
    pub async fn mark_all_read(&mut self, of: &Target) -> ConversationStates {
        let request = MarkRead { of: ReadScope::One(of.clone()), up_to: ReadPosition::End };
        self.call(&request).await.unwrap_or_else(|error| panic!("{of:?} cannot be marked as read: {error}"))
    }

    /// Makes a Work group of this user and others, who have all logged in before.
    pub async fn create_group(&mut self, group_id: &str, members: &[&str]) {
        let members: Vec<UserId> = members.iter().map(|member| member.parse().expect("a user id")).collect();
        let (first, others) = members.split_at(members.len().min(GROUP_INVITEES_MAX));
        let group_id: GroupId = group_id.parse().expect("a group id");
        let create = CreateGroup {
            group_type: GroupType::Work,
            group_id: Some(group_id.clone()),
            name: String::new(),
            face_url: String::new(),
            members: first.to_vec(),
        };
        self.call(&create).await.expect("a group can be made");
        for users in others.chunks(GROUP_INVITEES_MAX) {
            let invite = InviteToGroup { group_id: group_id.clone(), users: users.to_vec() };
            let results = self.call(&invite).await.expect("members can be invited").results;
            assert!(results.iter().all(|result| result.outcome == MemberOutcome::Ok), "{results:?}");
        }
    }

    /// The next message that was pushed, with its log.
    pub async fn next_message(&mut self) -> NewMessage {
        self.next_event().await
    }

    /// Asks with parameters of any form.
    pub async fn ask(&mut self, method: &str, params: &Value) -> Result<String, WireError> {
        self.last_id += 1;
        self.write(serde_json::json!({"id": self.last_id, "method": method, "params": params}).to_string()).await;
        self.raw_answer_to(self.last_id).await
    }
}

/// A message with one text and an id of its own.
pub fn text_message(to: &Target, text: &str) -> SendMessage {
    let body =
        MessageBody { elements: vec![Element::Text(TextElement { text: text.to_owned() })], ..MessageBody::default() };
    SendMessage { id: MessageId::generate(), to: to.clone(), body }
}

/// What a new device says of itself.
pub fn client_info(platform: Platform) -> ClientInfo {
    ClientInfo {
        protocol: PROTOCOL_VERSION,
        sdk: "test".to_owned(),
        platform,
        device_id: DeviceId::generate(),
        capabilities: Vec::new(),
    }
}

/// The first text of a message; empty where it has none.
pub fn text_of(body: &MessageBody) -> &str {
    match body.elements.first() {
        Some(Element::Text(text)) => &text.text,
        _ => "",
    }
}

/// The first texts of messages.
pub fn stored_texts(messages: &[Message]) -> impl Iterator<Item = &str> {
    messages.iter().map(|message| text_of(&message.body))
}

pub fn to_user(user: &str) -> Target {
    Target::User(UserId::parse(user).expect("a user id"))
}

pub fn to_group(group: &str) -> Target {
    Target::Group(group.parse().expect("a group id"))
}

/// The session that a login opened.
pub async fn open_session(wire: &mut Wire, login: &Login) -> Session {
    wire.call(login).await.unwrap_or_else(|error| panic!("{} cannot log in: {error}", login.user_id))
}
