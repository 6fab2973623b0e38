// SPDX-License-Identifier: Apache-2.0
//! What apps do with conversations.

use std::sync::Arc;

use hongyan_protocol::codes::Code;
use hongyan_protocol::conversation::{ConversationStates, MarkRead, ReadPosition, ReadScope};
use hongyan_protocol::ids::{ConversationId, Seq};

use crate::client::core::Core;
use crate::connection::handle::CALL_DEADLINE;
use crate::conversation::types::{Conversation, ConversationPage};
use crate::conversation::{list, queries};
use crate::error::ImError;
use crate::listener::{ConversationListener, Subscription};
use crate::message::outbox::target;
use crate::runtime;
use crate::sync::Local;
use crate::sync::batch::Batch;

/// The conversations that one page may ask for: 6017.
const PAGE_COUNT_MAX: i32 = 1_000;

/// The bytes of a draft: 6017.
const DRAFT_BYTES_MAX: usize = 64 * 1024;

/// The user's conversations. The list is kept on this device and can be read without a connection, and, after
/// `init_local_storage`, before login.
#[derive(uniffi::Object)]
pub struct ConversationManager {
    core: Arc<Core>,
}

impl std::fmt::Debug for ConversationManager {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ConversationManager").finish_non_exhaustive()
    }
}

impl ConversationManager {
    pub(crate) fn new(core: Arc<Core>) -> Self {
        Self { core }
    }
}

#[uniffi::export]
impl ConversationManager {
    /// Reads a page of the list from this device: highest `order_key` first, equal ones by id.
    ///
    /// `cursor` is the `next_cursor` of the page before, nothing for the first page. `count` is 1 to 1000, 100 is
    /// usual. It works offline. Codes: 6014 where no user's data is open, 6017 for a bad cursor or count.
    pub async fn get_conversation_list(&self, cursor: Option<String>, count: i32) -> Result<ConversationPage, ImError> {
        let local = self.core.local()?;
        if !(1..=PAGE_COUNT_MAX).contains(&count) {
            return Err(ImError::new(Code::INVALID_PARAMETERS, format!("a page has 1 to {PAGE_COUNT_MAX} rows")));
        }
        runtime::run(&self.core.context.log, async move {
            let mut reader = local.store.read().await?;
            list::page(&mut reader, local.user(), cursor.as_deref(), count).await
        })
        .await
    }

    /// Reads one conversation from this device, whether the list shows it or not.
    ///
    /// It works offline. Codes: 6004 for an id of neither form or a conversation that this device does not know, 6014 where
    /// no user's data is open.
    pub async fn get_conversation(&self, conversation_id: String) -> Result<Conversation, ImError> {
        let local = self.core.local()?;
        let id = ConversationId::parse(&conversation_id)?;
        runtime::run(&self.core.context.log, async move {
            let mut reader = local.store.read().await?;
            let found = list::find(&mut reader, local.user(), &id).await?;
            found.ok_or_else(|| ImError::new(Code::INVALID_CONVERSATION, "no such conversation on this device"))
        })
        .await
    }

    /// How many messages are unread in all conversations together, as this device knows.
    ///
    /// It works offline. Codes: 6014 where no user's data is open.
    pub async fn get_total_unread_message_count(&self) -> Result<i64, ImError> {
        let local = self.core.local()?;
        runtime::run(&self.core.context.log, async move { local.total_unread().await }).await
    }

    /// Marks messages as read, on all devices of the user. A read position never moves back.
    ///
    /// `conversation_id` names one conversation, or is `c2c` for all one-to-one conversations, `group` for all groups, empty
    /// for all. `clean_timestamp_ms` (one-to-one; the server's time in milliseconds since 1970) or
    /// `clean_sequence` (groups) says up to and with where one conversation is read; 0 is everything, which is the
    /// only choice for several.
    ///
    /// Listeners hear `on_conversation_changed` and `on_total_unread_message_count_changed`; the other user of a one-to-one
    /// conversation hears `on_recv_c2c_read_receipt`. It needs a connection: 9508 without one, 6012 at the deadline. Codes:
    /// 6004 for an id of no form, 6014 when not logged in, 6017 for negative numbers or a position with
    /// several conversations.
    pub async fn clean_conversation_unread_message_count(
        &self,
        conversation_id: String,
        clean_timestamp_ms: i64,
        clean_sequence: i64,
    ) -> Result<(), ImError> {
        let call = mark_read(&conversation_id, clean_timestamp_ms, clean_sequence)?;
        let local = self.core.local()?;
        runtime::run(&self.core.context.log, async move {
            let states = local.context.connection.call_with_event(&call, CALL_DEADLINE).await?;
            // The sync task gets the same rows as an event; the caller is to find them stored when this returns.
            store_states(&local, &states).await
        })
        .await
    }

