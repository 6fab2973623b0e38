// SPDX-License-Identifier: Apache-2.0
//! A user's device: a real client in a folder of its own, with listeners that keep what they hear.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use hongyan::conversation::Conversation;
use hongyan::group::CreateGroupOption;
use hongyan::message::{HistoryDirection, HistoryOption, HistoryPage, HistorySource, Message};
use hongyan::{ClientConfig, ImClient, ImError, LogLevel, LogListener, Platform};
use hongyan_protocol::clock::Clock;
use tempfile::TempDir;
use tokio::task::JoinHandle;

use super::app::App;
use super::certificates::Authority;
use super::proxy::Proxy;
use super::recorder::{Heard, Recorder};
use super::view::{Line, line};
use super::wait::{eventually, within};

/// What a device will be.
#[derive(Clone)]
pub struct DeviceSpec {
    app: App,
    user: String,
    url: String,
    platform: Platform,
    clock: Option<Clock>,
    folder: Option<Folder>,
    extra_roots: String,
    pins: Vec<String>,
}

/// Where a device keeps its data.
#[derive(Clone)]
struct Folder {
    path: PathBuf,
    /// Removes a temporary folder with the last device in it.
    _removal: Option<Arc<TempDir>>,
}

impl Folder {
    fn temporary() -> Self {
        let folder = tempfile::tempdir().expect("a folder for a device");
        Self { path: folder.path().to_owned(), _removal: Some(Arc::new(folder)) }
    }
}

impl DeviceSpec {
    /// A new Android phone.
    pub fn new(app: App, user: &str, url: String) -> Self {
        Self {
            app,
            user: user.to_owned(),
            url,
            platform: Platform::Android,
            clock: None,
            folder: None,
            extra_roots: String::new(),
            pins: Vec::new(),
        }
    }

    /// Of another tenant.
    pub fn of_app(mut self, app: &App) -> Self {
        self.app = app.clone();
        self
    }

    /// On another platform.
    pub fn on(mut self, platform: Platform) -> Self {
        self.platform = platform;
        self
    }

    /// Behind a proxy.
    pub fn through(mut self, proxy: &Proxy) -> Self {
        self.url = proxy.url();
        self
    }

    /// With a clock that the test moves.
    pub fn with_clock(mut self, clock: Clock) -> Self {
        self.clock = Some(clock);
        self
    }

    /// At another address of the server.
    pub fn at(mut self, url: impl Into<String>) -> Self {
        self.url = url.into();
        self
    }

    /// Trusting an authority beside those that browsers trust.
    pub fn trusting(mut self, authority: &Authority) -> Self {
        self.extra_roots = authority.certificate();
        self
    }

    /// Trusting only what has one of these keys.
    pub fn pinning(mut self, pins: &[String]) -> Self {
        self.pins = pins.to_vec();
        self
    }

    /// In the folder of an earlier device.
    pub fn in_folder_of(mut self, device: &Device) -> Self {
        self.folder = Some(device.folder.clone());
        self
    }

    /// In a folder that somebody else removes.
    pub fn in_folder(mut self, path: impl Into<PathBuf>) -> Self {
        self.folder = Some(Folder { path: path.into(), _removal: None });
        self
    }

    /// The device, its client made and not logged in.
    pub fn open(self) -> Device {
        let folder = self.folder.clone().unwrap_or_else(Folder::temporary);
        let clock = self.clock.clone().unwrap_or_else(Clock::system);
        let config = config(&self, &folder.path);
        let client = ImClient::with_clock(config, LogPrinter::wanted(&self), clock.clone())
            .expect("a good config makes a client");
        let heard = Recorder::new();
        // Subscriptions last until the client is closed, whether or not the handle is kept.
        let _ = client.add_sdk_listener(heard.clone());
        let _ = client.messages().add_advanced_msg_listener(heard.clone());
        let _ = client.conversations().add_conversation_listener(heard.clone());
        Device { client, heard, clock, folder, spec: self }
    }

