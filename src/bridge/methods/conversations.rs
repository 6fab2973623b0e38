// SPDX-License-Identifier: Apache-2.0
//! Conversations.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use crate::bridge::Answer;
use crate::bridge::args::{Args, invalid};
use crate::bridge::methods::{json, nothing};
use crate::bridge::shape::{ConversationShape, Conversations, Long};
use crate::client::ImClient;
use crate::error::ImError;

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
        let clean_ms = clean_ms(args.find("cleanTimestamp")?, args.find("cleanTimestampMs")?)?;
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

/// Up to where a one-to-one conversation is read, in milliseconds: a second is read to its end.
fn clean_ms(seconds: Option<i64>, ms: Option<i64>) -> Result<i64, ImError> {
    match (seconds.unwrap_or(0), ms.unwrap_or(0)) {
        (0, ms) => Ok(ms),
        (seconds, 0) => seconds
            .checked_mul(1_000)
            .and_then(|ms| ms.checked_add(999))
            .ok_or_else(|| invalid("cleanTimestamp", "that is no time")),
        _ => Err(invalid("cleanTimestamp", "either this or cleanTimestampMs")),
    }
}

#[cfg(test)]
mod tests {
    use super::clean_ms;

    #[test]
    fn a_second_is_read_to_its_end() {
        assert_eq!(clean_ms(None, None).unwrap(), 0);
        assert_eq!(clean_ms(Some(2), None).unwrap(), 2_999);
        assert_eq!(clean_ms(Some(0), Some(2_500)).unwrap(), 2_500);
        assert!(clean_ms(Some(-1), None).unwrap() < 0, "the SDK refuses it");
        for (seconds, ms) in [(Some(2), Some(2)), (Some(i64::MAX), None), (Some(i64::MIN), None)] {
            assert!(clean_ms(seconds, ms).is_err());
        }
    }
}
