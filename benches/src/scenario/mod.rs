// SPDX-License-Identifier: Apache-2.0
//! What is measured. `messages`, `groups` and `idle` speak to any protocol; the others to ours alone, `sdk_store` to the SDK.

pub mod catch_up;
pub mod groups;
pub mod growth;
pub mod history;
pub mod idle;
pub mod messages;
pub mod sdk_store;

use std::io;
use std::ops::Range;
use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};

use crate::client::{Protocol, address_of};
use crate::load::Length;

/// How many connect at a time.
const CONNECTING_MAX: usize = 64;

/// How large everything is.
#[derive(Debug, Clone)]
pub struct Sizes {
    /// How often each load is run.
    pub trials: usize,
    /// For how long.
    pub length: Length,
    /// Senders of one-to-one messages, each with a receiver of its own.
    pub pairs: usize,
    /// Members of a group, all online.
    pub members: usize,
    /// Groups that are written to at once, each of other members.
    pub groups: usize,
    /// Those of a group who write, one message at a time.
    pub writers: usize,
    /// Conversations of one user, and those of them that change while the user is away.
    pub conversations: usize,
    /// As above.
    pub changed: usize,
    /// Messages of the log whose pages are read.
    pub history: usize,
    /// Messages that the SDK's store takes in, and how often something small is then read from it.
    pub pushed: usize,
    /// As above.
    pub reads: usize,
    /// Connections that say nothing.
    pub idle: usize,
    /// Stored messages at which the cost of a send is measured.
    pub stored: Vec<u64>,
    /// Conversations per user at which it is.
    pub per_user: Vec<usize>,
    /// How long a conversation must have rested, so that a user who comes back is not told of it again.
    pub rest: Duration,
}

impl Sizes {
    /// What `docs/performance.md` speaks of.
    pub fn full() -> Self {
        Self {
            trials: 3,
            length: Length { warm_up: Duration::from_secs(1), counted: Duration::from_secs(5) },
            pairs: 50,
            members: 500,
            groups: 4,
            writers: 10,
            conversations: 10_000,
            changed: 200,
            history: 10_000,
            pushed: 100_000,
            reads: 1_000,
            idle: 10_000,
            stored: vec![10_000, 100_000, 1_000_000],
            per_user: vec![10, 1_000, 10_000],
            // The server looks two minutes further back than it was asked.
            rest: Duration::from_secs(125),
        }
    }

    /// The same loads, shorter and over less: for a look while working.
    pub fn quick() -> Self {
        Self {
            trials: 1,
            length: Length { warm_up: Duration::from_millis(500), counted: Duration::from_secs(2) },
            conversations: 1_000,
            history: 2_000,
            pushed: 20_000,
            reads: 300,
            idle: 2_000,
            stored: vec![10_000, 50_000],
            per_user: vec![10, 1_000],
            rest: Duration::ZERO,
            ..Self::full()
        }
    }

    /// Everything, as small as it can be.
    pub fn smoke() -> Self {
        Self {
            length: Length { warm_up: Duration::ZERO, counted: Duration::from_millis(200) },
            pairs: 3,
            members: 6,
            groups: 2,
            writers: 2,
            conversations: 30,
            changed: 5,
            history: 50,
            pushed: 300,
            reads: 20,
            idle: 20,
            stored: vec![50, 100],
            per_user: vec![2, 20],
            ..Self::quick()
        }
    }
}

/// Connects users, each from an address of its own.
pub async fn connect_all<P: Protocol>(protocol: &P, users: Range<usize>) -> io::Result<Vec<P::Client>> {
    stream::iter(users)
        .map(|user| protocol.connect(user, Some(address_of(user))))
        .buffered(CONNECTING_MAX)
        .try_collect()
        .await
}

/// Makes the accounts of users, who leave again.
pub async fn register<P: Protocol>(protocol: &P, users: Range<usize>) -> io::Result<()> {
    stream::iter(users)
        .map(|user| protocol.connect(user, Some(address_of(user))))
        .buffered(CONNECTING_MAX)
        .try_for_each(|client| async {
            drop(client);
            Ok(())
        })
        .await
}
