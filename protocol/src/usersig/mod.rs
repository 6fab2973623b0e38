// SPDX-License-Identifier: Apache-2.0
//! UserSigs: what an app's own server signs with the app's key to let a user log in.
//!
//! The form is that of Tencent Cloud IM, so that the signers an app already has go on working: a JSON document with
//! `TLS.identifier`, `TLS.sdkappid`, `TLS.time`, `TLS.expire`, maybe `TLS.userbuf`, and `TLS.sig`, the HMAC-SHA256 of
//! the others as lines of text under the app's key as text; deflated by zlib; in base64 with `*`, `-`, `_` for
//! `+`, `/`, `=`. `packing` undoes the two outer layers, `document` reads the inner one.
//!
//! # What is taken besides
//!
//! Standard base64, URL-safe base64 (RFC 4648), no padding, white space between the characters; any zlib level, and
//! bytes after the end of the zlib stream (signers that hand over their whole buffer; nothing there is read); white
//! space, escapes, any order and unknown members in the JSON; numbers as strings of digits; no `TLS.expire`, which
//! the Go signer leaves out when it is 0. What was signed is the text that the signer wrote: `"0086400"` is signed as
//! `0086400`. `TLS.ver` is not signed and not read.
//!
//! An empty `TLS.userbuf` is the same as none. Signers disagree on it: JavaScript, Python and PHP write the empty
//! member and sign its line, Go signs the line and leaves the member out, C++ does neither. So without a userbuf the
//! signature may be that of four lines or of four and an empty fifth; neither says more than the other.
//!
//! # The order of the checks
//!
//! 1. empty (70002), unreadable (70003);
//! 2. another app (70014): before the key, because the key of this app says nothing about a UserSig of another, and a
//!    forger learns only what they wrote themselves;
//! 3. the signature (70009): all that follows is told only to who holds a genuine UserSig;
//! 4. another user (70013);
//! 5. expired (70001), last: of a UserSig that is not this user's the time does not matter.

mod document;
mod packing;
#[cfg(test)]
mod tests;

use std::fmt;

use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::codes::Code;
use crate::ids::SdkAppId;

/// The bytes of a UserSig that are looked at: 70003 beyond.
pub const USER_SIG_BYTES_MAX: usize = 64 * 1024;

/// The bytes of the document inside a UserSig: 70003 beyond, whatever the zlib stream promises.
pub const DOCUMENT_BYTES_MAX: usize = 64 * 1024;

/// What a UserSig says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserSigClaims {
    /// The user it was made for, as the signer wrote it: not yet known to be a user id.
    pub identifier: String,
    /// The app it was made for.
    pub sdk_app_id: SdkAppId,
    /// When it was made, in seconds since 1970.
    pub time_s: i64,
    /// How many seconds it is valid after that.
    pub expire_s: i64,
    /// What the signer put in besides, never empty; the server does not look at it.
    pub user_buf: Option<Vec<u8>>,
}

impl UserSigClaims {
    /// The last second at which it is valid, in seconds since 1970.
    pub fn expires_at_s(&self) -> i64 {
        self.time_s.saturating_add(self.expire_s)
    }

    /// Whether it is past its last second.
    pub fn is_expired(&self, now_s: i64) -> bool {
        now_s > self.expires_at_s()
    }
}

/// Whom a UserSig must be for.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    /// The app whose key is used.
    pub sdk_app_id: SdkAppId,
    /// The user, or nothing to take any.
    pub user_id: Option<&'a str>,
    /// The time of the server, in seconds since 1970.
    pub now_s: i64,
}

/// Why a UserSig is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UserSigError {
    /// No characters at all.
    #[error("the UserSig is empty")]
    Empty,
    /// It does not hold what a UserSig holds.
    #[error("the UserSig cannot be read: {0}")]
    Malformed(&'static str),
    /// It was made for another app.
    #[error("the UserSig is for app {found}, not for app {expected}")]
    OtherApp {
        /// The app it was made for.
        found: SdkAppId,
        /// The app that asks.
        expected: SdkAppId,
    },
    /// The signature is not that of the app's key.
    #[error("the UserSig was not signed with the key of this app")]
    WrongKey,
    /// It was made for another user.
    #[error("the UserSig is for user {found:?}, not for user {expected:?}")]
    OtherUser {
        /// The user it was made for.
        found: String,
        /// The user who asks.
        expected: String,
    },
    /// It is past its last second.
    #[error("the UserSig expired at {expired_at_s}, it is {now_s} now (seconds since 1970)")]
    Expired {
        /// The last second at which it was valid.
        expired_at_s: i64,
        /// The time it was checked at.
        now_s: i64,
    },
}

