// SPDX-License-Identifier: Apache-2.0

use std::io::Write;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use hmac::Mac;
use proptest::prelude::*;

use super::packing::{from_base64, pack, to_base64};
use super::{
    DOCUMENT_BYTES_MAX, Expected, USER_SIG_BYTES_MAX, UserSigClaims, UserSigError, decode, keyed, sign, verify,
};
use crate::codes::Code;
use crate::ids::SdkAppId;

const KEY: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const OTHER_KEY: &str = "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210";
const TIME_S: i64 = 1_700_000_000;
const EXPIRE_S: i64 = 86_400;

/// The signature of alice's claims below, as lines and a standard HMAC-SHA256 give it.
const ALICE_SIGNATURE: &str = "cForwd2VAJbcbM+2JaMHyjclosQn9CPpTcoXl3NLqOU=";
/// The same with the userbuf `AAA`.
const ALICE_SIGNATURE_WITH_USER_BUF: &str = "VT/Xs/1OjqNBljzRxtQtYBeF/zRn2vrXECz+80ROUsM=";

/// Alice's claims as a document, its signature to be put in by [`document`].
const ALICE_JSON: &str = concat!(
    r#"{"TLS.identifier":"alice","TLS.sdkappid":1400000001,"#,
    r#""TLS.time":1700000000,"TLS.expire":86400,"TLS.sig":"SIG"}"#
);

/// What the vendor's signers wrote for [`KEY`], this app and this time, made once with a clock that stood still.
const PUBLIC_SIGNERS: &str = include_str!("public_signers.json");

#[derive(serde::Deserialize)]
struct Written {
    signer: String,
    case: String,
    identifier: String,
    expire_s: i64,
    /// Base64, empty for none.
    user_buf: String,
    user_sig: String,
}

fn app(number: i64) -> SdkAppId {
    SdkAppId::parse(number).expect("a positive number")
}

fn alice() -> UserSigClaims {
    UserSigClaims {
        identifier: "alice".to_owned(),
        sdk_app_id: app(1_400_000_001),
        time_s: TIME_S,
        expire_s: EXPIRE_S,
        user_buf: None,
    }
}

fn for_alice() -> Expected<'static> {
    Expected { sdk_app_id: app(1_400_000_001), user_id: Some("alice"), now_s: TIME_S }
}

fn code_of(user_sig: &str, expected: &Expected<'_>) -> Code {
    verify(user_sig, KEY, expected).expect_err("a refusal").code()
}

/// The base64 signature of lines with the key of these tests.
fn signature_of(lines: &str) -> String {
    let mut mac = keyed(KEY);
    mac.update(lines.as_bytes());
    to_base64(&mac.finalize().into_bytes())
}

/// A UserSig of a hand-written document, signed for alice where it says `SIG`.
fn document(json: &str) -> String {
    pack(json.replace("SIG", ALICE_SIGNATURE).as_bytes())
}

fn as_standard(user_sig: &str) -> String {
    user_sig.replace('-', "/").replace('*', "+").replace('_', "=")
}

fn as_url_safe(user_sig: &str) -> String {
    user_sig.replace('_', "=").replace('-', "_").replace('*', "-")
}

#[test]
fn what_public_signers_write_is_taken() {
    let written: Vec<Written> = serde_json::from_str(PUBLIC_SIGNERS).expect("the file of signatures");
    for written in written {
        let user_buf = from_base64(&written.user_buf).expect("base64");
        let claims = UserSigClaims {
            expire_s: written.expire_s,
            identifier: written.identifier,
            user_buf: Some(user_buf).filter(|bytes| !bytes.is_empty()),
            ..alice()
        };
        let expected = Expected { user_id: Some(&claims.identifier), ..for_alice() };
        let (signer, case, user_sig) = (written.signer, written.case, written.user_sig);
        assert_eq!(verify(&user_sig, KEY, &expected).as_ref(), Ok(&claims), "{signer}: {case}");
        let refused = [
            (verify(&user_sig, OTHER_KEY, &expected), Code::USER_SIG_WRONG_KEY),
            (verify(&user_sig, KEY, &Expected { user_id: Some("bob"), ..expected }), Code::USER_SIG_OTHER_USER),
            (verify(&user_sig, KEY, &Expected { sdk_app_id: app(1), ..expected }), Code::USER_SIG_OTHER_APP),
            (
                verify(&user_sig, KEY, &Expected { now_s: claims.expires_at_s() + 1, ..expected }),
                Code::USER_SIG_EXPIRED,
            ),
        ];
        for (result, code) in refused {
            assert_eq!(result.expect_err("a refusal").code(), code, "{signer}: {case}");
        }
    }
}

