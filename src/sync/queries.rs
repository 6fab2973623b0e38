// SPDX-License-Identifier: Apache-2.0
//! The one row of what the sync task knows of the server.

use hongyan_protocol::account::Profile;
use hongyan_protocol::ids::{InstanceId, UserId, Version};
use sqlx::{FromRow, SqliteConnection};

use crate::account::UserInfo;
use crate::error::ImError;
use crate::store::Transaction;

/// What the sync task knows of the server.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SyncState {
    pub(crate) instance: Option<InstanceId>,
    /// Server time of the last sync that was completed.
    pub(crate) since_ms: Option<i64>,
    /// How far the user's own stream is known.
    pub(crate) version: Version,
    pub(crate) nick: String,
    pub(crate) face_url: String,
}

#[derive(FromRow)]
struct SyncRow {
    instance: Option<String>,
    since_ms: Option<i64>,
    version: i64,
    nick: String,
    face_url: String,
}

impl SyncState {
    /// Whether nothing was ever synchronised: what the server has is history then, not news.
    pub(crate) fn is_first_sync(&self) -> bool {
        self.since_ms.is_none()
    }

    /// Takes in the user's own profile.
    pub(crate) fn apply_profile(&mut self, profile: &Profile) {
        self.nick.clone_from(&profile.nick);
        self.face_url.clone_from(&profile.face_url);
    }

    pub(crate) fn info(&self, user: &UserId) -> UserInfo {
        UserInfo { user_id: user.to_string(), nick_name: self.nick.clone(), face_url: self.face_url.clone() }
    }
}

/// Reads it.
pub(crate) async fn load(connection: &mut SqliteConnection) -> Result<SyncState, ImError> {
    let row: SyncRow =
        sqlx::query_as("select instance, since_ms, version, nick, face_url from sync_state where only_row = 1")
            .fetch_one(connection)
            .await?;
    Ok(SyncState {
        instance: row.instance.as_deref().map(InstanceId::parse).transpose()?,
        since_ms: row.since_ms,
        version: Version::parse(row.version)?,
        nick: row.nick,
        face_url: row.face_url,
    })
}

/// Writes it.
pub(crate) async fn save(tx: &mut Transaction, state: &SyncState) -> Result<(), ImError> {
    sqlx::query(
        "update sync_state set instance = $1, since_ms = $2, version = $3, nick = $4, face_url = $5 \
         where only_row = 1",
    )
    .bind(state.instance.map(|instance| instance.to_string()))
    .bind(state.since_ms)
    .bind(state.version.get())
    .bind(&state.nick)
    .bind(&state.face_url)
    .execute(&mut **tx)
    .await?;
    Ok(())
}
