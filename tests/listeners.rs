// SPDX-License-Identifier: Apache-2.0
//! What an app's listener does, however bad, harms nothing but that listener.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock};

use hongyan::message::{Message, MessageReceipt};
use hongyan::{AdvancedMsgListener, Platform, Subscription};
use sqlx::ConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;

use crate::harness::device::Device;
use crate::harness::server::TestServer;
use crate::harness::view::{c2c, texts, texts_of};
use crate::harness::wait::eventually;
use crate::harness::wire::to_user;

/// A listener that does something at each batch of new messages.
struct OnMessages<F>(F);

impl<F: Fn(Vec<Message>) + Send + Sync> AdvancedMsgListener for OnMessages<F> {
    fn on_recv_new_message(&self, messages: Vec<Message>) {
        (self.0)(messages);
    }

    fn on_recv_c2c_read_receipt(&self, _receipts: Vec<MessageReceipt>) {}

    fn on_message_status_changed(&self, _messages: Vec<Message>) {}
}

/// A door that callbacks wait at until a test opens it.
#[derive(Default)]
struct Door {
    is_open: Mutex<bool>,
    opened: Condvar,
}

impl Door {
    fn pass(&self) {
        let closed = self.is_open.lock().unwrap();
        drop(self.opened.wait_while(closed, |is_open| !*is_open).unwrap());
    }

    fn open(&self) {
        *self.is_open.lock().unwrap() = true;
        self.opened.notify_all();
    }
}

