// SPDX-License-Identifier: Apache-2.0
//! Events and replies to sends, as the connection hears them, into one write.

use std::collections::BTreeSet;

use hongyan_protocol::account::SelfInfo;
use hongyan_protocol::codes::Code;
use hongyan_protocol::conversation::ConversationStates;
use hongyan_protocol::frame::Event;
use hongyan_protocol::ids::{ConversationId, LogId, LogKey, MessageId, UserId};
use hongyan_protocol::json::reason;
use hongyan_protocol::message::{NewChange, NewMessage, SentMessage};
use hongyan_protocol::sync::Resync;
use serde_json::value::RawValue;

use crate::conversation::state::Step;
use crate::sync::batch::{Batch, WriteError};
use crate::sync::fill::Incomplete;
use crate::sync::local::Local;
use crate::sync::raw::{RawMessage, RawNewMessage};

/// Something that the server told, read.
#[derive(Debug)]
pub(super) enum Told {
    Message {
        id: ConversationId,
        log: LogId,
        raw: Box<RawMessage>,
    },
    Change {
        id: ConversationId,
        event: NewChange,
    },
    States(ConversationStates),
    SelfInfo(SelfInfo),
    Sent {
        id: MessageId,
        sent: SentMessage,
    },
    Failed {
        id: MessageId,
        code: Code,
    },
    /// Something was lost, or cannot be read: heads are to be compared.
    Lost,
}

impl Told {
    /// Reads an event. Nothing where it is of no concern here, or newer than this code.
    pub(super) fn read(user: &UserId, name: &str, data: &RawValue) -> Option<Self> {
        let told = match name {
            NewMessage::NAME => serde_json::from_str(data.get()).map(|RawNewMessage { log, message }| {
                Some(Self::Message { id: seen_by(&message.message.key, user)?, log, raw: Box::new(message) })
            }),
            NewChange::NAME => serde_json::from_str::<NewChange>(data.get())
                .map(|event| Some(Self::Change { id: seen_by(&event.key, user)?, event })),
            ConversationStates::NAME => serde_json::from_str(data.get()).map(|states| Some(Self::States(states))),
            SelfInfo::NAME => serde_json::from_str(data.get()).map(|info| Some(Self::SelfInfo(info))),
            Resync::NAME => Ok(Some(Self::Lost)),
            _ => return None,
        };
        told.unwrap_or_else(|error| {
            tracing::warn!(error = reason(&error), event = name, "an event of the server cannot be read");
            Some(Self::Lost)
        })
    }

    fn conversations(&self, user: &UserId) -> Vec<ConversationId> {
        match self {
            Self::Message { id, .. } | Self::Change { id, .. } => vec![id.clone()],
            Self::States(states) => states.states.iter().filter_map(|state| state.key.seen_by(user)).collect(),
            Self::SelfInfo(_) | Self::Sent { .. } | Self::Failed { .. } | Self::Lost => Vec::new(),
        }
    }
}

fn seen_by(key: &LogKey, user: &UserId) -> Option<ConversationId> {
    let id = key.seen_by(user);
    if id.is_none() {
        tracing::warn!(user.id = %user, "an event of a conversation that is not this user's was passed over");
    }
    id
}

/// What is left to do after a write of events.
#[derive(Debug, Default)]
pub(super) struct Rest {
    /// What lacks something that can be fetched.
    pub(super) incomplete: Incomplete,
    /// Whether heads are to be compared.
    pub(super) is_lost: bool,
}

/// Writes what the server told, all of it or nothing.
pub(super) async fn write(local: &Local, told: Vec<Told>) -> Result<Rest, WriteError> {
    let user = local.user();
    let ids: BTreeSet<ConversationId> = told.iter().flat_map(|told| told.conversations(user)).collect();
    let own: Vec<MessageId> = told.iter().filter_map(own_id).collect();
    let mut batch = Batch::begin(&local.store, user, ids).await?;
    let own = batch.load_senders_of(&own).await?;
    let mut rest = Rest::default();
    for told in told {
        match told {
            Told::Message { id, log, raw } => batch.add_message(&id, log, *raw),
            Told::Change { id, event } => {
                if batch.add_change(&id, &event) {
                    rest.incomplete.changes.insert(id);
                }
            }
            Told::States(states) => rest.is_lost |= add_states(&mut batch, &states),
            Told::SelfInfo(info) => rest.is_lost |= add_self_info(&mut batch, &info),
            Told::Sent { id, sent } => match own.get(&id) {
                Some(conversation) => batch.add_sent(conversation, id, &sent),
                None => rest.is_lost = true,
            },
            Told::Failed { id, code } => {
                if let Some(conversation) = own.get(&id) {
                    batch.add_failed(conversation, id, code);
                }
            }
            Told::Lost => rest.is_lost = true,
        }
    }
    for (id, step) in batch.deliver() {
        match step {
            Step::CatchUp => rest.is_lost = true,
            _ => {
                rest.incomplete.messages.insert(id);
            }
        }
    }
    rest.is_lost |= batch.has_nameless();
    local.announce(batch.save().await?);
    Ok(rest)
}

fn own_id(told: &Told) -> Option<MessageId> {
    match told {
        Told::Sent { id, .. } | Told::Failed { id, .. } => Some(*id),
        _ => None,
    }
}

/// Takes in rows of the user's own. Says whether some before them are missing.
pub(super) fn add_states(batch: &mut Batch, states: &ConversationStates) -> bool {
    batch.add_states(states);
    let known = batch.state().version;
    if states.after > known {
        return true;
    }
    let last = states.states.iter().map(|state| state.version).max().unwrap_or(known);
    batch.state().version = known.max(last);
    false
}

/// Takes in the user's own profile. Says whether something before it is missing.
fn add_self_info(batch: &mut Batch, info: &SelfInfo) -> bool {
    let state = batch.state();
    if info.version > state.version {
        state.apply_profile(&info.profile);
    }
    let is_gap = info.version > state.version.next();
    if !is_gap {
        state.version = state.version.max(info.version);
    }
    is_gap
}
