// SPDX-License-Identifier: Apache-2.0
//! What the process takes of the machine, under the names that every Prometheus client gives it. Nothing where the system
//! does not tell.

use super::Metrics;

#[cfg(not(target_os = "linux"))]
pub(super) fn register(_: &Metrics) {}

#[cfg(target_os = "linux")]
pub(super) fn register(metrics: &Metrics) {
    linux::register(metrics);
}

#[cfg(target_os = "linux")]
mod linux {
    use procfs::WithCurrentSystemInfo;
    use procfs::process::{LimitValue, Process};
    use prometheus::core::{Collector, Desc};
    use prometheus::proto::MetricFamily;
    use prometheus::{Counter, Gauge};

    use super::super::{Metrics, defined};

    pub(super) fn register(metrics: &Metrics) {
        metrics.register(Taken::new());
    }

    /// What was found when somebody looked last.
    #[derive(Debug, Clone)]
    struct Taken {
        cpu_seconds: Counter,
        resident_bytes: Gauge,
        virtual_bytes: Gauge,
        open_fds: Gauge,
        max_fds: Gauge,
        threads: Gauge,
        start_seconds: Gauge,
    }

    impl Taken {
        fn new() -> Self {
            let gauge = |name: &str, help: &str| defined(Gauge::new(name, help));
            let cpu = "User and system time that the process has used, in seconds.";
            let taken = Self {
                cpu_seconds: defined(Counter::new("process_cpu_seconds_total", cpu)),
                resident_bytes: gauge("process_resident_memory_bytes", "Memory that the process has in RAM, in bytes."),
                virtual_bytes: gauge("process_virtual_memory_bytes", "Address space of the process, in bytes."),
                open_fds: gauge("process_open_fds", "File descriptors that are open."),
                max_fds: gauge("process_max_fds", "File descriptors that may be open."),
                threads: gauge("process_threads", "Threads of the process."),
                start_seconds: gauge("process_start_time_seconds", "When the process began, in seconds since 1970."),
            };
            taken.look();
            taken
        }

        /// What cannot be read keeps its last value.
        fn look(&self) {
            let Ok(process) = Process::myself() else { return };
            if let Ok(stat) = process.stat() {
                let ticks_per_second = procfs::ticks_per_second() as f64;
                let cpu_seconds = (stat.utime + stat.stime) as f64 / ticks_per_second;
                self.cpu_seconds.inc_by((cpu_seconds - self.cpu_seconds.get()).max(0.0));
                self.resident_bytes.set(stat.rss_bytes().get() as f64);
                self.virtual_bytes.set(stat.vsize as f64);
                self.threads.set(stat.num_threads as f64);
                if let Ok(boot_seconds) = procfs::boot_time_secs() {
                    self.start_seconds.set(boot_seconds as f64 + stat.starttime as f64 / ticks_per_second);
                }
            }
            if let Ok(count) = process.fd_count() {
                self.open_fds.set(count as f64);
            }
            if let Ok(limits) = process.limits() {
                self.max_fds.set(match limits.max_open_files.soft_limit {
                    LimitValue::Value(count) => count as f64,
                    LimitValue::Unlimited => f64::INFINITY,
                });
            }
        }

        fn all(&self) -> [&dyn Collector; 7] {
            [
                &self.cpu_seconds,
                &self.resident_bytes,
                &self.virtual_bytes,
                &self.open_fds,
                &self.max_fds,
                &self.threads,
                &self.start_seconds,
            ]
        }
    }

    impl Collector for Taken {
        fn desc(&self) -> Vec<&Desc> {
            self.all().into_iter().flat_map(Collector::desc).collect()
        }

        fn collect(&self) -> Vec<MetricFamily> {
            self.look();
            self.all().into_iter().flat_map(Collector::collect).collect()
        }
    }
}
