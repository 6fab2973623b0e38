// SPDX-License-Identifier: Apache-2.0
//! Brings what the server tells into the store, and what the outbox holds to the server.
//!
//! [`local::Local`] is everything of one user on this device: the store and one task on it. The task takes what the
//! connection hears in batches, one transaction each; listeners hear of it after the commit.
//!
//! The rules, in order of their weight:
//! * What is held of each log is known as ranges ([`ranges`]). A message is told to listeners only when all before
//!   it are held or known to be hidden ([`crate::conversation::state::Known::step`]): a small hole is
//!   fetched first, a large one is left for whoever reads there.
//! * Each thing that the server says is applied by a function that gives the same end state in any order and any number
//!   of times; so pages, pushes and heads need no order among each other.
//! * After each connection, and whenever something may have been lost, heads are compared ([`catch_up`]). A server whose
//!   store is another one, or holds less than this device saw, makes the cache worthless: it is dropped
//!   and loaded anew, the outbox and drafts stay.
//! * What listeners are told of is decided in the transaction that stores it: after a kill between the two a message is
//!   there and unread, and not told of again.
//!
//! * `batch`: one write. `live`: events. `fill`: holes. `mending`: how fetching is stopped. `task`: the loop. `raw`: replies with their text.

pub(crate) mod batch;
mod catch_up;
mod fill;
mod live;
mod local;
mod mending;
pub(crate) mod queries;
pub(crate) mod ranges;
pub(crate) mod raw;
mod task;
#[cfg(test)]
mod tests;

pub(crate) use fill::is_unanswered;
pub(crate) use local::Local;
