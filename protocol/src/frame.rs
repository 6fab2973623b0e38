// SPDX-License-Identifier: Apache-2.0
//! The envelope of every frame.
//!
//! ```text
//! client → server   {"id":7,"method":"send_message","params":{…}}
//! server → client   {"id":7,"result":{…}}          exactly one answer to each request
//!                   {"id":7,"error":{"code":10007,"text":"…"}}
//!                   {"push":31,"event":"message","data":{…}}
//! ```
//!
//! Fields and events that a reader does not know are passed over, so that either end may be the newer one.

use std::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::codes::Code;
use crate::json::{is_within_depth, reason};
use crate::limits::{INTEGER_MAX, JSON_DEPTH_MAX, PACKET_BYTES_MAX};

/// A request with its name on the wire and the type of its answer.
pub trait Call: Serialize + DeserializeOwned + Send + 'static {
    /// The `method` of the frame.
    const METHOD: &'static str;
    /// The `result` of the answer.
    type Reply: Serialize + DeserializeOwned + Send + 'static;
}

/// An event with its name on the wire.
pub trait Event: Serialize + DeserializeOwned + Send + 'static {
    /// The `event` of the frame.
    const NAME: &'static str;
}

/// Why a request failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{} {text}", code.0)]
pub struct WireError {
    /// The code, of the table in [`crate::codes`] or newer than it.
    pub code: Code,
    /// What is wrong, for a developer. Never shown to people and never compared.
    pub text: String,
    /// How long to wait before trying again, where the server knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<i64>,
}

impl WireError {
    /// An error with a text of its own.
    pub fn new(code: Code, text: impl Into<String>) -> Self {
        Self { code, text: text.into(), retry_after_ms: None }
    }
}

impl From<Code> for WireError {
    fn from(code: Code) -> Self {
        Self::new(code, code.text())
    }
}

/// Why a frame could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Larger than [`PACKET_BYTES_MAX`].
    #[error("the frame is larger than 1 MiB")]
    TooLarge,
    /// Nests deeper than [`JSON_DEPTH_MAX`].
    #[error("the frame nests too deeply")]
    TooDeep,
    /// Not JSON, or not a frame.
    #[error("the frame is not of the protocol's form")]
    Malformed,
}

impl FrameError {
    /// The code that answers such a frame.
    pub fn code(self) -> Code {
        match self {
            Self::TooLarge => Code::PACKET_TOO_LARGE,
            Self::TooDeep | Self::Malformed => Code::BAD_JSON,
        }
    }
}

fn check(text: &[u8]) -> Result<(), FrameError> {
    if text.len() > PACKET_BYTES_MAX {
        return Err(FrameError::TooLarge);
    }
    if !is_within_depth(text, JSON_DEPTH_MAX) {
        return Err(FrameError::TooDeep);
    }
    Ok(())
}

/// A request as it travels, its parameters not yet read.
#[derive(Deserialize)]
pub struct ClientFrame {
    /// Chosen by the client, 1 or more; the answer carries it. 0 is the server's, for what it could not read.
    pub id: u64,
    /// Which request it is.
    pub method: String,
    /// Its parameters.
    #[serde(default = "no_params")]
    pub params: Box<RawValue>,
}

fn no_params() -> Box<RawValue> {
    RawValue::from_string("{}".to_owned()).expect("two braces are JSON")
}

/// Without the parameters: they hold what people write and what logs them in.
impl fmt::Debug for ClientFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("ClientFrame");
        shown.field("id", &self.id).field("method", &self.method).finish_non_exhaustive()
    }
}

impl ClientFrame {
    /// Reads a frame; what is larger, deeper or other than the protocol allows is refused before it is parsed.
    pub fn parse(text: &[u8]) -> Result<Self, FrameError> {
        check(text)?;
        let frame: Self = serde_json::from_slice(text).map_err(|_| FrameError::Malformed)?;
        let is_id = (1..=INTEGER_MAX.unsigned_abs()).contains(&frame.id);
        if is_id { Ok(frame) } else { Err(FrameError::Malformed) }
    }

