// SPDX-License-Identifier: Apache-2.0
//! Whatever happens to messages, a search finds what looking at every one of them finds.

use proptest::prelude::*;
use proptest::sample::Index;

use super::*;

/// Characters of which the model knows what they are: letters, words, and what stands between.
const LETTERS: [(char, char); 6] = [('a', 'a'), ('A', 'a'), ('á', 'a'), ('ａ', 'a'), ('b', 'b'), ('7', '7')];
const ALONE: [(char, char); 4] = [('手', '手'), ('机', '机'), ('ｶ', 'カ'), ('😀', '😀')];
const BETWEEN: [char; 8] = [' ', '，', '"', '*', '+', ')', ':', '\u{0}'];

fn any_text(length: std::ops::Range<usize>) -> impl Strategy<Value = String> {
    let chars = LETTERS.iter().chain(&ALONE).map(|(c, _)| *c).chain(BETWEEN).collect::<Vec<_>>();
    prop::collection::vec(prop::sample::select(chars), length).prop_map(String::from_iter)
}

/// The words of a text, and whether the last of them is open, in the simplest way.
fn naive_words(text: &str) -> (Vec<String>, bool) {
    let (mut words, mut is_open) = (Vec::<String>::new(), false);
    for c in text.chars() {
        let folded = |table: &[(char, char)]| table.iter().find(|(from, _)| *from == c).map(|(_, to)| *to);
        match (folded(&LETTERS), folded(&ALONE)) {
            (Some(letter), _) if is_open => words.last_mut().unwrap().push(letter),
            (Some(letter), _) => words.push(letter.to_string()),
            (None, Some(word)) => words.push(word.to_string()),
            (None, None) => {}
        }
        is_open = folded(&LETTERS).is_some();
    }
    (words, is_open)
}

fn naive_is_in(keyword: &str, text: &str) -> bool {
    let ((wanted, is_open), (words, _)) = (naive_words(keyword.trim_end()), naive_words(text));
    let is_same = |at: usize, word: &String| {
        *word == wanted[at] || is_open && at + 1 == wanted.len() && word.starts_with(&wanted[at])
    };
    !wanted.is_empty() && words.windows(wanted.len()).any(|words| (0..).zip(words).all(|(at, word)| is_same(at, word)))
}

fn naive_is_met(param: &MessageSearchParam, message: &Message) -> bool {
    let (text, kind) = match &message.elements[0] {
        Element::Text { text } => (text, MessageType::Text),
        Element::Custom { description, .. } => (description, MessageType::Custom),
        _ => return false,
    };
    let mut found = param.keyword_list.iter().map(|keyword| naive_is_in(keyword, text));
    let is_said = match param.keyword_list_match_type {
        KeywordListMatchType::Or => param.keyword_list.is_empty() || found.any(|is_in| is_in),
        KeywordListMatchType::And => found.all(|is_in| is_in),
    };
    let latest_ms = if param.search_time_position_ms == 0 { i64::MAX } else { param.search_time_position_ms };
    let earliest_ms = match (param.search_time_position_ms, param.search_time_period_ms) {
        (_, 0) => 0,
        (0, period_ms) => NOW_MS - period_ms,
        (position_ms, period_ms) => position_ms - period_ms,
    };
    is_said
        && (param.sender_user_id_list.is_empty() || param.sender_user_id_list.contains(&message.sender))
        && (param.message_type_list.is_empty() || param.message_type_list.contains(&kind))
        && (earliest_ms..=latest_ms).contains(&message.timestamp_ms)
}

