// SPDX-License-Identifier: Apache-2.0
//! The faces: `kotlin/` and `swift/`.

use std::fs;

use anyhow::{Context, Result, bail};
use camino::Utf8Path;
use uniffi_bindgen::bindings::{GenerateOptions, TargetLanguage, generate as generate_by_uniffi};

use crate::error_codes;

/// Generates all faces into a folder, in place of what is there.
pub fn generate(library: &Utf8Path, folder: &Utf8Path) -> Result<()> {
    if !library.exists() {
        bail!("{library} does not exist: build it with .ci/bindings");
    }
    face(library, TargetLanguage::Kotlin, &folder.join("kotlin"))?;
    face(library, TargetLanguage::Swift, &folder.join("swift"))?;
    error_codes::write_kotlin(&folder.join("kotlin/im/hongyan/ErrorCode.kt"))?;
    error_codes::write_swift(&folder.join("swift/ErrorCode.swift"))
}

fn face(library: &Utf8Path, language: TargetLanguage, folder: &Utf8Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("removing {folder}"))?;
    }
    generate_by_uniffi(GenerateOptions {
        languages: vec![language],
        source: library.to_owned(),
        out_dir: folder.to_owned(),
        ..GenerateOptions::default()
    })
    .with_context(|| format!("generating {folder} from {library} (is it stripped?)"))
}