    /// Keeps a text that is being written, on this device only; nothing or an empty one clears it. It raises the
    /// conversation in the list of this device.
    ///
    /// Listeners hear `on_conversation_changed`, or `on_new_conversation` of one that was not in the list. It works
    /// offline. Codes: 6004 for an id of neither form, 6014 where no user's data is open, 6017 for more than 64 KiB, 6022
    /// where the disk is full.
    pub async fn set_conversation_draft(&self, conversation_id: String, draft: Option<String>) -> Result<(), ImError> {
        let local = self.core.local()?;
        let id = ConversationId::parse(&conversation_id)?;
        let draft = draft.filter(|draft| !draft.is_empty());
        if draft.as_ref().is_some_and(|draft| draft.len() > DRAFT_BYTES_MAX) {
            return Err(ImError::new(Code::INVALID_PARAMETERS, "a draft has at most 64 KiB"));
        }
        runtime::run(&self.core.context.log, async move { store_draft(&local, id, draft).await }).await
    }

    /// Has a listener hear of conversations until the subscription is cancelled or the client is closed.
    pub fn add_conversation_listener(&self, listener: Arc<dyn ConversationListener>) -> Arc<Subscription> {
        self.core.listeners.conversation.add(listener)
    }
}

fn mark_read(conversation_id: &str, clean_ms: i64, clean_seq: i64) -> Result<MarkRead, ImError> {
    let invalid = |what: &str| ImError::new(Code::INVALID_PARAMETERS, what);
    if clean_ms < 0 || clean_seq < 0 {
        return Err(invalid("a read position is not negative"));
    }
    let several = match conversation_id {
        "" => Some(ReadScope::All),
        "c2c" => Some(ReadScope::AllC2c),
        "group" => Some(ReadScope::AllGroups),
        _ => None,
    };
    if let Some(of) = several {
        if clean_ms > 0 || clean_seq > 0 {
            return Err(invalid("several conversations are read as a whole"));
        }
        return Ok(MarkRead { of, up_to: ReadPosition::End });
    }
    let id = ConversationId::parse(conversation_id)?;
    let up_to = match &id {
        ConversationId::C2c(_) if clean_ms > 0 => ReadPosition::Time { server_ms: clean_ms },
        ConversationId::Group(_) if clean_seq > 0 => {
            ReadPosition::Seq(Seq::parse(clean_seq).map_err(|error| invalid(error.what))?)
        }
        _ => ReadPosition::End,
    };
    Ok(MarkRead { of: ReadScope::One(target(id)), up_to })
}

async fn store_states(local: &Local, states: &ConversationStates) -> Result<(), ImError> {
    let ids = states.states.iter().filter_map(|state| state.key.seen_by(local.user()));
    let mut batch = Batch::begin(&local.store, local.user(), ids).await?;
    batch.add_states(states);
    local.announce(batch.save().await?);
    Ok(())
}

async fn store_draft(local: &Local, id: ConversationId, draft: Option<String>) -> Result<(), ImError> {
    let now_ms = local.context.connection.server_time_ms();
    let draft_ms = if draft.is_some() { now_ms } else { 0 };
    let mut batch = Batch::begin(&local.store, local.user(), [id.clone()]).await?;
    let Some(row) = batch.find(&id).map(|known| known.row) else { return Ok(()) };
    queries::set_draft(batch.tx(), row, draft.as_deref(), draft_ms).await?;
    batch.touch(&id, Some(draft_ms));
    local.announce(batch.save().await?);
    Ok(())
}
