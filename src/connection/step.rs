// SPDX-License-Identifier: Apache-2.0
//! The step from one state of the connection to the next. What a state does not expect changes nothing: a late
//! answer or a wish that was fulfilled meanwhile.

mod device;
mod renewal;

use hongyan_protocol::codes::Code;

use crate::connection::backoff::{delay_ms, share_ms};
use crate::connection::limits::{
    AUTHENTICATE_MAX_MS, DIAL_MAX_MS, HEARTBEAT_BACKGROUND_MS, HEARTBEAT_FOREGROUND_MS, LOGIN_MAX_MS, LOGOUT_MAX_MS,
    PONG_MAX_MS, REFUSED_WAIT_MS, RELEASE_MAX_MS, STABLE_MS,
};
use crate::connection::state::{
    Action, Credential, Environment, Failure, Heartbeat, Input, Link, LoggingIn, LoggingOut, LoginStep, Online, State,
};
use crate::connection::step::device::{foreground_changed, network_changed};
use crate::connection::step::renewal::{renew, renewal_put_off, renewal_refused};
use crate::error::ImError;
use crate::listener::events::EventRef;

/// Another device has this one's place.
const KICKED: [Code; 3] = [Code::KICKED_WHILE_OFFLINE, Code::KICKED_OFFLINE, Code::KICKED_OFFLINE_BEFORE_REPLY];
/// The UserSig's time is over.
const EXPIRED: [Code; 2] = [Code::USER_SIG_EXPIRED_LOCALLY, Code::USER_SIG_EXPIRED];
/// The UserSig was taken once and is not any more: the app has to get another.
const REJECTED: [Code; 7] = [
    Code::USER_SIG_EMPTY,
    Code::USER_SIG_MALFORMED,
    Code::USER_SIG_CHECK_FAILED,
    Code::USER_SIG_WRONG_KEY,
    Code::USER_SIG_OTHER_USER,
    Code::USER_SIG_OTHER_APP,
    Code::USER_SIG_REVOKED,
];
/// The server takes nobody just now; a login tries again within its time.
const FULL: [Code; 3] = [Code::SERVER_FREQUENCY_LIMIT, Code::TOO_MANY_CONNECTIONS, Code::ACCESS_OVERLOADED];

/// What another attempt in this login's time would not change, though another network or another server may.
const NOT_OURS: [Code; 3] = [Code::PACKET_ENCRYPT_FAILED, Code::PACKET_DECRYPT_FAILED, Code::PACKET_TOO_LARGE];

type Stepped = (State, Vec<Action>);

/// The next state, and what is to be done on the way to it.
pub(crate) fn step(state: State, input: Input, env: &Environment) -> Stepped {
    match input {
        Input::Login { is_same_user } => login(state, is_same_user, env),
        Input::Logout => logout(state, env),
        Input::Close => close(state),
        Input::Prepared(outcome) => prepared(state, outcome, env),
        Input::Released => released(state),
        Input::Dialed => dialed(state, env),
        Input::Opened { silence_max_ms } => opened(state, silence_max_ms, env),
        Input::Refused { failure, retry_after_ms } => refused(state, failure, retry_after_ms, env),
        Input::Lost(failure) => lost(state, failure, env),
        Input::Received => with_online(state, |online| received(online, env)),
        Input::Ponged => with_online(state, |online| {
            online.heartbeat = Heartbeat::Due { at_ms: next_heartbeat_ms(online, env) };
            Vec::new()
        }),
        Input::LogoutDone => match state {
            State::LoggingOut(LoggingOut::Telling { .. }) => release(env),
            state => unchanged(state),
        },
        Input::KickedOff => ended(state, State::Kicked, Code::KICKED_OFFLINE_BEFORE_REPLY, env),
        Input::SigEnded => ended(state, State::Expired, Code::USER_SIG_EXPIRED_LOCALLY, env),
        Input::GoingAway { reconnect_after_ms } => with_online(state, |online| {
            online.away_ms = Some(reconnect_after_ms);
            Vec::new()
        }),
        Input::NetworkChanged => network_changed(state, env),
        Input::ForegroundChanged => foreground_changed(state, env),
        Input::Tick => tick(state, env),
    }
}

fn unchanged(state: State) -> Stepped {
    (state, Vec::new())
}

fn with_online(mut state: State, change: impl FnOnce(&mut Online) -> Vec<Action>) -> Stepped {
    let actions = if let State::Online(online) = &mut state { change(online) } else { Vec::new() };
    (state, actions)
}

