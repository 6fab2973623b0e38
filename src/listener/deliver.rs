// SPDX-License-Identifier: Apache-2.0
//! Reads what references stand for and calls the listeners. Runs on the dispatcher's thread.

use std::future::Future;
use std::sync::{Arc, Weak};

use hongyan_protocol::ids::{MessageId, Seq, SeqRange};
use tracing::{Dispatch, error};

use crate::client::core::Core;
use crate::conversation::Conversation;
use crate::error::ImError;
use crate::listener::events::ConversationRow;
use crate::listener::queue::{Batch, ConnectionEvent, SyncEvent};
use crate::listener::registry::call_guarded;
use crate::listener::{ConversationListener, Listeners, LogListener};
use crate::message::Message;
use crate::runtime;
use crate::sync::Local;

/// How many bodies are in memory at once, and in one call.
const PAGE_MAX: usize = 100;

/// What the dispatcher's thread works with.
pub(crate) struct Delivery {
    core: Weak<Core>,
    log_listener: Option<Arc<dyn LogListener>>,
    log: Dispatch,
}

impl Delivery {
    pub(crate) fn new(core: Weak<Core>, log_listener: Option<Arc<dyn LogListener>>, log: Dispatch) -> Self {
        Self { core, log_listener, log }
    }

    /// Tells the listeners one batch, whose references point into the store of this number.
    pub(crate) fn deliver(&self, batch: Batch, store: u64) {
        if let Batch::Log(lines) = batch {
            let Some(listener) = &self.log_listener else { return };
            for (level, text) in lines {
                // What this one throws is not logged: the line would come back to it.
                let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| listener.on_log(level, text)));
            }
            return;
        }
        tracing::dispatcher::with_default(&self.log, || {
            let Some(core) = self.core.upgrade() else { return };
            // Also what the SDK itself might get wrong here must not end the thread.
            call_guarded(|| deliver(&Source { core: &core, store }, batch));
        });
    }
}

/// Where a batch comes from.
#[derive(Clone, Copy)]
struct Source<'a> {
    core: &'a Core,
    store: u64,
}

impl Source<'_> {
    fn listeners(&self) -> &Listeners {
        &self.core.listeners
    }

    /// The store that the batch points into, if it is still the one that is open. Its number changes before another
    /// is opened: looked at after the store was found, it tells them apart.
    fn find_local(&self) -> Option<Arc<Local>> {
        let local = self.core.find_local()?;
        (self.core.context.dispatcher.store_number() == self.store).then_some(local)
    }
}

fn deliver(source: &Source<'_>, batch: Batch) {
    match batch {
        Batch::Connection(events) => events.into_iter().for_each(|event| connection(source, &event)),
        Batch::Sync(events) => events.into_iter().for_each(|event| sync(source, event)),
        Batch::SelfInfo => self_info(source),
        Batch::NewMessages(conversations) => new_messages(source, conversations),
        Batch::MessageStatus(ids) => ids.chunks(PAGE_MAX).for_each(|ids| statuses(source, ids)),
        Batch::ReadReceipt(rows) => rows.chunks(PAGE_MAX).for_each(|rows| receipts(source, rows)),
        Batch::ConversationNew(rows) => rows
            .chunks(PAGE_MAX)
            .for_each(|rows| conversations(source, rows, |listener, page| listener.on_new_conversation(page))),
        Batch::ConversationChanged(rows) => rows
            .chunks(PAGE_MAX)
            .for_each(|rows| conversations(source, rows, |listener, page| listener.on_conversation_changed(page))),
        Batch::TotalUnread => total_unread(source),
        Batch::Log(_) => {}
    }
}

fn connection(source: &Source<'_>, event: &ConnectionEvent) {
    source.listeners().sdk.notify(|listener| match event {
        ConnectionEvent::Connecting => listener.on_connecting(),
        ConnectionEvent::Success => listener.on_connect_success(),
        ConnectionEvent::Failed { code, detail } => listener.on_connect_failed(code.0, detail.clone()),
        ConnectionEvent::KickedOffline => listener.on_kicked_offline(),
        ConnectionEvent::UserSigExpired => listener.on_user_sig_expired(),
    });
}

