// SPDX-License-Identifier: Apache-2.0
//! The connection's task against a server of the test's own, on a clock that stands still.

mod calls;
pub(crate) mod harness;
mod sessions;
