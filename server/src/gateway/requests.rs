// SPDX-License-Identifier: Apache-2.0
//! The requests of a session and the rooms that answer them.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use hongyan_protocol::account::{GetProfiles, SetSelfInfo};
use hongyan_protocol::codes::Code;
use hongyan_protocol::conversation::MarkRead;
use hongyan_protocol::frame::{Call, ClientFrame, WireError, encode_reply};
use hongyan_protocol::group::{CreateGroup, InviteToGroup, QuitGroup};
use hongyan_protocol::limits::PACKET_BYTES_MAX;
use hongyan_protocol::message::{GetChanges, GetMessages};
use hongyan_protocol::sync::Sync;
use serde::Serialize;

use super::registry::Member;
use super::session::Session;
use crate::error::Error;
use crate::rooms::{Caller, Rooms};

/// The work of one request; it ends with the encoded answer.
pub(super) type Work = Pin<Box<dyn Future<Output = String> + Send>>;

macro_rules! rooms_answer {
    ($($call:ty => $verb:ident,)+) => {
        /// The methods of these requests.
        pub(super) const METHODS: &[&str] = &[$(<$call as Call>::METHOD),+];

        /// What a request asks for; an error where it asks for nothing that there is.
        pub(super) fn find_work(frame: &ClientFrame, rooms: Arc<Rooms>, member: Arc<Member>) -> Result<Work, WireError> {
            match frame.method.as_str() {
                $(<$call as Call>::METHOD => {
                    let (id, params) = (frame.id, frame.params::<$call>()?);
                    Ok(Box::pin(async move {
                        let begun = Instant::now();
                        let outcome = rooms.$verb(&member.caller, params).await;
                        encode_answer(id, <$call as Call>::METHOD, &member, begun, &outcome)
                    }))
                })+
                _ => Err(WireError::new(Code::REST_INVALID_RESOURCE, "the server knows no such method")),
            }
        }
    };
}

rooms_answer! {
    GetProfiles => get_profiles,
    SetSelfInfo => set_self_info,
    GetMessages => get_messages,
    GetChanges => get_changes,
    MarkRead => mark_read,
    Sync => sync,
    CreateGroup => create_group,
    InviteToGroup => invite_to_group,
    QuitGroup => quit_group,
}

/// The most that the answer to a request takes, where that is worth counting: pages are made no larger than half a frame.
pub(super) fn reply_bytes_max(method: &str) -> usize {
    match method {
        GetProfiles::METHOD | GetMessages::METHOD | GetChanges::METHOD | Sync::METHOD => PACKET_BYTES_MAX / 2,
        _ => 0,
    }
}

/// Writes an answer, counts it, and writes a log line where the server failed.
pub(super) fn encode_answer<R: Serialize>(
    id: u64,
    method: &'static str,
    member: &Member,
    begun: Instant,
    outcome: &Result<R, Error>,
) -> String {
    let metrics = &member.session.metrics;
    metrics.answered(method, begun);
    match outcome {
        Ok(reply) => encode_reply(id, &Ok(reply)),
        Err(error) => {
            metrics.failed(error.code());
            log_failure(method, &member.caller, begun, error);
            encode_reply::<()>(id, &Err(error.to_wire()))
        }
    }
}

fn log_failure(method: &'static str, caller: &Caller, begun: Instant, error: &Error) {
    let (app, user, code) = (caller.app.get(), caller.user.as_str(), error.code().0);
    let duration_ms = begun.elapsed().as_millis();
    if error.is_fault() {
        let source = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
        tracing::error!(method, app, user.id = user, code, duration_ms, %error, source, "a request failed");
    } else {
        tracing::debug!(method, app, user.id = user, code, duration_ms, %error, "a request was refused");
    }
}

/// A request being worked on. However its work ends, it is answered and counted out.
pub(super) struct Request {
    session: Arc<Session>,
    id: u64,
    reply_bytes_max: usize,
    is_answered: bool,
}

impl Request {
    pub(super) fn begin(session: &Arc<Session>, id: u64, reply_bytes_max: usize) -> Self {
        session.request_begins(reply_bytes_max);
        Self { session: Arc::clone(session), id, reply_bytes_max, is_answered: false }
    }

    pub(super) fn answer(mut self, text: String) {
        self.is_answered = true;
        self.session.reply(text);
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        if !self.is_answered {
            tracing::error!(session = self.session.id.get(), "the work of a request panicked");
            self.session.metrics.failed(Code::ACCOUNT_INTERNAL_ERROR);
            let failure = WireError::from(Code::ACCOUNT_INTERNAL_ERROR);
            self.session.reply(encode_reply::<()>(self.id, &Err(failure)));
        }
        self.session.request_ends(self.reply_bytes_max);
    }
}
