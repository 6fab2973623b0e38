// SPDX-License-Identifier: Apache-2.0
//! A listener that keeps what it hears, so that a test can wait for it.

use std::sync::{Arc, Mutex};

use hongyan::conversation::Conversation;
use hongyan::message::{Message, MessageReceipt};
use hongyan::{AdvancedMsgListener, ConversationListener, SdkListener, UserInfo};
use tokio::sync::watch;

use super::view::text;
use super::wait::within;

/// One call of a listener.
#[derive(Debug, Clone)]
pub enum Heard {
    Connecting,
    Connected,
    ConnectFailed(i32),
    KickedOffline,
    UserSigExpired,
    SelfInfo(UserInfo),
    Messages(Vec<Message>),
    Receipts(Vec<MessageReceipt>),
    Status(Vec<Message>),
    SyncStart,
    SyncFinish,
    SyncFailed,
    ConversationsNew(Vec<Conversation>),
    ConversationsChanged(Vec<Conversation>),
    TotalUnread(i64),
}

/// What one client's listeners heard since it was made, in order.
#[derive(Default)]
pub struct Recorder {
    heard: Mutex<Vec<Heard>>,
    count: watch::Sender<usize>,
}

impl Recorder {
    pub fn new() -> Arc<Self> {
        Arc::new(Self::default())
    }

    fn note(&self, heard: Heard) {
        let mut all = self.heard.lock().expect("nothing panics while it holds this");
        all.push(heard);
        self.count.send_replace(all.len());
    }

    /// All until now.
    pub fn all(&self) -> Vec<Heard> {
        self.heard.lock().expect("nothing panics while it holds this").clone()
    }

    /// How many calls until now: what came before can be told from what comes after.
    pub fn count(&self) -> usize {
        *self.count.borrow()
    }

    /// Waits until what was heard fulfils a condition.
    pub async fn wait_for<T>(&self, what: &str, mut condition: impl FnMut(&[Heard]) -> Option<T>) -> T {
        let mut count = self.count.subscribe();
        let found = within(what, async {
            loop {
                count.borrow_and_update();
                if let Some(found) = condition(&self.all()) {
                    return found;
                }
                count.changed().await.expect("the recorder holds the sender");
            }
        });
        found.await
    }

    /// Waits until one call fulfils a condition.
    pub async fn wait_for_one(&self, what: &str, mut condition: impl FnMut(&Heard) -> bool) {
        self.wait_for(what, |heard| heard.iter().any(&mut condition).then_some(())).await;
    }

    /// The same, among what was heard after the first `seen` calls.
    pub async fn wait_for_one_after(&self, seen: usize, what: &str, mut condition: impl FnMut(&Heard) -> bool) {
        self.wait_for(what, |heard| heard.iter().skip(seen).any(&mut condition).then_some(())).await;
    }

    /// Every message heard of as new, in order.
    pub fn messages(&self) -> Vec<Message> {
        new_messages(&self.all())
    }

    /// Waits until so many messages were heard of as new, and gives them in order.
    pub async fn wait_for_messages(&self, count: usize) -> Vec<Message> {
        let what = format!("{count} new messages");
        self.wait_for(&what, |heard| {
            let messages = new_messages(heard);
            (messages.len() >= count).then_some(messages)
        })
        .await
    }

    /// Waits until so many texts were heard of as new, and gives them in order.
    pub async fn wait_for_texts(&self, count: usize) -> Vec<String> {
        let what = format!("{count} new texts");
        self.wait_for(&what, |heard| {
            let texts: Vec<String> = new_messages(heard).iter().map(text).filter(|text| !text.is_empty()).collect();
            (texts.len() >= count).then_some(texts)
        })
        .await
    }
}

fn new_messages(heard: &[Heard]) -> Vec<Message> {
    let batches = heard.iter().filter_map(|heard| match heard {
        Heard::Messages(messages) => Some(messages),
        _ => None,
    });
    batches.flatten().cloned().collect()
}

impl SdkListener for Recorder {
    fn on_connecting(&self) {
        self.note(Heard::Connecting);
    }

    fn on_connect_success(&self) {
        self.note(Heard::Connected);
    }

    fn on_connect_failed(&self, code: i32, _detail: String) {
        self.note(Heard::ConnectFailed(code));
    }

    fn on_kicked_offline(&self) {
        self.note(Heard::KickedOffline);
    }

    fn on_user_sig_expired(&self) {
        self.note(Heard::UserSigExpired);
    }

    fn on_self_info_updated(&self, info: UserInfo) {
        self.note(Heard::SelfInfo(info));
    }
}

impl AdvancedMsgListener for Recorder {
    fn on_recv_new_message(&self, messages: Vec<Message>) {
        self.note(Heard::Messages(messages));
    }

    fn on_recv_c2c_read_receipt(&self, receipts: Vec<MessageReceipt>) {
        self.note(Heard::Receipts(receipts));
    }

    fn on_message_status_changed(&self, messages: Vec<Message>) {
        self.note(Heard::Status(messages));
    }
}

impl ConversationListener for Recorder {
    fn on_sync_server_start(&self) {
        self.note(Heard::SyncStart);
    }

    fn on_sync_server_finish(&self) {
        self.note(Heard::SyncFinish);
    }

    fn on_sync_server_failed(&self) {
        self.note(Heard::SyncFailed);
    }

    fn on_new_conversation(&self, conversations: Vec<Conversation>) {
        self.note(Heard::ConversationsNew(conversations));
    }

    fn on_conversation_changed(&self, conversations: Vec<Conversation>) {
        self.note(Heard::ConversationsChanged(conversations));
    }

    fn on_total_unread_message_count_changed(&self, total: i64) {
        self.note(Heard::TotalUnread(total));
    }
}
