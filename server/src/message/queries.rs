// SPDX-License-Identifier: Apache-2.0
//! The table `message`.

use std::collections::HashMap;

use hongyan_protocol::ids::{LogId, LogKey, MessageId, SdkAppId, Seq, SeqRange, UserId};
use hongyan_protocol::message::{Message, SentMessage};

use crate::error::Error;
use crate::store::{Connection, Write, execute, fetch_all, fetch_optional};

/// A message on its way into the store.
pub(crate) struct NewRow<'a> {
    pub(crate) log: LogId,
    pub(crate) app: SdkAppId,
    pub(crate) message: &'a Message,
    pub(crate) digest: &'a str,
    pub(crate) body: &'a str,
}

/// Adds messages, whose places their logs' heads gave.
pub(crate) async fn insert(on: &mut Write, rows: &[NewRow<'_>]) -> Result<(), Error> {
    let rows: Vec<_> = rows
        .iter()
        .map(|row| {
            let NewRow { log, app, message, digest, body } = row;
            let place = (log, message.seq, app, message.id, message.server_ms);
            let sender = (&message.sender, &message.sender_nick, &message.sender_face_url);
            (
                place.0,
                place.1,
                place.2,
                place.3,
                sender.0,
                sender.1,
                sender.2,
                place.4,
                message.counted,
                message.sender_counted,
                digest,
                body,
            )
        })
        .collect();
    execute!(
        on,
        "insert into message (log, seq, app, message_id, sender, nick, face_url, server_ms, counted, sender_counted,
                              digest, body)
         select r.log, r.seq, r.app, r.message_id, r.sender, r.nick, r.face_url, r.server_ms, r.counted,
                r.sender_counted, r.digest, r.body
         from {rows $1 as r(log bigint, seq bigint, app bigint, message_id text, sender text, nick text,
                            face_url text, server_ms bigint, counted bigint, sender_counted bigint, digest text,
                            body text)}";
        &rows
    )?;
    Ok(())
}

#[derive(sqlx::FromRow)]
struct SentRow {
    app: i64,
    message_id: String,
    log: i64,
    seq: i64,
    sender: String,
    server_ms: i64,
    counted: i64,
    sender_counted: i64,
    digest: String,
}

/// What a message that is there already was, for whoever sends its id again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sent {
    pub(crate) sender: UserId,
    pub(crate) digest: String,
    pub(crate) answer: SentMessage,
}

/// Those of the ids that were used before, in their apps.
pub(crate) async fn list_sent(
    on: &mut Connection,
    ids: &[(SdkAppId, MessageId)],
) -> Result<HashMap<(SdkAppId, MessageId), Sent>, Error> {
    let rows = fetch_all!(
        on,
        SentRow,
        "select m.app, m.message_id, m.log, m.seq, m.sender, m.server_ms, m.counted, m.sender_counted, m.digest
         from {rows $1 as r(app bigint, message_id text)}
         join message as m on m.app = r.app and m.message_id = r.message_id";
        ids
    )?;
    rows.into_iter()
        .map(|row| {
            let answer = SentMessage {
                log: LogId::parse(row.log)?,
                seq: Seq::parse(row.seq)?,
                server_ms: row.server_ms,
                counted: row.counted,
                sender_counted: row.sender_counted,
            };
            let sent = Sent { sender: UserId::parse(row.sender)?, digest: row.digest, answer };
            Ok(((SdkAppId::parse(row.app)?, MessageId::parse(&row.message_id)?), sent))
        })
        .collect()
}

#[derive(sqlx::FromRow)]
struct MessageRow {
    log: i64,
    seq: i64,
    message_id: String,
    sender: String,
    nick: String,
    face_url: String,
    server_ms: i64,
    counted: i64,
    sender_counted: i64,
    body: String,
}

/// A message with what it takes of a frame, its numbers and ids apart: these take much the same everywhere.
pub(crate) struct Stored {
    pub(crate) message: Message,
    pub(crate) text_bytes: usize,
}

/// What a text takes within JSON, at most.
pub(crate) fn text_bytes(text: &str) -> usize {
    let bytes_of = |byte: u8| match byte {
        0..=0x1f => 6,
        b'"' | b'\\' => 2,
        _ => 1,
    };
    text.bytes().map(bytes_of).sum()
}

