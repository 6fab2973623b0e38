// SPDX-License-Identifier: Apache-2.0
//! Everything of one user on this device.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use hongyan_protocol::ids::{MessageId, SeqRange, UserId};
use tokio::sync::{Notify, Semaphore, watch};
use tokio::task::JoinHandle;

use crate::account::UserInfo;
use crate::client::core::Context;
use crate::connection::inbox::Inbox;
use crate::conversation::{self, Conversation};
use crate::error::ImError;
use crate::listener::events::ConversationRow;
use crate::message::outbox::Outbox;
use crate::message::{self, Message, MessageReceipt};
use crate::runtime;
use crate::store::Store;
use crate::sync::batch::{WriteError, Written};
use crate::sync::queries;
use crate::sync::task::Task;

/// Everything of one user on this device: the store and the tasks that work on it.
pub(crate) struct Local {
    pub(crate) context: Arc<Context>,
    pub(crate) store: Store,
    pub(crate) outbox: Arc<Outbox>,
    /// One, for a search or for a step of what makes old messages ready: the other reader stays free for everything else.
    /// None once this is closing. Whoever has it ends, for each of its waits does.
    pub(crate) search_turns: Arc<Semaphore>,
    user: UserId,
    inbox: Arc<Inbox>,
    /// Whether the heads were compared since the last connection: the store then knows every conversation's end.
    is_current: AtomicBool,
    /// Rises whenever the cache is dropped: what was asked of the server before belongs to another cache.
    generation: AtomicU64,
    /// Set when a reader found that the cache is not what the server has.
    pub(super) doubt: Notify,
    /// Set to end the tasks.
    closing: watch::Sender<bool>,
    /// The task, and what makes old messages ready for searches. Taken by whoever closes first.
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

impl std::fmt::Debug for Local {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Local").field("user", &self.user).finish_non_exhaustive()
    }
}

impl Local {
    /// Opens the user's store and starts the tasks on it; one takes from the inbox until [`Self::close`].
    pub(crate) async fn open(context: Arc<Context>, user: UserId) -> Result<Arc<Self>, ImError> {
        let settings = &context.settings;
        let server = settings.server.name();
        let store = Store::open(&settings.data_folder, server, settings.sdk_app_id, &user).await?;
        let local = Arc::new(Self {
            store,
            outbox: Arc::default(),
            search_turns: Arc::new(Semaphore::new(1)),
            user,
            inbox: Arc::default(),
            is_current: AtomicBool::new(false),
            generation: AtomicU64::new(0),
            doubt: Notify::new(),
            closing: watch::Sender::new(false),
            tasks: Mutex::default(),
            context,
        });
        let log = &local.context.log;
        let task = runtime::spawn(log, Task::new(&local).run(local.closing.subscribe()));
        let filling = runtime::spawn(log, message::search::fill(local.store.clone(), Arc::clone(&local.search_turns)));
        *local.tasks.lock().unwrap_or_else(PoisonError::into_inner) = vec![task, filling];
        Ok(local)
    }

    /// Whose it is.
    pub(crate) fn user(&self) -> &UserId {
        &self.user
    }

    /// Where the connection puts what it hears.
    pub(crate) fn inbox(&self) -> &Arc<Inbox> {
        &self.inbox
    }

    /// Whether the store knows every conversation's end.
    pub(crate) fn is_current(&self) -> bool {
        self.is_current.load(Ordering::Acquire)
    }

    pub(super) fn set_current(&self, is_current: bool) {
        self.is_current.store(is_current, Ordering::Release);
    }

    /// Which cache this is. It changes only while a write is running.
    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    pub(super) fn begin_generation(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
    }

    /// Has the cache loaded anew where an error says that it is not what the server has; the error for the caller.
    pub(crate) fn doubt(&self, error: WriteError) -> ImError {
        if let WriteError::Contradiction(what) = error {
            tracing::error!(user.id = %self.user, what, "the server contradicts the cache");
            self.doubt.notify_one();
        }
        error.into()
    }

    /// Ends the tasks and closes the store; returns when both have happened.
    pub(crate) async fn close(&self) {
        self.closing.send_replace(true);
        self.search_turns.close();
        let tasks = std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        for task in tasks {
            if let Err(error) = task.await {
                tracing::error!(user.id = %self.user, %error, "a task on the store ended badly");
            }
        }
        self.outbox.interrupt();
        self.store.close().await;
    }

    /// Tells listeners and callers of a write that was committed.
    pub(crate) fn announce(&self, written: Written) {
        for event in written.events {
            self.context.dispatcher.push(event);
        }
        for id in written.arrived {
            self.outbox.settle(id, &Ok(()));
        }
        for (id, code) in written.failed {
            self.outbox.settle(id, &Err(code.into()));
        }
    }

    /// For `on_recv_new_message`: at most `limit` of the range, rising, without what was sent from here.
    /// The next page begins after the last one's sequence.
    pub(crate) async fn new_messages(
        &self,
        conversation: ConversationRow,
        range: SeqRange,
        limit: u32,
    ) -> Result<Vec<Message>, ImError> {
        let mut reader = self.store.read().await?;
        let rows = message::queries::page_unheard(&mut reader, conversation, range, limit).await?;
        message::queries::show(&mut reader, &self.user, rows).await
    }

    /// The same of several ranges that hold no more than a page together, in their order.
    pub(crate) async fn new_messages_of(
        &self,
        ranges: &[(ConversationRow, SeqRange)],
    ) -> Result<Vec<Message>, ImError> {
        let mut reader = self.store.read().await?;
        let rows = message::queries::list_unheard(&mut reader, ranges).await?;
        message::queries::show(&mut reader, &self.user, rows).await
    }

    /// For `on_message_status_changed`: those of them that are in the store.
    pub(crate) async fn messages(&self, ids: &[MessageId]) -> Result<Vec<Message>, ImError> {
        let mut reader = self.store.read().await?;
        let rows = message::queries::find_by_ids(&mut reader, ids).await?;
        message::queries::show(&mut reader, &self.user, rows).await
    }

    /// For `on_recv_c2c_read_receipt`.
    pub(crate) async fn receipts(&self, rows: &[ConversationRow]) -> Result<Vec<MessageReceipt>, ImError> {
        let mut reader = self.store.read().await?;
        conversation::list::receipts(&mut reader, rows).await
    }

    /// For `on_new_conversation` and `on_conversation_changed`: those of them that are in the store.
    pub(crate) async fn conversations(&self, rows: &[ConversationRow]) -> Result<Vec<Conversation>, ImError> {
        let mut reader = self.store.read().await?;
        conversation::list::show_some(&mut reader, &self.user, rows).await
    }

    /// For `on_total_unread_message_count_changed`.
    pub(crate) async fn total_unread(&self) -> Result<i64, ImError> {
        let mut reader = self.store.read().await?;
        conversation::queries::total_unread(&mut reader).await
    }

    /// For `on_self_info_updated`: the user's own profile as last heard of.
    pub(crate) async fn self_info(&self) -> Result<Option<UserInfo>, ImError> {
        let mut reader = self.store.read().await?;
        Ok(Some(queries::load(&mut reader).await?.info(&self.user)))
    }
}
