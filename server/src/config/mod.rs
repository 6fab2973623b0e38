// SPDX-License-Identifier: Apache-2.0
//! The settings of a server.
//!
//! `config.default.toml` names every key with its meaning, unit and default; [`layers`] lays file, environment
//! and flags over it. What is unknown or of the wrong kind stops the start with a sentence that names it.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer};

pub mod layers;
#[cfg(test)]
mod tests;

pub use layers::Layers;

use crate::store::Place;

/// The embedded engine's name in the setting `store`.
const STORE_SQLITE: &str = "sqlite";

/// Why the settings cannot be used: a sentence that names the setting, its value and where it was found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(pub String);

/// All settings. `config.default.toml` says what each means.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The address and port to listen on.
    pub listen: SocketAddr,
    /// Where the server keeps all it has.
    pub data_folder: PathBuf,
    /// Where accounts, groups and messages are stored.
    pub store: StoreAddress,
    /// Whether plain text is allowed beyond loopback.
    pub is_insecure_allowed: bool,
    /// Where the demo app may be used.
    pub demo_app: DemoApp,
    /// The certificate that makes connections TLS.
    pub tls: TlsConfig,
    /// The listener of who looks after the server.
    pub admin: AdminConfig,
    /// How the server logs.
    pub log: LogConfig,
    /// Sockets, sessions and their limits.
    pub gateway: GatewayConfig,
}

/// Where the store is: `sqlite`, or the address of a database.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct StoreAddress(pub String);

/// Without the password.
impl fmt::Debug for StoreAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.split("://").next().unwrap_or_default())
    }
}

/// Where the demo app may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DemoApp {
    /// While the server listens on a loopback address.
    Loopback,
    /// On any address.
    Everywhere,
    /// Nowhere; none is made.
    Never,
}

impl DemoApp {
    /// Whether the demo app may be used on a server that listens there.
    pub fn is_allowed_on(self, listen: SocketAddr) -> bool {
        match self {
            Self::Loopback => listen.ip().is_loopback(),
            Self::Everywhere => true,
            Self::Never => false,
        }
    }
}

/// Where the server's certificate is. Both files are named, or none.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsConfig {
    /// The file with the certificate and those between it and its root, in PEM; empty for plain text.
    pub certificate: PathBuf,
    /// The file with the certificate's private key, in PEM; empty for plain text.
    pub key: PathBuf,
}

impl TlsConfig {
    /// Whether connections are TLS.
    pub fn is_on(&self) -> bool {
        !self.certificate.as_os_str().is_empty()
    }

    fn check(&self) -> Result<(), ConfigError> {
        if self.certificate.as_os_str().is_empty() == self.key.as_os_str().is_empty() {
            return Ok(());
        }
        let (given, missing) = if self.is_on() { ("certificate", "key") } else { ("key", "certificate") };
        Err(ConfigError(format!("the setting tls.{given} is given and tls.{missing} is not; TLS needs both")))
    }
}

/// The listener of who looks after the server: metrics and health.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdminConfig {
    /// The address and port to listen on; an empty text is none.
    #[serde(deserialize_with = "address_or_none")]
    pub listen: Option<SocketAddr>,
    /// Whether it may listen beyond loopback, where everybody who reaches it can read the metrics.
    pub is_remote_allowed: bool,
}

impl AdminConfig {
    fn check(&self) -> Result<(), ConfigError> {
        match self.listen {
            Some(address) if !address.ip().is_loopback() && !self.is_remote_allowed => Err(ConfigError(format!(
                "the setting admin.listen is {address}, which is not a loopback address: metrics are shown there only \
                 when admin.is_remote_allowed is true",
            ))),
            _ => Ok(()),
        }
    }
}

/// TOML has no word for nothing.
fn address_or_none<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SocketAddr>, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(serde::de::Error::custom)
}

/// How the server logs.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogConfig {
    /// For whom.
    pub format: LogFormat,
    /// How much: a level, or a filter by module.
    pub level: String,
}

impl LogConfig {
    /// A word that is no level would be taken for the name of a module, and everything else would fall silent.
    fn check(&self) -> Result<(), ConfigError> {
        const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
        let is_known = |part: &str| part.contains('=') || LEVELS.contains(&part.trim());
        if self.level.split(',').all(is_known) {
            return Ok(());
        }
        Err(ConfigError(format!(
            "the setting log.level is {:?}; expected error, warn, info, debug or trace, or such a level per module",
            self.level
        )))
    }
}

/// The form of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines.
    Json,
}

