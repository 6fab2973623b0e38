// SPDX-License-Identifier: Apache-2.0
//! One write of what the server told: loaded, changed in memory, saved in a handful of statements and committed
//! together, however much it is. Listeners hear of it afterwards.

use std::collections::{BTreeMap, HashMap, HashSet};

use hongyan_protocol::codes::Code;
use hongyan_protocol::conversation::{ConversationStates, Head};
use hongyan_protocol::ids::{ConversationId, LogId, MessageId, Seq, SeqRange, UserId};
use hongyan_protocol::message::{ChangeKind, NewChange, SentMessage};

use crate::conversation::queries as conversations;
use crate::conversation::state::{Known, LogMeeting, Step};
use crate::error::ImError;
use crate::listener::events::{ConversationRow, EventRef};
use crate::message::queries::{self as messages, IndexRow, NewRow, SentRow};
use crate::store::{Store, Transaction, to_json};
use crate::sync::queries::{self, SyncState};
use crate::sync::ranges::RangeSet;
use crate::sync::raw::{RawMessage, RawPage};

/// One write of what the server told.
pub(crate) struct Batch {
    store: Store,
    user: UserId,
    tx: Transaction,
    /// In a fixed order, so that what listeners hear does not depend on chance.
    known: BTreeMap<ConversationId, Loaded>,
    state: SyncState,
    state_before: SyncState,
    rows: Vec<NewRow>,
    sent: Vec<SentRow>,
    failed: Vec<(MessageId, i32)>,
    /// Whose logs are others now: what was stored of the old ones goes.
    replaced: Vec<ConversationRow>,
    delivered: Vec<(ConversationRow, SeqRange)>,
    /// Whose drafts or unsent messages changed.
    touched: HashSet<ConversationRow>,
}

struct Loaded {
    before: Known,
    now: Known,
}

/// What became of a write that was committed.
#[derive(Debug, Default)]
pub(crate) struct Written {
    /// What listeners are to hear.
    pub(crate) events: Vec<EventRef>,
    /// Messages sent from here that are known to have arrived now.
    pub(crate) arrived: Vec<MessageId>,
    /// Messages sent from here that failed now.
    pub(crate) failed: Vec<(MessageId, Code)>,
}

/// Why a write was not made.
#[derive(Debug)]
pub(crate) enum WriteError {
    /// The server names another message at a place than it did before, or breaks the rules of a page: its store is
    /// not the one it was. What was cached is to be dropped.
    Contradiction(&'static str),
    /// The local store failed, or the server could not be asked.
    Failed(ImError),
}

impl From<ImError> for WriteError {
    fn from(error: ImError) -> Self {
        Self::Failed(error)
    }
}

impl From<sqlx::Error> for WriteError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Database(database) if database.is_unique_violation() => {
                Self::Contradiction("another message than before at a place of a log")
            }
            _ => Self::Failed(error.into()),
        }
    }
}

impl From<WriteError> for ImError {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Contradiction(what) => Self::new(Code::DECODE_FAILED, what),
            WriteError::Failed(error) => error,
        }
    }
}

impl Batch {
    /// Begins a write that will touch some conversations.
    pub(crate) async fn begin(
        store: &Store,
        user: &UserId,
        ids: impl IntoIterator<Item = ConversationId>,
    ) -> Result<Self, ImError> {
        let mut tx = store.begin().await?;
        let state = queries::load(&mut tx).await?;
        let mut batch = Self {
            store: store.clone(),
            user: user.clone(),
            tx,
            known: BTreeMap::new(),
            state_before: state.clone(),
            state,
            rows: Vec::new(),
            sent: Vec::new(),
            failed: Vec::new(),
            replaced: Vec::new(),
            delivered: Vec::new(),
            touched: HashSet::new(),
        };
        batch.load(ids).await?;
        Ok(batch)
    }

    /// Loads further conversations; those that are loaded stay as they are.
    pub(crate) async fn load(&mut self, ids: impl IntoIterator<Item = ConversationId>) -> Result<(), ImError> {
        let mut ids: Vec<ConversationId> = ids.into_iter().filter(|id| !self.known.contains_key(id)).collect();
        ids.sort_unstable();
        ids.dedup();
        if ids.is_empty() {
            return Ok(());
        }
        let loaded = conversations::load_or_insert(&mut self.tx, &ids).await?;
        let rows: Vec<ConversationRow> = loaded.iter().map(|known| known.row).collect();
        let mut held = messages::load_held(&mut self.tx, &rows).await?;
        for mut known in loaded {
            known.held = held.remove(&known.row).unwrap_or_default();
            self.known.insert(known.id.clone(), Loaded { before: known.clone(), now: known });
        }
        Ok(())
    }

