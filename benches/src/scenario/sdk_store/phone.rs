// SPDX-License-Identifier: Apache-2.0
//! An app on the SDK that keeps a list of conversations and counts what it is told.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hongyan::{
    AdvancedMsgListener, ClientConfig, Conversation, ConversationListener, Element, HistoryDirection, HistoryOption,
    HistorySource, ImClient, ImError, KeywordListMatchType, LogLevel, Message, MessageReceipt, MessageSearchParam,
    Platform,
};
use hongyan_protocol::ids::UserId;
use tokio::sync::watch;

use crate::client::user_name;
use crate::payload::{Faults, Received, Stamp};
use crate::socket::broken;

/// How long anything here may take.
const WITHIN: Duration = Duration::from_secs(300);

/// Pushes on their way: fewer than the SDK lets wait, or it would compare heads instead of taking them.
const PUSHES_MAX: usize = 4_000;

/// The app of the measured servers. Nobody here checks who signs for it.
const APP: i64 = 1_400_000_001;

/// Conversations of one page that fills some screens, and of the largest page.
pub(super) const SCREENFUL: i32 = 100;
pub(super) const LARGEST_PAGE: i32 = 1_000;

/// An app that runs.
pub(super) struct Phone {
    client: Arc<ImClient>,
    heard: Arc<Heard>,
}

impl Phone {
    /// Starts it on a folder.
    pub(super) fn start(folder: &Path, server: SocketAddr) -> io::Result<Self> {
        let config = ClientConfig {
            sdk_app_id: APP,
            server_url: format!("http://{server}"),
            data_folder: folder.to_string_lossy().into_owned(),
            platform: Platform::Linux,
            log_level: LogLevel::Warn,
            is_insecure_allowed: false,
            extra_root_certificates: String::new(),
            public_key_pins: Vec::new(),
        };
        let client = ImClient::new(config, None).map_err(failed)?;
        let heard = Arc::<Heard>::default();
        client.conversations().add_conversation_listener(heard.clone());
        client.messages().add_advanced_msg_listener(heard.clone());
        Ok(Self { client, heard })
    }

    /// Opens what is stored, without a server.
    pub(super) async fn open(&self, user: &UserId) -> io::Result<()> {
        self.client.init_local_storage(user.to_string()).await.map_err(failed)
    }

    /// Logs in and waits until the list is up to date.
    pub(super) async fn log_in(&self, user: &UserId) -> io::Result<()> {
        self.client.login(user.to_string(), "signed".to_owned()).await.map_err(failed)?;
        until("the list is up to date", &self.heard.is_synced, |is_synced| *is_synced).await
    }

    /// What says how many pushes may have left.
    pub(super) fn allowed(&self) -> watch::Receiver<usize> {
        self.heard.allowed.subscribe()
    }

    /// Lets pushes come, and waits until so many are stored.
    pub(super) async fn store(&self, count: usize) -> io::Result<()> {
        self.heard.allowed.send_replace(PUSHES_MAX);
        until("all that was pushed is stored", &self.heard.stored, |stored| *stored >= count).await
    }

    /// Waits until the app was told of so many messages; gives what was wrong with them.
    pub(super) async fn hear(&self, count: usize) -> io::Result<Faults> {
        until("all that was pushed is told", &self.heard.told, |told| *told >= count).await?;
        Ok(self.heard.received.lock().unwrap_or_else(PoisonError::into_inner).1)
    }

    /// The first page of the list, as an app shows it.
    pub(super) async fn list_screenful(&self) -> io::Result<usize> {
        let page = self.client.conversations().get_conversation_list(None, SCREENFUL).await.map_err(failed)?;
        Ok(page.conversations.len())
    }

    /// The whole list; gives how many conversations and unread messages there are.
    pub(super) async fn list_all(&self) -> io::Result<(usize, usize)> {
        let (mut cursor, mut rows, mut unread) = (None, 0, 0);
        loop {
            let page = self.client.conversations().get_conversation_list(cursor, LARGEST_PAGE).await.map_err(failed)?;
            rows += page.conversations.len();
            unread += page.conversations.iter().map(|conversation| conversation.unread_count).sum::<i64>();
            cursor = page.next_cursor;
            if cursor.is_none() {
                return Ok((rows, usize::try_from(unread).unwrap_or(0)));
            }
        }
    }

