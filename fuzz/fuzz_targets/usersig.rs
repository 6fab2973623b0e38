// SPDX-License-Identifier: Apache-2.0
//! Text that a client calls a UserSig: read and checked without a panic, and never accepted from outside.
//!
//! The input is tried as the text itself, and as the document inside one: chance alone finds no zlib checksum.
#![no_main]

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hongyan_protocol::usersig::{self, Expected};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(text) = str::from_utf8(bytes) {
        read(text);
    }
    if let Ok(length) = u16::try_from(bytes.len()) {
        read(&STANDARD.encode(stored(bytes, length)));
    }
});

/// A zlib stream of one stored block: a compressor's tables would cost more than all the rest.
fn stored(document: &[u8], length: u16) -> Vec<u8> {
    let (a, b) = document.iter().fold((1u32, 0u32), |(a, b), byte| {
        let a = (a + u32::from(*byte)) % 65_521;
        (a, (b + a) % 65_521)
    });
    let head = [&[0x78, 0x01, 0x01][..], &length.to_le_bytes(), &(!length).to_le_bytes()].concat();
    [&head[..], document, &(b << 16 | a).to_be_bytes()].concat()
}

fn read(user_sig: &str) {
    let Ok(decoded) = usersig::decode(user_sig) else { return };
    let claims = decoded.claims.clone();
    let expected = Expected { sdk_app_id: claims.sdk_app_id, user_id: Some(&claims.identifier), now_s: claims.time_s };
    // No seed is signed with this key: whatever it accepts was forged.
    assert!(decoded.verify("the fuzzer does not know this key", &expected).is_err());
    // What was read can be written, and is then read as the same.
    let signed = usersig::sign(&claims, "another key");
    assert_eq!(usersig::verify(&signed, "another key", &expected).as_ref(), Ok(&claims));
}
