// SPDX-License-Identifier: Apache-2.0
//! The public API of the generated code, as a text that shows in review when it changes.
//!
//! What UniFFI generates beside it (buffers, converters, handles) is left out: it has no documentation of ours. What an
//! app can see has, or the comparison fails.

use std::fmt::Write;
use std::fs;

use anyhow::{Context, Result, bail};
use camino::{Utf8Path, Utf8PathBuf};

struct Face {
    generated: &'static str,
    snapshot: &'static str,
    is_member: fn(&str) -> bool,
}

const FACES: [Face; 2] = [
    Face { generated: "kotlin/im/hongyan/ffi/hongyan.kt", snapshot: "kotlin.txt", is_member: is_kotlin_member },
    Face { generated: "swift/HongyanFFI.swift", snapshot: "swift.txt", is_member: is_swift_member },
];

/// What a member begins with that an app can see.
fn is_kotlin_member(line: &str) -> bool {
    let is_handle = line.contains("UniffiWithHandle") || line.contains("NoHandle");
    let first_word = line.split([' ', '(', ',', ';']).next().unwrap_or_default();
    let is_enum_entry =
        !first_word.is_empty() && first_word.chars().all(|c| c.is_ascii_uppercase() || c == '_' || c.is_ascii_digit());
    !is_handle
        && (is_enum_entry
            || ["fun `", "suspend fun `", "val `", "data class ", "class ", "object ", "constructor(`"]
                .iter()
                .any(|begin| line.starts_with(begin)))
}

fn is_swift_member(line: &str) -> bool {
    // What Foundation asks of every error is UniFFI's own.
    let is_foundations = line.starts_with("public var errorDescription");
    let begins = ["func ", "public let ", "public var ", "case ", "public convenience init"];
    !is_foundations && begins.iter().any(|begin| line.starts_with(begin))
}

/// Fails where the API differs from the snapshot.
pub fn compare(folder: &Utf8Path) -> Result<()> {
    let mut differences = String::new();
    for face in &FACES {
        let api = face.read(folder)?;
        let held = fs::read_to_string(face.path()).unwrap_or_default();
        let (held, api): (Vec<_>, Vec<_>) = (held.lines().collect(), api.lines().collect());
        for (sign, lines, others) in [('-', &held, &api), ('+', &api, &held)] {
            for line in lines.iter().filter(|line| !others.contains(line)) {
                writeln!(differences, "{} {sign} {line}", face.snapshot)?;
            }
        }
        if differences.is_empty() && held != api {
            writeln!(differences, "{}: the order changed", face.snapshot)?;
        }
    }
    if !differences.is_empty() {
        bail!("the public API changed; if it is meant, `make api` makes it the snapshot\n{differences}");
    }
    Ok(())
}

/// Makes the API the snapshot.
pub fn write(folder: &Utf8Path) -> Result<()> {
    for face in &FACES {
        fs::write(face.path(), face.read(folder)?).with_context(|| format!("writing {}", face.path()))?;
    }
    Ok(())
}

impl Face {
    fn path(&self) -> Utf8PathBuf {
        Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("api").join(self.snapshot)
    }

    fn read(&self, folder: &Utf8Path) -> Result<String> {
        let file = folder.join(self.generated);
        let source = fs::read_to_string(&file).with_context(|| format!("reading {file}"))?;
        let api = extract(&source, self.is_member)?;
        if api.is_empty() {
            bail!("{file} has no public API: did UniFFI change its form?");
        }
        Ok(api)
    }
}

/// The documented declarations of a file, a line each; members are indented below theirs.
fn extract(source: &str, is_member: fn(&str) -> bool) -> Result<String> {
    let mut api = String::new();
    let mut undocumented = String::new();
    let mut lines = source.lines().peekable();
    let mut is_in_item = false;
    // Whether the declaration that comes next has documentation of ours.
    let mut is_documented = false;
    while let Some(line) = lines.next() {
        let text = line.trim();
        if text.starts_with("/**") {
            is_documented = true;
            let mut end = text;
            while !end.contains("*/") {
                end = lines.next().unwrap_or("*/").trim();
                is_documented &= !end.contains("@suppress");
            }
            // Swift's parameters stand on the line that ends their documentation.
            continue;
        }
        if text.is_empty() || line == "{" || text.starts_with('@') || text.starts_with('#') {
            continue;
        }
        if !line.starts_with(' ') {
            is_in_item = is_documented && !text.starts_with('}');
            if is_in_item {
                writeln!(api, "{}", normal(text))?;
            }
        } else if is_in_item && is_member(text) {
            writeln!(api, "    {}", normal(text))?;
            if !is_documented {
                writeln!(undocumented, "    {text}")?;
            }
        }
        is_documented = false;
    }
    if !undocumented.is_empty() {
        bail!("without documentation:\n{undocumented}");
    }
    Ok(api)
}

/// A declaration's text whatever way it is laid out.
fn normal(text: &str) -> String {
    let words: Vec<&str> = text.trim_end_matches(['{', ',', ';', ' ']).split_whitespace().collect();
    words.join(" ").replace('`', "")
}

#[cfg(test)]
mod tests {
    use super::{extract, is_kotlin_member};

    #[test]
    fn what_an_app_sees_is_what_has_documentation() {
        let source = "/**\n * Ours.\n */\nenum class Size {\n    /**\n     * Small.\n     */\n    SMALL,\n    companion object\n}\n\
                      /**\n * @suppress\n */\npublic object FfiConverterSize {\n    fun `read`()\n}\n";
        assert_eq!(extract(source, is_kotlin_member).expect("all of it is documented"), "enum class Size\n    SMALL\n");
    }

    #[test]
    fn an_undocumented_member_is_refused() {
        let source = "/** Ours. */\nenum class Size {\n    SMALL,\n}\n";
        assert!(extract(source, is_kotlin_member).is_err());
    }
}
