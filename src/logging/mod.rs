// SPDX-License-Identifier: Apache-2.0
//! The log of one client: files of a bounded size in its data folder, and the app's listener. Clients
//! that share a data folder share the files. Nothing else belongs to the process: each task of a client carries its client's log with it, see [`crate::runtime`].
//!
//! Lines hold ids, codes and numbers, never what people write nor what logs them in.

mod file;
mod line;
mod subscriber;

pub(crate) use file::{FILE_BYTES_MAX, LogFile};
pub(crate) use subscriber::Subscriber;
