// SPDX-License-Identifier: Apache-2.0
//! What the rows of the table run: arguments in, a call of the SDK, JSON out.

pub(super) mod client;
pub(super) mod conversations;
pub(super) mod groups;
pub(super) mod messages;

use hongyan_protocol::codes::Code;
use serde::Serialize;

use crate::bridge::Answer;
use crate::error::ImError;

/// The data of a reply.
fn json(data: &impl Serialize) -> Answer {
    serde_json::to_string(data).map_err(|error| ImError::new(Code::ENCODE_FAILED, error.to_string()))
}

/// A list of what the SDK gave, each in the bridge's own shape.
fn json_list<T, S: From<T> + Serialize>(items: Vec<T>) -> Answer {
    json(&items.into_iter().map(S::from).collect::<Vec<_>>())
}

/// The data of a call that gives none.
fn nothing() -> Answer {
    Ok("null".to_owned())
}
