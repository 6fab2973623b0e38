// SPDX-License-Identifier: Apache-2.0
//! Logging in and out, the heartbeat, and profiles.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::frame::{Call, Event};
use crate::ids::{DeviceId, InstanceId, SdkAppId, UserId, Version};

/// What kind of device a session runs on. The kick policy speaks of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Platform {
    /// An Android phone or tablet.
    Android,
    /// An iPhone.
    Iphone,
    /// An iPad.
    Ipad,
    /// A Windows computer.
    Windows,
    /// A Mac.
    Mac,
    /// A Linux computer.
    Linux,
    /// A browser or a mini-program.
    Web,
}

impl Platform {
    /// Every platform with its name on the wire and in the store.
    pub const ALL: [(Self, &'static str); 7] = [
        (Self::Android, "android"),
        (Self::Iphone, "iphone"),
        (Self::Ipad, "ipad"),
        (Self::Windows, "windows"),
        (Self::Mac, "mac"),
        (Self::Linux, "linux"),
        (Self::Web, "web"),
    ];

    /// Its name on the wire and in the store.
    pub fn name(self) -> &'static str {
        Self::ALL.into_iter().find(|(platform, _)| *platform == self).map_or("", |(_, name)| name)
    }

    /// The platform with a name.
    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(_, of)| *of == name).map(|(platform, _)| platform)
    }
}

/// What a client says of itself in the first frame of a connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientInfo {
    /// The version of the wire that the client speaks.
    pub protocol: u32,
    /// The client's own name and version, for logs and support.
    #[serde(default)]
    pub sdk: String,
    /// What kind of device it is.
    pub platform: Platform,
    /// Which installation it is.
    pub device_id: DeviceId,
    /// Optional parts of the protocol that the client understands. None is defined yet.
    #[serde(default)]
    pub capabilities: Vec<String>,
}

/// `login`: the first frame of a connection, with a UserSig. The first login of a user makes the account.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Login {
    /// What the client says of itself.
    #[serde(flatten)]
    pub client: ClientInfo,
    /// The app.
    pub sdk_app_id: SdkAppId,
    /// The user. Not yet validated: a bad one is answered 7003.
    pub user_id: String,
    /// The ticket that the app's own back end signed.
    pub user_sig: String,
}

/// Without the ticket: `{:?}` ends in logs.
impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Login");
        shown.field("client", &self.client).field("sdk_app_id", &self.sdk_app_id).field("user_id", &self.user_id);
        shown.finish_non_exhaustive()
    }
}

impl Call for Login {
    const METHOD: &'static str = "login";
    type Reply = Session;
}

/// `resume`: the first frame of a connection that takes up an earlier session, without a UserSig.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resume {
    /// What the client says of itself.
    #[serde(flatten)]
    pub client: ClientInfo,
    /// The token of the last [`Session`].
    pub token: String,
}

/// Without the token.
impl fmt::Debug for Resume {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resume").field("client", &self.client).finish_non_exhaustive()
    }
}

impl Call for Resume {
    const METHOD: &'static str = "resume";
    type Reply = Session;
}

/// A session that was opened or taken up.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// The version of the wire that the server speaks.
    pub protocol: u32,
    /// The oldest version that it accepts.
    pub protocol_min: u32,
    /// Optional parts of the protocol that the server understands.
    #[serde(default)]
    pub capabilities: Vec<String>,
    /// The store behind this server.
    pub instance: InstanceId,
    /// The server's time.
    pub server_ms: i64,
    /// The head of the user's own stream.
    pub version: Version,
    /// The user's own profile.
    pub profile: Profile,
    /// What a later connection shows in place of a UserSig. It ends no later than the UserSig does.
    pub resume_token: String,
    /// When the UserSig ends.
    pub user_sig_expires_ms: i64,
    /// How long the server waits without any frame before it takes the client for gone.
    pub silence_ms_max: i64,
}

/// Without the token.
impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Session");
        shown.field("protocol", &self.protocol).field("instance", &self.instance).field("profile", &self.profile);
        shown.field("version", &self.version).field("server_ms", &self.server_ms);
        shown.field("user_sig_expires_ms", &self.user_sig_expires_ms).finish_non_exhaustive()
    }
}

/// `logout`: ends the session and its token. The server closes the connection after its answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Logout {}

impl Call for Logout {
    const METHOD: &'static str = "logout";
    type Reply = Done;
}

/// An answer with nothing in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {}

/// `ping`: the heartbeat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ping {}

impl Call for Ping {
    const METHOD: &'static str = "ping";
    type Reply = Pong;
}

/// The answer to a heartbeat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pong {
    /// The server's time.
    pub server_ms: i64,
    /// The number of the last push that the session was given before this answer: a client that has
    /// seen fewer has lost some.
    pub push: u64,
}

/// What is public of a user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// The user.
    pub user_id: UserId,
    /// The nickname; empty where none was set.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub nick: String,
    /// The address of the portrait; empty where none was set.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub face_url: String,
}

/// `get_profiles`: up to 100 users. Those who do not exist are left out of the answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GetProfiles {
    /// Whose.
    pub users: Vec<UserId>,
}

impl Call for GetProfiles {
    const METHOD: &'static str = "get_profiles";
    type Reply = Profiles;
}

/// The profiles that were found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profiles {
    /// In the order asked for.
    pub profiles: Vec<Profile>,
}

/// `set_self_info`: changes what is set and leaves the rest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetSelfInfo {
    /// The new nickname, at most 500 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nick: Option<String>,
    /// The new address of the portrait, at most 500 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub face_url: Option<String>,
}

impl Call for SetSelfInfo {
    const METHOD: &'static str = "set_self_info";
    type Reply = SelfInfo;
}

/// A user's own profile at a version of their stream. It answers `set_self_info` and is an event for the
/// user's other sessions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SelfInfo {
    /// The version that this change made.
    pub version: Version,
    /// The profile as it is now.
    pub profile: Profile,
}

impl Event for SelfInfo {
    const NAME: &'static str = "self_info";
}

/// Event: this session is over because another took its place, or an administrator ended it. The
/// connection closes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kicked {
    /// Why, for a log.
    pub reason: String,
}

impl Event for Kicked {
    const NAME: &'static str = "kicked";
}

/// Event: the UserSig of this session has ended. The connection closes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserSigExpired {}

impl Event for UserSigExpired {
    const NAME: &'static str = "user_sig_expired";
}

/// Event: the server is about to stop. The client connects again, to another node or to this one later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GoingAway {
    /// How long to wait before connecting again; clients spread themselves over twice this time.
    pub reconnect_after_ms: i64,
}

impl Event for GoingAway {
    const NAME: &'static str = "going_away";
}
