// SPDX-License-Identifier: Apache-2.0
//! Tips: what happened in a group, told in its own log.

use std::sync::Arc;

use hongyan_protocol::account::Profile;
use hongyan_protocol::conversation::ConversationStates;
use hongyan_protocol::frame::encode_event;
use hongyan_protocol::ids::{GroupId, LogKey, MessageId, SdkAppId, UserId, Version};
use hongyan_protocol::message::{Element, GroupTips, GroupTipsType, MessageBody, NewMessage, Target};

use crate::bus::Hint;
use crate::conversation::logs::LogHead;
use crate::conversation::rows::OwnRow;
use crate::error::Error;
use crate::message::ledger::{Counting, Draft, EncodedBody, Ledger};
use crate::store::Write;

/// What a tip tells.
pub(crate) struct Tip<'a> {
    pub(crate) group: &'a GroupId,
    pub(crate) tips: GroupTipsType,
    pub(crate) operator: Profile,
    /// The operator's counted messages in this log; a tip does not count, but carries the number.
    pub(crate) operator_own: i64,
    pub(crate) members: Vec<UserId>,
    pub(crate) member_count: i64,
}

/// Writes a tip, and with it the head as it is now. Gives the head after it and the event.
pub(crate) async fn append(
    write: &mut Write,
    head: LogHead,
    tip: Tip<'_>,
    now_ms: i64,
    active_ms: i64,
) -> Result<(LogHead, NewMessage), Error> {
    let log = head.id;
    let element = Element::GroupTips(GroupTips {
        group_id: tip.group.clone(),
        tips: tip.tips,
        operator: tip.operator.user_id.clone(),
        members: tip.members,
        member_count: u32::try_from(tip.member_count).unwrap_or(u32::MAX),
    });
    let body = MessageBody { elements: vec![element], ..MessageBody::default() };
    let encoded = EncodedBody::new(&Target::Group(tip.group.clone()), &body);
    let mut ledger = Ledger::default();
    ledger.put_own(log, tip.operator.user_id.clone(), tip.operator_own);
    ledger.put_head(head);
    let draft = Draft { id: MessageId::generate(), sender: tip.operator, body, encoded, counting: Counting::LeftOut };
    let message = ledger.append(log, draft, now_ms).clone();
    ledger.write(write, active_ms).await?;
    Ok((ledger.head(log).clone(), NewMessage { log, message }))
}

/// The hint of a tip to those who see it.
pub(crate) fn tip_hint(app: SdkAppId, users: Vec<UserId>, tip: &NewMessage) -> Hint {
    Hint::Event { app, users: users.into(), event: encode_event(tip).into(), origin: None, except: None }
}

/// Tells users of their own rows, each at the version that the row was given.
pub(crate) fn row_hints(app: SdkAppId, key: &LogKey, rows: Vec<OwnRow>) -> impl Iterator<Item = Hint> {
    let key = key.clone();
    rows.into_iter().map(move |row| {
        let user = row.user.clone();
        let after = Version::parse(row.version.get() - 1).unwrap_or(Version::ZERO);
        let states = ConversationStates { after, states: vec![row.into_state(key.clone())] };
        Hint::Event { app, users: Arc::new([user]), event: encode_event(&states).into(), origin: None, except: None }
    })
}
