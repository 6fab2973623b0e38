// SPDX-License-Identifier: Apache-2.0
//! What holds of every family, whoever defines it.

use hongyan_protocol::codes::Code;

use super::*;

fn lines_of(metrics: &Metrics, name: &str) -> Vec<String> {
    let text = metrics.encode().unwrap();
    text.lines().filter(|line| line.starts_with(name)).map(str::to_owned).collect()
}

#[test]
fn codes_to_watch_show_before_they_happen_and_others_once_they_have() {
    let metrics = Metrics::new();
    let counters = CodeCounters::new(&metrics.counters("errors_total", "Errors.", &["kind", "code"]), &["own"]);
    let shown = lines_of(&metrics, "errors_total");
    assert_eq!(
        shown,
        [
            r#"errors_total{code="60018",kind="own"} 0"#,
            r#"errors_total{code="70169",kind="own"} 0"#,
            r#"errors_total{code="70500",kind="own"} 0"#
        ]
    );
    counters.count(Code::BAD_JSON);
    counters.count(Code::BAD_JSON);
    counters.count(Code::ACCOUNT_INTERNAL_ERROR);
    let shown = lines_of(&metrics, "errors_total");
    assert_eq!(shown.len(), 4);
    let bad_json = format!(r#"errors_total{{code="{}",kind="own"}} 2"#, Code::BAD_JSON.0);
    assert!(shown.contains(&bad_json) && shown[3].ends_with(" 1"), "{shown:?}");
}

#[test]
fn codes_that_nobody_knows_share_one_series() {
    let metrics = Metrics::new();
    let counters = CodeCounters::new(&metrics.counters("errors_total", "Errors.", &["code"]), &[]);
    for number in 120_001..120_101 {
        counters.count(Code(number));
    }
    let shown = lines_of(&metrics, "errors_total");
    assert_eq!(shown.len(), 4);
    assert_eq!(shown.last().unwrap(), r#"errors_total{code="unknown"} 100"#);
}

#[test]
fn two_servers_of_one_process_do_not_count_together() {
    let (one, other) = (Metrics::new(), Metrics::new());
    one.counter("events_total", "Events.").inc();
    other.counter("events_total", "Events.");
    assert_eq!(lines_of(&one, "events_total"), ["events_total 1"]);
    assert_eq!(lines_of(&other, "events_total"), ["events_total 0"]);
}

#[cfg(target_os = "linux")]
#[test]
fn the_process_tells_what_it_takes() {
    let metrics = Metrics::new();
    let value = |name: &str| {
        let lines = lines_of(&metrics, name);
        lines.iter().find_map(|line| line.strip_prefix(&format!("{name} "))?.parse::<f64>().ok()).unwrap()
    };
    assert!((3.0..=value("process_max_fds")).contains(&value("process_open_fds")));
    assert!(value("process_resident_memory_bytes") > 1e6);
    assert!(value("process_resident_memory_bytes") < value("process_virtual_memory_bytes"));
    let now_seconds = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs_f64();
    let age_seconds = now_seconds - value("process_start_time_seconds");
    assert!((-5.0..3_600.0).contains(&age_seconds), "{age_seconds}");
    assert!(value("process_cpu_seconds_total") >= 0.0 && value("process_threads") >= 1.0);
}
