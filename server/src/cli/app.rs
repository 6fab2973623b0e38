// SPDX-License-Identifier: Apache-2.0
//! `app create`, `list`, `key`, `set` and `get`: the rows of a data folder, whether a server runs on it or not.

use std::io::Write;
use std::sync::Arc;

use clap::{Args, Subcommand};
use hongyan_protocol::clock::Clock;
use hongyan_protocol::ids::SdkAppId;

use super::usersig::parse_app;
use super::{Failure, SettingsArgs, say};
use crate::app::settings::{Effect, SETTINGS, SettingRow};
use crate::app::{App, Apps};
use crate::store::{Place, Store};

#[derive(Debug, Subcommand)]
pub(super) enum AppCommand {
    /// Make an app; prints its sdkAppId and key
    Create {
        #[command(flatten)]
        settings: SettingsArgs,
        /// What the operator calls it
        #[arg(value_name = "NAME", default_value = "app")]
        name: String,
    },
    /// List the apps: sdkAppId and name
    List {
        #[command(flatten)]
        settings: SettingsArgs,
    },
    /// Print an app's key
    Key(OneApp),
    /// Change a setting
    Set {
        #[command(flatten)]
        app: OneApp,
        /// Which setting; `app get` lists them
        #[arg(value_name = "KEY")]
        key: String,
        /// Its new value
        #[arg(value_name = "VALUE", allow_hyphen_values = true)]
        value: String,
    },
    /// Print the value of a setting, or all settings with their values and meanings
    Get {
        #[command(flatten)]
        app: OneApp,
        /// Which setting [default: all]
        #[arg(value_name = "KEY")]
        key: Option<String>,
    },
}

#[derive(Debug, Args)]
pub(super) struct OneApp {
    #[command(flatten)]
    settings: SettingsArgs,
    /// The app
    #[arg(value_name = "SDKAPPID", value_parser = parse_app)]
    sdkappid: SdkAppId,
}

impl AppCommand {
    fn settings(&self) -> &SettingsArgs {
        match self {
            Self::Create { settings, .. } | Self::List { settings } => settings,
            Self::Key(app) | Self::Set { app, .. } | Self::Get { app, .. } => &app.settings,
        }
    }
}

pub(super) async fn run(command: AppCommand, out: &mut dyn Write) -> Result<(), Failure> {
    let place = command.settings().config()?.place()?;
    // A folder that is not there yet is made by `create` alone: elsewhere it is a mistyped name.
    if let Place::Folder(folder) = &place
        && !matches!(command, AppCommand::Create { .. })
        && !folder.is_dir()
    {
        return Err(Failure(format!("there is no data folder {}", folder.display())));
    }
    let clock = Clock::system();
    let store = Arc::new(Store::open(&place, clock.clone()).await?);
    let outcome = run_on(&Apps::new(Arc::clone(&store), clock), command, out).await;
    store.close().await;
    outcome
}

async fn run_on(apps: &Apps, command: AppCommand, out: &mut dyn Write) -> Result<(), Failure> {
    match command {
        AppCommand::Create { name, .. } => say(out, describe(&apps.create(&name).await?)),
        AppCommand::List { .. } => {
            for app in apps.list().await? {
                say(out, format_args!("{}\t{}", app.sdk_app_id, app.name))?;
            }
            Ok(())
        }
        AppCommand::Key(app) => say(out, apps.get(app.sdkappid).await?.key),
        AppCommand::Set { app, key, value } => {
            apps.set(app.sdkappid, &key, &value).await?;
            if SettingRow::get(&key)?.effect == Effect::Later {
                say(&mut std::io::stderr(), format_args!("{key} is kept, but this version does not read it yet"))?;
            }
            Ok(())
        }
        AppCommand::Get { app, key } => get(apps, app.sdkappid, key.as_deref(), out).await,
    }
}

async fn get(apps: &Apps, app: SdkAppId, key: Option<&str>, out: &mut dyn Write) -> Result<(), Failure> {
    let settings = apps.get_settings(app).await?;
    if let Some(key) = key {
        return say(out, settings.text(SettingRow::get(key)?.setting));
    }
    for row in SETTINGS {
        let later = if row.effect == Effect::Later { " (not read yet)" } else { "" };
        say(
            out,
            format_args!("# {}: {}{later}\n{} = {}", row.meaning, row.kind, row.name, settings.text(row.setting)),
        )?;
    }
    Ok(())
}

/// The two lines that whoever signs UserSigs needs.
pub(super) fn describe(app: &App) -> String {
    format!("sdkAppId: {}\nkey: {}", app.sdk_app_id, app.key)
}
