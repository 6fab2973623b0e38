// SPDX-License-Identifier: Apache-2.0
//! The client: what holds the rooms together.

pub(crate) mod core;

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use hongyan_protocol::clock::Clock;
use hongyan_protocol::codes::Code;
use hongyan_protocol::ids::UserId;
use tracing::{Dispatch, info};

use crate::account::device::device_id;
use crate::account::{LoginStatus, SelfInfo, UserInfo, profile};
use crate::client::core::{Context, Core};
use crate::config::{ClientConfig, LogLevel, Settings};
use crate::connection::command::Credentials;
use crate::connection::handle::{ConnectionHandle, Inbound, Shared};
use crate::connection::task::{Hooks, Profile, Task};
use crate::conversation::ConversationManager;
use crate::error::ImError;
use crate::group::GroupManager;
use crate::listener::deliver::Delivery;
use crate::listener::dispatcher::Dispatcher;
use crate::listener::{LogListener, SdkListener, Subscription};
use crate::logging::{FILE_BYTES_MAX, LogFile, Subscriber};
use crate::message::MessageManager;
use crate::runtime;

/// How long `close` waits for the store, and then for a listener that does not return. Both end later by themselves.
const CLOSE_WAIT_MAX: Duration = Duration::from_secs(5);

/// One user's way to one server. Several clients may live in one process, each with a user of its own.
///
/// All methods may be called from any thread, also from inside a listener. Asynchronous methods run to their end
/// on the SDK's own threads, also where the app stops waiting for them. Every call ends: with its result, or
/// with an error at its deadline, 30 seconds unless the method says otherwise.
///
/// ```no_run
/// use hongyan::{ClientConfig, ImClient, LogLevel, Platform};
///
/// # async fn start(data_folder: String, user_sig: String) -> Result<(), hongyan::ImError> {
/// let client = ImClient::new(
///     ClientConfig {
///         sdk_app_id: 1_400_000_001,
///         server_url: "http://127.0.0.1:8080".to_owned(),
///         data_folder,
///         platform: Platform::Linux,
///         log_level: LogLevel::Info,
///         is_insecure_allowed: false,
///         extra_root_certificates: String::new(),
///         public_key_pins: Vec::new(),
///     },
///     None,
/// )?;
/// client.login("alice".to_owned(), user_sig).await?;
/// # Ok(())
/// # }
/// ```
#[derive(uniffi::Object)]
pub struct ImClient {
    core: Arc<Core>,
    messages: Arc<MessageManager>,
    conversations: Arc<ConversationManager>,
    groups: Arc<GroupManager>,
}

#[uniffi::export]
impl ImClient {
    /// Makes a client. Nothing is connected yet. The client ends when it is closed, or when the app holds
    /// neither it nor one of its managers any more.
    ///
    /// `log_listener` gets the lines of the log as they are written, on the thread of the other listeners.
    ///
    /// Codes: 6017 for a config that is not valid, 6029 for an unencrypted server that was not allowed, 6022 for
    /// a data folder that cannot be used.
    #[uniffi::constructor]
    pub fn new(config: ClientConfig, log_listener: Option<Arc<dyn LogListener>>) -> Result<Arc<Self>, ImError> {
        Self::with_clock(config, log_listener, Clock::system())
    }

    /// Opens what was last known of a user, so that the app can show it before the login or without a network.
    /// Reading conversations and history works from then on; what needs the server is answered 6014 until the
    /// login. A login of the same user goes on with it.
    ///
    /// Codes: 7003 for a user id that is not valid, 7014 while another user is logged in or logging in, and those
    /// of the local database.
    pub async fn init_local_storage(&self, user_id: String) -> Result<(), ImError> {
        let core = Arc::clone(&self.core);
        self.core.run(async move { core.open_local_before_login(UserId::parse(user_id)?).await.map(drop) }).await
    }

