// SPDX-License-Identifier: Apache-2.0
//! The server of today on the stores of every version: what was there is there, under the rules that hold for it.

use hongyan::message::{Element, Message};
use hongyan_protocol::account::{ClientInfo, Platform, Resume, Session};
use hongyan_protocol::frame::WireError;
use hongyan_protocol::ids::DeviceId;
use hongyan_protocol::message::{SendMessage, SentMessage};

use super::fixture::Fixture;
use super::{BOBS_BROWSER, app, device_id, message_id, other_app};
use crate::harness::device::{Device, newest};
use crate::harness::server::{Home, TestServer};
use crate::harness::view::{assert_dense, c2c, group, texts, texts_of};
use crate::harness::wire::{Wire, client_info, text_message, text_of, to_group, to_user};

/// What each member sees of the group; an empty text is a tip.
const GROUP: [&str; 9] =
    ["", "Where do we fly?", "South", "I stay here", "", "Without bob", "", "Here I am", "Who is late?"];

/// The server of today on the store of a version.
pub async fn serve(fixture: &Fixture) -> TestServer {
    let home = Home::new().await;
    fixture.load_server(&home).await;
    let server = TestServer::start_at(home).await;
    assert_eq!((server.app().id, &server.app().key), (app().id, &app().key), "the app is there with its key");
    server
}

/// A user's new device.
async fn device(server: &TestServer, user: &str) -> Device {
    server.device(user).login().await
}

async fn newest_page(device: &Device, conversation: &str) -> Vec<Message> {
    device.page(newest(conversation)).await.unwrap().messages
}