fn login(state: State, is_same_user: bool, env: &Environment) -> Stepped {
    let mut actions = match state {
        State::LoggingIn(_) => return (state, vec![Action::RefuseCall(Code::LOGIN_IN_PROGRESS)]),
        State::LoggingOut(_) => return (state, vec![Action::RefuseCall(Code::LOGOUT_IN_PROGRESS)]),
        State::Closed => return (state, vec![Action::RefuseCall(Code::NOT_INITIALIZED)]),
        State::LoggedOut | State::Kicked | State::Expired => Vec::new(),
        State::Online(_) | State::Reconnecting(_) if is_same_user => return renew(env),
        State::Online(_) => vec![Action::SendLogout, Action::HangUp(Code::NOT_LOGGED_IN)],
        State::Reconnecting(_) => {
            vec![Action::HangUp(Code::NETWORK_DISCONNECTED), Action::FailParked(Code::NETWORK_DISCONNECTED)]
        }
    };
    actions.extend([Action::ForgetCredentials, Action::AcceptLogin, Action::Prepare]);
    let until_ms = env.now_ms.saturating_add(LOGIN_MAX_MS);
    (State::LoggingIn(LoggingIn { step: LoginStep::Preparing, until_ms, last_failure: None }), actions)
}

fn logout(state: State, env: &Environment) -> Stepped {
    match state {
        State::LoggedOut => (state, vec![Action::RefuseCall(Code::NOT_LOGGED_IN)]),
        State::LoggingOut(_) => (state, vec![Action::RefuseCall(Code::LOGOUT_IN_PROGRESS)]),
        State::Closed => (state, vec![Action::RefuseCall(Code::NOT_INITIALIZED)]),
        State::Online(_) => {
            let until_ms = env.now_ms.saturating_add(LOGOUT_MAX_MS);
            let actions = vec![Action::AcceptLogout, Action::SendLogout];
            (State::LoggingOut(LoggingOut::Telling { until_ms }), actions)
        }
        State::LoggingIn(_) => {
            let answer = Action::AnswerLogin(Err(Code::LOGGED_OUT_DURING_LOGIN.into()));
            preceded([Action::AcceptLogout, answer], release(env))
        }
        State::Reconnecting(_) | State::Kicked | State::Expired => preceded([Action::AcceptLogout], release(env)),
    }
}

/// The part of a logout that needs no server.
fn release(env: &Environment) -> Stepped {
    let actions = vec![
        Action::HangUp(Code::NOT_LOGGED_IN),
        Action::FailParked(Code::NOT_LOGGED_IN),
        Action::ForgetCredentials,
        Action::Release,
    ];
    let until_ms = env.now_ms.saturating_add(RELEASE_MAX_MS);
    (State::LoggingOut(LoggingOut::Releasing { until_ms }), actions)
}

fn preceded<const N: usize>(first: [Action; N], (state, then): Stepped) -> Stepped {
    (state, first.into_iter().chain(then).collect())
}

fn close(state: State) -> Stepped {
    let code = Code::INTERRUPTED_BY_CLOSE;
    let mut actions = match state {
        State::Closed => return unchanged(state),
        State::LoggingIn(_) => vec![Action::AnswerLogin(Err(code.into()))],
        State::LoggingOut(_) => vec![Action::AnswerLogout],
        State::LoggedOut | State::Online(_) | State::Reconnecting(_) | State::Kicked | State::Expired => Vec::new(),
    };
    actions.extend([Action::HangUp(code), Action::FailParked(code), Action::ForgetCredentials, Action::Release]);
    (State::Closed, actions)
}

fn prepared(state: State, outcome: Result<(), ImError>, env: &Environment) -> Stepped {
    match (state, outcome) {
        (State::LoggingIn(login @ LoggingIn { step: LoginStep::Preparing, .. }), Ok(())) => {
            let (link, actions) = dial(0, env);
            (State::LoggingIn(LoggingIn { step: LoginStep::Linking(link), ..login }), actions)
        }
        (State::LoggingIn(LoggingIn { step: LoginStep::Preparing, .. }), Err(error)) => login_failed(error),
        (state, _) => unchanged(state),
    }
}

fn released(state: State) -> Stepped {
    match state {
        State::LoggingOut(LoggingOut::Releasing { .. }) => (State::LoggedOut, vec![Action::AnswerLogout]),
        state => unchanged(state),
    }
}

