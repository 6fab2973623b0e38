// SPDX-License-Identifier: Apache-2.0
//! The one timer of all connections: it ends those whose time is over.

use std::sync::Arc;
use std::time::Duration;

use hongyan_protocol::account::UserSigExpired;
use hongyan_protocol::frame::encode_event;

use super::Gateway;
use super::registry::Member;
use super::session::Stage;
use crate::config::GatewayConfig;

/// How often it looks. No deadline of a session is finer than this.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// How long a client may take to answer a goodbye.
const GOODBYE_MS_MAX: u64 = 2_000;

/// Why a session's time is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Over {
    Silent,
    Stuck,
    Unanswered,
    Expired,
}

/// Looks after all connections until it is dropped.
pub(super) async fn run(gateway: Arc<Gateway>) {
    loop {
        gateway.clock.sleep(SWEEP_EVERY).await;
        sweep(&gateway);
    }
}

fn sweep(gateway: &Gateway) {
    gateway.peers.sweep(gateway.config.login_deadline_ms);
    gateway.admin_peers.sweep(gateway.config.login_deadline_ms);
    gateway.failures().sweep(gateway.clock.monotonic_ms());
    gateway.address_logins().sweep(gateway.clock.monotonic_ms());
    gateway.logins().sweep(gateway.clock.monotonic_ms());
    let (now_ms, wall_ms) = (gateway.clock.monotonic_ms(), gateway.clock.now_ms());
    for (member, over) in gateway.registry.list_with(|member| find_over(&gateway.config, member, now_ms, wall_ms)) {
        end(&member, over);
    }
    let left_out_count = gateway.registry.take_left_out_count();
    if left_out_count > 0 {
        tracing::warn!(left_out_count, "pushes were left out of the queues of slow sessions");
    }
}

fn find_over(config: &GatewayConfig, member: &Member, now_ms: u64, wall_ms: i64) -> Option<Over> {
    let session = &member.session;
    if session.stuck_ms(now_ms) >= config.stuck_ms_max {
        return Some(Over::Stuck);
    }
    match session.stage() {
        Stage::Open if session.silent_ms(now_ms) >= config.silence_ms_max => Some(Over::Silent),
        Stage::Open if wall_ms > member.user_sig_expires_ms => Some(Over::Expired),
        Stage::Ended if session.goodbye_ago_ms(now_ms) >= GOODBYE_MS_MAX => Some(Over::Unanswered),
        _ => None,
    }
}

fn end(member: &Member, over: Over) {
    let caller = &member.caller;
    tracing::debug!(?over, session = caller.session.get(), user.id = caller.user.as_str(), "a session is over");
    let ended = &member.session.metrics.ended;
    let (is_new, counter) = match over {
        Over::Silent => (member.session.end(None), &ended.silent),
        Over::Expired => (member.session.end(Some(encode_event(&UserSigExpired {}).into())), &ended.expired),
        Over::Stuck => (member.session.abort(), &ended.stuck),
        Over::Unanswered => (member.session.abort(), &ended.unanswered),
    };
    counter.inc_by(u64::from(is_new));
}
