// SPDX-License-Identifier: Apache-2.0
//! What the demo prints: the time since it began, a column for each person, and claims that were checked. Colours only
//! on a terminal. A reader who goes away (`make demo | head`) ends nothing.

use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use crate::failure::Failure;
use crate::wrap::{fit, wrap};

const TIME_COLUMNS: usize = 9;
const PERSON_COLUMNS: usize = 27;
const ALL_COLUMNS: usize = TIME_COLUMNS + PERSON_COLUMNS * Who::ALL.len();

const RESET: &str = "\x1b[0m";
const BOLD: &str = "\x1b[1m";
const DIM: &str = "\x1b[2m";
const RED: &str = "\x1b[31m";
const GREEN: &str = "\x1b[32m";

/// The people of the play, in the order of their columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// The first column.
    Alice,
    /// The second column.
    Bob,
    /// The third column.
    Carol,
}

impl Who {
    /// Everybody.
    pub const ALL: [Self; 3] = [Self::Alice, Self::Bob, Self::Carol];

    /// The user id.
    pub fn id(self) -> &'static str {
        match self {
            Self::Alice => "alice",
            Self::Bob => "bob",
            Self::Carol => "carol",
        }
    }

    fn colour(self) -> &'static str {
        match self {
            Self::Alice => "\x1b[36m",
            Self::Bob => "\x1b[33m",
            Self::Carol => "\x1b[35m",
        }
    }
}

/// Where the demo is shown.
pub struct Stage {
    began: Instant,
    has_colours: bool,
    claims_held: AtomicUsize,
}

impl Stage {
    /// On standard output, from now on.
    pub fn open() -> Self {
        let has_colours = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Self { began: Instant::now(), has_colours, claims_held: AtomicUsize::new(0) }
    }

    /// A new part of the play, with the names above the columns.
    pub fn chapter(&self, title: &str) {
        let rule = "─".repeat(ALL_COLUMNS.saturating_sub(title.chars().count() + 4));
        let names = Who::ALL.map(|who| self.paint(&[BOLD, who.colour()], &fit(who.id(), PERSON_COLUMNS)));
        let heading = self.paint(&[BOLD], &format!("── {title} {rule}"));
        self.print(|_| format!("\n{heading}\n{}{}", " ".repeat(TIME_COLUMNS), names.concat().trim_end()));
    }

    /// Something that one person sees.
    pub fn sees(&self, who: Who, text: &str) {
        let before = " ".repeat(who as usize * PERSON_COLUMNS);
        self.print(|time| {
            let blank = " ".repeat(TIME_COLUMNS);
            let lines = wrap(text, PERSON_COLUMNS - 2).into_iter().enumerate().map(|(index, line)| {
                let left = if index == 0 { time } else { &blank };
                format!("{left}{before}{}", self.paint(&[who.colour()], &line))
            });
            lines.collect::<Vec<_>>().join("\n")
        });
    }

    /// Something that happens to all, across the columns.
    pub fn happens(&self, text: &str) {
        self.print(|time| format!("{time}{}", self.paint(&[BOLD], text)));
    }

    /// Something that went badly, across the columns.
    pub fn breaks(&self, text: &str) {
        self.print(|time| format!("{time}{}", self.paint(&[BOLD, RED], text)));
    }

    /// A claim that was just looked into. One that does not hold ends the demo.
    pub fn claim(&self, claim: &str, holds: bool) -> Result<(), Failure> {
        if !holds {
            return Err(Failure::new(format!("this does not hold: {claim}")));
        }
        self.held(claim);
        Ok(())
    }

    /// A claim that was waited for and came true.
    pub fn held(&self, claim: &str) {
        self.claims_held.fetch_add(1, Ordering::Relaxed);
        let left = " ".repeat(TIME_COLUMNS);
        let lines = wrap(claim, ALL_COLUMNS - TIME_COLUMNS - 2).into_iter().enumerate().map(|(index, line)| {
            let mark = if index == 0 { "✓" } else { " " };
            format!("{left}{}", self.paint(&[GREEN], &format!("{mark} {line}")))
        });
        let lines = lines.collect::<Vec<_>>().join("\n");
        self.print(|_| lines);
    }

    /// How long it took and what held.
    pub fn close(&self) {
        let claims = self.claims_held.load(Ordering::Relaxed);
        let seconds = self.began.elapsed().as_secs_f64();
        self.print(|_| format!("\n{claims} claims checked in {seconds:.1} s\ndemo: ok"));
    }

    fn paint(&self, colours: &[&str], text: &str) -> String {
        if self.has_colours { format!("{}{text}{RESET}", colours.concat()) } else { text.to_owned() }
    }

    /// Prints what is made of the time, which is looked at under the lock: the times of two threads never fall.
    fn print(&self, lines: impl FnOnce(&str) -> String) {
        let mut out = std::io::stdout().lock();
        let time = format!("{:>7.3}s ", self.began.elapsed().as_secs_f64());
        // Nobody is left to tell of a failure.
        let _ = writeln!(out, "{}", lines(&self.paint(&[DIM], &time)));
    }
}
