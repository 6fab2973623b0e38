// SPDX-License-Identifier: Apache-2.0
//! A server, several devices, each behind a network of its own, and what they are made to do.

use std::time::Duration;

use hongyan::message::MessageStatus;
use hongyan::{ImError, Platform};
use tokio::task::JoinHandle;

use super::model::{Sent, Truth};
use super::plan::{Fault, Place, Step};
use crate::harness::device::Device;
use crate::harness::process::ServerProcess;
use crate::harness::proxy::{Chaos, Proxy};
use crate::harness::view::{c2c, group};
use crate::harness::wait::{eventually, within};
use crate::harness::wire::Wire;

pub const USERS: [&str; 3] = ["ann", "ben", "cat"];

/// Always in the group, so that somebody sees all of its log.
const KEEPER: &str = "keeper";

pub const GROUP: &str = "club";

/// Whose device it is, and what kind.
pub struct Owner {
    pub user: usize,
    platform: Platform,
}

pub const DEVICES: [Owner; 4] = [
    Owner { user: 0, platform: Platform::Android },
    Owner { user: 0, platform: Platform::Ipad },
    Owner { user: 1, platform: Platform::Android },
    Owner { user: 2, platform: Platform::Android },
];

/// Longer than a heartbeat and shorter than the deadline of a send.
const HEARTBEAT: Duration = Duration::from_secs(31);

/// A device, and what it is known to have done.
pub struct Station {
    pub device: Device,
    proxy: Proxy,
    /// In the order in which they were queued.
    pub sent: Vec<Sent>,
    /// Whether it heard everything since the beginning with one pair of ears.
    pub was_reopened: bool,
}

/// A place that a user marked as read, at least up to what the device had seen of it.
pub struct Marked {
    pub user: usize,
    pub place: Place,
    pub seq: i64,
}

pub struct World {
    server: ServerProcess,
    pub stations: Vec<Station>,
    /// Calls that may still run.
    calls: Vec<JoinHandle<Result<(), ImError>>>,
    markings: Vec<(Marked, JoinHandle<Result<(), ImError>>)>,
    /// Markings that were acknowledged.
    pub marked: Vec<Marked>,
    sends: usize,
}

impl World {
    pub async fn new(seed: u64) -> Self {
        let server = ServerProcess::start().await;
        for user in USERS {
            server.wire(user).await;
        }
        server.wire(KEEPER).await.create_group(GROUP, &USERS).await;
        let mut stations = Vec::new();
        for (number, owner) in DEVICES.iter().enumerate() {
            let proxy = Proxy::start(server.addr(), seed.wrapping_add(number as u64)).await;
            let device = server.device(USERS[owner.user]).on(owner.platform).through(&proxy).login().await;
            stations.push(Station { device, proxy, sent: Vec::new(), was_reopened: false });
        }
        Self { server, stations, calls: Vec::new(), markings: Vec::new(), marked: Vec::new(), sends: 0 }
    }

    pub async fn apply(&mut self, step: &Step) {
        match *step {
            Step::Send { device, to } => self.send(device, to).await,
            Step::MarkRead { device, of } => self.mark_read(device, of).await,
            Step::Quit { device } => {
                let groups = self.stations[device].device.client.groups();
                self.calls.push(tokio::spawn(async move { groups.quit_group(GROUP.to_owned()).await }));
            }
            Step::Invite { device, user } => {
                let groups = self.stations[device].device.client.groups();
                let users = vec![USERS[user].to_owned()];
                self.calls.push(tokio::spawn(async move {
                    groups.invite_user_to_group(GROUP.to_owned(), users).await.map(drop)
                }));
            }
            Step::Break { device, fault } => self.stations[device].break_with(fault).await,
            Step::Heal { device } => self.stations[device].heal(),
            Step::Reopen { device } => self.reopen(device).await,
            Step::KillServer => {
                self.server.kill();
                self.server.start_again().await;
            }
        }
    }

