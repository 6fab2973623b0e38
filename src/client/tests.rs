// SPDX-License-Identifier: Apache-2.0
//! The client around the connection: its life, its log, and others beside it.

use std::fs;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, Weak};

use tempfile::TempDir;

use super::*;
use crate::config::Platform;
use crate::connection::tests::harness::{Server, code, within};
use crate::conversation::Conversation;
use crate::listener::ConversationListener;
use crate::listener::queue::Batch;

fn config(port: u16, folder: &TempDir) -> ClientConfig {
    ClientConfig {
        sdk_app_id: 7,
        server_url: format!("http://127.0.0.1:{port}"),
        data_folder: folder.path().join("im").display().to_string(),
        platform: Platform::Linux,
        log_level: LogLevel::Debug,
        is_insecure_allowed: false,
        extra_root_certificates: String::new(),
        public_key_pins: Vec::new(),
    }
}

async fn log_in(client: &Arc<ImClient>, server: &Server, user: &str) -> crate::connection::tests::harness::Peer {
    let login = tokio::spawn({
        let (client, user) = (Arc::clone(client), user.to_owned());
        async move { client.login(user, "secret-sig".to_owned()).await }
    });
    let (peer, _) = server.accept_login().await;
    within(login).await.unwrap().unwrap();
    peer
}

struct Told<F>(F);

impl<F: Fn(&'static str) + Send + Sync> SdkListener for Told<F> {
    fn on_connecting(&self) {
        (self.0)("connecting");
    }
    fn on_connect_success(&self) {
        (self.0)("success");
    }
    fn on_connect_failed(&self, _: i32, _: String) {
        (self.0)("failed");
    }
    fn on_kicked_offline(&self) {
        (self.0)("kicked");
    }
    fn on_user_sig_expired(&self) {
        (self.0)("expired");
    }
    fn on_self_info_updated(&self, _: UserInfo) {
        (self.0)("self info");
    }
}

fn listener(tell: impl Fn(&'static str) + Send + Sync + 'static) -> Arc<dyn SdkListener> {
    Arc::new(Told(tell))
}

fn recorder() -> (Arc<dyn SdkListener>, Receiver<&'static str>) {
    let (told, heard) = channel();
    let told = Mutex::new(told);
    let tell = move |what| {
        let _ = told.lock().unwrap().send(what);
    };
    (listener(tell), heard)
}

async fn hears(heard: Receiver<&'static str>, wanted: &'static str) -> Receiver<&'static str> {
    let waiting = tokio::task::spawn_blocking(move || {
        while heard.recv().expect("the listener lives") != wanted {}
        heard
    });
    within(waiting).await.unwrap()
}

#[tokio::test]
async fn a_closed_client_answers_that_it_is_closed_and_calls_nobody() {
    let (server, folder) = (Server::start().await, TempDir::new().unwrap());
    let client = ImClient::new(config(server.port, &folder), None).unwrap();
    let (listener, heard) = recorder();
    client.add_sdk_listener(listener);
    let peer = log_in(&client, &server, "alice").await;
    let heard = hears(heard, "success").await;
    within(client.close()).await;
    within(client.close()).await;
    peer.closed().await;
    assert!(heard.try_recv().is_err());
    assert_eq!(client.login_status(), LoginStatus::NotLoggedIn);
    assert_eq!(code(client.login("alice".to_owned(), "sig".to_owned()).await), Code::NOT_INITIALIZED);
    assert_eq!(code(client.logout().await), Code::NOT_INITIALIZED);
    assert_eq!(code(client.init_local_storage("alice".to_owned()).await), Code::NOT_INITIALIZED);
    assert_eq!(code(client.get_users_info(vec!["bob".to_owned()]).await), Code::NOT_INITIALIZED);
}

#[tokio::test]
async fn a_client_may_be_closed_inside_its_listener() {
    let (server, folder) = (Server::start().await, TempDir::new().unwrap());
    let client = ImClient::new(config(server.port, &folder), None).unwrap();
    let (closed, has_closed) = channel();
    let closed = Mutex::new(closed);
    let own: Weak<ImClient> = Arc::downgrade(&client);
    client.add_sdk_listener(listener(move |what| {
        if what == "success" {
            runtime::block_on(own.upgrade().expect("the test holds it").close());
            closed.lock().unwrap().send("closed").unwrap();
        }
    }));
    let peer = log_in(&client, &server, "alice").await;
    hears(has_closed, "closed").await;
    peer.closed().await;
}

#[tokio::test]
async fn a_client_that_nobody_holds_ends() {
    let (server, folder) = (Server::start().await, TempDir::new().unwrap());
    let client = ImClient::new(config(server.port, &folder), None).unwrap();
    let peer = log_in(&client, &server, "alice").await;
    let messages = client.messages();
    drop(client);
    drop(messages);
    peer.closed().await;
}

#[tokio::test]
async fn clients_of_several_users_live_side_by_side_in_one_folder() {
    let (server, folder) = (Server::start().await, TempDir::new().unwrap());
    let (one, other) = (
        ImClient::new(config(server.port, &folder), None).unwrap(),
        ImClient::new(config(server.port, &folder), None).unwrap(),
    );
    let (_alice, _bob) = (log_in(&one, &server, "alice").await, log_in(&other, &server, "bob").await);
    within(one.close()).await;
    assert_eq!((one.login_user(), other.login_user()), (None, Some("bob".to_owned())));
    within(other.close()).await;
}

