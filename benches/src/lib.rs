// SPDX-License-Identifier: Apache-2.0
//! The load generator, and what it measures. [docs/performance.md](../../docs/performance.md) says what came of it.
//!
//! * [`client`]: what a protocol must be able to do; [`hongyan`], [`xmpp`] and [`mqtt`] are the protocols, [`bare`] is their
//!   limit; `socket` and `ws` carry them.
//! * [`payload`]: what the messages say, so that none is lost, doubled or out of order unnoticed; [`load`]: who sends and
//!   receives for a while.
//! * [`scenario`]: what is measured, [`limits`]: against what; [`host`] and [`engine`]: the server that is; [`run`]: in which order.
//! * [`scripted`]: the server behind the SDK where that is what is measured.
//! * [`stats`], [`report`]: what is told of it.

#![forbid(unsafe_code)]

pub mod bare;
pub mod client;
pub mod engine;
pub mod hongyan;
pub mod host;
pub mod limits;
pub mod load;
pub mod mqtt;
pub mod payload;
pub mod report;
pub mod run;
pub mod scenario;
pub mod scripted;
mod socket;
pub mod stats;
#[cfg(test)]
mod tests;
mod ws;
pub mod xmpp;