    /// The device, logged in and up to date.
    pub async fn login(self) -> Device {
        let device = self.open();
        device.login().await.unwrap_or_else(|error| panic!("{} cannot log in: {error}", device.spec.user));
        device
    }
}

fn config(spec: &DeviceSpec, folder: &Path) -> ClientConfig {
    ClientConfig {
        sdk_app_id: spec.app.id.get(),
        server_url: spec.url.clone(),
        data_folder: folder.to_str().expect("a temporary folder has a plain name").to_owned(),
        platform: spec.platform,
        log_level: LogLevel::Debug,
        is_insecure_allowed: false,
        extra_root_certificates: spec.extra_roots.clone(),
        public_key_pins: spec.pins.clone(),
    }
}

/// Prints what a client logs, where `HONGYAN_TEST_LOG` is set.
struct LogPrinter(String);

impl LogPrinter {
    fn wanted(spec: &DeviceSpec) -> Option<Arc<dyn LogListener>> {
        std::env::var_os("HONGYAN_TEST_LOG")?;
        Some(Arc::new(Self(format!("{} on {:?}", spec.user, spec.platform))))
    }
}

impl LogListener for LogPrinter {
    #[expect(clippy::print_stderr, reason = "it was asked for")]
    fn on_log(&self, level: LogLevel, text: String) {
        eprintln!("{}: {level:?} {text}", self.0);
    }
}

/// A device with its client.
pub struct Device {
    pub client: Arc<ImClient>,
    pub heard: Arc<Recorder>,
    pub clock: Clock,
    folder: Folder,
    spec: DeviceSpec,
}

/// A message on its way: in the store of its device, and maybe no further.
pub struct Queued {
    pub id: String,
    end: JoinHandle<Result<Message, ImError>>,
}

impl Queued {
    /// What became of it.
    pub async fn end(self) -> Result<Message, ImError> {
        within("the end of a send", self.end).await.expect("a send does not panic")
    }
}

impl Device {
    pub fn user(&self) -> &str {
        &self.spec.user
    }

    pub fn platform(&self) -> Platform {
        self.spec.platform
    }

    pub fn app(&self) -> &App {
        &self.spec.app
    }

    pub fn url(&self) -> &str {
        &self.spec.url
    }

    pub fn folder(&self) -> &Path {
        &self.folder.path
    }

    /// Logs in and waits until the conversations are up to date.
    pub async fn login(&self) -> Result<(), ImError> {
        let seen = self.heard.count();
        self.login_with(&self.spec.app.sign(&self.spec.user)).await?;
        self.synced_after(seen).await;
        Ok(())
    }

    /// Logs in with a ticket.
    pub async fn login_with(&self, user_sig: &str) -> Result<(), ImError> {
        within("the end of a login", self.client.login(self.spec.user.clone(), user_sig.to_owned())).await
    }

    /// Waits for a sync that ends after the first `seen` calls of listeners.
    pub async fn synced_after(&self, seen: usize) {
        self.heard.wait_for_one_after(seen, "a sync", |heard| matches!(heard, Heard::SyncFinish)).await;
    }

    pub async fn close(&self) {
        within("the end of a client", self.client.close()).await;
    }

    /// Closes the client and opens another on the same folder, as an app that was started again. It is not logged in.
    pub async fn reopen(self) -> Self {
        self.close().await;
        self.spec.clone().in_folder_of(&self).open()
    }

    /// Sends a text and waits for its end.
    pub async fn send_text(&self, conversation: &str, text: &str) -> Result<Message, ImError> {
        let message = self.client.messages().create_text_message(text.to_owned())?;
        self.client.messages().send_message(message, conversation.to_owned()).await
    }

    /// Sends a text that nothing hinders.
    pub async fn sends(&self, conversation: &str, text: &str) -> Message {
        let sent = within("the end of a send", self.send_text(conversation, text)).await;
        sent.unwrap_or_else(|error| panic!("{} cannot send to {conversation}: {error}", self.spec.user))
    }