/// Sockets, sessions and their limits.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GatewayConfig {
    /// How long a connection has to log in.
    pub login_deadline_ms: u64,
    /// Connections of one address that have not logged in yet.
    pub unauthenticated_per_address_max: usize,
    /// Connections in all.
    pub connections_max: usize,
    /// Failed logins of one user from one address within a minute.
    pub login_failures_per_minute_max: usize,
    /// Logins that are let in per second.
    pub logins_per_second: u64,
    /// Logins that are let in at once after a pause.
    pub logins_burst: u64,
    /// Logins of one app that are let in per second.
    pub app_logins_per_second: u64,
    /// Logins of one app that are let in at once after a pause.
    pub app_logins_burst: u64,
    /// Logins of one user that are let in per second.
    pub user_logins_per_second: u64,
    /// Logins of one user that are let in at once after a pause.
    pub user_logins_burst: u64,
    /// Attempts to log in of one address per second.
    pub address_logins_per_second: u64,
    /// Attempts to log in of one address at once after a pause.
    pub address_logins_burst: u64,
    /// How long a session may be silent.
    pub silence_ms_max: u64,
    /// Requests of one session per second.
    pub requests_per_second: u64,
    /// Requests of one session at once after a pause.
    pub requests_burst: u64,
    /// Requests of one session that are worked on at once, sends apart.
    pub requests_in_flight_max: usize,
    /// Sends of one session that are worked on at once.
    pub sends_in_flight_max: usize,
    /// Pushes that may wait for one session.
    pub queue_pushes_max: usize,
    /// The bytes of the pushes that may wait for one session.
    pub queue_bytes_max: usize,
    /// The bytes of the pushes and answers that may wait for all sessions together.
    pub queue_bytes_total_max: usize,
    /// How long a session may take nothing of what waits.
    pub stuck_ms_max: u64,
    /// How long a stopping server waits for its sessions.
    pub drain_ms_max: u64,
    /// What a stopping server tells clients to wait.
    pub reconnect_after_ms: u64,
}

impl Config {
    /// The defaults, with a data folder of one's own and a free port on loopback: for tests and demos.
    pub fn for_folder(data_folder: impl AsRef<Path>) -> Self {
        let mut config = Layers::defaults().build().expect("the compiled-in defaults are valid");
        config.data_folder = data_folder.as_ref().to_owned();
        config.listen = SocketAddr::from(([127, 0, 0, 1], 0));
        config
    }

    /// Where the store is.
    pub fn place(&self) -> Result<Place, ConfigError> {
        let address = self.store.0.as_str();
        if address == STORE_SQLITE {
            return Ok(Place::Folder(self.data_folder.clone()));
        }
        // Whatever it is, it may hold a password.
        let is_postgres = ["postgres://", "postgresql://"].iter().any(|scheme| address.starts_with(scheme));
        let options = is_postgres.then(|| address.parse().ok()).flatten();
        options.map(|options| Place::Postgres(Box::new(options))).ok_or_else(|| {
            ConfigError("the setting store is neither sqlite nor an address like postgres://user@host/database".into())
        })
    }

    /// Checks what one value alone does not show.
    pub fn check(&self) -> Result<(), ConfigError> {
        let gateway = &self.gateway;
        for (key, value) in [
            ("gateway.login_deadline_ms", gateway.login_deadline_ms),
            ("gateway.logins_per_second", gateway.logins_per_second),
            ("gateway.logins_burst", gateway.logins_burst),
            ("gateway.app_logins_per_second", gateway.app_logins_per_second),
            ("gateway.app_logins_burst", gateway.app_logins_burst),
            ("gateway.user_logins_per_second", gateway.user_logins_per_second),
            ("gateway.user_logins_burst", gateway.user_logins_burst),
            ("gateway.address_logins_per_second", gateway.address_logins_per_second),
            ("gateway.address_logins_burst", gateway.address_logins_burst),
            ("gateway.silence_ms_max", gateway.silence_ms_max),
            ("gateway.requests_per_second", gateway.requests_per_second),
            ("gateway.requests_burst", gateway.requests_burst),
            ("gateway.stuck_ms_max", gateway.stuck_ms_max),
            ("gateway.unauthenticated_per_address_max", gateway.unauthenticated_per_address_max as u64),
            ("gateway.connections_max", gateway.connections_max as u64),
            ("gateway.login_failures_per_minute_max", gateway.login_failures_per_minute_max as u64),
            ("gateway.requests_in_flight_max", gateway.requests_in_flight_max as u64),
            ("gateway.sends_in_flight_max", gateway.sends_in_flight_max as u64),
            ("gateway.queue_pushes_max", gateway.queue_pushes_max as u64),
            ("gateway.queue_bytes_max", gateway.queue_bytes_max as u64),
            ("gateway.queue_bytes_total_max", gateway.queue_bytes_total_max as u64),
        ] {
            if value == 0 {
                return Err(ConfigError(format!("the setting {key} is 0; it must be at least 1")));
            }
        }
        self.log.check()?;
        self.admin.check()?;
        self.place()?;
        self.tls.check()?;
        if !self.listen.ip().is_loopback() && !self.tls.is_on() && !self.is_insecure_allowed {
            return Err(ConfigError(format!(
                "the setting listen is {}, which is not a loopback address: plain text is carried there only \
                 when is_insecure_allowed is true; tls.certificate and tls.key make it TLS",
                self.listen
            )));
        }
        Ok(())
    }
}
