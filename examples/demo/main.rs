// SPDX-License-Identifier: Apache-2.0
//! Three people chat through a real server that is killed in the middle. Nothing is simulated: the server is a process
//! of its own, the people are clients of the SDK, and what is printed is what their listeners hear.
//!
//! `make demo` runs it. It ends with `demo: ok`, or says what failed and exits with 1.
//!
//! * `play`: the chapters. `person`: somebody at a device. `server`: the process.
//! * `stage`: what is printed.

mod failure;
mod house;
mod person;
mod play;
mod say;
mod server;
mod stage;
#[path = "../chat/wrap.rs"]
mod wrap;

use std::future::Future;
use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use hongyan_protocol::clock::Clock;
use hongyan_protocol::ids::SdkAppId;
use hongyan_protocol::usersig::{UserSigClaims, sign};
use tokio::time::timeout;

use crate::failure::{Doing, Failure};
use crate::house::House;
use crate::stage::{Stage, Who};

/// How long anything may take: far more than a busy machine needs.
const STEP_DEADLINE: Duration = Duration::from_secs(30);
const PLAY_DEADLINE: Duration = Duration::from_secs(120);

const USAGE: &str = "\
usage: demo

Three people chat through a real server that is killed in the middle. It takes some seconds, needs no settings and
ends with `demo: ok`, or says what failed and exits with 1.";

const USER_SIG_EXPIRE_S: i64 = 3600;

/// The app that everybody uses.
pub struct App {
    /// Its number.
    pub sdk_app_id: i64,
    /// What its UserSigs are signed with. Only the owner's back end has it; here that is this program.
    key: String,
    /// Where its server is.
    pub server_url: String,
}

impl App {
    /// What a back end gives its user to log in with.
    pub fn user_sig(&self, who: Who) -> Result<String, Failure> {
        let claims = UserSigClaims {
            identifier: who.id().to_owned(),
            sdk_app_id: SdkAppId::parse(self.sdk_app_id).doing("reading the app's number")?,
            time_s: Clock::system().now_ms() / 1000,
            expire_s: USER_SIG_EXPIRE_S,
            user_buf: None,
        };
        Ok(sign(&claims, &self.key))
    }
}

/// A future's value, or a failure that says what was waited for.
pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> Result<T, Failure> {
    let late = |_| Failure::new(format!("{what}, in vain for {STEP_DEADLINE:?}"));
    timeout(STEP_DEADLINE, future).await.map_err(late)
}

fn main() -> ExitCode {
    if server::is_server() {
        return server::run();
    }
    if std::env::args().skip(1).any(|argument| argument == "--help" || argument == "-h") {
        let _ = writeln!(std::io::stdout().lock(), "{USAGE}");
        return ExitCode::SUCCESS;
    }
    let runtime = tokio::runtime::Runtime::new().expect("threads can be started");
    match runtime.block_on(show()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let _ = writeln!(std::io::stdout().lock(), "\ndemo: failed: {failure}");
            ExitCode::FAILURE
        }
    }
}

async fn show() -> Result<(), Failure> {
    let stage = Arc::new(Stage::open());
    let house = House::open()?;
    let played = tokio::select! {
        played = timeout(PLAY_DEADLINE, play::play(&stage, &house)) => {
            played.unwrap_or_else(|_| Err(Failure::new(format!("it did not end within {PLAY_DEADLINE:?}"))))
        }
        _ = tokio::signal::ctrl_c() => Err(Failure::new("it was interrupted")),
    };
    // What failed first is what is told.
    let closed = house.close().await;
    played.and(closed)?;
    stage.close();
    Ok(())
}
