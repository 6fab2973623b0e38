// SPDX-License-Identifier: Apache-2.0
//! How long a connection waits for what, in milliseconds.

/// How long `login` tries: 6012.
pub(crate) const LOGIN_MAX_MS: u64 = 30_000;
/// How long `logout` waits for the server before it is over without it.
pub(crate) const LOGOUT_MAX_MS: u64 = 5_000;
/// How long `logout` waits for the store to be closed.
pub(crate) const RELEASE_MAX_MS: u64 = 5_000;
/// How long one attempt may take to open a socket: 9510.
pub(crate) const DIAL_MAX_MS: u64 = 10_000;
/// How long the server may take for the first frame: 9520.
pub(crate) const AUTHENTICATE_MAX_MS: u64 = 10_000;
/// The heartbeat while people look at the app.
pub(crate) const HEARTBEAT_FOREGROUND_MS: u64 = 30_000;
/// The heartbeat while nobody does.
pub(crate) const HEARTBEAT_BACKGROUND_MS: u64 = 270_000;
/// How long a socket may be silent after a heartbeat.
pub(crate) const PONG_MAX_MS: u64 = 15_000;
/// The same, after a change that often leaves a socket dead.
pub(crate) const PROBE_MAX_MS: u64 = 5_000;
/// How young an attempt is left alone when the network changes: changes mostly come several at a time.
pub(crate) const FRESH_MS: u64 = 2_000;
/// A session that lasted so long was not a failure: the next wait is a short one.
pub(crate) const STABLE_MS: u64 = 10_000;
/// How long to wait after a refusal that time does not cure.
pub(crate) const REFUSED_WAIT_MS: u64 = 60_000;

const _: () = assert!(PROBE_MAX_MS < PONG_MAX_MS && PONG_MAX_MS < HEARTBEAT_FOREGROUND_MS);
const _: () = assert!(FRESH_MS < DIAL_MAX_MS && FRESH_MS < AUTHENTICATE_MAX_MS);
const _: () = assert!(DIAL_MAX_MS + AUTHENTICATE_MAX_MS < LOGIN_MAX_MS, "a login has time for a second attempt");
