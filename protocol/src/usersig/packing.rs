// SPDX-License-Identifier: Apache-2.0
//! The two outer layers of a UserSig: base64 in several alphabets, and zlib with a bound.

use std::io::Write;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use flate2::write::ZlibEncoder;
use flate2::{Compression, Decompress, FlushDecompress, Status};

use super::{DOCUMENT_BYTES_MAX, USER_SIG_BYTES_MAX};

/// Standard base64, written with padding and read with or without.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What `-` and `_` stand for.
#[derive(Clone, Copy)]
enum Alphabet {
    /// `*`, `-`, `_` for `+`, `/`, `=`; the standard's own characters stand for themselves.
    Substituted,
    /// `-`, `_` for `+`, `/`.
    UrlSafe,
}

/// Writes bytes as standard base64.
pub(super) fn to_base64(bytes: &[u8]) -> String {
    BASE64.encode(bytes)
}

/// Reads standard base64.
pub(super) fn from_base64(text: &str) -> Option<Vec<u8>> {
    BASE64.decode(text).ok()
}

/// Deflates a document and writes it as public signers do.
pub(super) fn pack(document: &[u8]) -> String {
    let mut deflater = ZlibEncoder::new(Vec::new(), Compression::default());
    let packed = deflater.write_all(document).and_then(|()| deflater.finish());
    let text = to_base64(&packed.expect("writing to memory does not fail"));
    text.replace('+', "*").replace('/', "-").replace('=', "_")
}

/// Undoes [`pack`], or says why that is not possible.
pub(super) fn unpack(user_sig: &str) -> Result<Vec<u8>, &'static str> {
    if user_sig.len() > USER_SIG_BYTES_MAX {
        return Err("it is longer than 64 KiB");
    }
    let text: String = user_sig.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    let substituted = unpack_as(&text, Alphabet::Substituted);
    // The same text may be base64 in both alphabets: zlib's header and checksum tell which was meant.
    if substituted.is_err() && text.contains(['-', '_']) {
        return unpack_as(&text, Alphabet::UrlSafe).or(substituted);
    }
    substituted
}

fn unpack_as(text: &str, alphabet: Alphabet) -> Result<Vec<u8>, &'static str> {
    let text: String = text.chars().map(|c| standard(c, alphabet)).collect();
    inflate(&from_base64(&text).ok_or("it is not base64, or was cut off")?)
}

fn standard(c: char, alphabet: Alphabet) -> char {
    match (alphabet, c) {
        (Alphabet::Substituted, '*') | (Alphabet::UrlSafe, '-') => '+',
        (Alphabet::Substituted, '-') | (Alphabet::UrlSafe, '_') => '/',
        (Alphabet::Substituted, '_') => '=',
        _ => c,
    }
}

fn inflate(packed: &[u8]) -> Result<Vec<u8>, &'static str> {
    let mut document = Vec::with_capacity(DOCUMENT_BYTES_MAX + 1);
    let status = Decompress::new(true).decompress_vec(packed, &mut document, FlushDecompress::Finish);
    match status {
        _ if document.len() > DOCUMENT_BYTES_MAX => Err("its document is longer than 64 KiB"),
        Ok(Status::StreamEnd) => Ok(document),
        Ok(_) | Err(_) => Err("it is not a zlib stream, or was cut off"),
    }
}
