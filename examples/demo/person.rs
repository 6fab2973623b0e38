// SPDX-License-Identifier: Apache-2.0
//! One person at one device: a client of the SDK in a folder of its own, and what it has heard.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use hongyan::conversation::Conversation;
use hongyan::message::{HistoryDirection, HistoryOption, HistorySource, Message, MessageReceipt};
use hongyan::{
    AdvancedMsgListener, ClientConfig, ConversationListener, ImClient, LogLevel, Platform, SdkListener, UserInfo,
};
use tokio::sync::watch;

use crate::App;
use crate::failure::{Doing, Failure};
use crate::house::House;
use crate::say;
use crate::stage::{Stage, Who};
use crate::within;

/// More lines than these from one event are told as one.
const LINES_PER_EVENT_MAX: usize = 4;
const HISTORY_PAGE: i32 = 20;

/// How a person's connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Connection {
    /// There was none yet.
    #[default]
    Never,
    /// It is up.
    Up,
    /// It was lost and is being made again.
    Lost,
    /// It was lost, and making it again has failed at least once.
    Refused,
}

/// What a person has heard from the SDK's listeners.
#[derive(Debug, Default)]
pub struct Heard {
    /// How the connection is.
    pub connection: Connection,
    /// How often conversations were brought up to date.
    pub syncs: usize,
    /// New messages, in the order in which they were reported.
    pub messages: Vec<Message>,
    /// How far each peer has read, by conversation.
    pub read_by_peer: HashMap<String, i64>,
    /// The number of all unread messages.
    pub unread: i64,
    /// The text of each conversation's last message.
    pub last_texts: HashMap<String, String>,
}

/// A person at a device.
pub struct Person {
    /// Who.
    pub who: Who,
    /// The SDK.
    pub client: Arc<ImClient>,
    stage: Arc<Stage>,
    heard: watch::Receiver<Heard>,
    device: &'static str,
}

/// A device to sit down at.
pub struct Device<'a> {
    /// What stands before what it shows; nothing for the person's first one.
    pub name: &'static str,
    /// Its kind.
    pub platform: Platform,
    /// Whose house it stands in.
    pub house: &'a House,
    /// Where the SDK keeps its data.
    pub folder: PathBuf,
}

impl Person {
    /// Starts the app on a device, without logging in.
    pub fn sit_down(stage: &Arc<Stage>, who: Who, device: &Device<'_>, app: &App) -> Result<Self, Failure> {
        let config = ClientConfig {
            sdk_app_id: app.sdk_app_id,
            server_url: app.server_url.clone(),
            data_folder: device.folder.join(who.id()).to_string_lossy().into_owned(),
            platform: device.platform,
            log_level: LogLevel::Info,
            is_insecure_allowed: false,
            extra_root_certificates: String::new(),
            public_key_pins: Vec::new(),
        };
        let client = ImClient::new(config, None).doing("making a client")?;
        device.house.note(&client);
        let (sender, heard) = watch::channel(Heard::default());
        let ears = Arc::new(Ears { who, device: device.name, stage: Arc::clone(stage), heard: sender });
        client.add_sdk_listener(Arc::clone(&ears) as Arc<dyn SdkListener>);
        client.messages().add_advanced_msg_listener(Arc::clone(&ears) as Arc<dyn AdvancedMsgListener>);
        client.conversations().add_conversation_listener(ears);
        Ok(Self { who, client, stage: Arc::clone(stage), heard, device: device.name })
    }

    /// Logs in and waits until the conversations are up to date.
    pub async fn log_in(&self, app: &App) -> Result<(), Failure> {
        let user_sig = app.user_sig(self.who)?;
        self.client.login(self.who.id().to_owned(), user_sig).await.doing(format!("{} logs in", self.who.id()))?;
        self.until("conversations that are up to date", |heard| heard.syncs > 0).await
    }

    /// Ends the app on this device.
    pub async fn leave(self) {
        self.client.close().await;
        self.shows("○ has closed the app");
    }

    /// Prints something in this person's column.
    pub fn shows(&self, text: &str) {
        self.stage.sees(self.who, &format!("{}{text}", self.device));
    }

    /// Sends a text to a conversation and waits until the server has it.
    pub async fn say(&self, conversation_id: &str, text: &str) -> Result<Message, Failure> {
        self.shows(&format!("→ {text}"));
        let messages = self.client.messages();
        let what = || format!("{} sends “{text}”", self.who.id());
        let message = messages.create_text_message(text.to_owned()).doing(what())?;
        let sending = messages.send_message(message, conversation_id.to_owned());
        let sent = within(&what(), sending).await?.doing(what())?;
        self.shows(&format!("✓ sent as {}", sent.seq));
        Ok(sent)
    }

    /// Waits until what was heard is enough.
    pub async fn until(&self, what: &str, is_enough: impl FnMut(&Heard) -> bool) -> Result<(), Failure> {
        let mut heard = self.heard.clone();
        let wait = within(&format!("{} waits for {what}", self.who.id()), heard.wait_for(is_enough)).await?;
        wait.map(drop).doing("listening")
    }

    /// Waits for a new message with this text.
    pub async fn until_heard(&self, text: &str) -> Result<(), Failure> {
        let is_it = |heard: &Heard| heard.messages.iter().any(|message| say::text(message) == text);
        self.until(&format!("“{text}”"), is_it).await
    }

