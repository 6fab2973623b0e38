// SPDX-License-Identifier: Apache-2.0
//! Every end-to-end test, in one binary: real servers, real clients, a network between them that breaks on command.
//!
//! A module per promise of the project; a test's name is what it guards. The long ones (`soak_…`) run only with
//! `HONGYAN_SOAK=1`. A failure of a random test prints its seed; `HONGYAN_SEED` runs that one again.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test says what is wrong by failing")]

mod backup;
mod bridge;
mod catch_up;
mod clock;
mod crowd;
mod database_gone;
mod delivery;
mod devices;
#[cfg(target_os = "linux")]
mod disk;
mod drain;
mod groups;
mod harness;
mod hostile;
mod listeners;
#[cfg(target_os = "linux")]
mod memory;
mod metrics;
mod offline;
mod outbox;
mod properties;
mod search;
mod session;
mod shared_store;
mod slow_reader;
mod stored;
mod tenants;
mod tidy;
mod tls;
mod traces;