    /// Reads the parameters as those of one call.
    pub fn params<C: Call>(&self) -> Result<C, WireError> {
        serde_json::from_str(self.params.get()).map_err(|error| WireError::new(Code::BAD_PARAMETER, reason(&error)))
    }
}

/// Writes a request.
pub fn encode_call<C: Call>(id: u64, params: &C) -> String {
    #[derive(Serialize)]
    struct Envelope<'a, C> {
        id: u64,
        method: &'static str,
        params: &'a C,
    }
    encode(&Envelope { id, method: C::METHOD, params })
}

/// Writes the answer to a request.
pub fn encode_reply<R: Serialize>(id: u64, outcome: &Result<R, WireError>) -> String {
    #[derive(Serialize)]
    struct Envelope<'a, R> {
        id: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        result: Option<&'a R>,
        #[serde(skip_serializing_if = "Option::is_none")]
        error: Option<&'a WireError>,
    }
    encode(&Envelope { id, result: outcome.as_ref().ok(), error: outcome.as_ref().err() })
}

/// The part of a push that all its receivers share: the event's name and its data, encoded once.
pub fn encode_event<E: Event>(data: &E) -> String {
    format!(r#""event":"{}","data":{}}}"#, E::NAME, encode(data))
}

/// Puts one session's number before an event that [`encode_event`] wrote.
pub fn encode_push(number: u64, event: &str) -> String {
    format!(r#"{{"push":{number},{event}"#)
}

fn encode<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("the protocol's types have text keys and no failing parts")
}

/// What a server sends.
pub enum ServerFrame {
    /// The answer to a request.
    Reply {
        /// The request's id; 0 where the server could not read one.
        id: u64,
        /// The result, not yet read, or why there is none.
        outcome: Result<Box<RawValue>, WireError>,
    },
    /// An event.
    Push {
        /// Rises by one with each push of a session: a number left out is a push that was lost.
        number: u64,
        /// Which event it is.
        event: String,
        /// Its data, not yet read.
        data: Box<RawValue>,
    },
}

/// Without result and data.
impl fmt::Debug for ServerFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reply { id, outcome } => {
                let error = outcome.as_ref().err();
                f.debug_struct("Reply").field("id", id).field("error", &error).finish_non_exhaustive()
            }
            Self::Push { number, event, .. } => {
                f.debug_struct("Push").field("number", number).field("event", event).finish_non_exhaustive()
            }
        }
    }
}

impl ServerFrame {
    /// Reads a frame; what is larger, deeper or other than the protocol allows is refused before it is parsed.
    pub fn parse(text: &[u8]) -> Result<Self, FrameError> {
        #[derive(Deserialize)]
        struct Envelope {
            id: Option<u64>,
            push: Option<u64>,
            result: Option<Box<RawValue>>,
            error: Option<WireError>,
            event: Option<String>,
            data: Option<Box<RawValue>>,
        }
        check(text)?;
        let envelope: Envelope = serde_json::from_slice(text).map_err(|_| FrameError::Malformed)?;
        match envelope {
            Envelope { push: Some(number), event: Some(event), data: Some(data), .. } => {
                Ok(Self::Push { number, event, data })
            }
            Envelope { id: Some(id), error: Some(error), .. } => Ok(Self::Reply { id, outcome: Err(error) }),
            Envelope { id: Some(id), result: Some(result), .. } => Ok(Self::Reply { id, outcome: Ok(result) }),
            _ => Err(FrameError::Malformed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_id_is_a_number_from_one_to_the_largest_exact_integer() {
        let parse = |id: u64| {
            let text = format!(r#"{{"id":{id},"method":"ping"}}"#);
            ClientFrame::parse(text.as_bytes()).map(|frame| frame.id)
        };
        let largest = INTEGER_MAX.unsigned_abs();
        assert_eq!([parse(1), parse(largest)], [Ok(1), Ok(largest)]);
        assert_eq!([parse(0), parse(largest + 1)], [Err(FrameError::Malformed); 2]);
    }
}
