// SPDX-License-Identifier: Apache-2.0
//! The objects of replies and events, by the native SDK's field names. A native time is in seconds; beside it stands the
//! same one in milliseconds.

use hongyan_protocol::bytes::Base64Bytes;
use serde::{Serialize, Serializer};

use crate::account::UserInfo;
use crate::bridge::numbers::{ElemType, Native};
use crate::conversation::{Conversation, ConversationPage};
use crate::group::GroupMemberOperationResult;
use crate::message::{Element, HistoryPage, Message, MessageReceipt, MessageSearchResult, OutgoingMessage};

/// A number of 64 bits, which travels as text.
pub(super) struct Long(pub(super) i64);

impl Serialize for Long {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

fn seconds(ms: i64) -> Long {
    Long(ms.div_euclid(1_000))
}

/// Makes each object and, for the page, what is known of its fields.
macro_rules! shapes {
    ($($(#[doc = $doc:literal])+ $shape:ident $name:literal {
        $($(#[doc = $field_doc:literal])+ $field:ident $json:literal: $type:ty,)+
    })*) => {
        $(
            $(#[doc = $doc])+
            #[derive(Serialize)]
            pub(super) struct $shape {
                $($(#[doc = $field_doc])+ #[serde(rename = $json)] pub(super) $field: $type,)+
            }

            #[cfg(test)]
            impl crate::bridge::page::Described for $shape {
                fn form() -> String {
                    $name.to_owned()
                }
            }
        )*

        /// All of them.
        #[cfg(test)]
        pub(super) fn described() -> Vec<crate::bridge::page::Object> {
            vec![$(crate::bridge::page::Object {
                name: $name,
                doc: concat!($($doc),+),
                fields: vec![$((
                    $json,
                    <$type as crate::bridge::page::Described>::form(),
                    concat!($($field_doc),+),
                )),+],
            }),*]
        }
    };
}

shapes! {
    /// What is public of a user.
    User "User" {
        /// The user.
        user_id "userID": String,
        /// The nickname; empty where none was set.
        nick_name "nickName": String,
        /// The address of the portrait; empty where none was set.
        face_url "faceURL": String,
    }
    /// The server's time.
    ServerTime "ServerTime" {
        /// In seconds since 1970.
        server_time "serverTime": Long,
        /// In milliseconds since 1970.
        server_time_ms "serverTimeMs": Long,
    }
    /// Why a connection could not be made.
    ConnectFailed "ConnectFailed" {
        /// The code.
        code "code": i32,
        /// In words for the developer.
        desc "desc": String,
    }
    /// A line of the log.
    LogLine "LogLine" {
        /// How important it is, a log level.
        log_level "logLevel": i32,
        /// The line, without its time.
        log_content "logContent": String,
    }
    /// A message that can be sent: what the `create…` methods give and `sendMessage` takes. Fields may be set
    /// in between; nothing is kept of it before it is sent.
    Outgoing "OutgoingMessage" {
        /// Names the message, from now on; not to be changed.
        msg_id "msgID": String,
        /// Its parts.
        elem_list "elemList": Vec<ElementShape>,
        /// Bytes of the app's own beside the elements.
        cloud_custom_data "cloudCustomData": Base64Bytes,
        /// How urgent it is, a message priority.
        priority "priority": i32,
        /// Whether it is left out of unread counts.
        is_excluded "isExcludedFromUnreadCount": bool,
    }
    /// A message of a conversation, as it is stored on this device.
    MessageShape "Message" {
        /// Names the message, from the moment it is made; natively it is empty until the message is sent.
        msg_id "msgID": String,
        /// The conversation: `c2c_<userID>` or `group_<groupID>`. It is not in the native SDK.
        conversation_id "conversationID": String,
        /// When the server stored it, in seconds since 1970; until then when it was made.
        timestamp "timestamp": Long,
        /// The same in milliseconds.
        timestamp_ms "timestampMs": Long,
        /// Its place in the conversation, rising by one from 1, the same on all devices, also one to one; 0 until
        /// the server has it.
        seq "seq": Long,
        /// Who sent it.
        sender "sender": String,
        /// The sender's nickname when it was sent; empty where none was set.
        nick_name "nickName": String,
        /// The address of the sender's portrait when it was sent; empty where none was set.
        face_url "faceURL": String,
        /// The other user of a one-to-one conversation, whoever of the two sent it.
        user_id "userID": Option<String>,
        /// The group of a group conversation.
        group_id "groupID": Option<String>,
        /// How far sending it has come, a message status.
        status "status": i32,
        /// The code of why sending it failed, of one that failed. It is not in the native SDK.
        failure_code "failureCode": Option<i32>,
        /// Whether the user sent it, from this device or another.
        is_self "isSelf": bool,
        /// Whether the user has read it, on any device. Own messages count as read.
        is_read "isRead": bool,
        /// Whether the other user of a one-to-one conversation has read it.
        is_peer_read "isPeerRead": bool,
        /// The kind of its first element.
        elem_type "elemType": i32,
        /// All its elements, at least one; natively the first stands in the message and the others behind it.
        elem_list "elemList": Vec<ElementShape>,
        /// Bytes of the app's own beside the elements.
        cloud_custom_data "cloudCustomData": Base64Bytes,
        /// How urgent it is, a message priority.
        priority "priority": i32,
        /// Whether it is left out of unread counts.
        is_excluded "isExcludedFromUnreadCount": bool,
    }
    /// An element with text.
    TextElem "TextElem" {
        /// 1.
        elem_type "elemType": i32,
        /// The text.
        text "text": String,
    }
    /// An element with bytes that only the app understands.
    CustomElem "CustomElem" {
        /// 2.
        elem_type "elemType": i32,
        /// The bytes.
        data "data": Base64Bytes,
        /// The text of a push notice.
        desc "desc": String,
        /// A further field for the app.
        extension "extension": String,
    }
    /// An element that tells what happened in a group. Only the server makes it.
    GroupTipsElem "GroupTipsElem" {
        /// 9.
        elem_type "elemType": i32,
        /// The group.
        group_id "groupID": String,
        /// What happened, a group tips type.
        tips_type "type": i32,
        /// Who did it.
        op_member "opMember": Member,
        /// To whom.
        member_list "memberList": Vec<Member>,
        /// How many members the group has since.
        member_count "memberCount": i32,
    }
    /// An element of a kind newer than this version. It is kept, and a version that knows it will show it.
    UnknownElem "UnknownElem" {
        /// 0.
        elem_type "elemType": i32,
        /// As it came: JSON, as text.
        json "json": String,
    }
    /// A member of a group.
    Member "GroupMember" {
        /// The user.
        user_id "userID": String,
    }
    /// A page of history.
    History "HistoryPage" {
        /// The messages: newest first of older ones, oldest first of newer ones.
        message_list "messageList": Vec<MessageShape>,
        /// Whether there is nothing further that way. An empty page is always finished.
        is_finished "isFinished": bool,
    }
    /// A page of what was found.
    SearchResult "MessageSearchResult" {
        /// How much was found on all pages: the messages of the conversation that was asked for, or the conversations that
        /// have some.
        total_count "totalCount": i32,
        /// The conversation that was asked for, or those of this page, the one with the newest message first.
        items "messageSearchResultItems": Vec<SearchResultItem>,
    }
    /// What was found in one conversation.
    SearchResultItem "MessageSearchResultItem" {
        /// The conversation.
        conversation_id "conversationID": String,
        /// How many messages were found in it, on all pages.
        message_count "messageCount": i32,
        /// Of the conversation that was asked for the messages of this page, newest first; of all conversations the message
        /// where exactly one was found.
        message_list "messageList": Vec<MessageShape>,
    }
    /// How far the other user of a one-to-one conversation has read.
    Receipt "MessageReceipt" {
        /// Who has read.
        user_id "userID": String,
        /// In which conversation.
        conversation_id "conversationID": String,
        /// Up to and with the message of this sequence.
        seq "seq": Long,
        /// The server's time of that message, in seconds since 1970; 0 where this device never had it.
        timestamp "timestamp": Long,
        /// The same in milliseconds.
        timestamp_ms "timestampMs": Long,
    }
    /// A conversation as the list shows it.
    ConversationShape "Conversation" {
        /// `c2c_<userID>` or `group_<groupID>`.
        conversation_id "conversationID": String,
        /// Which kind it is, a conversation type.
        conversation_type "type": i32,
        /// The other user of a one-to-one conversation.
        user_id "userID": Option<String>,
        /// The group of a group conversation.
        group_id "groupID": Option<String>,
        /// The group's type, such as `Work`.
        group_type "groupType": Option<String>,
        /// What to call it: the group's name or the other user's nickname; the id where there is none.
        show_name "showName": String,
        /// The address of its picture; empty where there is none.
        face_url "faceUrl": String,
        /// How many messages are unread.
        unread_count "unreadCount": i64,
        /// The last message, those not sent among them.
        last_message "lastMessage": Option<MessageShape>,
        /// The draft.
        draft_text "draftText": Option<String>,
        /// When the draft was set, in seconds since 1970; 0 where there is none.
        draft_timestamp "draftTimestamp": Long,
        /// The same in milliseconds.
        draft_timestamp_ms "draftTimestampMs": Long,
        /// Where it stands in the list, highest first; equal ones are ordered by their ids. It rises and is no time.
        order_key "orderKey": Long,
        /// The server's time of the last message that the user has read of a one-to-one conversation, in seconds
        /// since 1970; 0 where none is.
        c2c_read_timestamp "c2cReadTimestamp": Long,
        /// The same in milliseconds.
        c2c_read_timestamp_ms "c2cReadTimestampMs": Long,
        /// Up to and with which sequence the user has read a group conversation.
        group_read_sequence "groupReadSequence": Long,
    }
    /// A page of the conversation list.
    Conversations "ConversationPage" {
        /// The conversations, in the order of the list.
        conversation_list "conversationList": Vec<ConversationShape>,
        /// What the next page is asked for with; `0` after the last. Natively it is a number, here it is a text of no
        /// meaning to the app.
        next_seq "nextSeq": String,
        /// Whether this was the last page.
        is_finished "isFinished": bool,
    }
    /// What became of one user that a call named.
    MemberResult "GroupMemberOperationResult" {
        /// Whom.
        user_id "userID": String,
        /// How it went, a member operation result.
        result "result": i32,
    }
}

/// One of the elements, told apart by `elemType`.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum ElementShape {
    Text(TextElem),
    Custom(CustomElem),
    GroupTips(GroupTipsElem),
    Unknown(UnknownElem),
}

impl From<UserInfo> for User {
    fn from(user: UserInfo) -> Self {
        Self { user_id: user.user_id, nick_name: user.nick_name, face_url: user.face_url }
    }
}

impl ServerTime {
    pub(super) fn new(ms: i64) -> Self {
        Self { server_time: seconds(ms), server_time_ms: Long(ms) }
    }
}

impl From<Element> for ElementShape {
    fn from(element: Element) -> Self {
        let number = ElemType::number;
        match element {
            Element::Text { text } => Self::Text(TextElem { elem_type: number(ElemType::Text), text }),
            Element::Custom { data, description, extension } => Self::Custom(CustomElem {
                elem_type: number(ElemType::Custom),
                data: Base64Bytes(data),
                desc: description,
                extension,
            }),
            Element::GroupTips { group_id, tips, operator_id, members, member_count } => {
                Self::GroupTips(GroupTipsElem {
                    elem_type: number(ElemType::GroupTips),
                    group_id,
                    tips_type: tips.number(),
                    op_member: Member { user_id: operator_id },
                    member_list: members.into_iter().map(|user_id| Member { user_id }).collect(),
                    member_count,
                })
            }
            Element::Unknown { json } => Self::Unknown(UnknownElem { elem_type: number(ElemType::None), json }),
        }
    }
}

impl ElementShape {
    fn elem_type(&self) -> i32 {
        match self {
            Self::Text(elem) => elem.elem_type,
            Self::Custom(elem) => elem.elem_type,
            Self::GroupTips(elem) => elem.elem_type,
            Self::Unknown(elem) => elem.elem_type,
        }
    }
}

fn elements(elements: Vec<Element>) -> Vec<ElementShape> {
    elements.into_iter().map(ElementShape::from).collect()
}

impl From<OutgoingMessage> for Outgoing {
    fn from(message: OutgoingMessage) -> Self {
        Self {
            msg_id: message.message_id,
            elem_list: elements(message.elements),
            cloud_custom_data: Base64Bytes(message.cloud_custom_data),
            priority: message.priority.number(),
            is_excluded: message.is_excluded_from_unread_count,
        }
    }
}

impl From<Message> for MessageShape {
    fn from(message: Message) -> Self {
        let elem_list = elements(message.elements);
        Self {
            msg_id: message.message_id,
            conversation_id: message.conversation_id,
            timestamp: seconds(message.timestamp_ms),
            timestamp_ms: Long(message.timestamp_ms),
            seq: Long(message.seq),
            sender: message.sender,
            nick_name: message.nick_name,
            face_url: message.face_url,
            user_id: message.user_id,
            group_id: message.group_id,
            status: message.status.number(),
            failure_code: message.failure,
            is_self: message.is_self,
            is_read: message.is_read,
            is_peer_read: message.is_peer_read,
            elem_type: elem_list.first().map_or(ElemType::None.number(), ElementShape::elem_type),
            elem_list,
            cloud_custom_data: Base64Bytes(message.cloud_custom_data),
            priority: message.priority.number(),
            is_excluded: message.is_excluded_from_unread_count,
        }
    }
}

impl MessageShape {
    pub(super) fn list(messages: Vec<Message>) -> Vec<Self> {
        messages.into_iter().map(Self::from).collect()
    }
}

impl From<HistoryPage> for History {
    fn from(page: HistoryPage) -> Self {
        Self { message_list: MessageShape::list(page.messages), is_finished: page.is_finished }
    }
}

impl From<MessageSearchResult> for SearchResult {
    fn from(result: MessageSearchResult) -> Self {
        let items = result.message_search_result_items.into_iter().map(|item| SearchResultItem {
            conversation_id: item.conversation_id,
            message_count: item.message_count,
            message_list: MessageShape::list(item.message_list),
        });
        Self { total_count: result.total_count, items: items.collect() }
    }
}

impl From<MessageReceipt> for Receipt {
    fn from(receipt: MessageReceipt) -> Self {
        Self {
            user_id: receipt.user_id,
            conversation_id: receipt.conversation_id,
            seq: Long(receipt.seq),
            timestamp: seconds(receipt.timestamp_ms),
            timestamp_ms: Long(receipt.timestamp_ms),
        }
    }
}

impl From<Conversation> for ConversationShape {
    fn from(conversation: Conversation) -> Self {
        Self {
            conversation_id: conversation.conversation_id,
            conversation_type: conversation.conversation_type.number(),
            user_id: conversation.user_id,
            group_id: conversation.group_id,
            group_type: conversation.group_type,
            show_name: conversation.show_name,
            face_url: conversation.face_url,
            unread_count: conversation.unread_count,
            last_message: conversation.last_message.map(MessageShape::from),
            draft_text: conversation.draft_text,
            draft_timestamp: seconds(conversation.draft_timestamp_ms),
            draft_timestamp_ms: Long(conversation.draft_timestamp_ms),
            order_key: Long(conversation.order_key),
            c2c_read_timestamp: seconds(conversation.c2c_read_timestamp_ms),
            c2c_read_timestamp_ms: Long(conversation.c2c_read_timestamp_ms),
            group_read_sequence: Long(conversation.group_read_sequence),
        }
    }
}

impl ConversationShape {
    pub(super) fn list(conversations: Vec<Conversation>) -> Vec<Self> {
        conversations.into_iter().map(Self::from).collect()
    }
}

impl From<ConversationPage> for Conversations {
    fn from(page: ConversationPage) -> Self {
        Self {
            conversation_list: ConversationShape::list(page.conversations),
            is_finished: page.next_cursor.is_none(),
            next_seq: page.next_cursor.unwrap_or_else(|| "0".to_owned()),
        }
    }
}

impl From<GroupMemberOperationResult> for MemberResult {
    fn from(result: GroupMemberOperationResult) -> Self {
        Self { user_id: result.user_id, result: result.result.number() }
    }
}
