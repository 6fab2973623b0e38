// SPDX-License-Identifier: Apache-2.0
//! The commands of the binary: `serve`, `health`, `app …`, `usersig …`, `backup`, `restore` and `store …`.
//!
//! What a command was asked for goes to standard output, plain enough for a script; everything else to standard error.
//! Exit code 0: done; 1: it failed, and standard error says why; 2: the command line is not understood.

mod app;
mod health;
mod serve;
mod store;
#[cfg(test)]
mod tests;
mod usersig;

use std::ffi::OsString;
use std::fmt;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::config::{Config, ConfigError, Layers};
use crate::error::Error;

#[derive(Parser)]
#[command(name = "hongyan-server", version, about = "The Hongyan instant-messaging server", max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve until SIGTERM or SIGINT: then nobody is let in, what was read is answered, and clients are sent elsewhere. A
    /// second signal ends it at once; what was acknowledged is stored all the same
    Serve(serve::ServeArgs),
    /// Ask a running server whether it is ready: exit code 0 where it is
    Health(health::HealthArgs),
    /// The apps of a data folder: make them, list them, show a key, read and change settings. A server may be
    /// running on the folder; it follows within a second
    #[command(subcommand)]
    App(app::AppCommand),
    /// Sign and check UserSigs, without a server
    #[command(subcommand)]
    Usersig(usersig::UserSigCommand),
    /// Write a copy of the store into a new file. A server may be running and writing: it is not held up, and what it had
    /// acknowledged before is in the copy
    Backup(store::BackupArgs),
    /// Make a copy the store of a data folder on which no server runs. Clients notice: they load what they cached
    /// again, and keep what they have not sent yet
    Restore(store::RestoreArgs),
    /// The store of a data folder as a whole
    #[command(subcommand)]
    Store(store::StoreCommand),
}

/// Where the settings come from; the same for every command that needs them.
#[derive(Debug, Args)]
struct SettingsArgs {
    /// A settings file (TOML), laid over the defaults
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The data folder, over file and environment
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Where the store is: sqlite, or postgres://user:password@host/database
    #[arg(long, value_name = "STORE")]
    store: Option<String>,
}

impl SettingsArgs {
    /// Defaults, file and environment, and what the command line says over them.
    fn layers(&self) -> Result<Layers, ConfigError> {
        let mut layers = Layers::defaults();
        if let Some(file) = &self.config {
            layers = layers.with_file(file)?;
        }
        // What is no text has no name or value that a setting could have.
        let variables = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.to_string_lossy().into_owned())));
        layers = layers.with_environment(variables)?;
        if let Some(folder) = &self.data {
            layers = layers.with_value("data_folder", &folder.to_string_lossy(), "--data")?;
        }
        match &self.store {
            Some(store) => layers.with_value("store", store, "--store"),
            None => Ok(layers),
        }
    }

    fn config(&self) -> Result<Config, ConfigError> {
        self.layers()?.build()
    }
}

/// Why a command failed, as its user reads it.
#[derive(Debug)]
struct Failure(String);

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self(error.0)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self(error.to_chain())
    }
}

impl Failure {
    fn while_doing(what: &str, error: impl fmt::Display) -> Self {
        Self(format!("{what}: {error}"))
    }
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    main_from(std::env::args_os())
}

/// Runs a command line, the name of the binary first. One that is not understood ends the process with 2.
pub fn main_from(words: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = Cli::parse_from(words);
    let mut out = std::io::stdout();
    match run(cli.command, &mut out) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // Nobody is left to be told where this fails.
            let _ = writeln!(std::io::stderr(), "{failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command, out: &mut dyn Write) -> Result<(), Failure> {
    match command {
        Command::Serve(args) => runtime()?.block_on(serve::run(args, out)),
        Command::Health(args) => health::run(&args, out),
        Command::App(command) => runtime()?.block_on(app::run(command, out)),
        Command::Usersig(command) => usersig::run(command, out),
        Command::Backup(args) => runtime()?.block_on(store::back_up(args, out)),
        Command::Restore(args) => runtime()?.block_on(store::restore(args, out)),
        Command::Store(command) => runtime()?.block_on(store::run(command, out)),
    }
}

fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::while_doing("starting the runtime", error))
}

/// Writes a line for whoever asked, at once: a pipe must not wait for a full buffer.
fn say(out: &mut dyn Write, line: impl fmt::Display) -> Result<(), Failure> {
    writeln!(out, "{line}")
        .and_then(|()| out.flush())
        .map_err(|error| Failure::while_doing("writing to standard output", error))
}