impl UserSigError {
    /// The code that the app developer sees.
    pub fn code(&self) -> Code {
        match self {
            Self::Empty => Code::USER_SIG_EMPTY,
            Self::Malformed(_) => Code::USER_SIG_MALFORMED,
            Self::OtherApp { .. } => Code::USER_SIG_OTHER_APP,
            Self::WrongKey => Code::USER_SIG_WRONG_KEY,
            Self::OtherUser { .. } => Code::USER_SIG_OTHER_USER,
            Self::Expired { .. } => Code::USER_SIG_EXPIRED,
        }
    }
}

/// A UserSig that was read but not checked.
#[derive(Clone)]
pub struct DecodedUserSig {
    /// What it says; whether that is true only [`DecodedUserSig::verify`] can tell.
    pub claims: UserSigClaims,
    /// The four lines that every signature covers, as the signer wrote their values.
    signed_lines: String,
    /// The base64 text of the userbuf as the signer wrote it; empty when there is none.
    user_buf_text: String,
    signature: Vec<u8>,
}

/// Only the claims: a UserSig is a secret and `{:?}` ends in logs.
impl fmt::Debug for DecodedUserSig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DecodedUserSig").field("claims", &self.claims).finish_non_exhaustive()
    }
}

impl DecodedUserSig {
    /// Checks whom it is for, its signature and its time, in the order that the module states.
    pub fn verify(self, key: &str, expected: &Expected<'_>) -> Result<UserSigClaims, UserSigError> {
        if self.claims.sdk_app_id != expected.sdk_app_id {
            return Err(UserSigError::OtherApp { found: self.claims.sdk_app_id, expected: expected.sdk_app_id });
        }
        if !self.is_signed_with(key) {
            return Err(UserSigError::WrongKey);
        }
        if let Some(user_id) = expected.user_id.filter(|user_id| *user_id != self.claims.identifier) {
            return Err(UserSigError::OtherUser { found: self.claims.identifier, expected: user_id.to_owned() });
        }
        if self.claims.is_expired(expected.now_s) {
            return Err(UserSigError::Expired { expired_at_s: self.claims.expires_at_s(), now_s: expected.now_s });
        }
        Ok(self.claims)
    }

    fn is_signed_with(&self, key: &str) -> bool {
        let mut mac = keyed(key);
        mac.update(self.signed_lines.as_bytes());
        let four_lines = mac.clone();
        mac.update(document::user_buf_line(&self.user_buf_text).as_bytes());
        mac.verify_slice(&self.signature).is_ok()
            || (self.user_buf_text.is_empty() && four_lines.verify_slice(&self.signature).is_ok())
    }
}

fn keyed(key: &str) -> Hmac<Sha256> {
    Hmac::new_from_slice(key.as_bytes()).expect("HMAC takes a key of any length")
}

/// Signs claims with the key of an app, as the public signers do. An empty userbuf is left out.
///
/// The claims are taken as they are: negative times, or control characters in the identifier, are refused by whoever
/// reads the UserSig.
pub fn sign(claims: &UserSigClaims, key: &str) -> String {
    let user_buf_text = claims.user_buf.as_deref().filter(|bytes| !bytes.is_empty()).map(packing::to_base64);
    let mut mac = keyed(key);
    mac.update(document::signed_lines(claims).as_bytes());
    if let Some(text) = &user_buf_text {
        mac.update(document::user_buf_line(text).as_bytes());
    }
    let signature = mac.finalize().into_bytes();
    packing::pack(&document::write(claims, user_buf_text.as_deref(), &signature))
}

/// Reads a UserSig without checking anything but its form. No key is needed: an SDK looks at the expiry this way.
pub fn decode(user_sig: &str) -> Result<DecodedUserSig, UserSigError> {
    if user_sig.trim_ascii().is_empty() {
        return Err(UserSigError::Empty);
    }
    packing::unpack(user_sig).and_then(|json| document::read(&json)).map_err(UserSigError::Malformed)
}

/// Reads and checks a UserSig. The claims of an accepted one are true; its identifier is the expected user's, if one
/// was named.
pub fn verify(user_sig: &str, key: &str, expected: &Expected<'_>) -> Result<UserSigClaims, UserSigError> {
    decode(user_sig)?.verify(key, expected)
}