#[tokio::test(flavor = "multi_thread")]
async fn history_profiles_and_read_positions_of_every_version_are_shown() {
    for fixture in Fixture::all() {
        let server = serve(&fixture).await;
        let alice = device(&server, "alice").await;
        let page = newest_page(&alice, &c2c("bob")).await;
        let shown = [
            "Call me",
            "It is late",
            "Are you there?",
            "Not counted",
            "",
            "Good morning 早上好",
            "Good morning, it's me",
        ];
        assert_eq!(texts_of(&page), shown);
        let custom = Element::Custom {
            data: vec![0, 1, 254, 255],
            description: "a place".to_owned(),
            extension: "{\"x\": 1}".to_owned(),
        };
        assert_eq!((&page[4].elements, page[4].cloud_custom_data.as_slice()), (&vec![custom], b"beside it".as_slice()));
        assert!(page[3].is_excluded_from_unread_count && !page[2].is_excluded_from_unread_count);
        assert_eq!((page[6].nick_name.as_str(), page[6].timestamp_ms), ("Bob 鲍勃", 1_790_000_004_000));
        let read: Vec<bool> = page.iter().map(|message| message.is_read).collect();
        assert_eq!(read, [false, false, false, true, true, true, true], "alice read to the fourth message");
        assert!(page[5].is_self && page[5].is_peer_read, "bob has read hers");
        assert_eq!((alice.unread(&c2c("bob")).await, alice.unread(&group("geese")).await), (3, 3));
        assert_eq!(alice.total_unread().await, 6);

        let shown = alice.conversation(&c2c("bob")).await.unwrap();
        assert_eq!((shown.show_name.as_str(), shown.face_url.as_str()), ("Bob 鲍勃", "https://example.org/bob.png"));
        let users = ["alice", "bob", "carol"].map(str::to_owned).to_vec();
        let names = alice.client.get_users_info(users).await.unwrap();
        assert_eq!(
            names.iter().map(|user| user.nick_name.as_str()).collect::<Vec<_>>(),
            ["Alice's phone 爱丽丝", "Bob 鲍勃", ""]
        );
        let bob = device(&server, "bob").await;
        assert_eq!(bob.cloud_history(&c2c("alice")).await, alice.cloud_history(&c2c("bob")).await);
        assert_eq!(bob.unread(&c2c("alice")).await, 0, "what he wrote himself does not count");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn membership_of_every_version_still_decides_what_is_seen() {
    for fixture in Fixture::all() {
        let server = serve(&fixture).await;
        let (alice, bob, dave) =
            (device(&server, "alice").await, device(&server, "bob").await, device(&server, "dave").await);
        let mut carol = server.wire("carol").await;
        for (member, seen) in [(&alice, 0..9), (&dave, 6..9), (&bob, 4..5)] {
            let history = member.cloud_history(&group("geese")).await;
            assert_eq!(texts(&history), GROUP[seen], "{} sees", member.user());
            assert_dense(&history);
        }
        for (member, is_member) in [(&alice, true), (&dave, true), (&bob, false)] {
            let said = member.send_text(&group("geese"), member.user()).await;
            assert_eq!(said.map_err(|error| error.code().0).err(), (!is_member).then_some(10007), "{}", member.user());
        }
        assert_eq!(alice.conversation(&group("geese")).await.unwrap().show_name, "It's the geese 雁");
        let history = carol.history(&to_group("geese")).await;
        let said: Vec<_> =
            history[GROUP.len()..].iter().map(|message| (message.seq.get(), text_of(&message.body))).collect();
        assert_eq!(said, [(10, "alice"), (11, "dave")], "the log goes on where it ended, and nothing of bob is in it");
        assert_eq!(bob.unread(&group("geese")).await, 2, "what he did not read before he left");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_stored_by_any_version_is_answered_as_the_first_time_when_it_comes_again() {
    for fixture in Fixture::all() {
        let server = serve(&fixture).await;
        let mut bob = server.wire("bob").await;
        let mut alice = server.wire("alice").await;
        let again = SendMessage { id: message_id(1), ..text_message(&to_user("alice"), "Good morning, it's me") };
        let sent: SentMessage = bob.call(&again).await.unwrap();
        assert_eq!((sent.seq.get(), sent.server_ms), (1, 1_790_000_004_000));
        let other = SendMessage { id: message_id(1), ..text_message(&to_user("alice"), "Something else") };
        let refused = [bob.call(&other).await.unwrap_err().code, alice.call(&again).await.unwrap_err().code];
        assert_eq!(refused[0], refused[1], "nobody learns whose id it is");
        assert_eq!(bob.history(&to_user("alice")).await.len(), 7, "nothing was added");
    }
}

async fn resume(server: &TestServer, token: String, device: DeviceId) -> Result<Session, WireError> {
    let client = ClientInfo { device_id: device, ..client_info(Platform::Web) };
    Wire::connect(server.addr()).await.call(&Resume { client, token }).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_any_version_gave_out_opens_the_session_that_has_its_place_still() {
    for fixture in Fixture::all() {
        let server = serve(&fixture).await;
        let (kept, lost) = (fixture.token("bob"), fixture.token("bob who was kicked"));
        let refused =
            resume(&server, lost, device_id(BOBS_BROWSER - 1)).await.expect_err("his other browser has the place");
        assert_eq!(refused.code.0, 6208);
        let stolen = resume(&server, kept.clone(), device_id(99)).await.expect_err("it is of another device");
        assert_ne!(stolen.code.0, 6208);
        let session = resume(&server, kept.clone(), device_id(BOBS_BROWSER)).await.unwrap();
        assert_eq!((session.profile.user_id.as_str(), session.profile.nick.as_str()), ("bob", "Bob 鲍勃"));
        // A login of today takes the place: epochs go on where they were.
        let _ = server.wire("bob").await;
        assert_eq!(resume(&server, kept, device_id(BOBS_BROWSER)).await.unwrap_err().code.0, 6208);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_apps_of_every_version_stay_apart_and_everybody_goes_on_writing() {
    for fixture in Fixture::all() {
        let mut server = serve(&fixture).await;
        let elsewhere = server.device("alice").of_app(&other_app()).login().await;
        assert_eq!(texts(&elsewhere.cloud_history(&c2c("bob")).await), ["Of the other app"]);
        assert_eq!(elsewhere.conversations().await.len(), 1);
        elsewhere.sends(&c2c("bob"), "And it goes on").await;
        elsewhere.close().await;

        let (alice, bob, erin) =
            (device(&server, "alice").await, device(&server, "bob").await, device(&server, "erin").await);
        assert_eq!(alice.sends(&c2c("bob"), "Hello again").await.seq, 8);
        assert_eq!(bob.heard.wait_for_texts(1).await, ["Hello again"]);
        alice.mark_read(&c2c("bob")).await.unwrap();
        assert_eq!(alice.unread(&c2c("bob")).await, 0);
        assert_eq!(erin.sends(&c2c("alice"), "I am new here").await.seq, 1);
        let taken = erin.create_group(Some("geese"), "", &["bob"]).await.expect_err("the id is taken");
        assert_eq!(taken.code().0, 10021);
        erin.create_group(Some("ducks"), "Ducks", &["alice", "bob"]).await.unwrap();
        erin.sends(&group("ducks"), "Quack").await;
        bob.heard.wait_for_texts(2).await;
        let third = server.create_app("third").await;
        assert_eq!(third.id.get(), other_app().id.get() + 1);

        server.stop().await;
        server.start_again().await;
        let again = device(&server, "bob").await;
        assert_eq!(texts(&again.cloud_history(&c2c("alice")).await).last(), Some(&"Hello again"));
        assert_eq!(texts(&again.cloud_history(&group("ducks")).await), ["", "Quack"]);
    }
}
