// SPDX-License-Identifier: Apache-2.0
//! Who is online here, and how hints reach them.
//!
//! [`Registry::deliver`] runs under the store's writer: it finds sessions, puts shared bytes in their queues and
//! wakes them. It never waits for one of them.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use hongyan_protocol::account::Kicked;
use hongyan_protocol::frame::encode_event;
use hongyan_protocol::ids::{DeviceId, SdkAppId, UserId};

use super::budget::Charged;
use super::metrics::GatewayMetrics;
use super::session::Session;
use crate::bus::{Hint, Origin, SessionId};
use crate::rooms::Caller;

/// A session that has logged in.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) session: Arc<Session>,
    pub(super) caller: Caller,
    pub(super) user_sig_expires_ms: i64,
}

/// Answers that take less than this are few: a session that is ended for them gives hardly any room, and comes back.
const FEW_ANSWERS_BYTES: usize = 32 * 1024;

/// What waits for a session, in the order in which it goes where there is no room for it: events can be left out, answers
/// end their session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Pile {
    Events,
    ManyAnswers,
    FewAnswers,
}

/// All sessions of this process that have logged in.
#[derive(Debug)]
pub(super) struct Registry {
    pub(super) metrics: Arc<GatewayMetrics>,
    /// Held while one hint is handed out, never across an await.
    online: Mutex<Online>,
    /// How many of the pushes that were left out of full queues have been told of.
    left_out_told: AtomicU64,
}

#[derive(Debug, Default)]
struct Online {
    /// By app first: a lookup that forgets the app does not compile.
    apps: HashMap<SdkAppId, HashMap<UserId, Vec<Arc<Member>>>>,
    /// Those whose connections stand, the ended ones that no hint finds any more among them.
    sessions: HashMap<SessionId, Arc<Member>>,
    is_draining: bool,
}

impl Online {
    fn of_user(&self, app: SdkAppId, user: &UserId) -> &[Arc<Member>] {
        self.apps.get(&app).and_then(|users| users.get(user)).map_or(&[], Vec::as_slice)
    }

    /// Takes a session from those that hints find.
    fn unlist(&mut self, caller: &Caller) {
        let Some(users) = self.apps.get_mut(&caller.app) else { return };
        let Some(members) = users.get_mut(&caller.user) else { return };
        members.retain(|other| other.session.id != caller.session);
        if members.is_empty() {
            users.remove(&caller.user);
            if users.is_empty() {
                self.apps.remove(&caller.app);
            }
        }
    }
}

impl Registry {
    pub(super) fn new(metrics: Arc<GatewayMetrics>) -> Self {
        Self { metrics, online: Mutex::default(), left_out_told: AtomicU64::new(0) }
    }

    /// Enters a session and gives it its answer to the login; an earlier session of the same device ends. It is not entered
    /// where the server is stopping, or where a later login of the device was quicker.
    pub(super) fn enter(&self, member: Arc<Member>, answer: String) -> bool {
        let mut online = self.lock();
        let Caller { app, user, device, epoch, .. } = &member.caller;
        let of_device = online.of_user(*app, user).iter().filter(|other| other.caller.device == *device);
        let replaced: Vec<Arc<Member>> = of_device.cloned().collect();
        if online.is_draining || replaced.iter().any(|other| other.caller.epoch > *epoch) {
            return false;
        }
        for other in replaced {
            // The device itself has come back: what is left of its old connection needs no word.
            if other.session.end(None) {
                self.metrics.ended.replaced.inc();
            }
            online.unlist(&other.caller);
        }
        member.session.open(answer);
        online.apps.entry(*app).or_default().entry(user.clone()).or_default().push(Arc::clone(&member));
        online.sessions.insert(member.session.id, member);
        self.metrics.online.inc();
        true
    }

    /// Takes a session out.
    pub(super) fn leave(&self, session: SessionId) {
        let mut online = self.lock();
        if let Some(member) = online.sessions.remove(&session) {
            online.unlist(&member.caller);
            self.metrics.online.dec();
        }
    }

    /// Hands a hint to the sessions that it speaks of.
    pub(super) fn deliver(&self, hint: Hint) {
        match hint {
            Hint::Event { app, users, event, origin, except } => {
                self.deliver_event(app, &users, &event, origin, except);
            }
            Hint::Kick { app, user, devices, reason, except } => self.kick(app, &user, &devices, reason, except),
        }
    }

