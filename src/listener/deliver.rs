// SPDX-License-Identifier: Apache-2.0
//! Reads what references stand for and calls the listeners. Runs on the dispatcher's thread.

use std::collections::VecDeque;
use std::future::Future;
use std::sync::{Arc, Weak};

use hongyan_protocol::codes::Code;
use hongyan_protocol::ids::{MessageId, Seq, SeqRange};
use tracing::{Dispatch, error};

use crate::client::core::Core;
use crate::conversation::Conversation;
use crate::error::ImError;
use crate::listener::events::{ConversationRow, EventRef};
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

    /// Tells the listeners one batch, whose references point into the store of this number. Gives back what could not be
    /// read.
    pub(crate) fn deliver(&self, batch: Batch, store: u64) -> Vec<EventRef> {
        let mut unread = Vec::new();
        if let Batch::Log(lines) = batch {
            let Some(listener) = &self.log_listener else { return unread };
            for (level, text) in lines {
                // What this one throws is not logged: the line would come back to it.
                let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| listener.on_log(level, text)));
            }
            return unread;
        }
        tracing::dispatcher::with_default(&self.log, || {
            let Some(core) = self.core.upgrade() else { return };
            // Also what the SDK itself might get wrong here must not end the thread.
            call_guarded(|| unread = deliver(&Source { core: &core, store }, batch));
        });
        unread
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

/// The store could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unread {
    /// What was to be told of waits again: a full or a busy disk heals.
    Now,
    /// It will not be told of: waiting would hold up everybody else for nothing.
    Ever,
}

fn deliver(source: &Source<'_>, batch: Batch) -> Vec<EventRef> {
    match batch {
        Batch::Connection(events) => events.iter().for_each(|event| connection(source, event)),
        Batch::Sync(events) => events.into_iter().for_each(|event| sync(source, event)),
        Batch::Log(_) => {}
        Batch::SelfInfo => return left(&[EventRef::SelfInfo], |_| self_info(source), EventRef::clone),
        Batch::NewMessages(conversations) => return new_messages(source, conversations),
        Batch::MessageStatus(ids) => return left(&ids, |ids| statuses(source, ids), |id| EventRef::MessageStatus(*id)),
        Batch::ReadReceipt(rows) => {
            return left(&rows, |rows| receipts(source, rows), |row| EventRef::ReadReceipt(*row));
        }
        Batch::ConversationNew(rows) => {
            let tell = |listener: &dyn ConversationListener, page| listener.on_new_conversation(page);
            return left(&rows, |rows| conversations(source, rows, tell), |row| EventRef::ConversationNew(*row));
        }
        Batch::ConversationChanged(rows) => {
            let tell = |listener: &dyn ConversationListener, page| listener.on_conversation_changed(page);
            return left(&rows, |rows| conversations(source, rows, tell), |row| EventRef::ConversationChanged(*row));
        }
        Batch::TotalUnread => return left(&[EventRef::TotalUnread], |_| total_unread(source), EventRef::clone),
    }
    Vec::new()
}