#[test]
fn what_is_signed_here_has_the_signature_that_public_signers_write() {
    let with_user_buf = UserSigClaims { user_buf: Some(b"AAA".to_vec()), ..alice() };
    for (claims, signature) in [(alice(), ALICE_SIGNATURE), (with_user_buf, ALICE_SIGNATURE_WITH_USER_BUF)] {
        let decoded = decode(&sign(&claims, KEY)).expect("a UserSig");
        assert_eq!(to_base64(&decoded.signature), signature);
        assert_eq!(decoded.claims, claims);
    }
}

#[test]
fn an_empty_userbuf_is_none_however_it_is_signed() {
    let lines = "TLS.identifier:alice\nTLS.sdkappid:1400000001\nTLS.time:1700000000\nTLS.expire:86400\n";
    let members = r#""TLS.identifier":"alice","TLS.sdkappid":1400000001,"TLS.time":1700000000,"TLS.expire":86400"#;
    for line in ["", "TLS.userbuf:\n"] {
        let signature = signature_of(&format!("{lines}{line}"));
        for member in ["", r#","TLS.userbuf":"""#, r#","TLS.userbuf":null"#] {
            let user_sig = document(&format!(r#"{{{members}{member},"TLS.sig":"{signature}"}}"#));
            assert_eq!(verify(&user_sig, KEY, &for_alice()), Ok(alice()), "{member} signed as {line:?}");
        }
    }
    let signed_here = sign(&UserSigClaims { user_buf: Some(Vec::new()), ..alice() }, KEY);
    assert_eq!(verify(&signed_here, KEY, &for_alice()), Ok(alice()));
}

#[test]
fn a_userbuf_cannot_be_added_changed_or_dropped() {
    let members = r#""TLS.identifier":"alice","TLS.sdkappid":1400000001,"TLS.time":1700000000,"TLS.expire":86400"#;
    for (signature, member) in [
        (ALICE_SIGNATURE, r#","TLS.userbuf":"QUFB""#),
        (ALICE_SIGNATURE_WITH_USER_BUF, r#","TLS.userbuf":"QUFC""#),
        (ALICE_SIGNATURE_WITH_USER_BUF, r#","TLS.userbuf":"""#),
        (ALICE_SIGNATURE_WITH_USER_BUF, ""),
    ] {
        let user_sig = document(&format!(r#"{{{members}{member},"TLS.sig":"{signature}"}}"#));
        assert_eq!(code_of(&user_sig, &for_alice()), Code::USER_SIG_WRONG_KEY);
    }
}

#[test]
fn base64_is_taken_in_either_alphabet_with_or_without_padding() {
    let mut seen = String::new();
    for suffix in 0..200 {
        let claims = UserSigClaims { identifier: format!("user-{suffix}"), ..alice() };
        let written = sign(&claims, KEY);
        seen.push_str(&written);
        let expected = Expected { user_id: Some(&claims.identifier), ..for_alice() };
        for form in [written.clone(), as_standard(&written), as_url_safe(&written)] {
            let without_padding = match form.ends_with('=') {
                true => form.trim_end_matches('=').to_owned(),
                false => written.trim_end_matches('_').to_owned(),
            };
            let broken_into_lines = format!(" {}\r\n{}\n", &form[..76], &form[76..]);
            for text in [form, without_padding, broken_into_lines] {
                assert_eq!(verify(&text, KEY, &expected).as_ref(), Ok(&claims), "{text}");
            }
        }
    }
    assert!(['*', '-', '_'].iter().all(|c| seen.contains(*c)), "the alphabets differ somewhere");
}

#[test]
fn every_zlib_level_is_taken_and_what_follows_the_stream_is_not_read() {
    let json = ALICE_JSON.replace("SIG", ALICE_SIGNATURE);
    for level in 0..=9 {
        let mut deflater = ZlibEncoder::new(Vec::new(), Compression::new(level));
        deflater.write_all(json.as_bytes()).expect("memory");
        let mut packed = deflater.finish().expect("memory");
        assert_eq!(verify(&to_base64(&packed), KEY, &for_alice()), Ok(alice()), "level {level}");
        packed.extend_from_slice(&[0; 300]);
        assert_eq!(verify(&to_base64(&packed), KEY, &for_alice()), Ok(alice()), "level {level}, padded");
    }
}

#[test]
fn json_is_taken_in_any_order_with_white_space_escapes_and_unknown_members() {
    let out_of_order = r#" { "TLS.sig" : "SIG" ,
           "TLS.expire":86400,"TLS.time" :1700000000 , "TLS.sdkappid":1400000001,"TLS.identifier":"alice" } "#;
    let escaped = ALICE_JSON.replace("alice", r"\u0061l\u0069ce").replace("TLS.sdk", r"TLS\u002esdk");
    let with_unknown = ALICE_JSON.replace("{", r#"{"TLS.ver":2,"x":{"y":[[1.5e9,null]]},"#);
    let strings = ALICE_JSON
        .replace("1400000001", r#""1400000001""#)
        .replace("1700000000", r#""1700000000""#)
        .replace("86400", r#""86400""#);
    for json in [out_of_order, &escaped, &with_unknown, &strings] {
        assert_eq!(verify(&document(json), KEY, &for_alice()), Ok(alice()), "{json}");
    }
}

#[test]
fn a_number_is_signed_as_its_signer_wrote_it() {
    let signature =
        signature_of("TLS.identifier:007\nTLS.sdkappid:01400000001\nTLS.time:1700000000\nTLS.expire:0086400\n");
    let json = ALICE_JSON
        .replace("alice", "007")
        .replace("1400000001", r#""01400000001""#)
        .replace("86400", r#""0086400""#)
        .replace("SIG", &signature);
    let claims = UserSigClaims { identifier: "007".to_owned(), ..alice() };
    assert_eq!(verify(&document(&json), KEY, &Expected { user_id: None, ..for_alice() }), Ok(claims));
}

#[test]
fn what_cannot_be_read_is_malformed() {
    assert_eq!(verify(&document(ALICE_JSON), KEY, &for_alice()), Ok(alice()));
    for (from, to) in [
        ("\"alice\"", "\"\""),
        ("\"alice\"", "\"ali\\nce\""),
        ("\"alice\"", "\"ali\\u0000ce\""),
        ("\"alice\"", "null"),
        ("\"alice\"", "[\"alice\"]"),
        ("1400000001", "0"),
        ("1400000001", "-1"),
        ("1400000001", "1400000001.0"),
        ("1400000001", "9007199254740992"),
        ("1700000000", "-1700000000"),
        ("1700000000", "\"-1\""),
        ("1700000000", "\"+1\""),
        ("1700000000", "\" 1\""),
        ("1700000000", "\"\""),
        ("1700000000", "1.7e9"),
        ("1700000000", "null"),
        ("86400", "-1"),
        ("86400", "9223372036854775808"),
        ("86400", "true"),
        ("\"SIG\"", "\"\""),
        ("\"SIG\"", "\"SIGA\""),
        ("\"SIG\"", "null"),
        ("\"TLS.sig\"", "\"TLS.userbuf\":\"QUFB\\nQUFB\",\"TLS.sig\""),
        ("\"TLS.sig\"", "\"TLS.userbuf\":7,\"TLS.sig\""),
        ("\"TLS.sig\"", "\"TLS.time\":1,\"TLS.sig\""),
        ("}", ""),
        ("}", "}{"),
    ] {
        let user_sig = document(&ALICE_JSON.replacen(from, to, 1));
        assert_eq!(code_of(&user_sig, &for_alice()), Code::USER_SIG_MALFORMED, "{from} became {to}");
    }
}

#[test]
fn what_is_cut_off_or_damaged_is_malformed() {
    let whole = sign(&alice(), KEY);
    let length = whole.trim_end_matches('_').len();
    for end in 1..length {
        assert_eq!(code_of(&whole[..end], &for_alice()), Code::USER_SIG_MALFORMED, "cut at {end}");
    }
    for text in ["x", "====", "____", "鸿雁", "eJw=", "\0", "{}"] {
        assert_eq!(code_of(text, &for_alice()), Code::USER_SIG_MALFORMED, "{text}");
    }
}

#[test]
fn nothing_is_empty_and_so_is_white_space() {
    assert_eq!(code_of("", &for_alice()), Code::USER_SIG_EMPTY);
    assert_eq!(code_of(" \n", &for_alice()), Code::USER_SIG_EMPTY);
}

#[test]
fn size_and_depth_are_bounded() {
    let bomb = pack(&vec![b' '; 16 * 1024 * 1024]);
    assert!(bomb.len() < USER_SIG_BYTES_MAX);
    assert_eq!(decode(&bomb).map(|_| ()), Err(UserSigError::Malformed("its document is longer than 64 KiB")));
    let json = ALICE_JSON.replace("SIG", ALICE_SIGNATURE);
    let padded = |bytes: usize| pack(format!("{json}{}", " ".repeat(bytes - json.len())).as_bytes());
    assert_eq!(verify(&padded(DOCUMENT_BYTES_MAX), KEY, &for_alice()), Ok(alice()));
    assert_eq!(code_of(&padded(DOCUMENT_BYTES_MAX + 1), &for_alice()), Code::USER_SIG_MALFORMED);

    let deep = format!("{{\"x\":{}{},", "[".repeat(30_000), "]".repeat(30_000));
    assert_eq!(verify(&document(&ALICE_JSON.replace("{", &deep)), KEY, &for_alice()), Ok(alice()));
    let deep_where_it_is_read = ALICE_JSON.replace("\"alice\"", &"[".repeat(60_000));
    assert_eq!(code_of(&document(&deep_where_it_is_read), &for_alice()), Code::USER_SIG_MALFORMED);
    let long = "A".repeat(USER_SIG_BYTES_MAX + 1);
    assert_eq!(code_of(&long, &for_alice()), Code::USER_SIG_MALFORMED);
}

#[test]
fn it_is_valid_to_the_end_of_its_last_second() {
    let user_sig = sign(&alice(), KEY);
    let at = |now_s| verify(&user_sig, KEY, &Expected { now_s, ..for_alice() });
    assert_eq!(at(0), Ok(alice()));
    assert_eq!(at(TIME_S + EXPIRE_S), Ok(alice()));
    let expired_at_s = TIME_S + EXPIRE_S;
    assert_eq!(at(expired_at_s + 1), Err(UserSigError::Expired { expired_at_s, now_s: expired_at_s + 1 }));

    let endless = UserSigClaims { expire_s: i64::MAX, ..alice() };
    let expected = Expected { now_s: i64::MAX, ..for_alice() };
    assert_eq!(verify(&sign(&endless, KEY), KEY, &expected).as_ref(), Ok(&endless));
}

#[test]
fn the_checks_come_in_the_stated_order() {
    let genuine = sign(&alice(), KEY);
    let forged = sign(&alice(), OTHER_KEY);
    let late = TIME_S + EXPIRE_S + 1;
    let other_user = Expected { user_id: Some("bob"), now_s: late, ..for_alice() };
    let other_app = Expected { sdk_app_id: app(1), ..other_user };
    assert_eq!(code_of(&forged, &other_app), Code::USER_SIG_OTHER_APP);
    assert_eq!(code_of(&genuine, &other_app), Code::USER_SIG_OTHER_APP);
    assert_eq!(code_of(&forged, &other_user), Code::USER_SIG_WRONG_KEY);
    assert_eq!(code_of(&genuine, &other_user), Code::USER_SIG_OTHER_USER);
    assert_eq!(code_of(&genuine, &Expected { now_s: late, ..for_alice() }), Code::USER_SIG_EXPIRED);
    let any_user = Expected { user_id: None, ..for_alice() };
    assert_eq!(verify(&genuine, KEY, &any_user), Ok(alice()));
}

#[test]
fn the_key_is_used_as_text() {
    let upper_case = KEY.to_uppercase();
    assert_eq!(code_of(&sign(&alice(), &upper_case), &for_alice()), Code::USER_SIG_WRONG_KEY);
}

#[test]
fn the_expiry_is_seen_without_the_key() {
    let claims = decode(&sign(&alice(), KEY)).expect("a UserSig").claims;
    assert_eq!(claims.expires_at_s(), TIME_S + EXPIRE_S);
    assert!(!claims.is_expired(TIME_S + EXPIRE_S));
    assert!(claims.is_expired(TIME_S + EXPIRE_S + 1));
}

#[test]
fn no_signature_is_shown_in_a_log() {
    let decoded = decode(&sign(&alice(), KEY)).expect("a UserSig");
    assert_eq!(format!("{decoded:?}"), format!("DecodedUserSig {{ claims: {:?}, .. }}", decoded.claims));
}

fn claims() -> impl Strategy<Value = UserSigClaims> {
    let user_buf = proptest::option::of(proptest::collection::vec(any::<u8>(), 1..200));
    ("[ -~]{1,32}", 1..=crate::limits::INTEGER_MAX, 0..=i64::MAX, 0..=i64::MAX, user_buf).prop_map(
        |(identifier, sdk_app_id, time_s, expire_s, user_buf)| UserSigClaims {
            identifier,
            sdk_app_id: app(sdk_app_id),
            time_s,
            expire_s,
            user_buf,
        },
    )
}

proptest! {
    #[test]
    fn what_is_signed_verifies_as_the_same(claims in claims(), key in ".{0,80}") {
        let expected = Expected {
            sdk_app_id: claims.sdk_app_id,
            user_id: Some(&claims.identifier),
            now_s: claims.expires_at_s(),
        };
        let user_sig = sign(&claims, &key);
        for form in [user_sig.clone(), as_standard(&user_sig), as_url_safe(&user_sig)] {
            prop_assert_eq!(verify(&form, &key, &expected), Ok(claims.clone()));
        }
        prop_assert_eq!(
            verify(&user_sig, &format!("{key}x"), &expected),
            Err(UserSigError::WrongKey)
        );
    }

    #[test]
    fn one_changed_character_never_gives_other_claims(
        claims in claims(), place in any::<prop::sample::Index>(), c in any::<char>(),
    ) {
        let user_sig = sign(&claims, KEY);
        let place = place.index(user_sig.len());
        let changed = format!("{}{c}{}", &user_sig[..place], &user_sig[place + 1..]);
        let expected = Expected { sdk_app_id: claims.sdk_app_id, user_id: None, now_s: 0 };
        if let Ok(accepted) = verify(&changed, KEY, &expected) {
            prop_assert_eq!(accepted, claims);
        }
    }

    #[test]
    fn one_changed_byte_of_the_document_never_gives_other_claims(
        claims in claims(), place in any::<prop::sample::Index>(), byte in any::<u8>(),
    ) {
        let mut json = super::packing::unpack(&sign(&claims, KEY)).expect("a UserSig");
        let place = place.index(json.len());
        json[place] = byte;
        let expected = Expected { sdk_app_id: claims.sdk_app_id, user_id: None, now_s: 0 };
        if let Ok(accepted) = verify(&pack(&json), KEY, &expected) {
            prop_assert_eq!(accepted, claims);
        }
    }

    #[test]
    fn a_line_feed_in_an_identifier_is_refused(
        claims in claims(), tail in "\n(TLS\\.(sdkappid|time|expire|userbuf):[0-9]{0,4}\n?){0,5}",
    ) {
        let sly = UserSigClaims { identifier: format!("{}{tail}", claims.identifier), ..claims };
        prop_assert_eq!(decode(&sign(&sly, KEY)).expect_err("a refusal").code(), Code::USER_SIG_MALFORMED);
    }

    #[test]
    fn no_text_makes_it_panic(text in any::<String>()) {
        let _ = verify(&text, KEY, &for_alice());
    }

    #[test]
    fn no_bytes_inside_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = verify(&to_base64(&bytes), KEY, &for_alice());
        let _ = verify(&pack(&bytes), KEY, &for_alice());
    }
}
