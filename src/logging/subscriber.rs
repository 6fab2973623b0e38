// SPDX-License-Identifier: Apache-2.0
//! Where the lines of one client's tasks go.

use std::sync::{Arc, Mutex, PoisonError};

use hongyan_protocol::clock::Clock;
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata};

use crate::config::LogLevel;
use crate::listener::dispatcher::Dispatcher;
use crate::logging::file::LogFile;
use crate::logging::line::{Text, utc};

/// Writes the events of the SDK to its file and hands them to the log listener; of other crates only what went
/// wrong. Spans are not used: ids stand in the fields of each line, which reads alone.
pub(crate) struct Subscriber {
    level: LogLevel,
    clock: Clock,
    /// Held to write one line.
    file: Arc<Mutex<LogFile>>,
    /// Where lines for the app's listener go, if it has one.
    listener: Option<Arc<Dispatcher>>,
}

impl Subscriber {
    pub(crate) fn new(
        level: LogLevel,
        clock: Clock,
        file: Arc<Mutex<LogFile>>,
        listener: Option<Arc<Dispatcher>>,
    ) -> Self {
        Self { level, clock, file, listener }
    }
}

fn level_of(level: Level) -> LogLevel {
    match level {
        Level::ERROR => LogLevel::Error,
        Level::WARN => LogLevel::Warn,
        Level::INFO => LogLevel::Info,
        _ => LogLevel::Debug,
    }
}

impl tracing::Subscriber for Subscriber {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let least = if metadata.target().starts_with("hongyan") { self.level } else { self.level.max(LogLevel::Warn) };
        metadata.is_event() && level_of(*metadata.level()) >= least
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(match self.level {
            LogLevel::Debug => LevelFilter::DEBUG,
            LogLevel::Info => LevelFilter::INFO,
            LogLevel::Warn => LevelFilter::WARN,
            LogLevel::Error => LevelFilter::ERROR,
            LogLevel::None => LevelFilter::OFF,
        })
    }

    fn event(&self, event: &Event<'_>) {
        let level = level_of(*event.metadata().level());
        let text = Text::of(event);
        let line = format!("{} {:5} {text}\n", utc(self.clock.now_ms()), event.metadata().level());
        self.file.lock().unwrap_or_else(PoisonError::into_inner).write(&line);
        if let Some(listener) = &self.listener {
            listener.push_log(level, text);
        }
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tracing::dispatcher::with_default;

    use super::*;

    fn written(level: LogLevel, log: impl FnOnce()) -> String {
        let folder = tempfile::tempdir().unwrap();
        let file = LogFile::shared(folder.path(), 1_000_000);
        let subscriber = Subscriber::new(level, Clock::frozen(0), file, None);
        with_default(&tracing::Dispatch::new(subscriber), log);
        fs::read_to_string(folder.path().join("hongyan.log")).unwrap()
    }

    #[test]
    fn a_line_has_time_level_target_message_and_fields() {
        let text = written(LogLevel::Info, || {
            tracing::info!(target: "hongyan::a", code = 6012, detail = "two\nlines", "it failed");
        });
        assert_eq!(text, "1970-01-01 00:00:00.000 INFO  hongyan::a it failed code=6012 detail=\"two\\nlines\"\n");
    }

    #[test]
    fn the_level_decides_and_other_crates_are_heard_when_something_went_wrong() {
        let log = || {
            tracing::debug!(target: "hongyan::a", "one");
            tracing::error!(target: "hongyan::a", "two");
            tracing::info!(target: "sqlx::query", "three");
            tracing::warn!(target: "sqlx::query", "four");
        };
        let lines = |level| written(level, log).lines().count();
        assert_eq!([LogLevel::Debug, LogLevel::Info, LogLevel::Error, LogLevel::None].map(lines), [3, 2, 1, 0]);
    }

    #[test]
    fn two_clients_write_apart() {
        let one = written(LogLevel::Info, || {
            let other = written(LogLevel::Info, || tracing::info!(target: "hongyan", "other"));
            assert_eq!(other.lines().count(), 1);
            tracing::info!(target: "hongyan", "one");
        });
        assert!(one.ends_with("one\n") && one.lines().count() == 1, "{one}");
    }
}