    /// Logs a user in: once it has returned, the SDK keeps the connection up by itself, over losses of the network
    /// and restarts of the server, until a logout, until the client is closed, or the listener is told that the
    /// user was kicked offline or that the UserSig ended. The first login of a user makes the account. A login
    /// of another user logs the present one out; one of the same user renews the UserSig, and where that fails, the user
    /// stays logged in with the one before.
    ///
    /// Without a network it tries for 30 seconds and answers 6012. A server whose certificate is not trusted is not
    /// tried again: 9501. What is stored of the user can be read from then on even so.
    ///
    /// Codes: 7501 while a login runs, 7502 while a logout runs, 7003 for a user id that is not valid, 6012 at the
    /// deadline, 9501 or 9502 where the connection cannot be encrypted, 6206 or 70001 for a UserSig that ended, 70002 to 70014 for one that is not right, 70050 after
    /// too many failed logins, 6023 where a logout came first.
    pub async fn login(&self, user_id: String, user_sig: String) -> Result<(), ImError> {
        let connection = self.core.context.connection.clone();
        self.core
            .run(async move {
                let user = UserId::parse(user_id)?;
                if user_sig.is_empty() {
                    return Err(Code::USER_SIG_EMPTY.into());
                }
                connection.login(Credentials { user, user_sig }).await
            })
            .await
    }

    /// Logs the user out, here and on the server, and closes what is stored of them; it stays on the device for
    /// the next login. Without a network it ends here after 5 seconds at the latest, and on the server later by
    /// itself.
    ///
    /// Codes: 6014 where nobody is logged in, 7502 while a logout runs.
    pub async fn logout(&self) -> Result<(), ImError> {
        let connection = self.core.context.connection.clone();
        self.core.run(async move { connection.logout().await }).await
    }

    /// Whether somebody is logged in. While the SDK makes a lost connection again, the user stays logged in.
    pub fn login_status(&self) -> LoginStatus {
        self.core.context.connection.login_status()
    }

    /// Who is logged in; nothing where nobody is.
    pub fn login_user(&self) -> Option<String> {
        self.core.context.connection.user().map(|user| user.to_string())
    }

    /// The server's time in milliseconds since 1970, whatever the device's clock says. Before the first login it
    /// is the device's own time.
    pub fn server_time_ms(&self) -> i64 {
        self.core.context.connection.server_time_ms()
    }

    /// The version of the SDK.
    pub fn version(&self) -> String {
        env!("CARGO_PKG_VERSION").to_owned()
    }

    /// Ends the client: the connection, all its tasks, its listeners and what it has open. Calls that run end
    /// with 7009, later ones are answered 6013. The user stays logged in on the server, as when the app is
    /// stopped. When it returns, nothing of the client runs any more; inside a listener it returns while that
    /// listener's call is still running, and a listener that does not return is waited for 5 seconds. It may be
    /// called more than once.
    // Foreign objects have a close of their own, which lets go of them.
    #[uniffi::method(name = "shut_down")]
    pub async fn close(&self) {
        // A listener that waits for this would wait for itself.
        let is_inside_listener = self.core.context.dispatcher.is_own_thread();
        let context = Arc::clone(&self.core.context);
        let closing = async move {
            context.connection.wish(|wishes| wishes.is_closed = true);
            let _ = tokio::time::timeout(CLOSE_WAIT_MAX, context.connection.ended()).await;
            context.dispatcher.close();
            if !is_inside_listener {
                let _ = tokio::time::timeout(CLOSE_WAIT_MAX, context.dispatcher.ended()).await;
            }
            Ok(())
        };
        let _ = self.core.run(closing).await;
        self.core.listeners.clear();
    }

    /// Tells the SDK whether people look at the app. In the background the heartbeat is slower (4.5 minutes
    /// instead of 30 seconds) and what is stored is made ready for the app being stopped; on the way back
    /// the connection is checked at once. Returns at once.
    pub fn set_foreground(&self, is_foreground: bool) {
        self.core.context.connection.wish(|wishes| wishes.is_foreground = is_foreground);
        // What was opened before a login is made ready as well: the connection knows nothing of it.
        if !is_foreground && let Some(local) = self.core.find_local() {
            local.inbox().push(Inbound::Background);
        }
    }

    /// Tells the SDK that the device's network changed or came back: the connection is checked, or made, at
    /// once instead of at the next attempt. Returns at once.
    pub fn network_changed(&self) {
        self.core.context.connection.wish(|wishes| wishes.network_changes += 1);
    }

    /// Adds a listener for the connection and the user's own account.
    pub fn add_sdk_listener(&self, listener: Arc<dyn SdkListener>) -> Arc<Subscription> {
        self.core.listeners.sdk.add(listener)
    }

    /// Profiles of up to 100 users, in the order asked for; users who do not exist are left out. Needs the server.
    ///
    /// Codes: 6017 for an empty or too long list, 7003 for an id that is not valid, 6014, 6012, 9508.
    pub async fn get_users_info(&self, user_ids: Vec<String>) -> Result<Vec<UserInfo>, ImError> {
        let connection = self.core.context.connection.clone();
        self.core.run(async move { profile::get_users_info(&connection, user_ids).await }).await
    }