/// What a search finds, in the simplest way: all messages are looked at.
fn naive_search(param: &MessageSearchParam, all: &[(i64, Vec<Message>)]) -> MessageSearchResult {
    let mut found: Vec<(i64, Vec<Message>)> = all
        .iter()
        .map(|(row, messages)| (*row, messages.iter().filter(|one| naive_is_met(param, one)).cloned().collect()))
        .filter(|(_, messages): &(i64, Vec<Message>)| !messages.is_empty())
        .collect();
    let newest = |messages: &[Message]| messages.iter().map(|one| one.timestamp_ms).max();
    found.sort_by_key(|(row, messages)| (std::cmp::Reverse(newest(messages)), *row));
    let (size, start) = (usize::try_from(param.page_size).unwrap(), usize::try_from(param.page_index).unwrap());
    let start = start * size;
    let item = |messages: &[Message], list: Vec<Message>| crate::message::MessageSearchResultItem {
        conversation_id: messages[0].conversation_id.clone(),
        message_count: i32::try_from(messages.len()).unwrap(),
        message_list: list,
    };
    if let Some(id) = &param.conversation_id {
        let Some((_, messages)) = found.iter().find(|(_, messages)| messages[0].conversation_id == *id) else {
            return super::super::nothing();
        };
        let page: Vec<Message> = messages.iter().skip(start).take(size).cloned().collect();
        let items = if page.is_empty() { vec![] } else { vec![item(messages, page)] };
        let total_count = i32::try_from(messages.len()).unwrap();
        return MessageSearchResult { total_count, message_search_result_items: items };
    }
    let total_count = i32::try_from(found.len()).unwrap();
    let items = found.iter().skip(start).take(size).map(|(_, messages)| {
        let single = if messages.len() == 1 { messages.clone() } else { vec![] };
        item(messages, single)
    });
    MessageSearchResult { total_count, message_search_result_items: items.collect() }
}