#[tokio::test]
async fn bad_input_is_answered_with_its_code_and_changes_nothing() {
    let (server, folder) = (Server::start().await, TempDir::new().unwrap());
    let client = ImClient::new(config(server.port, &folder), None).unwrap();
    let login = |user: &str, user_sig: &str| client.login(user.to_owned(), user_sig.to_owned());
    assert_eq!(code(login("", "sig").await), Code::INVALID_USER_ID);
    assert_eq!(code(login(&"a".repeat(33), "sig").await), Code::INVALID_USER_ID);
    assert_eq!(code(login("鸿雁", "sig").await), Code::INVALID_USER_ID);
    assert_eq!(code(login("alice", "").await), Code::USER_SIG_EMPTY);
    assert_eq!(code(client.init_local_storage("鸿雁".to_owned()).await), Code::INVALID_USER_ID);
    assert_eq!(client.login_status(), LoginStatus::NotLoggedIn);
    assert_eq!(code(client.logout().await), Code::NOT_LOGGED_IN);
    within(client.close()).await;

    let config = |change: fn(&mut ClientConfig)| {
        let mut config = config(server.port, &folder);
        change(&mut config);
        ImClient::new(config, None).map(drop)
    };
    assert_eq!(code(config(|config| config.sdk_app_id = 0)), Code::INVALID_PARAMETERS);
    assert_eq!(code(config(|config| config.server_url = "ftp://127.0.0.1".to_owned())), Code::INVALID_PARAMETERS);
    assert_eq!(code(config(|config| config.public_key_pins = vec!["?".to_owned()])), Code::INVALID_PARAMETERS);
    assert_eq!(code(config(|config| config.extra_root_certificates = "?".to_owned())), Code::INVALID_PARAMETERS);
    assert_eq!(code(config(|config| config.data_folder = "/dev/null/im".to_owned())), Code::IO_FAILED);
}

struct Lines(Mutex<Sender<String>>);

impl LogListener for Lines {
    fn on_log(&self, _: LogLevel, text: String) {
        let _ = self.0.lock().unwrap().send(text);
        panic!("the app's own error");
    }
}

#[tokio::test]
async fn the_log_reaches_file_and_listener_and_holds_no_secret() {
    let (server, folder) = (Server::start().await, TempDir::new().unwrap());
    let (lines, written) = channel();
    let client = ImClient::new(config(server.port, &folder), Some(Arc::new(Lines(Mutex::new(lines))))).unwrap();
    let _peer = log_in(&client, &server, "alice").await;
    within(client.close()).await;
    let heard: Vec<String> = written.try_iter().collect();
    assert!(heard.iter().any(|line| line.contains("client started")), "{heard:?}");
    let file = fs::read_to_string(folder.path().join("im/logs/hongyan.log")).unwrap();
    assert!(file.contains("client started") && file.contains("client ended"));
    assert!(!file.contains("secret-sig") && !file.contains("token"), "{file}");
}

#[tokio::test]
async fn a_dropped_call_goes_on_to_its_end() {
    let (server, folder) = (Server::start().await, TempDir::new().unwrap());
    let client = ImClient::new(config(server.port, &folder), None).unwrap();
    let login = tokio::spawn({
        let client = Arc::clone(&client);
        async move { client.login("alice".to_owned(), "sig".to_owned()).await }
    });
    let mut peer = server.accept().await;
    let (id, _) = peer.called::<hongyan_protocol::account::Login>().await;
    login.abort();
    assert!(login.await.unwrap_err().is_cancelled());
    peer.answer::<hongyan_protocol::account::Login>(id, Ok(crate::connection::tests::harness::session())).await;
    within(client.core.context.connection.status_becomes(|status| status.login == LoginStatus::LoggedIn)).await;
    within(client.close()).await;
}

#[test]
fn a_data_folder_without_a_name_is_refused() {
    let folder = TempDir::new().unwrap();
    let config = ClientConfig { data_folder: String::new(), ..config(1, &folder) };
    assert_eq!(ImClient::new(config, None).unwrap_err().code(), Code::INVALID_PARAMETERS);
}

struct Totals(Mutex<Sender<i64>>);

impl ConversationListener for Totals {
    fn on_sync_server_start(&self) {}
    fn on_sync_server_finish(&self) {}
    fn on_sync_server_failed(&self) {}
    fn on_new_conversation(&self, _: Vec<Conversation>) {}
    fn on_conversation_changed(&self, _: Vec<Conversation>) {}
    fn on_total_unread_message_count_changed(&self, total_unread_count: i64) {
        self.0.lock().unwrap().send(total_unread_count).unwrap();
    }
}

#[test]
fn what_one_user_was_to_hear_is_not_read_from_the_store_of_the_next() {
    let folder = TempDir::new().unwrap();
    let client = ImClient::new(config(1, &folder), None).unwrap();
    let (told, heard) = channel();
    client.core.listeners.conversation.add(Arc::new(Totals(Mutex::new(told))));
    let delivery = Delivery::new(Arc::downgrade(&client.core), None, Dispatch::none());
    let dispatcher = &client.core.context.dispatcher;
    runtime::block_on(client.init_local_storage("alice".to_owned())).unwrap();
    let store_of_alice = dispatcher.store_number();
    delivery.deliver(Batch::TotalUnread, store_of_alice);
    assert_eq!(heard.try_recv(), Ok(0));
    runtime::block_on(client.init_local_storage("bob".to_owned())).unwrap();
    delivery.deliver(Batch::TotalUnread, store_of_alice);
    assert!(heard.try_recv().is_err());
    delivery.deliver(Batch::TotalUnread, dispatcher.store_number());
    assert_eq!(heard.try_recv(), Ok(0));
}