fn sync(source: &Source<'_>, event: SyncEvent) {
    source.listeners().conversation.notify(|listener| match event {
        SyncEvent::Start => listener.on_sync_server_start(),
        SyncEvent::Finish => listener.on_sync_server_finish(),
        SyncEvent::Failed => listener.on_sync_server_failed(),
    });
}

fn self_info(source: &Source<'_>) {
    if let Some(Some(info)) = read(source, |local| async move { local.self_info().await }) {
        source.listeners().sdk.notify(|listener| listener.on_self_info_updated(info.clone()));
    }
}

/// Messages of several conversations go together, those of one in its order.
fn new_messages(source: &Source<'_>, conversations: Vec<(ConversationRow, Vec<SeqRange>)>) {
    if source.listeners().message.is_empty() {
        return;
    }
    let tell = |messages: Vec<Message>| {
        if !messages.is_empty() {
            source.listeners().message.notify(|listener| listener.on_recv_new_message(messages.clone()));
        }
    };
    let mut messages = Vec::new();
    for (conversation, ranges) in conversations {
        for mut range in ranges {
            while let Some(next) = read_page(source, conversation, range, &mut messages) {
                range.from = next;
                if messages.len() >= PAGE_MAX {
                    tell(std::mem::take(&mut messages));
                }
            }
        }
    }
    tell(messages);
}

/// Adds as many messages as there is room for; gives where the next page begins, nothing at the end.
fn read_page(
    source: &Source<'_>,
    conversation: ConversationRow,
    range: SeqRange,
    messages: &mut Vec<Message>,
) -> Option<Seq> {
    if range.is_empty() {
        return None;
    }
    let limit = u32::try_from(PAGE_MAX.saturating_sub(messages.len())).unwrap_or(0).max(1);
    let page = read(source, |local| async move { local.new_messages(conversation, range, limit).await })?;
    let last = Seq::parse(page.last()?.seq).ok().filter(|last| *last >= range.from)?;
    messages.extend(page);
    Some(last.next())
}

fn statuses(source: &Source<'_>, ids: &[MessageId]) {
    let ids = ids.to_vec();
    let messages = read(source, |local| async move { local.messages(&ids).await });
    if let Some(messages) = messages.filter(|messages| !messages.is_empty()) {
        source.listeners().message.notify(|listener| listener.on_message_status_changed(messages.clone()));
    }
}

fn receipts(source: &Source<'_>, rows: &[ConversationRow]) {
    let rows = rows.to_vec();
    let receipts = read(source, |local| async move { local.receipts(&rows).await });
    if let Some(receipts) = receipts.filter(|receipts| !receipts.is_empty()) {
        source.listeners().message.notify(|listener| listener.on_recv_c2c_read_receipt(receipts.clone()));
    }
}

fn conversations(
    source: &Source<'_>,
    rows: &[ConversationRow],
    tell: impl Fn(&dyn ConversationListener, Vec<Conversation>),
) {
    let rows = rows.to_vec();
    let conversations = read(source, |local| async move { local.conversations(&rows).await });
    if let Some(conversations) = conversations.filter(|conversations| !conversations.is_empty()) {
        source.listeners().conversation.notify(|listener| tell(listener, conversations.clone()));
    }
}

fn total_unread(source: &Source<'_>) {
    if let Some(total) = read(source, |local| async move { local.total_unread().await }) {
        source.listeners().conversation.notify(|listener| listener.on_total_unread_message_count_changed(total));
    }
}

/// Reads from the store that is open; nothing where none is, or where it fails: the store has the event's
/// effect, and the next event of its kind reads again.
fn read<T, F>(source: &Source<'_>, read: impl FnOnce(Arc<Local>) -> F) -> Option<T>
where
    F: Future<Output = Result<T, ImError>>,
{
    let local = source.find_local()?;
    match runtime::block_on(read(local)) {
        Ok(value) => Some(value),
        Err(failure) => {
            error!(code = failure.code().0, detail = failure.detail(), "events could not be read for listeners");
            None
        }
    }
}
