// SPDX-License-Identifier: Apache-2.0
//! Bytes that a peer sends as a frame: the envelope is read in both directions, and what is inside as every request,
//! answer and event there is. Nothing panics, and what was read can be written so that it is read again.
#![no_main]

use hongyan_protocol::account::{
    GetProfiles, GoingAway, Kicked, Login, Logout, Ping, Resume, SelfInfo, SetSelfInfo, UserSigExpired,
};
use hongyan_protocol::conversation::{ConversationStates, MarkRead};
use hongyan_protocol::frame::{
    Call, ClientFrame, Event, ServerFrame, encode_call, encode_event, encode_push, encode_reply,
};
use hongyan_protocol::group::{CreateGroup, InviteToGroup, QuitGroup};
use hongyan_protocol::message::{GetChanges, GetMessages, NewChange, NewMessage, SendMessage};
use hongyan_protocol::sync::{Resync, Sync};
use libfuzzer_sys::fuzz_target;

macro_rules! each {
    ($function:ident($argument:expr): $($kind:ty),* $(,)?) => { $($function::<$kind>($argument);)* };
}

fuzz_target!(|bytes: &[u8]| {
    if let Ok(frame) = ClientFrame::parse(bytes) {
        each!(as_call(&frame):
            Login, Resume, Logout, Ping, GetProfiles, SetSelfInfo, MarkRead, CreateGroup, InviteToGroup, QuitGroup,
            SendMessage, GetMessages, GetChanges, Sync);
    }
    match ServerFrame::parse(bytes) {
        Ok(ServerFrame::Reply { outcome: Ok(result), .. }) => {
            each!(as_reply(result.get()):
                Login, Resume, Logout, Ping, GetProfiles, SetSelfInfo, MarkRead, CreateGroup, InviteToGroup, QuitGroup,
                SendMessage, GetMessages, GetChanges, Sync);
        }
        Ok(ServerFrame::Push { data, .. }) => {
            each!(as_event(data.get()):
                SelfInfo, Kicked, UserSigExpired, GoingAway, ConversationStates, NewMessage, NewChange, Resync);
        }
        Ok(ServerFrame::Reply { outcome: Err(_), .. }) | Err(_) => {}
    }
});

fn as_call<C: Call>(frame: &ClientFrame) {
    let Ok(call) = frame.params::<C>() else { return };
    let written = encode_call(frame.id, &call);
    let frame = ClientFrame::parse(written.as_bytes()).expect("a written frame is a frame");
    frame.params::<C>().expect("a written request is read");
}

fn as_reply<C: Call>(result: &str) {
    let Ok(reply) = serde_json::from_str::<C::Reply>(result) else { return };
    let written = encode_reply(1, &Ok(reply));
    let Ok(ServerFrame::Reply { outcome: Ok(result), .. }) = ServerFrame::parse(written.as_bytes()) else {
        panic!("a written answer is an answer");
    };
    serde_json::from_str::<C::Reply>(result.get()).expect("a written answer is read");
}

fn as_event<E: Event>(data: &str) {
    let Ok(event) = serde_json::from_str::<E>(data) else { return };
    let written = encode_push(1, &encode_event(&event));
    let Ok(ServerFrame::Push { data, .. }) = ServerFrame::parse(written.as_bytes()) else {
        panic!("a written push is a push");
    };
    serde_json::from_str::<E>(data.get()).expect("a written event is read");
}
