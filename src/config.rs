// SPDX-License-Identifier: Apache-2.0
//! What a client is made from.

use std::path::PathBuf;

use hongyan_protocol::account as wire;
use hongyan_protocol::codes::Code;
use hongyan_protocol::ids::SdkAppId;

use crate::connection::address::Address;
use crate::connection::tls::Trust;
use crate::error::ImError;

/// What a client is made from.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct ClientConfig {
    /// The app, as the server knows it.
    pub sdk_app_id: i64,
    /// The server: `https://host:port`. `http`, which is unencrypted, is for this machine alone unless
    /// [`is_insecure_allowed`](Self::is_insecure_allowed).
    pub server_url: String,
    /// A folder of the app's own, for what the SDK stores. It is made where it does not exist. Clients of
    /// several users may share one.
    pub data_folder: String,
    /// What kind of device this is: the server's rule on how many devices may be logged in at once speaks of it.
    pub platform: Platform,
    /// The least important lines that the log file and the log listener get.
    pub log_level: LogLevel,
    /// Whether unencrypted connections beyond this machine are allowed. For development only: everybody on the
    /// way can read and change what passes.
    pub is_insecure_allowed: bool,
    /// Certificates in PEM, one or several, that the server's may lead to beside those that browsers trust: an
    /// authority of one's own. Empty for none. 6017 beside an `http` address, which shows no certificate.
    pub extra_root_certificates: String,
    /// The only keys that are trusted, where there are any: each the SHA-256 of a SubjectPublicKeyInfo, in base64.
    /// Beside all that is asked of a certificate otherwise, one key of its verified chain must be among them: the
    /// server's own, one between, or the root's. Pin a second one for the day on which the first is replaced.
    /// 6017 beside an `http` address.
    pub public_key_pins: Vec<String>,
}

/// What kind of device a client runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, uniffi::Enum)]
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
    pub(crate) fn on_the_wire(self) -> wire::Platform {
        match self {
            Self::Android => wire::Platform::Android,
            Self::Iphone => wire::Platform::Iphone,
            Self::Ipad => wire::Platform::Ipad,
            Self::Windows => wire::Platform::Windows,
            Self::Mac => wire::Platform::Mac,
            Self::Linux => wire::Platform::Linux,
            Self::Web => wire::Platform::Web,
        }
    }
}

/// How important a line of the log is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, uniffi::Enum)]
pub enum LogLevel {
    /// Everything, for those who look for an error in the SDK.
    Debug,
    /// What the client does.
    Info,
    /// What went wrong and was put right, or will be tried again.
    Warn,
    /// What failed.
    Error,
    /// Nothing.
    None,
}

/// A config that was checked.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) sdk_app_id: SdkAppId,
    pub(crate) server: Address,
    pub(crate) data_folder: PathBuf,
    pub(crate) platform: Platform,
    pub(crate) log_level: LogLevel,
    pub(crate) trust: Trust,
}

impl Settings {
    pub(crate) fn check(config: ClientConfig) -> Result<Self, ImError> {
        if config.data_folder.is_empty() {
            return Err(ImError::new(Code::INVALID_PARAMETERS, "the data folder has no name"));
        }
        let server = Address::parse(&config.server_url, config.is_insecure_allowed)?;
        let trust = Trust::read(&config.extra_root_certificates, &config.public_key_pins)?;
        // Whoever names keys must not find out on the way that nobody looked at them.
        if server.tls_name.is_none() && !trust.is_empty() {
            return Err(ImError::new(
                Code::INVALID_PARAMETERS,
                "extra roots and pins need a server's address that begins with https://",
            ));
        }
        Ok(Self {
            sdk_app_id: SdkAppId::parse(config.sdk_app_id)
                .map_err(|error| ImError::new(Code::INVALID_PARAMETERS, error.what))?,
            server,
            data_folder: PathBuf::from(config.data_folder),
            platform: config.platform,
            log_level: config.log_level,
            trust,
        })
    }
}
