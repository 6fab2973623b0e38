// SPDX-License-Identifier: Apache-2.0
//! Messages.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use hongyan_protocol::ids::{ConversationId, GroupId, UserId};

use crate::bridge::Answer;
use crate::bridge::args::{Args, invalid};
use crate::bridge::methods::{end_ms, json, json_list, span_ms};
use crate::bridge::numbers::{ElemType, GetType, Native};
use crate::bridge::shape::{History, MessageShape, Outgoing, SearchResult};
use crate::client::ImClient;
use crate::error::ImError;
use crate::message::{
    Element, HistoryOption, HistoryPage, KeywordListMatchType, Message, MessagePriority, MessageSearchParam,
    MessageType, OutgoingMessage,
};

pub(in crate::bridge) fn create_text_message(client: &Arc<ImClient>, mut args: Args) -> Answer {
    json(&Outgoing::from(client.messages().create_text_message(args.take("text")?)?))
}

pub(in crate::bridge) fn create_custom_message(client: &Arc<ImClient>, mut args: Args) -> Answer {
    let (desc, extension) = (find_text(&mut args, "desc")?, find_text(&mut args, "extension")?);
    json(&Outgoing::from(client.messages().create_custom_message(args.take("data")?, desc, extension)?))
}

pub(in crate::bridge) fn send_message(client: Arc<ImClient>, mut args: Args) -> BoxFuture<'static, Answer> {
    async move {
        let conversation = conversation(args.find("receiver")?, args.find("groupID")?, "receiver")?;
        let mut message = outgoing(args.take("message")?)?;
        if let Some(priority) = find_priority(&mut args)? {
            message.priority = priority;
        }
        sent(client.messages().send_message(message, conversation.to_string()).await?)
    }
    .boxed()
}

pub(in crate::bridge) fn resend_message(client: Arc<ImClient>, mut args: Args) -> BoxFuture<'static, Answer> {
    async move { sent(client.messages().resend_message(args.take("msgID")?).await?) }.boxed()
}

pub(in crate::bridge) fn send_c2c_text(client: Arc<ImClient>, mut args: Args) -> BoxFuture<'static, Answer> {
    async move { sent(client.messages().send_c2c_text_message(args.take("text")?, args.take("userID")?).await?) }
        .boxed()
}

pub(in crate::bridge) fn send_c2c_custom(client: Arc<ImClient>, mut args: Args) -> BoxFuture<'static, Answer> {
    async move {
        sent(client.messages().send_c2c_custom_message(args.take("customData")?, args.take("userID")?).await?)
    }
    .boxed()
}

pub(in crate::bridge) fn send_group_text(client: Arc<ImClient>, mut args: Args) -> BoxFuture<'static, Answer> {
    async move {
        let priority = find_priority(&mut args)?.unwrap_or_default();
        let (text, group_id) = (args.take("text")?, args.take("groupID")?);
        sent(client.messages().send_group_text_message(text, group_id, priority).await?)
    }
    .boxed()
}

pub(in crate::bridge) fn send_group_custom(client: Arc<ImClient>, mut args: Args) -> BoxFuture<'static, Answer> {
    async move {
        let priority = find_priority(&mut args)?.unwrap_or_default();
        let (data, group_id) = (args.take("customData")?, args.take("groupID")?);
        sent(client.messages().send_group_custom_message(data, group_id, priority).await?)
    }
    .boxed()
}

pub(in crate::bridge) fn get_history(client: Arc<ImClient>, mut args: Args) -> BoxFuture<'static, Answer> {
    async move {
        let get_type = GetType::of(args.take("getType")?);
        let (direction, source) = get_type.ok_or_else(|| invalid("getType", "there is no such number"))?.parts();
        let conversation = conversation(args.find("userID")?, args.find("groupID")?, "userID")?;
        let option = HistoryOption {
            conversation_id: conversation.to_string(),
            direction,
            source,
            count: args.take("count")?,
            last_message_id: args.find("lastMsgID")?,
            last_message_seq: args.find("lastMsgSeq")?,
        };
        page(client.messages().get_history_message_list(option).await?)
    }
    .boxed()
}

pub(in crate::bridge) fn get_c2c_history(client: Arc<ImClient>, mut args: Args) -> BoxFuture<'static, Answer> {
    async move {
        let (user_id, count, last) = (args.take("userID")?, args.take("count")?, args.find("lastMsgID")?);
        page(client.messages().get_c2c_history_message_list(user_id, count, last).await?)
    }
    .boxed()
}

