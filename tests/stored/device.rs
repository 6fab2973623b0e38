// SPDX-License-Identifier: Apache-2.0
//! The SDK of today on the phone of every version: all of it is shown without a network, and what waited goes out once.

use std::fs;

use hongyan::message::{HistorySource, MessageStatus};
use sqlx::Connection;

use super::fixture::{Fixture, find_file, open};
use super::server::serve;
use super::{ALICES_PHONE, device_id, message_id};
use crate::harness::device::Device;
use crate::harness::proxy::Proxy;
use crate::harness::server::TestServer;
use crate::harness::view::{assert_dense, c2c, group, texts};
use crate::harness::wait::eventually;
use crate::search::found_in;

const WRITTEN: [&str; 6] =
    ["Good morning, it's me", "Good morning 早上好", "", "Not counted", "Are you there?", "It is late"];
const WAITING: &str = "Written on the way";

/// Alice's phone, updated to the SDK of today and not logged in yet.
async fn alices_phone(fixture: &Fixture, server: &TestServer, proxy: &Proxy) -> Device {
    let new = server.device("alice").through(proxy).open();
    // It makes the place where the store lies.
    new.client.init_local_storage("alice".to_owned()).await.unwrap();
    new.close().await;
    fs::write(new.folder().join("device"), device_id(ALICES_PHONE).to_string()).unwrap();
    fixture.load_device(&find_file(new.folder(), "im.db").expect("a store")).await;
    let phone = new.reopen().await;
    phone.client.init_local_storage("alice".to_owned()).await.unwrap();
    phone
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_of_every_version_shows_all_it_has_without_a_network() {
    for fixture in Fixture::all() {
        let server = serve(&fixture).await;
        let proxy = server.proxy().await;
        proxy.disconnect().await;
        let alice = alices_phone(&fixture, &server, &proxy).await;
        let list = alice.conversations().await;
        let ids: Vec<&str> = list.iter().map(|shown| shown.conversation_id.as_str()).collect();
        assert_eq!(ids, ["c2c_bob", "group_geese", "c2c_nobody"]);
        let unread: Vec<i64> = list.iter().map(|shown| shown.unread_count).collect();
        assert_eq!((unread, alice.total_unread().await), (vec![2, 2, 0], 4));
        assert_eq!((list[0].show_name.as_str(), list[1].show_name.as_str()), ("Bob 鲍勃", "It's the geese 雁"));
        assert_eq!(list[0].draft_text.as_deref(), Some("I'll tell you 明天"));
        assert_eq!(list[0].last_message.as_ref().unwrap().message_id, message_id(50).to_string());
        assert_eq!((list[0].c2c_read_timestamp_ms, list[1].group_read_sequence), (1_790_000_007_000, 4));

        let shown = alice.history(&c2c("bob"), HistorySource::Local).await.unwrap();
        assert_eq!(texts(&shown), [WRITTEN.as_slice(), &[WAITING]].concat());
        let in_group = alice.history(&group("geese"), HistorySource::Local).await.unwrap();
        let expected = ["", "Where do we fly?", "South", "I stay here", "", "Without bob", "", "Here I am"];
        assert_eq!(texts(&in_group), expected);
        let ids = [2, 40, 50].map(|number| message_id(number).to_string());
        let found = alice.client.messages().find_messages(ids.to_vec()).await.unwrap();
        let states: Vec<_> = found.iter().map(|message| (message.status, message.failure)).collect();
        let expected =
            [(MessageStatus::Sent, None), (MessageStatus::Failed, Some(20003)), (MessageStatus::Sending, None)];
        assert_eq!(states, expected);
        assert!(found[0].is_peer_read);

        let expected = ["Good morning 早上好", "Good morning, it's me"];
        assert_eq!(found_in(&alice, &c2c("bob"), &["GOOD morn"]).await, expected);
        assert_eq!(found_in(&alice, &c2c("bob"), &["早上", "way"]).await, [WAITING, expected[0]]);
        assert_eq!(found_in(&alice, &group("geese"), &["bob", "sou"]).await, ["Without bob", "South"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_phone_had_before_there_was_search_is_made_ready_for_it_though_nobody_searches() {
    const TEXTS_THAT_THE_SERVER_HAS: i64 = 11;
    let fixture = Fixture::of("0.1.0-alpha");
    let server = serve(&fixture).await;
    let proxy = server.proxy().await;
    let alice = alices_phone(&fixture, &server, &proxy).await;
    let mut file = open(&find_file(alice.folder(), "im.db").expect("a store")).await;
    let count: i64 = eventually("an index that is whole", async || {
        const STATE: &str = "select backlog_to, (select count(*) from message_index) from search_state";
        let (backlog_to, count): (i64, i64) = sqlx::query_as(STATE).fetch_one(&mut file).await.unwrap();
        if backlog_to == 0 { Ok(count) } else { Err(backlog_to) }
    })
    .await;
    assert_eq!(count, TEXTS_THAT_THE_SERVER_HAS);
    file.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waited_on_a_phone_of_every_version_goes_out_once_and_what_it_missed_arrives() {
    for fixture in Fixture::all() {
        let server = serve(&fixture).await;
        let proxy = server.proxy().await;
        let bob = server.device("bob").login().await;
        let alice = alices_phone(&fixture, &server, &proxy).await;
        // The answer to the first attempt is lost: it goes out again under its own id.
        proxy.lose_answer("send_message", 1);
        alice.login().await.unwrap();
        alice.client.network_changed();
        assert_eq!(bob.heard.wait_for_texts(1).await, [WAITING]);
        eventually("that it is sent", async || {
            let found =
                alice.client.messages().find_messages(vec![message_id(50).to_string()]).await.unwrap().remove(0);
            if (found.status, found.seq) == (MessageStatus::Sent, 8) { Ok(()) } else { Err(found) }
        })
        .await;
        let expected = [WRITTEN.as_slice(), &["Call me", WAITING]].concat();
        for (device, peer) in [(&alice, "bob"), (&bob, "alice")] {
            let history = device.cloud_history(&c2c(peer)).await;
            assert_eq!(texts(&history), expected, "{} sees", device.user());
            assert_dense(&history);
        }
        assert_eq!(texts(&alice.cloud_history(&group("geese")).await).last(), Some(&"Who is late?"));
        assert_eq!((alice.unread(&c2c("bob")).await, alice.unread(&group("geese")).await), (3, 3));
        let draft = alice.conversation(&c2c("bob")).await.unwrap().draft_text;
        assert_eq!(draft.as_deref(), Some("I'll tell you 明天"), "a draft is no message");
    }
}
