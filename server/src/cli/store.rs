// SPDX-License-Identifier: Apache-2.0
//! `backup`, `restore` and `store renew-instance`: a store as a whole.

use std::io::Write;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use hongyan_protocol::clock::Clock;

use super::{Failure, SettingsArgs, say};
use crate::metrics::Metrics;
use crate::store::backup::{self, Present};
use crate::store::{FolderLock, Place, Store};

#[derive(Debug, Args)]
pub(super) struct BackupArgs {
    #[command(flatten)]
    settings: SettingsArgs,
    /// The file to write; it must not exist
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct RestoreArgs {
    #[command(flatten)]
    settings: SettingsArgs,
    /// What `backup` wrote; it is only read
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Set a store aside that the folder holds already; without this it is left as it is, and nothing is restored
    #[arg(long)]
    set_aside: bool,
}

#[derive(Debug, Subcommand)]
pub(super) enum StoreCommand {
    /// Make the store another one, which clients notice as they notice a restore. For whoever has put its tables back
    /// by other means than `restore`; no server may be running on it
    RenewInstance {
        #[command(flatten)]
        settings: SettingsArgs,
    },
}

pub(super) async fn back_up(args: BackupArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let folder = embedded(&args.settings)?;
    let bytes = backup::back_up(&folder, &args.file).await?;
    say(out, format_args!("{}: {bytes} bytes", args.file.display()))
}

pub(super) async fn restore(args: RestoreArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let folder = embedded(&args.settings)?;
    let present = if args.set_aside { Present::SetAside } else { Present::Kept };
    let restored = backup::restore(&args.file, &folder, present, Clock::system()).await?;
    if let Some(aside) = restored.aside {
        say(out, format_args!("the store before: {}", aside.display()))?;
    }
    say(out, format_args!("instance: {}", restored.instance))
}

pub(super) async fn run(command: StoreCommand, out: &mut dyn Write) -> Result<(), Failure> {
    let StoreCommand::RenewInstance { settings } = command;
    let config = settings.config()?;
    let place = config.place()?;
    if let Place::Folder(folder) = &place
        && !folder.is_dir()
    {
        return Err(Failure(format!("there is no data folder {}", folder.display())));
    }
    let lock = FolderLock::take(&config.data_folder)?;
    let store = Store::open_alone(&place, Clock::system(), &lock, &Metrics::default()).await?;
    let renewed = store.renew_instance().await;
    store.close().await;
    say(out, format_args!("instance: {}", renewed?))
}

/// The folder of an embedded store. A database has its own tools.
fn embedded(settings: &SettingsArgs) -> Result<PathBuf, Failure> {
    match settings.config()?.place()? {
        Place::Folder(folder) => Ok(folder),
        Place::Postgres(_) => Err(Failure(
            "the store is a database of PostgreSQL: copy it and put it back by its own tools, such as pg_dump, and then \
             run store renew-instance"
                .to_owned(),
        )),
    }
}
