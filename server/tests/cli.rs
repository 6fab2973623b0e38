// SPDX-License-Identifier: Apache-2.0
//! The binary as an operator runs it: processes, signals, files.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdout, Command, Output, Stdio};

use hongyan_server::config::Layers;
use tempfile::TempDir;

fn binary() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hongyan-server"));
    // The settings of whoever runs the tests are not the tests'.
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("HONGYAN_SERVER_") {
            command.env_remove(name);
        }
    }
    command
}

fn run(args: &[&str]) -> Output {
    binary().args(args).output().expect("the binary can be run")
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("text")
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("text")
}

/// A serving process, killed when dropped.
struct Serving {
    child: Child,
    out: BufReader<ChildStdout>,
    log: BufReader<ChildStderr>,
    /// What it said before it was ready.
    first_lines: Vec<String>,
    scheme: String,
    addr: String,
}

impl Serving {
    fn start(folder: &Path) -> Self {
        Self::start_with(folder, &["--listen", "127.0.0.1:0"])
    }

    fn start_with(folder: &Path, args: &[&str]) -> Self {
        let mut command = binary();
        command.arg("serve").arg("--data").arg(folder).args(args);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary can be run");
        let mut out = BufReader::new(child.stdout.take().expect("it was asked for"));
        let log = BufReader::new(child.stderr.take().expect("it was asked for"));
        let mut first_lines = Vec::new();
        let (scheme, addr) = loop {
            let mut line = String::new();
            let length = out.read_line(&mut line).expect("text");
            assert!(length > 0, "the server ended before it was ready: {first_lines:?}");
            match line.trim_end().strip_prefix("listening on ").and_then(|url| url.split_once("://")) {
                Some((scheme, addr)) => break (scheme.to_owned(), addr.to_owned()),
                None => first_lines.push(line.trim_end().to_owned()),
            }
        };
        Self { child, out, log, first_lines, scheme, addr }
    }

    fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(&self.addr).expect("the server listens");
        write!(stream, "GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n").expect("the server reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("text");
        answer
    }

