// SPDX-License-Identifier: Apache-2.0
//! A server, or a client, in a process of its own, so that it can be killed at any moment.
//!
//! The process is this very test binary, told by the environment to be something else: there is no second build, and
//! no search for a binary that may be an old one.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitCode, ExitStatus, Stdio};

use hongyan::message::HistorySource;
use hongyan_protocol::ids::SdkAppId;
use tempfile::TempDir;
use tokio::sync::mpsc;

use super::app::App;
use super::device::{Device, DeviceSpec};
use super::server::{Endpoint, Home, TestServer};
use super::view::texts;
use super::wait::{eventually, within};

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
        Ok("client") => obey(),
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
    /// Starts one. What it logs goes to a file, or where the tests' own errors go.
    fn start(role: &str, settings: &[(&str, &str)], log: Option<&Path>) -> Self {
        let binary = std::env::current_exe().expect("a process has a binary");
        let errors = log.map_or_else(Stdio::inherit, |log| {
            Stdio::from(File::options().create(true).append(true).open(log).expect("a log can be written"))
        });
        let mut child = Command::new(binary)
            .args(["--exact", "harness::process::role", "--ignored", "--nocapture"])
            .env(ROLE, role)
            .envs(settings.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(errors)
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

    /// Waits until it has ended by itself.
    async fn ended(&mut self) -> ExitStatus {
        let ended = eventually("the end of a process", async || match self.child.try_wait() {
            Ok(Some(status)) => Ok(status),
            other => Err(other),
        });
        ended.await
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

/// The server's command in a process of its own, as an operator runs it.
pub struct ServerProcess {
    process: Option<Process>,
    home: Home,
    endpoint: Endpoint,
    /// What is said to each of its starts, in the environment.
    settings: Vec<(String, String)>,
    /// What all its starts logged.
    log: PathBuf,
    _log_folder: TempDir,
}

impl Deref for ServerProcess {
    type Target = Endpoint;

    fn deref(&self) -> &Endpoint {
        &self.endpoint
    }
}

/// A crowd logs in at once; the rates have tests of their own.
const OF_ALL_SERVERS: [(&str, &str); 2] =
    [("HONGYAN_SERVER_GATEWAY__LOGINS_PER_SECOND", "100000"), ("HONGYAN_SERVER_GATEWAY__LOGINS_BURST", "100000")];

impl ServerProcess {
    /// A new server that keeps nothing yet.
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// A new server with settings of the environment: `HONGYAN_SERVER_…`, or what a loader of libraries reads.
    pub async fn start_with(settings: &[(&str, &str)]) -> Self {
        Self::start_at(Home::new().await, settings).await
    }

    /// The same on SQLite, whatever the tests run on.
    pub async fn start_on_files(settings: &[(&str, &str)]) -> Self {
        Self::start_at(Home::on_files(), settings).await
    }

    /// A second server of the same store, which is a database.
    pub async fn start_beside(&self) -> Self {
        Self::start_at(self.home.beside(), &[]).await
    }

    /// Whether it keeps what it has in a database.
    pub fn is_on_database(&self) -> bool {
        self.home.database().is_some()
    }

    async fn start_at(home: Home, settings: &[(&str, &str)]) -> Self {
        // Its first start is in this process, which tells the key of the app that it makes.
        let mut first = TestServer::start_at(home).await;
        first.stop().await;
        let (home, endpoint) = first.into_parts();
        let log_folder = tempfile::tempdir().expect("a folder for a log");
        let settings = OF_ALL_SERVERS.iter().chain(settings);
        let mut server = Self {
            process: None,
            home,
            endpoint,
            settings: settings.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            log: log_folder.path().join("log"),
            _log_folder: log_folder,
        };
        server.start_again().await;
        server
    }

    pub fn folder(&self) -> &Path {
        self.home.folder()
    }

    pub fn home(&self) -> &Home {
        &self.home
    }

    /// What it has logged so far, at all its starts.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).expect("a log is text")
    }

    pub fn kill(&mut self) {
        self.process.as_mut().expect("the server runs").kill();
        self.process = None;
    }

    /// Sends it a signal by name.
    pub fn signal(&self, name: &str) {
        let id = self.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &id]).status();
        assert!(sent.expect("kill can be run").success(), "no process {id}");
    }

    pub fn id(&self) -> u32 {
        self.process.as_ref().expect("the server runs").child.id()
    }

    /// How much of this machine's memory it had at the most since it started, and has now, in bytes.
    pub fn resident_bytes(&self) -> (usize, usize) {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id())).expect("a process has a status");
        let kib = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("a status tells of memory");
            line.trim().trim_end_matches(" kB").parse::<usize>().expect("a number")
        };
        (kib("VmHWM:") * 1024, kib("VmRSS:") * 1024)
    }

    /// Waits until it has ended by itself, and says whether it says that all is well.
    pub async fn ended(&mut self) -> bool {
        let status = self.process.as_mut().expect("the server runs").ended().await;
        self.process = None;
        status.success()
    }

    /// Starts with what it kept, on the same port.
    pub async fn start_again(&mut self) {
        self.begin().line_with("listening on http://").await;
    }

    /// Starts one that will not serve, and waits for its end.
    pub async fn fail_to_start(&mut self) {
        self.begin();
        assert!(!self.ended().await, "it says why it does not serve, and that it does not");
    }

    fn begin(&mut self) -> &mut Process {
        let (listen, store) = (self.addr().to_string(), self.home.store());
        let settings = [
            ("ROLE_FOLDER", path_text(self.home.folder())),
            ("ROLE_LISTEN", &listen),
            ("HONGYAN_SERVER_STORE", &store),
        ];
        let own = self.settings.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let settings: Vec<_> = settings.into_iter().chain(own).collect();
        self.process.insert(Process::start("server", &settings, Some(&self.log)))
    }
}

