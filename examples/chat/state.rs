// SPDX-License-Identifier: Apache-2.0
//! What the screen shows, and how each thing that happens changes it. Nothing here reads a clock, a socket or a
//! terminal: [`Chat::update`] takes an input and answers with the effects that somebody else brings about.

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use hongyan::conversation::Conversation;
use hongyan::message::{Message, MessageReceipt, MessageStatus};
use ratatui::layout::Size;

use crate::prompt::Prompt;
use crate::timeline::Timeline;
use crate::{row, view};

/// Something that happened.
#[derive(Debug)]
pub enum Input {
    /// A key went down.
    Key(KeyEvent),
    /// The terminal has another size.
    Resized(Size),
    /// Time has passed.
    Tick { now_ms: i64 },
    /// The state of the connection changed.
    Connection(Connection),
    /// The user is logged in; from now on the SDK keeps what is sent until it can go out.
    LoggedIn,
    /// The UserSig has ended; the connection is closed.
    UserSigExpired,
    /// Conversations and messages are as the server has them.
    Synced,
    /// The newest page of history, newest first.
    Newest { messages: Vec<Message>, is_finished: bool },
    /// The page of history before what is loaded, newest first.
    Older { messages: Vec<Message>, is_finished: bool },
    /// Messages of any conversation are new or changed.
    Messages(Vec<Message>),
    /// Peers have read.
    Receipts(Vec<MessageReceipt>),
    /// Conversations are new or changed.
    Conversations(Vec<Conversation>),
    /// The open group is not there, or not yet.
    GroupMissing,
    /// Something to say in the last line.
    Notice(String),
}

/// What is said of a group that is not there; its first message takes it back.
const GROUP_MISSING: &str = "the group is not there yet";

/// How things stand with the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Connection {
    /// It is being made.
    Connecting,
    /// All is well.
    Connected,
    /// It failed, for this reason, and is tried again.
    Offline(String),
    /// It was refused, for this reason, and is not tried again.
    Refused(String),
}

/// Something to bring about.
#[derive(Debug, PartialEq, Eq)]
pub enum Effect {
    /// Log in, with a new UserSig.
    Login,
    /// Send texts to the conversation, one after another.
    Send(Vec<String>),
    /// Send a message again that failed.
    Resend(String),
    /// Fetch the newest page of history.
    LoadNewest,
    /// Fetch the page before this message.
    LoadOlder { before: String },
    /// The conversation was read to its end.
    MarkRead,
    /// Leave.
    Quit,
}

/// The whole state.
pub struct Chat {
    /// Who sits here.
    pub me: String,
    /// Which conversation is open.
    pub conversation_id: String,
    /// How things stand with the server.
    pub connection: Connection,
    /// The messages of the conversation.
    pub timeline: Timeline,
    /// All conversations, in the order of the list.
    pub conversations: Vec<Conversation>,
    /// What is being typed.
    pub prompt: Prompt,
    /// What the last line says beside the keys.
    pub notice: Option<String>,
    /// The terminal.
    pub size: Size,
    /// The time that ages are reckoned from.
    pub now_ms: i64,
    /// The part of the terminal that shows messages.
    pane: Size,
    /// What was typed before the first login. The SDK takes nothing to send until it knows whose it is.
    waiting: Vec<String>,
    is_logged_in: bool,
    /// The lowest message on the screen while scrolled back; without one the newest is.
    anchor: Option<String>,
    is_loading_older: bool,
}

impl Chat {
    /// Nothing is known yet.
    pub fn new(me: &str, conversation_id: &str, size: Size, now_ms: i64) -> Self {
        Self {
            me: me.to_owned(),
            conversation_id: conversation_id.to_owned(),
            connection: Connection::Connecting,
            timeline: Timeline::new(),
            conversations: Vec::new(),
            prompt: Prompt::default(),
            notice: None,
            size,
            now_ms,
            pane: view::areas(size).messages.as_size(),
            waiting: Vec::new(),
            is_logged_in: false,
            anchor: None,
            is_loading_older: false,
        }
    }

