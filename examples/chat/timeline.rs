// SPDX-License-Identifier: Apache-2.0
//! The messages of one conversation as far as they are loaded, oldest first, each once.
//!
//! Messages that were sent have a sequence and stand in its order. One that is on its way stands last. One that failed
//! stays where it failed.

use hongyan::message::{Message, MessageReceipt, MessageStatus};

/// Part of a conversation, without a gap, up to its newest message.
#[derive(Debug)]
pub struct Timeline {
    messages: Vec<Message>,
    has_older: bool,
}

impl Timeline {
    /// Nothing is loaded, so there may be something older.
    pub fn new() -> Self {
        Self { messages: Vec::new(), has_older: true }
    }

    /// What is loaded, oldest first.
    pub fn messages(&self) -> &[Message] {
        &self.messages
    }

    /// Whether a page before what is loaded may hold something.
    pub fn has_older(&self) -> bool {
        self.has_older
    }

    /// Says that a page before what is loaded may hold something after all: the server can know more than this device.
    pub fn expect_older(&mut self) {
        self.has_older = true;
    }

    /// Where a message stands.
    pub fn position(&self, message_id: &str) -> Option<usize> {
        self.messages.iter().position(|held| held.message_id == message_id)
    }

    /// Takes in a message that is new or changed.
    pub fn merge(&mut self, message: Message) {
        // It comes with the page that it belongs to.
        if !self.lies_before_what_is_loaded(&message) {
            self.put(message);
        }
    }

    /// Takes in the page before what is loaded, newest first as history gives it.
    pub fn prepend(&mut self, page: Vec<Message>, is_finished: bool) {
        let older: Vec<_> = page.into_iter().rev().filter(|new| self.position(&new.message_id).is_none()).collect();
        self.messages.splice(0..0, older);
        self.has_older = !is_finished;
    }

    /// Takes in the newest page. Where it does not reach what is loaded, it takes its place: what lies between comes
    /// by paging back.
    pub fn refresh(&mut self, page: Vec<Message>, is_finished: bool) {
        let first = page.iter().map(|new| new.seq).filter(|seq| *seq > 0).min().unwrap_or(0);
        // A message that came as an event says nothing of those before it.
        let is_apart = first > 1 && !self.messages.iter().any(|held| held.seq == first - 1);
        if self.messages.is_empty() || is_apart {
            self.messages.clear();
            self.prepend(page, is_finished);
        } else {
            page.into_iter().rev().for_each(|message| self.put(message));
            self.has_older &= !is_finished;
        }
    }

    /// The peer has read up to a sequence.
    pub fn apply_receipt(&mut self, receipt: &MessageReceipt) {
        let is_read = |held: &Message| held.is_self && held.seq > 0 && held.seq <= receipt.seq;
        self.messages.iter_mut().filter(|held| is_read(held)).for_each(|held| held.is_peer_read = true);
    }

    fn put(&mut self, message: Message) {
        if let Some(at) = self.position(&message.message_id) {
            if self.messages[at].seq == message.seq {
                self.messages[at] = message;
                return;
            }
            self.messages.remove(at);
        }
        let at = self.place_of(&message);
        self.messages.insert(at, message);
    }

    fn lies_before_what_is_loaded(&self, message: &Message) -> bool {
        let first = self.messages.iter().map(|held| held.seq).find(|seq| *seq > 0);
        self.has_older && message.seq > 0 && first.is_some_and(|first| message.seq < first)
    }

    fn place_of(&self, message: &Message) -> usize {
        if message.seq == 0 {
            return self.messages.len();
        }
        let before = self.messages.iter().rposition(|held| held.seq > 0 && held.seq < message.seq);
        let at = before.map_or(0, |before| before + 1);
        at + self.messages[at..].iter().take_while(|held| held.status == MessageStatus::Failed).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{mine, sending, theirs};

    fn ids(timeline: &Timeline) -> Vec<&str> {
        timeline.messages().iter().map(|message| message.message_id.as_str()).collect()
    }

    fn page(seqs: std::ops::RangeInclusive<i64>) -> Vec<Message> {
        seqs.rev().map(|seq| theirs(seq, "text")).collect()
    }

    #[test]
    fn a_message_on_its_way_stands_last_and_moves_to_its_sequence() {
        let mut timeline = Timeline::new();
        timeline.prepend(page(1..=2), true);
        timeline.merge(sending("a", "mine"));
        timeline.merge(theirs(3, "theirs"));
        assert_eq!(ids(&timeline), ["1", "2", "3", "a"]);
        timeline.merge(theirs(5, "later"));
        timeline.merge(Message { message_id: "a".into(), ..mine(4, "mine") });
        assert_eq!(ids(&timeline), ["1", "2", "3", "a", "5"]);
    }

    #[test]
    fn a_failed_message_stays_where_it_failed() {
        let mut timeline = Timeline::new();
        timeline.prepend(page(1..=2), true);
        timeline.merge(sending("a", "lost"));
        timeline.merge(Message { status: MessageStatus::Failed, ..sending("a", "lost") });
        timeline.merge(theirs(3, "theirs"));
        assert_eq!(ids(&timeline), ["1", "2", "a", "3"]);
    }

    #[test]
    fn pages_join_without_repeating() {
        let mut timeline = Timeline::new();
        timeline.merge(theirs(6, "came before the first page"));
        timeline.refresh(page(4..=6), false);
        timeline.prepend(page(1..=4), true);
        assert_eq!(ids(&timeline), ["1", "2", "3", "4", "5", "6"]);
        assert!(!timeline.has_older());
    }

    #[test]
    fn a_newest_page_beyond_a_gap_takes_the_place_of_what_is_loaded() {
        let mut timeline = Timeline::new();
        timeline.refresh(page(1..=3), true);
        timeline.refresh(page(3..=5), false);
        assert_eq!(ids(&timeline), ["1", "2", "3", "4", "5"]);
        timeline.refresh(page(20..=22), false);
        assert_eq!(ids(&timeline), ["20", "21", "22"]);
        timeline.merge(theirs(10, "fills a hole that is not loaded"));
        assert_eq!(ids(&timeline), ["20", "21", "22"]);
        assert!(timeline.has_older());
    }

    #[test]
    fn a_receipt_marks_own_messages_up_to_its_sequence() {
        let mut timeline = Timeline::new();
        timeline.prepend(vec![mine(3, "c"), theirs(2, "b"), mine(1, "a")], true);
        timeline.merge(sending("z", "d"));
        let receipt =
            MessageReceipt { user_id: "bob".into(), conversation_id: "c2c_bob".into(), seq: 2, timestamp_ms: 0 };
        timeline.apply_receipt(&receipt);
        let read: Vec<bool> = timeline.messages().iter().map(|message| message.is_peer_read).collect();
        assert_eq!(read, [true, false, false, false]);
    }
}
