// SPDX-License-Identifier: Apache-2.0
//! What will happen in one case, drawn from its seed.

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

use super::world::{DEVICES, USERS};

/// Where a user writes: to another user, or to the group of all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    User(usize),
    Group,
}

/// One thing that happens. Devices and users are meant by their place in [`DEVICES`] and [`USERS`].
#[derive(Debug, Clone, Copy)]
pub enum Step {
    Send {
        device: usize,
        to: Place,
    },
    MarkRead {
        device: usize,
        of: Place,
    },
    Quit {
        device: usize,
    },
    Invite {
        device: usize,
        user: usize,
    },
    Break {
        device: usize,
        fault: Fault,
    },
    Heal {
        device: usize,
    },
    /// The app is closed and started again.
    Reopen {
        device: usize,
    },
    KillServer,
}

/// What goes wrong between a device and the server.
#[derive(Debug, Clone, Copy)]
pub enum Fault {
    Cut,
    Disconnect,
    Stall,
    HalfOpen,
    LoseAnswer { count: u32 },
    DropPush,
    RepeatPush,
    Chaos,
}

const FAULTS: [Fault; 9] = [
    Fault::Cut,
    Fault::Disconnect,
    Fault::Stall,
    Fault::HalfOpen,
    Fault::LoseAnswer { count: 1 },
    Fault::LoseAnswer { count: 3 },
    Fault::DropPush,
    Fault::RepeatPush,
    Fault::Chaos,
];

#[derive(Debug)]
pub struct Plan {
    pub steps: Vec<Step>,
}

impl Plan {
    pub fn draw(seed: u64, steps: usize) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        Self { steps: (0..steps).map(|_| step(&mut random)).collect() }
    }
}

fn step(random: &mut StdRng) -> Step {
    let device = random.random_range(0..DEVICES.len());
    match random.random_range(0..100) {
        0..50 => Step::Send { device, to: place(random, device) },
        50..62 => Step::MarkRead { device, of: place(random, device) },
        62..65 => Step::Quit { device },
        65..70 => Step::Invite { device, user: random.random_range(0..USERS.len()) },
        70..82 => Step::Break { device, fault: *FAULTS.choose(random).expect("there are faults") },
        82..94 => Step::Heal { device },
        94..98 => Step::Reopen { device },
        _ => Step::KillServer,
    }
}

fn place(random: &mut StdRng, device: usize) -> Place {
    let own = DEVICES[device].user;
    match random.random_range(0..=USERS.len()) {
        user if user < USERS.len() && user != own => Place::User(user),
        _ => Place::Group,
    }
}
