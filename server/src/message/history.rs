// SPDX-License-Identifier: Apache-2.0
//! Pages of a log, with what each of them says about every sequence it speaks for.

use hongyan_protocol::codes::Code;
use hongyan_protocol::ids::{Seq, SeqRange};
use hongyan_protocol::limits::{MESSAGES_PER_PAGE_MAX, PACKET_BYTES_MAX};
use hongyan_protocol::message::{GetMessages, Message, MessagePage, Page};

use super::queries::Stored;
use super::{Messages, queries};
use crate::error::Error;
use crate::rooms::Caller;

/// What the messages of one page may take of a frame.
const PAGE_BYTES_MAX: usize = PACKET_BYTES_MAX / 2;

/// What a message takes of a frame beside its texts.
const ENVELOPE_BYTES: usize = 512;

impl Messages {
    pub(crate) async fn get_messages(&self, caller: &Caller, params: GetMessages) -> Result<MessagePage, Error> {
        if params.limit == 0 || params.limit > MESSAGES_PER_PAGE_MAX {
            return Err(Error::new(Code::BAD_PARAMETER, "a page has 1 to 200 messages"));
        }
        let (mut read, view) = self.conversations.open_view(caller, &params.of).await?;
        let (log, max_seq) = (view.head.id, view.head.max_seq);
        let mut plan = Plan::new(params.page, i64::from(params.limit), view.visible_from, max_seq);
        let messages = if plan.shown.is_empty() {
            Vec::new()
        } else {
            let messages = queries::list(&mut read, log, &view.head.key, plan.shown).await?;
            if i64::try_from(messages.len()) != Ok(plan.shown.count()) {
                return Err(Error::internal(format!("reading a page of log {log}"), "a log that is not dense"));
            }
            plan.keep_what_fits(params.page, messages)
        };
        let (covered, hidden) = plan.speak_for(params.page, view.visible_from);
        Ok(MessagePage { log, covered, hidden, messages, max_seq, visible_from: view.visible_from })
    }
}

/// Which part of a log a page is about.
struct Plan {
    /// All that lies that way, nearest bound first where `Before` counts down.
    asked: SeqRange,
    /// The messages that the page holds.
    shown: SeqRange,
}

const FIRST: Seq = Seq::ZERO.next();

impl Plan {
    /// Hidden sequences do not count against the limit, or a viewer who came late would page through nothing.
    fn new(page: Page, limit: i64, visible_from: Seq, max_seq: Seq) -> Self {
        match page {
            Page::Before(bound) => {
                let to = bound.map_or(max_seq, |bound| bound.previous().min(max_seq));
                let from = seq(to.get() - limit + 1).max(visible_from);
                Self { asked: SeqRange::new(FIRST, to), shown: SeqRange::new(from, to) }
            }
            Page::After(bound) => {
                let from = bound.next().max(visible_from);
                let to = seq(from.get() + limit - 1).min(max_seq);
                // Beyond the end there is nothing, whatever bound was named.
                let end = max_seq.max(bound);
                Self { asked: SeqRange::new(bound.next(), end), shown: SeqRange::new(from, to) }
            }
        }
    }

    /// Keeps the messages nearest to the bound that fit a frame together, at least one.
    fn keep_what_fits(&mut self, page: Page, mut messages: Vec<Stored>) -> Vec<Message> {
        let mut bytes = 0;
        let mut fits = |stored: &Stored| {
            bytes += ENVELOPE_BYTES + stored.text_bytes;
            bytes <= PAGE_BYTES_MAX
        };
        match page {
            Page::Before(_) => {
                let kept = messages.iter().rev().take_while(|stored| fits(stored)).count().max(1);
                messages.drain(..messages.len() - kept);
                self.shown.from = messages[0].message.seq;
            }
            Page::After(_) => {
                let kept = messages.iter().take_while(|stored| fits(stored)).count().max(1);
                messages.truncate(kept);
                self.shown.to = messages[kept - 1].message.seq;
            }
        }
        messages.into_iter().map(|stored| stored.message).collect()
    }

