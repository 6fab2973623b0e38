// SPDX-License-Identifier: Apache-2.0
//! Coming and going.

use std::collections::HashMap;

use hongyan_protocol::account::Done;
use hongyan_protocol::codes::Code;
use hongyan_protocol::group::{InviteToGroup, MemberOutcome, MemberResult, MemberResults, QuitGroup};
use hongyan_protocol::ids::{GroupId, SdkAppId, UserId};
use hongyan_protocol::limits::GROUP_INVITEES_MAX;
use hongyan_protocol::message::GroupTipsType;

use super::Groups;
use super::policy::{OwnerQuits, Who};
use super::queries::{self, GroupInfo};
use super::tips::{self, Tip};
use crate::account;
use crate::conversation::logs::{self, LogHead};
use crate::conversation::members;
use crate::conversation::rows::{self, OwnRow};
use crate::error::Error;
use crate::rooms::Caller;
use crate::store::{Connection, Write};

impl Groups {
    pub(crate) async fn invite(&self, caller: &Caller, params: InviteToGroup) -> Result<MemberResults, Error> {
        if params.users.is_empty() {
            return Err(Error::new(Code::GROUP_INVALID_PARAMETERS, "nobody is invited"));
        }
        if params.users.len() > GROUP_INVITEES_MAX {
            return Err(Code::GROUP_TOO_MANY_ACCOUNTS.into());
        }
        self.store.write(|write| self.invite_in(write, caller, &params)).await
    }

    async fn invite_in(
        &self,
        mut write: Write,
        caller: &Caller,
        params: &InviteToGroup,
    ) -> Result<MemberResults, Error> {
        let app = caller.app;
        let Entered { info, mut head, row } = enter(&mut write, caller, &params.group_id).await?;
        match info.policy.inviting {
            Who::Members => {}
        }
        let results = outcomes(&mut write, app, &info, &params.users).await?;
        let invited: Vec<UserId> = results
            .iter()
            .filter(|result| result.outcome == MemberOutcome::Ok)
            .map(|result| result.user_id.clone())
            .collect();
        if invited.is_empty() {
            return Ok(MemberResults { results });
        }
        let versions = account::queries::raise_versions(&mut write, app, &invited, 1).await?;
        let rows = rows::join(&mut write, &head, &versions).await?;
        let member_count = info.member_count + i64::try_from(invited.len()).expect("the invited are few");
        queries::set_membership(&mut write, app, &params.group_id, info.owner.as_ref(), member_count).await?;
        head.member_version += 1;
        let tip = Tip {
            group: &params.group_id,
            tips: GroupTipsType::Invite,
            operator: account::queries::get(&mut write, app, &caller.user).await?.profile,
            operator_own: row.own_counted,
            members: invited,
            member_count,
        };
        let (now_ms, active_ms) = (self.clock.now_ms(), self.store.sync_time().now_ms());
        let (head, tip) = tips::append(&mut write, head, tip, now_ms, active_ms).await?;
        let mut hints: Vec<_> = tips::row_hints(app, &head.key, rows).collect();
        hints.push(tips::tip_hint(app, list_members(&mut write, &head).await?, &tip));
        self.commit(write, hints).await?;
        Ok(MemberResults { results })
    }

    pub(crate) async fn quit(&self, caller: &Caller, params: QuitGroup) -> Result<Done, Error> {
        self.store.write(|write| self.quit_in(write, caller, &params)).await
    }

    async fn quit_in(&self, mut write: Write, caller: &Caller, params: &QuitGroup) -> Result<Done, Error> {
        let app = caller.app;
        let Entered { info, mut head, row } = enter(&mut write, caller, &params.group_id).await?;
        let owner = match info.policy.owner_quitting {
            OwnerQuits::AndLeavesNone => info.owner.filter(|owner| *owner != caller.user),
        };
        // Who quits is still told: the tip is the last that they see.
        let told = list_members(&mut write, &head).await?;
        let member_count = info.member_count - 1;
        queries::set_membership(&mut write, app, &params.group_id, owner.as_ref(), member_count).await?;
        head.member_version += 1;
        let tip = Tip {
            group: &params.group_id,
            tips: GroupTipsType::Quit,
            operator: account::queries::get(&mut write, app, &caller.user).await?.profile,
            operator_own: row.own_counted,
            members: vec![caller.user.clone()],
            member_count,
        };
        let (now_ms, active_ms) = (self.clock.now_ms(), self.store.sync_time().now_ms());
        let (head, tip) = tips::append(&mut write, head, tip, now_ms, active_ms).await?;
        let versions = account::queries::raise_versions(&mut write, app, std::slice::from_ref(&caller.user), 1).await?;
        let version = versions.get(&caller.user).copied().ok_or_else(|| Error::from(Code::ACCOUNT_NOT_FOUND))?;
        let left = rows::leave(&mut write, &head, &caller.user, version).await?;
        let mut hints = vec![tips::tip_hint(app, told, &tip)];
        hints.extend(tips::row_hints(app, &head.key, vec![left]));
        self.commit(write, hints).await?;
        Ok(Done {})
    }
}

/// A group as one of its members finds it.
struct Entered {
    info: GroupInfo,
    head: LogHead,
    row: OwnRow,
}

/// A group that the caller is in, held until the commit: 10010 where there is none, 10007 for others.
async fn enter(on: &mut Write, caller: &Caller, group: &GroupId) -> Result<Entered, Error> {
    let info = queries::lock(on, caller.app, group).await?;
    let head = logs::lock_one(on, info.log).await?;
    let row = rows::find(on, caller.app, &caller.user, info.log).await?;
    let row = row.filter(OwnRow::is_member).ok_or_else(|| Error::from(Code::NO_PERMISSION))?;
    Ok(Entered { info, head, row })
}

/// What becomes of each user of an invitation, in the order of the call.
async fn outcomes(
    write: &mut Write,
    app: SdkAppId,
    info: &GroupInfo,
    users: &[UserId],
) -> Result<Vec<MemberResult>, Error> {
    let named: Vec<_> = users.iter().map(|user| (app, user.clone())).collect();
    let existing = account::queries::list_profiles(write, &named).await?;
    let wanted: Vec<_> = users.iter().map(|user| (app, user.clone(), info.log)).collect();
    let rows: HashMap<_, _> = rows::list(write, &wanted).await?;
    let mut places_count = info.policy.members_count_max - info.member_count;
    let mut results: Vec<MemberResult> = Vec::with_capacity(users.len());
    for user_id in users.iter().cloned() {
        let is_named_before =
            results.iter().any(|result| result.user_id == user_id && result.outcome == MemberOutcome::Ok);
        let is_member = rows.get(&(info.log, user_id.clone())).is_some_and(OwnRow::is_member);
        let outcome = if !existing.contains_key(&(app, user_id.clone())) {
            MemberOutcome::Failed
        } else if is_member || is_named_before {
            MemberOutcome::AlreadyMember
        } else if places_count <= 0 {
            MemberOutcome::Full
        } else {
            places_count -= 1;
            MemberOutcome::Ok
        };
        results.push(MemberResult { user_id, outcome });
    }
    Ok(results)
}

async fn list_members(on: &mut Connection, head: &LogHead) -> Result<Vec<UserId>, Error> {
    Ok(members::list(on, &[head.id]).await?.remove(&head.id).unwrap_or_default())
}
