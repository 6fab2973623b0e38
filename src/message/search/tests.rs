// SPDX-License-Identifier: Apache-2.0
//! What a keyword finds, and that what the index says is what the messages say, whatever happens to them.

mod fill;
mod model;

use std::cell::Cell;
use std::collections::{HashMap, HashSet};
use std::path::Path;

use hongyan_protocol::bytes::Base64Bytes;
use hongyan_protocol::codes::Code;
use hongyan_protocol::ids::{ConversationId, LogId, LogKey, MessageId, SdkAppId, Seq, UserId};
use hongyan_protocol::message::{CustomElement, Element as WireElement, Message as WireMessage, MessageBody};
use hongyan_protocol::message::{SentMessage, TextElement};
use sqlx::{AssertSqlSafe, Row};

use self::model::Event;
use super::segment::{BREAK, segment};
use super::wanted::ABOUT;
use super::{Search, Words, look};
use crate::conversation;
use crate::error::ImError;
use crate::message::queries::{self, HistoryKey, OutgoingRow};
use crate::message::types::{
    Element, KeywordListMatchType, Message, MessageSearchParam, MessageSearchResult, MessageStatus, MessageType,
};
use crate::store::Store;
use crate::sync::batch::Batch;
use crate::sync::raw::RawMessage;

const NOW_MS: i64 = 1_000_000;
const CONVERSATIONS: [&str; 3] = ["c2c_bob", "c2c_carol", "group_geese"];

fn user(name: &str) -> UserId {
    UserId::parse(name).unwrap()
}

fn words(text: &str) -> String {
    let mut words = String::new();
    segment(text, &mut words);
    words
}

#[test]
fn a_text_is_divided_as_its_script_is_read() {
    for (text, expected) in [
        ("Hello, World", "hello world"),
        ("iPhone15手机壳 2个", "iphone15 手 机 壳 2 个"),
        ("ｆｕｌｌ　ＷＩＤＴＨ", "full width"),
        ("ﾊﾝｶｸ ｶﾞｷﾞﾊﾟ ｳﾞ", "ハ ン カ ク ガ ギ パ ヴ"),
        ("か\u{3099}は\u{309a}", "が ぱ"),
        ("한국어를", "한 국 어 를"),
        ("สวัสดี", "ส ว ั ส ด ี"),
        ("𠀀𰻞〇々ー", "𠀀 𰻞 〇 々 ー"),
        ("Ærø café CAFE\u{301} Đường İstanbul", "æro cafe cafe duong istanbul"),
        ("ΟΔΥΣΣΕΥΣ Ὀδυσσεύς Ёлка", "οδυσσευσ ὀδυσσευσ елка"),
        ("Иногда И\u{306}од, мои\u{306} і\u{308}жак, Е\u{308}лка", "иногда йод мой їжак елка"),
        ("what‼️no⁉ 〰️〽️㊗️㊙️ Hongyan™ © ®", "what ‼ no ⁉ 〰 〽 ㊗ ㊙ hongyan"),
        ("don't stop@all.now_or#never", "don t stop all now or never"),
        ("a😀b👍🏽👨‍👩‍👧❤️1️⃣🇨🇳", "a 😀 b 👍 👨 👩 👧 ❤ 1 🇨 🇳"),
        ("\"*^:-(){}[]|&!~+", ""),
        ("，。！？「」…—·・\u{fdd0}\u{0}\t\n", ""),
    ] {
        assert_eq!(words(text), expected, "{text}");
    }
}

#[test]
fn every_word_is_one_for_the_tokenizer_of_the_index() {
    for c in '\0'..=char::MAX {
        let words = words(&c.to_string());
        let is_plain = |c: char| c == ' ' || !c.is_ascii() || c.is_ascii_lowercase() || c.is_ascii_digit();
        assert!(words.chars().all(is_plain), "{c:?} gives {words:?}");
        assert!(!words.contains([BREAK, ABOUT]), "{c:?} gives {words:?}");
        assert!(!words.starts_with(' ') && !words.ends_with(' ') && !words.contains("  "), "{c:?} gives {words:?}");
    }
}

#[test]
fn no_keyword_begins_a_word_for_a_sender_or_a_kind() {
    let elements = ["text", "custom"].map(|text| [text_body(text), custom_body(text)].map(|body| body.elements));
    let words = Words::of("u", &elements.concat().concat()).unwrap();
    let about: Vec<&str> = words.about.split(' ').collect();
    assert_eq!(about.len(), 3);
    assert!(about.iter().all(|word| word.starts_with(ABOUT)), "{about:?}");
}

