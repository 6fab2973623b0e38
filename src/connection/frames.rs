// SPDX-License-Identifier: Apache-2.0
//! What the task does with a frame of the server.

use hongyan_protocol::account::{GoingAway, Kicked, Pong, Session, UserSigExpired};
use hongyan_protocol::codes::Code;
use hongyan_protocol::frame::{Event, ServerFrame, WireError};
use hongyan_protocol::json::reason;
use hongyan_protocol::sync::Resync;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use tracing::{info, warn};

use crate::connection::command::Waiter;
use crate::connection::handle::Inbound;
use crate::connection::state::{Failure, Input};
use crate::connection::task::{Line, Task, answered};

type Outcome = Result<Box<RawValue>, WireError>;

impl Task {
    pub(super) fn frame(&mut self, text: &str) {
        self.step(Input::Received);
        match ServerFrame::parse(text.as_bytes()) {
            Ok(ServerFrame::Reply { id, outcome }) => self.reply(id, outcome),
            Ok(ServerFrame::Push { number, event, data }) => self.push(number, event, data),
            // A push among what cannot be read is missed by its number.
            Err(error) => warn!(%error, bytes = text.len(), "a frame of the server was passed over"),
        }
    }

    fn reply(&mut self, id: u64, outcome: Outcome) {
        if self.own.authenticate == Some(id) {
            self.own.authenticate = None;
            self.authenticated(outcome);
        } else if self.own.ping == Some(id) {
            self.own.ping = None;
            self.ponged(outcome);
        } else if self.own.logout == Some(id) {
            self.own.logout = None;
            self.step(Input::LogoutDone);
        } else if let Some(waiter) = self.pending.take(id) {
            self.answer(waiter, outcome);
        } else if let Err(error) = outcome {
            // After its deadline, or the server could not read a frame.
            info!(id, code = error.code.0, detail = error.text, "an answer that nobody waits for");
        }
    }

    fn authenticated(&mut self, outcome: Outcome) {
        match outcome.and_then(|data| read::<Session>(&data)) {
            Ok(session) => {
                let silence_max_ms = u64::try_from(session.silence_ms_max).unwrap_or(0);
                self.opened = Some(Box::new(session));
                self.step(Input::Opened { silence_max_ms });
            }
            Err(error) => {
                warn!(code = error.code.0, detail = error.text, "the server refused the session");
                let retry_after_ms = error.retry_after_ms.and_then(|after_ms| u64::try_from(after_ms).ok());
                let failure = Failure::new(error.code, error.text);
                self.step(Input::Refused { failure, retry_after_ms });
            }
        }
    }

    fn ponged(&mut self, outcome: Outcome) {
        match outcome.and_then(|data| read::<Pong>(&data)) {
            Ok(pong) => {
                self.shared.server_time.set(pong.server_ms, &self.shared.clock);
                self.pushes_until(pong.push);
            }
            Err(error) => warn!(code = error.code.0, detail = error.text, "the server refused a heartbeat"),
        }
        self.step(Input::Ponged);
    }

    /// Takes in that the server has given this session so many pushes before what comes now.
    fn pushes_until(&mut self, number: u64) {
        if number > self.last_push {
            warn!(known = self.last_push, number, "pushes were lost");
            self.last_push = number;
            self.tell_sync(Inbound::PushLost);
        }
    }

    fn push(&mut self, number: u64, event: String, data: Box<RawValue>) {
        if !matches!(self.line, Line::Up { is_adopted: true, .. }) {
            // The sync that follows a session's opening finds it.
            return;
        }
        self.pushes_until(number.saturating_sub(1));
        self.last_push = self.last_push.max(number);
        match event.as_str() {
            Kicked::NAME => {
                info!(reason = read::<Kicked>(&data).map(|kicked| kicked.reason).unwrap_or_default(), "kicked offline");
                self.step(Input::KickedOff);
            }
            UserSigExpired::NAME => self.step(Input::SigEnded),
            GoingAway::NAME => {
                let after_ms = read::<GoingAway>(&data).map_or(0, |away| away.reconnect_after_ms);
                self.step(Input::GoingAway { reconnect_after_ms: u64::try_from(after_ms).unwrap_or(0) });
            }
            Resync::NAME => self.tell_sync(Inbound::PushLost),
            _ => self.tell_sync(Inbound::Event { name: event, data }),
        }
    }

    fn answer(&mut self, waiter: Waiter, outcome: Outcome) {
        match waiter {
            Waiter::Call { answer, event } => {
                if let (Some(name), Ok(data)) = (event, &outcome) {
                    self.tell_sync(Inbound::Event { name: name.to_owned(), data: data.clone() });
                }
                answered(Some(answer), outcome.map_err(Into::into));
            }
            Waiter::Send { message_id, .. } => {
                self.tell_sync(Inbound::SendReply { message_id, outcome: outcome.and_then(|data| read(&data)) });
            }
        }
    }

    /// Ends a waiting without an answer.
    pub(super) fn fail(&mut self, waiter: Waiter, code: Code) {
        self.answer(waiter, Err(code.into()));
    }
}

fn read<T: DeserializeOwned>(data: &RawValue) -> Result<T, WireError> {
    serde_json::from_str(data.get()).map_err(|error| WireError::new(Code::DECODE_FAILED, reason(&error)))
}
