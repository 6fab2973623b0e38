// SPDX-License-Identifier: Apache-2.0
//! What the tests of the rooms stand on: real rooms on a real store in a folder of their own, a clock that stands still,
//! and a bus that keeps what it was given.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use hongyan_protocol::account::{ClientInfo, Login, Platform, Resume};
use hongyan_protocol::clock::Clock;
use hongyan_protocol::conversation::Head;
use hongyan_protocol::frame::{Event, ServerFrame, encode_push};
use hongyan_protocol::group::{CreateGroup, GroupType};
use hongyan_protocol::ids::{DeviceId, GroupId, MessageId, SdkAppId, Seq, UserId, Version};
use hongyan_protocol::message::{
    Element, GetMessages, MessageBody, Page, SendMessage, SentMessage, Target, TextElement,
};
use hongyan_protocol::sync::Sync;
use hongyan_protocol::usersig::{self, UserSigClaims};

use super::{Caller, Delivered, Opened, Rooms, RoomsConfig};
use crate::bus::{Bus, Hint, SessionId};
use crate::error::Error;
use crate::metrics::Metrics;
use crate::store::database::TestDatabase;
use crate::store::{Place, Store};

/// Where the clocks of tests stand at first.
pub(crate) const START_MS: i64 = 1_800_000_000_000;

pub(crate) struct World {
    pub(crate) rooms: Arc<Rooms>,
    pub(crate) clock: Clock,
    pub(crate) app: SdkAppId,
    hints: Arc<Mutex<Vec<Hint>>>,
    home: Home,
    numbers: AtomicU64,
}

/// What a world keeps over restarts.
struct Home {
    folder: tempfile::TempDir,
    /// Where the tests run on PostgreSQL.
    database: Option<TestDatabase>,
}

impl Home {
    fn place(&self) -> Place {
        match &self.database {
            Some(database) => Place::Postgres(Box::new(database.address().parse().unwrap())),
            None => Place::Folder(self.folder.path().to_owned()),
        }
    }
}

pub(crate) fn user(id: &str) -> UserId {
    UserId::parse(id).unwrap()
}

pub(crate) fn to_user(id: &str) -> Target {
    Target::User(user(id))
}

pub(crate) fn group(id: &str) -> GroupId {
    GroupId::parse(id).unwrap()
}

pub(crate) fn to_group(id: &str) -> Target {
    Target::Group(group(id))
}

pub(crate) fn seq(number: i64) -> Seq {
    Seq::parse(number).unwrap()
}

pub(crate) fn text(text: &str) -> MessageBody {
    MessageBody { elements: vec![Element::Text(TextElement { text: text.into() })], ..MessageBody::default() }
}

pub(crate) fn message(to: Target, words: &str) -> SendMessage {
    SendMessage { id: MessageId::generate(), to, body: text(words) }
}

pub(crate) fn client(platform: Platform, device_id: DeviceId) -> ClientInfo {
    ClientInfo { protocol: 1, sdk: String::new(), platform, device_id, capabilities: Vec::new() }
}

impl World {
    pub(crate) async fn open() -> Self {
        Self::open_at(TestDatabase::create().await).await
    }

    /// On SQLite, whatever the other tests run on.
    pub(crate) async fn open_on_sqlite() -> Self {
        Self::open_at(None).await
    }

    /// On PostgreSQL, where the tests run on it.
    pub(crate) async fn open_on_postgres() -> Option<Self> {
        let database = TestDatabase::create().await?;
        Some(Self::open_at(Some(database)).await)
    }

    async fn open_at(database: Option<TestDatabase>) -> Self {
        let home = Home { folder: tempfile::tempdir().unwrap(), database };
        let clock = Clock::frozen(START_MS);
        let (rooms, hints) = open(&home, &clock).await;
        let app = rooms.apps().create_demo_if_empty().await.unwrap().unwrap().sdk_app_id;
        Self { rooms, clock, app, hints, home, numbers: AtomicU64::new(1) }
    }

    /// The server stops and starts again on the same folder, with a clock of its own.
    pub(crate) async fn restart(self, clock: Clock) -> Self {
        self.rooms.close().await;
        let Self { rooms, app, home, numbers, .. } = self;
        drop(rooms);
        let (rooms, hints) = open(&home, &clock).await;
        Self { rooms, clock, app, hints, home, numbers }
    }

    pub(crate) fn store(&self) -> &Arc<Store> {
        &self.rooms.store
    }

    pub(crate) fn number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn session(&self) -> SessionId {
        SessionId::new(self.number())
    }

    pub(crate) async fn sign(&self, app: SdkAppId, id: &str, expire_s: i64) -> String {
        let key = self.rooms.apps().get(app).await.unwrap().key;
        let time_s = self.clock.now_ms() / 1_000;
        let claims = UserSigClaims { identifier: id.into(), sdk_app_id: app, time_s, expire_s, user_buf: None };
        usersig::sign(&claims, &key)
    }

    pub(crate) async fn login_on(
        &self,
        app: SdkAppId,
        id: &str,
        platform: Platform,
        device: DeviceId,
    ) -> Result<Opened, Error> {
        let user_sig = self.sign(app, id, 86_400).await;
        let client = client(platform, device);
        let login = Login { client, sdk_app_id: app, user_id: id.into(), user_sig };
        self.rooms.login(self.session(), login).await
    }

