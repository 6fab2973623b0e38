// SPDX-License-Identifier: Apache-2.0
//! What the rooms of one client share.

use std::sync::{Arc, Mutex, PoisonError};

use hongyan_protocol::clock::Clock;
use hongyan_protocol::codes::Code;
use hongyan_protocol::ids::UserId;
use tracing::Dispatch;

use crate::account::LoginStatus;
use crate::config::Settings;
use crate::connection::handle::ConnectionHandle;
use crate::error::ImError;
use crate::listener::Listeners;
use crate::listener::dispatcher::Dispatcher;
use crate::runtime;
use crate::sync::Local;

/// What belongs to a client whoever is logged in.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) settings: Settings,
    pub(crate) clock: Clock,
    pub(crate) connection: ConnectionHandle,
    pub(crate) dispatcher: Arc<Dispatcher>,
    /// Where the lines of this client's log go: tasks are spawned with it, see [`crate::runtime`].
    pub(crate) log: Dispatch,
}

/// What the managers of a client share.
pub(crate) struct Core {
    pub(crate) context: Arc<Context>,
    pub(crate) listeners: Listeners,
    /// One user is opened or closed at a time.
    opening: tokio::sync::Mutex<()>,
    /// The user whose data is open. Held to look or to change it.
    local: Mutex<Option<Arc<Local>>>,
}

impl Core {
    pub(crate) fn new(context: Arc<Context>) -> Self {
        Self { context, listeners: Listeners::default(), opening: tokio::sync::Mutex::new(()), local: Mutex::new(None) }
    }

    /// Runs a call of the app to its end on the SDK's threads.
    pub(crate) async fn run<T, F>(&self, call: F) -> Result<T, ImError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, ImError>> + Send + 'static,
    {
        runtime::run(&self.context.log, call).await
    }

    /// The data of the user who is logged in, or whose data was opened before login. 6014 where there is none.
    pub(crate) fn local(&self) -> Result<Arc<Local>, ImError> {
        self.context.connection.check_not_closed()?;
        self.find_local().ok_or_else(|| Code::NOT_LOGGED_IN.into())
    }

    /// The data that is open.
    pub(crate) fn find_local(&self) -> Option<Arc<Local>> {
        self.local.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Opens the data of a user for a login and closes that of any other.
    pub(crate) async fn open_local(&self, user: UserId) -> Result<Arc<Local>, ImError> {
        let _opening = self.opening.lock().await;
        self.open(user).await
    }

    /// Opens the data of a user before the login; 7014 where it would close that of somebody who is logged in.
    pub(crate) async fn open_local_before_login(&self, user: UserId) -> Result<Arc<Local>, ImError> {
        let _opening = self.opening.lock().await;
        // Looked at under the lock: a login that begins now opens its own user's data after this.
        let connection = &self.context.connection;
        let is_free = connection.login_status() == LoginStatus::NotLoggedIn;
        if !is_free && self.find_local().is_none_or(|local| *local.user() != user) {
            return Err(ImError::new(Code::INVALID_OPERATION, "another user is logged in"));
        }
        self.open(user).await
    }

    async fn open(&self, user: UserId) -> Result<Arc<Local>, ImError> {
        // Whoever closes the client comes for what is open after it has said so.
        self.context.connection.check_not_closed()?;
        if let Some(local) = self.find_local().filter(|local| *local.user() == user) {
            return Ok(local);
        }
        self.close_open_local().await;
        let local = Local::open(Arc::clone(&self.context), user).await?;
        self.set_local(Some(Arc::clone(&local)));
        Ok(local)
    }

    /// Closes the data that is open: every task on it has ended when this returns.
    pub(crate) async fn close_local(&self) {
        let _opening = self.opening.lock().await;
        self.close_open_local().await;
    }

    async fn close_open_local(&self) {
        let Some(local) = self.set_local(None) else { return };
        local.close().await;
        self.context.dispatcher.forget_references();
    }

    fn set_local(&self, local: Option<Arc<Local>>) -> Option<Arc<Local>> {
        std::mem::replace(&mut *self.local.lock().unwrap_or_else(PoisonError::into_inner), local)
    }
}

/// The last of client and managers is gone: what runs for nobody ends.
impl Drop for Core {
    fn drop(&mut self) {
        self.context.connection.wish(|wishes| wishes.is_closed = true);
        self.context.dispatcher.close();
        if let Some(local) = self.set_local(None) {
            runtime::spawn(&self.context.log, async move { local.close().await });
        }
    }
}
