// SPDX-License-Identifier: Apache-2.0
//! Our own protocol.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use hongyan_protocol::PROTOCOL_VERSION;
use hongyan_protocol::account::{ClientInfo, Login, Platform, Resume, Session};
use hongyan_protocol::clock::Clock;
use hongyan_protocol::frame::{Call, ServerFrame, encode_call};
use hongyan_protocol::group::{CreateGroup, GroupType, InviteToGroup, MemberOutcome};
use hongyan_protocol::ids::{DeviceId, GroupId, MessageId, SdkAppId, UserId};
use hongyan_protocol::limits::GROUP_INVITEES_MAX;
use hongyan_protocol::message::{Element, MessageBody, SendMessage, Target, TextElement};
use hongyan_protocol::usersig::{UserSigClaims, sign};

use crate::client::{Client, Event, Protocol, To, group_name, user_name};
use crate::payload::Stamp;
use crate::socket::{Socket, broken, find};
use crate::ws;

/// How long the UserSigs of a run are valid.
const USER_SIG_S: i64 = 24 * 60 * 60;

/// Where a server listens, and an app of it.
#[derive(Debug, Clone)]
pub struct Hongyan {
    /// Its address.
    pub addr: SocketAddr,
    /// The app.
    pub app: SdkAppId,
    /// What signs for the app's users.
    pub key: String,
}

impl Hongyan {
    async fn open(&self, user: usize, from: Option<Ipv4Addr>) -> io::Result<HongyanClient> {
        Ok(HongyanClient { socket: ws::connect(self.addr, "/v1/ws", from).await?, user, last_call: 0 })
    }

    /// The first frame of a user's new device.
    pub fn login(&self, user: usize) -> Login {
        let claims = UserSigClaims {
            identifier: user_name(user),
            sdk_app_id: self.app,
            time_s: Clock::system().now_ms() / 1_000,
            expire_s: USER_SIG_S,
            user_buf: None,
        };
        Login {
            client: client_info(DeviceId::generate()),
            sdk_app_id: self.app,
            user_id: user_name(user),
            user_sig: sign(&claims, &self.key),
        }
    }

    /// Logs in and says what the session is; with the device, to come back to it.
    pub async fn session(&self, user: usize) -> io::Result<(HongyanClient, DeviceId, Session)> {
        let mut client = self.open(user, None).await?;
        let login = self.login(user);
        let session = client.call(&login).await?;
        Ok((client, login.client.device_id, session))
    }

    /// Takes up an earlier session.
    pub async fn resume(&self, user: usize, device: DeviceId, token: &str) -> io::Result<(HongyanClient, Session)> {
        let mut client = self.open(user, None).await?;
        let session = client.call(&Resume { client: client_info(device), token: token.to_owned() }).await?;
        Ok((client, session))
    }
}

fn client_info(device_id: DeviceId) -> ClientInfo {
    ClientInfo {
        protocol: PROTOCOL_VERSION,
        sdk: "bench".to_owned(),
        platform: Platform::Linux,
        device_id,
        capabilities: Vec::new(),
    }
}

impl Protocol for Hongyan {
    type Client = HongyanClient;

    async fn connect(&self, user: usize, from: Option<Ipv4Addr>) -> io::Result<HongyanClient> {
        let mut client = self.open(user, from).await?;
        client.call(&self.login(user)).await?;
        Ok(client)
    }
}

/// A session. Sends have even request ids, all other requests odd ones.
#[derive(Debug)]
pub struct HongyanClient {
    socket: Socket,
    user: usize,
    last_call: u64,
}

impl HongyanClient {
    /// Asks and waits for the answer, passing over events.
    pub async fn call<C: Call>(&mut self, params: &C) -> io::Result<C::Reply> {
        let reply = self.call_raw(params).await?;
        serde_json::from_str(&reply).map_err(|error| broken(format!("{}: {error}", C::METHOD)))
    }

