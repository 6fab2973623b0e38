// SPDX-License-Identifier: Apache-2.0
//! Accounts: logging in and out, the places of devices, profiles, and the head of each user's own stream.
//!
//! `policy` says whom a login kicks, `token` what a session is resumed with.

mod login;
mod policy;
mod profile;
pub(crate) mod queries;
mod token;

use std::sync::Arc;

use hongyan_protocol::clock::Clock;

use crate::app::Apps;
use crate::bus::Bus;
use crate::store::Store;

/// The room of accounts.
pub(crate) struct Accounts {
    pub(crate) store: Arc<Store>,
    pub(crate) clock: Clock,
    pub(crate) bus: Arc<Bus>,
    pub(crate) apps: Arc<Apps>,
    pub(crate) silence_ms_max: i64,
}

#[cfg(test)]
mod tests;
