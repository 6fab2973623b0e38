// SPDX-License-Identifier: Apache-2.0
//! The first frame of a connection: who may open a session.

use std::future::Future;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use hongyan_protocol::PROTOCOL_VERSION_MIN;
use hongyan_protocol::account::{Login, Resume};
use hongyan_protocol::codes::Code;
use hongyan_protocol::frame::{Call, ClientFrame, WireError};
use hongyan_protocol::ids::{SdkAppId, UserId};
use serde::Deserialize;

use super::Gateway;
use super::admission::{Busy, Who};
use super::peers::Peer;
use crate::bus::SessionId;
use crate::error::Error;
use crate::rooms::Opened;

/// Whose failed logins are counted together.
pub(super) type FailureKey = (IpAddr, SdkAppId, String);

/// A first frame that opened nothing: the request's id, 0 where there was none to read, and why.
pub(super) type Refusal = (u64, WireError);

/// Who asks, as far as it is known: for the log.
#[derive(Debug, Default)]
struct Asking {
    app: Option<SdkAppId>,
    user: Option<UserId>,
}

/// Opens a session, or says why not. The connection of who is refused closes.
pub(super) async fn open(
    gateway: &Arc<Gateway>,
    session: SessionId,
    peer: &Peer,
    text: &[u8],
) -> Result<(u64, Opened), Refusal> {
    let mut asking = Asking::default();
    let (begun, metrics) = (Instant::now(), &gateway.registry.metrics);
    let frame = ClientFrame::parse(text);
    let (id, opened) = match &frame {
        Ok(frame) => (frame.id, answer(gateway, session, peer, frame, &mut asking).await),
        Err(error) => (0, Err(Error::new(error.code(), error.to_string()))),
    };
    let method = frame.as_ref().ok().map(|frame| frame.method.as_str());
    metrics.login_answered(method, begun, opened.as_ref().err().map_or(Code::OK, Error::code));
    opened.map(|opened| (id, opened)).map_err(|error| {
        log_refusal(session, peer, &asking, &error);
        (id, error.to_wire())
    })
}

async fn answer(
    gateway: &Arc<Gateway>,
    session: SessionId,
    peer: &Peer,
    frame: &ClientFrame,
    asking: &mut Asking,
) -> Result<Opened, Error> {
    admit_address(gateway, peer)?;
    match frame.method.as_str() {
        Login::METHOD => login(gateway, session, peer, frame, asking).await,
        Resume::METHOD => resume(gateway, session, frame, asking).await,
        _ => Err(Error::new(Code::NOT_AUTHENTICATED_YET, "the first frame of a connection is login or resume")),
    }
}

async fn login(
    gateway: &Arc<Gateway>,
    session: SessionId,
    peer: &Peer,
    frame: &ClientFrame,
    asking: &mut Asking,
) -> Result<Opened, Error> {
    let login: Login = read(frame)?;
    asking.app = Some(login.sdk_app_id);
    // Checked here, so that nothing longer than a user id is remembered below.
    let who = (login.sdk_app_id, UserId::parse(login.user_id.as_str())?);
    asking.user = Some(who.1.clone());
    gateway.check_open(login.sdk_app_id)?;
    let key: FailureKey = (peer.address_key(), login.sdk_app_id, login.user_id.clone());
    let checked = gateway.failures().check(&key, gateway.clock.monotonic_ms());
    checked.map_err(|wait_ms| later(Code::TOO_MANY_FAILED_LOGINS, wait_ms))?;

    let rooms = Arc::clone(&gateway.rooms);
    let outcome = admit(gateway, &who, async move { rooms.login(session, login).await }).await;
    match &outcome {
        Ok(_) => gateway.failures().clear(&key),
        Err(error) if is_rejection(error) => gateway.failures().record(key, gateway.clock.monotonic_ms()),
        Err(_) => {}
    }
    outcome
}

