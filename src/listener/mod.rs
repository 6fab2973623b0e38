// SPDX-License-Identifier: Apache-2.0
//! Listeners: what apps implement, and the thread that calls them.

pub(crate) mod deliver;
pub(crate) mod dispatcher;
pub(crate) mod events;
pub(crate) mod queue;
mod registry;
mod traits;

pub(crate) use registry::Listeners;
pub use registry::Subscription;
pub use traits::{AdvancedMsgListener, ConversationListener, LogListener, SdkListener};