    fn deliver_event(
        &self,
        app: SdkAppId,
        users: &[UserId],
        event: &Arc<str>,
        origin: Option<Origin>,
        except: Option<SessionId>,
    ) {
        let online = self.lock();
        let sender = origin.as_ref().map(|origin| origin.session);
        if let Some(origin) = origin
            && let Some(member) = online.sessions.get(&origin.session)
        {
            member.session.reply(origin.reply);
        }
        let Some(of_app) = online.apps.get(&app) else { return };
        let event = Charged::new(event, &self.metrics.budget);
        let members = users.iter().filter_map(|user| of_app.get(user)).flatten();
        for member in members.filter(|member| Some(member.session.id) != sender && Some(member.session.id) != except) {
            if member.session.push(&event) {
                self.metrics.pushes_left_out.inc();
            }
        }
        drop(event);
        self.make_room_among(&online);
    }

    /// Makes room where more waits than may.
    pub(super) fn make_room(&self) {
        if self.metrics.budget.is_exceeded() {
            self.make_room_among(&self.lock());
        }
    }

    fn make_room_among(&self, online: &Online) {
        if !self.metrics.budget.is_exceeded() {
            return;
        }
        let mut piles: Vec<(Pile, u64, &Session)> = Vec::with_capacity(2 * online.sessions.len());
        for member in online.sessions.values() {
            let session = &*member.session;
            let (push_bytes, answer_bytes) = (session.push_bytes(), session.answer_bytes());
            let answers = if answer_bytes < FEW_ANSWERS_BYTES { Pile::FewAnswers } else { Pile::ManyAnswers };
            piles.push((Pile::Events, session.weigh(push_bytes), session));
            piles.push((answers, session.weigh(answer_bytes), session));
        }
        piles.retain(|(_, weight, _)| *weight > 0);
        piles.sort_unstable_by_key(|(pile, weight, session)| (*pile, Reverse(*weight), session.id));
        for (pile, _, session) in piles {
            if self.metrics.budget.has_room() {
                break;
            }
            match pile {
                Pile::Events => self.metrics.pushes_left_out.inc_by(session.shed()),
                Pile::ManyAnswers | Pile::FewAnswers => {
                    tracing::debug!(session = session.id.get(), "a session leaves too many answers unread");
                    self.metrics.ended.unread.inc_by(u64::from(session.abort()));
                }
            }
        }
    }

    fn kick(
        &self,
        app: SdkAppId,
        user: &UserId,
        devices: &[(DeviceId, i64)],
        reason: String,
        except: Option<SessionId>,
    ) {
        let mut online = self.lock();
        let is_kicked = |caller: &Caller| {
            Some(caller.session) != except
                && devices.iter().any(|(device, epoch)| *device == caller.device && caller.epoch <= *epoch)
        };
        let kicked: Vec<Arc<Member>> =
            online.of_user(app, user).iter().filter(|member| is_kicked(&member.caller)).cloned().collect();
        if kicked.is_empty() {
            return;
        }
        let event: Arc<str> = encode_event(&Kicked { reason }).into();
        for member in kicked {
            if member.session.end(Some(Arc::clone(&event))) {
                self.metrics.ended.kicked.inc();
            }
            online.unlist(&member.caller);
        }
    }

    /// Lets no further session in and gives those that are in the event to leave with.
    pub(super) fn drain(&self, event: &Arc<str>) {
        let mut online = self.lock();
        online.is_draining = true;
        for member in online.sessions.values() {
            member.session.drain(Arc::clone(event));
        }
    }

    /// Has every session ask for what it lacks: pushes were lost, and nobody knows whose.
    pub(super) fn resync(&self) {
        for member in self.lock().sessions.values() {
            member.session.resync();
        }
    }

    /// The sessions of which something is to be said, with it.
    pub(super) fn list_with<T>(&self, find: impl Fn(&Member) -> Option<T>) -> Vec<(Arc<Member>, T)> {
        let online = self.lock();
        online.sessions.values().filter_map(|member| Some((Arc::clone(member), find(member)?))).collect()
    }

    /// Drops the connections of all of them.
    pub(super) fn abort_all(&self) {
        let mut online = self.lock();
        online.is_draining = true;
        for member in online.sessions.values() {
            member.session.abort();
        }
    }

    /// How many pushes were left out of full queues since the last time this was asked.
    pub(super) fn take_left_out_count(&self) -> u64 {
        let left_out = self.metrics.pushes_left_out.get();
        left_out.saturating_sub(self.left_out_told.swap(left_out, Ordering::Relaxed))
    }

    fn lock(&self) -> MutexGuard<'_, Online> {
        self.online.lock().expect("no holder of this lock panics")
    }
}
