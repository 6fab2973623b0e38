// SPDX-License-Identifier: Apache-2.0
//! What must stand in no log: found as it is, in part, and in the forms in which bytes get into text.

use std::collections::HashMap;
use std::fmt::Write as _;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// How many bytes of a secret, in any form, tell that it is there.
const PART_BYTES: usize = 16;

/// Secrets, by every part of their forms.
#[derive(Default)]
pub struct Secrets(HashMap<[u8; PART_BYTES], &'static str>);

impl Secrets {
    /// Takes in a secret: as text, in hexadecimal, in base64 wherever in a longer text it began, and as a list of numbers.
    pub fn add(&mut self, name: &'static str, secret: impl AsRef<[u8]>) {
        let secret = secret.as_ref();
        assert!(secret.len() >= 2 * PART_BYTES, "{name} is too short to be told from what is there by chance");
        let hex = secret.iter().fold(String::new(), |mut text, byte| {
            write!(text, "{byte:02x}").expect("a text takes all");
            text
        });
        let mut forms = vec![secret.to_vec(), hex.to_uppercase().into_bytes(), hex.into_bytes()];
        forms.push(format!("{secret:?}").into_bytes());
        for start in 0..3 {
            for engine in [STANDARD_NO_PAD, URL_SAFE_NO_PAD] {
                let mut text = engine.encode(&secret[start..]).into_bytes();
                // The last characters depend on what follows.
                text.truncate(text.len() - 3);
                forms.push(text);
            }
        }
        for form in forms {
            for part in form.windows(PART_BYTES) {
                self.0.insert(part.try_into().expect("it is of this length"), name);
            }
        }
    }

    /// The first secret in a text, and the place around it.
    pub fn find(&self, text: impl AsRef<[u8]>) -> Option<String> {
        let text = text.as_ref();
        let (at, name) = text.windows(PART_BYTES).enumerate().find_map(|(at, part)| Some((at, self.0.get(part)?)))?;
        let around = &text[at.saturating_sub(200)..text.len().min(at + 200)];
        Some(format!("{name} in: {}", String::from_utf8_lossy(around)))
    }
}

#[test]
fn a_secret_is_found_in_every_form_and_in_part() {
    const SECRET: &str = "the quick brown fox jumps over the lazy dog";
    let mut secrets = Secrets::default();
    secrets.add("the fox", SECRET);
    let bytes = SECRET.as_bytes();
    let hex = bytes.iter().map(|byte| format!("{byte:02X}")).collect::<String>();
    let in_base64 = ["", "a", "bc"].map(|before| STANDARD_NO_PAD.encode(format!("{before}{SECRET} and more")));
    let texts = [SECRET, &SECRET[5..22], &hex, &hex.to_lowercase(), &format!("{bytes:?}")];
    for text in texts.into_iter().chain(in_base64.iter().map(String::as_str)) {
        assert!(secrets.find(format!("before {text} after")).is_some(), "{text}");
    }
    assert_eq!(secrets.find("the quick bear and the lazy dog: 74, 68"), None);
}
