// SPDX-License-Identifier: Apache-2.0
//! What apps do with messages.

use std::collections::HashMap;
use std::sync::Arc;

use hongyan_protocol::codes::Code;
use hongyan_protocol::ids::{ConversationId, GroupId, MessageId, UserId};

use crate::client::core::Core;
use crate::error::ImError;
use crate::listener::{AdvancedMsgListener, Subscription};
use crate::message::types::{
    Element, HistoryDirection, HistoryOption, HistoryPage, HistorySource, Message, MessagePriority, MessageSearchParam,
    MessageSearchResult, OutgoingMessage,
};
use crate::message::{history, search, send};
use crate::runtime;

/// The messages that one call may find: 6017.
const FIND_COUNT_MAX: usize = 1_000;

/// The user's messages.
///
/// ```no_run
/// # async fn example(client: std::sync::Arc<hongyan::ImClient>) -> Result<(), hongyan::ImError> {
/// let messages = client.messages();
/// let sent = messages.send_c2c_text_message("hello".to_owned(), "bob".to_owned()).await?;
/// let page = messages.get_c2c_history_message_list("bob".to_owned(), 20, Some(sent.message_id)).await?;
/// assert!(page.messages.len() <= 20);
/// # Ok(())
/// # }
/// ```
#[derive(uniffi::Object)]
pub struct MessageManager {
    core: Arc<Core>,
}

impl std::fmt::Debug for MessageManager {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MessageManager").finish_non_exhaustive()
    }
}

impl MessageManager {
    pub(crate) fn new(core: Arc<Core>) -> Self {
        Self { core }
    }

    async fn send(&self, message: OutgoingMessage, conversation: ConversationId) -> Result<Message, ImError> {
        let (id, body) = message.into_wire()?;
        self.core.context.connection.check_logged_in()?;
        let local = self.core.local()?;
        let turn = local.outbox.take_turn();
        runtime::run(&self.core.context.log, async move { send::send(&local, turn, id, conversation, body).await })
            .await
    }

    async fn read(&self, option: HistoryOption) -> Result<HistoryPage, ImError> {
        let local = self.core.local()?;
        runtime::run(&self.core.context.log, async move { history::read(&local, option).await }).await
    }
}

#[uniffi::export]
impl MessageManager {
    /// Makes a text message; nothing is stored or sent. Codes: 6016 for text with NUL, 8001 for more than 12 KiB.
    pub fn create_text_message(&self, text: String) -> Result<OutgoingMessage, ImError> {
        OutgoingMessage::with(Element::Text { text })
    }

    /// Makes a message of bytes that only the app understands; nothing is stored or sent. `description` is the text of a
    /// push notice, `extension` a further field. Codes: 6016 for text with NUL, 8001 for more than 12 KiB together.
    pub fn create_custom_message(
        &self,
        data: Vec<u8>,
        description: String,
        extension: String,
    ) -> Result<OutgoingMessage, ImError> {
        OutgoingMessage::with(Element::Custom { data, description, extension })
    }

    /// Sends a message to `c2c_<userID>` or `group_<groupID>`.
    ///
    /// The message is stored first (status sending), survives a kill of the app, and goes out in the order of the calls
    /// of its conversation. The call ends when the server has stored it, with the message at its place. Without a connection
    /// it waits for one, for 60 seconds while the user is logged in. After an error the message stays with status failed and its code, for
    /// `resend_message`; errors before storing (those of bad input, 6014, 6022, 9507) leave nothing behind.
    ///
    /// Listeners hear `on_message_status_changed` (never `on_recv_new_message`) and `on_conversation_changed` or
    /// `on_new_conversation`.
    ///
    /// Codes: 6004 for a bad conversation id, 6012 and 9508 at the deadline (without and with a lost connection), 6014 when
    /// not logged in, 6016 and 6017 for bad elements or an id that was sent before, 6022 where the disk is full, 7009 when
    /// the session ended meanwhile (logout, kicked, expired UserSig, close: the message keeps status sending and waits for the
    /// next login), 8001 for more than 12 KiB, 9507 where 10,000 wait already; from the server 10007 for a group that the
    /// user is not in, 10010 for no such group, 20003 for no such user.
    pub async fn send_message(&self, message: OutgoingMessage, conversation_id: String) -> Result<Message, ImError> {
        let conversation = ConversationId::parse(&conversation_id)?;
        self.send(message, conversation).await
    }

    /// Sends a message that failed again, under the same id: if the server has it after all, it is there once. Effect,
    /// events and codes are those of `send_message`; 7014 for a message that did not fail or does not exist.
    pub async fn resend_message(&self, message_id: String) -> Result<Message, ImError> {
        let id = parse_message_id(&message_id)?;
        self.core.context.connection.check_logged_in()?;
        let local = self.core.local()?;
        let turn = local.outbox.take_turn();
        runtime::run(&self.core.context.log, async move { send::resend(&local, turn, id).await }).await
    }

    /// Sends a text to a user: `create_text_message` and `send_message` in one. Code 7003 for a bad user id.
    pub async fn send_c2c_text_message(&self, text: String, user_id: String) -> Result<Message, ImError> {
        let message = self.create_text_message(text)?;
        self.send(message, ConversationId::C2c(UserId::parse(user_id)?)).await
    }

    /// Sends bytes to a user: `create_custom_message` and `send_message` in one. Code 7003 for a bad user id.
    pub async fn send_c2c_custom_message(&self, data: Vec<u8>, user_id: String) -> Result<Message, ImError> {
        let message = self.create_custom_message(data, String::new(), String::new())?;
        self.send(message, ConversationId::C2c(UserId::parse(user_id)?)).await
    }

