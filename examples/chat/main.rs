// SPDX-License-Identifier: Apache-2.0
//! A chat in the terminal, on the SDK. Two terminals, two people:
//!
//! ```text
//! make serve
//! make chat USER=alice PEER=bob
//! make chat USER=bob PEER=alice
//! ```
//!
//! * `options`: the command line. `app`: the key that signs logins.
//! * `state`: what the screen shows and how it changes, without any I/O; `timeline` and `prompt` are parts of it.
//! * `view`: draws the state; `row` one message, `wrap` text in cells.
//! * `session`: the SDK.

mod app;
mod options;
mod prompt;
mod row;
#[cfg(test)]
mod sample;
mod session;
mod state;
mod timeline;
mod view;
mod wrap;

use std::error::Error;
use std::future::Future;
use std::io::{self, Write};
use std::path::PathBuf;
use std::pin::pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use crossterm::event::{Event, EventStream};
use futures_util::StreamExt;
use ratatui::DefaultTerminal;
use ratatui::layout::Size;
use tokio::sync::mpsc;

use crate::app::App;
use crate::options::{Options, USAGE};
use crate::session::Session;
use crate::state::{Chat, Effect, Input};

/// How often ages are reckoned anew.
const TICK: Duration = Duration::from_secs(20);

#[tokio::main]
#[expect(clippy::print_stderr, reason = "the terminal is an ordinary one again, and somebody must learn why")]
async fn main() -> ExitCode {
    if std::env::args().skip(1).any(|argument| argument == "--help" || argument == "-h") {
        let _ = writeln!(io::stdout().lock(), "{USAGE}");
        return ExitCode::SUCCESS;
    }
    let options = match Options::parse(std::env::args().skip(1), data_home()) {
        Ok(options) => options,
        Err(error) => {
            eprintln!("{error}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match run(&options).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("chat: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let app = App::find(&options.signer).await?;
    let root = options.root.as_ref().map(std::fs::read_to_string).transpose()?.unwrap_or_default();
    let (session, mut inputs) = Session::open(options, app, root)?;
    session.start();
    // It also puts the terminal back when something panics.
    let mut terminal = ratatui::try_init()?;
    let shown = show(&mut terminal, options, &session, &mut inputs).await;
    ratatui::restore();
    drop(inputs);
    session.close().await;
    Ok(shown?)
}

async fn show(
    terminal: &mut DefaultTerminal,
    options: &Options,
    session: &Arc<Session>,
    inputs: &mut mpsc::Receiver<Input>,
) -> io::Result<()> {
    let mut keys = EventStream::new();
    let mut ticks = tokio::time::interval(TICK);
    let mut terminated = pin!(termination()?);
    // Some terminals keep what a killed program left there.
    terminal.clear()?;
    let mut chat = Chat::new(&options.user_id, &options.conversation_id, terminal.size()?, session.now_ms());
    loop {
        terminal.draw(|frame| view::draw(frame, &chat))?;
        let input = tokio::select! {
            event = keys.next() => match event.transpose()? {
                Some(Event::Key(key)) => Input::Key(key),
                Some(Event::Resize(columns, rows)) => Input::Resized(Size::new(columns, rows)),
                Some(_) => continue,
                // The terminal is gone.
                None => return Ok(()),
            },
            Some(input) = inputs.recv() => input,
            () = &mut terminated => return Ok(()),
            _ = ticks.tick() => Input::Tick { now_ms: session.now_ms() },
        };
        for effect in chat.update(input) {
            if effect == Effect::Quit {
                return Ok(());
            }
            session.perform(effect);
        }
    }
}

/// Ends when the system asks this program to end, so that the terminal is put back before.
#[cfg(unix)]
fn termination() -> io::Result<impl Future<Output = ()>> {
    let mut signal = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    Ok(async move {
        let _ = signal.recv().await;
    })
}

/// Never ends: no such signal exists here.
#[cfg(not(unix))]
fn termination() -> io::Result<impl Future<Output = ()>> {
    Ok(std::future::pending())
}

/// Where a person's programs keep their data.
fn data_home() -> PathBuf {
    let given = std::env::var_os("XDG_DATA_HOME").filter(|folder| !folder.is_empty());
    let at_home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/share"));
    given.map(PathBuf::from).or_else(at_home).unwrap_or_default()
}
