// SPDX-License-Identifier: Apache-2.0
//! Resume tokens: what a session leaves its client, signed by the store, so that the next connection needs no UserSig.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use hongyan_protocol::account::Platform;
use hongyan_protocol::codes::Code;
use hongyan_protocol::ids::{DeviceId, SdkAppId, UserId};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::error::Error;

/// Longer than any token that was ever made.
const TOKEN_BYTES_MAX: usize = 1024;

/// What a token says. It is bound to all of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Claims {
    pub(crate) app: SdkAppId,
    pub(crate) user: UserId,
    pub(crate) device: DeviceId,
    pub(crate) platform: Platform,
    pub(crate) epoch: i64,
    /// The last second of the UserSig behind it.
    pub(crate) expires_s: i64,
}

fn mac(secret: &[u8], claims: &[u8]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("an HMAC takes keys of every length");
    // What else the same secret may come to sign starts otherwise.
    mac.update(b"resume-token-1:");
    mac.update(claims);
    mac
}

/// Signs claims.
pub(crate) fn sign(secret: &[u8], claims: &Claims) -> String {
    let text = serde_json::to_vec(claims).expect("claims are texts and numbers");
    let tag = mac(secret, &text).finalize().into_bytes();
    format!("{}.{}", URL_SAFE_NO_PAD.encode(text), URL_SAFE_NO_PAD.encode(tag))
}

/// Reads a token that this store signed and that is still valid. One of another device is refused like a forged one.
pub(crate) fn verify(secret: &[u8], token: &str, device: DeviceId, now_s: i64) -> Result<Claims, Error> {
    let claims = read(secret, token)
        .filter(|claims| claims.device == device)
        .ok_or_else(|| Error::new(Code::ACCESS_TICKET_REJECTED, "the resume token is not valid on this device"))?;
    if now_s > claims.expires_s {
        return Err(Error::new(Code::USER_SIG_EXPIRED, "the UserSig behind the resume token has expired"));
    }
    Ok(claims)
}

fn read(secret: &[u8], token: &str) -> Option<Claims> {
    if token.len() > TOKEN_BYTES_MAX {
        return None;
    }
    let (text, tag) = token.split_once('.')?;
    let text = URL_SAFE_NO_PAD.decode(text).ok()?;
    mac(secret, &text).verify_slice(&URL_SAFE_NO_PAD.decode(tag).ok()?).ok()?;
    serde_json::from_slice(&text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims() -> Claims {
        Claims {
            app: SdkAppId::parse(1_400_000_001).unwrap(),
            user: UserId::parse("alice").unwrap(),
            device: DeviceId::generate(),
            platform: Platform::Android,
            epoch: 3,
            expires_s: 1_000,
        }
    }

    #[test]
    fn a_token_reads_back_on_its_device_until_its_last_second() {
        let claims = claims();
        let token = sign(b"secret", &claims);
        assert_eq!(verify(b"secret", &token, claims.device, 1_000).unwrap(), claims);
        assert_eq!(verify(b"secret", &token, claims.device, 1_001).unwrap_err().code(), Code::USER_SIG_EXPIRED);
    }

    #[test]
    fn a_token_of_another_device_store_or_hand_is_refused() {
        let claims = claims();
        let token = sign(b"secret", &claims);
        let refused = |secret: &[u8], token: &str, device| verify(secret, token, device, 0).unwrap_err().code();
        assert_eq!(refused(b"secret", &token, DeviceId::generate()), Code::ACCESS_TICKET_REJECTED);
        assert_eq!(refused(b"another", &token, claims.device), Code::ACCESS_TICKET_REJECTED);
        let other = sign(b"another", &Claims { user: UserId::parse("bob").unwrap(), ..claims.clone() });
        let (_, tag) = token.split_once('.').unwrap();
        let grafted = format!("{}.{tag}", other.split_once('.').unwrap().0);
        let endless = "A".repeat(TOKEN_BYTES_MAX + 1);
        for forged in ["", ".", "a.b", &grafted, &token[..token.len() - 1], &format!("{token}A"), &endless] {
            assert_eq!(refused(b"secret", forged, claims.device), Code::ACCESS_TICKET_REJECTED, "{forged}");
        }
    }

    #[test]
    fn no_changed_byte_of_a_token_is_accepted() {
        let claims = claims();
        let token = sign(b"secret", &claims);
        for index in 0..token.len() {
            let mut bytes = token.clone().into_bytes();
            bytes[index] = if bytes[index] == b'x' { b'y' } else { b'x' };
            let forged = String::from_utf8(bytes).unwrap();
            assert!(verify(b"secret", &forged, claims.device, 0).is_err(), "byte {index}");
        }
    }
}
