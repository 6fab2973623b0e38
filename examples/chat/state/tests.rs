// SPDX-License-Identifier: Apache-2.0
//! What each input does to the state.

use super::*;
use crate::sample::{NOW_MS, conversation, mine, sending, theirs};

/// Six lines of messages.
const SIZE: Size = Size { width: 60, height: 11 };

fn chat() -> Chat {
    let mut chat = Chat::new("alice", "c2c_bob", SIZE, NOW_MS);
    chat.update(Input::LoggedIn);
    chat.update(Input::Connection(Connection::Connected));
    chat
}

/// Bob's messages 1 to `count` are loaded, and they are all there is.
fn chat_with(count: i64) -> Chat {
    let mut chat = chat();
    let messages = (1..=count).rev().map(|seq| theirs(seq, "text")).collect();
    chat.update(Input::Newest { messages, is_finished: true });
    chat
}

fn press(chat: &mut Chat, code: KeyCode) -> Vec<Effect> {
    chat.update(Input::Key(KeyEvent::new(code, KeyModifiers::NONE)))
}

fn press_control(chat: &mut Chat, letter: char) -> Vec<Effect> {
    chat.update(Input::Key(KeyEvent::new(KeyCode::Char(letter), KeyModifiers::CONTROL)))
}

fn type_line(chat: &mut Chat, text: &str) -> Vec<Effect> {
    for letter in text.chars() {
        press(chat, KeyCode::Char(letter));
    }
    press(chat, KeyCode::Enter)
}

/// The sequence of the lowest message on the screen.
fn bottom_seq(chat: &Chat) -> i64 {
    chat.timeline.messages()[chat.bottom().unwrap()].seq
}

#[test]
fn a_typed_line_is_sent_and_the_prompt_is_empty() {
    let mut chat = chat();
    assert_eq!(type_line(&mut chat, "你好, Bob"), [Effect::Send(vec!["你好, Bob".into()])]);
    assert_eq!(chat.prompt.window(20), (String::new(), 0));
    assert_eq!(type_line(&mut chat, "   "), []);
}

#[test]
fn what_is_typed_before_the_first_login_is_sent_after_it_in_order() {
    let mut chat = Chat::new("alice", "c2c_bob", SIZE, NOW_MS);
    assert_eq!(type_line(&mut chat, "one"), []);
    assert_eq!(type_line(&mut chat, "two"), []);
    assert_eq!(chat.waiting_count(), 2);
    assert_eq!(chat.update(Input::LoggedIn), [Effect::Send(vec!["one".into(), "two".into()])]);
    assert_eq!(chat.waiting_count(), 0);
    assert_eq!(chat.update(Input::LoggedIn), []);
}

#[test]
fn escape_and_control_c_leave() {
    assert_eq!(press(&mut chat(), KeyCode::Esc), [Effect::Quit]);
    assert_eq!(press_control(&mut chat(), 'c'), [Effect::Quit]);
}

#[test]
fn a_key_that_goes_up_does_nothing() {
    let mut chat = chat();
    let up = KeyEvent::new_with_kind(KeyCode::Esc, KeyModifiers::NONE, KeyEventKind::Release);
    assert_eq!(chat.update(Input::Key(up)), []);
}

#[test]
fn a_sent_line_is_seen_at_once_as_the_last_message_of_its_conversation() {
    let mut chat = chat_with(2);
    let last_message = Some(sending("a", "on its way"));
    chat.update(Input::Conversations(vec![Conversation { last_message, ..conversation("bob", 5, 0) }]));
    assert_eq!(chat.timeline.messages().last().unwrap().status, MessageStatus::Sending);
    chat.update(Input::Messages(vec![Message { message_id: "a".into(), ..mine(3, "on its way") }]));
    assert_eq!(chat.timeline.messages().len(), 3);
    assert_eq!(chat.timeline.messages().last().unwrap().status, MessageStatus::Sent);
}

#[test]
fn messages_of_other_conversations_stay_out() {
    let mut chat = chat_with(1);
    chat.update(Input::Messages(vec![Message { conversation_id: "c2c_carol".into(), ..theirs(2, "elsewhere") }]));
    assert_eq!(chat.timeline.messages().len(), 1);
}

#[test]
fn the_list_is_kept_in_order_and_names_the_peer() {
    let mut chat = chat();
    assert_eq!(chat.title(), "bob");
    chat.update(Input::Conversations(vec![conversation("bob", 1, 0), conversation("carol", 2, 0)]));
    let renamed = Conversation { show_name: "Bob the Builder".into(), ..conversation("bob", 3, 0) };
    chat.update(Input::Conversations(vec![renamed]));
    let ids: Vec<_> = chat.conversations.iter().map(|held| held.conversation_id.as_str()).collect();
    assert_eq!(ids, ["c2c_bob", "c2c_carol"]);
    assert_eq!(chat.title(), "Bob the Builder");
}

