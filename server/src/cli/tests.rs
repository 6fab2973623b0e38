// SPDX-License-Identifier: Apache-2.0
//! Commands run in this process, by the words of a command line.

use std::path::Path;

use clap::CommandFactory;

use super::*;

const KEY: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

fn command(line: &[&str]) -> Result<String, String> {
    let words = std::iter::once("hongyan-server").chain(line.iter().copied());
    let cli = Cli::try_parse_from(words).map_err(|error| error.to_string())?;
    let mut out = Vec::new();
    run(cli.command, &mut out).map_err(|failure| failure.to_string())?;
    Ok(String::from_utf8(out).unwrap())
}

fn sign(more: &[&str]) -> String {
    let line = ["usersig", "sign", "--sdkappid", "1400000001", "--key", KEY, "--user", "alice"];
    let signed = command(&[&line, more].concat()).unwrap();
    signed.strip_suffix('\n').unwrap().to_owned()
}

fn verify(more: &[&str]) -> Result<serde_json::Value, String> {
    let line = ["usersig", "verify", "--sdkappid", "1400000001", "--key", KEY];
    command(&[&line, more].concat()).map(|text| serde_json::from_str(&text).unwrap())
}

#[test]
fn the_command_line_is_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn a_signature_verifies_and_says_what_it_holds() {
    let signature = sign(&["--time", "1700000000", "--expire", "86400", "--userbuf", "QUFB"]);
    let held = verify(&["--user", "alice", "--now", "1700086400", &signature]).unwrap();
    assert_eq!(
        held,
        serde_json::json!({
            "identifier": "alice", "sdkappid": 1_400_000_001, "time": 1_700_000_000, "expire": 86_400,
            "expires_at": 1_700_086_400, "userbuf": "QUFB",
        })
    );
}

#[test]
fn a_signature_made_now_is_valid_now_for_half_a_year() {
    let held = verify(&[&sign(&[])]).unwrap();
    assert_eq!(held["expire"], 15_552_000);
    assert_eq!(held["userbuf"], serde_json::Value::Null);
}

#[test]
fn what_does_not_verify_fails_with_its_code() {
    let signature = sign(&["--time", "1700000000", "--expire", "10"]);
    let code = |more: &[&str]| verify(more).unwrap_err().split_once(' ').unwrap().0.to_owned();
    assert_eq!(code(&["--now", "1700000011", &signature]), "70001");
    assert_eq!(code(&["--now", "1700000000", "--user", "bob", &signature]), "70013");
    assert_eq!(code(&[""]), "70002");
    assert_eq!(code(&["not a signature"]), "70003");
    assert_eq!(code(&["-looks-like-a-flag"]), "70003");
    let other = |app, key| command(&["usersig", "verify", "--sdkappid", app, "--key", key, &signature]).unwrap_err();
    assert!(other("1400000002", KEY).starts_with("70014 "));
    assert!(other("1400000001", "another key").starts_with("70009 "));
}

#[test]
fn what_cannot_be_signed_is_refused() {
    let line = ["usersig", "sign", "--sdkappid", "1400000001", "--key", KEY, "--user", "alice"];
    let refused = |more: &[&str]| command(&[&line, more].concat()).unwrap_err();
    assert!(refused(&["--userbuf", "%%%"]).starts_with("--userbuf is not base64"));
    assert!(refused(&["--expire", "-1"]).contains("--expire"));
    assert!(command(&["usersig", "sign", "--sdkappid", "0", "--key", KEY, "--user", "a"]).is_err());
}

fn app(folder: &Path, words: &[&str]) -> Result<String, String> {
    let folder = folder.to_str().unwrap();
    command(&[&["app"], words, &["--data", folder]].concat())
}

#[test]
fn an_app_is_made_listed_and_set() {
    let folder = tempfile::tempdir().unwrap();
    let made = app(folder.path(), &["create", "shop"]).unwrap();
    let (id, key) = made.trim_end().split_once('\n').unwrap();
    let (id, key) = (id.strip_prefix("sdkAppId: ").unwrap(), key.strip_prefix("key: ").unwrap());
    assert_eq!(key.len(), 64);
    assert_eq!(app(folder.path(), &["list"]).unwrap(), format!("{id}\tshop\n"));
    assert_eq!(app(folder.path(), &["key", id]).unwrap(), format!("{key}\n"));

    assert_eq!(app(folder.path(), &["get", id, "multi_login_policy"]).unwrap(), "multi\n");
    assert_eq!(app(folder.path(), &["set", id, "multi_login_policy", "single"]).unwrap(), "");
    assert_eq!(app(folder.path(), &["get", id, "multi_login_policy"]).unwrap(), "single\n");
    let all = app(folder.path(), &["get", id]).unwrap();
    assert!(all.contains("\nmulti_login_policy = single\n") && all.contains("\nrecall_seconds = 120\n"), "{all}");
}

#[test]
fn what_an_app_does_not_have_is_refused_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    app(folder.path(), &["create", "shop"]).unwrap();
    for (words, code) in [
        (&["key", "77"] as &[_], "70020"),
        (&["get", "77"], "70020"),
        (&["set", "77", "multi_login_policy", "single"], "70020"),
        (&["set", "1400000001", "no_such_setting", "1"], "70402"),
        (&["set", "1400000001", "multi_login_policy", "many"], "70402"),
        (&["get", "1400000001", "no_such_setting"], "70402"),
        (&["create", ""], "70402"),
    ] {
        let refusal = app(folder.path(), words).unwrap_err();
        assert!(refusal.starts_with(code), "{words:?}: {refusal}");
    }
    assert_eq!(app(folder.path(), &["get", "1400000001", "multi_login_policy"]).unwrap(), "multi\n");
    assert_eq!(app(folder.path(), &["list"]).unwrap(), "1400000001\tshop\n");
}

#[test]
fn a_mistyped_data_folder_is_not_made() {
    let folder = tempfile::tempdir().unwrap();
    let mistyped = folder.path().join("mistyped");
    assert!(app(&mistyped, &["list"]).unwrap_err().starts_with("there is no data folder "));
    assert!(!mistyped.exists());
}
