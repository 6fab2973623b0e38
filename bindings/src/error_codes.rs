// SPDX-License-Identifier: Apache-2.0
//! Names for the result codes, from the one table that SDK and server use.

use std::fmt::Write;
use std::fs;

use anyhow::{Context, Result};
use camino::Utf8Path;
use hongyan_protocol::codes::{CodeRow, TABLE};

const MEANING: &str =
    "The result codes by name. The list is not closed: a newer server, or an app's own, may send others.";

/// `ErrorCode.NOT_LOGGED_IN`.
pub fn write_kotlin(file: &Utf8Path) -> Result<()> {
    let rows = TABLE.iter().map(|row| format!("    const val {}: Int = {}\n", row.name, row.code.0));
    let head = format!("package im.hongyan\n\n/** {MEANING} */\npublic object ErrorCode {{\n");
    write(file, &head, rows.map(|row| row.replacen("const", "public const", 1)))
}

/// `ErrorCode.notLoggedIn`.
pub fn write_swift(file: &Utf8Path) -> Result<()> {
    let rows = TABLE.iter().map(|row| format!("    public static let {}: Int = {}\n", camel(row.name), row.code.0));
    write(file, &format!("/// {MEANING}\npublic enum ErrorCode {{\n"), rows)
}

fn write(file: &Utf8Path, head: &str, declarations: impl Iterator<Item = String>) -> Result<()> {
    let mut text = format!("// Generated from protocol/src/codes/table.rs. Do not edit.\n\n{head}");
    for (row, declaration) in TABLE.iter().zip(declarations) {
        write!(text, "    /** {} */\n{declaration}", meaning(row))?;
    }
    text.push_str("}\n");
    fs::write(file, text).with_context(|| format!("writing {file}"))
}

fn meaning(row: &CodeRow) -> String {
    let retry = if row.is_retryable { " The same call may succeed later." } else { "" };
    format!("{}{}.{retry}", row.text[..1].to_uppercase(), &row.text[1..])
}

fn camel(name: &str) -> String {
    let words = name.to_lowercase();
    let mut words = words.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |camel, word| camel + &word[..1].to_uppercase() + &word[1..])
}

#[cfg(test)]
mod tests {
    use super::camel;

    #[test]
    fn a_constant_has_swifts_casing() {
        assert_eq!(camel("NOT_LOGGED_IN"), "notLoggedIn");
        assert_eq!(camel("OK"), "ok");
    }
}
