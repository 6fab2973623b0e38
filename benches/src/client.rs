// SPDX-License-Identifier: Apache-2.0
//! What the scenarios need of a protocol, and no more: connect as a user, send to a user or a group, hear what came.
//!
//! Real ones are [`crate::hongyan`], [`crate::xmpp`] and [`crate::mqtt`]; [`crate::bare`] is the limit of all of them.

use std::future::Future;
use std::io;
use std::net::Ipv4Addr;

use crate::payload::Stamp;

/// A server that is reached over a protocol.
pub trait Protocol: Send + Sync + 'static {
    /// A user's connection.
    type Client: Client;

    /// How many receive a message to one user.
    fn receivers_of_one(&self) -> u64 {
        1
    }

    /// Connects and logs a user in, from one of this machine's own addresses where one is given.
    fn connect(&self, user: usize, from: Option<Ipv4Addr>) -> impl Future<Output = io::Result<Self::Client>> + Send;
}

/// To whom a message goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum To {
    /// A user.
    User(usize),
    /// All members of a group.
    Group(usize),
}

/// What came over a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The server has this message of ours.
    Acked(u64),
    /// The server will not take it.
    Refused(u64),
    /// A message for us, our own reflections among them.
    Received(Stamp),
    /// The connection ended.
    Ended,
}

/// A user's connection.
pub trait Client: Send + 'static {
    /// Brings this user into a group. Called for each member, the first one first: it may have to bring in all.
    fn enter(&mut self, group: usize, members: &[usize]) -> impl Future<Output = io::Result<()>> + Send;

    /// Puts a message in line. Its number, which rises, comes back in [`Event::Acked`].
    fn send(&mut self, to: To, number: u64, text: &str);

    /// Waits for what comes next, and writes what is in line before it waits. Nothing was lost where this is dropped.
    fn next(&mut self) -> impl Future<Output = io::Result<Event>> + Send;
}

/// The name of a user in every protocol.
pub fn user_name(user: usize) -> String {
    format!("u{user:06}")
}

/// The name of a group in every protocol.
pub fn group_name(group: usize) -> String {
    format!("g{group:06}")
}

/// One of 250 addresses of this machine: from a single one there are too few ports, and servers allow each only so much.
pub fn address_of(user: usize) -> Ipv4Addr {
    Ipv4Addr::new(127, 0, 1, u8::try_from(user % 250 + 1).unwrap_or(1))
}
