// SPDX-License-Identifier: Apache-2.0
//! Limits that both ends hold to, each beside the code it answers with.

/// The bytes of one frame, either way. The SDK answers 9522 before it sends a larger one; a server
/// closes the connection that brings one.
pub const PACKET_BYTES_MAX: usize = 1024 * 1024;

/// How deeply the JSON of a frame may nest. A deeper frame is answered 60003.
pub const JSON_DEPTH_MAX: usize = 32;

/// The bytes of all elements of a message together: 8001 from the SDK, 80002 from the server.
pub const MESSAGE_BYTES_MAX: usize = 12 * 1024;

/// The elements of one message: 6017 from the SDK, 70402 from the server.
pub const MESSAGE_ELEMENTS_MAX: usize = 32;

/// The bytes of a user id: 7003.
pub const USER_ID_BYTES_MAX: usize = 32;

/// The bytes of a group id: 8501 from the SDK, 10015 from the server.
pub const GROUP_ID_BYTES_MAX: usize = 48;

/// The bytes of a group's name: 8502 from the SDK, 70402 from the server.
pub const GROUP_NAME_BYTES_MAX: usize = 100;

/// Who may be named when a group is made or invited to in one call: 8507 from the SDK, 10005 from the server.
pub const GROUP_INVITEES_MAX: usize = 20;

/// The bytes of a nickname or a face URL: 40601.
pub const PROFILE_FIELD_BYTES_MAX: usize = 500;

/// The users whose profiles one call may ask for: 6017 from the SDK, 70402 from the server.
pub const PROFILES_PER_CALL_MAX: usize = 100;

/// The messages that one `get_messages` may ask for.
pub const MESSAGES_PER_PAGE_MAX: u32 = 200;

/// The changes that one `get_changes` may ask for.
pub const CHANGES_PER_PAGE_MAX: u32 = 500;

/// The heads in one page of `sync`.
pub const HEADS_PER_PAGE_MAX: u32 = 500;

/// The logs whose last known sequence a `sync` may name, so that a restored server is noticed.
pub const SYNC_PROBES_MAX: usize = 100;

/// How far `sync` looks back behind the time that the client names: commits become visible out of
/// order, so a head may appear with a time that has already been asked for.
pub const SYNC_OVERLAP_MS: i64 = 2 * 60 * 1000;

/// The largest whole number that every JSON reader keeps exactly (2^53 - 1).
pub const INTEGER_MAX: i64 = (1 << 53) - 1;

// A message with all its escapes must fit a frame, and a page of heads with their last messages must not
// be refused by the frame limit: heads are cut by size as well as by count.
const _: () = assert!(MESSAGE_BYTES_MAX * 6 < PACKET_BYTES_MAX);
