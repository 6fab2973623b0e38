// SPDX-License-Identifier: Apache-2.0
//! Opening, taking up and ending sessions.

use std::sync::Arc;

use hongyan_protocol::account::{Done, Login, Platform, Resume, Session};
use hongyan_protocol::codes::Code;
use hongyan_protocol::ids::{DeviceId, SdkAppId, UserId};
use hongyan_protocol::limits::INTEGER_MAX;
use hongyan_protocol::usersig::{self, Expected};
use hongyan_protocol::{PROTOCOL_VERSION, PROTOCOL_VERSION_MIN};

use super::Accounts;
use super::policy::{Slot, slots_to_kick};
use super::queries::{self, Account};
use super::token::{self, Claims};
use crate::app::AppConfig;
use crate::bus::{Hint, SessionId};
use crate::error::Error;
use crate::rooms::{Caller, Opened};
use crate::store::Write;

impl Accounts {
    pub(crate) async fn login(&self, session: SessionId, login: &Login) -> Result<Opened, Error> {
        let user = UserId::parse(login.user_id.as_str())?;
        let config = self.apps.config(login.sdk_app_id).await?;
        let now_ms = self.clock.now_ms();
        let expected =
            Expected { sdk_app_id: login.sdk_app_id, user_id: Some(user.as_str()), now_s: now_ms.div_euclid(1_000) };
        let sig = usersig::verify(&login.user_sig, &config.app.key, &expected)
            .map_err(|error| Error::new(error.code(), error.to_string()))?;
        let account = self.store.write(|write| self.take_place(write, login, &config, &user, now_ms)).await?;
        let claims = Claims {
            app: login.sdk_app_id,
            user,
            device: login.client.device_id,
            platform: login.client.platform,
            epoch: account.login_epoch,
            expires_s: sig.expires_at_s(),
        };
        Ok(self.opened(session, claims, account))
    }

    /// Raises the user's login epoch and gives the login its place. The account's row is held from the first statement
    /// on, so that logins of one user follow one another, on whichever servers.
    async fn take_place(
        &self,
        mut write: Write,
        login: &Login,
        config: &AppConfig,
        user: &UserId,
        now_ms: i64,
    ) -> Result<Account, Error> {
        let account = queries::raise_login_epoch(&mut write, login.sdk_app_id, user, now_ms).await?;
        let slot = Slot { device: login.client.device_id, platform: login.client.platform, epoch: account.login_epoch };
        let kick = take_slot(&mut write, config, user, &slot, now_ms).await?;
        let bus = Arc::clone(&self.bus);
        write.commit(move || kick.into_iter().for_each(|hint| bus.publish(hint))).await?;
        Ok(account)
    }

    pub(crate) async fn resume(&self, session: SessionId, resume: &Resume) -> Result<Opened, Error> {
        let claims = self.claims_of(resume)?;
        self.apps.config(claims.app).await?;
        let mut read = self.store.read().await?;
        if !queries::has_slot(&mut read, claims.app, &claims.user, claims.device, claims.epoch).await? {
            return Err(lost_place());
        }
        let account = queries::get(&mut read, claims.app, &claims.user).await?;
        Ok(self.opened(session, claims, account))
    }

    /// Whose token it is, where it is one of this store for this device.
    pub(crate) fn owner_of(&self, resume: &Resume) -> Result<(SdkAppId, UserId), Error> {
        self.claims_of(resume).map(|claims| (claims.app, claims.user))
    }

    fn claims_of(&self, resume: &Resume) -> Result<Claims, Error> {
        let now_s = self.clock.now_ms().div_euclid(1_000);
        token::verify(self.store.secret(), &resume.token, resume.client.device_id, now_s)
    }

    pub(crate) async fn check_login(&self, caller: &Caller) -> Result<(), Error> {
        let mut read = self.store.read().await?;
        let has_slot = queries::has_slot(&mut read, caller.app, &caller.user, caller.device, caller.epoch).await?;
        if has_slot { Ok(()) } else { Err(lost_place()) }
    }

    pub(crate) async fn logout(&self, caller: &Caller) -> Result<Done, Error> {
        self.store.write(|write| self.give_up_place(write, caller)).await
    }

    async fn give_up_place(&self, mut write: Write, caller: &Caller) -> Result<Done, Error> {
        queries::delete_slots(&mut write, caller.app, &caller.user, &[(caller.device, caller.epoch)]).await?;
        // A session of the same login may have been taken up while this was on its way: it has no place any more.
        let hint = Hint::Kick {
            app: caller.app,
            user: caller.user.clone(),
            devices: vec![(caller.device, caller.epoch)],
            reason: "the login was ended".to_owned(),
            except: Some(caller.session),
        };
        let bus = Arc::clone(&self.bus);
        write.commit(move || bus.publish(hint)).await?;
        Ok(Done {})
    }

    fn opened(&self, session: SessionId, claims: Claims, account: Account) -> Opened {
        Opened {
            session: Session {
                protocol: PROTOCOL_VERSION,
                protocol_min: PROTOCOL_VERSION_MIN,
                capabilities: Vec::new(),
                instance: self.store.instance(),
                server_ms: self.clock.now_ms(),
                version: account.version,
                profile: account.profile,
                resume_token: token::sign(self.store.secret(), &claims),
                user_sig_expires_ms: claims.expires_s.saturating_mul(1_000).min(INTEGER_MAX),
                silence_ms_max: self.silence_ms_max,
            },
            caller: Caller { app: claims.app, user: claims.user, device: claims.device, epoch: claims.epoch, session },
        }
    }
}

fn lost_place() -> Error {
    Error::new(Code::KICKED_WHILE_OFFLINE, "the login has lost its place to another one, or was ended")
}

/// Gives a login its place and takes those of the devices that it kicks.
async fn take_slot(
    write: &mut Write,
    config: &AppConfig,
    user: &UserId,
    slot: &Slot,
    now_ms: i64,
) -> Result<Option<Hint>, Error> {
    let app = config.app.sdk_app_id;
    let slots = queries::list_slots(write, app, user).await?;
    let kicked = slots_to_kick(&config.settings, &slots, slot.device, slot.platform);
    let devices: Vec<(DeviceId, i64)> = kicked.iter().map(|kicked| (kicked.device, kicked.epoch)).collect();
    if !devices.is_empty() {
        queries::delete_slots(write, app, user, &devices).await?;
    }
    queries::set_slot(write, app, user, slot, now_ms).await?;
    Ok(kick_hint(app, user, devices, slot.platform))
}

fn kick_hint(app: SdkAppId, user: &UserId, devices: Vec<(DeviceId, i64)>, platform: Platform) -> Option<Hint> {
    let reason = format!("the user logged in on another device ({})", platform.name());
    (!devices.is_empty()).then(|| Hint::Kick { app, user: user.clone(), devices, reason, except: None })
}
