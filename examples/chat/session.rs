// SPDX-License-Identifier: Apache-2.0
//! Between the state and the SDK: what listeners hear becomes inputs, effects become calls.

use std::sync::Arc;
use std::time::Duration;

use hongyan::conversation::Conversation;
use hongyan::group::CreateGroupOption;
use hongyan::message::{HistoryDirection, HistoryOption, HistorySource, Message, MessageReceipt};
use hongyan::{
    AdvancedMsgListener, ClientConfig, ConversationListener, ImClient, ImError, LogLevel, LoginStatus, Platform,
    SdkListener, UserInfo,
};
use hongyan_protocol::codes::Code;
use tokio::sync::mpsc;

use crate::app::App;
use crate::options::Options;
use crate::state::{Connection, Effect, Input};

/// Inputs that wait for the screen. When it is slow the SDK's own thread waits; the SDK is made for that.
const INPUTS_MAX: usize = 64;
const HISTORY_PAGE: i32 = 50;
const CONVERSATIONS_MAX: i32 = 100;
/// After a login that failed in a way that may pass.
const LOGIN_PAUSE: Duration = Duration::from_secs(3);

/// One user's client with one open conversation.
pub struct Session {
    client: Arc<ImClient>,
    app: App,
    user_id: String,
    conversation_id: String,
    members: Vec<String>,
    inputs: mpsc::Sender<Input>,
}

impl Session {
    /// Makes the client, without any connection yet. The inputs come out of the receiver.
    pub fn open(options: &Options, app: App, root: String) -> Result<(Arc<Self>, mpsc::Receiver<Input>), ImError> {
        let config = ClientConfig {
            sdk_app_id: app.sdk_app_id.get(),
            server_url: options.server_url.clone(),
            data_folder: options.home.to_string_lossy().into_owned(),
            platform: Platform::Linux,
            log_level: LogLevel::Info,
            is_insecure_allowed: options.is_insecure_allowed,
            extra_root_certificates: root,
            public_key_pins: Vec::new(),
        };
        let client = ImClient::new(config, None)?;
        let (inputs, receiver) = mpsc::channel(INPUTS_MAX);
        let ears = Arc::new(Ears(inputs.clone()));
        client.add_sdk_listener(Arc::clone(&ears) as Arc<dyn SdkListener>);
        client.messages().add_advanced_msg_listener(Arc::clone(&ears) as Arc<dyn AdvancedMsgListener>);
        client.conversations().add_conversation_listener(ears);
        let session = Self {
            client,
            app,
            user_id: options.user_id.clone(),
            conversation_id: options.conversation_id.clone(),
            members: options.members.clone(),
            inputs,
        };
        Ok((Arc::new(session), receiver))
    }

    /// Shows what is stored here, then logs in.
    pub fn start(self: &Arc<Self>) {
        let session = Arc::clone(self);
        tokio::spawn(async move {
            if let Err(error) = session.show_stored().await {
                session.input(Input::Notice(format!("nothing is stored here yet: {error}"))).await;
            }
            session.log_in().await;
            if let Err(error) = session.make_group().await {
                session.input(Input::Notice(error.to_string())).await;
            }
        });
    }

    /// Brings an effect about; what comes of it is an input.
    pub fn perform(self: &Arc<Self>, effect: Effect) {
        let session = Arc::clone(self);
        tokio::spawn(async move {
            let done = match effect {
                Effect::Login => return session.log_in().await,
                Effect::Send(texts) => session.send(texts).await,
                Effect::Resend(message_id) => session.client.messages().resend_message(message_id).await.map(drop),
                Effect::LoadNewest => match session.load_newest(HistorySource::Cloud).await {
                    Err(error) if error.code() == Code::GROUP_NOT_FOUND => return session.miss_group().await,
                    done => done,
                },
                Effect::LoadOlder { before } => session.load_older(before).await,
                Effect::MarkRead => session.mark_read().await,
                Effect::Quit => Ok(()),
            };
            if let Err(error) = done {
                let text = match session.conversation_id.strip_prefix("c2c_") {
                    Some(peer) if error.code() == Code::MSG_ACCOUNT_NOT_IMPORTED => format!("{peer}: {error}"),
                    _ => error.to_string(),
                };
                session.input(Input::Notice(text)).await;
            }
        });
    }

    /// The server's time, as far as it is known.
    pub fn now_ms(&self) -> i64 {
        self.client.server_time_ms()
    }

    /// Ends the client. The receiver of inputs must be gone before, so that no listener waits for it.
    pub async fn close(&self) {
        self.client.close().await;
    }

    async fn input(&self, input: Input) {
        // Nobody takes it once the screen is gone.
        let _ = self.inputs.send(input).await;
    }

    /// Whoever is about to make the group hears only how that went.
    async fn miss_group(&self) {
        if self.members.is_empty() {
            self.input(Input::GroupMissing).await;
        }
    }

    async fn show_stored(&self) -> Result<(), ImError> {
        self.client.init_local_storage(self.user_id.clone()).await?;
        let page = self.client.conversations().get_conversation_list(None, CONVERSATIONS_MAX).await?;
        self.input(Input::Conversations(page.conversations)).await;
        self.load_newest(HistorySource::Local).await
    }