    /// The sequences that the page speaks for, and those of them that the viewer may not see.
    fn speak_for(&self, page: Page, visible_from: Seq) -> (SeqRange, Vec<SeqRange>) {
        let hidden = SeqRange::new(self.asked.from, self.asked.to.min(visible_from.previous()));
        let covered = if self.shown.is_empty() {
            // Nothing, or nothing but what is hidden.
            hidden
        } else {
            match page {
                Page::Before(_) if self.shown.from > visible_from => self.shown,
                Page::Before(_) => SeqRange::new(self.asked.from, self.shown.to),
                Page::After(_) => SeqRange::new(self.asked.from, self.shown.to),
            }
        };
        let is_spoken_for = !hidden.is_empty() && covered.contains(hidden.from);
        (covered, if is_spoken_for { vec![hidden] } else { Vec::new() })
    }
}

/// A sequence from a number that may have fallen below the first.
fn seq(number: i64) -> Seq {
    Seq::parse(number.max(1)).unwrap_or(FIRST)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(number: i64) -> Seq {
        Seq::parse(number).unwrap()
    }

    /// What is shown, covered and hidden of a log of 100 that the viewer sees from 41 on.
    fn page(page: Page, limit: i64) -> (SeqRange, SeqRange, Vec<SeqRange>) {
        let plan = Plan::new(page, limit, at(41), at(100));
        let (covered, hidden) = plan.speak_for(page, at(41));
        (plan.shown, covered, hidden)
    }

    fn range(from: i64, to: i64) -> SeqRange {
        SeqRange::new(at(from), at(to))
    }

    #[test]
    fn pages_towards_the_beginning_end_with_all_that_is_hidden() {
        assert_eq!(page(Page::Before(None), 20), (range(81, 100), range(81, 100), vec![]));
        assert_eq!(page(Page::Before(Some(at(81))), 20), (range(61, 80), range(61, 80), vec![]));
        assert_eq!(page(Page::Before(Some(at(61))), 20), (range(41, 60), range(1, 60), vec![range(1, 40)]));
        assert_eq!(page(Page::Before(Some(at(50))), 20), (range(41, 49), range(1, 49), vec![range(1, 40)]));
        let (shown, covered, hidden) = page(Page::Before(Some(at(41))), 20);
        assert!(shown.is_empty());
        assert_eq!((covered, hidden), (range(1, 40), vec![range(1, 40)]));
        assert_eq!(page(Page::Before(Some(at(5000))), 1).0, range(100, 100));
    }

    #[test]
    fn pages_towards_the_end_begin_with_all_that_is_hidden() {
        assert_eq!(page(Page::After(at(0)), 20), (range(41, 60), range(1, 60), vec![range(1, 40)]));
        assert_eq!(page(Page::After(at(30)), 20), (range(41, 60), range(31, 60), vec![range(31, 40)]));
        assert_eq!(page(Page::After(at(60)), 20), (range(61, 80), range(61, 80), vec![]));
        assert_eq!(page(Page::After(at(90)), 20), (range(91, 100), range(91, 100), vec![]));
    }

    #[test]
    fn beyond_either_end_a_page_speaks_for_nothing() {
        for bound in [Page::After(at(100)), Page::After(at(700)), Page::Before(Some(at(1))), Page::Before(Some(at(0)))]
        {
            let (shown, covered, hidden) = page(bound, 20);
            assert!(shown.is_empty() && covered.is_empty() && hidden.is_empty(), "{bound:?}");
        }
    }

    #[test]
    fn an_empty_log_has_an_empty_page() {
        for bound in [Page::After(at(0)), Page::Before(None), Page::Before(Some(at(9)))] {
            let plan = Plan::new(bound, 20, at(1), at(0));
            let (covered, hidden) = plan.speak_for(bound, at(1));
            assert!(plan.shown.is_empty() && covered.is_empty() && hidden.is_empty(), "{bound:?}");
        }
    }
}
