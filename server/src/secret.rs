// SPDX-License-Identifier: Apache-2.0
//! Secrets that the server makes: the keys of apps, and what the store's tokens are signed with.

use rand::RngCore;

/// 64 hexadecimal characters that nobody can guess.
pub(crate) fn generate() -> String {
    let mut bytes = [0; 32];
    rand::rng().fill_bytes(&mut bytes);
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
