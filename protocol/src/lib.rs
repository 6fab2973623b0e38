// SPDX-License-Identifier: Apache-2.0
//! What both ends of the wire share: typed ids, frames, requests, replies and events, the table of
//! codes, UserSigs, limits and the clock.
//!
//! Nothing here knows which end it runs on. `docs/protocol.md` describes the same wire in prose,
//! well enough to write a client from.
//!
//! * [`frame`]: the envelope of every frame and how unknown parts of it are passed over.
//! * [`account`], [`conversation`], [`group`], [`message`], [`sync`]: the requests and events of each room.
//! * [`ids`], [`limits`], [`codes`], [`usersig`], [`clock`]: what those rooms stand on.

#![forbid(unsafe_code)]

pub mod account;
pub mod bytes;
pub mod clock;
pub mod codes;
pub mod conversation;
pub mod frame;
pub mod group;
pub mod ids;
pub mod json;
pub mod limits;
pub mod message;
pub mod sync;
pub mod usersig;

/// The version of the wire that this crate speaks.
pub const PROTOCOL_VERSION: u32 = 1;

/// The oldest version of the wire that a server built with this crate still accepts.
pub const PROTOCOL_VERSION_MIN: u32 = 1;
