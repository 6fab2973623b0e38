// SPDX-License-Identifier: Apache-2.0
//! The binary `hongyan-server`.

use std::process::ExitCode;

fn main() -> ExitCode {
    hongyan_server::cli::main()
}