    /// A user of the demo app, on a new device.
    pub(crate) async fn user(&self, id: &str) -> Caller {
        self.user_of(self.app, id).await
    }

    pub(crate) async fn user_of(&self, app: SdkAppId, id: &str) -> Caller {
        self.login_on(app, id, Platform::Android, DeviceId::generate()).await.unwrap().caller
    }

    pub(crate) async fn resume(&self, token: &str, device: DeviceId) -> Result<Opened, Error> {
        let resume = Resume { client: client(Platform::Android, device), token: token.into() };
        self.rooms.resume(self.session(), resume).await
    }

    /// Sends, and takes the answer from wherever it came.
    pub(crate) async fn send(&self, caller: &Caller, send: SendMessage) -> Result<SentMessage, Error> {
        let request = self.number();
        let delivered = self.rooms.submit_send(caller, request, send).await?.outcome().await?;
        Ok(match delivered {
            Delivered::Reply(sent) => sent,
            Delivered::ByHint => self.reply_by_hint(caller.session, request),
        })
    }

    pub(crate) async fn say(&self, caller: &Caller, to: Target, words: &str) -> SentMessage {
        self.send(caller, message(to, words)).await.unwrap()
    }

    fn reply_by_hint(&self, session: SessionId, request: u64) -> SentMessage {
        let hints = self.hints.lock().unwrap();
        let origins = hints.iter().filter_map(|hint| match hint {
            Hint::Event { origin: Some(origin), .. } => Some(origin),
            _ => None,
        });
        let mut replies = origins.filter(|origin| origin.session == session && origin.request == request);
        let reply = &replies.next().expect("a message that was stored now leaves with its hint").reply;
        assert!(replies.next().is_none(), "one answer to each request");
        let ServerFrame::Reply { outcome, .. } = ServerFrame::parse(reply.as_bytes()).unwrap() else {
            panic!("an answer is an answer");
        };
        serde_json::from_str(outcome.unwrap().get()).unwrap()
    }

    /// Takes what the bus was given so far.
    pub(crate) fn take_hints(&self) -> Vec<Hint> {
        std::mem::take(&mut *self.hints.lock().unwrap())
    }

    /// A group of users of the demo app, who must exist.
    pub(crate) async fn create_group(&self, owner: &Caller, id: &str, members: &[&str]) {
        let create = CreateGroup {
            group_type: GroupType::Work,
            group_id: Some(group(id)),
            name: String::new(),
            face_url: String::new(),
            members: members.iter().map(|id| user(id)).collect(),
        };
        self.rooms.create_group(owner, create).await.unwrap();
    }

    /// All heads of a user, as a fresh install gets them.
    pub(crate) async fn heads(&self, caller: &Caller) -> Vec<Head> {
        let (mut heads, mut cursor) = (Vec::new(), None);
        loop {
            let params = Sync { since_ms: None, version: Version::ZERO, probes: Vec::new(), cursor, limit: 3 };
            let page = self.rooms.sync(caller, params).await.unwrap();
            heads.extend(page.heads);
            cursor = page.next;
            if cursor.is_none() {
                return heads;
            }
        }
    }

    pub(crate) async fn head(&self, caller: &Caller, of: &Target) -> Option<Head> {
        self.heads(caller).await.into_iter().find(|head| match of {
            Target::User(peer) => head.peer.as_ref().is_some_and(|profile| profile.user_id == *peer),
            Target::Group(group) => head.group.as_ref().is_some_and(|profile| profile.group_id == *group),
        })
    }

    pub(crate) async fn page(
        &self,
        caller: &Caller,
        of: Target,
        page: Page,
        limit: u32,
    ) -> Result<hongyan_protocol::message::MessagePage, Error> {
        self.rooms.get_messages(caller, GetMessages { of, page, limit }).await
    }
}

async fn open(home: &Home, clock: &Clock) -> (Arc<Rooms>, Arc<Mutex<Vec<Hint>>>) {
    let hints = Arc::new(Mutex::new(Vec::new()));
    let bus = Bus::new({
        let hints = Arc::clone(&hints);
        move |hint| hints.lock().unwrap().push(hint)
    });
    let config =
        RoomsConfig { data_folder: home.folder.path().to_owned(), store: home.place(), silence_ms_max: 400_000 };
    (Rooms::open(config, clock.clone(), Arc::new(bus), &Metrics::new()).await.unwrap(), hints)
}

/// The events of one kind among hints that a user's sessions hear of, in order.
pub(crate) fn events<E: Event>(hints: &[Hint], of: &UserId) -> Vec<E> {
    hints
        .iter()
        .filter_map(|hint| {
            let Hint::Event { users, event, .. } = hint else { return None };
            let frame = ServerFrame::parse(encode_push(1, event).as_bytes()).unwrap();
            match frame {
                ServerFrame::Push { event, data, .. } if event == E::NAME && users.contains(of) => {
                    Some(serde_json::from_str(data.get()).unwrap())
                }
                _ => None,
            }
        })
        .collect()
}