    async fn send(&mut self, device: usize, to: Place) {
        let conversation = conversation(to);
        let text = format!("{device}/{}", self.sends);
        self.sends += 1;
        let station = &mut self.stations[device];
        let queued = station.device.queue_text(&conversation, &text).await;
        station.sent.push(Sent { id: queued.id.clone(), to, text });
        self.calls.push(tokio::spawn(async move { queued.end().await.map(drop) }));
    }

    async fn mark_read(&mut self, device: usize, of: Place) {
        let device_ref = &self.stations[device].device;
        let Ok(shown) = device_ref.conversation(&conversation(of)).await else { return };
        let Some(last) = shown.last_message.filter(|last| last.seq > 0) else { return };
        let conversations = device_ref.client.conversations();
        let id = conversation(of);
        let call = async move { conversations.clean_conversation_unread_message_count(id, 0, 0).await };
        let marked = Marked { user: DEVICES[device].user, place: of, seq: last.seq };
        self.markings.push((marked, tokio::spawn(call)));
    }

    async fn reopen(&mut self, device: usize) {
        let Station { device, proxy, sent, .. } = self.stations.remove(device);
        let number =
            DEVICES.iter().position(|owner| owner.platform == device.platform() && USERS[owner.user] == device.user());
        proxy.heal();
        let device = device.reopen().await;
        let logged_in = device.login().await;
        logged_in.unwrap_or_else(|error| panic!("{} cannot log in again: {error}", device.user()));
        let station = Station { device, proxy, sent, was_reopened: true };
        self.stations.insert(number.expect("it is one of the devices"), station);
    }

    /// Ends all faults and waits until nothing is on its way any more.
    pub async fn settle(&mut self) {
        for station in &self.stations {
            station.heal();
        }
        for call in self.calls.drain(..) {
            // What a call answers is up to the faults; what came of it is checked where it shows.
            let _ = within("the end of a call", call).await;
        }
        for (marked, call) in self.markings.drain(..) {
            if within("the end of marking", call).await.is_ok_and(|outcome| outcome.is_ok()) {
                self.marked.push(marked);
            }
        }
        for station in &self.stations {
            eventually("the end of every send", async || {
                let ids: Vec<String> = station.sent.iter().map(|sent| sent.id.clone()).collect();
                let found = station.device.client.messages().find_messages(ids).await.expect("the store can be read");
                let waiting = found.iter().filter(|message| message.status == MessageStatus::Sending).count();
                if waiting == 0 { Ok(()) } else { Err(waiting) }
            })
            .await;
            station.device.clock.advance(HEARTBEAT);
        }
    }

    /// Waits until every device shows the truth, and checks the truth itself.
    pub async fn check(&mut self) {
        let mut wires = Vec::new();
        for user in USERS {
            wires.push(self.server.wire(user).await);
        }
        let mut keeper: Wire = self.server.wire(KEEPER).await;
        let truth = Truth::read(&mut wires, &mut keeper).await;
        truth.check_sends(self).await;
        truth.check_reads(self);
        for (number, station) in self.stations.iter().enumerate() {
            eventually(format!("the truth on device {number}"), async || truth.check_device(station, number).await)
                .await;
            eventually(format!("all of it heard on device {number}"), async || truth.check_heard(station, number))
                .await;
        }
    }
}

impl Station {
    async fn break_with(&self, fault: Fault) {
        match fault {
            Fault::Cut => self.proxy.cut(),
            Fault::Disconnect => self.proxy.disconnect().await,
            Fault::Stall => self.proxy.stall(),
            Fault::HalfOpen => self.proxy.half_open(),
            Fault::LoseAnswer { count } => self.proxy.lose_answer("send_message", count),
            Fault::DropPush => self.proxy.drop_push("message"),
            Fault::RepeatPush => self.proxy.repeat_push("message"),
            Fault::Chaos => {
                self.proxy.chaos(Chaos { cut: 50, repeat_push: 100, drop_push: 100, delay_ms_max: 10 });
            }
        }
    }

    fn heal(&self) {
        self.proxy.heal();
        self.device.client.network_changed();
    }
}

/// How a user names a place.
pub fn conversation(place: Place) -> String {
    match place {
        Place::User(user) => c2c(USERS[user]),
        Place::Group => group(GROUP),
    }
}
