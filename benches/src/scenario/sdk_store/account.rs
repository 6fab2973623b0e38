// SPDX-License-Identifier: Apache-2.0
//! The account that the SDK's store is filled with.

use hongyan_protocol::conversation::{ConversationState, Head};
use hongyan_protocol::ids::{ChangeSeq, LogId, LogKey, MessageId, Seq, UserId, Version};
use hongyan_protocol::message::{Element, Message, MessageBody, NewMessage, TextElement};

use crate::hongyan::user_id;
use crate::payload::Stamp;
use crate::scenario::Sizes;

/// Whose it is. The peers are the users from 0.
const OWNER: usize = 600_000;

/// The server's time before anything is pushed.
const BEGAN_MS: i64 = 1_700_000_000_000;

/// One conversation in so many goes on.
const QUIET_PER_BUSY: usize = 10;

/// A word that every text has.
const EVERYWHERE: &str = "goose";

/// Words that hardly any text has, and one conversation in so many has them, once.
const RARE: &str = "heron";
const RARE_OF_HAN: &str = "鸿雁";
const CONVERSATIONS_PER_RARE: usize = 100;

/// What is looked for, and the name of each search.
pub(super) const SEARCHES: [(&str, &str); 3] =
    [("a rare word", RARE), ("a rare word of Han", RARE_OF_HAN), ("a word in every message", EVERYWHERE)];

/// Further words of a text, each of syllables: a vocabulary of some thousands.
const WORDS: usize = 3;
const SYLLABLES_PER_WORD: usize = 3;
const SYLLABLES: [&str; 16] =
    ["ba", "co", "du", "fe", "gi", "ha", "jo", "ku", "le", "mi", "na", "po", "ru", "se", "ti", "vo"];

/// Characters of Han in a text, of so many from the first of them on.
const HAN: usize = 12;
const HAN_FIRST: u64 = 0x4e00;
const HAN_COUNT: u64 = 2_000;

/// Conversations with one message each, all read, and what then arrives: in the busy ones in turn, so that each write
/// changes as many of them as it can.
pub(super) struct Account {
    pub(super) user: UserId,
    pub(super) conversations: usize,
    pub(super) busy: usize,
    pub(super) pushed: usize,
}

impl Account {
    pub(super) fn new(sizes: &Sizes) -> Self {
        let busy = (sizes.conversations / QUIET_PER_BUSY).max(1);
        Self { user: user_id(OWNER), conversations: sizes.conversations, busy, pushed: sizes.pushed }
    }

    /// What a busy conversation has in the end. The first of them may have one more.
    pub(super) fn messages_each(&self) -> usize {
        1 + self.pushed / self.busy
    }

    /// All messages in the end.
    pub(super) fn messages(&self) -> usize {
        self.conversations + self.pushed
    }

    /// In how many conversations a word is found.
    pub(super) fn conversations_with(&self, word: &str) -> usize {
        if word == EVERYWHERE { self.conversations } else { self.conversations.div_ceil(CONVERSATIONS_PER_RARE) }
    }

    /// The server's time before anything is pushed.
    pub(super) fn server_ms(&self) -> i64 {
        BEGAN_MS + number(self.conversations)
    }

    /// The version of the user's stream at which all rows stand.
    pub(super) fn version(&self) -> Version {
        Version::ZERO.next()
    }

    /// The heads, highest order key first.
    pub(super) fn heads(&self) -> Vec<Head> {
        (0..self.conversations).rev().map(|conversation| self.head(conversation)).collect()
    }

    /// What arrives then.
    pub(super) fn pushes(&self) -> Vec<NewMessage> {
        (0..self.pushed)
            .map(|index| {
                let (conversation, seq) = (index % self.busy, 2 + index / self.busy);
                let message = self.message(conversation, seq, self.server_ms() + 1 + number(index));
                NewMessage { log: log(conversation), message }
            })
            .collect()
    }

    fn head(&self, conversation: usize) -> Head {
        let order_key = BEGAN_MS + number(conversation);
        let state = ConversationState {
            log: log(conversation),
            key: self.key(conversation),
            version: self.version(),
            visible_from: seq(1),
            visible_to: None,
            read_seq: seq(1),
            base_counted: 1,
            base_own: 0,
            own_counted: 0,
        };
        Head {
            state,
            max_seq: seq(1),
            change_seq: ChangeSeq::ZERO,
            counted: 1,
            order_key,
            peer_read_seq: None,
            last_message: Some(self.message(conversation, 1, order_key)),
            group: None,
            peer: None,
        }
    }

    fn key(&self, conversation: usize) -> LogKey {
        LogKey::between(self.user.clone(), user_id(conversation))
    }

    fn message(&self, conversation: usize, place: usize, server_ms: i64) -> Message {
        let text = text(conversation, place);
        Message {
            id: MessageId::generate(),
            seq: seq(place),
            key: self.key(conversation),
            sender: user_id(conversation),
            sender_nick: format!("Goose {conversation}"),
            sender_face_url: format!("https://cdn.example.com/faces/{conversation:06}.jpg"),
            server_ms,
            counted: number(place),
            sender_counted: number(place),
            body: MessageBody { elements: vec![Element::Text(TextElement { text })], ..MessageBody::default() },
        }
    }
}

/// A text of a chat's length: its stamp, a word that all have, some that few share, and Han.
fn text(conversation: usize, place: usize) -> String {
    let mut state = (conversation as u64) << 32 | place as u64;
    let mut text = Stamp { sender: conversation, number: place as u64, sent_us: 0 }.head();
    text.push(' ');
    text.push_str(EVERYWHERE);
    for _ in 0..WORDS {
        text.push(' ');
        (0..SYLLABLES_PER_WORD).for_each(|_| text.push_str(pick(&mut state, &SYLLABLES)));
    }
    text.push(' ');
    for _ in 0..HAN {
        let character = HAN_FIRST + mixed(&mut state) % HAN_COUNT;
        text.extend(u32::try_from(character).ok().and_then(char::from_u32));
    }
    if place == 1 && conversation.is_multiple_of(CONVERSATIONS_PER_RARE) {
        text.extend([RARE_OF_HAN, " ", RARE]);
    }
    text
}

fn pick<'a>(state: &mut u64, of: &[&'a str]) -> &'a str {
    of[usize::try_from(mixed(state)).unwrap_or(0) % of.len()]
}

/// The next of a row of numbers without an order that shows.
fn mixed(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed ^ (mixed >> 31)
}

fn log(conversation: usize) -> LogId {
    LogId::parse(number(conversation + 1)).expect("a small number from one on is a log's")
}

fn seq(place: usize) -> Seq {
    Seq::parse(number(place)).expect("a small number is a sequence")
}

fn number(index: usize) -> i64 {
    i64::try_from(index).unwrap_or(i64::MAX)
}
