// SPDX-License-Identifier: Apache-2.0
//! Hongyan instant messaging: the client SDK.
//!
//! An [`ImClient`] is made from a [`ClientConfig`]; it logs a user in, keeps the connection up and hands out the
//! managers of each room: messages, conversations, groups.
//!
//! * [`client`]: the client itself, [`account`]: login and profiles, [`listener`]: what apps implement to hear
//!   of events.
//! * `connection`: one task that owns the socket. `sync`: one task that brings events into the store. `store`:
//!   what is kept on the device.

pub mod account;
pub mod bridge;
pub mod client;
pub mod config;
pub(crate) mod connection;
pub mod conversation;
pub mod error;
pub mod group;
#[cfg(not(target_vendor = "apple"))]
pub(crate) mod jvm;
pub mod listener;
pub(crate) mod logging;
pub mod message;
pub(crate) mod runtime;
pub(crate) mod store;
pub(crate) mod sync;

pub use account::{LoginStatus, SelfInfo, UserInfo};
pub use bridge::{Bridge, BridgeListener};
pub use client::ImClient;
pub use config::{ClientConfig, LogLevel, Platform};
pub use conversation::{Conversation, ConversationManager, ConversationPage, ConversationType};
pub use error::ImError;
pub use group::{CreateGroupOption, GroupManager, GroupMemberOperationResult, GroupMemberResult};
pub use listener::{AdvancedMsgListener, ConversationListener, LogListener, SdkListener, Subscription};
pub use message::{
    Element, GroupTipsType, HistoryDirection, HistoryOption, HistoryPage, HistorySource, KeywordListMatchType, Message,
    MessageManager, MessagePriority, MessageReceipt, MessageSearchParam, MessageSearchResult, MessageSearchResultItem,
    MessageStatus, MessageType, OutgoingMessage,
};

uniffi::setup_scaffolding!();

/// The README's sample compiles, or the documentation's tests fail.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;
