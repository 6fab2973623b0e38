// SPDX-License-Identifier: Apache-2.0
//! The first frame of a connection: who may open a session.

use std::future::Future;
use std::net::IpAddr;
use std::sync::Arc;

use hongyan_protocol::PROTOCOL_VERSION_MIN;
use hongyan_protocol::account::{Login, Resume};
use hongyan_protocol::codes::Code;
use hongyan_protocol::frame::{Call, ClientFrame, WireError};
use hongyan_protocol::ids::{SdkAppId, UserId};
use serde::Deserialize;

use super::Gateway;
use super::peers::Peer;
use crate::bus::SessionId;
use crate::error::Error;
use crate::rooms::Opened;

/// Whose failed logins are counted together.
pub(super) type FailureKey = (IpAddr, SdkAppId, String);

/// A first frame that opened nothing: the request's id, 0 where there was none to read, and why.
pub(super) type Refusal = (u64, WireError);

/// Opens a session, or says why not. The connection of who is refused closes.
pub(super) async fn open(
    gateway: &Arc<Gateway>,
    session: SessionId,
    peer: &Peer,
    text: &[u8],
) -> Result<(u64, Opened), Refusal> {
    let frame = ClientFrame::parse(text).map_err(|error| (0, WireError::new(error.code(), error.to_string())))?;
    let id = frame.id;
    let opened = match frame.method.as_str() {
        Login::METHOD => login(gateway, session, peer, &frame).await,
        Resume::METHOD => resume(gateway, session, &frame).await,
        _ => Err(WireError::new(Code::NOT_AUTHENTICATED_YET, "the first frame of a connection is login or resume")),
    };
    opened.map(|opened| (id, opened)).map_err(|error| (id, error))
}

async fn login(
    gateway: &Arc<Gateway>,
    session: SessionId,
    peer: &Peer,
    frame: &ClientFrame,
) -> Result<Opened, WireError> {
    let login: Login = read(frame)?;
    // Checked here, so that nothing longer than a user id is remembered below.
    UserId::parse(login.user_id.as_str()).map_err(|invalid| WireError::new(invalid.code, invalid.what))?;
    gateway.check_open(login.sdk_app_id)?;
    admit(gateway)?;
    let key: FailureKey = (peer.address_key(), login.sdk_app_id, login.user_id.clone());
    let checked = gateway.failures().check(&key, gateway.clock.monotonic_ms());
    checked.map_err(|wait_ms| later(Code::TOO_MANY_FAILED_LOGINS, wait_ms))?;

    let user = login.user_id.clone();
    let rooms = Arc::clone(&gateway.rooms);
    let outcome = finish(async move { rooms.login(session, login).await }).await;
    match outcome {
        Ok(opened) => {
            gateway.failures().clear(&key);
            Ok(opened)
        }
        Err(error) => {
            log_refusal(Login::METHOD, &user, &error);
            if !error.is_internal() && !error.code().is_retryable() {
                gateway.failures().record(key, gateway.clock.monotonic_ms());
            }
            Err(error.to_wire())
        }
    }
}

async fn resume(gateway: &Arc<Gateway>, session: SessionId, frame: &ClientFrame) -> Result<Opened, WireError> {
    let resume: Resume = read(frame)?;
    admit(gateway)?;
    let rooms = Arc::clone(&gateway.rooms);
    let outcome = finish(async move { rooms.resume(session, resume).await }).await;
    let opened = outcome.map_err(|error| {
        log_refusal(Resume::METHOD, "", &error);
        error.to_wire()
    })?;
    gateway.check_open(opened.caller.app)?;
    Ok(opened)
}

/// Reads the parameters, the version before the rest: what an older client means by them may differ.
fn read<C: Call>(frame: &ClientFrame) -> Result<C, WireError> {
    #[derive(Deserialize)]
    struct Spoken {
        protocol: u32,
    }
    match serde_json::from_str::<Spoken>(frame.params.get()) {
        Ok(spoken) if spoken.protocol < PROTOCOL_VERSION_MIN => Err(WireError::from(Code::CLIENT_TOO_OLD)),
        _ => frame.params(),
    }
}

/// Takes a place in the admission rate.
fn admit(gateway: &Gateway) -> Result<(), WireError> {
    let taken = gateway.logins().take(gateway.clock.monotonic_ms());
    taken.map_err(|wait_ms| later(Code::SERVER_FREQUENCY_LIMIT, wait_ms))
}

/// A refusal that says when to come again.
pub(super) fn later(code: Code, wait_ms: u64) -> WireError {
    WireError { retry_after_ms: Some(i64::try_from(wait_ms).unwrap_or(i64::MAX)), ..WireError::from(code) }
}

/// Runs a login to its end even if its connection goes: what it committed must be announced.
async fn finish(work: impl Future<Output = Result<Opened, Error>> + Send + 'static) -> Result<Opened, Error> {
    match tokio::spawn(work).await {
        Ok(outcome) => outcome,
        Err(error) => Err(Error::internal("a login did not end", error)),
    }
}

fn log_refusal(method: &'static str, user: &str, error: &Error) {
    let code = error.code().0;
    if error.is_internal() {
        let source = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
        tracing::error!(method, user.id = user, code, %error, source, "a login failed");
    } else {
        tracing::info!(method, user.id = user, code, "a login was refused");
    }
}