    /// The same, the answer not read.
    pub async fn call_raw<C: Call>(&mut self, params: &C) -> io::Result<String> {
        self.last_call += 1;
        let expected = self.last_call * 2 + 1;
        ws::write(&mut self.socket, &encode_call(expected, params));
        self.socket.flush().await?;
        loop {
            let Some(found) = ws::read(&mut self.socket).await? else {
                return Err(broken(format!("the connection ended in {}", C::METHOD)));
            };
            let frame = ServerFrame::parse(self.socket.content(&found))
                .map_err(|error| broken(format!("{}: {error}", C::METHOD)))?;
            match frame {
                ServerFrame::Reply { id, outcome } if id == expected => {
                    let reply = outcome.map_err(|error| broken(format!("{}: {error}", C::METHOD)))?;
                    return Ok(reply.get().to_owned());
                }
                ServerFrame::Reply { .. } | ServerFrame::Push { .. } => {}
            }
        }
    }
}

impl Client for HongyanClient {
    async fn enter(&mut self, group: usize, members: &[usize]) -> io::Result<()> {
        let Some((_, others)) = members.split_first().filter(|(owner, _)| **owner == self.user) else {
            return Ok(());
        };
        let others: Vec<UserId> = others.iter().map(|member| user_id(*member)).collect();
        let (first, rest) = others.split_at(others.len().min(GROUP_INVITEES_MAX));
        let create = CreateGroup {
            group_type: GroupType::Work,
            group_id: Some(group_id(group)),
            name: String::new(),
            face_url: String::new(),
            members: first.to_vec(),
        };
        self.call(&create).await?;
        for users in rest.chunks(GROUP_INVITEES_MAX) {
            let invite = InviteToGroup { group_id: group_id(group), users: users.to_vec() };
            let results = self.call(&invite).await?.results;
            if results.iter().any(|result| result.outcome != MemberOutcome::Ok) {
                return Err(broken("somebody could not be invited"));
            }
        }
        Ok(())
    }

    fn send(&mut self, to: To, number: u64, text: &str) {
        let to = match to {
            To::User(user) => Target::User(user_id(user)),
            To::Group(group) => Target::Group(group_id(group)),
        };
        let elements = vec![Element::Text(TextElement { text: text.to_owned() })];
        let body = MessageBody { elements, ..MessageBody::default() };
        let send = SendMessage { id: MessageId::generate(), to, body };
        ws::write(&mut self.socket, &encode_call(number * 2, &send));
    }

    async fn next(&mut self) -> io::Result<Event> {
        loop {
            let Some(found) = ws::read(&mut self.socket).await? else { return Ok(Event::Ended) };
            if let Some(event) = read_event(self.socket.content(&found))? {
                return Ok(event);
            }
        }
    }
}

/// Reads of a frame what counts: its first field and the text within.
fn read_event(frame: &[u8]) -> io::Result<Option<Event>> {
    if let Some(rest) = frame.strip_prefix(br#"{"id":"#) {
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let id = rest[..digits].iter().fold(0, |id, digit| id * 10 + u64::from(digit - b'0'));
        let is_result = rest[digits..].starts_with(br#","result""#);
        return Ok(Some(if is_result { Event::Acked(id / 2) } else { Event::Refused(id / 2) }));
    }
    if let Some(stamp) = Stamp::find(frame) {
        return Ok(Some(Event::Received(stamp)));
    }
    if find(frame, br#""event":"resync""#).is_some() {
        return Err(broken("the server left pushes out: this generator read too slowly"));
    }
    Ok(None)
}

/// A user's id.
pub fn user_id(user: usize) -> UserId {
    UserId::parse(user_name(user)).expect("seven letters and digits are a user id")
}

/// A group's id.
pub fn group_id(group: usize) -> GroupId {
    GroupId::parse(group_name(group)).expect("seven letters and digits are a group id")
}
