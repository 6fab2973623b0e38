// SPDX-License-Identifier: Apache-2.0
//! What must come of a case. The logs are read once, from the server; from them alone follows what each user may see,
//! what is unread, and what each device must show.

use std::collections::{HashMap, HashSet};

use hongyan::message::{HistorySource, MessageStatus};
use hongyan_protocol::conversation::{Head, unread};
use hongyan_protocol::ids::LogKey;
use hongyan_protocol::message::{Element, GroupTipsType, Message};

use super::plan::Place;
use super::world::{DEVICES, GROUP, Station, USERS, World, conversation};
use crate::harness::view::{Line, assert_dense, stored_line};
use crate::harness::wire::{Wire, to_group, to_user};

/// A message that a device queued.
pub struct Sent {
    pub id: String,
    pub to: Place,
    pub text: String,
}

/// A log as the server holds it, with who was in it.
struct Log {
    lines: Vec<Line>,
    messages: Vec<Message>,
}

/// The part of a log that a user may see.
#[derive(Debug, Clone, Copy)]
struct Window {
    from: i64,
    to: i64,
    is_member: bool,
}

impl Window {
    const ALL: Self = Self { from: 1, to: i64::MAX, is_member: true };

    fn shows(&self, seq: i64) -> bool {
        self.from <= seq && seq <= self.to
    }
}

/// Everything that the server holds.
pub struct Truth {
    logs: HashMap<(usize, usize), Log>,
    group: Log,
    heads: Vec<HashMap<LogKey, Head>>,
}

impl Log {
    fn new(messages: Vec<Message>) -> Self {
        let lines: Vec<Line> = messages.iter().map(stored_line).collect();
        assert!(lines.first().is_none_or(|line| line.seq == 1), "a log begins at 1");
        assert_dense(&lines);
        let ids: HashSet<&str> = lines.iter().map(|line| line.id.as_str()).collect();
        assert_eq!(ids.len(), lines.len(), "an id stands in a log once");
        Self { lines, messages }
    }

    /// What a user may see of a group's log follows from its own tips: from the last coming on to the last leaving.
    fn window(&self, user: &str) -> Window {
        let mut window = Window { from: i64::MAX, to: 0, is_member: false };
        for message in &self.messages {
            let seq = message.seq.get();
            if let Some(Element::GroupTips(tips)) = message.body.elements.first() {
                let is_meant = tips.members.iter().any(|member| member.as_str() == user);
                match tips.tips {
                    GroupTipsType::Invite if is_meant => window = Window { from: seq, to: i64::MAX, is_member: true },
                    GroupTipsType::Quit if is_meant => window = Window { to: seq, is_member: false, ..window },
                    _ => {}
                }
            } else if message.sender.as_str() == user {
                assert!(window.is_member, "{user} wrote {seq} without being a member");
            }
        }
        window
    }

    /// What a user who has read up to a sequence has not read.
    fn unread(&self, user: &str, window: Window, read_seq: i64) -> i64 {
        let is_unread = |message: &&Message| {
            let seq = message.seq.get();
            let counts = matches!(message.body.elements.first(), Some(Element::Text(_)));
            window.shows(seq) && seq > read_seq && counts && message.sender.as_str() != user
        };
        i64::try_from(self.messages.iter().filter(is_unread).count()).unwrap()
    }
}

impl Truth {
    /// Reads it, over one session of each user and one that sees all of the group.
    pub async fn read(wires: &mut [Wire], keeper: &mut Wire) -> Self {
        let group = Log::new(keeper.history(&to_group(GROUP)).await);
        let mut logs = HashMap::new();
        let mut heads = Vec::new();
        for (user, wire) in wires.iter_mut().enumerate() {
            for (peer, name) in USERS.iter().enumerate().skip(user + 1) {
                logs.insert((user, peer), Log::new(wire.history(&to_user(name)).await));
            }
            let all = wire.heads().await.into_iter().flat_map(|page| page.heads);
            heads.push(all.map(|head| (head.state.key.clone(), head)).collect());
        }
        Self { logs, group, heads }
    }

    fn log(&self, user: usize, place: Place) -> &Log {
        match place {
            Place::Group => &self.group,
            Place::User(peer) => &self.logs[&(user.min(peer), user.max(peer))],
        }
    }

    fn window(&self, user: usize, place: Place) -> Window {
        match place {
            Place::Group => self.group.window(USERS[user]),
            Place::User(_) => Window::ALL,
        }
    }

    fn head(&self, user: usize, place: Place) -> Option<&Head> {
        let key = match place {
            Place::Group => LogKey::Group(GROUP.parse().unwrap()),
            Place::User(peer) => LogKey::between(USERS[user].parse().unwrap(), USERS[peer].parse().unwrap()),
        };
        self.heads[user].get(&key)
    }

