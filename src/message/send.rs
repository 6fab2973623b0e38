// SPDX-License-Identifier: Apache-2.0
//! Putting messages into the outbox and waiting for what becomes of them.

use hongyan_protocol::codes::Code;
use hongyan_protocol::ids::{ConversationId, MessageId, Seq};
use hongyan_protocol::limits::INTEGER_MAX;
use hongyan_protocol::message::MessageBody;
use tokio::sync::oneshot;

use crate::error::ImError;
use crate::listener::events::EventRef;
use crate::message::outbox::Turn;
use crate::message::queries::{self, OutgoingRow};
use crate::message::types::Message;
use crate::sync::Local;
use crate::sync::batch::{Batch, Written};

/// Stores a message in its turn, has it sent and waits for its end.
pub(super) async fn send(
    local: &Local,
    mut turn: Turn,
    id: MessageId,
    conversation: ConversationId,
    body: MessageBody,
) -> Result<Message, ImError> {
    let text = serde_json::to_string(&body).map_err(|error| ImError::new(Code::ENCODE_FAILED, error.to_string()))?;
    let outcome = local.outbox.watch(id);
    turn.comes().await;
    let stored = store(local, id, &conversation, &text).await;
    drop(turn);
    finish(local, id, stored, outcome).await
}

/// Has a message that failed sent again, in its turn and under its own id.
pub(super) async fn resend(local: &Local, mut turn: Turn, id: MessageId) -> Result<Message, ImError> {
    let outcome = local.outbox.watch(id);
    turn.comes().await;
    let stored = store_again(local, id).await;
    drop(turn);
    finish(local, id, stored, outcome).await
}

async fn finish(
    local: &Local,
    id: MessageId,
    stored: Result<Written, ImError>,
    outcome: oneshot::Receiver<Result<(), ImError>>,
) -> Result<Message, ImError> {
    match stored {
        Ok(written) => local.announce(written),
        Err(error) => {
            local.store.note(&error);
            drop(outcome);
            local.outbox.forget_closed(id);
            return Err(error);
        }
    }
    local.outbox.filled.notify_one();
    // Without an answer the client was closed: the message waits for the next time.
    outcome.await.map_err(|_| ImError::from(Code::INTERRUPTED_BY_CLOSE))??;
    let sent = local.messages(&[id]).await?.pop();
    sent.ok_or_else(|| ImError::new(Code::DATABASE_NO_DATA, "the message that was sent is not in the store any more"))
}

async fn store(local: &Local, id: MessageId, conversation: &ConversationId, body: &str) -> Result<Written, ImError> {
    let timestamp_ms = local.context.connection.server_time_ms();
    let mut batch = Batch::begin(&local.store, local.user(), [conversation.clone()]).await?;
    let (nick, face_url) = (batch.state().nick.clone(), batch.state().face_url.clone());
    let Some(known) = batch.find(conversation) else { return Err(Code::INVALID_CONVERSATION.into()) };
    // Where the log's end is not known, it stands after everything until the log is met.
    let anchor_seq = if known.log.is_some() { known.max_seq } else { Seq::parse(INTEGER_MAX)? };
    let row = known.row;
    let outgoing = OutgoingRow {
        id,
        conversation: row,
        anchor_seq,
        sender: local.user(),
        nick: &nick,
        face_url: &face_url,
        timestamp_ms,
        body,
    };
    queries::insert_outgoing(batch.tx(), &outgoing).await?;
    batch.touch(conversation, None);
    save(batch, id).await
}

async fn store_again(local: &Local, id: MessageId) -> Result<Written, ImError> {
    let mut batch = Batch::begin(&local.store, local.user(), []).await?;
    if !queries::requeue(batch.tx(), id).await? {
        return Err(ImError::new(Code::INVALID_OPERATION, "only a message that failed is sent again"));
    }
    for conversation in batch.load_senders_of(&[id]).await?.into_values() {
        batch.touch(&conversation, None);
    }
    save(batch, id).await
}

/// Every screen of the app, not only the one that sends, shows the message from now on.
async fn save(batch: Batch, id: MessageId) -> Result<Written, ImError> {
    let mut written = batch.save().await?;
    written.events.push(EventRef::MessageStatus(id));
    Ok(written)
}