    /// What was heard until now.
    pub fn heard(&self) -> watch::Ref<'_, Heard> {
        self.heard.borrow()
    }

    /// The whole history of a conversation as the server has it, oldest first.
    pub async fn history(&self, conversation_id: &str) -> Result<Vec<Message>, Failure> {
        let pages = self.pages(conversation_id, HISTORY_PAGE).await?;
        Ok(pages.into_iter().flatten().rev().collect())
    }

    /// The same by pages, the newest page first and the newest message first in each.
    pub async fn pages(&self, conversation_id: &str, count: i32) -> Result<Vec<Vec<Message>>, Failure> {
        let mut pages = Vec::new();
        let mut last_message_id = None;
        loop {
            let option = HistoryOption {
                conversation_id: conversation_id.to_owned(),
                direction: HistoryDirection::Older,
                source: HistorySource::Cloud,
                count,
                last_message_id,
                last_message_seq: None,
            };
            let page = self.client.messages().get_history_message_list(option).await;
            let page = page.doing(format!("{} reads history", self.who.id()))?;
            last_message_id = page.messages.last().map(|message| message.message_id.clone());
            if last_message_id.is_some() {
                pages.push(page.messages);
            }
            if page.is_finished || last_message_id.is_none() {
                return Ok(pages);
            }
        }
    }

    /// One conversation of the list.
    pub async fn conversation(&self, conversation_id: &str) -> Result<Conversation, Failure> {
        let conversation = self.client.conversations().get_conversation(conversation_id.to_owned()).await;
        conversation.doing(format!("{} looks at {conversation_id}", self.who.id()))
    }

    /// Reads a conversation to its end, or all of them where none is named, and waits until nothing is unread.
    pub async fn read(&self, conversation_id: &str) -> Result<(), Failure> {
        let conversations = self.client.conversations();
        let read = conversations.clean_conversation_unread_message_count(conversation_id.to_owned(), 0, 0).await;
        read.doing(format!("{} reads {conversation_id}", self.who.id()))?;
        let unread = conversations.get_total_unread_message_count().await.doing("counting what is unread")?;
        if unread != 0 {
            return Err(Failure::new(format!("{} has {unread} unread messages after reading", self.who.id())));
        }
        self.until("no unread message", |heard| heard.unread == 0).await
    }
}

/// Hears for a person: prints what comes and keeps it.
struct Ears {
    who: Who,
    device: &'static str,
    stage: Arc<Stage>,
    heard: watch::Sender<Heard>,
}

impl Ears {
    fn shows(&self, text: &str) {
        self.stage.sees(self.who, &format!("{}{text}", self.device));
    }

    /// Attempts repeat themselves; only what changes is worth a line.
    fn connection(&self, connection: Connection, text: &str) {
        let is_new = self.heard.borrow().connection != connection;
        if is_new {
            self.shows(text);
            self.heard.send_modify(|heard| heard.connection = connection);
        }
    }

    fn conversations(&self, conversations: Vec<Conversation>) {
        self.heard.send_modify(|heard| {
            for conversation in conversations {
                let text = conversation.last_message.as_ref().map(say::text).unwrap_or_default();
                heard.last_texts.insert(conversation.conversation_id, text);
            }
        });
    }
}

impl SdkListener for Ears {
    fn on_connecting(&self) {
        let is_up = self.heard.borrow().connection == Connection::Up;
        if is_up {
            self.connection(Connection::Lost, "◌ connection lost");
        }
    }

    fn on_connect_success(&self) {
        self.connection(Connection::Up, "● connected");
    }

    fn on_connect_failed(&self, _: i32, _: String) {
        self.connection(Connection::Refused, "○ cannot reach the server");
    }

    fn on_kicked_offline(&self) {
        self.connection(Connection::Refused, "○ kicked offline");
    }

    fn on_user_sig_expired(&self) {
        self.connection(Connection::Refused, "○ the UserSig has ended");
    }

    fn on_self_info_updated(&self, _: UserInfo) {}
}

impl AdvancedMsgListener for Ears {
    fn on_recv_new_message(&self, messages: Vec<Message>) {
        match messages.as_slice() {
            few if few.len() <= LINES_PER_EVENT_MAX => few.iter().for_each(|new| self.shows(&say::line(new))),
            many => self.shows(&format!("← {} messages at once", many.len())),
        }
        self.heard.send_modify(|heard| heard.messages.extend(messages));
    }

    fn on_recv_c2c_read_receipt(&self, receipts: Vec<MessageReceipt>) {
        for receipt in receipts {
            self.shows(&format!("✓✓ {} has read up to {}", receipt.user_id, receipt.seq));
            self.heard.send_modify(|heard| {
                heard.read_by_peer.insert(receipt.conversation_id, receipt.seq);
            });
        }
    }

    fn on_message_status_changed(&self, _: Vec<Message>) {}
}

impl ConversationListener for Ears {
    fn on_sync_server_start(&self) {}

    fn on_sync_server_finish(&self) {
        self.heard.send_modify(|heard| heard.syncs += 1);
    }

    fn on_sync_server_failed(&self) {}

    fn on_new_conversation(&self, conversations: Vec<Conversation>) {
        self.conversations(conversations);
    }

    fn on_conversation_changed(&self, conversations: Vec<Conversation>) {
        self.conversations(conversations);
    }

    fn on_total_unread_message_count_changed(&self, total_unread_count: i64) {
        self.shows(&format!("{total_unread_count} unread"));
        self.heard.send_modify(|heard| heard.unread = total_unread_count);
    }
}