    /// A page of a conversation's history that ends at a place; gives the sequences of its messages, falling.
    pub(super) async fn history(&self, peer: usize, last: usize, count: i32) -> io::Result<Vec<i64>> {
        let option = HistoryOption {
            conversation_id: format!("c2c_{}", user_name(peer)),
            direction: HistoryDirection::Older,
            source: HistorySource::Local,
            count,
            last_message_id: None,
            last_message_seq: i64::try_from(last).ok(),
        };
        let page = self.client.messages().get_history_message_list(option).await.map_err(failed)?;
        Ok(page.messages.iter().map(|message| message.seq).collect())
    }

    /// Searches all conversations for a word; gives how many there are on the first page of those that have it.
    pub(super) async fn search(&self, word: &str) -> io::Result<usize> {
        let param = MessageSearchParam {
            keyword_list: vec![word.to_owned()],
            keyword_list_match_type: KeywordListMatchType::Or,
            sender_user_id_list: Vec::new(),
            message_type_list: Vec::new(),
            conversation_id: None,
            search_time_position_ms: 0,
            search_time_period_ms: 0,
            page_index: 0,
            page_size: SCREENFUL,
        };
        let found = self.client.messages().search_local_messages(param).await.map_err(failed)?;
        Ok(found.message_search_result_items.len())
    }

    /// Ends it.
    pub(super) async fn close(self) {
        self.client.close().await;
    }
}

/// What the app was told.
#[derive(Debug, Default)]
struct Heard {
    is_synced: watch::Sender<bool>,
    /// Unread messages in all, which is how many of the pushed ones are stored: before, all were read.
    stored: watch::Sender<usize>,
    told: watch::Sender<usize>,
    allowed: watch::Sender<usize>,
    received: Mutex<(Received, Faults)>,
}

impl ConversationListener for Heard {
    fn on_sync_server_start(&self) {}

    fn on_sync_server_finish(&self) {
        self.is_synced.send_replace(true);
    }

    fn on_sync_server_failed(&self) {}

    fn on_new_conversation(&self, _conversations: Vec<Conversation>) {}

    fn on_conversation_changed(&self, _conversations: Vec<Conversation>) {}

    fn on_total_unread_message_count_changed(&self, total_unread_count: i64) {
        let stored = usize::try_from(total_unread_count).unwrap_or(0);
        self.stored.send_replace(stored);
        self.allowed.send_if_modified(|allowed| {
            let is_raised = *allowed > 0 && stored + PUSHES_MAX > *allowed;
            if is_raised {
                *allowed = stored + PUSHES_MAX;
            }
            is_raised
        });
    }
}

impl AdvancedMsgListener for Heard {
    fn on_recv_new_message(&self, messages: Vec<Message>) {
        let mut received = self.received.lock().unwrap_or_else(PoisonError::into_inner);
        let (received, faults) = &mut *received;
        for message in &messages {
            let Some(Element::Text { text }) = message.elements.first() else { continue };
            if let Some(Stamp { sender, number, sent_us }) = Stamp::find(text.as_bytes()) {
                // The first of each conversation was there before.
                received.take(Stamp { sender, number: number - 1, sent_us }, faults);
            }
        }
        self.told.send_modify(|told| *told += messages.len());
    }

    fn on_recv_c2c_read_receipt(&self, _receipts: Vec<MessageReceipt>) {}

    fn on_message_status_changed(&self, _messages: Vec<Message>) {}
}

async fn until<T>(what: &str, told: &watch::Sender<T>, is_enough: impl FnMut(&T) -> bool) -> io::Result<()> {
    let mut told = told.subscribe();
    let waited = tokio::time::timeout(WITHIN, told.wait_for(is_enough)).await;
    match waited {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(_)) | Err(_) => Err(broken(format!("it never came that {what}"))),
    }
}

fn failed(error: ImError) -> io::Error {
    broken(error.to_string())
}