    /// What was sent is there once, in the order of its device; what failed is not there; and nothing else is.
    pub async fn check_sends(&self, world: &World) {
        let mut found_in_all = 0;
        for (station, owner) in world.stations.iter().zip(DEVICES) {
            let mut last = HashMap::new();
            for sent in &station.sent {
                let found = station.device.client.messages().find_messages(vec![sent.id.clone()]).await;
                let [message] = &found.expect("the store can be read")[..] else { panic!("{} was stored", sent.text) };
                let stored = self.log(owner.user, sent.to).lines.iter().find(|line| line.id == sent.id);
                match (message.status, stored) {
                    (MessageStatus::Sent, Some(line)) => {
                        assert_eq!((line.seq, line.text.as_str()), (message.seq, sent.text.as_str()));
                        let before = last.insert(conversation(sent.to), line.seq).unwrap_or(0);
                        assert!(before < line.seq, "{} went out before what was queued before it", sent.text);
                        found_in_all += 1;
                    }
                    (MessageStatus::Failed, None) => {
                        assert_eq!(message.failure, Some(10007), "only who left is refused")
                    }
                    (status, stored) => panic!("{} is {status:?} here, and {stored:?} on the server", sent.text),
                }
            }
        }
        let all = self.logs.values().chain([&self.group]).flat_map(|log| &log.lines);
        assert_eq!(all.filter(|line| !line.text.is_empty()).count(), found_in_all, "nobody else wrote");
    }

    /// No position is before what was marked, and unread is what a count from the log gives.
    pub fn check_reads(&self, world: &World) {
        for (user, name) in USERS.iter().enumerate() {
            for place in places_of(user) {
                let Some(head) = self.head(user, place) else { continue };
                let window = self.window(user, place);
                let state = &head.state;
                let counted = unread(head.counted, state.own_counted, state.base_counted, state.base_own);
                let expected = self.log(user, place).unread(name, window, state.read_seq.get());
                assert_eq!(counted, expected, "unread of {name} in {place:?}");
            }
        }
        for marked in &world.marked {
            let head = self.head(marked.user, marked.place).expect("a conversation that was marked is in the list");
            let read = head.state.read_seq.get();
            assert!(marked.seq <= read, "{} read up to {} and is at {read}", USERS[marked.user], marked.seq);
        }
    }

    /// Whether a device shows the truth; what differs otherwise.
    pub async fn check_device(&self, station: &Station, number: usize) -> Result<(), String> {
        let user = DEVICES[number].user;
        for place in places_of(user) {
            let (log, window) = (self.log(user, place), self.window(user, place));
            let id = conversation(place);
            let source = if window.is_member { HistorySource::Cloud } else { HistorySource::Local };
            let shown = station.device.history(&id, source).await.map_err(|error| format!("{id}: {error}"))?;
            let shown: Vec<Line> = shown.into_iter().filter(|line| line.seq > 0).collect();
            if let Some(foreign) = shown.iter().find(|line| !log.lines.contains(line)) {
                return Err(format!("{id}: {foreign:?} is not in the log"));
            }
            let expected = log.lines.iter().filter(|line| window.shows(line.seq));
            let current: Vec<&Line> = shown.iter().filter(|line| line.seq >= window.from).collect();
            if window.is_member && !expected.eq(current.iter().copied()) {
                return Err(format!("{id}: {current:?} is not all of the log"));
            }
            let unread = station.device.unread(&id).await;
            let Some(head) = self.head(user, place) else { continue };
            let expected = log.unread(USERS[user], window, head.state.read_seq.get());
            if window.is_member && unread != expected {
                return Err(format!("{id}: {unread} unread in place of {expected}"));
            }
        }
        Ok(())
    }

    /// What a device's listener heard: each message once, rising within a conversation, never its own; and, of the
    /// conversations that it was in all the time, all of it.
    pub fn check_heard(&self, station: &Station, number: usize) -> Result<(), String> {
        let user = DEVICES[number].user;
        let own: HashSet<&str> = station.sent.iter().map(|sent| sent.id.as_str()).collect();
        let mut last = HashMap::new();
        let heard = station.device.heard.messages();
        for message in &heard {
            assert!(!own.contains(message.message_id.as_str()), "device {number} heard its own {message:?}");
            let before = last.insert(message.conversation_id.clone(), message.seq).unwrap_or(0);
            assert!(before < message.seq, "device {number} heard {} after {before}", message.seq);
        }
        if station.was_reopened {
            return Ok(());
        }
        let heard: HashSet<&str> = heard.iter().map(|message| message.message_id.as_str()).collect();
        for place in places_of(user).into_iter().filter(|place| *place != Place::Group) {
            let lines = &self.log(user, place).lines;
            let missed = lines.iter().find(|line| !own.contains(line.id.as_str()) && !heard.contains(line.id.as_str()));
            if let Some(missed) = missed {
                return Err(format!("{missed:?} was never heard of"));
            }
        }
        Ok(())
    }
}

fn places_of(user: usize) -> Vec<Place> {
    (0..USERS.len()).filter(|other| *other != user).map(Place::User).chain([Place::Group]).collect()
}
