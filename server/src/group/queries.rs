// SPDX-License-Identifier: Apache-2.0
//! The table `group_info`.

use std::collections::HashMap;

use hongyan_protocol::codes::Code;
use hongyan_protocol::group::GroupProfile;
use hongyan_protocol::ids::{GroupId, LogId, SdkAppId, UserId};

use super::policy::Policy;
use crate::error::Error;
use crate::store::{Connection, Write, execute, fetch_all, fetch_optional};

/// A group.
pub(crate) struct GroupInfo {
    pub(crate) log: LogId,
    pub(crate) policy: &'static Policy,
    /// Nobody where the owner left.
    pub(crate) owner: Option<UserId>,
    pub(crate) member_count: i64,
}

#[derive(sqlx::FromRow)]
struct GroupRow {
    log: i64,
    r#type: String,
    owner: String,
    member_count: i64,
}

impl TryFrom<GroupRow> for GroupInfo {
    type Error = Error;

    fn try_from(row: GroupRow) -> Result<Self, Error> {
        let owner = if row.owner.is_empty() { None } else { Some(UserId::parse(row.owner)?) };
        let policy = Policy::get(&row.r#type)?;
        Ok(Self { log: LogId::parse(row.log)?, policy, owner, member_count: row.member_count })
    }
}

pub(crate) async fn find(on: &mut Connection, app: SdkAppId, group: &GroupId) -> Result<Option<GroupInfo>, Error> {
    fetch_optional!(
        on,
        GroupRow,
        "select log, type, owner, member_count
         from group_info
         where app = $1 and group_id = $2",
        app.get(),
        group.as_str()
    )?
    .map(GroupInfo::try_from)
    .transpose()
}

/// A group that must exist (10010 otherwise), held until the commit. Its log's row is held after it.
pub(crate) async fn lock(on: &mut Write, app: SdkAppId, group: &GroupId) -> Result<GroupInfo, Error> {
    fetch_optional!(
        on,
        GroupRow,
        "select log, type, owner, member_count
         from group_info
         where app = $1 and group_id = $2
         {for update}",
        app.get(),
        group.as_str()
    )?
    .ok_or_else(|| Error::from(Code::GROUP_NOT_FOUND))?
    .try_into()
}

/// A group that must exist: 10010 otherwise.
pub(crate) async fn get(on: &mut Connection, app: SdkAppId, group: &GroupId) -> Result<GroupInfo, Error> {
    find(on, app, group).await?.ok_or_else(|| Code::GROUP_NOT_FOUND.into())
}

#[derive(sqlx::FromRow)]
struct GroupLogRow {
    app: i64,
    group_id: String,
    log: i64,
}

/// The logs of those of the groups that exist.
pub(crate) async fn list_logs(
    on: &mut Connection,
    groups: &[(SdkAppId, GroupId)],
) -> Result<HashMap<(SdkAppId, GroupId), LogId>, Error> {
    let rows = fetch_all!(
        on,
        GroupLogRow,
        "select g.app, g.group_id, g.log
         from {rows $1 as r(app bigint, group_id text)}
         join group_info as g on g.app = r.app and g.group_id = r.group_id";
        groups
    )?;
    rows.into_iter()
        .map(|row| Ok(((SdkAppId::parse(row.app)?, GroupId::parse(row.group_id)?), LogId::parse(row.log)?)))
        .collect()
}

#[derive(sqlx::FromRow)]
struct ProfileRow {
    log: i64,
    group_id: String,
    r#type: String,
    name: String,
    face_url: String,
}

/// What conversation lists show of the groups of logs.
pub(crate) async fn list_profiles(on: &mut Connection, logs: &[LogId]) -> Result<HashMap<LogId, GroupProfile>, Error> {
    if logs.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = fetch_all!(
        on,
        ProfileRow,
        "select g.log, g.group_id, g.type, g.name, g.face_url
         from {rows $1 as r(log bigint)}
         join group_info as g on g.log = r.log";
        &logs.iter().map(|log| (log,)).collect::<Vec<_>>()
    )?;
    rows.into_iter()
        .map(|row| {
            let profile = GroupProfile {
                group_id: GroupId::parse(row.group_id)?,
                group_type: row.r#type,
                name: row.name,
                face_url: row.face_url,
            };
            Ok((LogId::parse(row.log)?, profile))
        })
        .collect()
}

/// A group as it begins.
pub(crate) struct NewGroup<'a> {
    pub(crate) app: SdkAppId,
    pub(crate) profile: &'a GroupProfile,
    pub(crate) log: LogId,
    pub(crate) owner: &'a UserId,
    pub(crate) member_count: i64,
    pub(crate) created_ms: i64,
}

pub(crate) async fn insert(on: &mut Write, group: &NewGroup<'_>) -> Result<(), Error> {
    execute!(
        on,
        "insert into group_info (app, group_id, log, type, name, face_url, owner, member_count, created_ms)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        group.app.get(),
        group.profile.group_id.as_str(),
        group.log.get(),
        &group.profile.group_type,
        &group.profile.name,
        &group.profile.face_url,
        group.owner.as_str(),
        group.member_count,
        group.created_ms
    )?;
    Ok(())
}

/// Writes who owns a group and how many are in it.
pub(crate) async fn set_membership(
    on: &mut Write,
    app: SdkAppId,
    group: &GroupId,
    owner: Option<&UserId>,
    member_count: i64,
) -> Result<(), Error> {
    execute!(
        on,
        "update group_info
         set owner = $3, member_count = $4
         where app = $1 and group_id = $2",
        app.get(),
        group.as_str(),
        owner.map_or("", UserId::as_str),
        member_count
    )?;
    Ok(())
}
