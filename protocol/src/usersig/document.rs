// SPDX-License-Identifier: Apache-2.0
//! The JSON document inside a UserSig, and the lines of it that are signed.
//!
//! The lines are joined without escapes, so a value that held a line feed could pass for two lines. Hence no value is
//! taken that could: the identifier has no control characters, numbers are digits, the userbuf is base64.

use std::fmt;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::json;

use super::packing::{from_base64, to_base64};
use super::{DecodedUserSig, UserSigClaims};
use crate::ids::SdkAppId;

/// The length of an HMAC-SHA256.
const SIGNATURE_BYTES: usize = 32;

/// The document as signers write it. A member that is null counts as missing.
#[derive(Deserialize)]
struct Document {
    #[serde(rename = "TLS.identifier")]
    identifier: Option<Scalar>,
    #[serde(rename = "TLS.sdkappid")]
    sdk_app_id: Option<Scalar>,
    #[serde(rename = "TLS.time")]
    time: Option<Scalar>,
    #[serde(rename = "TLS.expire")]
    expire: Option<Scalar>,
    #[serde(rename = "TLS.userbuf")]
    user_buf: Option<String>,
    #[serde(rename = "TLS.sig")]
    signature: Option<String>,
}

/// A string, or a whole number as its digits. JSON has one spelling for a whole number, so these are the digits that
/// the signer wrote.
struct Scalar(String);

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ScalarVisitor;

        impl Visitor<'_> for ScalarVisitor {
            type Value = Scalar;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or a whole number")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Scalar, E> {
                Ok(Scalar(text.to_owned()))
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Scalar, E> {
                Ok(Scalar(number.to_string()))
            }
        }

        deserializer.deserialize_any(ScalarVisitor)
    }
}

/// The values that every signature covers, as text.
struct SignedValues {
    identifier: String,
    sdk_app_id: String,
    time: String,
    expire: String,
}

impl SignedValues {
    fn lines(&self) -> String {
        let Self { identifier, sdk_app_id, time, expire } = self;
        format!("TLS.identifier:{identifier}\nTLS.sdkappid:{sdk_app_id}\nTLS.time:{time}\nTLS.expire:{expire}\n")
    }
}

/// The four lines that the signature of these claims covers.
pub(super) fn signed_lines(claims: &UserSigClaims) -> String {
    let values = SignedValues {
        identifier: claims.identifier.clone(),
        sdk_app_id: claims.sdk_app_id.to_string(),
        time: claims.time_s.to_string(),
        expire: claims.expire_s.to_string(),
    };
    values.lines()
}

/// The line that follows them for a userbuf, given as base64.
pub(super) fn user_buf_line(text: &str) -> String {
    format!("TLS.userbuf:{text}\n")
}

/// Writes the document.
pub(super) fn write(claims: &UserSigClaims, user_buf_text: Option<&str>, signature: &[u8]) -> Vec<u8> {
    let mut document = json!({
        "TLS.ver": "2.0",
        "TLS.identifier": claims.identifier,
        "TLS.sdkappid": claims.sdk_app_id,
        "TLS.time": claims.time_s,
        "TLS.expire": claims.expire_s,
        "TLS.sig": to_base64(signature),
    });
    if let Some(text) = user_buf_text {
        document["TLS.userbuf"] = text.into();
    }
    document.to_string().into_bytes()
}

/// Reads a document, or says why it is none.
pub(super) fn read(json: &[u8]) -> Result<DecodedUserSig, &'static str> {
    let document: Document =
        serde_json::from_slice(json).map_err(|_| "its document is not JSON with the members of a UserSig")?;
    let values = SignedValues {
        identifier: document.identifier.ok_or("TLS.identifier is missing")?.0,
        sdk_app_id: document.sdk_app_id.ok_or("TLS.sdkappid is missing")?.0,
        time: document.time.ok_or("TLS.time is missing")?.0,
        expire: document.expire.map_or_else(|| "0".to_owned(), |expire| expire.0),
    };
    if values.identifier.is_empty() || values.identifier.contains(char::is_control) {
        return Err("TLS.identifier is empty or has control characters");
    }
    let sdk_app_id = whole_number(&values.sdk_app_id).and_then(|number| SdkAppId::parse(number).ok());
    let user_buf_text = document.user_buf.unwrap_or_default();
    let user_buf = from_base64(&user_buf_text).ok_or("TLS.userbuf is not base64")?;
    let signature = from_base64(&document.signature.ok_or("TLS.sig is missing")?)
        .filter(|signature| signature.len() == SIGNATURE_BYTES)
        .ok_or("TLS.sig is not the base64 of an HMAC-SHA256")?;
    Ok(DecodedUserSig {
        signed_lines: values.lines(),
        claims: UserSigClaims {
            sdk_app_id: sdk_app_id.ok_or("TLS.sdkappid is not the id of an app")?,
            time_s: whole_number(&values.time).ok_or("TLS.time is not a number of seconds")?,
            expire_s: whole_number(&values.expire).ok_or("TLS.expire is not a number of seconds")?,
            identifier: values.identifier,
            user_buf: Some(user_buf).filter(|bytes| !bytes.is_empty()),
        },
        user_buf_text,
        signature,
    })
}

fn whole_number(text: &str) -> Option<i64> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}
