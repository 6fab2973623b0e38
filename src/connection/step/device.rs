// SPDX-License-Identifier: Apache-2.0
//! What the device says: its network changed, or people look at the app.

use hongyan_protocol::codes::Code;

use crate::connection::limits::{AUTHENTICATE_MAX_MS, DIAL_MAX_MS, FRESH_MS, PROBE_MAX_MS};
use crate::connection::state::{Action, Environment, Heartbeat, Link, LoggingIn, LoginStep, Online, State};
use crate::connection::step::{Stepped, dial, next_heartbeat_ms, unchanged, with_online};

pub(super) fn network_changed(state: State, env: &Environment) -> Stepped {
    let dial_anew = |link: Link| {
        let ((link, dialing), is_linking) = (dial(link.failed_attempts(), env), !matches!(link, Link::Waiting { .. }));
        let hang_up = is_linking.then_some(Action::HangUp(Code::NETWORK_DISCONNECTED));
        (link, hang_up.into_iter().chain(dialing).collect())
    };
    match state {
        State::LoggingIn(LoggingIn { step: LoginStep::Linking(link), .. }) | State::Reconnecting(link)
            if is_fresh(link, env) =>
        {
            unchanged(state)
        }
        State::LoggingIn(LoggingIn { step: LoginStep::Linking(link), until_ms, last_failure }) => {
            let (link, actions) = dial_anew(link);
            (State::LoggingIn(LoggingIn { step: LoginStep::Linking(link), until_ms, last_failure }), actions)
        }
        State::Reconnecting(link) => {
            let (link, actions) = dial_anew(link);
            (State::Reconnecting(link), actions)
        }
        state => with_online(state, |online| probe(online, env)),
    }
}

pub(super) fn foreground_changed(state: State, env: &Environment) -> Stepped {
    match state {
        State::Reconnecting(Link::Waiting { failed_attempts, .. }) if env.is_foreground => {
            let (link, actions) = dial(failed_attempts, env);
            (State::Reconnecting(link), actions)
        }
        state if env.is_foreground => with_online(state, |online| probe(online, env)),
        state => with_online(state, |online| {
            if let Heartbeat::Due { .. } = online.heartbeat {
                online.heartbeat = Heartbeat::Due { at_ms: next_heartbeat_ms(online, env) };
            }
            Vec::new()
        }),
    }
}

/// Finds out at once whether the socket still lives.
fn probe(online: &mut Online, env: &Environment) -> Vec<Action> {
    let soon_ms = env.now_ms.saturating_add(PROBE_MAX_MS);
    match online.heartbeat {
        Heartbeat::Due { .. } => {
            online.heartbeat = Heartbeat::Awaited { until_ms: soon_ms };
            vec![Action::Ping]
        }
        Heartbeat::Awaited { until_ms } => {
            online.heartbeat = Heartbeat::Awaited { until_ms: until_ms.min(soon_ms) };
            Vec::new()
        }
    }
}

/// Whether an attempt has only begun. A network that changes again and again would otherwise end every attempt.
fn is_fresh(link: Link, env: &Environment) -> bool {
    let may_last_ms = match link {
        Link::Waiting { .. } => return false,
        Link::Dialing { .. } => DIAL_MAX_MS,
        Link::Authenticating { .. } => AUTHENTICATE_MAX_MS,
    };
    link.until_ms().saturating_sub(env.now_ms) > may_last_ms - FRESH_MS
}
