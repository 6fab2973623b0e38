// SPDX-License-Identifier: Apache-2.0
//! The server that is measured: a process of its own, on a folder of its own.

use std::future::Future;
use std::io::{self, BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use hongyan_protocol::ids::SdkAppId;
use tempfile::TempDir;

use crate::engine::Database;
use crate::hongyan::Hongyan;
use crate::socket::broken;

/// Settings of a server that is measured: whatever is meant to hold off a crowd lets this one in.
pub const SETTINGS: [(&str, &str); 13] = [
    ("gateway.logins_per_second", "1000000"),
    ("gateway.logins_burst", "1000000"),
    ("gateway.app_logins_per_second", "1000000"),
    ("gateway.app_logins_burst", "1000000"),
    ("gateway.user_logins_per_second", "1000000"),
    ("gateway.user_logins_burst", "1000000"),
    ("gateway.address_logins_per_second", "1000000"),
    ("gateway.address_logins_burst", "1000000"),
    ("gateway.unauthenticated_per_address_max", "100000"),
    ("gateway.requests_per_second", "1000000"),
    ("gateway.requests_burst", "1000000"),
    ("gateway.queue_pushes_max", "65536"),
    ("log.level", "warn"),
];

/// What a process has used and uses.
#[derive(Debug, Clone, Copy, Default)]
pub struct Usage {
    /// Memory that it holds now.
    pub rss_bytes: u64,
    /// Processor time since its start.
    pub cpu_us: u64,
}

/// A server that a scenario talks to and may start again.
pub trait Host: Sync {
    /// Where it is.
    fn endpoint(&self) -> &Hongyan;

    /// Stops it and starts it on the same store.
    fn restart(&mut self) -> impl Future<Output = io::Result<()>>;

    /// What it uses.
    fn usage(&self) -> io::Result<Usage>;

    /// Where its files are.
    fn folder(&self) -> &Path;
}

/// A server of the release that is measured.
#[derive(Debug)]
pub struct ServerProcess {
    binary: PathBuf,
    database: Option<Database>,
    folder: TempDir,
    child: Child,
    endpoint: Hongyan,
}

impl ServerProcess {
    /// Starts one on an empty folder within a folder. `database` is given to it where it is not to keep its
    /// own files.
    pub fn start(binary: &Path, within: &Path, database: Option<Database>) -> io::Result<Self> {
        let folder = tempfile::Builder::new().prefix("server-").tempdir_in(within)?;
        let (child, said) = spawn(binary, folder.path(), database.as_ref())?;
        let app = said.app.ok_or_else(|| broken("the server named no demo app: is its store empty?"))?;
        let endpoint = Hongyan { addr: said.addr, app, key: said.key };
        Ok(Self { binary: binary.to_owned(), database, folder, child, endpoint })
    }

    fn stop(&mut self) -> io::Result<()> {
        let stopped = Command::new("kill").arg(self.child.id().to_string()).status()?;
        if !stopped.success() {
            self.child.kill()?;
        }
        self.child.wait().map(drop)
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        // Fails only where it has ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Host for ServerProcess {
    fn endpoint(&self) -> &Hongyan {
        &self.endpoint
    }

    async fn restart(&mut self) -> io::Result<()> {
        self.stop()?;
        let (child, said) = spawn(&self.binary, self.folder.path(), self.database.as_ref())?;
        (self.child, self.endpoint.addr) = (child, said.addr);
        Ok(())
    }

    fn usage(&self) -> io::Result<Usage> {
        usage_of(&self.child.id().to_string())
    }

    fn folder(&self) -> &Path {
        self.folder.path()
    }
}

/// What a server says when it starts.
struct Said {
    addr: SocketAddr,
    app: Option<SdkAppId>,
    key: String,
}

fn spawn(binary: &Path, folder: &Path, database: Option<&Database>) -> io::Result<(Child, Said)> {
    let mut command = Command::new(binary);
    command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(folder).stdout(Stdio::piped());
    if let Some(database) = database {
        // As an option it would show to everybody who lists processes.
        command.env("HONGYAN_SERVER_STORE", database.address());
    }
    for (key, value) in SETTINGS {
        command.env(format!("HONGYAN_SERVER_{}", key.to_uppercase().replace('.', "__")), value);
    }
    let mut child = command.spawn().map_err(|error| broken(format!("starting {}: {error}", binary.display())))?;
    let lines = BufReader::new(child.stdout.take().ok_or_else(|| broken("no output"))?).lines();
    let (mut app, mut key) = (None, String::new());
    for line in lines {
        let line = line?;
        if let Some(number) = line.strip_prefix("sdkAppId: ") {
            app = number.parse().ok().and_then(|number| SdkAppId::parse(number).ok());
        } else if let Some(text) = line.strip_prefix("key: ") {
            text.clone_into(&mut key);
        } else if let Some(addr) = line.strip_prefix("listening on http://") {
            let addr = addr.parse().map_err(|error| broken(format!("{addr}: {error}")))?;
            return Ok((child, Said { addr, app, key }));
        }
    }
    Err(broken(format!("the server did not start: {}", child.wait()?)))
}

/// Ends a process that somebody else started and waits for, and returns when it no longer takes time from others: after a
/// while by force.
pub async fn end_process(process: &str) {
    const TRIES: u32 = 100;
    const PAUSE: Duration = Duration::from_millis(100);
    for signal in ["-TERM", "-KILL"] {
        // Fails only where it has ended by itself.
        let _ = Command::new("kill").args([signal, process]).stderr(Stdio::null()).status();
        for _ in 0..TRIES {
            if !is_running(process) {
                return;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// Whether there is such a process that has not ended.
fn is_running(process: &str) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    status.lines().any(|line| line.starts_with("State:") && !line.contains('Z'))
}

/// What a process uses, by its number or `self`.
pub fn usage_of(process: &str) -> io::Result<Usage> {
    /// What the kernel counts processor time in, on every Linux.
    const TICK_US: u64 = 10_000;
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let rss_kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().split(' ').next()?.parse().ok());
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    // Behind the name, which may hold anything, its fields are numbers: time of the user's and of the system's are the 12th.
    let fields = stat.rsplit(") ").next().unwrap_or_default().split(' ').skip(11).take(2);
    let ticks: u64 = fields.filter_map(|field| field.parse::<u64>().ok()).sum();
    Ok(Usage { rss_bytes: rss_kib.unwrap_or(0) * 1024, cpu_us: ticks * TICK_US })
}