async fn resume(
    gateway: &Arc<Gateway>,
    session: SessionId,
    frame: &ClientFrame,
    asking: &mut Asking,
) -> Result<Opened, Error> {
    let resume: Resume = read(frame)?;
    // No question to the store: whose token it is stands in it, signed.
    let who = gateway.rooms.owner_of(&resume)?;
    (asking.app, asking.user) = (Some(who.0), Some(who.1.clone()));
    gateway.check_open(who.0)?;
    let rooms = Arc::clone(&gateway.rooms);
    admit(gateway, &who, async move { rooms.resume(session, resume).await }).await
}

/// Reads the parameters, the version before the rest: what an older client means by them may differ.
fn read<C: Call>(frame: &ClientFrame) -> Result<C, Error> {
    #[derive(Deserialize)]
    struct Spoken {
        protocol: u32,
    }
    match serde_json::from_str::<Spoken>(frame.params.get()) {
        Ok(spoken) if spoken.protocol < PROTOCOL_VERSION_MIN => Err(Error::from(Code::CLIENT_TOO_OLD)),
        _ => frame.params().map_err(|error| Error::new(error.code, error.text)),
    }
}

/// Takes a place in the rate of an address.
fn admit_address(gateway: &Gateway, peer: &Peer) -> Result<(), Error> {
    let taken = gateway.address_logins().take(&peer.address_key(), gateway.clock.monotonic_ms());
    taken.map_err(|wait_ms| later(Code::SERVER_FREQUENCY_LIMIT, wait_ms))
}

/// Takes a place in the rates of the user, of the app and of all, and does the work of it. Who turns out not to be who they
/// say gives the places back: nobody without a good UserSig or token can use up what is there for others.
async fn admit(
    gateway: &Gateway,
    who: &Who,
    work: impl Future<Output = Result<Opened, Error>> + Send + 'static,
) -> Result<Opened, Error> {
    let taken = gateway.logins().take(who, gateway.clock.monotonic_ms());
    taken.map_err(|(busy, wait_ms)| {
        let text = match busy {
            Busy::User => "too many logins of this user; try again later",
            Busy::App => "too many logins of this app; try again later",
            Busy::All => Code::SERVER_FREQUENCY_LIMIT.text(),
        };
        later(Code::SERVER_FREQUENCY_LIMIT, wait_ms).context(text)
    })?;
    let outcome = finish(work).await;
    if outcome.as_ref().is_err_and(is_rejection) {
        gateway.logins().give_back(who);
    }
    outcome
}

/// Whether what was shown was at fault, rather than the server or the moment.
fn is_rejection(error: &Error) -> bool {
    !error.is_internal() && !error.code().is_retryable()
}

/// A refusal that says when to come again.
fn later(code: Code, wait_ms: u64) -> Error {
    Error::from(code).retry_after(i64::try_from(wait_ms).unwrap_or(i64::MAX))
}

/// Runs a login to its end even if its connection goes: what it committed must be announced.
async fn finish(work: impl Future<Output = Result<Opened, Error>> + Send + 'static) -> Result<Opened, Error> {
    match tokio::spawn(work).await {
        Ok(outcome) => outcome,
        Err(error) => Err(Error::internal("a login did not end", error)),
    }
}

fn log_refusal(session: SessionId, peer: &Peer, asking: &Asking, error: &Error) {
    let (session, address, code) = (session.get(), peer.address(), error.code().0);
    let (app, user) = (asking.app.map(SdkAppId::get), asking.user.as_ref().map(UserId::as_str));
    if error.is_fault() {
        let source = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
        tracing::error!(session, %address, app, user.id = user, code, %error, source, "a login failed");
    } else if error.code().is_retryable() || matches!(error.code(), Code::BAD_JSON | Code::PACKET_TOO_LARGE) {
        // No rate bounds how often these happen.
        tracing::debug!(session, %address, app, user.id = user, code, "a first frame was refused");
    } else {
        tracing::info!(session, %address, app, user.id = user, code, "a login was refused");
    }
}
