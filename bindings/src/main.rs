// SPDX-License-Identifier: Apache-2.0
//! Generates the Kotlin and Swift faces of the SDK from its built library, and watches over their public API.
//!
//! * [`generate`]: the faces, by UniFFI; [`error_codes`]: names for the result codes in both languages.
//! * [`api`]: what of the generated code an app can see, compared with `bindings/api`.
//! * `include/`: the C interface of the bridge.

mod api;
mod error_codes;
mod generate;

use anyhow::{Result, bail};
use camino::Utf8Path;

const USAGE: &str = "\
usage: hongyan-bindings generate LIBRARY FOLDER   the Kotlin and Swift faces of an unstripped library
       hongyan-bindings api FOLDER                compare the public API of what was generated with the snapshot
       hongyan-bindings api FOLDER --write        make it the snapshot";

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["generate", library, folder] => generate::generate(Utf8Path::new(library), Utf8Path::new(folder)),
        ["api", folder] => api::compare(Utf8Path::new(folder)),
        ["api", folder, "--write"] => api::write(Utf8Path::new(folder)),
        _ => bail!(USAGE),
    }
}
