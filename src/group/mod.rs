// SPDX-License-Identifier: Apache-2.0
//! Groups: making them and who is in them. What a group says is a conversation like any other.

mod manager;
mod types;

pub use manager::GroupManager;
pub use types::{CreateGroupOption, GroupMemberOperationResult, GroupMemberResult};
