// SPDX-License-Identifier: Apache-2.0
//! `usersig sign` and `usersig verify`.

use std::io::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::{Args, Subcommand};
use hongyan_protocol::clock::Clock;
use hongyan_protocol::ids::SdkAppId;
use hongyan_protocol::usersig::{self, Expected, UserSigClaims};
use serde_json::json;

use super::{Failure, say};

/// 180 days, as the public signers have it in their samples.
const EXPIRE_S: i64 = 180 * 24 * 60 * 60;

// None of these is for `{:?}`: they hold keys and UserSigs.
#[derive(Subcommand)]
pub(super) enum UserSigCommand {
    /// Sign a UserSig and print it
    Sign(SignArgs),
    /// Check a UserSig: print what it holds as JSON, or fail with the code that a login would be answered
    Verify(VerifyArgs),
}

#[derive(Args)]
pub(super) struct SignArgs {
    /// The app
    #[arg(long, value_name = "N", value_parser = parse_app)]
    sdkappid: SdkAppId,
    /// The app's key
    #[arg(long, value_name = "K")]
    key: String,
    /// The user it is for
    #[arg(long, value_name = "U")]
    user: String,
    /// For how many seconds it is valid
    #[arg(long, value_name = "S", default_value_t = EXPIRE_S, allow_negative_numbers = true, value_parser = clap::value_parser!(i64).range(0..))]
    expire: i64,
    /// When it was made, in seconds since 1970 [default: now]
    #[arg(long, value_name = "T", allow_negative_numbers = true, value_parser = clap::value_parser!(i64).range(0..))]
    time: Option<i64>,
    /// A userbuf to sign with it
    #[arg(long, value_name = "BASE64")]
    userbuf: Option<String>,
}

#[derive(Args)]
pub(super) struct VerifyArgs {
    /// The app
    #[arg(long, value_name = "N", value_parser = parse_app)]
    sdkappid: SdkAppId,
    /// The app's key
    #[arg(long, value_name = "K")]
    key: String,
    /// The user it must be for [default: any]
    #[arg(long, value_name = "U")]
    user: Option<String>,
    /// The time to check it at, in seconds since 1970 [default: now]
    #[arg(long, value_name = "T")]
    now: Option<i64>,
    /// The UserSig
    #[arg(value_name = "SIGNATURE", allow_hyphen_values = true)]
    signature: String,
}

pub(super) fn parse_app(text: &str) -> Result<SdkAppId, String> {
    let number = text.parse().map_err(|_| "not a whole number".to_owned())?;
    SdkAppId::parse(number).map_err(|invalid| invalid.what.to_owned())
}

fn now_s() -> i64 {
    Clock::system().now_ms() / 1_000
}

pub(super) fn run(command: UserSigCommand, out: &mut dyn Write) -> Result<(), Failure> {
    match command {
        UserSigCommand::Sign(args) => say(out, sign(args)?),
        UserSigCommand::Verify(args) => say(out, verify(&args)?),
    }
}

fn sign(args: SignArgs) -> Result<String, Failure> {
    let user_buf = args
        .userbuf
        .map(|text| STANDARD.decode(text))
        .transpose()
        .map_err(|error| Failure::while_doing("--userbuf is not base64", error))?;
    let claims = UserSigClaims {
        identifier: args.user,
        sdk_app_id: args.sdkappid,
        time_s: args.time.unwrap_or_else(now_s),
        expire_s: args.expire,
        user_buf,
    };
    Ok(usersig::sign(&claims, &args.key))
}

fn verify(args: &VerifyArgs) -> Result<String, Failure> {
    let expected =
        Expected { sdk_app_id: args.sdkappid, user_id: args.user.as_deref(), now_s: args.now.unwrap_or_else(now_s) };
    let claims = usersig::verify(&args.signature, &args.key, &expected)
        .map_err(|error| Failure(format!("{} {error}", error.code().0)))?;
    let user_buf = claims.user_buf.as_deref().map(|bytes| STANDARD.encode(bytes));
    Ok(json!({
        "identifier": claims.identifier,
        "sdkappid": claims.sdk_app_id,
        "time": claims.time_s,
        "expire": claims.expire_s,
        "expires_at": claims.expires_at_s(),
        "userbuf": user_buf,
    })
    .to_string())
}
