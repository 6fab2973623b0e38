// SPDX-License-Identifier: Apache-2.0
//! What the gateway calls: every request of a session, without sockets. Behind it stand the rooms.
//!
//! A call that is dropped midway either happened as a whole or not at all.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use hongyan_protocol::account::{Done, GetProfiles, Login, Profiles, Resume, SelfInfo, Session, SetSelfInfo};
use hongyan_protocol::clock::Clock;
use hongyan_protocol::conversation::{ConversationStates, MarkRead};
use hongyan_protocol::group::{CreateGroup, CreatedGroup, InviteToGroup, MemberResults, QuitGroup};
use hongyan_protocol::ids::{DeviceId, InstanceId, SdkAppId, UserId};
use hongyan_protocol::message::{ChangePage, GetChanges, GetMessages, MessagePage, SendMessage};
use hongyan_protocol::sync::{Sync, SyncPage};
use tokio::sync::watch;

use crate::account::Accounts;
use crate::app::Apps;
use crate::bus::{Bus, SessionId};
use crate::conversation::Conversations;
use crate::error::Error;
use crate::group::Groups;
use crate::message::Messages;
pub use crate::message::{Delivered, SendTicket};
use crate::metrics::Metrics;
use crate::store::{FolderLock, Place, Store};

/// What the rooms are opened with.
#[derive(Clone)]
pub struct RoomsConfig {
    /// What this server has to itself. Made, for its owner alone, where it is missing.
    pub data_folder: PathBuf,
    /// Where the store is.
    pub store: Place,
    /// How long the gateway waits without any frame before it takes a client for gone; clients are told.
    pub silence_ms_max: i64,
}

/// Who calls. It is made from a verified login alone, never from anything that a frame says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The tenant.
    pub app: SdkAppId,
    /// The user.
    pub user: UserId,
    /// The installation.
    pub device: DeviceId,
    /// The login that this session stands on: it rises with each login of the user, a resume keeps it.
    pub epoch: i64,
    /// The connection.
    pub session: SessionId,
}

/// A session that was opened or taken up.
#[derive(Debug)]
pub struct Opened {
    /// The answer to the client. When the UserSig ends is in it.
    pub session: Session,
    /// Who every later call of this connection comes from.
    pub caller: Caller,
}

/// The rooms of one server.
pub struct Rooms {
    store: Arc<Store>,
    apps: Arc<Apps>,
    accounts: Accounts,
    conversations: Arc<Conversations>,
    messages: Messages,
    groups: Groups,
    /// Nothing after the close: a request that is still on its way then does not keep the next server out.
    folder: Mutex<Option<FolderLock>>,
}

impl Rooms {
    /// Opens the store and starts the writer. Hints go to `bus` in the order of commits. Fails where another server
    /// runs on the same folder.
    pub async fn open(config: RoomsConfig, clock: Clock, bus: Arc<Bus>, metrics: &Metrics) -> Result<Arc<Self>, Error> {
        let folder = FolderLock::take(&config.data_folder)?;
        let store = Arc::new(Store::open_alone(&config.store, clock.clone(), &folder, metrics).await?);
        let apps = Arc::new(Apps::new(Arc::clone(&store), clock.clone()));
        let accounts = Accounts {
            store: Arc::clone(&store),
            clock: clock.clone(),
            bus: Arc::clone(&bus),
            apps: Arc::clone(&apps),
            silence_ms_max: config.silence_ms_max,
        };
        let conversations =
            Arc::new(Conversations { store: Arc::clone(&store), clock: clock.clone(), bus: Arc::clone(&bus) });
        let messages =
            Messages::start(Arc::clone(&store), clock.clone(), Arc::clone(&bus), Arc::clone(&conversations), metrics);
        let groups = Groups { store: Arc::clone(&store), clock, bus };
        Ok(Arc::new(Self { store, apps, accounts, conversations, messages, groups, folder: Mutex::new(Some(folder)) }))
    }