fn login_failed(error: ImError) -> Stepped {
    let actions = vec![Action::HangUp(Code::NOT_LOGGED_IN), Action::ForgetCredentials, Action::AnswerLogin(Err(error))];
    (State::LoggedOut, actions)
}

fn dial(failed_attempts: u32, env: &Environment) -> (Link, Vec<Action>) {
    let until_ms = env.now_ms.saturating_add(DIAL_MAX_MS);
    (Link::Dialing { failed_attempts, until_ms }, vec![Action::Dial, Action::Tell(EventRef::Connecting)])
}

fn dialed(state: State, env: &Environment) -> Stepped {
    let authenticating = |failed_attempts, credential| {
        let until_ms = env.now_ms.saturating_add(AUTHENTICATE_MAX_MS);
        (Link::Authenticating { failed_attempts, until_ms, credential }, vec![Action::Authenticate(credential)])
    };
    match state {
        State::LoggingIn(login) => match login.step {
            LoginStep::Linking(Link::Dialing { failed_attempts, .. }) => {
                let (link, actions) = authenticating(failed_attempts, Credential::UserSig);
                (State::LoggingIn(LoggingIn { step: LoginStep::Linking(link), ..login }), actions)
            }
            _ => unchanged(State::LoggingIn(login)),
        },
        State::Reconnecting(Link::Dialing { failed_attempts, .. }) => {
            let credential = if env.has_token { Credential::Token } else { Credential::UserSig };
            let (link, actions) = authenticating(failed_attempts, credential);
            (State::Reconnecting(link), actions)
        }
        state => unchanged(state),
    }
}

fn opened(state: State, silence_max_ms: u64, env: &Environment) -> Stepped {
    let (failed_attempts, mut actions) = match &state {
        State::LoggingIn(LoggingIn {
            step: LoginStep::Linking(Link::Authenticating { failed_attempts, .. }), ..
        }) => (*failed_attempts, vec![Action::Adopt, Action::AnswerLogin(Ok(()))]),
        State::Reconnecting(Link::Authenticating { failed_attempts, .. }) => (*failed_attempts, vec![Action::Adopt]),
        _ => return unchanged(state),
    };
    actions.push(Action::Tell(EventRef::ConnectSuccess));
    let mut online = Online {
        since_ms: env.now_ms,
        failed_attempts,
        silence_max_ms,
        heartbeat: Heartbeat::Due { at_ms: env.now_ms },
        away_ms: None,
    };
    online.heartbeat = Heartbeat::Due { at_ms: next_heartbeat_ms(&online, env) };
    (State::Online(online), actions)
}

/// As wished, but well within what the server bears.
fn next_heartbeat_ms(online: &Online, env: &Environment) -> u64 {
    let interval_ms = if env.is_foreground { HEARTBEAT_FOREGROUND_MS } else { HEARTBEAT_BACKGROUND_MS };
    let bearable_ms = (online.silence_max_ms / 4 * 3).max(1_000);
    env.now_ms.saturating_add(interval_ms.min(bearable_ms))
}

fn refused(state: State, failure: Failure, retry_after_ms: Option<u64>, env: &Environment) -> Stepped {
    let state = match state {
        State::LoggingIn(LoggingIn { step: LoginStep::Linking(Link::Authenticating { .. }), .. }) => state,
        State::Reconnecting(Link::Authenticating { .. }) => state,
        state => return unchanged(state),
    };
    if KICKED.contains(&failure.code) {
        return over(state, State::Kicked, failure);
    }
    if EXPIRED.contains(&failure.code) && !env.is_renewing {
        return over(state, State::Expired, failure);
    }
    match state {
        State::LoggingIn(login) => login_refused(login, failure, retry_after_ms, env),
        State::Reconnecting(link) => resume_refused(link, failure, retry_after_ms, env),
        state => unchanged(state),
    }
}

/// Kicked or expired while a connection was being made.
fn over(state: State, end: State, failure: Failure) -> Stepped {
    let told = if end == State::Kicked { EventRef::KickedOffline } else { EventRef::UserSigExpired };
    let code = failure.code;
    let mut actions = vec![Action::HangUp(code), Action::FailParked(code), Action::ForgetCredentials];
    if matches!(state, State::LoggingIn(_)) {
        actions.push(Action::AnswerLogin(Err(failure.into())));
    }
    actions.push(Action::Tell(told));
    (end, actions)
}