    /// The open conversation, once the list knows it.
    pub fn conversation(&self) -> Option<&Conversation> {
        self.conversations.iter().find(|conversation| conversation.conversation_id == self.conversation_id)
    }

    /// What the peer or the group is called.
    pub fn title(&self) -> &str {
        let id = self.conversation_id.split_once('_').map_or(self.conversation_id.as_str(), |(_, id)| id);
        self.conversation().map_or(id, |conversation| &conversation.show_name)
    }

    /// The lowest message on the screen.
    pub fn bottom(&self) -> Option<usize> {
        let last = self.timeline.messages().len().checked_sub(1)?;
        Some(self.anchor.as_ref().and_then(|id| self.timeline.position(id)).unwrap_or(last))
    }

    /// Whether newer messages lie below the screen.
    pub fn is_scrolled_back(&self) -> bool {
        self.anchor.is_some()
    }

    /// How many lines wait for the first login.
    pub fn waiting_count(&self) -> usize {
        self.waiting.len()
    }

    /// Takes in what happened and says what to do about it.
    pub fn update(&mut self, input: Input) -> Vec<Effect> {
        match input {
            Input::Key(key) if key.kind == KeyEventKind::Release => return Vec::new(),
            Input::Key(key) => return self.press(key),
            Input::Resized(size) => {
                self.size = size;
                self.pane = view::areas(size).messages.as_size();
            }
            Input::Tick { now_ms } => self.now_ms = now_ms,
            Input::Connection(connection) => self.connection = connection,
            Input::LoggedIn => {
                self.is_logged_in = true;
                return self.send_waiting();
            }
            Input::UserSigExpired => return vec![Effect::Login],
            Input::Synced => {
                self.timeline.expect_older();
                return vec![Effect::LoadNewest];
            }
            Input::Newest { messages, is_finished } => self.timeline.refresh(messages, is_finished),
            Input::Older { messages, is_finished } => {
                self.timeline.prepend(messages, is_finished);
                self.is_loading_older = false;
            }
            Input::Messages(messages) => self.take_in(messages),
            Input::Receipts(receipts) => {
                let mine = receipts.iter().filter(|receipt| receipt.conversation_id == self.conversation_id);
                mine.for_each(|receipt| self.timeline.apply_receipt(receipt));
            }
            Input::Conversations(conversations) => self.list(conversations),
            Input::GroupMissing => {
                self.notice = Some(GROUP_MISSING.to_owned());
                return Vec::new();
            }
            Input::Notice(text) => {
                self.notice = Some(text);
                // A failed page may be asked for again.
                self.is_loading_older = false;
                return Vec::new();
            }
        }
        let mut effects = self.load_ahead();
        effects.extend(self.mark_read());
        effects
    }

    fn press(&mut self, key: KeyEvent) -> Vec<Effect> {
        self.notice = None;
        let page = self.pane.height.saturating_sub(1);
        match (key.code, key.modifiers.contains(KeyModifiers::CONTROL)) {
            (KeyCode::Esc, _) | (KeyCode::Char('c'), true) => return vec![Effect::Quit],
            (KeyCode::Enter, _) => {
                if let Some(text) = self.prompt.take() {
                    self.anchor = None;
                    self.waiting.push(text);
                }
                return self.send_waiting();
            }
            (KeyCode::Char('r'), true) => return self.resend_failed(),
            (KeyCode::Up, _) => self.scroll_back(1),
            (KeyCode::Down, _) => self.scroll_on(1),
            (KeyCode::PageUp, _) => self.scroll_back(page),
            (KeyCode::PageDown, _) => self.scroll_on(page),
            (KeyCode::Char('u'), true) => drop(self.prompt.take()),
            (KeyCode::Char(typed), false) => self.prompt.insert(typed),
            (KeyCode::Backspace, _) => self.prompt.backspace(),
            (KeyCode::Delete, _) => self.prompt.delete(),
            (KeyCode::Left, _) => self.prompt.left(),
            (KeyCode::Right, _) => self.prompt.right(),
            (KeyCode::Home, _) => self.prompt.home(),
            (KeyCode::End, _) => self.prompt.end(),
            _ => {}
        }
        let mut effects = self.load_ahead();
        effects.extend(self.mark_read());
        effects
    }

