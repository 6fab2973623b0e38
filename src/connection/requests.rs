// SPDX-License-Identifier: Apache-2.0
//! What the task writes to the socket, and what becomes of it when the socket goes.

use hongyan_protocol::PROTOCOL_VERSION;
use hongyan_protocol::account::{ClientInfo, Login, Resume};
use hongyan_protocol::codes::Code;
use hongyan_protocol::frame::{Call, encode_call};

use crate::connection::command::{Credentials, Request, Waiter};
use crate::connection::handle::{ConnectionNumber, Inbound};
use crate::connection::state::Credential;
use crate::connection::status::Admission;
use crate::connection::task::{Line, OwnRequests, Task};

impl Task {
    pub(super) fn authenticate(&mut self, credential: Credential) {
        let client = ClientInfo {
            protocol: PROTOCOL_VERSION,
            sdk: concat!("hongyan/", env!("CARGO_PKG_VERSION")).to_owned(),
            platform: self.profile.platform,
            device_id: self.profile.device_id,
            capabilities: Vec::new(),
        };
        self.own.authenticate = match (credential, &self.token, &self.credentials) {
            (Credential::Token, Some(token), _) => self.ask(&Resume { client, token: token.clone() }),
            (_, _, Some(Credentials { user, user_sig })) => self.ask(&Login {
                client,
                sdk_app_id: self.profile.sdk_app_id,
                user_id: user.to_string(),
                user_sig: user_sig.clone(),
            }),
            // Not reached: whoever connects has credentials. The deadline of the attempt ends it.
            _ => None,
        };
    }

    /// Sends a request of the task's own.
    pub(super) fn ask<C: Call>(&mut self, params: &C) -> Option<u64> {
        let id = self.shared.next_id();
        let Line::Up { socket, .. } = &mut self.line else { return None };
        // A line that takes nothing more is found dead by the missing answer.
        socket.write(encode_call(id, params)).ok().map(|()| id)
    }

    pub(super) fn adopt(&mut self) {
        let (Some(session), Line::Up { is_adopted, .. }) = (self.opened.take(), &mut self.line) else { return };
        *is_adopted = true;
        let now_ms = self.shared.clock.monotonic_ms();
        let sig_left_ms = session.user_sig_expires_ms.saturating_sub(session.server_ms);
        self.sig_ends_at_ms = Some(now_ms.saturating_add(u64::try_from(sig_left_ms).unwrap_or(0)));
        self.token = Some(session.resume_token.clone());
        self.kept = None;
        self.shared.server_time.set(session.server_ms, &self.shared.clock);
        self.last_push = 0;
        self.connection = ConnectionNumber(self.connection.0 + 1);
        self.tell_sync(Inbound::Connected { connection: self.connection, session });
        for (id, deadline_ms, frame) in std::mem::take(&mut self.parked_frames) {
            if let Some(waiter) = self.parked.take(id) {
                self.request(Request { id, frame, deadline_ms, waiter });
            }
        }
    }

    pub(super) fn hang_up(&mut self, code: Code) {
        self.own = OwnRequests::default();
        if let Line::Up { socket, is_adopted } = std::mem::replace(&mut self.line, Line::Down) {
            socket.hang_up();
            if is_adopted {
                self.tell_sync(Inbound::Disconnected);
            }
        }
        for waiter in self.pending.take_all() {
            // Messages need no word of their own: `Disconnected` speaks for all of them.
            if let Waiter::Call { .. } = waiter {
                self.fail(waiter, code);
            }
        }
    }

    pub(super) fn request(&mut self, request: Request) {
        match (self.state.admission(), &request.waiter) {
            (Admission::Send, Waiter::Send { connection, .. }) if *connection != self.connection => {}
            (Admission::Send, _) if self.pending.is_full() => self.fail(request.waiter, Code::REQUEST_QUEUE_FULL),
            (Admission::Send, _) => {
                let Line::Up { socket, .. } = &mut self.line else {
                    return self.fail(request.waiter, Code::NETWORK_DISCONNECTED);
                };
                match socket.write(request.frame) {
                    Ok(()) => self.pending.insert(request.id, request.deadline_ms, request.waiter),
                    Err(_) => self.fail(request.waiter, Code::REQUEST_QUEUE_FULL),
                }
            }
            // It was meant for a connection that is gone.
            (Admission::Park | Admission::Refuse(_), Waiter::Send { .. }) => {}
            (Admission::Park, _) if self.parked.is_full() => self.fail(request.waiter, Code::REQUEST_QUEUE_FULL),
            (Admission::Park, _) => {
                self.parked.insert(request.id, request.deadline_ms, request.waiter);
                self.parked_frames.push_back((request.id, request.deadline_ms, request.frame));
            }
            (Admission::Refuse(code), _) => self.fail(request.waiter, code),
        }
    }

    pub(super) fn tell_sync(&self, inbound: Inbound) {
        if let Some(inbox) = &self.inbox {
            inbox.push(inbound);
        }
    }
}
