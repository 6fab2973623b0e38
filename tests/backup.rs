// SPDX-License-Identifier: Apache-2.0
//! A backup of a running server, put back: nothing acknowledged before it is missing, and clients notice.

use std::collections::BTreeSet;

use hongyan_protocol::clock::Clock;
use hongyan_server::store::backup::{Present, back_up, restore};
use tokio::sync::watch;

use crate::harness::server::{Home, TestServer};
use crate::harness::view::{c2c, stored_line, texts};
use crate::harness::wait::{eventually, within};
use crate::harness::wire::{Wire, stored_texts, to_group, to_user};

const WRITERS: usize = 4;

fn numbered(count: usize) -> Vec<String> {
    (1..=count).map(|number| number.to_string()).collect()
}

/// Sends one text after the other until it is told to stop, and says after each how many are acknowledged.
async fn write_on(mut wire: Wire, name: String, acknowledged: watch::Sender<usize>, stop: watch::Receiver<bool>) {
    for number in 1.. {
        if *stop.borrow() {
            return;
        }
        wire.send_text(&to_group("club"), &format!("{name} {number}")).await.expect("a good message is stored");
        acknowledged.send_replace(number);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_before_a_backup_under_load_began_is_in_it() {
    let server = TestServer::start_at(Home::on_files()).await;
    let names: Vec<String> = (0..WRITERS).map(|number| format!("writer{number}")).collect();
    let mut owner = server.wire("owner").await;
    let mut wires = Vec::new();
    for name in &names {
        wires.push(server.wire(name).await);
    }
    owner.create_group("club", &names.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let (stop, stopping) = watch::channel(false);
    let mut counts = Vec::new();
    let mut writing = Vec::new();
    for (name, wire) in names.iter().zip(wires) {
        let (acknowledged, count) = watch::channel(0);
        counts.push(count);
        writing.push(tokio::spawn(write_on(wire, name.clone(), acknowledged, stopping.clone())));
    }
    for count in &mut counts {
        within("messages before the backup", count.wait_for(|count| *count >= 20)).await.unwrap();
    }
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("copy");
    let before: Vec<usize> = counts.iter().map(|count| *count.borrow()).collect();
    back_up(server.folder(), &file).await.unwrap();
    let after: Vec<usize> = counts.iter().map(|count| *count.borrow()).collect();
    for (count, after) in counts.iter_mut().zip(after) {
        within("messages after the backup", count.wait_for(|count| *count > after)).await.unwrap();
    }
    stop.send_replace(true);
    for task in writing {
        task.await.unwrap();
    }

    let restored = tempfile::tempdir().unwrap();
    restore(&file, restored.path(), Present::Kept, Clock::system()).await.unwrap();
    let copy = TestServer::start_at(Home::in_folder(restored)).await;
    let mut owner = Wire::login(copy.addr(), server.app(), "owner").await;
    let history = owner.history(&to_group("club")).await;
    let held: BTreeSet<&str> = stored_texts(&history).collect();
    for (name, before) in names.iter().zip(before) {
        for number in 1..=before {
            assert!(held.contains(format!("{name} {number}").as_str()), "{name}'s message {number} of {before}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_of_a_restored_server_show_what_it_holds_and_send_what_they_had_not() {
    let mut server = TestServer::start_at(Home::on_files()).await;
    let proxy = server.proxy().await;
    let alice = server.device("alice").login().await;
    let bob = server.device("bob").through(&proxy).login().await;
    for text in numbered(5) {
        alice.sends(&c2c("bob"), &text).await;
    }
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("copy");
    back_up(server.folder(), &file).await.unwrap();
    for text in ["lost 6", "lost 7"] {
        alice.sends(&c2c("bob"), text).await;
    }
    bob.heard.wait_for_texts(7).await;
    bob.client.conversations().set_conversation_draft(c2c("alice"), Some("a draft".to_owned())).await.unwrap();
    proxy.disconnect().await;
    let queued = bob.queue_text(&c2c("alice"), "kept in the outbox").await;
    server.stop().await;
    let restored = restore(&file, server.folder(), Present::SetAside, Clock::system()).await.unwrap();
    assert!(restored.aside.is_some());
    server.start_again().await;

    eventually("alice's view of the restored server", async || {
        let history = alice.cloud_history(&c2c("bob")).await;
        if texts(&history) == numbered(5) { Ok(()) } else { Err(history) }
    })
    .await;
    proxy.heal();
    bob.client.network_changed();
    assert_eq!(queued.end().await.unwrap().seq, 6, "it follows what the copy holds");
    let mut truth = server.wire("bob").await;
    let log: Vec<_> = truth.history(&to_user("alice")).await.iter().map(stored_line).collect();
    assert_eq!(texts(&log), [&numbered(5)[..], &["kept in the outbox".to_owned()]].concat());
    for (device, peer) in [(&alice, "bob"), (&bob, "alice")] {
        eventually("one history", async || {
            let history = device.cloud_history(&c2c(peer)).await;
            if history == log { Ok(()) } else { Err(history) }
        })
        .await;
    }
    assert_eq!(bob.conversation(&c2c("alice")).await.unwrap().draft_text.as_deref(), Some("a draft"));
}