    /// Answers every send that was taken, then closes the store. Later calls fail.
    pub async fn close(&self) {
        self.messages.close().await;
        self.store.close().await;
        self.folder.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// Becomes true when the store can no longer say what it holds (a commit failed, a task panicked). Nothing is written
    /// after it; the server must stop.
    pub fn failed(&self) -> watch::Receiver<bool> {
        self.store.failed()
    }

    /// How often nobody could say what a commit left behind, while the store went on: sessions then compare what they
    /// have.
    pub fn doubts(&self) -> watch::Receiver<u64> {
        self.store.doubts()
    }

    /// The store behind this server.
    pub fn instance(&self) -> InstanceId {
        self.store.instance()
    }

    /// Whether the store answers a query now, and still takes writes.
    pub async fn check(&self) -> Result<(), Error> {
        self.store.check().await
    }

    /// The store itself, for tests that hold it up or break it.
    #[cfg(test)]
    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// The apps and their settings.
    pub fn apps(&self) -> &Apps {
        &self.apps
    }

    /// Opens a session with a UserSig; the first login of a user makes the account. Devices that lose their place by
    /// the app's policy are told by a [`crate::bus::Hint::Kick`] before this returns. Because such a hint may pass
    /// between this and the gateway's registering the session, the gateway asks [`Rooms::check_login`] once it has.
    pub async fn login(&self, session: SessionId, login: Login) -> Result<Opened, Error> {
        self.accounts.login(session, &login).await
    }

    /// Whose session a token takes up, without a look into the store.
    pub fn owner_of(&self, resume: &Resume) -> Result<(SdkAppId, UserId), Error> {
        self.accounts.owner_of(resume)
    }

    /// Takes up an earlier session. 6208 where its place is lost.
    pub async fn resume(&self, session: SessionId, resume: Resume) -> Result<Opened, Error> {
        self.accounts.resume(session, &resume).await
    }

    /// Whether the login that a session stands on still has its place: 6208 where it has not.
    pub async fn check_login(&self, caller: &Caller) -> Result<(), Error> {
        self.accounts.check_login(caller).await
    }

    /// Ends the login and its resume tokens.
    pub async fn logout(&self, caller: &Caller) -> Result<Done, Error> {
        self.accounts.logout(caller).await
    }

    /// Profiles of up to 100 users.
    pub async fn get_profiles(&self, caller: &Caller, params: GetProfiles) -> Result<Profiles, Error> {
        self.accounts.get_profiles(caller, params).await
    }

    /// Changes the caller's own profile.
    pub async fn set_self_info(&self, caller: &Caller, params: SetSelfInfo) -> Result<SelfInfo, Error> {
        self.accounts.set_self_info(caller, params).await
    }

    /// Validates a message and puts it in the writer's queue; sends of one session keep the order of these calls. Waits
    /// only while the queue is full. What became of it is the ticket's to say.
    pub async fn submit_send(&self, caller: &Caller, request: u64, params: SendMessage) -> Result<SendTicket, Error> {
        self.messages.submit_send(caller, request, params).await
    }

    /// A page of a log.
    pub async fn get_messages(&self, caller: &Caller, params: GetMessages) -> Result<MessagePage, Error> {
        self.messages.get_messages(caller, params).await
    }

    /// What happened to a conversation beside its messages.
    pub async fn get_changes(&self, caller: &Caller, params: GetChanges) -> Result<ChangePage, Error> {
        self.conversations.get_changes(caller, params).await
    }

    /// Moves read positions forward. Many at once are moved in several operations, so that a call that is dropped, or
    /// fails midway, may have moved some of them.
    pub async fn mark_read(&self, caller: &Caller, params: MarkRead) -> Result<ConversationStates, Error> {
        self.conversations.mark_read(caller, params).await
    }

    /// A page of the heads that changed.
    pub async fn sync(&self, caller: &Caller, params: Sync) -> Result<SyncPage, Error> {
        self.conversations.sync(caller, params).await
    }

    /// Makes a group.
    pub async fn create_group(&self, caller: &Caller, params: CreateGroup) -> Result<CreatedGroup, Error> {
        self.groups.create(caller, params).await
    }

    /// Adds members.
    pub async fn invite_to_group(&self, caller: &Caller, params: InviteToGroup) -> Result<MemberResults, Error> {
        self.groups.invite(caller, params).await
    }

    /// Leaves a group.
    pub async fn quit_group(&self, caller: &Caller, params: QuitGroup) -> Result<Done, Error> {
        self.groups.quit(caller, params).await
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) mod world;
