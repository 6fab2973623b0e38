// SPDX-License-Identifier: Apache-2.0
//! Reading and changing profiles.

use std::sync::Arc;

use hongyan_protocol::account::{GetProfiles, Profiles, SelfInfo, SetSelfInfo};
use hongyan_protocol::codes::Code;
use hongyan_protocol::frame::encode_event;
use hongyan_protocol::limits::{PROFILE_FIELD_BYTES_MAX, PROFILES_PER_CALL_MAX};

use super::{Accounts, queries};
use crate::bus::Hint;
use crate::error::Error;
use crate::rooms::Caller;
use crate::store::Write;

impl Accounts {
    pub(crate) async fn get_profiles(&self, caller: &Caller, params: GetProfiles) -> Result<Profiles, Error> {
        if params.users.len() > PROFILES_PER_CALL_MAX {
            return Err(Error::new(Code::BAD_PARAMETER, "one call asks for 100 profiles at most"));
        }
        let users: Vec<_> = params.users.into_iter().map(|user| (caller.app, user)).collect();
        let mut found = queries::list_profiles(&mut self.store.read().await?, &users).await?;
        Ok(Profiles { profiles: users.iter().filter_map(|user| found.remove(user)).collect() })
    }

    pub(crate) async fn set_self_info(&self, caller: &Caller, params: SetSelfInfo) -> Result<SelfInfo, Error> {
        for field in [&params.nick, &params.face_url].into_iter().flatten() {
            if field.len() > PROFILE_FIELD_BYTES_MAX {
                return Err(Code::PROFILE_VALUE_TOO_LONG.into());
            }
            if field.contains('\0') {
                return Err(Code::PROFILE_INVALID_VALUE.into());
            }
        }
        self.store.write(|write| self.write_self_info(write, caller, &params)).await
    }

    async fn write_self_info(
        &self,
        mut write: Write,
        caller: &Caller,
        params: &SetSelfInfo,
    ) -> Result<SelfInfo, Error> {
        let (nick, face_url) = (params.nick.as_deref(), params.face_url.as_deref());
        let account = queries::set_profile(&mut write, caller.app, &caller.user, nick, face_url).await?;
        let info = SelfInfo { version: account.version, profile: account.profile };
        let hint = Hint::Event {
            app: caller.app,
            users: Arc::new([caller.user.clone()]),
            event: encode_event(&info).into(),
            origin: None,
            except: Some(caller.session),
        };
        let bus = Arc::clone(&self.bus);
        write.commit(move || bus.publish(hint)).await?;
        Ok(info)
    }
}
