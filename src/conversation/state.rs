// SPDX-License-Identifier: Apache-2.0
//! What this device knows of one conversation, and how it learns: a pure function for each thing that the server
//! can say.
//!
//! They may come in any order and more than once, from pushes, pages and heads that were read at different
//! times. So each of them either only raises a number that never falls in the log itself, or carries the
//! version that says which of two is the later; that is why every order ends in the same state.

use hongyan_protocol::conversation::{ConversationState, Head, unread};
use hongyan_protocol::ids::{ChangeSeq, ConversationId, LogId, Seq, SeqRange, UserId, Version};
use hongyan_protocol::message::{Message, SentMessage};

use crate::listener::events::ConversationRow;
use crate::sync::ranges::RangeSet;

/// A hole of at most this many sequences is filled before what comes after it is delivered. A larger one is
/// recorded, the newest page is shown, and it is filled when somebody reads there.
pub(crate) const LIVE_HOLE_MAX: i64 = 200;

/// What this device knows of one conversation.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Known {
    pub(crate) row: ConversationRow,
    pub(crate) id: ConversationId,
    pub(crate) log: Option<LogId>,
    pub(crate) own: OwnRow,
    /// The user's own counted messages in all.
    pub(crate) own_counted: i64,
    pub(crate) max_seq: Seq,
    pub(crate) change_seq: ChangeSeq,
    pub(crate) counted: i64,
    pub(crate) order_key: i64,
    pub(crate) peer_read_seq: Seq,
    pub(crate) peer_read_ms: i64,
    /// Up to here listeners were told of messages, or it was decided not to tell.
    pub(crate) frontier: Option<Seq>,
    pub(crate) name: String,
    pub(crate) face_url: String,
    pub(crate) group_type: Option<String>,
    pub(crate) draft_ms: i64,
    /// Raises the conversation on this device alone: the time of its draft or latest unsent message.
    pub(crate) local_key: i64,
    pub(crate) held: RangeSet,
}

/// The part that changes only with the user's own stream, as of one version of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OwnRow {
    pub(crate) version: Version,
    pub(crate) visible_from: Seq,
    pub(crate) visible_to: Option<Seq>,
    pub(crate) read_seq: Seq,
    pub(crate) base_counted: i64,
    pub(crate) base_own: i64,
}

impl Default for OwnRow {
    fn default() -> Self {
        Self {
            version: Version::ZERO,
            visible_from: Seq::ZERO.next(),
            visible_to: None,
            read_seq: Seq::ZERO,
            base_counted: 0,
            base_own: 0,
        }
    }
}

/// How a log that the server names stands to the one that was known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LogMeeting {
    /// It is the one.
    Same,
    /// It took the known one's place: the group was made anew. What was cached of the old one is void.
    Replaced,
    /// It is one that is gone; whatever is said of it comes too late.
    Gone,
}

/// What is to be done for the messages that listeners have not been told of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// Nothing: they know all there is.
    Rest,
    /// These are there, without a hole.
    Deliver(SeqRange),
    /// These are missing before something that is there; few enough to fetch at once.
    Fill(SeqRange),
    /// Too many are missing: the heads are to be compared.
    CatchUp,
}

impl Known {
    /// A conversation of which nothing is known.
    pub(crate) fn nothing(row: ConversationRow, id: ConversationId) -> Self {
        Self {
            row,
            id,
            log: None,
            own: OwnRow::default(),
            own_counted: 0,
            max_seq: Seq::ZERO,
            change_seq: ChangeSeq::ZERO,
            counted: 0,
            order_key: 0,
            peer_read_seq: Seq::ZERO,
            peer_read_ms: 0,
            frontier: None,
            name: String::new(),
            face_url: String::new(),
            group_type: None,
            draft_ms: 0,
            local_key: 0,
            held: RangeSet::default(),
        }
    }

    /// How many messages are unread.
    pub(crate) fn unread(&self) -> i64 {
        unread(self.counted, self.own_counted, self.own.base_counted, self.own.base_own)
    }

    /// Where it stands in the list; 0 is nowhere.
    pub(crate) fn list_key(&self) -> i64 {
        self.order_key.max(self.local_key)
    }

    /// To be asked before anything that the server says of a log is applied. After [`LogMeeting::Replaced`] nothing
    /// is known of the conversation but what is this device's own.
    pub(crate) fn meet_log(&mut self, log: LogId) -> LogMeeting {
        match self.log {
            None => {
                self.log = Some(log);
                LogMeeting::Same
            }
            Some(known) if known == log => LogMeeting::Same,
            // Log ids rise and are never used again.
            Some(known) if known > log => LogMeeting::Gone,
            Some(_) => {
                let fresh = Self::nothing(self.row, self.id.clone());
                *self = Self { log: Some(log), draft_ms: self.draft_ms, local_key: self.local_key, ..fresh };
                LogMeeting::Replaced
            }
        }
    }

