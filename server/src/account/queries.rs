// SPDX-License-Identifier: Apache-2.0
//! The tables `account` and `login_slot`.

use std::collections::HashMap;

use hongyan_protocol::account::{Platform, Profile};
use hongyan_protocol::codes::Code;
use hongyan_protocol::ids::{DeviceId, SdkAppId, UserId, Version};

use super::policy::Slot;
use crate::error::Error;
use crate::store::{Connection, Write, execute, fetch_all, fetch_optional};

/// More places than the policies leave one user.
const SLOTS_MAX: i64 = 100;

#[derive(sqlx::FromRow)]
struct AccountRow {
    nick: String,
    face_url: String,
    version: i64,
    login_epoch: i64,
}

/// A user as the store knows them.
pub(crate) struct Account {
    pub(crate) profile: Profile,
    pub(crate) version: Version,
    pub(crate) login_epoch: i64,
}

impl AccountRow {
    fn into_account(self, user: &UserId) -> Result<Account, Error> {
        Ok(Account {
            profile: Profile { user_id: user.clone(), nick: self.nick, face_url: self.face_url },
            version: Version::parse(self.version)?,
            login_epoch: self.login_epoch,
        })
    }
}

/// Raises the login epoch of a user; the first login makes the account.
pub(crate) async fn raise_login_epoch(
    on: &mut Write,
    app: SdkAppId,
    user: &UserId,
    now_ms: i64,
) -> Result<Account, Error> {
    fetch_optional!(
        on,
        AccountRow,
        "insert into account (app, user_id, nick, face_url, version, login_epoch, created_ms)
         values ($1, $2, '', '', 0, 1, $3)
         on conflict (app, user_id) do update set login_epoch = account.login_epoch + 1
         returning nick, face_url, version, login_epoch",
        app.get(),
        user.as_str(),
        now_ms
    )?
    .expect("an upsert returns its row")
    .into_account(user)
}

pub(crate) async fn find(on: &mut Connection, app: SdkAppId, user: &UserId) -> Result<Option<Account>, Error> {
    fetch_optional!(
        on,
        AccountRow,
        "select nick, face_url, version, login_epoch
         from account
         where app = $1 and user_id = $2",
        app.get(),
        user.as_str()
    )?
    .map(|row| row.into_account(user))
    .transpose()
}

/// A user who must exist: 70107 otherwise.
pub(crate) async fn get(on: &mut Connection, app: SdkAppId, user: &UserId) -> Result<Account, Error> {
    find(on, app, user).await?.ok_or_else(|| Code::ACCOUNT_NOT_FOUND.into())
}

#[derive(sqlx::FromRow)]
struct ProfileRow {
    app: i64,
    user_id: String,
    nick: String,
    face_url: String,
}

/// The profiles of those of the users that exist. Several apps at once: a batch of sends is not of one tenant.
pub(crate) async fn list_profiles(
    on: &mut Connection,
    users: &[(SdkAppId, UserId)],
) -> Result<HashMap<(SdkAppId, UserId), Profile>, Error> {
    if users.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = fetch_all!(
        on,
        ProfileRow,
        "select a.app, a.user_id, a.nick, a.face_url
         from {rows $1 as r(app bigint, user_id text)}
         join account as a on a.app = r.app and a.user_id = r.user_id";
        users
    )?;
    rows.into_iter()
        .map(|row| {
            let user_id = UserId::parse(row.user_id)?;
            let profile = Profile { user_id: user_id.clone(), nick: row.nick, face_url: row.face_url };
            Ok(((SdkAppId::parse(row.app)?, user_id), profile))
        })
        .collect()
}

#[derive(sqlx::FromRow)]
struct VersionRow {
    user_id: String,
    version: i64,
}

