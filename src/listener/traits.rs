// SPDX-License-Identifier: Apache-2.0
//! What apps implement. All methods of all listeners of a client are called one after another on one thread of
//! the client's own; none of them is called while the client holds a lock, so that every method of the SDK may be
//! used inside. A listener that is slow delays the events of its client and nothing else; what it throws is
//! written to the log.

use crate::account::UserInfo;
use crate::config::LogLevel;
use crate::conversation::Conversation;
use crate::message::{Message, MessageReceipt};

/// The connection and the user's own account.
#[uniffi::export(foreign)]
pub trait SdkListener: Send + Sync {
    /// A connection to the server is being made.
    fn on_connecting(&self);
    /// The connection is open and the user is logged in on it.
    fn on_connect_success(&self);
    /// A connection could not be made; the SDK tries again by itself while the user is logged in.
    fn on_connect_failed(&self, code: i32, detail: String);
    /// Another device took the place of this one. The user is logged out here; the app may log in again.
    fn on_kicked_offline(&self);
    /// The UserSig has ended. The user is logged out here; the app gets a new UserSig and logs in again.
    fn on_user_sig_expired(&self);
    /// The user's own profile changed, here or on another device.
    fn on_self_info_updated(&self, info: UserInfo);
}

/// Messages.
#[uniffi::export(foreign)]
pub trait AdvancedMsgListener: Send + Sync {
    /// New messages: of others, and of the user's own other devices; never those that were sent from here.
    /// Within a conversation they come in its order, each of them once at the most: what waits to be told when
    /// the user logs out or the app is stopped is not told later. It is in the history.
    fn on_recv_new_message(&self, messages: Vec<Message>);
    /// The peers of one-to-one conversations have read further.
    fn on_recv_c2c_read_receipt(&self, receipts: Vec<MessageReceipt>);
    /// The status of messages that are sent from here: sending, from when they are stored; then sent or failed. Also of
    /// those that an earlier run of the app left in the outbox. A status may be told twice, and one that has passed by
    /// then is not told.
    fn on_message_status_changed(&self, messages: Vec<Message>);
}

/// Conversations.
#[uniffi::export(foreign)]
pub trait ConversationListener: Send + Sync {
    /// The SDK begins to bring the conversations up to date with the server.
    fn on_sync_server_start(&self);
    /// The conversations are up to date.
    fn on_sync_server_finish(&self);
    /// The conversations could not be brought up to date; the SDK tries again by itself.
    fn on_sync_server_failed(&self);
    /// Conversations appeared.
    fn on_new_conversation(&self, conversations: Vec<Conversation>);
    /// Conversations changed: a message, the number of unread ones, a name, a draft.
    fn on_conversation_changed(&self, conversations: Vec<Conversation>);
    /// The number of unread messages of all conversations together changed.
    fn on_total_unread_message_count_changed(&self, total_unread_count: i64);
}

/// The SDK's own log.
#[uniffi::export(foreign)]
pub trait LogListener: Send + Sync {
    /// A line of the log, without its time. Lines may be left out where the app takes them too slowly; the log
    /// file has them.
    fn on_log(&self, level: LogLevel, text: String);
}