fn numbered(count: usize) -> Vec<String> {
    (1..=count).map(|number| number.to_string()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_that_throws_harms_nothing() {
    let server = TestServer::start().await;
    let bob = server.device("bob").open();
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let throwing = OnMessages(move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
        panic!("thrown by an app's listener, on purpose");
    });
    let _ = bob.client.messages().add_advanced_msg_listener(Arc::new(throwing));
    let after = Arc::new(Mutex::new(Vec::new()));
    let heard_after = Arc::clone(&after);
    let last = OnMessages(move |messages: Vec<Message>| heard_after.lock().unwrap().extend(texts_of(&messages)));
    let _ = bob.client.messages().add_advanced_msg_listener(Arc::new(last));
    bob.login().await.unwrap();
    let mut alice = server.wire("alice").await;
    for text in numbered(5) {
        alice.send_text(&to_user("bob"), &text).await.unwrap();
        bob.heard.wait_for_one(&text, |_| texts_of(&bob.heard.messages()).contains(&text)).await;
    }
    assert_eq!(bob.heard.wait_for_texts(5).await, numbered(5), "the listener before it hears all");
    eventually("all at the listener after it", async || {
        let heard = after.lock().unwrap().clone();
        if heard == numbered(5) { Ok(()) } else { Err(heard) }
    })
    .await;
    assert_eq!(calls.load(Ordering::SeqCst), 5, "it goes on being called");
    bob.sends(&c2c("alice"), "and the client works").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_that_does_not_return_delays_events_and_nothing_else() {
    const COUNT: usize = 1000;
    let server = TestServer::start().await;
    let bob = server.device("bob").open();
    let door = Arc::new(Door::default());
    let waiting = Arc::clone(&door);
    let _ = bob.client.messages().add_advanced_msg_listener(Arc::new(OnMessages(move |_| waiting.pass())));
    bob.login().await.unwrap();
    let mut alice = server.wire("alice").await;
    let other = server.device("bob").on(Platform::Ipad).login().await;
    alice.send_texts(&to_user("bob"), numbered(COUNT)).await;

    assert_eq!(other.heard.wait_for_texts(COUNT).await, numbered(COUNT), "the other device does not wait");
    eventually("everything in the store", async || {
        let unread = bob.unread(&c2c("alice")).await;
        if unread == 1000 { Ok(()) } else { Err(unread) }
    })
    .await;
    bob.sends(&c2c("alice"), "sent meanwhile").await;
    assert_eq!(bob.cloud_history(&c2c("alice")).await.len(), COUNT + 1);
    let heard = bob.heard.messages().len();
    assert!(heard < COUNT, "events wait behind the listener: {heard}");
    door.open();
    assert_eq!(bob.heard.wait_for_texts(COUNT).await, numbered(COUNT), "each once and in order, when it is done");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_closes_though_a_listener_does_not_return() {
    let server = TestServer::start().await;
    let bob = server.device("bob").open();
    let door = Arc::new(Door::default());
    let inside = Arc::new(AtomicUsize::new(0));
    let (waiting, entered) = (Arc::clone(&door), Arc::clone(&inside));
    let stuck = OnMessages(move |_| {
        entered.fetch_add(1, Ordering::SeqCst);
        waiting.pass();
    });
    let _ = bob.client.messages().add_advanced_msg_listener(Arc::new(stuck));
    bob.login().await.unwrap();
    let mut alice = server.wire("alice").await;
    alice.send_text(&to_user("bob"), "hello").await.unwrap();
    eventually("the call", async || if inside.load(Ordering::SeqCst) == 1 { Ok(()) } else { Err("not yet") }).await;
    bob.close().await;
    door.open();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_that_cancels_itself_hears_no_more() {
    let server = TestServer::start().await;
    let bob = server.device("bob").login().await;
    let subscription = Arc::new(OnceLock::<Arc<Subscription>>::new());
    let calls = Arc::new(AtomicUsize::new(0));
    let (own, counted) = (Arc::clone(&subscription), Arc::clone(&calls));
    let once = OnMessages(move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
        let own = own.get().expect("messages come after it was subscribed");
        own.cancel();
        own.cancel();
    });
    assert!(subscription.set(bob.client.messages().add_advanced_msg_listener(Arc::new(once))).is_ok());
    let mut alice = server.wire("alice").await;
    for text in numbered(3) {
        alice.send_text(&to_user("bob"), &text).await.unwrap();
        bob.heard.wait_for_texts(text.parse().unwrap()).await;
    }
    let last = server.device("bob").on(Platform::Web).login().await;
    last.sends(&c2c("alice"), "4").await;
    bob.heard.wait_for_texts(4).await;
    assert_eq!(calls.load(Ordering::SeqCst), 1);
    assert_eq!(texts(&bob.cloud_history(&c2c("alice")).await), numbered(4));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_that_another_one_cancels_is_not_called_for_the_same_event() {
    let server = TestServer::start().await;
    let bob = server.device("bob").login().await;
    let second = Arc::new(OnceLock::<Arc<Subscription>>::new());
    let cancelled = Arc::clone(&second);
    let canceller = OnMessages(move |_| cancelled.get().expect("messages come after it was subscribed").cancel());
    let _ = bob.client.messages().add_advanced_msg_listener(Arc::new(canceller));
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let counting = OnMessages(move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
    });
    assert!(second.set(bob.client.messages().add_advanced_msg_listener(Arc::new(counting))).is_ok());
    let last = Arc::new(AtomicUsize::new(0));
    let passed = Arc::clone(&last);
    let after_them = OnMessages(move |_| {
        passed.fetch_add(1, Ordering::SeqCst);
    });
    let _ = bob.client.messages().add_advanced_msg_listener(Arc::new(after_them));
    let mut alice = server.wire("alice").await;
    alice.send_text(&to_user("bob"), "hello").await.unwrap();
    eventually(
        "the listener after them",
        async || if last.load(Ordering::SeqCst) == 1 { Ok(()) } else { Err("not yet") },
    )
    .await;
    assert_eq!(calls.load(Ordering::SeqCst), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_call_starts_after_a_cancel_has_returned() {
    let server = TestServer::start().await;
    let bob = server.device("bob").login().await;
    let calls = Arc::new(AtomicUsize::new(0));
    let mut alice = server.wire("alice").await;
    let sending = tokio::spawn(async move { alice.send_texts(&to_user("bob"), numbered(500)).await });
    for round in 0..50 {
        let counted = Arc::clone(&calls);
        let counting = OnMessages(move |_| {
            counted.fetch_add(1, Ordering::SeqCst);
        });
        let subscription = bob.client.messages().add_advanced_msg_listener(Arc::new(counting));
        bob.heard.wait_for_texts(round * 10).await;
        subscription.cancel();
        let at_the_end = calls.swap(0, Ordering::SeqCst);
        bob.heard.wait_for_texts((round + 1) * 10).await;
        assert_eq!(calls.load(Ordering::SeqCst), 0, "after {at_the_end} calls in round {round}");
    }
    sending.await.unwrap();
}

/// The file of the only user of a device.
fn store_of(device: &Device) -> PathBuf {
    let mut folders = vec![device.folder().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "db") {
                return path;
            }
        }
    }
    panic!("{} has no store", device.user());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_never_be_read_keeps_nothing_else_from_listeners_and_has_the_store_rebuilt() {
    let server = TestServer::start().await;
    let bob = server.device("bob").login().await;
    let door = Arc::new(Door::default());
    let inside = Arc::new(AtomicUsize::new(0));
    let (waiting, entered) = (Arc::clone(&door), Arc::clone(&inside));
    let _ = bob.client.messages().add_advanced_msg_listener(Arc::new(OnMessages(move |_| {
        entered.fetch_add(1, Ordering::SeqCst);
        waiting.pass();
    })));
    let (mut alice, mut carol) = (server.wire("alice").await, server.wire("carol").await);
    alice.send_text(&to_user("bob"), "1").await.unwrap();
    eventually("the call", async || if inside.load(Ordering::SeqCst) == 1 { Ok(()) } else { Err("not yet") }).await;
    alice.send_text(&to_user("bob"), "2").await.unwrap();
    carol.send_text(&to_user("bob"), "3").await.unwrap();
    eventually("all in the store", async || {
        let unread = (bob.unread(&c2c("alice")).await, bob.unread(&c2c("carol")).await);
        if unread == (2, 1) { Ok(()) } else { Err(unread) }
    })
    .await;

    let file = store_of(&bob);
    let mut store = SqliteConnectOptions::new().filename(&file).connect().await.unwrap();
    let spoilt = sqlx::query("update message set nick = x'ff' where sender = 'alice' and anchor_seq = 2");
    assert_eq!(spoilt.execute(&mut store).await.unwrap().rows_affected(), 1);
    door.open();
    assert_eq!(bob.heard.wait_for_texts(2).await, ["1", "3"]);
    carol.send_text(&to_user("bob"), "4").await.unwrap();
    assert_eq!(bob.heard.wait_for_texts(3).await, ["1", "3", "4"], "nothing waits for it");
    assert!(file.with_file_name("damaged").exists(), "the store is rebuilt when it is next opened");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_for_a_while_is_told_when_it_can() {
    let server = TestServer::start().await;
    let bob = server.device("bob").login().await;
    let door = Arc::new(Door::default());
    let inside = Arc::new(AtomicUsize::new(0));
    let (waiting, entered) = (Arc::clone(&door), Arc::clone(&inside));
    let _ = bob.client.messages().add_advanced_msg_listener(Arc::new(OnMessages(move |_| {
        entered.fetch_add(1, Ordering::SeqCst);
        waiting.pass();
    })));
    let mut alice = server.wire("alice").await;
    alice.send_text(&to_user("bob"), "1").await.unwrap();
    eventually("the call", async || if inside.load(Ordering::SeqCst) == 1 { Ok(()) } else { Err("not yet") }).await;
    alice.send_text(&to_user("bob"), "2").await.unwrap();
    eventually("both in the store", async || {
        let unread = bob.unread(&c2c("alice")).await;
        if unread == 2 { Ok(()) } else { Err(unread) }
    })
    .await;

    let mut store = SqliteConnectOptions::new().filename(store_of(&bob)).connect().await.unwrap();
    sqlx::query("alter table message rename to out_of_reach").execute(&mut store).await.unwrap();
    door.open();
    eventually("an attempt to read", async || {
        let logs = fs::read_dir(bob.folder().join("logs")).unwrap();
        let said: String = logs.map(|log| fs::read_to_string(log.unwrap().path()).unwrap()).collect();
        if said.contains("could not be read for listeners") { Ok(()) } else { Err(said) }
    })
    .await;
    assert_eq!(texts_of(&bob.heard.messages()), ["1"]);
    sqlx::query("alter table out_of_reach rename to message").execute(&mut store).await.unwrap();
    assert_eq!(bob.heard.wait_for_texts(2).await, ["1", "2"]);
    bob.sends(&c2c("alice"), "and the client works").await;
    assert_eq!(texts_of(&bob.heard.messages()), ["1", "2"], "each once");
}
