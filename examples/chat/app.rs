// SPDX-License-Identifier: Apache-2.0
//! The app and its key. A real app's key stays on its back end, which signs for the users it knows; this chat signs for
//! whoever asks, so it is for a server of one's own.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use hongyan_protocol::clock::Clock;
use hongyan_protocol::ids::SdkAppId;
use hongyan_protocol::usersig::{UserSigClaims, sign};
use hongyan_server::app::Apps;
use hongyan_server::store::{Place, Store};

use crate::options::Signer;

const USER_SIG_EXPIRE_S: i64 = 7 * 24 * 3600;

/// An app and what its UserSigs are signed with.
pub struct App {
    /// Its number.
    pub sdk_app_id: SdkAppId,
    key: String,
}

impl App {
    /// Takes the key from the command line, or reads it as `hongyan-server app key` does.
    pub async fn find(signer: &Signer) -> Result<Self, Box<dyn Error>> {
        match signer {
            Signer::Key { sdk_app_id, key } => Ok(Self { sdk_app_id: SdkAppId::parse(*sdk_app_id)?, key: key.clone() }),
            Signer::Store { data_folder, sdk_app_id } => Self::read(data_folder, *sdk_app_id).await,
        }
    }

    async fn read(data_folder: &Path, sdk_app_id: Option<i64>) -> Result<Self, Box<dyn Error>> {
        // Opening makes what is missing, and an empty store has no app.
        if !data_folder.is_dir() {
            let folder = data_folder.display();
            return Err(
                format!("there is no data folder {folder}: start a server there (make serve), or give --key").into()
            );
        }
        let store = Arc::new(Store::open(&Place::Folder(data_folder.to_owned()), Clock::system()).await?);
        let apps = Apps::new(Arc::clone(&store), Clock::system());
        let app = match sdk_app_id {
            Some(number) => apps.get(SdkAppId::parse(number)?).await.map(Some),
            None => apps.find_demo().await,
        };
        store.close().await;
        let app = app?.ok_or("this server has no demo app: name one with --sdkappid")?;
        Ok(Self { sdk_app_id: app.sdk_app_id, key: app.key })
    }

    /// What a back end gives its user to log in with.
    pub fn user_sig(&self, user_id: &str) -> String {
        let claims = UserSigClaims {
            identifier: user_id.to_owned(),
            sdk_app_id: self.sdk_app_id,
            time_s: Clock::system().now_ms() / 1000,
            expire_s: USER_SIG_EXPIRE_S,
            user_buf: None,
        };
        sign(&claims, &self.key)
    }
}