fn login_refused(login: LoggingIn, failure: Failure, retry_after_ms: Option<u64>, env: &Environment) -> Stepped {
    let LoginStep::Linking(link) = login.step else { return unchanged(State::LoggingIn(login)) };
    let until_ms = env.now_ms.saturating_add(wait_ms(link.failed_attempts() + 1, retry_after_ms, env));
    if !FULL.contains(&failure.code) || until_ms >= login.until_ms {
        return match env.is_renewing {
            true if failure.code.is_retryable() => renewal_put_off(link, until_ms, failure.into()),
            true => renewal_refused(link, Some(failure), env),
            false => login_failed(failure.into()),
        };
    }
    let (link, actions) = wait(link.failed_attempts() + 1, until_ms, &failure);
    (State::LoggingIn(LoggingIn { step: LoginStep::Linking(link), last_failure: Some(failure), ..login }), actions)
}

fn resume_refused(link: Link, failure: Failure, retry_after_ms: Option<u64>, env: &Environment) -> Stepped {
    let credential = match link {
        Link::Authenticating { credential, .. } => credential,
        Link::Waiting { .. } | Link::Dialing { .. } => return unchanged(State::Reconnecting(link)),
    };
    let failed_attempts = link.failed_attempts().saturating_add(1);
    if failure.code.is_retryable() {
        let until_ms = env.now_ms.saturating_add(wait_ms(failed_attempts, retry_after_ms, env));
        let (link, actions) = wait(failed_attempts, until_ms, &failure);
        return (State::Reconnecting(link), actions);
    }
    match credential {
        // The token is of no use, the UserSig may be: a server that was set up anew knows no token.
        Credential::Token => {
            let (link, dialing) = dial(failed_attempts, env);
            preceded(
                [Action::HangUp(Code::NETWORK_DISCONNECTED), Action::ForgetToken],
                (State::Reconnecting(link), dialing),
            )
        }
        Credential::UserSig if env.is_renewing => renewal_refused(link, None, env),
        Credential::UserSig if REJECTED.contains(&failure.code) => {
            over(State::Reconnecting(link), State::Expired, failure)
        }
        Credential::UserSig => {
            let until_ms = env.now_ms.saturating_add(REFUSED_WAIT_MS);
            let (link, actions) = wait(failed_attempts, until_ms, &failure);
            (State::Reconnecting(link), actions)
        }
    }
}

fn wait_ms(failed_attempts: u32, retry_after_ms: Option<u64>, env: &Environment) -> u64 {
    let own_ms = delay_ms(failed_attempts, env.random);
    retry_after_ms.map_or(own_ms, |after_ms| own_ms.max(after_ms.saturating_add(share_ms(after_ms, env.random))))
}

fn wait(failed_attempts: u32, until_ms: u64, failure: &Failure) -> (Link, Vec<Action>) {
    let actions = vec![
        Action::HangUp(Code::NETWORK_DISCONNECTED),
        Action::FailParked(Code::NETWORK_DISCONNECTED),
        Action::Tell(failure.told()),
    ];
    (Link::Waiting { failed_attempts, until_ms }, actions)
}

fn lost(state: State, failure: Failure, env: &Environment) -> Stepped {
    match state {
        State::LoggingIn(login) => match login.step {
            // A certificate that is not trusted: whoever waits for this login learns it now, not after half a minute.
            LoginStep::Linking(link) if NOT_OURS.contains(&failure.code) && !matches!(link, Link::Waiting { .. }) => {
                let told = Action::Tell(failure.told());
                let until_ms = env.now_ms.saturating_add(wait_ms(link.failed_attempts() + 1, None, env));
                preceded(
                    [told],
                    match env.is_renewing {
                        true => renewal_put_off(link, until_ms, failure.into()),
                        false => login_failed(failure.into()),
                    },
                )
            }
            LoginStep::Linking(link) => {
                let (link, actions) = attempt_failed(link, &failure, env);
                let login = LoggingIn { step: LoginStep::Linking(link), last_failure: Some(failure), ..login };
                (State::LoggingIn(login), actions)
            }
            LoginStep::Preparing => unchanged(State::LoggingIn(login)),
        },
        State::Reconnecting(link) => {
            let (link, actions) = attempt_failed(link, &failure, env);
            (State::Reconnecting(link), actions)
        }
        State::Online(online) => {
            let is_stable = env.now_ms.saturating_sub(online.since_ms) >= STABLE_MS;
            let failed_attempts = if is_stable { 0 } else { online.failed_attempts.saturating_add(1) };
            let delay_ms = match online.away_ms {
                Some(away_ms) => away_ms.saturating_add(share_ms(away_ms, env.random)),
                None => delay_ms(failed_attempts, env.random),
            };
            let until_ms = env.now_ms.saturating_add(delay_ms);
            let actions = vec![Action::HangUp(Code::NETWORK_DISCONNECTED)];
            (State::Reconnecting(Link::Waiting { failed_attempts, until_ms }), actions)
        }
        State::LoggingOut(LoggingOut::Telling { .. }) => release(env),
        state => unchanged(state),
    }
}

