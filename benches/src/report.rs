// SPDX-License-Identifier: Apache-2.0
//! The figures of a run: told as they come, shown as a table, kept whole in a file.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use serde::Serialize;
use serde_json::Value;

use crate::payload::Faults;
use crate::stats::{Quantiles, TrialTimes, median};

/// Which way a figure is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Better {
    /// More is better.
    Higher,
    /// Less is better.
    Lower,
}

/// What a figure should reach.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Aim {
    /// In the figure's unit; of the ratio to its limit where `is_ratio`.
    pub value: f64,
    /// Whether it speaks of the ratio.
    pub is_ratio: bool,
}

impl Aim {
    /// An aim in the figure's own unit.
    pub fn value(value: f64) -> Option<Self> {
        Some(Self { value, is_ratio: false })
    }

    /// An aim of the ratio to the limit.
    pub fn ratio(value: f64) -> Option<Self> {
        Some(Self { value, is_ratio: true })
    }
}

/// One thing that was measured, several times.
#[derive(Debug, Clone, Serialize)]
pub struct Figure {
    /// What, with the engine or the peer before it.
    pub name: String,
    /// In what.
    pub unit: &'static str,
    /// Which way is good.
    pub better: Better,
    /// Every trial, in order.
    pub trials: Vec<f64>,
    /// The middle one.
    pub median: f64,
    /// The figure that bounds this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<String>,
    /// This one divided by its limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ratio: Option<f64>,
    /// What it should reach.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aim: Option<Aim>,
    /// Whether it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_reached: Option<bool>,
}

/// All that a run found.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// Where and what was measured.
    pub about: BTreeMap<String, Value>,
    /// In the order in which they were taken.
    pub figures: Vec<Figure>,
    /// What was not measured, or not to its end.
    pub left_out: Vec<LeftOut>,
    /// What went wrong among all messages.
    pub faults: Faults,
}

/// Something that was not measured, or not to its end.
#[derive(Debug, Clone, Serialize)]
pub struct LeftOut {
    /// What.
    pub what: String,
    /// Why.
    pub why: String,
}

/// How a figure is taken in.
#[derive(Debug, Clone, Copy)]
pub struct Kind {
    /// In what.
    pub unit: &'static str,
    /// Which way is good.
    pub better: Better,
}

/// Something per second.
pub const PER_SECOND: Kind = Kind { unit: "1/s", better: Better::Higher };
/// A time.
pub const MILLISECONDS: Kind = Kind { unit: "ms", better: Better::Lower };
/// Processor time of the server for one thing.
pub const CPU_MICROSECONDS: Kind = Kind { unit: "us", better: Better::Lower };
/// Memory for one thing.
pub const KIB: Kind = Kind { unit: "KiB", better: Better::Lower };
/// Room on the disk for one thing.
pub const BYTES: Kind = Kind { unit: "B", better: Better::Lower };

impl Report {
    /// Takes in a figure, and tells it.
    pub fn add(&mut self, name: impl Into<String>, kind: Kind, trials: Vec<f64>) -> &mut Figure {
        let (name, median) = (name.into(), median(&trials));
        tell(&format!("  {name}: {} {}", short(median), kind.unit));
        let Kind { unit, better } = kind;
        self.figures.push(Figure {
            name,
            unit,
            better,
            trials,
            median,
            limit: None,
            ratio: None,
            aim: None,
            is_reached: None,
        });
        self.figures.last_mut().expect("one was just pushed")
    }

    /// Takes in what is told of times; each quantile is held against that of the limit.
    pub fn add_times(&mut self, name: &str, times: &TrialTimes, limit: Option<&str>) {
        for (quantile, of) in [
            ("p50", (|times| times.p50_ms) as fn(&Quantiles) -> f64),
            ("p99", |times| times.p99_ms),
            ("max", |times| times.max_ms),
        ] {
            let figure = self.add(format!("{name}, {quantile}"), MILLISECONDS, times.each(of));
            figure.limit = limit.map(|limit| format!("{limit}, {quantile}"));
        }
    }

    /// Notes that something was not measured, or not to its end, and tells it.
    pub fn leave_out(&mut self, what: &str, why: String) {
        tell(&format!("  {what}: {why}"));
        self.left_out.push(LeftOut { what: what.to_owned(), why });
    }

    /// Compares each figure with its limit and its aim, once all are there.
    pub fn compare(&mut self) {
        let medians: BTreeMap<String, f64> =
            self.figures.iter().map(|figure| (figure.name.clone(), figure.median)).collect();
        for figure in &mut self.figures {
            let limit = figure.limit.as_ref().and_then(|name| medians.get(name));
            figure.ratio = limit.filter(|limit| **limit > 0.0).map(|limit| figure.median / limit);
            figure.is_reached = figure.aim.and_then(|aim| {
                let value = if aim.is_ratio { figure.ratio? } else { figure.median };
                Some(if figure.better == Better::Higher { value >= aim.value } else { value <= aim.value })
            });
        }
    }

    /// The figures as a table.
    pub fn table(&self) -> String {
        let width = self.figures.iter().map(|figure| figure.name.len()).max().unwrap_or(0);
        let mut table =
            format!("{:width$} {:>12} {:4} {:>22} {:>7}  {}\n", "", "median", "", "trials", "ratio", "to, and aim");
        for figure in &self.figures {
            let ends = figure
                .trials
                .iter()
                .copied()
                .fold((f64::MAX, f64::MIN), |(low, high), value| (low.min(value), high.max(value)));
            let spread =
                if figure.trials.len() > 1 { format!("{}–{}", short(ends.0), short(ends.1)) } else { String::new() };
            let ratio = figure.ratio.map(|ratio| format!("{ratio:.3}")).unwrap_or_default();
            let limit = figure.limit.as_deref().unwrap_or_default();
            let aim = figure.aim.map(|aim| {
                let sign = if figure.better == Better::Higher { '≥' } else { '≤' };
                let of = if aim.is_ratio { "ratio " } else { "" };
                let mark = if figure.is_reached == Some(true) { '✓' } else { '✗' };
                format!("  {mark} {of}{sign} {}", short(aim.value))
            });
            let Figure { name, median, unit, .. } = figure;
            let _ = writeln!(
                table,
                "{name:width$} {:>12} {unit:4} {spread:>22} {ratio:>7}  {limit}{}",
                short(*median),
                aim.unwrap_or_default()
            );
        }
        for LeftOut { what, why } in &self.left_out {
            let _ = writeln!(table, "{what}: {why}");
        }
        let Faults { lost, doubled, misordered, refused } = self.faults;
        let _ = writeln!(table, "lost {lost}, doubled {doubled}, misordered {misordered}, refused {refused}");
        table
    }

    /// Keeps all of it.
    pub fn write(&self, file: &Path) -> std::io::Result<()> {
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(file, serde_json::to_string_pretty(self).map_err(std::io::Error::other)?)
    }
}

/// A number as people read it.
fn short(value: f64) -> String {
    match value.abs() {
        small if small < 10.0 => format!("{value:.2}"),
        middle if middle < 1_000.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

/// Says a line to whoever started this program.
#[expect(clippy::print_stdout, reason = "a program of the command line that shows what it found")]
pub fn tell(line: &str) {
    println!("{line}");
}