    fn send_waiting(&mut self) -> Vec<Effect> {
        if !self.is_logged_in || self.waiting.is_empty() {
            return Vec::new();
        }
        vec![Effect::Send(std::mem::take(&mut self.waiting))]
    }

    fn resend_failed(&self) -> Vec<Effect> {
        let failed = self.timeline.messages().iter().filter(|message| message.status == MessageStatus::Failed);
        failed.map(|message| Effect::Resend(message.message_id.clone())).collect()
    }

    fn take_in(&mut self, messages: Vec<Message>) {
        for message in messages {
            if message.conversation_id == self.conversation_id {
                self.timeline.merge(message);
                self.notice.take_if(|notice| notice == GROUP_MISSING);
            }
        }
    }

    fn list(&mut self, changed: Vec<Conversation>) {
        // A message on its way is heard of first as the last one of its conversation.
        let last = changed.iter().filter_map(|conversation| conversation.last_message.clone()).collect();
        self.take_in(last);
        self.conversations.retain(|held| changed.iter().all(|new| new.conversation_id != held.conversation_id));
        self.conversations.extend(changed);
        let key = |held: &Conversation| (std::cmp::Reverse(held.order_key), held.conversation_id.clone());
        self.conversations.sort_by_key(key);
    }

    fn mark_read(&self) -> Option<Effect> {
        let has_unread = self.conversation().is_some_and(|conversation| conversation.unread_count > 0);
        let is_seen = has_unread && self.connection == Connection::Connected && !self.is_scrolled_back();
        is_seen.then_some(Effect::MarkRead)
    }

    fn height(&self, at: usize) -> u16 {
        self.timeline.messages().get(at).map_or(0, |message| row::height(message, self.pane.width))
    }

    /// Towards the past, by so many lines or a little more, until the first message is on the screen.
    fn scroll_back(&mut self, lines: u16) {
        let Some(bottom) = self.bottom() else { return };
        let mut passed = 0;
        let mut at = bottom;
        while passed < lines && at > 0 {
            passed = passed.saturating_add(self.height(at));
            at -= 1;
        }
        self.show(at.max(self.highest_bottom()));
    }

    fn scroll_on(&mut self, lines: u16) {
        let Some(bottom) = self.bottom() else { return };
        let mut passed = 0;
        let mut at = bottom;
        while passed < lines {
            at += 1;
            passed = passed.saturating_add(self.height(at).max(1));
        }
        self.show(at);
    }

    fn show(&mut self, bottom: usize) {
        let messages = self.timeline.messages();
        let is_newest = bottom + 1 >= messages.len();
        self.anchor = if is_newest { None } else { messages.get(bottom).map(|message| message.message_id.clone()) };
    }

    /// The lowest message while the first one is at the top.
    fn highest_bottom(&self) -> usize {
        let mut filled: u16 = 0;
        let counted = self.timeline.messages().len();
        let reaches = |at: &usize| {
            filled = filled.saturating_add(self.height(*at));
            filled >= self.pane.height
        };
        (0..counted).find(reaches).unwrap_or(counted.saturating_sub(1))
    }

    /// The next page back, as soon as the beginning of what is loaded comes near.
    fn load_ahead(&mut self) -> Vec<Effect> {
        let is_near = self.bottom().is_some_and(|bottom| bottom < usize::from(self.pane.height) * 2);
        if !is_near || self.is_loading_older || !self.timeline.has_older() {
            return Vec::new();
        }
        let Some(first) = self.timeline.messages().first() else { return Vec::new() };
        self.is_loading_older = true;
        vec![Effect::LoadOlder { before: first.message_id.clone() }]
    }
}

#[cfg(test)]
mod tests;