/// Alice's store, and what the server said to it.
struct Phone {
    folder: tempfile::TempDir,
    store: Store,
    /// The log of each conversation, and its last message.
    logs: HashMap<&'static str, (i64, i64)>,
    /// Nothing that happens has the same time.
    time_ms: i64,
}

async fn open(folder: &Path) -> Store {
    Store::open(folder, "http://127.0.0.1:1", SdkAppId::parse(1).unwrap(), &user("alice")).await.unwrap()
}

fn text_body(text: &str) -> MessageBody {
    MessageBody { elements: vec![WireElement::Text(TextElement { text: text.to_owned() })], ..MessageBody::default() }
}

fn custom_body(description: &str) -> MessageBody {
    let custom = CustomElement {
        data: Base64Bytes(b"hello".to_vec()),
        description: description.to_owned(),
        extension: "hello".to_owned(),
    };
    MessageBody { elements: vec![WireElement::Custom(custom)], ..MessageBody::default() }
}

impl Phone {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path()).await;
        let logs = CONVERSATIONS.into_iter().zip((1..).map(|log| (log, 0))).collect();
        Self { folder, store, logs, time_ms: 1_000 }
    }

    fn tick(&mut self) -> i64 {
        self.time_ms += 10;
        self.time_ms
    }

    /// A message as the server gives it its place.
    fn stored(&mut self, id: MessageId, conversation: &'static str, sender: &str, body: MessageBody) -> RawMessage {
        let server_ms = self.tick();
        let (_, seq) = self.logs.get_mut(conversation).unwrap();
        *seq += 1;
        let message = WireMessage {
            id,
            seq: Seq::parse(*seq).unwrap(),
            key: LogKey::of(&user("alice"), &ConversationId::parse(conversation).unwrap()),
            sender: user(sender),
            sender_nick: String::new(),
            sender_face_url: String::new(),
            server_ms,
            counted: *seq,
            sender_counted: *seq,
            body,
        };
        let text = serde_json::to_string(&message).unwrap();
        RawMessage { message, text }
    }

    fn log(&self, conversation: &str) -> LogId {
        LogId::parse(self.logs[conversation].0).unwrap()
    }

    async fn hear(&mut self, conversation: &'static str, messages: Vec<RawMessage>) {
        let id = ConversationId::parse(conversation).unwrap();
        let mut batch = Batch::begin(&self.store, &user("alice"), [id.clone()]).await.unwrap();
        for raw in messages {
            batch.add_message(&id, self.log(conversation), raw);
        }
        batch.save().await.unwrap();
    }

    async fn receive(&mut self, conversation: &'static str, sender: &str, body: MessageBody) {
        let raw = self.stored(MessageId::generate(), conversation, sender, body);
        self.hear(conversation, vec![raw]).await;
    }

    async fn queue(&mut self, conversation: &'static str, body: &MessageBody) -> MessageId {
        let (id, timestamp_ms) = (ConversationId::parse(conversation).unwrap(), self.tick());
        let mut batch = Batch::begin(&self.store, &user("alice"), [id.clone()]).await.unwrap();
        let known = batch.find(&id).unwrap();
        let outgoing = OutgoingRow {
            id: MessageId::generate(),
            conversation: known.row,
            anchor_seq: known.max_seq,
            sender: &user("alice"),
            nick: "",
            face_url: "",
            timestamp_ms,
            body: &serde_json::to_string(body).unwrap(),
        };
        queries::insert_outgoing(batch.tx(), &outgoing).await.unwrap();
        batch.touch(&id, None);
        batch.save().await.unwrap();
        outgoing.id
    }

    async fn search(&self, param: MessageSearchParam) -> Result<MessageSearchResult, ImError> {
        look(&self.store, &user("alice"), &Search::check(param, NOW_MS)?).await
    }

    /// All messages, by conversation, newest first.
    async fn all(&self) -> Vec<(i64, Vec<Message>)> {
        let mut reader = self.store.read().await.unwrap();
        let mut all = Vec::new();
        for id in CONVERSATIONS {
            let id = ConversationId::parse(id).unwrap();
            let Some(known) = conversation::queries::find(&mut reader, &id).await.unwrap() else { continue };
            let rows = queries::page_before(&mut reader, known.row, HistoryKey::END, i64::MIN, 1_000).await.unwrap();
            all.push((known.row.0, queries::show(&mut reader, &user("alice"), rows).await.unwrap()));
        }
        all
    }
}

fn keywords(list: &[&str]) -> MessageSearchParam {
    MessageSearchParam {
        keyword_list: list.iter().map(ToString::to_string).collect(),
        keyword_list_match_type: KeywordListMatchType::Or,
        sender_user_id_list: Vec::new(),
        message_type_list: Vec::new(),
        conversation_id: None,
        search_time_position_ms: 0,
        search_time_period_ms: 0,
        page_index: 0,
        page_size: 100,
    }
}

