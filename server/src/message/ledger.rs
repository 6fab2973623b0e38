// SPDX-License-Identifier: Apache-2.0
//! The one way into a log: heads and senders' counters are read, messages take their places in memory, and all is
//! written back with one statement per table.
//!
//! It runs inside one write operation, so that nobody else gives places meanwhile.

use std::collections::HashMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use hongyan_protocol::account::Profile;
use hongyan_protocol::ids::{LogId, MessageId, SdkAppId, UserId};
use hongyan_protocol::message::{Message, MessageBody, Target};
use sha2::{Digest, Sha256};

use super::queries::{self, NewRow};
use crate::conversation::logs::{self, LogHead};
use crate::conversation::rows;
use crate::error::Error;
use crate::store::Write;

/// A message without its place.
pub(crate) struct Draft {
    pub(crate) id: MessageId,
    pub(crate) sender: Profile,
    pub(crate) body: MessageBody,
    /// The body as it is stored.
    pub(crate) encoded: EncodedBody,
    pub(crate) counting: Counting,
}

/// A body's JSON, and what tells the message from another: to whom, and what.
#[derive(Clone)]
pub(crate) struct EncodedBody {
    pub(crate) json: String,
    pub(crate) digest: String,
}

impl EncodedBody {
    pub(crate) fn new(to: &Target, body: &MessageBody) -> Self {
        let target = serde_json::to_string(to).expect("a target is a text");
        let json = serde_json::to_string(body).expect("a body is texts, numbers and JSON");
        let digest = Sha256::new().chain_update(target).chain_update(&json).finalize();
        Self { json, digest: STANDARD_NO_PAD.encode(digest) }
    }
}

/// Whether a message counts as unread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Counting {
    Counts,
    LeftOut,
}

/// The logs and counters that an operation works on.
#[derive(Default)]
pub(crate) struct Ledger {
    heads: HashMap<LogId, LogHead>,
    /// Counted messages of senders of their own, by log.
    own: HashMap<(LogId, UserId), i64>,
    entries: Vec<Entry>,
}

struct Entry {
    log: LogId,
    app: SdkAppId,
    message: Message,
    encoded: EncodedBody,
}

impl Ledger {
    pub(crate) fn put_head(&mut self, head: LogHead) {
        self.heads.insert(head.id, head);
    }

    pub(crate) fn put_own(&mut self, log: LogId, user: UserId, own_counted: i64) {
        self.own.insert((log, user), own_counted);
    }

    pub(crate) fn head(&self, log: LogId) -> &LogHead {
        self.heads.get(&log).expect("a log is put in before it is asked for")
    }

    /// The heads of the logs that got messages.
    pub(crate) fn written_heads(&self) -> Vec<&LogHead> {
        let mut written: Vec<LogId> = self.entries.iter().map(|entry| entry.log).collect();
        written.sort_unstable();
        written.dedup();
        written.into_iter().map(|log| self.head(log)).collect()
    }

    /// The messages in the order in which they were appended.
    pub(crate) fn into_messages(self) -> impl Iterator<Item = (LogId, Message)> {
        self.entries.into_iter().map(|entry| (entry.log, entry.message))
    }

    /// Gives a message the next place of a log. Its time is now, or the last message's where the wall fell behind.
    pub(crate) fn append(&mut self, log: LogId, draft: Draft, now_ms: i64) -> &Message {
        let head = self.heads.get_mut(&log).expect("a log is put in before it is written to");
        let own = self.own.entry((log, draft.sender.user_id.clone())).or_insert(0);
        head.max_seq = head.max_seq.next();
        head.last_ms = head.last_ms.max(now_ms);
        if draft.counting == Counting::Counts {
            head.counted += 1;
            *own += 1;
        }
        let message = Message {
            id: draft.id,
            seq: head.max_seq,
            key: head.key.clone(),
            sender: draft.sender.user_id,
            sender_nick: draft.sender.nick,
            sender_face_url: draft.sender.face_url,
            server_ms: head.last_ms,
            counted: head.counted,
            sender_counted: *own,
            body: draft.body,
        };
        self.entries.push(Entry { log, app: head.app, message, encoded: draft.encoded });
        &self.entries.last().expect("one was just pushed").message
    }

    /// Writes the messages, the heads of their logs and their senders' counters.
    pub(crate) async fn write(&self, write: &mut Write, active_ms: i64) -> Result<(), Error> {
        if self.entries.is_empty() {
            return Ok(());
        }
        let messages: Vec<_> = self
            .entries
            .iter()
            .map(|entry| NewRow {
                log: entry.log,
                app: entry.app,
                message: &entry.message,
                digest: &entry.encoded.digest,
                body: &entry.encoded.json,
            })
            .collect();
        queries::insert(write, &messages).await?;
        logs::set_heads(write, &self.written_heads(), active_ms).await?;
        let mut own: Vec<_> =
            self.own.iter().map(|((log, user), own)| (self.head(*log).app, user.clone(), *log, *own)).collect();
        own.sort();
        rows::set_own_counted(write, &own).await
    }
}
