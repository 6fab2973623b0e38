// SPDX-License-Identifier: Apache-2.0
//! The methods: one row each, with what it takes, what runs and what it gives. `docs/bridge.md` is made from it.

use std::sync::Arc;

use futures_util::future::BoxFuture;

use crate::bridge::Answer;
use crate::bridge::args::{Args, Form, Param, params};
use crate::bridge::methods::{client, conversations, groups, messages};
use crate::bridge::numbers::{ELEM_TYPE_SENT, GetType, Native};
use crate::client::ImClient;
use crate::message::{KeywordListMatchType, MessagePriority};

/// What is known of one method.
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) params: &'static [Param],
    pub(super) run: Run,
    /// The SDK's own method behind it.
    #[cfg(test)]
    pub(super) of: &'static str,
    /// The kind of its data.
    #[cfg(test)]
    pub(super) data: &'static str,
    /// Codes of its own.
    #[cfg(test)]
    pub(super) codes: &'static str,
    #[cfg(test)]
    pub(super) doc: &'static str,
}

/// What runs. Neither kind does anything on the network before it is polled.
#[derive(Clone, Copy)]
pub(super) enum Run {
    /// Never waits: `call_now` takes it as well.
    Now(fn(&Arc<ImClient>, Args) -> Answer),
    Waiting(fn(Arc<ImClient>, Args) -> BoxFuture<'static, Answer>),
}

macro_rules! methods {
    ($($(#[doc = $doc:literal])+
        $name:ident = $kind:ident($run:path) of $of:literal { $($params:tt)* } => $data:literal, $codes:literal;)*
    ) => {
        &[$(Row {
            name: stringify!($name),
            params: params![$($params)*],
            run: Run::$kind($run),
            #[cfg(test)]
            of: $of,
            #[cfg(test)]
            data: $data,
            #[cfg(test)]
            codes: $codes,
            #[cfg(test)]
            doc: concat!($($doc),+),
        }),*]
    };
}

/// The method of a name.
pub(super) fn find(name: &str) -> Option<&'static Row> {
    ROOMS.iter().flat_map(|(_, rows)| *rows).find(|row| row.name == name)
}

/// The methods, by room.
pub(super) const ROOMS: [(&str, &[Row]); 4] =
    [("Client", CLIENT), ("Messages", MESSAGES), ("Conversations", CONVERSATIONS), ("Groups", GROUPS)];

/// An element as an app sends it.
const ELEMENT: &[Param] = params![
    elemType must Form::Choice(ELEM_TYPE_SENT) => "Which kind it is.",
    text may Form::Text => "The text, of a text element.",
    data may Form::Bytes => "The bytes, of a custom element.",
    desc may Form::Text => "The text of a push notice, of a custom element.",
    extension may Form::Text => "A further field for the app, of a custom element.",
];

/// A message that was made and is to be sent.
pub(super) const OUTGOING: &[Param] = params![
    msgID must Form::Text => "As it was made.",
    elemList must Form::List(&Form::Object(ELEMENT)) => "Its parts, 1 to 32, together at most 12 KiB.",
    cloudCustomData may Form::Bytes => "Bytes of the app's own beside the elements, which they count with.",
    priority may Form::Choice(MessagePriority::NUMBERS) => "How urgent it is.",
    isExcludedFromUnreadCount may Form::Flag => "Whether it is left out of unread counts.",
];

/// Somebody who is in a new group from the start.
const NEW_MEMBER: &[Param] = params![userID must Form::Text => "The user."];

const CLIENT: &[Row] = methods! {
    /// Opens what was last known of a user, so that the app can show it before the login or without a network.
    /// Natively it is an experimental call.
    initLocalStorage = Waiting(client::init_local_storage) of "ImClient::init_local_storage" {
        userID must Form::Text => "The user.",
    } => "null", "7003, 7014";

    /// Logs a user in. The SDK then keeps the connection up by itself until a logout, until the bridge is shut down, or
    /// until `onKickedOffline` or `onUserSigExpired`. The first login of a user makes the account. A server whose
    /// certificate is not trusted is not tried again: the login ends at once, with 9501.
    login = Waiting(client::login) of "ImClient::login" {
        userID must Form::Text => "The user, 1 to 32 bytes of printable ASCII.",
        userSig must Form::Text => "What the app's own server signed for the user.",
    } => "null", "7501, 7502, 7003, 6012, 9501, 9502, 6206, 70001 to 70014, 70050, 6023";

    /// Logs the user out, here and on the server.
    logout = Waiting(client::logout) of "ImClient::logout" {} => "null", "6014, 7502";

    /// Who is logged in; `null` where nobody is.
    getLoginUser = Now(client::get_login_user) of "ImClient::login_user" {} => "text or null", "";

    /// Whether somebody is logged in: a login status.
    getLoginStatus = Now(client::get_login_status) of "ImClient::login_status" {} => "number", "";

    /// The server's time, whatever the device's clock says; before the first login the device's own. Natively the data
    /// is the seconds alone.
    getServerTime = Now(client::get_server_time) of "ImClient::server_time_ms" {} => "ServerTime", "";

    /// The version of the SDK.
    getVersion = Now(client::get_version) of "ImClient::version" {} => "text", "";

    /// Tells the SDK whether people look at the app; see the lifecycle in the guides. Natively these are `doForeground`
    /// and `doBackground`.
    setForeground = Now(client::set_foreground) of "ImClient::set_foreground" {
        isForeground must Form::Flag => "Whether they do.",
    } => "null", "";

    /// Tells the SDK that the device's network changed or came back: the connection is checked, or made, at once. It is
    /// not in the native SDK.
    networkChanged = Now(client::network_changed) of "ImClient::network_changed" {} => "null", "";

    /// Profiles of users, in the order asked for; users who do not exist are left out. Needs the server.
    getUsersInfo = Waiting(client::get_users_info) of "ImClient::get_users_info" {
        userIDList must Form::List(&Form::Text) => "Whom, 1 to 100.",
    } => "list of User", "6017, 7003, 6014, 6012, 9508";

    /// Changes the user's own profile: what is there is set, the rest stays. Needs the server.
    setSelfInfo = Waiting(client::set_self_info) of "ImClient::set_self_info" {
        nickName may Form::Text => "The new nickname, at most 500 bytes.",
        faceURL may Form::Text => "The new address of the portrait, at most 500 bytes.",
    } => "null", "40601, 6017, 6014, 6012, 9508";
};

const MESSAGES: &[Row] = methods! {
    /// Makes a text message; nothing is stored or sent.
    createTextMessage = Now(messages::create_text_message) of "MessageManager::create_text_message" {
        text must Form::Text => "The text, at most 12 KiB and without NUL.",
    } => "OutgoingMessage", "6016, 8001";

    /// Makes a message of bytes that only the app understands; nothing is stored or sent.
    createCustomMessage = Now(messages::create_custom_message) of "MessageManager::create_custom_message" {
        data must Form::Bytes => "The bytes.",
        desc may Form::Text => "The text of a push notice.",
        extension may Form::Text => "A further field for the app.",
    } => "OutgoingMessage", "6016, 8001";

    /// Sends a message to a user or to a group. It is stored first, survives a kill of the app, and the reply comes when
    /// the server has stored it. After an error the message stays with status failed, for `resendMessage`.
    sendMessage = Waiting(messages::send_message) of "MessageManager::send_message" {
        message must Form::Object(OUTGOING) => "What a `create…` method gave.",
        receiver may Form::Text => "The user that it is for. Either this or `groupID`.",
        groupID may Form::Text => "The group that it is for.",
        priority may Form::Choice(MessagePriority::NUMBERS) => "How urgent it is; that of the message where it is not said.",
    } => "Message", "6012, 6014, 6016, 6017, 6022, 7003, 7009, 8001, 8501, 9507, 9508, 10007, 10010, 20003";

    /// Sends a message that failed again, under the same id. It is not in the native SDK, which sends the message object.
    resendMessage = Waiting(messages::resend_message) of "MessageManager::resend_message" {
        msgID must Form::Text => "Which one.",
    } => "Message", "7014, and those of `sendMessage`";

    /// Sends a text to a user: `createTextMessage` and `sendMessage` in one.
    sendC2CTextMessage = Waiting(messages::send_c2c_text) of "MessageManager::send_c2c_text_message" {
        text must Form::Text => "The text.",
        userID must Form::Text => "The user.",
    } => "Message", "those of `sendMessage`";

    /// Sends bytes to a user: `createCustomMessage` and `sendMessage` in one.
    sendC2CCustomMessage = Waiting(messages::send_c2c_custom) of "MessageManager::send_c2c_custom_message" {
        customData must Form::Bytes => "The bytes.",
        userID must Form::Text => "The user.",
    } => "Message", "those of `sendMessage`";

    /// Sends a text to a group: `createTextMessage` and `sendMessage` in one.
    sendGroupTextMessage = Waiting(messages::send_group_text) of "MessageManager::send_group_text_message" {
        text must Form::Text => "The text.",
        groupID must Form::Text => "The group.",
        priority may Form::Choice(MessagePriority::NUMBERS) => "How urgent it is.",
    } => "Message", "those of `sendMessage`";

    /// Sends bytes to a group: `createCustomMessage` and `sendMessage` in one.
    sendGroupCustomMessage = Waiting(messages::send_group_custom) of "MessageManager::send_group_custom_message" {
        customData must Form::Bytes => "The bytes.",
        groupID must Form::Text => "The group.",
        priority may Form::Choice(MessagePriority::NUMBERS) => "How urgent it is.",
    } => "Message", "those of `sendMessage`";

    /// Reads a page of a conversation's history, either way.
    getHistoryMessageList = Waiting(messages::get_history) of "MessageManager::get_history_message_list" {
        getType must Form::Choice(GetType::NUMBERS) => "Which way and where.",
        userID may Form::Text => "The other user of a one-to-one conversation. Either this or `groupID`.",
        groupID may Form::Text => "The group of a group conversation.",
        count must Form::Int => "How many messages at the most, 1 to 200.",
        lastMsgID may Form::Text => "The message after which the reading starts; it is not part of the page.",
        lastMsgSeq may Form::Long => "The sequence at which the reading starts; it is part of the page.",
    } => "HistoryPage", "6014, 6017, 7003, 8501, 10007, 10010, 20003, 6001";

    /// Reads older messages with a user from the cloud, newest first.
    getC2CHistoryMessageList = Waiting(messages::get_c2c_history) of "MessageManager::get_c2c_history_message_list" {
        userID must Form::Text => "The user.",
        count must Form::Int => "How many messages at the most, 1 to 200.",
        lastMsgID may Form::Text => "The message before which the reading starts; the end where it is not said.",
    } => "HistoryPage", "those of `getHistoryMessageList`";

    /// Reads older messages of a group from the cloud, newest first.
    getGroupHistoryMessageList = Waiting(messages::get_group_history)
        of "MessageManager::get_group_history_message_list" {
        groupID must Form::Text => "The group.",
        count must Form::Int => "How many messages at the most, 1 to 200.",
        lastMsgID may Form::Text => "The message before which the reading starts; the end where it is not said.",
    } => "HistoryPage", "those of `getHistoryMessageList`";

    /// Finds messages on this device, in the order asked for; those that are not there are left out. It works offline.
    findMessages = Waiting(messages::find_messages) of "MessageManager::find_messages" {
        messageIDList must Form::List(&Form::Text) => "Which, at most 1000.",
    } => "list of Message", "6014, 6017";

    /// Searches the messages on this device by words, senders, types and time; what was never fetched is not found, nor are
    /// tips of groups. It works offline. The guides say what a keyword finds.
    searchLocalMessages = Waiting(messages::search_local) of "MessageManager::search_local_messages" {
        keywordList may Form::List(&Form::Text) => "What is looked for, at most 5 of 512 bytes; it may be empty only where senders or types are named.",
        keywordListMatchType may Form::Choice(KeywordListMatchType::NUMBERS) => "How many of them a message must have.",
        senderUserIDList may Form::List(&Form::Text) => "Users of whom one sent it, at most 5; nobody for anybody.",
        messageTypeList may Form::List(&Form::Int) => "Kinds of which it has an element: 1 text, 2 custom, by its description; none for all. Other numbers find nothing in this version.",
        conversationID may Form::Text => "`c2c_<userID>` or `group_<groupID>`; all conversations where it is not said or empty.",
        searchTimePosition may Form::Long => "Up to and with this second since 1970; nothing or 0 for now. The same time for every page keeps what arrives meanwhile from moving the pages.",
        searchTimePositionMs may Form::Long => "The same to the millisecond; one of the two.",
        searchTimePeriod may Form::Long => "How many seconds before that at the most; nothing or 0 for any time.",
        searchTimePeriodMs may Form::Long => "The same in milliseconds; one of the two.",
        pageIndex may Form::Int => "Which page, from 0 on.",
        pageSize must Form::Int => "How many messages of one conversation, or how many conversations, a page has at the most, 1 to 100. Natively 0 stands for all.",
    } => "MessageSearchResult", "6004, 6014, 6017, 6022, 7003";
};

const CONVERSATIONS: &[Row] = methods! {
    /// Reads a page of the list from this device: highest `orderKey` first. It works offline.
    getConversationList = Waiting(conversations::get_conversation_list)
        of "ConversationManager::get_conversation_list" {
        nextSeq may Form::Text => "The `nextSeq` of the page before; nothing or `0` for the first page.",
        count must Form::Int => "How many conversations at the most, 1 to 1000; 100 is usual.",
    } => "ConversationPage", "6014, 6017";

    /// Reads one conversation from this device, whether the list shows it or not. It works offline.
    getConversation = Waiting(conversations::get_conversation) of "ConversationManager::get_conversation" {
        conversationID must Form::Text => "`c2c_<userID>` or `group_<groupID>`.",
    } => "Conversation", "6004, 6014";

    /// How many messages are unread in all conversations together, as this device knows. It works offline.
    getTotalUnreadMessageCount = Waiting(conversations::get_total_unread)
        of "ConversationManager::get_total_unread_message_count" {} => "64-bit number", "6014";

    /// Marks messages as read, on all devices of the user. A read position never moves back. Needs the server.
    cleanConversationUnreadMessageCount = Waiting(conversations::clean_unread)
        of "ConversationManager::clean_conversation_unread_message_count" {
        conversationID must Form::Text => "One conversation; `c2c` for all one-to-one conversations, `group` for all groups, empty for all.",
        cleanTimestamp may Form::Long => "One to one: up to and with this second since 1970; nothing or 0 for everything.",
        cleanTimestampMs may Form::Long => "The same to the millisecond; one of the two.",
        cleanSequence may Form::Long => "In a group: up to and with this sequence; nothing or 0 for everything.",
    } => "null", "6004, 6014, 6017, 6012, 9508";

    /// Keeps a text that is being written, on this device only. It works offline.
    setConversationDraft = Waiting(conversations::set_conversation_draft)
        of "ConversationManager::set_conversation_draft" {
        conversationID must Form::Text => "`c2c_<userID>` or `group_<groupID>`.",
        draftText may Form::Text => "The text, at most 64 KiB; nothing or an empty one clears it.",
    } => "null", "6004, 6014, 6017, 6022";
};

const GROUPS: &[Row] = methods! {
    /// Makes a group, with the user as its owner, and gives its id. Needs the server.
    createGroup = Waiting(groups::create_group) of "GroupManager::create_group" {
        groupType must Form::Text => "`Work`.",
        groupID may Form::Text => "Its id, 1 to 48 bytes of printable ASCII, not beginning with `@TGS#`; the server makes one where none is given.",
        groupName must Form::Text => "Its name, at most 100 bytes.",
        faceURL may Form::Text => "The address of its picture, at most 500 bytes.",
        memberList may Form::List(&Form::Object(NEW_MEMBER)) => "Who is in it from the start beside the user, at most 20.",
    } => "text", "6017, 7003, 8501, 8502, 8505, 8507, 10019, 10021, 10025, 6014, 6012, 9508";

    /// Adds users to a group and says of each how it went, in the order of the call. Needs the server.
    inviteUserToGroup = Waiting(groups::invite_user_to_group) of "GroupManager::invite_user_to_group" {
        groupID must Form::Text => "The group.",
        userIDList must Form::List(&Form::Text) => "Whom, 1 to 20.",
    } => "list of GroupMemberOperationResult", "7003, 8501, 8507, 8510, 10007, 10010, 6014, 6012, 9508";

    /// Leaves a group. The conversation stays on this device with what was read of it. Needs the server.
    quitGroup = Waiting(groups::quit_group) of "GroupManager::quit_group" {
        groupID must Form::Text => "The group.",
    } => "null", "8501, 10007, 10010, 6014, 6012, 9508";
};
