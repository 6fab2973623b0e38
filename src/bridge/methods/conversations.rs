// SPDX-License-Identifier: Apache-2.0
//! Conversations.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use crate::bridge::Answer;
use crate::bridge::args::Args;
use crate::bridge::methods::{end_ms, json, nothing};
use crate::bridge::shape::{ConversationShape, Conversations, Long};
use crate::client::ImClient;

/// What the native SDK asks for the first page with.
const FIRST_PAGE: &str = "0";

pub(in crate::bridge) fn get_conversation_list(client: Arc<ImClient>, mut args: Args) -> BoxFuture<'static, Answer> {
    async move {
        let cursor = args.find::<String>("nextSeq")?.filter(|next| next != FIRST_PAGE);
        let page = client.conversations().get_conversation_list(cursor, args.take("count")?).await?;
        json(&Conversations::from(page))
    }
    .boxed()
}

pub(in crate::bridge) fn get_conversation(client: Arc<ImClient>, mut args: Args) -> BoxFuture<'static, Answer> {
    async move {
        let conversation = client.conversations().get_conversation(args.take("conversationID")?).await?;
        json(&ConversationShape::from(conversation))
    }
    .boxed()
}

pub(in crate::bridge) fn get_total_unread(client: Arc<ImClient>, _: Args) -> BoxFuture<'static, Answer> {
    async move { json(&Long(client.conversations().get_total_unread_message_count().await?)) }.boxed()
}

pub(in crate::bridge) fn clean_unread(client: Arc<ImClient>, mut args: Args) -> BoxFuture<'static, Answer> {
    async move {
        let clean_ms = end_ms(&mut args, "cleanTimestamp", "cleanTimestampMs")?;
        let clean_sequence = args.find("cleanSequence")?.unwrap_or(0);
        let id = args.take("conversationID")?;
        client.conversations().clean_conversation_unread_message_count(id, clean_ms, clean_sequence).await?;
        nothing()
    }
    .boxed()
}

pub(in crate::bridge) fn set_conversation_draft(client: Arc<ImClient>, mut args: Args) -> BoxFuture<'static, Answer> {
    async move {
        let (id, draft) = (args.take("conversationID")?, args.find("draftText")?);
        client.conversations().set_conversation_draft(id, draft).await?;
        nothing()
    }
    .boxed()
}