fn in_bobs(list: &[&str]) -> MessageSearchParam {
    MessageSearchParam { conversation_id: Some("c2c_bob".to_owned()), ..keywords(list) }
}

fn texts(result: &MessageSearchResult) -> Vec<&str> {
    let messages = result.message_search_result_items.iter().flat_map(|item| &item.message_list);
    messages
        .map(|message| match &message.elements[0] {
            Element::Text { text } => text.as_str(),
            Element::Custom { description, .. } => description.as_str(),
            other => panic!("{other:?} is found"),
        })
        .collect()
}

#[tokio::test]
async fn a_keyword_finds_what_its_words_say_it_finds() {
    let mut phone = Phone::new().await;
    let written =
        ["Hello world", "shell", "HÉLAS", "good, Morning", "good old morning", "我的手机", "手动开机", "C", "Cats"];
    for text in written {
        phone.receive("c2c_bob", "bob", text_body(text)).await;
    }
    phone.receive("c2c_bob", "bob", custom_body("a place: 手机店")).await;
    for (keyword, expected) in [
        ("hel", vec!["HÉLAS", "Hello world"]),
        ("hello", vec!["Hello world"]),
        ("ｗｏｒ", vec!["Hello world"]),
        ("good morning", vec!["good, Morning"]),
        ("good mor ", vec!["good, Morning"]),
        ("good mor!", vec![]),
        ("手机", vec!["a place: 手机店", "我的手机"]),
        ("的手 机", vec!["我的手机"]),
        ("机手", vec![]),
        ("c", vec!["Cats", "C"]),
        ("C++", vec!["C"]),
        ("...", vec![]),
        ("", vec![]),
    ] {
        let found = phone.search(in_bobs(&[keyword])).await.unwrap();
        assert_eq!(texts(&found), expected, "{keyword}");
        assert_eq!(usize::try_from(found.total_count).unwrap(), expected.len(), "{keyword}");
    }
}

#[tokio::test]
async fn a_phrase_is_not_read_on_from_one_element_into_the_next() {
    let mut phone = Phone::new().await;
    let elements = [text_body("good"), text_body("morning"), custom_body("手")].map(|mut body| body.elements.remove(0));
    phone.receive("c2c_bob", "bob", MessageBody { elements: elements.into(), ..MessageBody::default() }).await;
    for (keyword, count) in [("good", 1), ("morning", 1), ("手", 1), ("good morning", 0), ("morning手", 0)] {
        assert_eq!(phone.search(in_bobs(&[keyword])).await.unwrap().total_count, count, "{keyword}");
    }
}

#[tokio::test]
async fn what_cannot_be_looked_for_is_refused_with_its_code() {
    let phone = Phone::new().await;
    let long = "x".repeat(513);
    let refused = [
        (keywords(&[]), Code::INVALID_PARAMETERS),
        (keywords(&["a", "b", "c", "d", "e", "f"]), Code::INVALID_PARAMETERS),
        (keywords(&[&long]), Code::INVALID_PARAMETERS),
        (
            MessageSearchParam { sender_user_id_list: vec!["bob".to_owned(); 6], ..keywords(&[]) },
            Code::INVALID_PARAMETERS,
        ),
        (
            MessageSearchParam { sender_user_id_list: vec!["no\nbody".to_owned()], ..keywords(&[]) },
            Code::INVALID_USER_ID,
        ),
        (
            MessageSearchParam { conversation_id: Some("bob".to_owned()), ..keywords(&["a"]) },
            Code::INVALID_CONVERSATION,
        ),
        (MessageSearchParam { page_size: 0, ..keywords(&["a"]) }, Code::INVALID_PARAMETERS),
        (MessageSearchParam { page_size: 101, ..keywords(&["a"]) }, Code::INVALID_PARAMETERS),
        (MessageSearchParam { page_index: -1, ..keywords(&["a"]) }, Code::INVALID_PARAMETERS),
        (MessageSearchParam { search_time_position_ms: -1, ..keywords(&["a"]) }, Code::INVALID_PARAMETERS),
        (MessageSearchParam { search_time_period_ms: i64::MIN, ..keywords(&["a"]) }, Code::INVALID_PARAMETERS),
    ];
    for (param, code) in refused {
        let refusal = phone.search(param.clone()).await.map(|_| param).unwrap_err();
        assert_eq!(refusal.code(), code, "{refusal}");
    }
    let allowed = MessageSearchParam {
        page_index: i32::MAX,
        search_time_position_ms: i64::MAX,
        search_time_period_ms: i64::MAX,
        ..keywords(&["a", "b", "c", "d", &long[..512]])
    };
    assert_eq!(phone.search(allowed).await.unwrap().total_count, 0);
}

