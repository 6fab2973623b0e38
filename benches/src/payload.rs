// SPDX-License-Identifier: Apache-2.0
//! What the messages say: who sent it, as which of theirs, and when. So the receiver counts what was lost, doubled or out
//! of order, in every protocol alike and without reading more of a frame than this text.

use std::collections::HashMap;
use std::sync::LazyLock;
use std::time::Instant;

use crate::socket::find;

/// What a text begins with; nothing else in a frame does.
const MARK: &[u8] = b"bench:";

/// `bench:` and three numbers of fixed width, each with a colon after it.
const SENDER_DIGITS: usize = 6;
const NUMBER_DIGITS: usize = 9;
const MICROS_DIGITS: usize = 14;

/// The bytes of a text of chat, filled up behind the numbers.
pub const TEXT_BYTES: usize = 100;

static BEGAN: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Microseconds on the clock that all connections of this process share.
pub fn now_us() -> u64 {
    u64::try_from(BEGAN.elapsed().as_micros()).unwrap_or(u64::MAX)
}

/// A message as its receiver needs to know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// Who sent it.
    pub sender: usize,
    /// Its place among those of this sender to this receiver, from 1.
    pub number: u64,
    /// When, on [`now_us`].
    pub sent_us: u64,
}

impl Stamp {
    /// The text of the message.
    pub fn text(&self) -> String {
        format!("{:.<TEXT_BYTES$}", self.head())
    }

    /// What the text begins with.
    pub fn head(&self) -> String {
        let Self { sender, number, sent_us } = self;
        format!("bench:{sender:06}:{number:09}:{sent_us:014}:")
    }

    /// What the text within a frame says; nothing where there is none.
    pub fn find(frame: &[u8]) -> Option<Self> {
        let rest = &frame[find(frame, MARK)? + MARK.len()..];
        let (sender, rest) = number(rest, SENDER_DIGITS)?;
        let (of_sender, rest) = number(rest, NUMBER_DIGITS)?;
        let (sent_us, _) = number(rest, MICROS_DIGITS)?;
        Some(Self { sender: usize::try_from(sender).ok()?, number: of_sender, sent_us })
    }
}

fn number(bytes: &[u8], digits: usize) -> Option<(u64, &[u8])> {
    let (text, rest) = bytes.split_at_checked(digits)?;
    let value = text
        .iter()
        .try_fold(0_u64, |value, digit| digit.is_ascii_digit().then(|| value * 10 + u64::from(digit - b'0')))?;
    Some((value, rest.strip_prefix(b":")?))
}

/// What went wrong among the messages of a run. All zero, or a figure means nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Faults {
    /// Acknowledged and never received.
    pub lost: u64,
    /// Received again.
    pub doubled: u64,
    /// Received after one that was sent later.
    pub misordered: u64,
    /// Refused.
    pub refused: u64,
}

impl Faults {
    /// Adds those of another.
    pub fn add(&mut self, other: Self) {
        self.lost += other.lost;
        self.doubled += other.doubled;
        self.misordered += other.misordered;
        self.refused += other.refused;
    }

    /// Whether there is none.
    pub fn is_clean(&self) -> bool {
        *self == Self::default()
    }
}

/// One receiver's account of what it got.
#[derive(Debug, Default)]
pub struct Received {
    senders: HashMap<usize, FromSender>,
}

#[derive(Debug, Default)]
struct FromSender {
    highest: u64,
    count: u64,
    /// Numbers passed over: lost, unless they still come.
    missing: std::collections::HashSet<u64>,
}

impl Received {
    /// Takes in a message, and notes what is wrong with its place.
    pub fn take(&mut self, stamp: Stamp, faults: &mut Faults) {
        let from = self.senders.entry(stamp.sender).or_default();
        if stamp.number > from.highest {
            from.missing.extend(from.highest + 1..stamp.number);
            from.highest = stamp.number;
            from.count += 1;
        } else if from.missing.remove(&stamp.number) {
            faults.misordered += 1;
            from.count += 1;
        } else {
            faults.doubled += 1;
        }
    }

    /// How many different messages of a sender came.
    pub fn count(&self, sender: usize) -> u64 {
        self.senders.get(&sender).map_or(0, |from| from.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_says_what_it_was_made_of_wherever_it_stands() {
        let stamp = Stamp { sender: 49, number: 123_456, sent_us: 987_654_321 };
        let text = stamp.text();
        assert_eq!(text.len(), TEXT_BYTES);
        assert_eq!(Stamp::find(format!("<body>{text}</body>").as_bytes()), Some(stamp));
        assert_eq!(Stamp::find(b"bench:000001:broken"), None);
    }

    #[test]
    fn lost_doubled_and_misordered_messages_are_told_apart() {
        let (mut received, mut faults) = (Received::default(), Faults::default());
        for number in [1, 2, 2, 5, 4] {
            received.take(Stamp { sender: 0, number, sent_us: 0 }, &mut faults);
        }
        assert_eq!(faults, Faults { doubled: 1, misordered: 1, ..Faults::default() });
        // Of five that were sent, the third never came.
        assert_eq!(received.count(0), 4);
    }
}
