// SPDX-License-Identifier: Apache-2.0
//! A session that does not read slows nobody, costs the server a bounded queue, and misses nothing in the end.

use std::time::Duration;

use hongyan_protocol::frame::Event;
use hongyan_protocol::sync::Resync;

use crate::harness::server::TestServer;
use crate::harness::view::texts;
use crate::harness::wire::{stored_texts, to_group};

/// Larger than all buffers between the server and a session that does not read.
const FLOOD: usize = 1500;
const TEXT_BYTES: usize = 10_000;

/// How many are sent before whoever reads must have heard them: together less than what may wait for one session, however
/// busy the machine is.
const PORTION: usize = 100;

fn flood() -> impl Iterator<Item = String> {
    (0..FLOOD).map(|number| format!("{number} {}", "x".repeat(TEXT_BYTES)))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_does_not_read_slows_nobody_and_is_told_what_it_missed() {
    let server = TestServer::start().await;
    let mut writer = server.wire("writer").await;
    let fast = server.device("fast").login().await;
    let mut slow = server.narrow_wire("slow").await;
    writer.create_group("club", &["fast", "slow"]).await;
    let mut heard = Vec::new();
    for sent in (0..FLOOD).step_by(PORTION) {
        writer.send_texts(&to_group("club"), flood().skip(sent).take(PORTION)).await;
        heard = fast.heard.wait_for_texts(sent + PORTION).await;
    }
    assert!(
        heard
            .iter()
            .map(|text| text.split(' ').next().unwrap())
            .eq((0..FLOOD).map(|number| number.to_string()).collect::<Vec<_>>()),
        "who reads gets all of it in order"
    );

    let mut pushes = Vec::new();
    loop {
        let push = slow.next_push().await.expect("the session is still open");
        let is_resync = push.event == Resync::NAME;
        pushes.push(push);
        if is_resync {
            break;
        }
    }
    assert!(pushes.len() < FLOOD, "the server did not keep all of it");
    assert!(pushes.is_sorted_by_key(|push| push.number));
    let last = pushes.last().unwrap().number;
    assert!(last > u64::try_from(pushes.len()).unwrap(), "the numbers tell how many are missing");
    assert_eq!(slow.ping().await.push, last, "and a heartbeat tells the last");
    let stored = slow.history(&to_group("club")).await;
    assert_eq!(stored_texts(&stored).filter(|text| !text.is_empty()).count(), FLOOD, "and all can be fetched");
    assert_eq!(texts(&fast.cloud_history("group_club").await).len(), stored.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_takes_nothing_for_long_is_closed() {
    let server = TestServer::start().await;
    let mut writer = server.wire("writer").await;
    let mut slow = server.narrow_wire("slow").await;
    writer.create_group("club", &["slow"]).await;
    writer.send_texts(&to_group("club"), flood()).await;
    // Twice: once for the server to see that nothing moves, once for it to lose patience.
    for _ in 0..2 {
        server.clock().advance(Duration::from_secs(31));
        writer.ping().await;
    }
    slow.ended().await;
    writer.send_text(&to_group("club"), "still here").await.unwrap();
}