fn serve() -> ExitCode {
    let (folder, listen) = (setting("ROLE_FOLDER"), setting("ROLE_LISTEN"));
    let words = ["hongyan-server", "serve", "--data", &folder, "--listen", &listen];
    hongyan_server::cli::main_from(words.map(Into::into))
}

/// A client in a process of its own that does what it is told.
pub struct ClientProcess(Process);

impl ClientProcess {
    /// Logs in with the folder and the server of a device that was closed.
    pub async fn start(device: &Device, user_sig: &str) -> Self {
        Self::start_with(device, user_sig, &[]).await
    }

    /// The same, with more in its environment.
    pub async fn start_with(device: &Device, user_sig: &str, more: &[(&str, &str)]) -> Self {
        let app = device.app().id.to_string();
        let settings = [
            ("ROLE_FOLDER", path_text(device.folder())),
            ("ROLE_URL", device.url()),
            ("ROLE_APP", &app),
            ("ROLE_USER", device.user()),
            ("ROLE_USER_SIG", user_sig),
        ];
        let settings: Vec<_> = settings.into_iter().chain(more.iter().copied()).collect();
        let mut process = Process::start("client", &settings, None);
        process.line_with(&format!("{SAYS}connected")).await;
        Self(process)
    }

    async fn ask(&mut self, command: &str) -> String {
        self.0.tell(command);
        self.0.line_with(SAYS).await
    }

    /// Has it send texts, and waits until they are in its store.
    pub async fn queue_texts(&mut self, conversation: &str, count: usize) {
        assert_eq!(self.ask(&format!("queue {conversation} {count}")).await, "queued");
    }

    /// Has it send a text; gives the code that the call ends with, 0 where it is sent.
    pub async fn send_text(&mut self, conversation: &str, text: &str) -> i32 {
        self.ask(&format!("send {conversation} {text}")).await.parse().expect("a code")
    }

    /// The texts of a conversation as it shows them without asking the server, oldest first; the code where it cannot.
    pub async fn local_texts(&mut self, conversation: &str) -> Result<Vec<String>, i32> {
        let answer = self.ask(&format!("show {conversation} all")).await;
        serde_json::from_str(&answer).expect("texts or a code")
    }

    pub fn kill(mut self) {
        self.0.kill();
    }
}

fn path_text(path: &Path) -> &str {
    path.to_str().expect("a temporary folder has a plain name")
}

/// The texts that a [`ClientProcess`] queues, in their order.
pub fn queued_text(index: usize) -> String {
    format!("queued {index}")
}

#[expect(clippy::print_stdout, reason = "the process that started this one reads it there")]
fn obey() -> ExitCode {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime can be made");
    runtime.block_on(async {
        let id = setting("ROLE_APP").parse::<i64>().expect("a number");
        let app = App { id: SdkAppId::parse(id).expect("an app's number"), key: String::new() };
        let spec = DeviceSpec::new(app, &setting("ROLE_USER"), setting("ROLE_URL"));
        let device = spec.in_folder(setting("ROLE_FOLDER")).open();
        device.login_with(&setting("ROLE_USER_SIG")).await.expect("a good ticket logs in");
        println!("{SAYS}connected");
        for line in std::io::stdin().lines().map_while(Result::ok) {
            println!("{SAYS}{}", obey_one(&device, &line).await);
        }
    });
    ExitCode::SUCCESS
}

async fn obey_one(device: &Device, line: &str) -> String {
    let mut words = line.splitn(3, ' ');
    let mut word = || words.next().expect("a command, a conversation and one thing more");
    let (command, conversation, more) = (word(), word(), word());
    match command {
        "queue" => {
            for index in 0..more.parse().expect("a number") {
                device.queue_text(conversation, &queued_text(index)).await;
            }
            "queued".to_owned()
        }
        "send" => device.send_text(conversation, more).await.map_or_else(|error| error.code().0, |_| 0).to_string(),
        _ => {
            let history = device.history(conversation, HistorySource::Local).await;
            let texts = history.as_deref().map(texts).map_err(|error| error.code().0);
            serde_json::to_string(&texts).expect("texts or a code")
        }
    }
}
