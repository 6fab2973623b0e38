// SPDX-License-Identifier: Apache-2.0
//! A server, or a client, in a process of its own, so that it can be killed at any moment.
//!
//! The process is this very test binary, told by the environment to be something else: there is no second build, and
//! no search for a binary that may be an old one.

use std::io::{BufRead, BufReader, Write};
use std::ops::Deref;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, ExitCode, Stdio};

use hongyan_protocol::ids::SdkAppId;
use hongyan_server::config::{Config, StoreAddress};
use hongyan_server::server::Server;
use tokio::sync::mpsc;

use super::app::App;
use super::device::{Device, DeviceSpec};
use super::net;
use super::server::{Endpoint, Home, TestServer};
use super::wait::within;

/// What a process is to be. Absent in the process that runs the tests.
const ROLE: &str = "HONGYAN_TEST_ROLE";

/// A prefix that tells what a role says from what the test runner prints.
const SAYS: &str = "role says: ";

/// What the processes run; nothing in the process that runs the tests.
#[test]
#[ignore = "other tests run it in a process of its own"]
fn role() -> ExitCode {
    match std::env::var(ROLE).as_deref() {
        Ok("server") => serve(),
        Ok("client") => queue_texts(),
        _ => ExitCode::SUCCESS,
    }
}

/// A child process, killed when dropped.
struct Process {
    child: Child,
    input: ChildStdin,
    lines: mpsc::UnboundedReceiver<String>,
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Process {
    fn start(role: &str, settings: &[(&str, &str)]) -> Self {
        let binary = std::env::current_exe().expect("a process has a binary");
        let mut child = Command::new(binary)
            .args(["--exact", "harness::process::role", "--ignored", "--nocapture"])
            .env(ROLE, role)
            .envs(settings.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the test binary can be run again");
        let input = child.stdin.take().expect("it was asked for");
        let output = BufReader::new(child.stdout.take().expect("it was asked for"));
        let (sender, lines) = mpsc::unbounded_channel();
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        Self { child, input, lines }
    }

    /// Ends it as a power cut would, with no word before.
    fn kill(&mut self) {
        // Both fail only where it has ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Waits for a line that holds a text and gives what follows.
    async fn line_with(&mut self, text: &str) -> String {
        let found = within(format!("{text:?} from a process"), async {
            while let Some(line) = self.lines.recv().await {
                if let Some((_, rest)) = line.split_once(text) {
                    return Some(rest.to_owned());
                }
            }
            None
        });
        found.await.unwrap_or_else(|| panic!("the process ended before it said {text:?}"))
    }

    fn tell(&mut self, line: &str) {
        writeln!(self.input, "{line}").expect("the process lives");
    }
}

fn setting(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is set"))
}

/// A real server in a process of its own.
pub struct ServerProcess {
    process: Option<Process>,
    home: Home,
    endpoint: Endpoint,
}

impl Deref for ServerProcess {
    type Target = Endpoint;

    fn deref(&self) -> &Endpoint {
        &self.endpoint
    }
}

impl ServerProcess {
    /// A new server that keeps nothing yet.
    pub async fn start() -> Self {
        Self::start_at(Home::new().await).await
    }

    /// A second server of the same store, which is a database.
    pub async fn start_beside(&self) -> Self {
        Self::start_at(self.home.beside()).await
    }

    /// Whether it keeps what it has in a database.
    pub fn is_on_database(&self) -> bool {
        self.home.database().is_some()
    }

    async fn start_at(home: Home) -> Self {
        // Its first start is in this process, which tells the key of the app that it makes.
        let mut first = TestServer::start_at(home).await;
        first.stop().await;
        let (home, endpoint) = first.into_parts();
        let mut server = Self { process: None, home, endpoint };
        server.start_again().await;
        server
    }

    pub fn kill(&mut self) {
        self.process.as_mut().expect("the server runs").kill();
        self.process = None;
    }

    /// Starts with what it kept, on the same port.
    pub async fn start_again(&mut self) {
        let listen = self.addr().to_string();
        let settings = [
            ("ROLE_FOLDER", path_text(self.home.folder())),
            ("ROLE_STORE", &self.home.store()),
            ("ROLE_LISTEN", &listen),
        ];
        let mut process = Process::start("server", &settings);
        process.line_with(&format!("{SAYS}listening")).await;
        self.process = Some(process);
    }
}

#[expect(clippy::print_stdout, reason = "the process that started this one reads it there")]
fn serve() -> ExitCode {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime can be made");
    runtime.block_on(async {
        let mut config = Config::for_folder(setting("ROLE_FOLDER"));
        config.store = StoreAddress(setting("ROLE_STORE"));
        // A crowd logs in at once; the rates have tests of their own.
        config.gateway.logins_per_second = 100_000;
        config.gateway.logins_burst = 100_000;
        let listen = setting("ROLE_LISTEN").parse().expect("an address");
        let listener = net::bind_again(listen).await;
        let server = Server::start(config, listener).await.expect("a good folder makes a server");
        println!("{SAYS}listening");
        server.failed().await;
    });
    ExitCode::FAILURE
}

/// A client in a process of its own that fills its outbox when told to.
pub struct ClientProcess(Process);

impl ClientProcess {
    /// Logs in with the folder and the server of a device that was closed.
    pub async fn start(device: &Device, user_sig: &str) -> Self {
        let app = device.app().id.to_string();
        let settings = [
            ("ROLE_FOLDER", path_text(device.folder())),
            ("ROLE_URL", device.url()),
            ("ROLE_APP", &app),
            ("ROLE_USER", device.user()),
            ("ROLE_USER_SIG", user_sig),
        ];
        let mut process = Process::start("client", &settings);
        process.line_with(&format!("{SAYS}connected")).await;
        Self(process)
    }

    /// Has it send texts, and waits until they are in its store.
    pub async fn queue_texts(&mut self, conversation: &str, count: usize) {
        self.0.tell(&format!("{conversation} {count}"));
        self.0.line_with(&format!("{SAYS}queued")).await;
    }

    pub fn kill(mut self) {
        self.0.kill();
    }
}

fn path_text(path: &Path) -> &str {
    path.to_str().expect("a temporary folder has a plain name")
}

/// The texts that a [`ClientProcess`] sends, in their order.
pub fn queued_text(index: usize) -> String {
    format!("queued {index}")
}

#[expect(clippy::print_stdout, reason = "the process that started this one reads it there")]
fn queue_texts() -> ExitCode {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime can be made");
    runtime.block_on(async {
        let id = setting("ROLE_APP").parse::<i64>().expect("a number");
        let app = App { id: SdkAppId::parse(id).expect("an app's number"), key: String::new() };
        let spec = DeviceSpec::new(app, &setting("ROLE_USER"), setting("ROLE_URL"));
        let device = spec.in_folder(setting("ROLE_FOLDER")).open();
        device.login_with(&setting("ROLE_USER_SIG")).await.expect("a good ticket logs in");
        println!("{SAYS}connected");
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).expect("a line");
        let (conversation, count) = line.trim().split_once(' ').expect("a conversation and a number");
        for index in 0..count.parse().expect("a number") {
            device.queue_text(conversation, &queued_text(index)).await;
        }
        println!("{SAYS}queued");
        std::future::pending::<()>().await;
    });
    ExitCode::SUCCESS
}