/// What happens to a store.
#[derive(Debug, Clone)]
pub(super) enum Event {
    Receive(&'static str, &'static str, String, MessageType),
    /// Several at once, the last first, and some of them twice.
    ReceiveMany(&'static str, Vec<String>),
    Queue(&'static str, String),
    /// A message that was not sent is answered for, or comes back from the server.
    Arrive(Index),
    ComeBack(Index),
    Fail(Index),
    /// The group was made anew, say.
    ReplaceLog(&'static str),
    DropCache,
    Kill,
    /// The store is as an earlier version left it.
    Downgrade,
}

fn any_event() -> impl Strategy<Value = Event> {
    let conversation = || prop::sample::select(CONVERSATIONS.to_vec());
    let sender = prop::sample::select(vec!["alice", "bob", "carol"]);
    let kind = prop::sample::select(vec![MessageType::Text, MessageType::Text, MessageType::Custom]);
    prop_oneof![
        8 => (conversation(), sender, any_text(0..8), kind).prop_map(|(to, by, text, kind)| Event::Receive(to, by, text, kind)),
        3 => (conversation(), prop::collection::vec(any_text(0..8), 1..9)).prop_map(|(to, texts)| Event::ReceiveMany(to, texts)),
        4 => (conversation(), any_text(1..8)).prop_map(|(to, text)| Event::Queue(to, text)),
        2 => any::<Index>().prop_map(Event::Arrive),
        2 => any::<Index>().prop_map(Event::ComeBack),
        2 => any::<Index>().prop_map(Event::Fail),
        1 => conversation().prop_map(Event::ReplaceLog),
        1 => Just(Event::DropCache),
        1 => Just(Event::Kill),
        1 => Just(Event::Downgrade),
    ]
}

fn any_param() -> impl Strategy<Value = MessageSearchParam> {
    let senders = prop::collection::vec(prop::sample::select(vec!["alice", "bob", "carol"]), 0..3);
    let kinds = prop::collection::vec(prop::sample::select(vec![MessageType::Text, MessageType::Custom]), 0..3);
    let match_type = prop::sample::select(vec![KeywordListMatchType::Or, KeywordListMatchType::And]);
    let time = (prop_oneof![3 => Just(0), 1 => 1_000..1_500_i64], prop_oneof![3 => Just(0), 1 => 1..400_i64]);
    let conversation = prop::option::of(prop::sample::select(CONVERSATIONS.to_vec()));
    let keywords = prop::collection::vec(any_text(0..4), 0..4);
    (keywords, match_type, senders, kinds, conversation, time, (0..3, 1..5))
        .prop_map(|(keywords, match_type, senders, kinds, conversation, (position_ms, period_ms), page)| {
            MessageSearchParam {
                keyword_list: keywords,
                keyword_list_match_type: match_type,
                sender_user_id_list: senders.into_iter().map(str::to_owned).collect(),
                message_type_list: kinds,
                conversation_id: conversation.map(str::to_owned),
                search_time_position_ms: position_ms,
                search_time_period_ms: if position_ms == 0 && period_ms > 0 {
                    NOW_MS - 1_500 + period_ms
                } else {
                    period_ms
                },
                page_index: page.0,
                page_size: page.1,
            }
        })
        .prop_filter("something is looked for", |param| {
            !(param.keyword_list.is_empty()
                && param.sender_user_id_list.is_empty()
                && param.message_type_list.is_empty())
        })
}

impl Phone {
    pub(super) async fn live(&mut self, event: Event) {
        match event {
            Event::Receive(to, by, text, MessageType::Text) => self.receive(to, by, text_body(&text)).await,
            Event::Receive(to, by, text, MessageType::Custom) => self.receive(to, by, custom_body(&text)).await,
            Event::ReceiveMany(to, texts) => {
                let stored = |text: &String| self.stored(MessageId::generate(), to, "bob", text_body(text));
                let mut messages: Vec<RawMessage> = texts.iter().map(stored).collect();
                messages.reverse();
                messages.extend(messages.clone().into_iter().step_by(2));
                self.hear(to, messages).await;
            }
            Event::Queue(to, text) => drop(self.queue(to, &text_body(&text)).await),
            Event::Arrive(index) => self.arrive(index).await,
            Event::ComeBack(index) => {
                if let Some((to, message)) = self.unsent(index).await {
                    let (id, body) = (MessageId::parse(&message.message_id).unwrap(), body_of(&message));
                    let raw = self.stored(id, to, "alice", body);
                    self.hear(to, vec![raw]).await;
                }
            }
            Event::Fail(index) => {
                if let Some((to, message)) = self.unsent(index).await {
                    let id = ConversationId::parse(to).unwrap();
                    let mut batch = Batch::begin(&self.store, &user("alice"), [id.clone()]).await.unwrap();
                    batch.add_failed(&id, MessageId::parse(&message.message_id).unwrap(), Code::NO_PERMISSION);
                    batch.save().await.unwrap();
                }
            }
            Event::ReplaceLog(conversation) => {
                self.logs.insert(conversation, (self.logs[conversation].0 + 10, 0));
                self.receive(conversation, "bob", text_body("a手")).await;
            }
            Event::DropCache => {
                let mut tx = self.store.begin().await.unwrap();
                queries::forget_all(&mut tx).await.unwrap();
                conversation::queries::forget_all(&mut tx).await.unwrap();
                self.store.commit(tx).await.unwrap();
            }
            Event::Kill => {
                self.store.close().await;
                self.store = open(self.folder.path()).await;
            }
            Event::Downgrade => {
                let mut tx = self.store.begin().await.unwrap();
                sqlx::raw_sql("update search_state set version = 0").execute(&mut *tx).await.unwrap();
                self.store.commit(tx).await.unwrap();
            }
        }
    }

    /// One of the messages that were not sent.
    async fn unsent(&self, index: Index) -> Option<(&'static str, Message)> {
        let all = self.all().await.into_iter().flat_map(|(_, messages)| messages);
        let unsent: Vec<Message> = all.filter(|message| message.status != MessageStatus::Sent).collect();
        let message = (!unsent.is_empty()).then(|| index.get(&unsent).clone())?;
        let to = CONVERSATIONS.into_iter().find(|id| *id == message.conversation_id).unwrap();
        Some((to, message))
    }

    async fn arrive(&mut self, index: Index) {
        let Some((to, message)) = self.unsent(index).await else { return };
        self.arrive_in(to, MessageId::parse(&message.message_id).unwrap()).await;
    }

    pub(super) async fn arrive_in(&mut self, to: &'static str, id: MessageId) {
        let (server_ms, (log, seq)) = (self.tick(), self.logs.get_mut(to).unwrap());
        *seq += 1;
        let sent = SentMessage {
            log: LogId::parse(*log).unwrap(),
            seq: Seq::parse(*seq).unwrap(),
            server_ms,
            counted: *seq,
            sender_counted: *seq,
        };
        let to = ConversationId::parse(to).unwrap();
        let mut batch = Batch::begin(&self.store, &user("alice"), [to.clone()]).await.unwrap();
        batch.add_sent(&to, id, &sent);
        batch.save().await.unwrap();
    }
}

fn body_of(message: &Message) -> MessageBody {
    match &message.elements[0] {
        Element::Text { text } => text_body(text),
        other => panic!("{other:?} was queued"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_search_finds_what_looking_at_every_message_finds(
        steps in prop::collection::vec((any_event(), prop::collection::vec(any_param(), 1..4)), 1..25),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut phone = Phone::new().await;
            for (event, params) in steps {
                phone.live(event).await;
                let all = phone.all().await;
                for param in params {
                    let found = phone.search(param.clone()).await.unwrap();
                    assert_eq!(found, naive_search(&param, &all), "{param:?} in {all:#?}");
                }
            }
        });
    }
}