#[test]
fn what_is_on_the_screen_is_marked_as_read_and_only_that() {
    let mut chat = chat_with(20);
    let unread = || Input::Conversations(vec![conversation("bob", 1, 2)]);
    assert_eq!(chat.update(unread()), [Effect::MarkRead]);
    press(&mut chat, KeyCode::PageUp);
    assert_eq!(chat.update(unread()), []);
    assert_eq!(press(&mut chat, KeyCode::PageDown), [Effect::MarkRead]);
    assert_eq!(chat.update(Input::Conversations(vec![conversation("carol", 2, 7)])), [Effect::MarkRead]);
    chat.update(Input::Conversations(vec![conversation("bob", 3, 0)]));
    assert_eq!(chat.update(Input::Conversations(vec![conversation("carol", 2, 8)])), []);
}

#[test]
fn nothing_is_marked_as_read_while_offline() {
    let mut chat = chat_with(1);
    chat.update(Input::Connection(Connection::Offline("no network".into())));
    assert_eq!(chat.update(Input::Conversations(vec![conversation("bob", 1, 2)])), []);
    assert_eq!(chat.update(Input::Connection(Connection::Connected)), [Effect::MarkRead]);
}

#[test]
fn scrolling_stops_with_the_first_message_at_the_top_and_the_last_at_the_bottom() {
    let mut chat = chat_with(20);
    press(&mut chat, KeyCode::Up);
    assert_eq!(bottom_seq(&chat), 19);
    for _ in 0..50 {
        press(&mut chat, KeyCode::PageUp);
    }
    assert_eq!(bottom_seq(&chat), 6);
    assert!(chat.is_scrolled_back());
    for _ in 0..50 {
        press(&mut chat, KeyCode::PageDown);
    }
    assert_eq!(bottom_seq(&chat), 20);
    assert!(!chat.is_scrolled_back());
}

#[test]
fn what_was_scrolled_to_stays_while_messages_come() {
    let mut chat = chat_with(20);
    press(&mut chat, KeyCode::PageUp);
    let seq = bottom_seq(&chat);
    chat.update(Input::Messages(vec![theirs(21, "new")]));
    assert_eq!(bottom_seq(&chat), seq);
    type_line(&mut chat, "sending goes back to the newest");
    assert_eq!(bottom_seq(&chat), 21);
}

#[test]
fn the_page_before_is_asked_for_once_when_it_comes_near() {
    let mut chat = chat();
    let newest = (11..=40).rev().map(|seq| theirs(seq, "text")).collect();
    assert_eq!(chat.update(Input::Newest { messages: newest, is_finished: false }), []);
    let mut asked = Vec::new();
    for _ in 0..10 {
        asked.extend(press(&mut chat, KeyCode::PageUp));
    }
    assert_eq!(asked, [Effect::LoadOlder { before: "11".into() }]);
    let older = (1..=10).rev().map(|seq| theirs(seq, "text")).collect();
    let seq = bottom_seq(&chat);
    chat.update(Input::Older { messages: older, is_finished: true });
    assert_eq!(bottom_seq(&chat), seq);
    for _ in 0..10 {
        assert_eq!(press(&mut chat, KeyCode::PageUp), []);
    }
    assert_eq!(bottom_seq(&chat), 6);
}

#[test]
fn a_page_that_does_not_fill_the_screen_asks_for_the_one_before() {
    let mut chat = chat();
    let effects = chat.update(Input::Newest { messages: vec![theirs(9, "text")], is_finished: false });
    assert_eq!(effects, [Effect::LoadOlder { before: "9".into() }]);
}

#[test]
fn what_is_all_on_this_device_is_not_taken_for_all_there_is() {
    let mut chat = chat();
    chat.update(Input::Newest { messages: Vec::new(), is_finished: true });
    chat.update(Input::Messages(vec![theirs(30, "text")]));
    chat.update(Input::Synced);
    let newest = (28..=30).rev().map(|seq| theirs(seq, "text")).collect();
    let effects = chat.update(Input::Newest { messages: newest, is_finished: false });
    assert_eq!(effects, [Effect::LoadOlder { before: "28".into() }]);
}

#[test]
fn failed_messages_are_sent_again_by_their_ids() {
    let mut chat = chat_with(1);
    chat.update(Input::Messages(vec![Message { status: MessageStatus::Failed, ..sending("a", "lost") }]));
    assert_eq!(press_control(&mut chat, 'r'), [Effect::Resend("a".into())]);
}

#[test]
fn a_notice_stays_until_the_next_key() {
    let mut chat = chat();
    chat.update(Input::Notice("9508 no network".into()));
    chat.update(Input::Tick { now_ms: NOW_MS + 1 });
    assert!(chat.notice.is_some());
    press(&mut chat, KeyCode::Left);
    assert!(chat.notice.is_none());
}

#[test]
fn a_group_is_missing_until_its_first_message() {
    let mut chat = chat();
    chat.update(Input::GroupMissing);
    assert!(chat.notice.is_some());
    chat.update(Input::Messages(vec![theirs(1, "here we are")]));
    assert!(chat.notice.is_none());
    chat.update(Input::Notice("another".into()));
    chat.update(Input::Messages(vec![theirs(2, "and on")]));
    assert!(chat.notice.is_some());
}

#[test]
fn an_ended_user_sig_is_renewed_and_a_sync_reloads_the_newest_page() {
    assert_eq!(chat().update(Input::UserSigExpired), [Effect::Login]);
    assert_eq!(chat().update(Input::Synced), [Effect::LoadNewest]);
}