    async fn log_in(&self) {
        loop {
            let user_sig = self.app.user_sig(&self.user_id);
            match self.client.login(self.user_id.clone(), user_sig).await {
                Ok(()) => return self.input(Input::LoggedIn).await,
                Err(error) if error.is_retryable() => {
                    self.input(Input::Connection(Connection::Offline(error.detail().to_owned()))).await;
                }
                // Nothing would be different the next time.
                Err(error) => return self.input(Input::Connection(Connection::Refused(error.to_string()))).await,
            }
            tokio::time::sleep(LOGIN_PAUSE).await;
        }
    }

    async fn make_group(&self) -> Result<(), ImError> {
        let is_logged_in = self.client.login_status() == LoginStatus::LoggedIn;
        let Some(group_id) =
            self.conversation_id.strip_prefix("group_").filter(|_| is_logged_in && !self.members.is_empty())
        else {
            return Ok(());
        };
        let option = CreateGroupOption {
            group_type: "Work".to_owned(),
            group_id: Some(group_id.to_owned()),
            group_name: group_id.to_owned(),
            face_url: String::new(),
            member_list: self.members.clone(),
        };
        match self.client.groups().create_group(option).await {
            // It is there already.
            Err(error) if [Code::GROUP_ID_IN_USE, Code::GROUP_ID_IN_USE_BY_CALLER].contains(&error.code()) => Ok(()),
            made => made.map(drop),
        }
    }

    /// Each line whatever became of the one before: the others are not to be lost with it.
    async fn send(&self, texts: Vec<String>) -> Result<(), ImError> {
        let messages = self.client.messages();
        let mut sent = Ok(());
        for text in texts {
            let message = messages.create_text_message(text)?;
            sent = sent.and(messages.send_message(message, self.conversation_id.clone()).await.map(drop));
        }
        sent
    }

    async fn load_newest(&self, source: HistorySource) -> Result<(), ImError> {
        let (messages, is_finished) = self.page(source, None).await?;
        self.input(Input::Newest { messages, is_finished }).await;
        Ok(())
    }

    async fn load_older(&self, before: String) -> Result<(), ImError> {
        let is_logged_in = self.client.login_status() == LoginStatus::LoggedIn;
        let source = if is_logged_in { HistorySource::Cloud } else { HistorySource::Local };
        let (messages, is_finished) = self.page(source, Some(before)).await?;
        self.input(Input::Older { messages, is_finished }).await;
        Ok(())
    }

    async fn page(&self, source: HistorySource, before: Option<String>) -> Result<(Vec<Message>, bool), ImError> {
        let option = HistoryOption {
            conversation_id: self.conversation_id.clone(),
            direction: HistoryDirection::Older,
            source,
            count: HISTORY_PAGE,
            last_message_id: before,
            last_message_seq: None,
        };
        let page = self.client.messages().get_history_message_list(option).await?;
        Ok((page.messages, page.is_finished))
    }

    async fn mark_read(&self) -> Result<(), ImError> {
        let conversations = self.client.conversations();
        conversations.clean_conversation_unread_message_count(self.conversation_id.clone(), 0, 0).await
    }
}

/// Turns what the SDK tells into inputs, on the SDK's own thread.
struct Ears(mpsc::Sender<Input>);

impl Ears {
    fn hear(&self, input: Input) {
        // Nobody takes it once the screen is gone.
        let _ = self.0.blocking_send(input);
    }
}

impl SdkListener for Ears {
    fn on_connecting(&self) {
        self.hear(Input::Connection(Connection::Connecting));
    }

    fn on_connect_success(&self) {
        self.hear(Input::Connection(Connection::Connected));
    }

    fn on_connect_failed(&self, _: i32, detail: String) {
        self.hear(Input::Connection(Connection::Offline(detail)));
    }

    fn on_kicked_offline(&self) {
        self.hear(Input::Connection(Connection::Refused("logged in on another device".to_owned())));
    }

    fn on_user_sig_expired(&self) {
        self.hear(Input::UserSigExpired);
    }

    fn on_self_info_updated(&self, _: UserInfo) {}
}

impl AdvancedMsgListener for Ears {
    fn on_recv_new_message(&self, messages: Vec<Message>) {
        self.hear(Input::Messages(messages));
    }

    fn on_recv_c2c_read_receipt(&self, receipts: Vec<MessageReceipt>) {
        self.hear(Input::Receipts(receipts));
    }

    fn on_message_status_changed(&self, messages: Vec<Message>) {
        self.hear(Input::Messages(messages));
    }
}

impl ConversationListener for Ears {
    fn on_sync_server_start(&self) {}

    fn on_sync_server_finish(&self) {
        self.hear(Input::Synced);
    }

    fn on_sync_server_failed(&self) {}

    fn on_new_conversation(&self, conversations: Vec<Conversation>) {
        self.hear(Input::Conversations(conversations));
    }

    fn on_conversation_changed(&self, conversations: Vec<Conversation>) {
        self.hear(Input::Conversations(conversations));
    }

    fn on_total_unread_message_count_changed(&self, _: i64) {}
}