    /// Begins to send a text and waits only until it is in the store, so that what is queued next comes after it.
    pub async fn queue_text(&self, conversation: &str, text: &str) -> Queued {
        let messages = self.client.messages();
        let message = messages.create_text_message(text.to_owned()).expect("a good text makes a message");
        let id = message.message_id.clone();
        let sending = Arc::clone(&messages);
        let conversation = conversation.to_owned();
        let end = tokio::spawn(async move { sending.send_message(message, conversation).await });
        eventually("a queued message in the store", async || {
            let found = messages.find_messages(vec![id.clone()]).await.expect("the store can be read");
            if found.len() == 1 || end.is_finished() { Ok(()) } else { Err("it is not there") }
        })
        .await;
        Queued { id, end }
    }

    /// Makes a Work group of this user and others, and gives its id.
    pub async fn create_group(&self, group_id: Option<&str>, name: &str, members: &[&str]) -> Result<String, ImError> {
        let option = CreateGroupOption {
            group_type: "Work".to_owned(),
            group_id: group_id.map(str::to_owned),
            group_name: name.to_owned(),
            face_url: String::new(),
            member_list: members.iter().map(ToString::to_string).collect(),
        };
        within("a new group", self.client.groups().create_group(option)).await
    }

    /// A page of history.
    pub async fn page(&self, option: HistoryOption) -> Result<HistoryPage, ImError> {
        within("a page of history", self.client.messages().get_history_message_list(option)).await
    }

    /// The whole history as this device shows it, oldest first, paged back from the newest.
    pub async fn history(&self, conversation: &str, source: HistorySource) -> Result<Vec<Line>, ImError> {
        const PAGE: i32 = 100;
        let mut lines = Vec::new();
        let mut last_message_id = None;
        loop {
            let option = HistoryOption { source, count: PAGE, last_message_id, ..newest(conversation) };
            let page = self.page(option).await?;
            lines.extend(page.messages.iter().map(line));
            last_message_id = page.messages.last().map(|message| message.message_id.clone());
            if page.is_finished {
                lines.reverse();
                return Ok(lines);
            }
            assert!(last_message_id.is_some(), "a page that is not the last holds messages");
        }
    }

    /// The whole history, with what only the server holds.
    pub async fn cloud_history(&self, conversation: &str) -> Vec<Line> {
        let history = self.history(conversation, HistorySource::Cloud).await;
        history.unwrap_or_else(|error| panic!("{}: the history of {conversation}: {error}", self.spec.user))
    }

    /// The conversation list, all pages of it.
    pub async fn conversations(&self) -> Vec<Conversation> {
        let mut all = Vec::new();
        let mut cursor = None;
        loop {
            let page =
                self.client.conversations().get_conversation_list(cursor, 50).await.expect("the list can be read");
            all.extend(page.conversations);
            cursor = page.next_cursor;
            if cursor.is_none() {
                return all;
            }
        }
    }

    pub async fn conversation(&self, id: &str) -> Result<Conversation, ImError> {
        within("a conversation", self.client.conversations().get_conversation(id.to_owned())).await
    }

    /// How many messages of a conversation are unread; none where it is not in the list.
    pub async fn unread(&self, id: &str) -> i64 {
        self.conversations().await.iter().find(|one| one.conversation_id == id).map_or(0, |one| one.unread_count)
    }

    pub async fn total_unread(&self) -> i64 {
        let conversations = self.client.conversations();
        within("the total of unread", conversations.get_total_unread_message_count())
            .await
            .expect("the total can be read")
    }

    /// Marks everything in a conversation as read: `c2c_…`, `group_…`, `c2c`, `group` or all.
    pub async fn mark_read(&self, id: &str) -> Result<(), ImError> {
        let conversations = self.client.conversations();
        let done = conversations.clean_conversation_unread_message_count(id.to_owned(), 0, 0);
        within("the end of marking", done).await
    }
}

/// The newest page of a conversation, with what only the server holds.
pub fn newest(conversation: &str) -> HistoryOption {
    HistoryOption {
        conversation_id: conversation.to_owned(),
        direction: HistoryDirection::Older,
        source: HistorySource::Cloud,
        count: 20,
        last_message_id: None,
        last_message_seq: None,
    }
}
