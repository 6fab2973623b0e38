// SPDX-License-Identifier: Apache-2.0
//! The bridge: every call and event of the SDK by its native name and numbers, JSON in and JSON out, without async,
//! generics or objects. It is what old systems, Objective-C, Java and C stand on. `docs/bridge.md` describes it and is
//! made from the tables here.
//!
//! * `table`: one row per method: what it takes, what runs, what it gives. `methods`: what runs. `events`: one row per
//!   event. `numbers`: the native numbers. `shape`: the objects of replies and events.
//! * `args`: a request read by the table, before anything of it happens. `config`: what a bridge is made from.
//! * `driver`: one task that runs the calls that wait. `outlet`: one thread that calls the app.
//! * `c`: the same for C, described by `bindings/include/hongyan.h`.
//!
//! What must hold: each call is answered exactly once, and requests, replies and events that wait are bounded.

mod args;
mod c;
mod config;
mod driver;
mod events;
mod methods;
mod numbers;
mod outlet;
#[cfg(test)]
mod page;
mod shape;
mod table;
#[cfg(test)]
mod tests;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

use hongyan_protocol::codes::Code;

use crate::bridge::args::Request;
use crate::bridge::driver::{Driver, Job};
use crate::bridge::events::Events;
use crate::bridge::outlet::Outlet;
use crate::bridge::table::Run;
use crate::client::ImClient;
use crate::error::ImError;
use crate::listener::LogListener;

/// The data of a reply as JSON text, or why there is none.
pub(crate) type Answer = Result<String, ImError>;

/// What the app implements to hear of replies and events. Both methods are called one after another on one thread of
/// the bridge's own; each call of the bridge may be made inside them. What they throw is caught, and the next reply or
/// event comes. A listener that is slow delays its own bridge and nothing else: replies wait, at most 1000 of them, and
/// events wait in the SDK, which keeps what is newest of them.
#[uniffi::export(foreign)]
pub trait BridgeListener: Send + Sync {
    /// The reply to a call: `{"code":0,"desc":"","data":…}`, or `{"code":6014,"desc":"…","isRetryable":false}`. Each
    /// call has exactly one.
    fn on_reply(&self, call_id: i64, reply: String);
    /// An event: `{"listener":"V2TIMAdvancedMsgListener","event":"onRecvNewMessage","data":…}`.
    fn on_event(&self, event: String);
}

/// A client behind JSON: every method and event of the SDK under the names and numbers of the Tencent Cloud IM SDK
/// (V2TIM). 64-bit numbers are texts, bytes are base64. `docs/bridge.md` lists the methods, events and objects.
///
/// All methods may be called from any thread, also from inside the listener, and return at once. Replies and
/// events are handed over in the order in which they happened to the bridge; beyond that nothing is promised between
/// a reply and an event.
#[derive(uniffi::Object)]
pub struct Bridge {
    client: Arc<ImClient>,
    outlet: Arc<Outlet>,
    /// Gone once the bridge was shut down. Held to hand a call over, which takes no time.
    driver: Mutex<Option<Driver>>,
}

#[uniffi::export]
impl Bridge {
    /// Makes a client and a bridge to it from a config in JSON, such as
    /// `{"sdkAppID":1400000001,"serverURL":"http://127.0.0.1:8080","dataFolder":"/data/im"}`. Nothing is connected yet.
    ///
    /// Codes: 6027 for text that is no JSON, 6017 for a field that is missing, unknown or not valid, 6029 for an
    /// unencrypted server that was not allowed, 6022 for a data folder that cannot be used.
    #[uniffi::constructor]
    pub fn new(config: String, listener: Arc<dyn BridgeListener>) -> Result<Arc<Self>, ImError> {
        let config = config::read(&config)?;
        let outlet = Arc::new(Outlet::new());
        let events = Arc::new(Events::new(Arc::clone(&outlet)));
        let log_listener = config.has_log_listener.then(|| Arc::clone(&events) as Arc<dyn LogListener>);
        let client = ImClient::new(config.client, log_listener)?;
        outlet.start(listener)?;
        let _ = client.add_sdk_listener(Arc::clone(&events) as _);
        let _ = client.messages().add_advanced_msg_listener(Arc::clone(&events) as _);
        let _ = client.conversations().add_conversation_listener(events);
        let driver = Driver::start(Arc::clone(&client), Arc::clone(&outlet));
        Ok(Arc::new(Self { client, outlet, driver: Mutex::new(Some(driver)) }))
    }