#[tokio::test]
async fn a_search_sorts_no_hits_and_reads_only_what_was_not_sent_beside_them_page_by_page() {
    let phone = Phone::new().await;
    let mut reader = phone.store.read().await.unwrap();
    for (query, expected, forbidden) in [
        (
            queries::PAGE_UNSENT,
            "SEARCH message USING INDEX message_unsent ((conversation,timestamp_ms)>",
            "TEMP B-TREE",
        ),
        (queries::PAGE_HITS, "SCAN message_index VIRTUAL TABLE INDEX", "TEMP B-TREE"),
    ] {
        let explain = AssertSqlSafe(format!("explain query plan {query}"));
        let rows = sqlx::query(explain).fetch_all(&mut *reader).await.unwrap();
        let plan: Vec<String> = rows.iter().map(|row| row.get("detail")).collect();
        assert!(plan.iter().any(|line| line.contains(expected)), "{query}: {plan:?}");
        assert!(!plan.iter().any(|line| line.contains(forbidden)), "{query}: {plan:?}");
    }
}

#[tokio::test]
async fn all_that_was_not_sent_is_looked_at_also_where_much_of_it_has_one_time() {
    let mut phone = Phone::new().await;
    for number in 0..500 {
        let text = if number % 10 == 0 { "tea" } else { "coffee" };
        phone.queue("c2c_bob", &text_body(text)).await;
    }
    let mut tx = phone.store.begin().await.unwrap();
    sqlx::query("update message set timestamp_ms = 7 where row_id > 20").execute(&mut *tx).await.unwrap();
    phone.store.commit(tx).await.unwrap();
    let everywhere = phone.search(keywords(&["tea"])).await.unwrap();
    assert_eq!(everywhere.message_search_result_items[0].message_count, 50);
    let found = phone.search(MessageSearchParam { page_size: 7, page_index: 7, ..in_bobs(&["tea"]) }).await.unwrap();
    assert_eq!((found.total_count, texts(&found)), (50, vec!["tea"]));
    let one = phone.search(MessageSearchParam { page_size: 1, ..in_bobs(&["coffee"]) }).await.unwrap();
    let newest = phone.all().await[0].1[0].message_id.clone();
    assert_eq!((one.total_count, &one.message_search_result_items[0].message_list[0].message_id), (450, &newest));
}

#[tokio::test]
async fn a_search_is_of_one_moment_while_messages_are_sent_and_the_cache_goes() {
    let mut phone = Phone::new().await;
    let store = phone.store.clone();
    let is_over = Cell::new(false);
    let living = async {
        for round in 1..=200 {
            let id = phone.queue("c2c_bob", &text_body("tea")).await;
            phone.arrive_in("c2c_bob", id).await;
            if round % 4 == 0 {
                phone.live(Event::DropCache).await;
            }
        }
        is_over.set(true);
    };
    let searching = async {
        while !is_over.get() {
            let look =
                async |param| look(&store, &user("alice"), &Search::check(param, NOW_MS).unwrap()).await.unwrap();
            let found = look(in_bobs(&["tea"])).await;
            let list = found.message_search_result_items.first().map_or(&[][..], |item| &item.message_list);
            assert_eq!(usize::try_from(found.total_count).unwrap(), list.len());
            let ids: HashSet<&str> = list.iter().map(|message| message.message_id.as_str()).collect();
            assert_eq!(ids.len(), list.len(), "none is found twice: {list:#?}");
            for item in look(keywords(&["tea"])).await.message_search_result_items {
                assert_eq!(item.message_count == 1, item.message_list.len() == 1, "{item:#?}");
            }
        }
    };
    tokio::join!(living, searching);
}

#[tokio::test]
async fn pages_neither_overlap_nor_leave_anything_out() {
    let mut phone = Phone::new().await;
    for number in 0..30 {
        phone.receive("c2c_bob", "bob", text_body("the same")).await;
        if number % 7 == 3 {
            phone.queue("c2c_bob", &text_body("the same")).await;
        }
    }
    let expected: Vec<String> = phone.all().await[0].1.iter().map(|message| message.message_id.clone()).collect();
    for page_size in [1, 2, 3, 7, 34, 100] {
        let mut pages = Vec::new();
        for page_index in 0.. {
            let param = MessageSearchParam { page_index, page_size, ..in_bobs(&["same"]) };
            let found = phone.search(param).await.unwrap();
            assert_eq!(found.total_count, 34);
            let Some(item) = found.message_search_result_items.into_iter().next() else { break };
            pages.extend(item.message_list.into_iter().map(|message| message.message_id));
        }
        assert_eq!(pages, expected, "by {page_size}");
    }
}
