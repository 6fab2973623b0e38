// SPDX-License-Identifier: Apache-2.0
//! What is looked for, as a question to the index and as a test of one message.

use std::fmt::Write;

use hongyan_protocol::ids::UserId;
use hongyan_protocol::message as wire;

use crate::message::search::segment::{End, segment, segment_all};
use crate::message::types::{KeywordListMatchType, MessageType};

/// What the words for senders and kinds begin with, and no word of a text. One space of words is the index's for both: a
/// keyword's last word stands for all that it begins, and would go through every message of a sender whose word it begins.
pub(super) const ABOUT: char = '\u{fdd1}';

/// What of a message can be found: words, a blank between two.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::message) struct Words {
    /// Those of its texts.
    pub(in crate::message) text: String,
    /// One for its sender and one for each kind of its elements.
    pub(in crate::message) about: String,
}

impl Words {
    /// Nothing for a message without an element that can be looked for.
    pub(in crate::message) fn of(sender: &str, elements: &[wire::Element]) -> Option<Self> {
        let mut about = sender_word(sender);
        for kind in [MessageType::Text, MessageType::Custom] {
            if elements.iter().filter_map(found).any(|(found, _)| found == kind) {
                about.push(' ');
                about.push_str(&kind_word(kind));
            }
        }
        let text = segment_all(elements.iter().filter_map(found).map(|(_, text)| text));
        elements.iter().any(|element| found(element).is_some()).then_some(Self { text, about })
    }
}

/// What of an element can be found.
fn found(element: &wire::Element) -> Option<(MessageType, &str)> {
    match element {
        wire::Element::Text(text) => Some((MessageType::Text, &text.text)),
        wire::Element::Custom(custom) => Some((MessageType::Custom, &custom.description)),
        wire::Element::GroupTips(_) | wire::Element::Unknown(_) => None,
    }
}

/// A user's id as a word that no kind has.
fn sender_word(sender: &str) -> String {
    let mut word = format!("{ABOUT}u");
    for byte in sender.bytes() {
        // Writing to a text does not fail.
        let _ = write!(word, "{byte:02x}");
    }
    word
}

fn kind_word(kind: MessageType) -> String {
    let kind = match kind {
        MessageType::Text => "text",
        MessageType::Custom => "custom",
    };
    format!("{ABOUT}{kind}")
}

/// A keyword: words that follow each other.
#[derive(Debug)]
struct Phrase {
    words: String,
    /// Whether its last word may be the beginning of a longer one.
    end: End,
}

impl Phrase {
    /// Nothing for a keyword without a word.
    fn of(keyword: &str) -> Option<Self> {
        let mut words = String::new();
        let end = segment(keyword.trim_end(), &mut words);
        (!words.is_empty()).then_some(Self { words, end })
    }

    fn is_in(&self, text: &str) -> bool {
        let text = format!(" {text} ");
        let words = match self.end {
            End::InWord => format!(" {}", self.words),
            End::AfterWord => format!(" {} ", self.words),
        };
        text.as_bytes().windows(words.len()).any(|part| part == words.as_bytes())
    }

    fn expression(&self) -> String {
        match self.end {
            End::InWord => format!("\"{}\" *", self.words),
            End::AfterWord => format!("\"{}\"", self.words),
        }
    }
}

/// What is looked for in each message.
#[derive(Debug)]
pub(super) struct Wanted {
    phrases: Vec<Phrase>,
    match_type: KeywordListMatchType,
    senders: Vec<String>,
    kinds: Vec<String>,
}

impl Wanted {
    /// Nothing where no message can be what is wanted: a keyword without a word is in none.
    pub(super) fn new(
        keywords: &[String],
        match_type: KeywordListMatchType,
        senders: &[UserId],
        kinds: &[MessageType],
    ) -> Option<Self> {
        let phrases: Vec<Phrase> = keywords.iter().filter_map(|keyword| Phrase::of(keyword)).collect();
        let is_possible = match match_type {
            KeywordListMatchType::Or => !phrases.is_empty() || keywords.is_empty(),
            KeywordListMatchType::And => phrases.len() == keywords.len(),
        };
        let senders = senders.iter().map(|sender| sender_word(sender.as_str())).collect();
        let mut words = Vec::new();
        for kind in kinds.iter().map(|kind| kind_word(*kind)) {
            if !words.contains(&kind) {
                words.push(kind);
            }
        }
        is_possible.then_some(Self { phrases, match_type, senders, kinds: words })
    }

    /// In the language of FTS5. Words have nothing of its syntax in them.
    pub(super) fn expression(&self) -> String {
        let between = match self.match_type {
            KeywordListMatchType::Or => " OR ",
            KeywordListMatchType::And => " AND ",
        };
        let quoted = |word: &str| format!("\"{word}\"");
        let mut expression = String::new();
        add(&mut expression, "text", between, self.phrases.iter().map(Phrase::expression));
        add(&mut expression, "about", " OR ", self.senders.iter().map(|word| quoted(word)));
        add(&mut expression, "about", " OR ", self.kinds.iter().map(|word| quoted(word)));
        // Something is always looked for.
        expression.push(')');
        expression
    }

    /// Whether a message is what is wanted.
    pub(super) fn is_met_by(&self, words: &Words) -> bool {
        let is_about = |wanted: &str| words.about.split(' ').any(|word| word == wanted);
        let is_said = match self.match_type {
            KeywordListMatchType::Or => {
                self.phrases.is_empty() || self.phrases.iter().any(|phrase| phrase.is_in(&words.text))
            }
            KeywordListMatchType::And => self.phrases.iter().all(|phrase| phrase.is_in(&words.text)),
        };
        is_said
            && (self.senders.is_empty() || self.senders.iter().any(|sender| is_about(sender)))
            && (self.kinds.is_empty() || self.kinds.iter().any(|kind| is_about(kind)))
    }
}

/// Asks of a column that it has some words; nothing where there are none.
fn add(expression: &mut String, column: &str, between: &str, words: impl Iterator<Item = String>) {
    for (at, word) in words.enumerate() {
        if at > 0 {
            expression.push_str(between);
        } else {
            expression.push_str(if expression.is_empty() { "" } else { ") AND " });
            expression.push_str(column);
            expression.push_str(" : (");
        }
        expression.push_str(&word);
    }
}
