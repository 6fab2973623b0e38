// SPDX-License-Identifier: Apache-2.0
//! A login of the user who is logged in, with another UserSig. Whatever becomes of it, the user stays logged in:
//! what the server last took is kept until it takes what is newer.

use hongyan_protocol::codes::Code;

use crate::connection::limits::LOGIN_MAX_MS;
use crate::connection::state::{Action, Environment, Failure, Link, LoggingIn, LoginStep, State};
use crate::connection::step::{Stepped, dial, preceded};
use crate::error::ImError;

/// The user's store is open already.
pub(super) fn renew(env: &Environment) -> Stepped {
    let (link, dialing) = dial(0, env);
    let until_ms = env.now_ms.saturating_add(LOGIN_MAX_MS);
    let login = LoggingIn { step: LoginStep::Linking(link), until_ms, last_failure: None };
    let first = [
        Action::HangUp(Code::NETWORK_DISCONNECTED),
        Action::FailParked(Code::NETWORK_DISCONNECTED),
        Action::KeepCredentials,
        Action::AcceptLogin,
    ];
    preceded(first, (State::LoggingIn(login), dialing))
}

/// The call is over without a word on the UserSig: the session is made again with the newer one first.
pub(super) fn renewal_put_off(link: Link, until_ms: u64, error: ImError) -> Stepped {
    let failed_attempts = link.failed_attempts().saturating_add(1);
    let actions = vec![Action::HangUp(Code::NETWORK_DISCONNECTED), Action::AnswerLogin(Err(error))];
    (State::Reconnecting(Link::Waiting { failed_attempts, until_ms }), actions)
}

/// The server does not take the newer UserSig: the session is made again with what it took before.
pub(super) fn renewal_refused(link: Link, asked: Option<Failure>, env: &Environment) -> Stepped {
    let (link, dialing) = dial(link.failed_attempts().saturating_add(1), env);
    let answer = asked.map(|failure| Action::AnswerLogin(Err(failure.into())));
    let first = [Action::HangUp(Code::NETWORK_DISCONNECTED), Action::RestoreCredentials];
    (State::Reconnecting(link), first.into_iter().chain(answer).chain(dialing).collect())
}
