// SPDX-License-Identifier: Apache-2.0
//! The server as a process of its own, so that it can be killed. Examples are built without the server's binary; this
//! one has the same command line inside and runs itself once more.

use std::io::{BufRead, BufReader, Read};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitCode, ExitStatus, Stdio};
use std::sync::Arc;

use hongyan_protocol::clock::Clock;
use hongyan_server::app::Apps;
use hongyan_server::store::{Place, Store};
use tokio::sync::oneshot;

use crate::failure::{Doing, Failure};
use crate::{App, within};

/// Set in the environment it makes this program the server, with the server's own command line.
const SERVER_SIGN: &str = "HONGYAN_DEMO_IS_SERVER";

/// Below the ports that systems give to outgoing connections: one of those could sit on the server's port while the
/// server is down.
const PORTS: std::ops::Range<u16> = 20_000..30_000;

/// A running server. It ends with this value, and also when this program ends in any other way: it watches a pipe that
/// this value holds.
pub struct Server {
    process: Child,
    data_folder: PathBuf,
    addr: SocketAddr,
}

impl Server {
    /// Starts a server on its defaults, with a port and a folder of its own.
    pub async fn start(data_folder: &Path) -> Result<Self, Failure> {
        Self::launch(data_folder.to_owned(), free_addr()?).await
    }

    /// Kills it at once, whatever it is doing: on Unix with SIGKILL.
    pub fn kill(&mut self) -> Result<ExitStatus, Failure> {
        self.process.kill().doing("killing the server")?;
        self.process.wait().doing("waiting for the killed server")
    }

    /// Starts a new process where an earlier one was.
    pub async fn start_again(&mut self) -> Result<(), Failure> {
        *self = Self::launch(self.data_folder.clone(), self.addr).await?;
        Ok(())
    }

    /// The number of the process.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// What clients are given.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// The app that the server made at its first start, read as `hongyan-server app key` does.
    pub async fn demo_app(&self) -> Result<App, Failure> {
        let store = Store::open(&Place::Folder(self.data_folder.clone()), Clock::system())
            .await
            .doing("opening the server's store")?;
        let store = Arc::new(store);
        let found = Apps::new(Arc::clone(&store), Clock::system()).find_demo().await;
        store.close().await;
        let app = found.doing("reading the demo app")?.ok_or_else(|| Failure::new("the server made no demo app"))?;
        Ok(App { sdk_app_id: app.sdk_app_id.get(), key: app.key, server_url: self.url() })
    }

    async fn launch(data_folder: PathBuf, addr: SocketAddr) -> Result<Self, Failure> {
        let log_file = data_folder.with_extension("log");
        let log = std::fs::File::create(&log_file).doing("making the server's log file")?;
        let mut command = Command::new(std::env::current_exe().doing("finding this program")?);
        command.arg("serve").arg("--listen").arg(addr.to_string()).arg("--data").arg(&data_folder);
        // Defaults are what the demo shows, whatever the shell has set.
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("HONGYAN_")) {
            command.env_remove(name);
        }
        command.env(SERVER_SIGN, "1");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log);
        let mut process = command.spawn().doing("starting the server")?;
        let output = process.stdout.take().expect("the output was asked for");
        let server = Self { process, data_folder, addr };
        let is_ready = within("waiting for the server to listen", readiness(output)).await?;
        if !is_ready {
            let log = std::fs::read_to_string(&log_file).unwrap_or_default();
            return Err(Failure::new(format!("the server did not start: {}", log.trim())));
        }
        Ok(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Fails only where it has ended already.
        let _ = self.kill();
    }
}

/// Whether this process is to be the server.
pub fn is_server() -> bool {
    std::env::var_os(SERVER_SIGN).is_some()
}

/// Is the server, until it is killed or the demo is gone.
pub fn run() -> ExitCode {
    std::thread::spawn(|| {
        // Nothing is ever written to this pipe: it ends with the process at its other end.
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(1);
    });
    hongyan_server::cli::main()
}

/// Waits for the line that says that the server listens; false where the output ends before.
async fn readiness(output: ChildStdout) -> bool {
    let (ready, is_ready) = oneshot::channel();
    std::thread::spawn(move || {
        let mut lines = BufReader::new(output).lines().map_while(Result::ok);
        let _ = ready.send(lines.any(|line| line.starts_with("listening on ")));
        // A server that writes more must not stop at a full pipe.
        lines.for_each(drop);
    });
    is_ready.await.unwrap_or(false)
}

fn free_addr() -> Result<SocketAddr, Failure> {
    let count = PORTS.end - PORTS.start;
    // Two demos at once begin at different places.
    let first = u16::try_from(std::process::id() % u32::from(count)).unwrap_or(0);
    let mut ports = (0..count).map(|step| PORTS.start + (first + step) % count);
    let free = ports.find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok());
    free.map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port))).ok_or_else(|| Failure::new("no port is free"))
}
