// SPDX-License-Identifier: Apache-2.0
//! What is written on a device besides the messages themselves: no ticket anywhere, no text in a log.

use std::path::{Path, PathBuf};

use crate::harness::recorder::Heard;
use crate::harness::server::TestServer;
use crate::harness::view::c2c;
use crate::harness::wire::to_user;

fn files_in(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files.extend(files_in(&path)) } else { files.push(path) }
    }
    files
}

fn holds(file: &Path, text: &str) -> bool {
    let bytes = std::fs::read(file).unwrap();
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

#[tokio::test(flavor = "multi_thread")]
async fn no_ticket_is_kept_and_no_text_is_logged() {
    const TEXT: &str = "a text that nobody else shall read";
    let server = TestServer::start().await;
    let proxy = server.proxy().await;
    let alice = server.device("alice").through(&proxy).open();
    let (refused, accepted) = (server.app().sign("bob"), server.app().sign("alice"));
    alice.login_with(&refused).await.expect_err("it is another user's");
    alice.login_with(&accepted).await.unwrap();
    let mut bob = server.wire("bob").await;
    alice.sends(&c2c("bob"), TEXT).await;
    bob.send_text(&to_user("alice"), TEXT).await.unwrap();
    alice.heard.wait_for_texts(1).await;
    alice.send_text(&c2c("nobody"), TEXT).await.expect_err("there is no such user");
    let seen = alice.heard.count();
    proxy.cut();
    alice.heard.wait_for_one_after(seen, "the connection", |heard| matches!(heard, Heard::Connected)).await;
    alice.close().await;

    let files = files_in(alice.folder());
    let (logs, others): (Vec<_>, Vec<_>) = files.iter().partition(|file| file.starts_with(alice.folder().join("logs")));
    assert!(logs.iter().any(|file| holds(file, "alice")), "there is a log, and it names the user");
    assert!(others.iter().any(|file| holds(file, TEXT)), "the messages are on the device");
    for file in &logs {
        assert!(!holds(file, TEXT), "{} holds a text", file.display());
    }
    for file in &files {
        for ticket in [&refused, &accepted, &server.app().key] {
            assert!(!holds(file, ticket), "{} holds a ticket", file.display());
        }
    }
}