fn attempt_failed(link: Link, failure: &Failure, env: &Environment) -> (Link, Vec<Action>) {
    if let Link::Waiting { .. } = link {
        return (link, Vec::new());
    }
    let failed_attempts = link.failed_attempts().saturating_add(1);
    wait(failed_attempts, env.now_ms.saturating_add(delay_ms(failed_attempts, env.random)), failure)
}

fn received(online: &mut Online, env: &Environment) -> Vec<Action> {
    // The answer may stand behind much else on a slow line: whatever comes shows that the socket lives.
    if let Heartbeat::Awaited { until_ms } = &mut online.heartbeat {
        *until_ms = env.now_ms.saturating_add(PONG_MAX_MS);
    }
    Vec::new()
}

/// Kicked or expired while online.
fn ended(state: State, end: State, code: Code, env: &Environment) -> Stepped {
    match state {
        State::Online(_) => {
            let told = if end == State::Kicked { EventRef::KickedOffline } else { EventRef::UserSigExpired };
            (end, vec![Action::HangUp(code), Action::ForgetCredentials, Action::Tell(told)])
        }
        State::LoggingOut(LoggingOut::Telling { .. }) => release(env),
        state => unchanged(state),
    }
}

fn tick(state: State, env: &Environment) -> Stepped {
    if state.wake_at_ms().is_none_or(|wake_at_ms| env.now_ms < wake_at_ms) {
        return unchanged(state);
    }
    match state {
        State::LoggingIn(login) if env.now_ms >= login.until_ms => {
            let last =
                login.last_failure.map_or(String::new(), |failure| format!("; the last attempt: {}", failure.detail));
            let detail = format!("{}{last}", Code::REQUEST_TIMEOUT.text());
            let error = ImError::new(Code::REQUEST_TIMEOUT, detail);
            match login.step {
                LoginStep::Linking(link) if env.is_renewing => {
                    let until_ms = env.now_ms.saturating_add(delay_ms(link.failed_attempts(), env.random));
                    renewal_put_off(link, until_ms, error)
                }
                _ => login_failed(error),
            }
        }
        State::LoggingIn(LoggingIn {
            step: LoginStep::Linking(Link::Waiting { failed_attempts, .. }),
            until_ms,
            last_failure,
        }) => {
            let (link, actions) = dial(failed_attempts, env);
            (State::LoggingIn(LoggingIn { step: LoginStep::Linking(link), until_ms, last_failure }), actions)
        }
        State::Reconnecting(Link::Waiting { .. })
            if env.sig_ends_at_ms.is_some_and(|ends_ms| ends_ms <= env.now_ms) =>
        {
            over(state, State::Expired, Code::USER_SIG_EXPIRED_LOCALLY.into())
        }
        State::Reconnecting(Link::Waiting { failed_attempts, .. }) => {
            let (link, actions) = dial(failed_attempts, env);
            (State::Reconnecting(link), actions)
        }
        State::Online(mut online) => match online.heartbeat {
            Heartbeat::Due { .. } => {
                online.heartbeat = Heartbeat::Awaited { until_ms: env.now_ms.saturating_add(PONG_MAX_MS) };
                (State::Online(online), vec![Action::Ping])
            }
            Heartbeat::Awaited { .. } => {
                lost(State::Online(online), Failure::new(Code::ACK_TIMEOUT, "the heartbeat was not answered"), env)
            }
        },
        State::LoggingIn(LoggingIn { step: LoginStep::Linking(link), .. }) | State::Reconnecting(link) => {
            let failure = match link {
                Link::Dialing { .. } => Code::CONNECT_TIMEOUT.into(),
                _ => Failure::new(Code::ACK_TIMEOUT, "the server did not answer the first frame"),
            };
            lost(state, failure, env)
        }
        State::LoggingOut(LoggingOut::Telling { .. }) => release(env),
        // The next login waits for the store; the logout does not.
        State::LoggingOut(LoggingOut::Releasing { .. }) => released(state),
        state => unchanged(state),
    }
}

#[cfg(test)]
mod tests;
