// SPDX-License-Identifier: Apache-2.0
//! `serve`: one server until a signal ends it.

use std::io::{IsTerminal, Write};

use clap::Args;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing_subscriber::EnvFilter;

use super::app::describe;
use super::{Failure, SettingsArgs, say};
use crate::config::{Config, LogConfig, LogFormat};
use crate::error::Error;
use crate::server::Server;
use crate::store::Place;

#[derive(Debug, Args)]
pub(super) struct ServeArgs {
    #[command(flatten)]
    settings: SettingsArgs,
    /// The address and port to listen on; port 0 takes a free one
    #[arg(long, value_name = "ADDR:PORT")]
    listen: Option<String>,
    /// The address and port of metrics and health, for who looks after the server
    #[arg(long, value_name = "ADDR:PORT")]
    admin_listen: Option<String>,
    /// The server's certificate, and those between it and its root, in PEM; with --tls-key connections are TLS
    #[arg(long, value_name = "FILE")]
    tls_certificate: Option<String>,
    /// The certificate's private key, in PEM
    #[arg(long, value_name = "FILE")]
    tls_key: Option<String>,
    /// Allow plain text beyond loopback
    #[arg(long)]
    insecure: bool,
    /// The form of log lines: text or json
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<String>,
    /// How much is logged: error, warn, info, debug, trace, or a filter by module
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<String>,
}

impl ServeArgs {
    fn config(&self) -> Result<Config, Failure> {
        let mut layers = self.settings.layers()?;
        let insecure = self.insecure.then(|| "true".to_owned());
        for (key, flag, value) in [
            ("listen", "--listen", &self.listen),
            ("admin.listen", "--admin-listen", &self.admin_listen),
            ("tls.certificate", "--tls-certificate", &self.tls_certificate),
            ("tls.key", "--tls-key", &self.tls_key),
            ("is_insecure_allowed", "--insecure", &insecure),
            ("log.format", "--log-format", &self.log_format),
            ("log.level", "--log-level", &self.log_level),
        ] {
            if let Some(value) = value {
                layers = layers.with_value(key, value, flag)?;
            }
        }
        Ok(layers.build()?)
    }
}

pub(super) async fn run(args: ServeArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let config = args.config()?;
    start_logging(&config.log)?;
    // Asked for before anything is started, so that no signal finds the process unprepared.
    let mut stop = StopSignals::new()?;
    let listener = TcpListener::bind(config.listen).await.map_err(|error| {
        Failure::while_doing(&format!("listening on {} (the setting listen)", config.listen), error)
    })?;
    let folder = config.data_folder.display().to_string();
    let is_embedded = matches!(config.place()?, Place::Folder(_));
    let server = Server::start(config, listener).await?;
    if server.is_demo_app_new()
        && let Some(app) = server.find_demo_app()
    {
        say(out, "a demo app was made; its key is not shown again:")?;
        say(out, describe(app))?;
        let also = if is_embedded { "" } else { "--store … " };
        say(out, format_args!("(hongyan-server app key --data {folder} {also}{} prints the key)", app.sdk_app_id))?;
    }
    if let Some(address) = server.admin_addr() {
        say(out, format_args!("metrics on http://{address}/metrics"))?;
    }
    // Without a certificate the signal keeps its meaning, which is an end.
    let hang_ups = if server.is_tls() { Some(listen_for(SignalKind::hangup())?) } else { None };
    let scheme = if server.is_tls() { "https" } else { "http" };
    say(out, format_args!("listening on {scheme}://{}", server.addr()))?;
    tracing::info!(address = %server.addr(), "the server is ready");

    tokio::select! {
        () = stop.received() => {}
        () = follow_hang_ups(hang_ups, &server) => {}
        () = server.failed() => {
            return Err(Failure::from(Error::internal("the server stopped", "a commit failed; see the log")));
        }
    }
    tracing::info!("the server stops");
    tokio::select! {
        () = server.shutdown() => Ok(()),
        // Who asks twice does not want to wait.
        () = stop.received() => Err(Failure("stopped before every connection was served to its end".to_owned())),
    }
}

/// Looks at the certificate whenever SIGHUP asks for it.
async fn follow_hang_ups(hang_ups: Option<Signal>, server: &Server) {
    if let Some(mut hang_ups) = hang_ups {
        while hang_ups.recv().await.is_some() {
            let reload = server.reload_certificate().await;
            tracing::info!(?reload, "SIGHUP: looked at the certificate");
        }
    }
    std::future::pending().await
}

fn listen_for(kind: SignalKind) -> Result<Signal, Failure> {
    signal(kind).map_err(|error| Failure::while_doing("asking for the signals that a server hears", error))
}

fn start_logging(config: &LogConfig) -> Result<(), Failure> {
    let filter = EnvFilter::try_new(&config.level)
        .map_err(|error| Failure(format!("the setting log.level is {:?}: {error}", config.level)))?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    let started = match config.format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    started.map_err(|error| Failure::while_doing("starting the log", error))
}

struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl StopSignals {
    fn new() -> Result<Self, Failure> {
        Ok(Self { terminate: listen_for(SignalKind::terminate())?, interrupt: listen_for(SignalKind::interrupt())? })
    }

    async fn received(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
