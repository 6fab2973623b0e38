// SPDX-License-Identifier: Apache-2.0
//! The Hongyan server, as a library and as the binary `hongyan-server`.
//!
//! * [`server`]: starting and stopping one server; several may live in one process.
//! * [`config`]: its settings, from defaults, file, environment and flags.
//! * [`cli`]: the commands of the binary.
//! * [`gateway`]: sockets, sessions, queues, limits before and after login.
//! * [`rooms`]: what the gateway calls; behind it [`app`], [`account`], [`message`], [`conversation`] and
//!   [`group`], which own their tables and rules and know nothing of sockets.
//! * [`store`]: the engine below the rooms; it knows no table.
//! * [`bus`]: how what was committed reaches the sessions.
//! * [`metrics`]: what is counted of one server; rooms define their own families in it.

#![forbid(unsafe_code)]

pub mod account;
pub mod app;
pub mod bus;
pub mod cli;
pub mod config;
pub mod conversation;
pub mod error;
pub mod gateway;
pub mod group;
pub mod message;
pub mod metrics;
pub mod rooms;
mod secret;
pub mod server;
pub mod store;

pub use config::Config;
pub use error::Error;
pub use server::Server;
