// SPDX-License-Identifier: Apache-2.0
//! A disk that fails under a server, or under a client: nothing acknowledged is lost, and everybody is told.

use hongyan_protocol::codes::Code;
use hongyan_protocol::frame::WireError;
use hongyan_protocol::message::SendMessage;

use crate::harness::faults::{Call, Errno, Faults};
use crate::harness::process::{ClientProcess, ServerProcess, queued_text};
use crate::harness::server::TestServer;
use crate::harness::view::{c2c, texts};
use crate::harness::wait::eventually;
use crate::harness::wire::{Wire, stored_texts, text_message, to_user};

/// All files of a server's store, wherever it lies.
const STORE: &str = "*/hongyan.db*";

/// All files of a client's store.
const LOCAL_STORE: &str = "*/im.db*";

async fn server_on(faults: &Faults) -> ServerProcess {
    let server = ServerProcess::start_on_files(&faults.settings()).await;
    // Who writes has logged in once.
    server.wire("bob").await;
    server
}

async fn stored(server: &ServerProcess) -> Vec<String> {
    let history = server.wire("bob").await.history(&to_user("alice")).await;
    stored_texts(&history).map(str::to_owned).collect()
}

/// Sends texts one batch after the other until one is not acknowledged; the texts of those that were, and the answer or
/// nothing where the connection ended.
async fn send_until_refused(wire: &mut Wire, name: &str) -> (Vec<String>, Option<WireError>) {
    const IN_FLIGHT: usize = 20;
    let mut acknowledged = Vec::new();
    for batch in 0.. {
        let texts: Vec<String> = (0..IN_FLIGHT).map(|number| format!("{name} {batch}.{number}")).collect();
        let mut waiting = Vec::new();
        for text in texts {
            waiting.push((wire.post(&text_message(&to_user("bob"), &text)).await, text));
        }
        for (id, text) in waiting {
            match wire.next_reply().await {
                Some((answered, Ok(_))) => {
                    assert_eq!(answered, id);
                    acknowledged.push(text);
                }
                Some((_, Err(refusal))) => return (acknowledged, Some(refusal)),
                None => return (acknowledged, None),
            }
        }
    }
    unreachable!("the batches have no end")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_writes_and_nothing_else_until_there_is_room() {
    let faults = Faults::new();
    let mut server = server_on(&faults).await;
    let mut alice = server.wire("alice").await;
    let device = server.device("bob").login().await;
    alice.send_text(&to_user("bob"), "before").await.unwrap();
    faults.fail(Call::Write, Errno::NoRoom, STORE);
    let mut ids = Vec::new();
    for number in 0..50 {
        ids.push(alice.post(&text_message(&to_user("bob"), &format!("refused {number}"))).await);
    }
    for id in ids {
        let refusal = alice.answer_to::<SendMessage>(id).await.unwrap_err();
        assert_eq!(refusal.code, Code::ACCOUNT_INTERNAL_ERROR);
        assert!(refusal.code.is_retryable() && refusal.text.contains("disk is full"), "{refusal}");
    }
    assert_eq!(stored_texts(&alice.history(&to_user("bob")).await).collect::<Vec<_>>(), ["before"], "reads go on");
    let mut late = Wire::connect(server.addr()).await;
    let refusal = late.call(&server.app().login("late")).await.unwrap_err();
    assert!(refusal.code.is_retryable() && refusal.text.contains("disk is full"), "{refusal}");
    let queued = device.queue_text(&c2c("alice"), "waits for room").await;

    faults.heal();
    alice.send_text(&to_user("bob"), "after").await.unwrap();
    server.wire("late").await;
    queued.end().await.unwrap();
    let held = stored(&server).await;
    // The phone and the other writer came back at the same time.
    let expected = ["before", "after", "waits for room"];
    assert!(held.len() == 3 && expected.iter().all(|text| held.iter().any(|held| held == text)), "{held:?}");
    let log = server.log();
    assert_eq!(log.matches("the disk is full").count(), 1, "it is said once: {log}");
    assert!(log.contains("there is room on the disk again"), "{log}");
    server.kill();
    server.start_again().await;
    assert_eq!(stored(&server).await, held);
}

/// What a server did whose store failed while two users wrote, and what it holds after a start on a disk that is well again.
async fn fails_under_load(call: Call, errno: Errno, pattern: &str) {
    let faults = Faults::new();
    let mut server = server_on(&faults).await;
    let mut alice = server.wire("alice").await;
    let first = alice.send_texts(&to_user("bob"), (0..100).map(|number| format!("first {number}"))).await;
    faults.fail(call, errno, pattern);
    let (acknowledged, refusal) = send_until_refused(&mut alice, "then").await;
    // Whoever is answered at all before the end is told that it may be asked again.
    assert!(refusal.is_none_or(|refusal| refusal.code.is_retryable()));
    assert!(!server.ended().await, "the process says that it failed");
    let log = server.log();
    assert!(log.contains("a commit failed; the store is given up") && log.contains("disk I/O error"), "{log}");
    faults.heal();
    server.start_again().await;
    let held = stored(&server).await;
    assert!(held.len() >= first.len() + acknowledged.len());
    assert_eq!(held[..first.len()], (0..100).map(|number| format!("first {number}")).collect::<Vec<_>>());
    assert_eq!(held[first.len()..first.len() + acknowledged.len()], acknowledged);
    let mut alice = server.wire("alice").await;
    alice.send_text(&to_user("bob"), "it goes on").await.unwrap();
    assert_eq!(stored(&server).await.last().unwrap(), "it goes on");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_for_the_disk_that_fails_stops_the_server_and_loses_nothing_acknowledged() {
    fails_under_load(Call::Sync, Errno::Io, STORE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_fails_stops_the_server_and_loses_nothing_acknowledged() {
    fails_under_load(Call::Write, Errno::Io, STORE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_becomes_read_only_stops_the_server_and_loses_nothing_acknowledged() {
    fails_under_load(Call::Write, Errno::ReadOnly, STORE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_may_not_be_written_is_named_at_the_start() {
    let faults = Faults::new();
    let mut server = server_on(&faults).await;
    server.wire("alice").await.send_text(&to_user("bob"), "kept").await.unwrap();
    server.kill();
    let folder = server.folder().to_str().unwrap().to_owned();
    faults.fail(Call::Open, Errno::ReadOnly, &format!("{folder}/*"));
    server.fail_to_start().await;
    let log = server.log();
    let sentence = log.lines().last().unwrap();
    assert!(sentence.contains(&folder) && sentence.contains("Read-only file system"), "{log}");
    faults.heal();
    server.start_again().await;
    assert_eq!(stored(&server).await, ["kept"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_cannot_be_taken_over_into_the_file_is_kept_and_loses_nothing() {
    let faults = Faults::new();
    let mut server = server_on(&faults).await;
    let mut alice = server.wire("alice").await;
    faults.fail(Call::Sync, Errno::Io, "*/hongyan.db");
    // More than goes into the log before the engine takes it over.
    const COUNT: usize = 1_000;
    const COMMITS: usize = 10;
    let text = "x".repeat(11_000);
    let mut expected = Vec::new();
    for commit in 0..COMMITS {
        let texts = (0..COUNT / COMMITS).map(|number| format!("{commit}.{number} {text}"));
        expected.extend(texts.clone());
        alice.send_texts(&to_user("bob"), texts).await;
    }
    server.kill();
    server.fail_to_start().await;
    assert!(server.log().lines().last().unwrap().contains("opening the store"), "{}", server.log());
    faults.heal();
    server.start_again().await;
    assert!(stored(&server).await == expected, "all of it is there");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_whose_disk_is_full_says_so_and_misses_nothing_once_there_is_room() {
    let faults = Faults::new();
    let server = TestServer::start().await;
    let device = server.device("alice").login().await;
    let mut bob = server.wire("bob").await;
    bob.send_text(&to_user("alice"), "before").await.unwrap();
    device.heard.wait_for_texts(1).await;
    device.close().await;
    let mut client = ClientProcess::start_with(&device, &server.app().sign("alice"), &faults.settings()).await;
    client.send_text(&c2c("bob"), "mine before").await;
    faults.fail(Call::Write, Errno::NoRoom, LOCAL_STORE);
    assert_eq!(client.send_text(&c2c("bob"), "refused").await, Code::IO_FAILED.0);
    for number in 0..20 {
        bob.send_text(&to_user("alice"), &format!("meanwhile {number}")).await.unwrap();
    }
    assert_eq!(client.local_texts(&c2c("bob")).await.unwrap(), ["before", "mine before"], "what is there is shown");
    faults.heal();
    assert_eq!(client.send_text(&c2c("bob"), "mine after").await, 0);
    let truth = stored_texts(&bob.history(&to_user("alice")).await).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(truth.len(), 23, "what was refused was not sent: {truth:?}");
    eventually("all of it on the phone", async || {
        let shown = client.local_texts(&c2c("bob")).await.unwrap();
        if shown == truth { Ok(()) } else { Err(shown) }
    })
    .await;
    client.kill();
    let again = device.reopen().await;
    again.login().await.unwrap();
    assert_eq!(texts(&again.cloud_history(&c2c("bob")).await), truth);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_whose_disk_fails_loses_nothing_that_it_queued_before() {
    let faults = Faults::new();
    let mut server = TestServer::start().await;
    let device = server.device("alice").login().await;
    server.wire("bob").await;
    device.close().await;
    let mut client = ClientProcess::start_with(&device, &server.app().sign("alice"), &faults.settings()).await;
    server.stop().await;
    client.queue_texts(&c2c("bob"), 5).await;
    faults.fail(Call::Write, Errno::Io, LOCAL_STORE);
    assert_eq!(client.send_text(&c2c("bob"), "refused").await, Code::IO_FAILED.0);
    client.kill();
    faults.heal();
    server.start_again().await;
    let again = device.reopen().await;
    again.login().await.unwrap();
    let mut bob = server.wire("bob").await;
    eventually("what was queued on the server", async || {
        let history = bob.history(&to_user("alice")).await;
        let held: Vec<_> = stored_texts(&history).map(str::to_owned).collect();
        if held == (0..5).map(queued_text).collect::<Vec<_>>() { Ok(()) } else { Err(held) }
    })
    .await;
}