    /// Makes a call: `{"method":"sendMessage","params":{…}}`. It returns at once; the reply comes to the listener,
    /// exactly once, under the call id, which is the app's own to choose. Messages go out in the order of the calls
    /// that send them.
    ///
    /// Codes beside those of the method: 6027 for a request that is no JSON, 9522 for one of more than 1 MiB, 7013 for
    /// a method that this version does not know, 6017 for a parameter that is missing, unknown or not of its type,
    /// with its name; nothing has changed then. 9507 while 1000 calls wait, 7009 for calls that wait when the bridge is
    /// shut down, 6013 afterwards.
    pub fn call(&self, call_id: i64, request: String) {
        if self.outlet.admit(call_id)
            && let Some(answer) = guarded(|| self.begin(call_id, &request))
        {
            self.outlet.reply(call_id, &answer);
        }
    }

    /// Makes a call that never waits and gives its reply: those that `docs/bridge.md` marks so, such as
    /// `getLoginStatus` and `createTextMessage`. Others are answered 6017. Codes: those of `call`.
    pub fn call_now(&self, request: String) -> String {
        let answer = guarded(|| Some(self.run_now(&request)));
        reply_text(&answer.unwrap_or_else(|| Err(Code::INTERNAL_ERROR.into())))
    }

    /// Ends the bridge and its client. It returns at once. Calls that wait are answered 7009, what they began is as
    /// after a kill of the app: a message that was on its way is sent after the next login. The last thing that the
    /// listener hears is the event `onShutDown` of `HongyanBridgeListener`; calls made until then are answered 6013,
    /// later ones are not answered. It may be called more than once. The user stays logged in on the server.
    pub fn shut_down(&self) {
        self.outlet.stop();
        drop(self.driver.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}

impl Bridge {
    /// Answers a call that cannot be read.
    fn refuse(&self, call_id: i64, error: ImError) {
        if self.outlet.admit(call_id) {
            self.outlet.reply(call_id, &Err(error));
        }
    }

    /// Begins a call; gives its answer where that is known at once.
    fn begin(&self, call_id: i64, request: &str) -> Option<Answer> {
        let Request { row, args } = match Request::read(request) {
            Ok(request) => request,
            Err(error) => return Some(Err(error)),
        };
        let driver = self.driver.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(driver) = driver.as_ref() else { return Some(Err(Code::NOT_INITIALIZED.into())) };
        match row.run {
            Run::Now(run) => Some(run(&self.client, args)),
            Run::Waiting(run) => driver.take(Job { call_id, call: run(Arc::clone(&self.client), args) }),
        }
    }

    fn run_now(&self, request: &str) -> Answer {
        let Request { row, args } = Request::read(request)?;
        let Run::Now(run) = row.run else {
            return Err(ImError::new(Code::INVALID_PARAMETERS, "method: this one waits, and is made with call"));
        };
        if self.driver.lock().unwrap_or_else(PoisonError::into_inner).is_none() {
            return Err(Code::NOT_INITIALIZED.into());
        }
        run(&self.client, args)
    }
}

/// The app let go of the bridge: what runs for nobody ends.
impl Drop for Bridge {
    fn drop(&mut self) {
        self.shut_down();
    }
}

impl std::fmt::Debug for Bridge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bridge").field("client", &self.client).finish_non_exhaustive()
    }
}

/// What the SDK itself might get wrong ends a call, and neither the app nor the other calls.
fn guarded(call: impl FnOnce() -> Option<Answer>) -> Option<Answer> {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|_| Some(Err(Code::INTERNAL_ERROR.into())))
}

/// The reply as the app gets it.
fn reply_text(answer: &Answer) -> String {
    match answer {
        Ok(data) => format!(r#"{{"code":0,"desc":"","data":{data}}}"#),
        Err(error) => format!(
            r#"{{"code":{},"desc":{},"isRetryable":{}}}"#,
            error.code().0,
            serde_json::Value::from(error.detail()),
            error.is_retryable()
        ),
    }
}