    fn signal(&self, signal: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().expect("kill can be run").success());
    }

    /// Reads the log up to a line that says so.
    fn log_up_to(&mut self, text: &str) -> String {
        let mut log = String::new();
        while !log.lines().last().is_some_and(|line| line.contains(text)) {
            assert!(self.log.read_line(&mut log).expect("text") > 0, "the log ended before {text:?}: {log}");
        }
        log
    }

    /// Sends a signal and waits for the end: the exit code, and what it logged since the log was last read.
    fn stop_by(mut self, signal: &str) -> (Option<i32>, String) {
        self.signal(signal);
        let status = self.child.wait().expect("it is our child");
        let mut log = String::new();
        self.log.read_to_string(&mut log).expect("text");
        let mut rest = String::new();
        self.out.read_to_string(&mut rest).expect("text");
        assert_eq!(rest, "", "nothing follows the line that says where it listens");
        (status.code(), log)
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // Both fail only where it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

#[test]
fn without_configuration_it_makes_a_demo_app_shows_its_key_once_and_serves() {
    let folder = folder();
    let data = folder.path().join("data");
    let server = Serving::start(&data);
    let id =
        server.first_lines.iter().find_map(|line| line.strip_prefix("sdkAppId: ")).expect("it says its app").to_owned();
    let key =
        server.first_lines.iter().find_map(|line| line.strip_prefix("key: ")).expect("it shows the key").to_owned();
    assert!(server.get("/healthz").starts_with("HTTP/1.1 200 "));
    assert!(server.get("/readyz").starts_with("HTTP/1.1 200 "));
    assert_eq!(std::fs::metadata(&data).expect("it is there").permissions().mode() & 0o777, 0o700);

    // Beside the running server.
    let data_text = data.to_str().expect("text");
    assert_eq!(stdout(&run(&["app", "key", "--data", data_text, &id])), format!("{key}\n"));
    assert_eq!(stdout(&run(&["app", "list", "--data", data_text])), format!("{id}\tdemo\n"));
    assert!(run(&["app", "set", &id, "multi_login_policy", "single", "--data", data_text]).status.success());
    assert_eq!(stdout(&run(&["app", "get", &id, "multi_login_policy", "--data", data_text])), "single\n");

    let (code, log) = server.stop_by("-TERM");
    assert_eq!(code, Some(0), "{log}");
    assert!(!log.contains(&key), "the key is in no log");

    let again = Serving::start(&data);
    assert_eq!(again.first_lines, [] as [&str; 0], "the key is shown once");
    assert_eq!(again.stop_by("-INT").0, Some(0));
}

/// What the words of a command line are, where none is quoted.
fn words(line: &str) -> Vec<&str> {
    line.split_whitespace().collect()
}

/// A file of the folder `deploy/`.
fn deployed(name: &str) -> String {
    std::fs::read_to_string(Path::new("../deploy").join(name)).expect("it is there")
}

#[test]
fn health_says_by_its_exit_code_whether_a_server_is_ready() {
    let folder = folder();
    let server = Serving::start_with(folder.path(), &["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]);
    let metrics = server.first_lines.iter().find_map(|line| line.strip_prefix("metrics on http://"));
    let admin = metrics.and_then(|rest| rest.strip_suffix("/metrics")).expect("it says where").to_owned();
    for address in [&server.addr, &admin] {
        let output = run(&["health", "--address", address]);
        assert_eq!((output.status.code(), stdout(&output)), (Some(0), "ready\n".to_owned()), "{}", stderr(&output));
    }
    let file = folder.path().join("hongyan.toml");
    std::fs::write(&file, format!("[admin]\nlisten = {admin:?}\n")).expect("it can be written");
    assert!(run(&["health", "--config", file.to_str().expect("text")]).status.success(), "it goes by the settings");

    assert_eq!(server.stop_by("-TERM").0, Some(0));
    let output = run(&["health", "--address", &admin]);
    assert_eq!((output.status.code(), stdout(&output)), (Some(1), String::new()));
    assert!(stderr(&output).starts_with(&format!("asking the server at {admin}: ")), "{}", stderr(&output));
}

#[test]
fn an_admin_address_that_is_taken_stops_the_start_and_is_named() {
    let folder = folder();
    let holder = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let taken = holder.local_addr().expect("an address").to_string();
    let data = folder.path().to_str().expect("text");
    let output = run(&["serve", "--data", data, "--listen", "127.0.0.1:0", "--admin-listen", &taken]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains(&format!("listening on {taken} (the setting admin.listen)")),
        "{}",
        stderr(&output)
    );
}

#[test]
fn the_unit_starts_the_binary_as_it_is_and_leaves_it_time_to_stop() {
    let unit = deployed("hongyan-server.service");
    let value = |key: &str| unit.lines().find_map(|line| line.strip_prefix(&format!("{key}="))).expect("it is set");
    let start = words(value("ExecStart"));
    assert_eq!(start[0], "/usr/local/bin/hongyan-server");
    let folder = folder();
    let settings = folder.path().join("hongyan.toml");
    // What stands there would start a server; a setting that is wrong stops it once all else is understood.
    std::fs::write(&settings, "listen = 'nowhere'\n").expect("it can be written");
    let settings = settings.to_str().expect("text");
    let args: Vec<&str> =
        start[1..].iter().map(|word| if *word == "/etc/hongyan/hongyan.toml" { settings } else { *word }).collect();
    let output = run(&args);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(stderr(&output).starts_with("the setting listen is \"nowhere\""), "{}", stderr(&output));

    let config = Layers::defaults().build().expect("the defaults are valid");
    let stop_s: u64 = value("TimeoutStopSec").parse().expect("seconds");
    assert!(stop_s * 1_000 >= config.gateway.drain_ms_max + 15_000, "{stop_s}");
    let files: usize = value("LimitNOFILE").parse().expect("a number");
    assert!(files > 2 * config.gateway.connections_max, "{files}");
    assert_eq!((value("Restart"), value("StartLimitIntervalSec")), ("on-failure", "0"), "it is started however often");
    let restart_s: u64 = value("RestartSec").parse().expect("seconds");
    assert!(restart_s >= 5, "not in haste: {restart_s}");
    assert_settings(unit.lines().filter_map(|line| line.strip_prefix("Environment=")));
}

/// That variables name settings.
fn assert_settings<'a>(assignments: impl Iterator<Item = &'a str>) {
    let variables: Vec<(String, String)> = assignments
        .map(|text| text.split_once('=').expect("a name and a value"))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    assert!(!variables.is_empty() && variables.iter().all(|(name, _)| name.starts_with("HONGYAN_SERVER_")));
    Layers::defaults().with_environment(variables).expect("every variable names a setting");
}

#[test]
fn systemd_finds_nothing_wrong_with_the_unit() {
    let folder = folder();
    let unit = deployed("hongyan-server.service");
    let file = folder.path().join("hongyan-server.service");
    let here = env!("CARGO_BIN_EXE_hongyan-server");
    std::fs::write(&file, unit.replace("/usr/local/bin/hongyan-server", here)).expect("it can be written");
    match Command::new("systemd-analyze").arg("verify").arg(&file).output() {
        Ok(output) => {
            assert!(output.status.success(), "{}", stderr(&output));
            assert!(!stderr(&output).contains("hongyan-server.service"), "{}", stderr(&output));
        }
        Err(error) => println!("NOT CHECKED: systemd-analyze: {error}"),
    }
}

#[test]
fn the_image_is_made_of_what_is_here_and_calls_the_binary_as_it_is() {
    let file = deployed("Dockerfile").replace("\\\n", " ");
    let after = |key: &str| file.lines().filter_map(|line| line.strip_prefix(key)).map(str::trim).collect::<Vec<_>>();
    let list = |text: &str| serde_json::from_str::<Vec<String>>(text).expect("a list");
    assert!(after("RUN ").iter().any(|line| line.contains("--profile server --package hongyan-server")));
    let manifest = std::fs::read_to_string("../Cargo.toml").expect("it is there");
    assert!(manifest.contains("[profile.server]"));
    assert!(after("COPY ").contains(&"--from=build /src/target/server/hongyan-server /usr/local/bin/hongyan-server"));
    let sent = deployed("Dockerfile.dockerignore");
    assert!(sent.lines().any(|line| line == "*"), "nothing is sent that is not named");
    let kept: Vec<&str> = sent.lines().filter_map(|line| line.strip_prefix('!')).collect();
    for name in &kept {
        assert!(Path::new("..").join(name).exists(), "{name}");
    }
    let members = manifest.lines().find_map(|line| line.strip_prefix("members = ")).expect("it is a workspace");
    for member in list(members).iter().filter(|member| *member != ".") {
        assert!(kept.contains(&member.as_str()), "cargo looks for {member}, which is not sent");
    }
    assert_eq!(after("USER "), ["10001:10001"], "it is not root");
    assert_settings(after("ENV ").iter().flat_map(|line| line.split_whitespace()));

    let entry = list(after("ENTRYPOINT ")[0]);
    assert_eq!(entry, ["hongyan-server"]);
    let (_, health) = after("HEALTHCHECK ")[0].split_once(" CMD ").expect("a command");
    let [health, command] = [list(health)[1..].to_vec(), list(after("CMD ")[0])];
    for words in [health, command] {
        let words: Vec<&str> = words.iter().map(String::as_str).chain(["--help"]).collect();
        assert!(run(&words).status.success(), "{words:?}");
    }
    // On every address and with nothing said about plain text, it does not start.
    let folder = folder();
    let output = run(&["serve", "--data", folder.path().to_str().expect("text"), "--listen", "0.0.0.0:7700"]);
    assert!(stderr(&output).contains("is_insecure_allowed"), "{}", stderr(&output));
}

#[test]
fn a_killed_server_starts_again() {
    let folder = folder();
    let first = Serving::start(folder.path());
    assert_eq!(first.stop_by("-KILL").0, None);
    let second = Serving::start(folder.path());
    assert_eq!(second.first_lines, [] as [&str; 0]);
}

#[test]
fn a_folder_serves_one_server_at_a_time() {
    let folder = folder();
    let _first = Serving::start(folder.path());
    let path = folder.path().to_str().expect("text");
    let second = run(&["serve", "--data", path, "--listen", "127.0.0.1:0"]);
    assert_eq!(second.status.code(), Some(1));
    assert!(stderr(&second).contains(path), "{}", stderr(&second));
}

#[test]
fn settings_come_from_file_environment_and_flags_in_that_order() {
    let folder = folder();
    let file = folder.path().join("hongyan.toml");
    let of_file = folder.path().join("of-file");
    let of_environment = folder.path().join("of-environment");
    let of_flag = folder.path().join("of-flag");
    std::fs::write(&file, format!("data_folder = {of_file:?}\n")).expect("it can be written");
    let create = |more: &[&str], environment: Option<&Path>| {
        let mut command = binary();
        command.args(["app", "create", "shop", "--config"]).arg(&file).args(more);
        if let Some(folder) = environment {
            command.env("HONGYAN_SERVER_DATA_FOLDER", folder);
        }
        assert!(command.status().expect("the binary can be run").success());
    };
    create(&[], None);
    assert!(of_file.is_dir());
    create(&[], Some(&of_environment));
    assert!(of_environment.is_dir());
    create(&["--data", of_flag.to_str().expect("text")], Some(&of_environment));
    assert!(of_flag.is_dir());
}

#[test]
fn a_wrong_setting_stops_it_with_a_sentence_that_names_it() {
    let folder = folder();
    let file = folder.path().join("hongyan.toml");
    std::fs::write(&file, "[gateway]\nspeed = 1\n").expect("it can be written");
    let file = file.to_str().expect("text");
    let data = folder.path().join("data");
    let data = data.to_str().expect("text");
    for (args, sentence) in [
        (&["--config", file][..], format!("the setting gateway.speed (in {file}) is unknown\n")),
        (&["--listen", "nowhere"], "the setting listen is \"nowhere\" (in --listen): ".to_owned()),
        (&["--listen", "0.0.0.0:0"], "the setting listen is 0.0.0.0:0, which is not a loopback address".to_owned()),
        (&["--log-level", "loud"], "the setting log.level is \"loud\"".to_owned()),
    ] {
        let output = run(&[&["serve", "--data", data], args].concat());
        assert_eq!(output.status.code(), Some(1));
        assert!(stderr(&output).starts_with(&sentence), "{}", stderr(&output));
        assert_eq!(stdout(&output), "");
    }
    assert!(!Path::new(data).exists(), "what was refused has made nothing");
}

#[test]
fn beyond_loopback_the_demo_app_is_closed_unless_named() {
    let folder = folder();
    let insecure = ["--listen", "0.0.0.0:0", "--insecure"];
    let server = Serving::start_with(folder.path(), &insecure);
    assert_eq!(server.first_lines, [] as [&str; 0], "no demo app is made there");
    drop(server);
    drop(Serving::start(folder.path()));
    let (_, log) = Serving::start_with(folder.path(), &insecure).stop_by("-TERM");
    assert!(log.contains("the demo app is closed"), "{log}");
}

#[test]
fn with_a_certificate_it_serves_anywhere_and_sighup_takes_up_a_new_one() {
    let folder = folder();
    let files = ["chain.pem", "key.pem"].map(|name| folder.path().join(name));
    let [certificate, key] = [&files[0], &files[1]].map(|path| path.to_str().expect("text"));
    let write = |name: &str| {
        let pair = rcgen::generate_simple_self_signed([name.to_owned()]).expect("a certificate can be made");
        std::fs::write(certificate, pair.cert.pem()).expect("it can be written");
        std::fs::write(key, pair.signing_key.serialize_pem()).expect("it can be written");
    };
    let data = folder.path().join("data");
    let args = ["--listen", "0.0.0.0:0", "--tls-certificate", certificate, "--tls-key", key];
    let refused = run(&[&["serve", "--data", data.to_str().expect("text")], &args[..]].concat());
    assert_eq!(refused.status.code(), Some(1));
    assert!(stderr(&refused).contains("the setting tls.certificate is "), "{}", stderr(&refused));
    assert!(!data.exists(), "what was refused has made nothing");

    write("one.example.org");
    let mut server = Serving::start_with(&data, &args);
    assert_eq!(server.scheme, "https");
    write("two.example.org");
    server.signal("-HUP");
    let mut log = server.log_up_to("a new certificate is in use");

    // A key that was cut off: what is left of it is in no log.
    let cut = std::fs::read_to_string(key).expect("it is there");
    std::fs::write(key, &cut[..cut.len() / 2]).expect("it can be written");
    server.signal("-HUP");
    log += &server.log_up_to("the one of before is kept");
    let (code, rest) = server.stop_by("-TERM");
    assert_eq!(code, Some(0), "{rest}");
    log += &rest;
    let secret = cut.lines().nth(1).expect("a key has lines");
    assert!(!log.contains(&secret[..16]), "the key is in no log");
}

#[test]
fn a_user_sig_is_signed_and_verified() {
    let key = "k".repeat(64);
    let base = ["--sdkappid", "1400000001", "--key", &key];
    let signed = run(&[&["usersig", "sign", "--user", "alice"], &base[..]].concat());
    assert!(signed.status.success());
    let signature = stdout(&signed);
    let signature = signature.strip_suffix('\n').expect("one line");

    let verified = run(&[&["usersig", "verify", "--user", "alice"], &base[..], &[signature]].concat());
    assert!(verified.status.success());
    assert!(stdout(&verified).contains(r#""identifier":"alice""#), "{}", stdout(&verified));

    let refused = run(&[&["usersig", "verify", "--user", "bob"], &base[..], &[signature]].concat());
    assert_eq!(refused.status.code(), Some(1));
    assert_eq!(stdout(&refused), "");
    assert!(stderr(&refused).starts_with("70013 "), "{}", stderr(&refused));
}

#[test]
fn a_running_server_is_backed_up_and_a_stopped_one_restored() {
    let folder = folder();
    let (data, file) = (folder.path().join("data"), folder.path().join("copy"));
    let (data, file) = (data.to_str().expect("text"), file.to_str().expect("text"));
    let server = Serving::start(Path::new(data));
    let id = server.first_lines.iter().find_map(|line| line.strip_prefix("sdkAppId: ")).expect("its app").to_owned();
    let backup = run(&["backup", file, "--data", data]);
    assert!(backup.status.success(), "{}", stderr(&backup));
    assert!(stdout(&backup).starts_with(&format!("{file}: ")), "{}", stdout(&backup));
    assert_eq!(std::fs::metadata(file).expect("it is there").permissions().mode() & 0o777, 0o600);
    assert_eq!(run(&["backup", file, "--data", data]).status.code(), Some(1), "it is not written over");
    assert!(run(&["app", "set", &id, "multi_login_policy", "single", "--data", data]).status.success());

    let refused = |words: &[&str], sentence: &str| {
        let output = run(words);
        assert_eq!(output.status.code(), Some(1), "{words:?}");
        assert!(stderr(&output).contains(sentence), "{words:?}: {}", stderr(&output));
        assert_eq!(stdout(&output), "");
    };
    refused(&["restore", file, "--data", data, "--set-aside"], "another server is running on the data folder");
    refused(&["store", "renew-instance", "--data", data], "another server is running on the data folder");
    assert_eq!(server.stop_by("-TERM").0, Some(0));
    refused(&["restore", file, "--data", data], "holds a store already");
    refused(&["store", "renew-instance", "--data", file], "there is no data folder");
    assert_eq!(stdout(&run(&["app", "get", &id, "multi_login_policy", "--data", data])), "single\n");

    let restored = run(&["restore", file, "--data", data, "--set-aside"]);
    assert!(restored.status.success(), "{}", stderr(&restored));
    assert_eq!(stdout(&run(&["app", "get", &id, "multi_login_policy", "--data", data])), "multi\n");
    let of = |output: &Output| stdout(output).lines().last().expect("a line").to_owned();
    let (first, second) = (of(&restored), of(&run(&["store", "renew-instance", "--data", data])));
    assert!(first.starts_with("instance: ") && second.starts_with("instance: ") && first != second);
    assert_eq!(Serving::start(Path::new(data)).stop_by("-TERM").0, Some(0));
}
