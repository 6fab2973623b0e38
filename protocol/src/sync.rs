// SPDX-License-Identifier: Apache-2.0
//! Catching up after an absence.

use serde::{Deserialize, Serialize};

use crate::account::Profile;
use crate::conversation::Head;
use crate::frame::{Call, Event};
use crate::ids::{LogId, Seq, Version};

/// `sync`: the heads of all conversations that changed since the client's last complete sync, newest first, by
/// pages. The client compares them with what it holds and fetches what it lacks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sync {
    /// [`SyncPage::server_ms`] of the last sync that was completed; nothing on a fresh install: all heads then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since_ms: Option<i64>,
    /// The version of the user's stream that the client holds.
    #[serde(default)]
    pub version: Version,
    /// The last sequence that the client holds of its most recent logs, at most 100. A server that holds less of
    /// one was restored from a copy and says so.
    #[serde(default)]
    pub probes: Vec<Probe>,
    /// [`SyncPage::next`] of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<SyncCursor>,
    /// How many heads at the most, 1 to 500.
    pub limit: u32,
}

impl Call for Sync {
    const METHOD: &'static str = "sync";
    type Reply = SyncPage;
}

/// What a client holds of one log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probe {
    /// The log.
    pub log: LogId,
    /// Its last sequence, as the client knows it.
    pub max_seq: Seq,
}

/// The place after which the next page begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncCursor {
    /// Of the last head.
    pub order_key: i64,
    /// Of the last head.
    pub log: LogId,
}

/// A page of heads. `H` is what a head is read as: a client that reads them one by one keeps their text at first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SyncPage<H = Head> {
    /// The server's time when this page was read. The first page's is the next sync's `since_ms`.
    pub server_ms: i64,
    /// Whether the server holds less than the client named, or never saw the client's version: the client drops
    /// what it cached and asks again without `since_ms`.
    pub is_behind_client: bool,
    /// Highest order key first.
    pub heads: Vec<H>,
    /// Where the next page begins; nothing after the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<SyncCursor>,
    /// The version of the user's stream when this page was read.
    pub version: Version,
    /// The user's own profile.
    pub profile: Profile,
}

/// Event: pushes to this session were dropped because it read too slowly. The client does a `sync`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resync {}

impl Event for Resync {
    const NAME: &'static str = "resync";
}
