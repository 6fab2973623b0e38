// SPDX-License-Identifier: Apache-2.0
//! A disk that fails on command, under a process of its own: see `faults.c`, which is compiled where it is needed.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use tempfile::TempDir;

/// Which calls fail.
#[derive(Debug, Clone, Copy)]
pub enum Call {
    /// Waiting until what was written is on the disk.
    Sync,
    /// Writing, and making a file longer.
    Write,
    /// Opening a file to write to it.
    Open,
}

impl Call {
    fn name(self) -> &'static str {
        match self {
            Self::Sync => "sync",
            Self::Write => "write",
            Self::Open => "open",
        }
    }
}

/// How they fail, by the system's numbers.
#[derive(Debug, Clone, Copy)]
pub enum Errno {
    Io = 5,
    NoRoom = 28,
    ReadOnly = 30,
}

/// The faults of one process's disk; none to begin with.
pub struct Faults(TempDir);

impl Faults {
    pub fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder for faults"))
    }

    /// What the process is to find in its environment.
    pub fn settings(&self) -> [(&'static str, &str); 2] {
        [("LD_PRELOAD", path_text(library())), ("HONGYAN_FAULTS", path_text(self.0.path()))]
    }

    /// From now on calls fail on the files whose whole path matches a pattern (`*` and `?`, as a shell has them).
    pub fn fail(&self, call: Call, errno: Errno, pattern: &str) {
        let number = errno as i32;
        // Renamed into its place: the process reads all of it or none.
        let unfinished = self.0.path().join("unfinished");
        std::fs::write(&unfinished, format!("{number} {pattern}")).expect("a fault can be written");
        std::fs::rename(unfinished, self.0.path().join(call.name())).expect("a fault can be set");
    }

    /// Nothing fails any more.
    pub fn heal(&self) {
        for call in [Call::Sync, Call::Write, Call::Open] {
            // Mostly there is no such fault.
            let _ = std::fs::remove_file(self.0.path().join(call.name()));
        }
    }
}

fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/harness/faults.c");
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let unfinished = folder.join(format!("faults-{}.so", std::process::id()));
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"]).arg(&unfinished).arg(source);
        assert!(compiler.status().expect("a C compiler is there, as for SQLite").success(), "faults.c compiles");
        // Renamed into its place: other runs of the tests may be loading it.
        let library = folder.join("faults.so");
        std::fs::rename(unfinished, &library).expect("a library can be renamed");
        library
    })
}

fn path_text(path: &Path) -> &str {
    path.to_str().expect("a folder of the tests has a plain name")
}
