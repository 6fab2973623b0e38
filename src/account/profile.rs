// SPDX-License-Identifier: Apache-2.0
//! Profiles of users.

use hongyan_protocol::account::{GetProfiles, SetSelfInfo};
use hongyan_protocol::codes::Code;
use hongyan_protocol::ids::UserId;
use hongyan_protocol::limits::{PROFILE_FIELD_BYTES_MAX, PROFILES_PER_CALL_MAX};

use crate::account::{SelfInfo, UserInfo};
use crate::connection::handle::{CALL_DEADLINE, ConnectionHandle};
use crate::error::ImError;

pub(crate) async fn get_users_info(
    connection: &ConnectionHandle,
    user_ids: Vec<String>,
) -> Result<Vec<UserInfo>, ImError> {
    let users = checked_users(user_ids)?;
    let profiles = connection.call(&GetProfiles { users }, CALL_DEADLINE).await?;
    Ok(profiles.profiles.into_iter().map(UserInfo::from).collect())
}

pub(crate) async fn set_self_info(connection: &ConnectionHandle, info: SelfInfo) -> Result<(), ImError> {
    let change = checked_change(info)?;
    connection.call_with_event(&change, CALL_DEADLINE).await.map(drop)
}

fn checked_users(user_ids: Vec<String>) -> Result<Vec<UserId>, ImError> {
    if user_ids.is_empty() || user_ids.len() > PROFILES_PER_CALL_MAX {
        let detail = format!("1 to {PROFILES_PER_CALL_MAX} users can be asked for in one call");
        return Err(ImError::new(Code::INVALID_PARAMETERS, detail));
    }
    user_ids.into_iter().map(|user_id| UserId::parse(user_id).map_err(ImError::from)).collect()
}

fn checked_change(info: SelfInfo) -> Result<SetSelfInfo, ImError> {
    for value in [&info.nick_name, &info.face_url].into_iter().flatten() {
        if value.len() > PROFILE_FIELD_BYTES_MAX || value.contains('\0') {
            let detail = format!("a nickname or face URL has at most {PROFILE_FIELD_BYTES_MAX} bytes and no NUL");
            return Err(ImError::new(Code::PROFILE_VALUE_TOO_LONG, detail));
        }
    }
    if info == SelfInfo::default() {
        return Err(ImError::new(Code::INVALID_PARAMETERS, "nothing is set that could be changed"));
    }
    Ok(SetSelfInfo { nick: info.nick_name, face_url: info.face_url })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_users_are_checked() {
        let code = |ids: Vec<String>| checked_users(ids).err().map(|error| error.code());
        assert_eq!(code(vec![]), Some(Code::INVALID_PARAMETERS));
        assert_eq!(code(vec!["a".to_owned(); 101]), Some(Code::INVALID_PARAMETERS));
        assert_eq!(code(vec!["a".to_owned(), String::new()]), Some(Code::INVALID_USER_ID));
        assert_eq!(code(vec!["a".to_owned(); 100]), None);
    }

    #[test]
    fn a_profile_field_has_at_most_500_bytes() {
        let change = |nick: &str| checked_change(SelfInfo { nick_name: Some(nick.to_owned()), face_url: None });
        assert!(change(&"鸿".repeat(166)).is_ok());
        assert_eq!(change(&"鸿".repeat(167)).unwrap_err().code(), Code::PROFILE_VALUE_TOO_LONG);
        assert_eq!(change("a\0b").unwrap_err().code(), Code::PROFILE_VALUE_TOO_LONG);
        assert!(change("").is_ok(), "an empty name takes the name away");
        assert_eq!(checked_change(SelfInfo::default()).unwrap_err().code(), Code::INVALID_PARAMETERS);
    }
}