    /// Loads the conversations of messages that were sent from here.
    pub(crate) async fn load_senders_of(
        &mut self,
        ids: &[MessageId],
    ) -> Result<HashMap<MessageId, ConversationId>, ImError> {
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        let rows = messages::conversations_of(&mut self.tx, ids).await?;
        let wanted: Vec<ConversationRow> = rows.values().copied().collect();
        let found = conversations::find_ids(&mut self.tx, &wanted).await?;
        self.load(found).await?;
        let by_row: HashMap<ConversationRow, ConversationId> =
            self.known.values().map(|loaded| (loaded.now.row, loaded.now.id.clone())).collect();
        Ok(rows.into_iter().filter_map(|(id, row)| Some((id, by_row.get(&row)?.clone()))).collect())
    }

    /// What is known of the server.
    pub(crate) fn state(&mut self) -> &mut SyncState {
        &mut self.state
    }

    /// The transaction, for what belongs to the same write.
    pub(crate) fn tx(&mut self) -> &mut Transaction {
        &mut self.tx
    }

    /// What is known of a conversation that was loaded.
    pub(crate) fn find(&mut self, id: &ConversationId) -> Option<&mut Known> {
        self.known.get_mut(id).map(|loaded| &mut loaded.now)
    }

    /// Meets a log before anything that is said of it is applied: nothing where it comes too late.
    fn meet(&mut self, id: &ConversationId, log: LogId) -> Option<&mut Known> {
        let known = self.known.get_mut(id).map(|loaded| &mut loaded.now)?;
        match known.meet_log(log) {
            LogMeeting::Same => Some(known),
            LogMeeting::Gone => None,
            LogMeeting::Replaced => {
                let row = known.row;
                self.replaced.push(row);
                self.rows.retain(|new| new.conversation != row.0);
                self.delivered.retain(|(delivered, _)| *delivered != row);
                Some(known)
            }
        }
    }

    /// Takes in a message.
    pub(crate) fn add_message(&mut self, id: &ConversationId, log: LogId, raw: RawMessage) {
        let (user, is_first) = (self.user.clone(), self.state.is_first_sync());
        let Some(known) = self.meet(id, log) else { return };
        known.settle_frontier(is_first, raw.message.seq.previous());
        known.apply_message(&raw.message, &user);
        let row = known.row;
        self.push_row(row, raw);
    }

    fn push_row(&mut self, row: ConversationRow, raw: RawMessage) {
        let RawMessage { message, text } = raw;
        let found = IndexRow::of(row.0, message.seq.get(), message.sender.as_str(), &message.body.elements);
        self.rows.push(NewRow {
            id: message.id,
            conversation: row.0,
            seq: message.seq,
            sender: message.sender,
            nick: message.sender_nick,
            face_url: message.sender_face_url,
            server_ms: message.server_ms,
            body: text,
            found,
        });
    }

    /// Takes in a page of a log.
    pub(crate) fn add_page(&mut self, id: &ConversationId, page: RawPage) -> Result<(), WriteError> {
        if !page.is_whole() {
            return Err(WriteError::Contradiction("a page of messages does not cover what it says it covers"));
        }
        let user = self.user.clone();
        let Some(known) = self.meet(id, page.log) else {
            // Whoever asked would ask for it for ever.
            return Err(WriteError::Contradiction("a page of a log that is gone"));
        };
        known.own.visible_from = known.own.visible_from.max(page.visible_from);
        for raw in &page.messages {
            known.apply_message(&raw.message, &user);
        }
        known.held.insert(page.covered);
        known.max_seq = known.max_seq.max(page.max_seq);
        let row = known.row;
        for raw in page.messages {
            self.push_row(row, raw);
        }
        Ok(())
    }

    /// Takes in a head.
    pub(crate) fn add_head(&mut self, id: &ConversationId, head: &Head, last: Option<RawMessage>) {
        let (user, is_first) = (self.user.clone(), self.state.is_first_sync());
        let Some(known) = self.meet(id, head.state.log) else { return };
        known.settle_frontier(is_first, head.max_seq);
        known.apply_head(head);
        let Some(last) = last else { return };
        known.apply_message(&last.message, &user);
        let row = known.row;
        self.push_row(row, last);
    }

    /// Takes in what the server made of a message that was sent from here.
    pub(crate) fn add_sent(&mut self, conversation: &ConversationId, id: MessageId, sent: &SentMessage) {
        let is_first = self.state.is_first_sync();
        let Some(known) = self.meet(conversation, sent.log) else {
            // It went to a group that is gone; another has its id now.
            return self.add_failed(conversation, id, Code::GROUP_NOT_FOUND);
        };
        known.settle_frontier(is_first, sent.seq.previous());
        known.apply_sent(sent);
        let conversation = known.row.0;
        self.sent.push(SentRow { id, conversation, seq: sent.seq, server_ms: sent.server_ms });
    }

