// SPDX-License-Identifier: Apache-2.0
//! Events: one row each, and the listeners that turn them into JSON.

use std::sync::Arc;

use serde::Serialize;

use crate::account::UserInfo;
use crate::bridge::numbers::Native;
use crate::bridge::outlet::Outlet;
use crate::bridge::shape::{ConnectFailed, ConversationShape, LogLine, Long, MessageShape, Receipt, User};
use crate::config::LogLevel;
use crate::conversation::Conversation;
use crate::listener::{AdvancedMsgListener, ConversationListener, LogListener, SdkListener};
use crate::message::{Message, MessageReceipt};

/// What is known of one event.
pub(super) struct EventRow {
    pub(super) listener: &'static str,
    pub(super) event: &'static str,
    /// The method of the SDK's own listener.
    #[cfg(test)]
    pub(super) of: &'static str,
    /// The kind of its data.
    #[cfg(test)]
    pub(super) data: &'static str,
    #[cfg(test)]
    pub(super) doc: &'static str,
}

macro_rules! events {
    ($($(#[doc = $doc:literal])+ $row:ident = $listener:literal $event:literal of $of:literal => $data:literal;)*) => {
        $(
            $(#[doc = $doc])+
            pub(super) static $row: EventRow = EventRow {
                listener: $listener,
                event: $event,
                #[cfg(test)]
                of: $of,
                #[cfg(test)]
                data: $data,
                #[cfg(test)]
                doc: concat!($($doc),+),
            };
        )*

        /// All of them, for the page and its checks.
        #[cfg(test)]
        pub(super) static EVENTS: &[&EventRow] = &[$(&$row),*];
    };
}

events! {
    /// A connection to the server is being made.
    CONNECTING = "V2TIMSDKListener" "onConnecting" of "SdkListener::on_connecting" => "null";
    /// The connection is open and the user is logged in on it.
    CONNECT_SUCCESS = "V2TIMSDKListener" "onConnectSuccess" of "SdkListener::on_connect_success" => "null";
    /// A connection could not be made; the SDK tries again by itself while the user is logged in.
    CONNECT_FAILED = "V2TIMSDKListener" "onConnectFailed" of "SdkListener::on_connect_failed" => "ConnectFailed";
    /// Another device took the place of this one. The user is logged out here; the app may log in again.
    KICKED_OFFLINE = "V2TIMSDKListener" "onKickedOffline" of "SdkListener::on_kicked_offline" => "null";
    /// The UserSig has ended. The user is logged out here; the app gets a new UserSig and logs in again.
    USER_SIG_EXPIRED = "V2TIMSDKListener" "onUserSigExpired" of "SdkListener::on_user_sig_expired" => "null";
    /// The user's own profile changed, here or on another device.
    SELF_INFO_UPDATED = "V2TIMSDKListener" "onSelfInfoUpdated" of "SdkListener::on_self_info_updated" => "User";
    /// New messages: of others, and of the user's own other devices; never those that were sent from here. Natively
    /// it comes per message; here it comes per batch of at most 100, in the order of each conversation.
    RECV_NEW_MESSAGE = "V2TIMAdvancedMsgListener" "onRecvNewMessage" of "AdvancedMsgListener::on_recv_new_message"
        => "list of Message";
    /// The other users of one-to-one conversations have read further.
    RECV_C2C_READ_RECEIPT = "V2TIMAdvancedMsgListener" "onRecvC2CReadReceipt"
        of "AdvancedMsgListener::on_recv_c2c_read_receipt" => "list of MessageReceipt";
    /// The status of messages that are sent from here: sending, from when they are stored; then sent or failed. Also of
    /// those that an earlier run of the app left in the outbox. A status may be told twice, and one that has passed by
    /// then is not told. It is not in the native SDK.
    MESSAGE_STATUS_CHANGED = "V2TIMAdvancedMsgListener" "onMessageStatusChanged"
        of "AdvancedMsgListener::on_message_status_changed" => "list of Message";
    /// The SDK begins to bring the conversations up to date with the server.
    SYNC_SERVER_START = "V2TIMConversationListener" "onSyncServerStart"
        of "ConversationListener::on_sync_server_start" => "null";
    /// The conversations are up to date.
    SYNC_SERVER_FINISH = "V2TIMConversationListener" "onSyncServerFinish"
        of "ConversationListener::on_sync_server_finish" => "null";
    /// The conversations could not be brought up to date; the SDK tries again by itself.
    SYNC_SERVER_FAILED = "V2TIMConversationListener" "onSyncServerFailed"
        of "ConversationListener::on_sync_server_failed" => "null";
    /// Conversations appeared.
    NEW_CONVERSATION = "V2TIMConversationListener" "onNewConversation"
        of "ConversationListener::on_new_conversation" => "list of Conversation";
    /// Conversations changed: a message, the number of unread ones, a name, a draft.
    CONVERSATION_CHANGED = "V2TIMConversationListener" "onConversationChanged"
        of "ConversationListener::on_conversation_changed" => "list of Conversation";
    /// The number of unread messages of all conversations together changed.
    TOTAL_UNREAD_CHANGED = "V2TIMConversationListener" "onTotalUnreadMessageCountChanged"
        of "ConversationListener::on_total_unread_message_count_changed" => "64-bit number";
    /// A line of the log, without its time, where the config asks for it (`hasLogListener`). Lines may be left out
    /// where the app takes them too slowly; the log file has them.
    LOG = "V2TIMLogListener" "onLog" of "LogListener::on_log" => "LogLine";
    /// The bridge was shut down and everything of it has ended: the last thing that its listener hears. Whoever keeps
    /// something per call lets go of it now. It is not in the native SDK.
    SHUT_DOWN = "HongyanBridgeListener" "onShutDown" of "Bridge::shut_down" => "null";
}

impl EventRow {
    /// The event with its data, which is JSON, as the app gets it.
    pub(super) fn text(&self, data: &str) -> String {
        format!(r#"{{"listener":"{}","event":"{}","data":{data}}}"#, self.listener, self.event)
    }
}

/// What hears the SDK's events for the bridge.
pub(super) struct Events {
    outlet: Arc<Outlet>,
}

impl Events {
    pub(super) fn new(outlet: Arc<Outlet>) -> Self {
        Self { outlet }
    }

    fn tell(&self, row: &EventRow, data: &impl Serialize) {
        match serde_json::to_string(data) {
            Ok(data) => self.outlet.event(row.text(&data), row.event == LOG.event),
            Err(error) => tracing::error!(event = row.event, %error, "an event could not be written as JSON"),
        }
    }
}

impl SdkListener for Events {
    fn on_connecting(&self) {
        self.tell(&CONNECTING, &());
    }

    fn on_connect_success(&self) {
        self.tell(&CONNECT_SUCCESS, &());
    }

    fn on_connect_failed(&self, code: i32, detail: String) {
        self.tell(&CONNECT_FAILED, &ConnectFailed { code, desc: detail });
    }

    fn on_kicked_offline(&self) {
        self.tell(&KICKED_OFFLINE, &());
    }

    fn on_user_sig_expired(&self) {
        self.tell(&USER_SIG_EXPIRED, &());
    }

    fn on_self_info_updated(&self, info: UserInfo) {
        self.tell(&SELF_INFO_UPDATED, &User::from(info));
    }
}

impl AdvancedMsgListener for Events {
    fn on_recv_new_message(&self, messages: Vec<Message>) {
        self.tell(&RECV_NEW_MESSAGE, &MessageShape::list(messages));
    }

    fn on_recv_c2c_read_receipt(&self, receipts: Vec<MessageReceipt>) {
        self.tell(&RECV_C2C_READ_RECEIPT, &receipts.into_iter().map(Receipt::from).collect::<Vec<_>>());
    }

    fn on_message_status_changed(&self, messages: Vec<Message>) {
        self.tell(&MESSAGE_STATUS_CHANGED, &MessageShape::list(messages));
    }
}

impl ConversationListener for Events {
    fn on_sync_server_start(&self) {
        self.tell(&SYNC_SERVER_START, &());
    }

    fn on_sync_server_finish(&self) {
        self.tell(&SYNC_SERVER_FINISH, &());
    }

    fn on_sync_server_failed(&self) {
        self.tell(&SYNC_SERVER_FAILED, &());
    }

    fn on_new_conversation(&self, conversations: Vec<Conversation>) {
        self.tell(&NEW_CONVERSATION, &ConversationShape::list(conversations));
    }

    fn on_conversation_changed(&self, conversations: Vec<Conversation>) {
        self.tell(&CONVERSATION_CHANGED, &ConversationShape::list(conversations));
    }

    fn on_total_unread_message_count_changed(&self, total_unread_count: i64) {
        self.tell(&TOTAL_UNREAD_CHANGED, &Long(total_unread_count));
    }
}

impl LogListener for Events {
    fn on_log(&self, level: LogLevel, text: String) {
        self.tell(&LOG, &LogLine { log_level: level.number(), log_content: text });
    }
}