/// Tells of things page by page; gives the events of those pages that could not be read now.
fn left<T>(things: &[T], tell: impl Fn(&[T]) -> Result<(), Unread>, event: impl Fn(&T) -> EventRef) -> Vec<EventRef> {
    things.chunks(PAGE_MAX).filter(|page| tell(page) == Err(Unread::Now)).flatten().map(event).collect()
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

fn self_info(source: &Source<'_>) -> Result<(), Unread> {
    if let Some(Some(info)) = read(source, |local| async move { local.self_info().await })? {
        source.listeners().sdk.notify(|listener| listener.on_self_info_updated(info.clone()));
    }
    Ok(())
}

/// A range of a conversation that listeners are to be told of.
type Stretch = (ConversationRow, SeqRange);

fn new_messages(source: &Source<'_>, conversations: Vec<(ConversationRow, Vec<SeqRange>)>) -> Vec<EventRef> {
    if source.listeners().message.is_empty() {
        return Vec::new();
    }
    let stretches =
        conversations.into_iter().flat_map(|(row, ranges)| ranges.into_iter().map(move |range| (row, range)));
    let waiting = stretches.filter(|(_, range)| !range.is_empty()).collect();
    let rest = tell_all(waiting, |stretches| read_new(source, stretches), |messages| tell_new(source, messages));
    rest.into_iter().map(|(conversation, range)| EventRef::NewMessages { conversation, range }).collect()
}

/// Tells of ranges; those of one conversation follow each other, rising. What cannot be read now is given back, and with it
/// what comes after it in its conversation, which is told in its order. Nothing of any other conversation waits for it.
fn tell_all(
    mut waiting: VecDeque<Stretch>,
    read: impl Fn(&[Stretch]) -> Result<Vec<Message>, Unread>,
    tell: impl Fn(Vec<Message>),
) -> Vec<Stretch> {
    let mut rest: Vec<Stretch> = Vec::new();
    while let Some(first) = waiting.pop_front() {
        let mut page = vec![first];
        let mut left = page_max().saturating_sub(first.1.count());
        while let Some(next) = waiting.pop_front_if(|(_, next)| next.count() <= left) {
            left -= next.1.count();
            page.push(next);
        }
        // Most ranges have one message, and each reading costs more than a message.
        if page.len() > 1
            && !is_held(&rest, first)
            && let Ok(messages) = read(&page)
        {
            tell(messages);
            continue;
        }
        // Where one of several cannot be read, the others may be whole.
        for stretch in page {
            let left = if is_held(&rest, stretch) { Some(stretch) } else { tell_range(stretch, &read, &tell) };
            rest.extend(left);
        }
    }
    rest
}

/// Whether an earlier range of the same conversation was given back.
fn is_held(rest: &[Stretch], (conversation, _): Stretch) -> bool {
    rest.last().is_some_and(|(held, _)| *held == conversation)
}

fn page_max() -> i64 {
    i64::try_from(PAGE_MAX).unwrap_or(i64::MAX)
}

/// Tells of one range, page by page; where it cannot be read now, gives the rest of it. A page that cannot be read for
/// good is passed over.
fn tell_range(
    (conversation, mut range): Stretch,
    read: impl Fn(&[Stretch]) -> Result<Vec<Message>, Unread>,
    tell: impl Fn(Vec<Message>),
) -> Option<Stretch> {
    while !range.is_empty() {
        let page = match read(&[(conversation, range)]) {
            Ok(page) => page,
            Err(Unread::Ever) => {
                let Ok(next) = Seq::parse(range.from.get().saturating_add(page_max())) else { break };
                range.from = next;
                continue;
            }
            Err(Unread::Now) => return Some((conversation, range)),
        };
        let last = page.last().and_then(|last| Seq::parse(last.seq).ok()).filter(|last| *last >= range.from);
        tell(page);
        let Some(last) = last else { break };
        range.from = last.next();
    }
    None
}

/// Reads a page of one range, or several ranges that are a page together.
fn read_new(source: &Source<'_>, stretches: &[Stretch]) -> Result<Vec<Message>, Unread> {
    let limit = u32::try_from(PAGE_MAX).unwrap_or(u32::MAX);
    let messages = if let [(conversation, range)] = *stretches {
        read(source, |local| async move { local.new_messages(conversation, range, limit).await })?
    } else {
        let stretches = stretches.to_vec();
        // Nothing is lost yet, nor does it wait: each of them is read by itself.
        find(source, |local| async move { local.new_messages_of(&stretches).await }).map_err(|_| Unread::Now)?
    };
    Ok(messages.unwrap_or_default())
}

fn tell_new(source: &Source<'_>, messages: Vec<Message>) {
    if !messages.is_empty() {
        source.listeners().message.notify(|listener| listener.on_recv_new_message(messages.clone()));
    }
}

fn statuses(source: &Source<'_>, ids: &[MessageId]) -> Result<(), Unread> {
    let ids = ids.to_vec();
    let messages = read(source, |local| async move { local.messages(&ids).await })?;
    if let Some(messages) = messages.filter(|messages| !messages.is_empty()) {
        source.listeners().message.notify(|listener| listener.on_message_status_changed(messages.clone()));
    }
    Ok(())
}

fn receipts(source: &Source<'_>, rows: &[ConversationRow]) -> Result<(), Unread> {
    let rows = rows.to_vec();
    let receipts = read(source, |local| async move { local.receipts(&rows).await })?;
    if let Some(receipts) = receipts.filter(|receipts| !receipts.is_empty()) {
        source.listeners().message.notify(|listener| listener.on_recv_c2c_read_receipt(receipts.clone()));
    }
    Ok(())
}

fn conversations(
    source: &Source<'_>,
    rows: &[ConversationRow],
    tell: impl Fn(&dyn ConversationListener, Vec<Conversation>),
) -> Result<(), Unread> {
    let rows = rows.to_vec();
    let conversations = read(source, |local| async move { local.conversations(&rows).await })?;
    if let Some(conversations) = conversations.filter(|conversations| !conversations.is_empty()) {
        source.listeners().conversation.notify(|listener| tell(listener, conversations.clone()));
    }
    Ok(())
}

fn total_unread(source: &Source<'_>) -> Result<(), Unread> {
    if let Some(total) = read(source, |local| async move { local.total_unread().await })? {
        source.listeners().conversation.notify(|listener| listener.on_total_unread_message_count_changed(total));
    }
    Ok(())
}

/// Reads from the store that is open what will be told of, or is lost.
fn read<T, F>(source: &Source<'_>, read: impl FnOnce(Arc<Local>) -> F) -> Result<Option<T>, Unread>
where
    F: Future<Output = Result<T, ImError>>,
{
    let failure = match find(source, read) {
        Ok(found) => return Ok(found),
        Err(failure) => failure,
    };
    let (code, detail) = (failure.code(), failure.detail());
    if code == Code::DATABASE_FAILED {
        error!(code = code.0, detail, "events are lost: the store is damaged, and is rebuilt when it is next opened");
        return Err(Unread::Ever);
    }
    error!(code = code.0, detail, "events wait: they could not be read for listeners");
    Err(Unread::Now)
}

/// Reads from the store that is open; nothing where none is. A damaged one is rebuilt the next time it is opened.
fn find<T, F>(source: &Source<'_>, read: impl FnOnce(Arc<Local>) -> F) -> Result<Option<T>, ImError>
where
    F: Future<Output = Result<T, ImError>>,
{
    let Some(local) = source.find_local() else { return Ok(None) };
    let found = runtime::block_on(read(Arc::clone(&local)));
    if let Err(failure) = &found {
        local.store.note(failure);
    }
    found.map(Some)
}

#[cfg(test)]
mod tests;
