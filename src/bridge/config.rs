// SPDX-License-Identifier: Apache-2.0
//! What a bridge is made from.

use crate::bridge::args::{Args, Form, Param, object, params};
use crate::bridge::numbers::Native;
use crate::config::{ClientConfig, LogLevel, Platform};
use crate::error::ImError;

/// The platforms by the names that the native SDK's REST interface has for them.
const PLATFORMS: [(&str, Platform); 7] = [
    ("Android", Platform::Android),
    ("iPhone", Platform::Iphone),
    ("iPad", Platform::Ipad),
    ("Windows", Platform::Windows),
    ("Mac", Platform::Mac),
    ("Linux", Platform::Linux),
    ("Web", Platform::Web),
];

const PLATFORM_WORDS: [&str; PLATFORMS.len()] = {
    let mut words = [""; PLATFORMS.len()];
    let mut index = 0;
    while index < words.len() {
        words[index] = PLATFORMS[index].0;
        index += 1;
    }
    words
};

/// The fields of a config.
pub(super) const CONFIG: &[Param] = params![
    sdkAppID must Form::Number => "The app, as the server knows it.",
    serverURL must Form::Text => "The server: `https://host:port`; `http` is for this machine alone.",
    dataFolder must Form::Text => "A folder of the app's own, for what the SDK stores. It is made where it does not exist.",
    platform may Form::Word(&PLATFORM_WORDS) => "What kind of device this is; that of the system where it is not said, which takes an iPad for an iPhone.",
    logLevel may Form::Choice(LogLevel::NUMBERS) => "The least important lines that the log file and `onLog` get; 4 where it is not said.",
    hasLogListener may Form::Flag => "Whether the lines of the log come as event `onLog`.",
    isInsecureAllowed may Form::Flag => "Whether unencrypted connections beyond this machine are allowed. For development only.",
    extraRootCertificates may Form::Text => "Certificates in PEM that the server's may lead to beside those that browsers trust.",
    publicKeyPins may Form::List(&Form::Text) => "The only keys that are trusted, where there are any: each the SHA-256 of a SubjectPublicKeyInfo in base64, of the server's certificate, one between, or the root.",
];

/// A config that was read.
pub(super) struct BridgeConfig {
    pub(super) client: ClientConfig,
    pub(super) has_log_listener: bool,
}

/// Reads a config; nothing is made yet.
pub(super) fn read(text: &str) -> Result<BridgeConfig, ImError> {
    let mut args = Args::read(CONFIG, object(text)?, "")?;
    let platform = args.find::<String>("platform")?;
    let named = |word: String| PLATFORMS.iter().find(|(name, _)| *name == word).map(|(_, platform)| *platform);
    Ok(BridgeConfig {
        client: ClientConfig {
            sdk_app_id: args.take("sdkAppID")?,
            server_url: args.take("serverURL")?,
            data_folder: args.take("dataFolder")?,
            platform: platform.and_then(named).unwrap_or(own_platform()),
            log_level: args.find("logLevel")?.and_then(LogLevel::of).unwrap_or(LogLevel::Info),
            is_insecure_allowed: args.find("isInsecureAllowed")?.unwrap_or(false),
            extra_root_certificates: args.find("extraRootCertificates")?.unwrap_or_default(),
            public_key_pins: args.find("publicKeyPins")?.unwrap_or_default(),
        },
        has_log_listener: args.find("hasLogListener")?.unwrap_or(false),
    })
}

/// The platform that the library was built for.
const fn own_platform() -> Platform {
    if cfg!(target_os = "android") {
        Platform::Android
    } else if cfg!(target_os = "ios") {
        Platform::Iphone
    } else if cfg!(target_os = "windows") {
        Platform::Windows
    } else if cfg!(target_os = "macos") {
        Platform::Mac
    } else {
        Platform::Linux
    }
}
