// SPDX-License-Identifier: Apache-2.0
//! The connection to the server: one task owns the socket, everybody else holds a
//! [`handle::ConnectionHandle`].

pub(crate) mod address;
mod backoff;
pub(crate) mod command;
mod frames;
pub(crate) mod handle;
pub(crate) mod inbox;
mod limits;
mod pending;
mod requests;
mod sent;
mod socket;
mod state;
pub(crate) mod status;
mod step;
pub(crate) mod task;
pub(crate) mod tls;

#[cfg(test)]
pub(crate) mod tests;
