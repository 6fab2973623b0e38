// SPDX-License-Identifier: Apache-2.0
//! Long frames as their bytes travel.

use hongyan_protocol::frame::ServerFrame;
use hongyan_protocol::message::{GetMessages, Page, Target};
use serde_json::Value;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use super::super::http::WRITE_BUFFER_BYTES;
use super::TestServer;
use super::wire::{text_to, user, within};

const CONTINUATION: u8 = 0;
const TEXT: u8 = 1;

/// More than fits into three fragments.
const MESSAGES_COUNT: usize = 6;

struct Fragment {
    is_last: bool,
    opcode: u8,
    payload: Vec<u8>,
}

/// Reads what a server writes: no mask, no extension.
async fn read_fragment(stream: &mut TcpStream) -> Fragment {
    let (first, length) = (stream.read_u8().await.unwrap(), stream.read_u8().await.unwrap());
    let length = match length {
        126 => u64::from(stream.read_u16().await.unwrap()),
        127 => stream.read_u64().await.unwrap(),
        length => u64::from(length),
    };
    let mut payload = vec![0; usize::try_from(length).unwrap()];
    stream.read_exact(&mut payload).await.unwrap();
    Fragment { is_last: first & 0x80 != 0, opcode: first & 0x7f, payload }
}

#[tokio::test]
async fn a_long_answer_comes_in_fragments_which_may_part_a_character_and_are_text_together() {
    let server = TestServer::start().await;
    let _bob = server.login("bob").await;
    let mut alice = server.login("alice").await;
    let text = "鸿雁传书".repeat(950);
    for _ in 0..MESSAGES_COUNT {
        alice.call(&text_to("bob", &text)).await.unwrap();
    }
    let page = GetMessages { of: Target::User(user("bob")), page: Page::Before(None), limit: 20 };
    let id = alice.request(&page).await;
    let mut stream = alice.into_stream();
    let mut fragments = vec![within("a fragment", read_fragment(&mut stream)).await];
    while !fragments.last().unwrap().is_last {
        fragments.push(within("a fragment", read_fragment(&mut stream)).await);
    }

    assert!(fragments.len() > 3 && fragments.iter().all(|fragment| fragment.payload.len() <= WRITE_BUFFER_BYTES));
    assert_eq!(fragments[0].opcode, TEXT);
    assert!(fragments[1..].iter().all(|fragment| fragment.opcode == CONTINUATION));
    assert!(fragments.iter().any(|fragment| str::from_utf8(&fragment.payload).is_err()), "no character is parted");
    let whole: Vec<u8> = fragments.into_iter().flat_map(|fragment| fragment.payload).collect();
    let Ok(ServerFrame::Reply { id: answered, outcome }) = ServerFrame::parse(&whole) else {
        panic!("it is an answer")
    };
    let answer: Value = serde_json::from_str(outcome.unwrap().get()).unwrap();
    let messages = answer["messages"].as_array().unwrap();
    assert_eq!((answered, messages.len()), (id, MESSAGES_COUNT));
    assert!(messages.iter().all(|message| message["elements"][0]["text"] == text.as_str()));
}