    /// Marks a message that was sent from here as failed, and takes it out of the outbox.
    pub(crate) fn add_failed(&mut self, conversation: &ConversationId, id: MessageId, code: Code) {
        self.failed.push((id, code.0));
        self.touch(conversation, None);
    }

    /// Takes in rows of the user's own.
    pub(crate) fn add_states(&mut self, states: &ConversationStates) {
        let user = self.user.clone();
        for state in &states.states {
            let Some(id) = state.key.seen_by(&user) else { continue };
            if let Some(known) = self.meet(&id, state.log) {
                known.apply_own(state);
            }
        }
    }

    /// Takes in a change. Says whether one before it is missing.
    pub(crate) fn add_change(&mut self, id: &ConversationId, event: &NewChange) -> bool {
        let user = self.user.clone();
        let Some(known) = self.meet(id, event.log) else { return false };
        let is_gap = event.change.change_seq > known.change_seq.next();
        if !is_gap {
            known.change_seq = known.change_seq.max(event.change.change_seq);
        }
        match &event.change.kind {
            ChangeKind::Read { user: reader, seq, seq_ms } if *reader != user => known.apply_peer_read(*seq, *seq_ms),
            ChangeKind::Read { .. } | ChangeKind::Unknown => {}
        }
        is_gap
    }

    /// Marks a conversation as changed on this device alone: its draft, or what is not sent of it.
    pub(crate) fn touch(&mut self, id: &ConversationId, draft_ms: Option<i64>) {
        let Some(Loaded { now, .. }) = self.known.get_mut(id) else { return };
        now.draft_ms = draft_ms.unwrap_or(now.draft_ms);
        self.touched.insert(now.row);
    }

    /// Delivers what can be delivered of each conversation that was loaded, and says what must be done for the
    /// others.
    pub(crate) fn deliver(&mut self) -> Vec<(ConversationId, Step)> {
        let mut steps = Vec::new();
        for (id, loaded) in &mut self.known {
            loop {
                match loaded.now.step() {
                    Step::Rest => break,
                    Step::Deliver(range) => {
                        loaded.now.frontier = Some(range.to);
                        self.delivered.push((loaded.now.row, range));
                    }
                    step @ (Step::Fill(_) | Step::CatchUp) => {
                        steps.push((id.clone(), step));
                        break;
                    }
                }
            }
        }
        steps
    }

    /// Whether a conversation appeared whose name and picture were not among what was told: only a head has them.
    pub(crate) fn has_nameless(&self) -> bool {
        self.known.values().any(|Loaded { before, now }| {
            let is_met = before.log.is_none() && now.log.is_some();
            let is_named = match &now.id {
                ConversationId::Group(_) => now.group_type.is_some(),
                ConversationId::C2c(peer) => {
                    self.rows.iter().any(|row| row.conversation == now.row.0 && row.sender == *peer)
                }
            };
            is_met && !is_named
        })
    }

    /// Writes everything and commits it.
    pub(crate) async fn save(mut self) -> Result<Written, WriteError> {
        messages::forget(&mut self.tx, &self.replaced).await?;
        let arrived = self.save_messages().await?;
        self.save_known(!arrived.is_empty() || !self.failed.is_empty()).await?;
        if self.state != self.state_before {
            queries::save(&mut self.tx, &self.state).await?;
        }
        let mut events = self.events();
        events.extend(arrived.iter().map(|id| EventRef::MessageStatus(*id)));
        events.extend(self.failed.iter().map(|(id, _)| EventRef::MessageStatus(*id)));
        let failed = self.failed.iter().map(|(id, code)| (*id, Code(*code))).collect();
        self.store.commit(self.tx).await?;
        Ok(Written { events, arrived, failed })
    }

    /// Stores messages and what became of those that were sent from here; which of these are known to have arrived.
    async fn save_messages(&mut self) -> Result<Vec<MessageId>, WriteError> {
        let own = self.rows.iter().filter(|row| row.sender == self.user).map(|row| row.id);
        let own: Vec<MessageId> = own.chain(self.sent.iter().map(|sent| sent.id)).collect();
        let arrived = messages::list_unsent_among(&mut self.tx, &own).await?;
        if !self.rows.is_empty() {
            if has_two_at_one_place(&self.rows) {
                return Err(WriteError::Contradiction("two messages at one place of a log"));
            }
            let rows = to_json(&self.rows)?;
            if messages::is_contradicted(&mut self.tx, &rows).await? {
                return Err(WriteError::Contradiction("another message than before at a place of a log"));
            }
            messages::insert(&mut self.tx, &self.rows, &rows).await?;
        }
        if !self.sent.is_empty() {
            if messages::is_contradicted(&mut self.tx, &to_json(&self.sent)?).await? {
                return Err(WriteError::Contradiction("another message than before where one was sent to"));
            }
            messages::set_sent(&mut self.tx, &self.sent).await?;
        }
        messages::set_failed(&mut self.tx, &self.failed).await?;
        let failed = self.failed.iter().map(|(id, _)| *id);
        messages::dequeue(&mut self.tx, &arrived.iter().copied().chain(failed).collect::<Vec<_>>()).await?;
        Ok(arrived)
    }

