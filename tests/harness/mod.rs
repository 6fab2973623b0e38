// SPDX-License-Identifier: Apache-2.0
//! What the end-to-end tests stand on: real servers, real clients in folders of their own, and a network between them
//! that breaks on command.
//!
//! * [`database`]: on which engine the servers run. [`database_proxy`]: the network between them and PostgreSQL.
//!   [`own_postgres`]: one that a test may crash.
//! * [`server`]: a server in this process. [`process`]: one in a process of its own, to be killed; a client likewise.
//! * [`faults`]: the disk under such a process, which fails on command.
//! * [`device`]: a client with recording listeners ([`recorder`]). [`wire`]: a client without an SDK, frame by frame.
//! * [`proxy`]: the network between them. [`wait`]: waiting for what happens, without sleeping.
//! * [`scrape`]: what a server shows of itself. [`view`]: messages in a form that can be compared. [`app`]: a tenant and its tickets.
//! * [`certificates`]: authorities and what they issue, for TLS.
//! * [`secrets`]: what must stand in no log.

pub mod app;
pub mod certificates;
pub mod database;
#[expect(dead_code, reason = "the tests of the store use more of it")]
pub mod database_proxy;
pub mod device;
#[cfg(target_os = "linux")]
pub mod faults;
pub mod frames;
pub mod net;
pub mod own_postgres;
pub mod process;
pub mod proxy;
pub mod recorder;
pub mod scrape;
pub mod secrets;
pub mod server;
pub mod view;
pub mod wait;
pub mod wire;

/// Whether the long tests run, those named `soak_…`.
pub fn is_soak() -> bool {
    std::env::var("HONGYAN_SOAK").is_ok_and(|value| value == "1")
}