impl MessageRow {
    fn into_stored(self, key: LogKey) -> Result<Stored, Error> {
        let text_bytes = self.body.len() + text_bytes(&self.nick) + text_bytes(&self.face_url);
        Ok(Stored { message: self.into_message(key)?, text_bytes })
    }

    fn into_message(self, key: LogKey) -> Result<Message, Error> {
        let body = serde_json::from_str(&self.body)
            .map_err(|error| Error::internal(format!("reading message {} of log {}", self.seq, self.log), error))?;
        Ok(Message {
            id: MessageId::parse(&self.message_id)?,
            seq: Seq::parse(self.seq)?,
            key,
            sender: UserId::parse(self.sender)?,
            sender_nick: self.nick,
            sender_face_url: self.face_url,
            server_ms: self.server_ms,
            counted: self.counted,
            sender_counted: self.sender_counted,
            body,
        })
    }
}

/// The messages of a range of one log, rising.
pub(crate) async fn list(on: &mut Connection, log: LogId, key: &LogKey, range: SeqRange) -> Result<Vec<Stored>, Error> {
    fetch_all!(
        on,
        MessageRow,
        "select log, seq, message_id, sender, nick, face_url, server_ms, counted, sender_counted, body
         from message
         where log = $1 and seq >= $2 and seq <= $3
         order by seq
         limit $4",
        log.get(),
        range.from.get(),
        range.to.get(),
        range.count()
    )?
    .into_iter()
    .map(|row| row.into_stored(key.clone()))
    .collect()
}

/// One message of each of some logs.
pub(crate) async fn list_at(
    on: &mut Connection,
    places: &[(LogId, Seq, LogKey)],
) -> Result<HashMap<LogId, Stored>, Error> {
    let mut keys: HashMap<i64, &LogKey> = places.iter().map(|(log, _, key)| (log.get(), key)).collect();
    let wanted: Vec<_> = places.iter().map(|(log, seq, _)| (log, seq)).collect();
    let rows = fetch_all!(
        on,
        MessageRow,
        "select m.log, m.seq, m.message_id, m.sender, m.nick, m.face_url, m.server_ms, m.counted, m.sender_counted,
                m.body
         from {rows $1 as r(log bigint, seq bigint)}
         join message as m on m.log = r.log and m.seq = r.seq";
        &wanted
    )?;
    rows.into_iter()
        .map(|row| {
            let key = keys.remove(&row.log).cloned().expect("only these logs were asked for");
            Ok((LogId::parse(row.log)?, row.into_stored(key)?))
        })
        .collect()
}

/// What counts up to a message that must exist, and its time.
pub(crate) async fn get_position(on: &mut Connection, log: LogId, seq: Seq) -> Result<(i64, i64), Error> {
    fetch_optional!(
        on,
        (i64, i64),
        "select counted, server_ms
         from message
         where log = $1 and seq = $2",
        log.get(),
        seq.get()
    )?
    .ok_or_else(|| Error::internal(format!("reading message {seq} of log {log}"), "a log that is not dense"))
}

/// How many counted messages of their own a user has in a log, up to a position.
pub(crate) async fn own_counted_at(on: &mut Connection, log: LogId, user: &UserId, seq: Seq) -> Result<i64, Error> {
    let last = fetch_optional!(
        on,
        (i64,),
        "select sender_counted
         from message
         where log = $1 and sender = $2 and seq <= $3
         order by seq desc
         limit 1",
        log.get(),
        user.as_str(),
        seq.get()
    )?;
    Ok(last.map_or(0, |(own,)| own))
}

/// The last message of a time or before it, among those up to `end`; 0 where all are later. Times never fall within a
/// log and its sequences are dense, so that halving finds it.
pub(crate) async fn find_last_at(on: &mut Connection, log: LogId, end: Seq, server_ms: i64) -> Result<Seq, Error> {
    let (mut known, mut later) = (0, end.get() + 1);
    while later - known > 1 {
        let middle = known + (later - known) / 2;
        let (_, at_ms) = get_position(on, log, Seq::parse(middle)?).await?;
        if at_ms <= server_ms { known = middle } else { later = middle }
    }
    Ok(Seq::parse(known)?)
}
