// SPDX-License-Identifier: Apache-2.0
//! A PostgreSQL of a test's own, which it may crash: its processes end at once, and its disk holds what it held.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

use super::net;

/// Where the programs of PostgreSQL are: `.ci/postgres` sets it for the command that it runs.
const PROGRAMS: &str = "HONGYAN_TEST_POSTGRES_PROGRAMS";

/// The user whom Debian's package makes. PostgreSQL refuses to run as root.
const OWNER: &str = "postgres";

/// An instance in a folder of its own, on an address of its own, stopped and removed when dropped.
pub struct OwnPostgres {
    programs: PathBuf,
    folder: TempDir,
    addr: SocketAddr,
    is_root: bool,
}

impl OwnPostgres {
    /// A new one that runs; nothing where the tests run on SQLite.
    pub async fn start() -> Option<Self> {
        let programs = PathBuf::from(std::env::var_os(PROGRAMS)?);
        let folder = tempfile::tempdir().expect("a folder for PostgreSQL");
        let addr = net::bind().await.local_addr().expect("a bound listener has an address");
        let is_root = succeeds(Command::new("id").arg("-u")).trim() == "0";
        if is_root {
            succeeds(Command::new("chown").arg(format!("{OWNER}:")).arg(folder.path()));
        }
        let instance = Self { programs, folder, addr, is_root };
        instance.run("initdb", &["--username=hongyan", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8"]);
        instance.start_again();
        Some(instance)
    }

    /// The value of a server's setting `store`.
    pub fn address(&self) -> String {
        format!("postgres://hongyan@{}/postgres", self.addr)
    }

    /// Ends it as a power cut would, but for two things: what the system has in memory stays, and who is connected is told that
    /// the server ends at once. Nothing more is written.
    pub fn crash(&self) {
        self.run("pg_ctl", &["stop", "--silent", "--mode=immediate"]);
    }

    /// Starts it after a crash, and waits until it has put right what that left.
    pub fn start_again(&self) {
        let log = format!("--log={}", self.folder.path().join("log").display());
        let settings = format!(
            "--options=-c listen_addresses={} -c port={} -c unix_socket_directories='{}'",
            self.addr.ip(),
            self.addr.port(),
            self.folder.path().display()
        );
        self.run("pg_ctl", &["start", "--silent", "--wait", &log, &settings]);
    }

    fn run(&self, program: &str, words: &[&str]) {
        succeeds(self.command(program).args(words));
    }

    fn command(&self, program: &str) -> Command {
        let (program, data) = (self.programs.join(program), self.data());
        let mut command = if self.is_root {
            let mut command = Command::new("setpriv");
            command.args([&format!("--reuid={OWNER}"), &format!("--regid={OWNER}"), "--clear-groups"]).arg(program);
            command
        } else {
            Command::new(program)
        };
        command.arg("-D").arg(data).current_dir(self.folder.path());
        command
    }

    fn data(&self) -> PathBuf {
        Path::new(self.folder.path()).join("data")
    }
}

impl Drop for OwnPostgres {
    fn drop(&mut self) {
        // One that does not run any more cannot be stopped.
        let _ = self.command("pg_ctl").args(["stop", "--silent", "--mode=immediate"]).output();
    }
}

fn succeeds(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(status.success(), "{command:?}: {}", String::from_utf8_lossy(&stderr));
    String::from_utf8_lossy(&stdout).into_owned()
}
