// SPDX-License-Identifier: Apache-2.0
//! What apps see of accounts.

use hongyan_protocol::account::Profile;

/// Whether a user is logged in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, uniffi::Enum)]
pub enum LoginStatus {
    /// Logged in; the SDK keeps the connection up by itself, so that it may be down at this moment.
    LoggedIn = 1,
    /// A login is running.
    LoggingIn = 2,
    /// Nobody is logged in.
    NotLoggedIn = 3,
}

/// What is public of a user.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, uniffi::Record)]
pub struct UserInfo {
    /// The user.
    pub user_id: String,
    /// The nickname; empty where none was set.
    pub nick_name: String,
    /// The address of the portrait; empty where none was set.
    pub face_url: String,
}

impl From<Profile> for UserInfo {
    fn from(profile: Profile) -> Self {
        Self { user_id: profile.user_id.to_string(), nick_name: profile.nick, face_url: profile.face_url }
    }
}

/// What a user changes of their own profile: what is not set stays.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, uniffi::Record)]
pub struct SelfInfo {
    /// The new nickname, at most 500 bytes.
    pub nick_name: Option<String>,
    /// The new address of the portrait, at most 500 bytes.
    pub face_url: Option<String>,
}