    /// Sends a text to a group: `create_text_message` and `send_message` in one. Code 8501 for a bad group id.
    pub async fn send_group_text_message(
        &self,
        text: String,
        group_id: String,
        priority: MessagePriority,
    ) -> Result<Message, ImError> {
        let message = OutgoingMessage { priority, ..self.create_text_message(text)? };
        self.send(message, ConversationId::Group(GroupId::parse(group_id)?)).await
    }

    /// Sends bytes to a group: `create_custom_message` and `send_message` in one. Code 8501 for a bad group id.
    pub async fn send_group_custom_message(
        &self,
        data: Vec<u8>,
        group_id: String,
        priority: MessagePriority,
    ) -> Result<Message, ImError> {
        let message = self.create_custom_message(data, String::new(), String::new())?;
        let message = OutgoingMessage { priority, ..message };
        self.send(message, ConversationId::Group(GroupId::parse(group_id)?)).await
    }

    /// Reads a page of a conversation's history, either way.
    ///
    /// From the cloud, what this device lacks is fetched and kept; where the server cannot be reached, or nobody is logged
    /// in, the page is what this device has. So it is, as all there is, where the server refuses: what was fetched of a group
    /// that the user has left stays readable here, also after joining it again, while a new install shows what
    /// came after the joining. What was not sent stands among the messages at the place where it was written.
    /// No listener hears of what is read.
    ///
    /// Codes: 6004 for a bad conversation id, 6014 where no user's data is open, 6017 for a bad count or a last message that
    /// is not on this device; where nothing of the conversation is on this device, 10007 for a group that the user is not in,
    /// 10010 for no such group, 20003 for no such user; 6001 where what is kept here proved to be of another server: it is
    /// being loaded anew, and the page is to be asked for again.
    pub async fn get_history_message_list(&self, option: HistoryOption) -> Result<HistoryPage, ImError> {
        self.read(option).await
    }

    /// Reads older messages with a user from the cloud, newest first, before `last_message_id` or from the end:
    /// see `get_history_message_list`.
    pub async fn get_c2c_history_message_list(
        &self,
        user_id: String,
        count: i32,
        last_message_id: Option<String>,
    ) -> Result<HistoryPage, ImError> {
        let conversation = ConversationId::C2c(UserId::parse(user_id)?);
        self.read(older(&conversation, count, last_message_id)).await
    }

    /// Reads older messages of a group from the cloud, newest first, before `last_message_id` or from the end:
    /// see `get_history_message_list`.
    pub async fn get_group_history_message_list(
        &self,
        group_id: String,
        count: i32,
        last_message_id: Option<String>,
    ) -> Result<HistoryPage, ImError> {
        let conversation = ConversationId::Group(GroupId::parse(group_id)?);
        self.read(older(&conversation, count, last_message_id)).await
    }

    /// Finds messages on this device by their ids, in the order asked for; those that are not there are left out. It works
    /// offline. Codes: 6014 where no user's data is open, 6017 for an id of no form or more than 1000 ids.
    pub async fn find_messages(&self, message_ids: Vec<String>) -> Result<Vec<Message>, ImError> {
        if message_ids.len() > FIND_COUNT_MAX {
            return Err(ImError::new(Code::INVALID_PARAMETERS, format!("at most {FIND_COUNT_MAX} ids")));
        }
        let ids = message_ids.iter().map(|id| parse_message_id(id)).collect::<Result<Vec<_>, _>>()?;
        let local = self.core.local()?;
        runtime::run(&self.core.context.log, async move {
            let mut found = local.messages(&ids).await?;
            let places: HashMap<String, usize> = ids.iter().map(ToString::to_string).zip(0..).collect();
            found.sort_by_key(|message| places.get(&message.message_id).copied());
            Ok(found)
        })
        .await
    }

    /// Searches the messages on this device by words, senders, types and time; what was never fetched is not found. It works
    /// offline. Tips of groups are not found, messages that wait or failed are.
    ///
    /// In one conversation the messages come newest first, by pages. In all conversations the conversations come by pages,
    /// with the number of messages found in each. Pages are counted from the newest: while messages arrive, the same
    /// `search_time_position_ms` for all pages keeps them in their places. Searches are done one after another. After an
    /// update from a version without search, the first one waits until what is stored was made ready.
    ///
    /// Codes: 6004 for a bad conversation id, 6014 where no user's data is open, 6017 where nothing is looked for, for more than 5
    /// keywords or senders, a keyword of more than 512 bytes, a time before 1970 or a bad page, 6022 where the disk is full while
    /// what is stored is made ready, 7003 for a bad user id.
    pub async fn search_local_messages(&self, param: MessageSearchParam) -> Result<MessageSearchResult, ImError> {
        let local = self.core.local()?;
        runtime::run(&self.core.context.log, async move { search::search(&local, param).await }).await
    }

    /// Has a listener hear of messages until the subscription is cancelled or the client is closed.
    pub fn add_advanced_msg_listener(&self, listener: Arc<dyn AdvancedMsgListener>) -> Arc<Subscription> {
        self.core.listeners.message.add(listener)
    }
}

impl MessageManager {
    /// A search, checked and answered as one that finds nothing.
    pub(crate) fn search_nothing(&self, param: MessageSearchParam) -> Result<MessageSearchResult, ImError> {
        let local = self.core.local()?;
        search::check(&local, param)
    }
}

fn parse_message_id(id: &str) -> Result<MessageId, ImError> {
    MessageId::parse(id).map_err(|error| ImError::new(Code::INVALID_PARAMETERS, error.what))
}

fn older(conversation: &ConversationId, count: i32, last_message_id: Option<String>) -> HistoryOption {
    HistoryOption {
        conversation_id: conversation.to_string(),
        direction: HistoryDirection::Older,
        source: HistorySource::Cloud,
        count,
        last_message_id,
        last_message_seq: None,
    }
}