    /// Takes in the user's own row.
    pub(crate) fn apply_own(&mut self, state: &ConversationState) {
        self.own_counted = self.own_counted.max(state.own_counted);
        if state.version > self.own.version {
            self.own = OwnRow {
                version: state.version,
                visible_from: state.visible_from.max(Seq::ZERO.next()),
                visible_to: state.visible_to,
                read_seq: state.read_seq,
                base_counted: state.base_counted,
                base_own: state.base_own,
            };
        }
    }

    /// Takes in a head.
    pub(crate) fn apply_head(&mut self, head: &Head) {
        self.apply_own(&head.state);
        self.max_seq = self.max_seq.max(head.max_seq);
        self.change_seq = self.change_seq.max(head.change_seq);
        self.counted = self.counted.max(head.counted);
        self.order_key = self.order_key.max(head.order_key);
        if let Some(seq) = head.peer_read_seq {
            self.apply_peer_read(seq, 0);
        }
        if let Some(group) = &head.group {
            self.name.clone_from(&group.name);
            self.face_url.clone_from(&group.face_url);
            self.group_type = Some(group.group_type.clone());
        }
        if let Some(peer) = &head.peer {
            self.name.clone_from(&peer.nick);
            self.face_url.clone_from(&peer.face_url);
        }
    }

    /// Takes in a message that is being stored.
    pub(crate) fn apply_message(&mut self, message: &Message, user: &UserId) {
        // The newest message of the peer shows the name that the list is to show.
        let is_newest = message.seq > self.max_seq;
        if is_newest && matches!(&self.id, ConversationId::C2c(peer) if *peer == message.sender) {
            self.name.clone_from(&message.sender_nick);
            self.face_url.clone_from(&message.sender_face_url);
        }
        let own_counted = if message.sender == *user { message.sender_counted } else { 0 };
        self.apply_place(message.seq, message.server_ms, message.counted, own_counted);
    }

    /// Takes in what the server made of a message that was sent from here.
    pub(crate) fn apply_sent(&mut self, sent: &SentMessage) {
        self.apply_place(sent.seq, sent.server_ms, sent.counted, sent.sender_counted);
    }

    fn apply_place(&mut self, seq: Seq, server_ms: i64, counted: i64, own_counted: i64) {
        self.held.insert(SeqRange::new(seq, seq));
        self.max_seq = self.max_seq.max(seq);
        self.order_key = self.order_key.max(server_ms);
        self.counted = self.counted.max(counted);
        self.own_counted = self.own_counted.max(own_counted);
    }

    /// Takes in how far the peer of a one-to-one conversation has read; `seq_ms` is 0 where it is not known.
    pub(crate) fn apply_peer_read(&mut self, seq: Seq, seq_ms: i64) {
        if seq > self.peer_read_seq {
            self.peer_read_ms = seq_ms;
        } else if seq == self.peer_read_seq {
            self.peer_read_ms = self.peer_read_ms.max(seq_ms);
        }
        self.peer_read_seq = self.peer_read_seq.max(seq);
    }

    /// Decides from where on listeners are told, where that is still open: on an install that has never
    /// been synchronised what there is already is history, on any other a conversation that appears is new.
    /// `history_to` is the last sequence that is history then.
    pub(crate) fn settle_frontier(&mut self, is_first_sync: bool, history_to: Seq) {
        if self.frontier.is_none() {
            self.frontier = Some(if is_first_sync { history_to } else { Seq::ZERO });
        }
    }

    /// The first sequence that listeners have yet to hear of.
    pub(crate) fn next_unheard(&self) -> Option<Seq> {
        self.frontier.map(|frontier| frontier.next().max(self.own.visible_from))
    }

    /// What is to be done next for the messages that listeners have not been told of.
    pub(crate) fn step(&self) -> Step {
        let (Some(from), Some(last)) = (self.next_unheard(), self.held.last()) else {
            return Step::Rest;
        };
        if from > last {
            return Step::Rest;
        }
        if let Some(run) = self.held.find(from) {
            return Step::Deliver(SeqRange::new(from, run.to));
        }
        match self.held.missing(SeqRange::new(from, last)).first() {
            Some(hole) if hole.count() <= LIVE_HOLE_MAX => Step::Fill(*hole),
            _ => Step::CatchUp,
        }
    }
}