    /// Changes the user's own profile: what is set in `info`, the rest stays. `on_self_info_updated` follows on
    /// all the user's devices. Needs the server.
    ///
    /// Codes: 40601 for a value longer than 500 bytes, 6017 where nothing is set, 6014, 6012, 9508.
    pub async fn set_self_info(&self, info: SelfInfo) -> Result<(), ImError> {
        let connection = self.core.context.connection.clone();
        self.core.run(async move { profile::set_self_info(&connection, info).await }).await
    }

    /// Messages.
    pub fn messages(&self) -> Arc<MessageManager> {
        Arc::clone(&self.messages)
    }

    /// Conversations.
    pub fn conversations(&self) -> Arc<ConversationManager> {
        Arc::clone(&self.conversations)
    }

    /// Groups.
    pub fn groups(&self) -> Arc<GroupManager> {
        Arc::clone(&self.groups)
    }
}

impl ImClient {
    /// Like [`Self::new`], with a clock that a test moves.
    pub fn with_clock(
        config: ClientConfig,
        log_listener: Option<Arc<dyn LogListener>>,
        clock: Clock,
    ) -> Result<Arc<Self>, ImError> {
        let settings = Settings::check(config)?;
        make_folder(&settings.data_folder)?;
        let device_id = device_id(&settings.data_folder)?;
        let dispatcher = Arc::new(Dispatcher::new());
        let log = open_log(&settings, &clock, log_listener.is_some().then(|| Arc::clone(&dispatcher)));
        let profile = Profile {
            tls: settings.trust.client_config(clock.clone()),
            server: settings.server.clone(),
            sdk_app_id: settings.sdk_app_id,
            platform: settings.platform.on_the_wire(),
            device_id,
        };
        let (shared, commands) = Shared::new(clock.clone());
        let connection = ConnectionHandle::new(Arc::clone(&shared));
        let context = Arc::new(Context { settings, clock, connection, dispatcher, log });
        let core = Arc::new(Core::new(Arc::clone(&context)));
        let delivery = Delivery::new(Arc::downgrade(&core), log_listener, context.log.clone());
        context.dispatcher.start(move |batch, store| delivery.deliver(batch, store))?;
        let task = Task::new((shared, commands), Arc::clone(&context), profile, hooks(&core));
        runtime::spawn(&context.log, async move {
            info!(sdk_app_id = task.profile().sdk_app_id.get(), version = env!("CARGO_PKG_VERSION"), "client started");
            task.run().await;
            info!("client ended");
        });
        Ok(Arc::new(Self {
            messages: Arc::new(MessageManager::new(Arc::clone(&core))),
            conversations: Arc::new(ConversationManager::new(Arc::clone(&core))),
            groups: Arc::new(GroupManager::new(Arc::clone(&core))),
            core,
        }))
    }
}

impl std::fmt::Debug for ImClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ImClient").field("login_user", &self.login_user()).finish_non_exhaustive()
    }
}

/// What the connection asks of the client around it. The connection does not keep the client alive.
fn hooks(core: &Arc<Core>) -> Hooks {
    let (preparing, releasing) = (Arc::downgrade(core), Arc::downgrade(core));
    Hooks {
        prepare: Box::new(move |user| {
            let core = preparing.upgrade();
            async move {
                let core = core.ok_or(ImError::from(Code::NOT_INITIALIZED))?;
                Ok(Arc::clone(core.open_local(user).await?.inbox()))
            }
            .boxed()
        }),
        release: Box::new(move |()| {
            let core = releasing.upgrade();
            async move {
                if let Some(core) = core {
                    core.close_local().await;
                }
            }
            .boxed()
        }),
    }
}

fn open_log(settings: &Settings, clock: &Clock, listener: Option<Arc<Dispatcher>>) -> Dispatch {
    if settings.log_level == LogLevel::None {
        return Dispatch::none();
    }
    let file = LogFile::shared(&settings.data_folder.join("logs"), FILE_BYTES_MAX);
    Dispatch::new(Subscriber::new(settings.log_level, clock.clone(), file, listener))
}

/// Makes the data folder, for nobody but the app's own user where the system knows users.
fn make_folder(folder: &Path) -> Result<(), ImError> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder).map_err(|error| ImError::new(Code::IO_FAILED, format!("{}: {error}", folder.display())))
}

#[cfg(test)]
mod tests;
