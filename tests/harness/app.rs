// SPDX-License-Identifier: Apache-2.0
//! An app on a server, as its own back end knows it: with the key that signs for its users.

use hongyan_protocol::account::{Login, Platform};
use hongyan_protocol::clock::Clock;
use hongyan_protocol::ids::SdkAppId;
use hongyan_protocol::usersig::{UserSigClaims, sign};

use super::wire::client_info;

/// How long a UserSig is valid unless a test says otherwise.
pub const USER_SIG_S: i64 = 30 * 24 * 3600;

/// An app and its key.
#[derive(Debug, Clone)]
pub struct App {
    pub id: SdkAppId,
    pub key: String,
}

impl App {
    /// A ticket that outlives the test.
    pub fn sign(&self, user: &str) -> String {
        self.sign_for(user, Clock::system().now_ms() / 1000, USER_SIG_S)
    }

    /// A ticket of a given time and life, in seconds.
    pub fn sign_for(&self, user: &str, time_s: i64, expire_s: i64) -> String {
        let claims =
            UserSigClaims { identifier: user.to_owned(), sdk_app_id: self.id, time_s, expire_s, user_buf: None };
        sign(&claims, &self.key)
    }

    /// The first frame of a device that no policy sends away: each has a platform's place of its own only where
    /// tests ask for one.
    pub fn login(&self, user: &str) -> Login {
        self.login_on(user, Platform::Web)
    }

    /// The first frame of a new device on a platform.
    pub fn login_on(&self, user: &str, platform: Platform) -> Login {
        Login {
            client: client_info(platform),
            sdk_app_id: self.id,
            user_id: user.to_owned(),
            user_sig: self.sign(user),
        }
    }
}