    /// Stores what is known of conversations and held of their logs.
    async fn save_known(&mut self, has_own_changed: bool) -> Result<(), WriteError> {
        // A message that arrived or failed no longer raises its conversation on this device, or still does.
        let is_raised = |known: &Known| has_own_changed && known.local_key > 0 || self.touched.contains(&known.row);
        let raised: Vec<ConversationRow> =
            self.known.values().filter(|loaded| is_raised(&loaded.now)).map(|loaded| loaded.now.row).collect();
        let unsent = messages::latest_unsent_ms(&mut self.tx, &raised).await?;
        for known in self.known.values_mut().map(|loaded| &mut loaded.now).filter(|known| raised.contains(&known.row)) {
            known.local_key = known.draft_ms.max(unsent.get(&known.row).copied().unwrap_or(0));
        }
        let met = self.known.values().filter(|loaded| loaded.now.log != loaded.before.log);
        let ends: Vec<_> = met.map(|loaded| (loaded.now.row, loaded.now.max_seq)).collect();
        messages::anchor_unsent(&mut self.tx, &ends).await?;
        let changed = self.known.values().filter(|loaded| loaded.now != loaded.before);
        conversations::save(&mut self.tx, &changed.map(|loaded| &loaded.now).collect::<Vec<_>>()).await?;
        // What was held of a log that was replaced is gone from the table already.
        let nothing = RangeSet::default();
        let held: Vec<_> = self
            .known
            .values()
            .map(|Loaded { before, now }| {
                let before = if self.replaced.contains(&now.row) { &nothing } else { &before.held };
                (now.row, before, &now.held)
            })
            .filter(|(_, before, now)| before != now)
            .collect();
        messages::save_held(&mut self.tx, &held).await?;
        Ok(())
    }

    /// What listeners are to hear of this write, messages first.
    fn events(&self) -> Vec<EventRef> {
        let mut events = Vec::new();
        for (row, range) in &self.delivered {
            if !self.is_sent_from_here(*row, *range) {
                events.push(EventRef::NewMessages { conversation: *row, range: *range });
            }
        }
        let mut is_total_changed = false;
        for Loaded { before, now } in self.known.values() {
            let is_changed = self.touched.contains(&now.row) || is_shown_differently(before, now);
            if is_changed && (now.list_key() > 0 || before.list_key() > 0) {
                let is_new = before.list_key() == 0;
                events.push(if is_new {
                    EventRef::ConversationNew(now.row)
                } else {
                    EventRef::ConversationChanged(now.row)
                });
            }
            if now.peer_read_seq > before.peer_read_seq && before.log.is_some() {
                events.push(EventRef::ReadReceipt(now.row));
            }
            is_total_changed |= before.unread() != now.unread();
        }
        if is_total_changed {
            events.push(EventRef::TotalUnread);
        }
        if (&self.state.nick, &self.state.face_url) != (&self.state_before.nick, &self.state_before.face_url) {
            events.push(EventRef::SelfInfo);
        }
        events
    }

    /// Whether a range of a conversation is nothing but what was sent from here: nobody is to hear of it.
    fn is_sent_from_here(&self, row: ConversationRow, range: SeqRange) -> bool {
        let is_of_range = |sent: &&SentRow| sent.conversation == row.0 && range.contains(sent.seq);
        let sent: HashSet<Seq> = self.sent.iter().filter(is_of_range).map(|sent| sent.seq).collect();
        i64::try_from(sent.len()).is_ok_and(|count| count == range.count())
    }
}

fn has_two_at_one_place(rows: &[NewRow]) -> bool {
    let mut places: HashMap<(i64, Seq), MessageId> = HashMap::with_capacity(rows.len());
    rows.iter().any(|row| *places.entry((row.conversation, row.seq)).or_insert(row.id) != row.id)
}

/// Whether the list shows a conversation differently.
fn is_shown_differently(before: &Known, now: &Known) -> bool {
    let shown = |known: &Known| {
        (known.unread(), known.max_seq, known.list_key(), known.own.read_seq, known.own.visible_to, known.peer_read_seq)
    };
    let named = |known: &Known| (known.name.clone(), known.face_url.clone(), known.group_type.clone());
    shown(before) != shown(now) || named(before) != named(now)
}
