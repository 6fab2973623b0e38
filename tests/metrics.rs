// SPDX-License-Identifier: Apache-2.0
//! The server seen from outside: what it counts is what happened, its names are those that are documented, and nobody
//! can be recognised in them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::Duration;

use hongyan_protocol::codes::Code;
use hongyan_protocol::frame::Call;
use hongyan_protocol::message::SendMessage;
use serde_json::Value;

use crate::harness::scrape::{Scrape, get};
use crate::harness::server::TestServer;
use crate::harness::wait::eventually;
use crate::harness::wire::{Wire, text_message, to_group, to_user};

/// The only labels that there are.
const LABELS: [&str; 8] = ["state", "limit", "method", "code", "reason", "outcome", "version", "le"];

fn code(code: Code) -> String {
    code.0.to_string()
}

/// What a counter rose by.
fn rise(before: &Scrape, after: &Scrape, name: &str, labels: &[(&str, &str)]) -> f64 {
    after.value(name, labels) - before.value(name, labels)
}

#[tokio::test(flavor = "multi_thread")]
async fn logins_are_counted_by_what_was_asked_and_by_code() {
    let server = TestServer::start().await;
    let proxy = server.proxy().await;
    let alice = server.device("alice").through(&proxy).login().await;
    let bob = server.device("bob").login().await;
    let mut eve = Wire::connect(server.addr()).await;
    let mut login = server.app().login("eve");
    login.user_sig = server.app().sign("alice");
    let refused = eve.call(&login).await.unwrap_err();
    let mut stranger = Wire::connect(server.addr()).await;
    stranger.ask("sync", &serde_json::json!({})).await.unwrap_err();

    let now = server.scrape().await;
    let logins = "hongyan_logins_total";
    assert_eq!(now.value(logins, &[("method", "login"), ("code", "0")]), 2.0);
    assert_eq!(now.value(logins, &[("method", "login"), ("code", &code(refused.code))]), 1.0);
    assert_eq!(now.value(logins, &[("method", "other"), ("code", &code(Code::NOT_AUTHENTICATED_YET))]), 1.0);
    assert_eq!(now.sum(logins), 4.0);
    assert_eq!(now.value("hongyan_request_seconds_count", &[("method", "login")]), 3.0);
    assert_eq!(now.value("hongyan_connections", &[("state", "online")]), 2.0);
    assert_eq!(now.sum("hongyan_errors_total"), 0.0, "a refused login is no error of a session");

    // A connection that breaks is taken up again, with no second login.
    proxy.cut();
    eventually("alice is back", async || {
        let resumed = server.scrape().await.value(logins, &[("method", "resume"), ("code", "0")]);
        if resumed == 1.0 { Ok(()) } else { Err(resumed) }
    })
    .await;
    assert_eq!(server.scrape().await.value(logins, &[("method", "login"), ("code", "0")]), 2.0);
    bob.close().await;
    eventually("bob is gone", async || {
        let online = server.scrape().await.value("hongyan_connections", &[("state", "online")]);
        if online == 1.0 { Ok(()) } else { Err(online) }
    })
    .await;
    alice.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sends_deliveries_and_errors_are_counted_one_by_one() {
    let server = TestServer::start().await;
    let alice = server.device("alice").login().await;
    let bob = server.device("bob").login().await;
    let mut writer = server.wire("writer").await;
    writer.send_text(&to_user("bob"), "the first makes the conversation").await.unwrap();
    bob.heard.wait_for_texts(1).await;

    let before = server.scrape().await;
    writer.send_texts(&to_user("bob"), (0..20).map(|number| number.to_string())).await;
    alice.sends("c2c_bob", "through the SDK").await;
    bob.heard.wait_for_texts(22).await;
    let message = text_message(&to_user("bob"), "twice");
    let first = writer.call(&message).await.unwrap();
    assert_eq!(writer.call(&message).await.unwrap(), first);
    let refused = writer.send_text(&to_user("nobody"), "to nobody").await.unwrap_err();
    let unknown = writer.ask("no_such_method", &serde_json::json!({})).await.unwrap_err();
    let after = server.scrape().await;

    let sends = |outcome| rise(&before, &after, "hongyan_sends_total", &[("outcome", outcome)]);
    assert_eq!((sends("stored"), sends("repeated")), (22.0, 1.0));
    assert_eq!((sends("refused"), sends("failed")), (1.0, 0.0));
    // Each goes to bob's one session; the sender's own session gets the answer instead.
    assert_eq!(rise(&before, &after, "hongyan_pushes_total", &[]), 22.0);
    assert!(rise(&before, &after, "hongyan_push_bytes_total", &[]) > 22.0 * 100.0);
    let errors = |of| rise(&before, &after, "hongyan_errors_total", &[("code", &code(of))]);
    assert_eq!((errors(refused.code), errors(unknown.code)), (1.0, 1.0));
    assert_eq!(after.sum("hongyan_errors_total") - before.sum("hongyan_errors_total"), 2.0);
    let answered = rise(&before, &after, "hongyan_request_seconds_count", &[("method", "send_message")]);
    assert_eq!(answered, 24.0);
    assert_eq!(rise(&before, &after, "hongyan_send_batch_sends_sum", &[]), 24.0, "every send was in one batch");
    let batches = rise(&before, &after, "hongyan_send_batch_sends_count", &[]);
    assert_eq!(rise(&before, &after, "hongyan_send_batch_seconds_count", &[]), batches);
    assert!((1.0..=24.0).contains(&batches));
    assert!(rise(&before, &after, "hongyan_store_commit_operations_sum", &[]) >= batches);
    assert!(rise(&before, &after, "hongyan_store_commit_seconds_count", &[]) >= 1.0);
    assert_eq!(after.value("hongyan_send_queue_sends", &[]), 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_slow_reader_misses_and_its_end_are_counted() {
    const FLOOD: usize = 1_500;
    let server = TestServer::start().await;
    let mut writer = server.wire("writer").await;
    let mut slow = server.narrow_wire("slow").await;
    writer.create_group("club", &["slow"]).await;
    slow.ping().await;
    let before = server.scrape().await;
    let text = "x".repeat(10_000);
    writer.send_texts(&to_group("club"), (0..FLOOD).map(|_| text.clone())).await;

    let after = server.scrape().await;
    let left_out = rise(&before, &after, "hongyan_pushes_left_out_total", &[]);
    let queued = rise(&before, &after, "hongyan_pushes_total", &[]);
    assert!(left_out > 0.0);
    assert_eq!(queued + left_out, FLOOD as f64, "each is queued or left out");
    let waiting = after.value("hongyan_session_queue_pushes", &[]);
    assert!((1.0..=queued).contains(&waiting), "{waiting} of {queued} wait");
    assert!(after.value("hongyan_session_queue_bytes", &[]) > waiting * 10_000.0);

    for _ in 0..2 {
        server.clock().advance(Duration::from_secs(31));
        writer.ping().await;
    }
    slow.ended().await;
    let gone = eventually("the slow session is gone", async || {
        let now = server.scrape().await;
        if now.value("hongyan_connections", &[("state", "online")]) == 1.0 { Ok(now) } else { Err("online") }
    });
    let gone = gone.await;
    assert_eq!(gone.value("hongyan_sessions_ended_total", &[("reason", "stuck")]), 1.0);
    assert_eq!(gone.sum("hongyan_sessions_ended_total"), 1.0);
    assert_eq!(gone.value("hongyan_session_queue_pushes", &[]), 0.0, "what it left behind waits no more");
    assert_eq!(gone.value("hongyan_session_queue_bytes", &[]), 0.0);
}

/// The rows of the table of metrics: name, kind and labels.
fn documented() -> BTreeMap<String, (String, BTreeSet<String>)> {
    let page = fs::read_to_string("docs/operations.md").unwrap();
    let quoted = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
    let rows = page.lines().filter(|line| line.starts_with("| `hongyan_") || line.starts_with("| `process_"));
    rows.map(|row| {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [name, kind, labels, meaning] = cells[..] else { panic!("four cells: {row}") };
        assert!(!meaning.is_empty(), "{row}");
        let name = quoted(name).pop().expect("a name");
        (name, (kind.to_owned(), quoted(labels).into_iter().collect()))
    })
    .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_family_is_there_from_the_start_as_it_is_documented() {
    let server = TestServer::start().await;
    let now = server.scrape().await;
    let mut shown: BTreeMap<String, (String, BTreeSet<String>)> =
        now.families.iter().map(|(name, (kind, _))| (name.clone(), (kind.clone(), BTreeSet::new()))).collect();
    for sample in &now.samples {
        let labels = sample.labels.keys().filter(|label| *label != "le").cloned();
        shown.get_mut(now.family_of(&sample.name)).expect("a sample has a family").1.extend(labels);
    }
    assert_eq!(shown, documented());
    let counted = now.samples.iter().filter(|sample| sample.name.ends_with("_total") && sample.value > 0.0);
    let counted: BTreeSet<&str> = counted.map(|sample| sample.name.as_str()).collect();
    assert_eq!(counted, BTreeSet::from(["process_cpu_seconds_total"]), "nothing has happened yet");
}

#[tokio::test(flavor = "multi_thread")]
async fn names_follow_the_conventions_of_prometheus() {
    let server = TestServer::start().await;
    for (name, (kind, help)) in server.scrape().await.families {
        assert!(name.starts_with("hongyan_") || name.starts_with("process_"), "{name}");
        assert!(name.chars().all(|c| c.is_ascii_lowercase() || c == '_'), "{name}");
        assert_eq!(kind == "counter", name.ends_with("_total"), "{name}: {kind}");
        assert!(["counter", "gauge", "histogram"].contains(&kind.as_str()), "{name}: {kind}");
        assert!(!name.contains("_ms") && !name.contains("milli"), "{name}: the unit is seconds");
        assert!(help.ends_with('.') && help.len() > 10, "{name}: {help}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_can_be_recognised_in_the_labels() {
    let server = TestServer::start().await;
    let other = server.create_app("a-tenant").await;
    let mut alice = server.wire("alice-of-wonderland").await;
    let mut bob = Wire::login(server.addr(), &other, "bob-the-builder").await;
    alice.create_group("secret-club", &[]).await;
    alice.send_text(&to_group("secret-club"), "some words").await.unwrap();
    bob.ask("made_up_method", &serde_json::json!({})).await.unwrap_err();
    bob.call(&text_message(&to_user("alice-of-wonderland"), "another app")).await.unwrap_err();
    let mut nobody = Wire::connect(server.addr()).await;
    nobody.ask("another_made_up_method", &serde_json::json!({})).await.unwrap_err();

    let now = server.scrape().await;
    for sample in &now.samples {
        for (label, value) in &sample.labels {
            assert!(LABELS.contains(&label.as_str()), "{label} of {}", sample.name);
            let is_plain = value.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "_.-+I".contains(c));
            assert!(is_plain, "{label} = {value} of {}", sample.name);
            for traced in ["alice", "bob", "club", "tenant", "made_up", "127."] {
                assert!(!value.contains(traced), "{label} = {value} of {}", sample.name);
            }
            for app in [server.app().id, other.id] {
                assert!(!value.contains(&app.to_string()), "{label} = {value} of {}", sample.name);
            }
        }
    }
    let methods: BTreeSet<_> = now.samples.iter().filter_map(|sample| sample.labels.get("method")).collect();
    assert!(methods.contains(&SendMessage::METHOD.to_owned()));
    assert!(now.samples.len() < 1_000, "{} series", now.samples.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_are_shown_on_their_own_listener_alone() {
    let server = TestServer::start().await;
    assert!(get(server.addr(), "/metrics").await.starts_with("HTTP/1.1 404 "));
    assert!(get(server.admin(), "/v1/ws").await.starts_with("HTTP/1.1 404 "));
    for path in ["/healthz", "/readyz"] {
        assert!(get(server.addr(), path).await.starts_with("HTTP/1.1 200 "), "{path}");
        assert!(get(server.admin(), path).await.starts_with("HTTP/1.1 200 "), "{path}");
    }
}

/// The metrics that a PromQL expression asks for.
fn asked_for(expression: &str) -> BTreeSet<&str> {
    let words = expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != ':');
    words.filter(|word| word.starts_with("hongyan_") || word.starts_with("process_")).collect()
}

/// All texts under a key, at any depth.
fn texts_of<'a>(value: &'a Value, key: &str, found: &mut Vec<&'a str>) {
    match value {
        Value::Object(fields) => {
            found.extend(fields.get(key).and_then(Value::as_str));
            fields.values().for_each(|value| texts_of(value, key, found));
        }
        Value::Array(values) => values.iter().for_each(|value| texts_of(value, key, found)),
        _ => {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_dashboard_and_the_alerts_ask_for_what_is_shown() {
    let server = TestServer::start().await;
    let now = server.scrape().await;
    let names = now.names();
    let dashboard: Value = serde_json::from_str(&fs::read_to_string("deploy/grafana.json").unwrap()).unwrap();
    let mut expressions = Vec::new();
    texts_of(&dashboard, "expr", &mut expressions);
    let alerts = fs::read_to_string("deploy/alerts.yml").unwrap();
    let alerts: Vec<&str> = alerts.lines().filter_map(|line| line.trim().strip_prefix("expr: ")).collect();
    assert!(expressions.len() >= 20 && alerts.len() >= 8, "{} and {}", expressions.len(), alerts.len());
    for expression in expressions.iter().chain(&alerts) {
        let asked = asked_for(expression);
        assert!(!asked.is_empty() || expression.starts_with("up"), "{expression}");
        for name in asked {
            assert!(names.contains(name), "{expression}: nothing is called {name}");
        }
        let depth = expression.chars().try_fold(0_i32, |depth, c| match c {
            '(' => Some(depth + 1),
            ')' => (depth > 0).then_some(depth - 1),
            _ => Some(depth),
        });
        assert_eq!(depth, Some(0), "{expression}: its brackets match");
    }
    let on_panels: BTreeSet<&str> = expressions.iter().flat_map(|text| asked_for(text)).collect();
    let on_panels: BTreeSet<&str> = on_panels.into_iter().map(|name| now.family_of(name)).collect();
    for family in now.families.keys() {
        assert!(on_panels.contains(family.as_str()), "{family} is on no panel");
    }
}