pub(in crate::bridge) fn get_group_history(client: Arc<ImClient>, mut args: Args) -> BoxFuture<'static, Answer> {
    async move {
        let (group_id, count, last) = (args.take("groupID")?, args.take("count")?, args.find("lastMsgID")?);
        page(client.messages().get_group_history_message_list(group_id, count, last).await?)
    }
    .boxed()
}

pub(in crate::bridge) fn find_messages(client: Arc<ImClient>, mut args: Args) -> BoxFuture<'static, Answer> {
    async move { json_list::<_, MessageShape>(client.messages().find_messages(args.take("messageIDList")?).await?) }
        .boxed()
}

pub(in crate::bridge) fn search_local(client: Arc<ImClient>, mut args: Args) -> BoxFuture<'static, Answer> {
    async move {
        let match_type = args.find("keywordListMatchType")?.and_then(KeywordListMatchType::of);
        let types: Vec<i32> = args.find("messageTypeList")?.unwrap_or_default();
        let known: Vec<MessageType> = types.iter().filter_map(|number| MessageType::of(*number)).collect();
        let is_of_others = known.is_empty() && !types.is_empty();
        let conversation_id: Option<String> = args.find("conversationID")?;
        let param = MessageSearchParam {
            keyword_list: args.find("keywordList")?.unwrap_or_default(),
            keyword_list_match_type: match_type.unwrap_or_default(),
            sender_user_id_list: args.find("senderUserIDList")?.unwrap_or_default(),
            message_type_list: if is_of_others { vec![MessageType::Text] } else { known },
            conversation_id: conversation_id.filter(|id| !id.is_empty()),
            search_time_position_ms: end_ms(&mut args, "searchTimePosition", "searchTimePositionMs")?,
            search_time_period_ms: span_ms(&mut args, "searchTimePeriod", "searchTimePeriodMs")?,
            page_index: args.find("pageIndex")?.unwrap_or(0),
            page_size: args.take("pageSize")?,
        };
        let messages = client.messages();
        // No message is of a kind that this version does not have; what is wrong with the rest is told all the same.
        let found =
            if is_of_others { messages.search_nothing(param)? } else { messages.search_local_messages(param).await? };
        json(&SearchResult::from(found))
    }
    .boxed()
}

fn sent(message: Message) -> Answer {
    json(&MessageShape::from(message))
}

fn page(page: HistoryPage) -> Answer {
    json(&History::from(page))
}

fn find_text(args: &mut Args, name: &str) -> Result<String, ImError> {
    Ok(args.find(name)?.unwrap_or_default())
}

fn find_priority(args: &mut Args) -> Result<Option<MessagePriority>, ImError> {
    Ok(args.find("priority")?.and_then(MessagePriority::of))
}

/// The conversation with a user or of a group. `user_field` is what the user's field is called.
fn conversation(
    user_id: Option<String>,
    group_id: Option<String>,
    user_field: &str,
) -> Result<ConversationId, ImError> {
    match (user_id, group_id) {
        (Some(user_id), None) => Ok(ConversationId::C2c(UserId::parse(user_id)?)),
        (None, Some(group_id)) => Ok(ConversationId::Group(GroupId::parse(group_id)?)),
        _ => Err(invalid(user_field, "either this or groupID is needed")),
    }
}

fn outgoing(mut args: Args) -> Result<OutgoingMessage, ImError> {
    let elements: Vec<Args> = args.take("elemList")?;
    Ok(OutgoingMessage {
        message_id: args.take("msgID")?,
        elements: elements.into_iter().map(element).collect::<Result<_, _>>()?,
        cloud_custom_data: args.find("cloudCustomData")?.unwrap_or_default(),
        priority: find_priority(&mut args)?.unwrap_or_default(),
        is_excluded_from_unread_count: args.find("isExcludedFromUnreadCount")?.unwrap_or(false),
    })
}

fn element(mut args: Args) -> Result<Element, ImError> {
    let elem_type = ElemType::of(args.take("elemType")?);
    let (text, data) = (args.find("text")?, args.find("data")?);
    let (desc, extension) = (args.find("desc")?, args.find("extension")?);
    match (elem_type, text, data) {
        (Some(ElemType::Text), Some(text), None) if desc.is_none() && extension.is_none() => Ok(Element::Text { text }),
        (Some(ElemType::Custom), None, Some(data)) => Ok(Element::Custom {
            data,
            description: desc.unwrap_or_default(),
            extension: extension.unwrap_or_default(),
        }),
        _ => Err(invalid(
            "message.elemList",
            "an element of type 1 has text, one of type 2 has data, desc and extension",
        )),
    }
}