/// Moves the heads of the users' own streams on by `count`, and says where they are now. Users without an account
/// are left out.
pub(crate) async fn raise_versions(
    on: &mut Write,
    app: SdkAppId,
    users: &[UserId],
    count: i64,
) -> Result<HashMap<UserId, Version>, Error> {
    let rows = fetch_all!(
        on,
        VersionRow,
        "update account
         set version = version + $1
         where (app, user_id) in (select a.app, a.user_id
                                  from {rows $2 as r(app bigint, user_id text)}
                                  join account as a on a.app = r.app and a.user_id = r.user_id
                                  order by a.app, a.user_id
                                  {for update of a})
         returning user_id, version",
        count;
        &users.iter().map(|user| (app, user)).collect::<Vec<_>>()
    )?;
    rows.into_iter().map(|row| Ok((UserId::parse(row.user_id)?, Version::parse(row.version)?))).collect()
}

/// Changes what is given of a profile and raises the user's version.
pub(crate) async fn set_profile(
    on: &mut Write,
    app: SdkAppId,
    user: &UserId,
    nick: Option<&str>,
    face_url: Option<&str>,
) -> Result<Account, Error> {
    fetch_optional!(
        on,
        AccountRow,
        "update account
         set nick = coalesce($3, nick), face_url = coalesce($4, face_url), version = version + 1
         where app = $1 and user_id = $2
         returning nick, face_url, version, login_epoch",
        app.get(),
        user.as_str(),
        nick,
        face_url
    )?
    .ok_or_else(|| Error::from(Code::ACCOUNT_NOT_FOUND))?
    .into_account(user)
}

#[derive(sqlx::FromRow)]
struct SlotRow {
    device: String,
    platform: String,
    epoch: i64,
}

impl TryFrom<SlotRow> for Slot {
    type Error = Error;

    fn try_from(row: SlotRow) -> Result<Self, Error> {
        let platform = Platform::find(&row.platform).ok_or_else(|| {
            Error::internal(format!("reading the login slot of device {}", row.device), "a platform without a name")
        })?;
        Ok(Self { device: DeviceId::parse(&row.device)?, platform, epoch: row.epoch })
    }
}

pub(crate) async fn list_slots(on: &mut Connection, app: SdkAppId, user: &UserId) -> Result<Vec<Slot>, Error> {
    fetch_all!(
        on,
        SlotRow,
        "select device, platform, epoch
         from login_slot
         where app = $1 and user_id = $2
         order by device
         limit $3",
        app.get(),
        user.as_str(),
        SLOTS_MAX
    )?
    .into_iter()
    .map(Slot::try_from)
    .collect()
}

/// Whether a login of a device still has its place.
pub(crate) async fn has_slot(
    on: &mut Connection,
    app: SdkAppId,
    user: &UserId,
    device: DeviceId,
    epoch: i64,
) -> Result<bool, Error> {
    let found = fetch_optional!(
        on,
        (i64,),
        "select epoch
         from login_slot
         where app = $1 and user_id = $2 and device = $3 and epoch = $4",
        app.get(),
        user.as_str(),
        device.to_string(),
        epoch
    )?;
    Ok(found.is_some())
}

pub(crate) async fn set_slot(
    on: &mut Write,
    app: SdkAppId,
    user: &UserId,
    slot: &Slot,
    now_ms: i64,
) -> Result<(), Error> {
    execute!(
        on,
        "insert into login_slot (app, user_id, device, platform, epoch, login_ms)
         values ($1, $2, $3, $4, $5, $6)
         on conflict (app, user_id, device)
         do update set platform = excluded.platform, epoch = excluded.epoch, login_ms = excluded.login_ms",
        app.get(),
        user.as_str(),
        slot.device.to_string(),
        slot.platform.name(),
        slot.epoch,
        now_ms
    )?;
    Ok(())
}

/// Ends logins of a user, each only as long as it is the one that has the device's place.
pub(crate) async fn delete_slots(
    on: &mut Write,
    app: SdkAppId,
    user: &UserId,
    slots: &[(DeviceId, i64)],
) -> Result<(), Error> {
    execute!(
        on,
        "delete from login_slot
         where app = $1 and user_id = $2
         and (device, epoch) in (select r.device, r.epoch from {rows $3 as r(device text, epoch bigint)})",
        app.get(),
        user.as_str();
        slots
    )?;
    Ok(())
}
