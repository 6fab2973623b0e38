// SPDX-License-Identifier: Apache-2.0
//! Apps: the tenants of a server, their keys and their settings.
//!
//! [`settings`] is the table of what an operator may switch; `queries` holds the rows.

mod queries;
pub mod settings;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use hongyan_protocol::clock::Clock;
use hongyan_protocol::codes::Code;
use hongyan_protocol::ids::SdkAppId;

use crate::error::Error;
use crate::secret;
use crate::store::{Store, Write};
use settings::{SettingRow, Settings};

/// Where the numbers of apps begin: ten digits, as app developers know them.
const FIRST_APP: i64 = 1_400_000_001;

/// What the server calls the app that it makes for itself.
const DEMO_NAME: &str = "demo";

/// The bytes of an app's name: 70402.
const NAME_BYTES_MAX: usize = 100;

/// How long a setting that another process changed may go unnoticed.
const CONFIG_AGE_MS_MAX: u64 = 1_000;

/// How many apps' settings are remembered at once. Beyond that all are forgotten and read again.
const CONFIGS_COUNT_MAX: usize = 1_000;

/// A tenant.
#[derive(Clone, PartialEq, Eq)]
pub struct App {
    /// Its number.
    pub sdk_app_id: SdkAppId,
    /// Its name, for the operator.
    pub name: String,
    /// What its UserSigs are signed with: 64 hexadecimal characters, used as text.
    pub key: String,
    /// Whether it is the one that the server made for itself on its first start.
    pub is_demo: bool,
    /// When it was made.
    pub created_ms: i64,
}

/// Without the key, which belongs in no log.
impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App").field("sdk_app_id", &self.sdk_app_id).field("name", &self.name).finish_non_exhaustive()
    }
}

/// An app with its settings, as they were at most a second ago.
#[derive(Debug)]
pub(crate) struct AppConfig {
    pub(crate) app: App,
    pub(crate) settings: Settings,
}

/// The apps of one store.
pub struct Apps {
    store: Arc<Store>,
    clock: Clock,
    /// What was read lately, with the monotonic time of reading. A plain mutex: it is held for a look-up only.
    configs: Mutex<HashMap<SdkAppId, (u64, Arc<AppConfig>)>>,
}

impl Apps {
    /// The apps of a store. A command uses this beside a running server.
    pub fn new(store: Arc<Store>, clock: Clock) -> Self {
        Self { store, clock, configs: Mutex::new(HashMap::new()) }
    }

    /// Makes an app with a key of its own.
    pub async fn create(&self, name: &str) -> Result<App, Error> {
        if name.is_empty() || name.len() > NAME_BYTES_MAX || name.chars().any(char::is_control) {
            return Err(Error::new(Code::BAD_PARAMETER, "an app's name is 1 to 100 bytes without control characters"));
        }
        self.store.write(|write| self.insert(write, name, false)).await
    }

    /// Makes the demo app where the store has no app at all; nothing where there is one already.
    pub async fn create_demo_if_empty(&self) -> Result<Option<App>, Error> {
        if queries::find_last(&mut self.store.read().await?).await?.is_some() {
            return Ok(None);
        }
        self.store
            .write(|mut write| async {
                // Another server may be starting too.
                if queries::find_last(&mut write).await?.is_some() {
                    return Ok(None);
                }
                self.insert(write, DEMO_NAME, true).await.map(Some)
            })
            .await
    }

    async fn insert(&self, mut write: Write, name: &str, is_demo: bool) -> Result<App, Error> {
        let last = queries::find_last(&mut write).await?;
        let app = App {
            sdk_app_id: SdkAppId::parse(last.map_or(FIRST_APP, |last| last + 1))?,
            name: name.to_owned(),
            key: secret::generate(),
            is_demo,
            created_ms: self.clock.now_ms(),
        };
        queries::insert(&mut write, &app).await?;
        write.commit(|| {}).await?;
        Ok(app)
    }

    /// The demo app, where it was made.
    pub async fn find_demo(&self) -> Result<Option<App>, Error> {
        Ok(self.list().await?.into_iter().find(|app| app.is_demo))
    }

    /// All apps, by number.
    pub async fn list(&self) -> Result<Vec<App>, Error> {
        queries::list(&mut self.store.read().await?).await
    }

    /// An app: 70020 where there is none.
    pub async fn get(&self, app: SdkAppId) -> Result<App, Error> {
        queries::find(&mut self.store.read().await?, app).await?.ok_or_else(|| not_found(app))
    }

    /// The settings of an app as the store has them now.
    pub async fn get_settings(&self, app: SdkAppId) -> Result<Settings, Error> {
        let mut read = self.store.read().await?;
        queries::find(&mut read, app).await?.ok_or_else(|| not_found(app))?;
        Ok(Settings::from_stored(&queries::list_settings(&mut read, app).await?))
    }

    /// Sets one setting; a running server follows within a second. 70402 for an unknown name or value.
    pub async fn set(&self, app: SdkAppId, name: &str, value: &str) -> Result<(), Error> {
        let row = SettingRow::get(name)?;
        row.check(value)?;
        self.store
            .write(|mut write| async {
                queries::find(&mut write, app).await?.ok_or_else(|| not_found(app))?;
                queries::set(&mut write, app, row.name, value).await?;
                write.commit(|| {}).await
            })
            .await
    }

    /// An app and its settings, at most a second old: 70020 where there is no such app.
    pub(crate) async fn config(&self, app: SdkAppId) -> Result<Arc<AppConfig>, Error> {
        let now_ms = self.clock.monotonic_ms();
        if let Some((read_ms, config)) = self.lock_configs().get(&app)
            // Another call may have read later than this one took its time.
            && now_ms.saturating_sub(*read_ms) < CONFIG_AGE_MS_MAX
        {
            return Ok(Arc::clone(config));
        }
        let mut read = self.store.read().await?;
        let found = queries::find(&mut read, app).await?.ok_or_else(|| not_found(app))?;
        let settings = Settings::from_stored(&queries::list_settings(&mut read, app).await?);
        let config = Arc::new(AppConfig { app: found, settings });
        let mut configs = self.lock_configs();
        if configs.len() >= CONFIGS_COUNT_MAX {
            configs.clear();
        }
        configs.insert(app, (now_ms, Arc::clone(&config)));
        Ok(config)
    }

    fn lock_configs(&self) -> std::sync::MutexGuard<'_, HashMap<SdkAppId, (u64, Arc<AppConfig>)>> {
        // What was remembered is right or old, whoever panicked.
        self.configs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn not_found(app: SdkAppId) -> Error {
    Error::new(Code::APP_NOT_FOUND, format!("there is no app {app}"))
}
