// SPDX-License-Identifier: Apache-2.0
//! The user's own account and the profiles of others.

pub(crate) mod device;
pub(crate) mod profile;
mod types;

pub use types::{LoginStatus, SelfInfo, UserInfo};
