// SPDX-License-Identifier: Apache-2.0
//! What is counted of connections, sessions and requests.

use std::sync::Arc;
use std::time::Instant;

use hongyan_protocol::account::{Login, Logout, Resume};
use hongyan_protocol::codes::Code;
use hongyan_protocol::frame::Call;
use hongyan_protocol::message::SendMessage;
use prometheus::{Histogram, IntCounter, IntGauge};

use super::budget::Budget;
use super::requests;
use crate::metrics::{CodeCounters, Metrics, SECONDS};

/// The gateway's families.
#[derive(Debug)]
pub(super) struct GatewayMetrics {
    pub(super) waiting: IntGauge,
    pub(super) online: IntGauge,
    pub(super) refused: Refused,
    logins: Logins,
    pub(super) ended: Ended,
    pub(super) pushes: PushCounters,
    /// What may wait in all queues together.
    pub(super) budget: Arc<Budget>,
    pub(super) pushes_left_out: IntCounter,
    errors: CodeCounters,
    requests: Vec<(&'static str, Histogram)>,
}

/// Connections that were not served, by why.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) address_full: IntCounter,
    pub(super) server_full: IntCounter,
    pub(super) stopping: IntCounter,
    pub(super) login_deadline: IntCounter,
}

/// First frames, by what they asked for.
#[derive(Debug)]
struct Logins {
    login: CodeCounters,
    resume: CodeCounters,
    /// What asked for neither.
    other: CodeCounters,
}

impl Logins {
    fn count(&self, method: Option<&str>, code: Code) {
        match method {
            Some(Login::METHOD) => self.login.count(code),
            Some(Resume::METHOD) => self.resume.count(code),
            _ => self.other.count(code),
        }
    }
}

/// Sessions that the server ended, by why.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) stuck: IntCounter,
    pub(super) silent: IntCounter,
    pub(super) expired: IntCounter,
    pub(super) unanswered: IntCounter,
    pub(super) unread: IntCounter,
    pub(super) kicked: IntCounter,
    pub(super) replaced: IntCounter,
}

/// Pushes that went into the queues of sessions, and out of them again. What waits is the difference, over all sessions:
/// nobody has to go through them to know it.
#[derive(Debug, Clone)]
pub(super) struct PushCounters {
    queued: IntCounter,
    queued_bytes: IntCounter,
    taken: IntCounter,
    taken_bytes: IntCounter,
}

impl PushCounters {
    fn new(metrics: &Metrics) -> Self {
        let uncounted = || IntCounter::new("taken", "taken").expect("a valid name");
        let counters = Self {
            queued: metrics.counter(
                "hongyan_pushes_total",
                "Pushes put into the queues of sessions, those left out later to make room among them.",
            ),
            queued_bytes: metrics.counter("hongyan_push_bytes_total", "Bytes of these pushes."),
            taken: uncounted(),
            taken_bytes: uncounted(),
        };
        let Self { queued, queued_bytes, taken, taken_bytes } = counters.clone();
        let help = "Pushes that wait in the queues of sessions.";
        metrics.gauge_of("hongyan_session_queue_pushes", help, move || difference(&queued, &taken));
        let help = "Bytes of the pushes that wait; what goes to many counts for each, though they share it.";
        metrics.gauge_of("hongyan_session_queue_bytes", help, move || difference(&queued_bytes, &taken_bytes));
        counters
    }

    pub(super) fn queued(&self, bytes: usize) {
        self.queued.inc();
        self.queued_bytes.inc_by(bytes as u64);
    }

    pub(super) fn taken(&self, pushes: usize, bytes: usize) {
        self.taken.inc_by(pushes as u64);
        self.taken_bytes.inc_by(bytes as u64);
    }
}

fn difference(queued: &IntCounter, taken: &IntCounter) -> usize {
    // What was taken had been queued: asked in this order, there is never more of it.
    let taken = taken.get();
    usize::try_from(queued.get().saturating_sub(taken)).unwrap_or(usize::MAX)
}

#[cfg(test)]
impl Default for PushCounters {
    fn default() -> Self {
        Self::new(&Metrics::new())
    }
}

fn held_by_queues(metrics: &Metrics) -> Arc<Budget> {
    let budget = Arc::<Budget>::default();
    let help = "Bytes of memory that waiting pushes and answers take; what goes to many counts once.";
    let held = Arc::clone(&budget);
    metrics.gauge_of("hongyan_session_queue_held_bytes", help, move || held.held_bytes());
    budget
}

impl GatewayMetrics {
    pub(super) fn new(metrics: &Metrics) -> Arc<Self> {
        let connections =
            metrics.gauges("hongyan_connections", "Connections: waiting have not logged in, online have.", &["state"]);
        Arc::new(Self {
            waiting: connections.with_label_values(&["waiting"]),
            online: connections.with_label_values(&["online"]),
            refused: Refused::new(metrics),
            logins: Logins::new(metrics),
            ended: Ended::new(metrics),
            pushes: PushCounters::new(metrics),
            budget: held_by_queues(metrics),
            pushes_left_out: metrics.counter(
                "hongyan_pushes_left_out_total",
                "Pushes for which a queue had no room, at once or later; their clients fetch them later.",
            ),
            errors: CodeCounters::new(
                &metrics.counters("hongyan_errors_total", "Errors answered to sessions, by code.", &["code"]),
                &[],
            ),
            requests: request_histograms(metrics),
        })
    }

    /// A request was answered.
    pub(super) fn answered(&self, method: &str, begun: Instant) {
        let found = self.requests.iter().find(|(known, _)| *known == method);
        debug_assert!(found.is_some(), "{method} is not counted");
        if let Some((_, seconds)) = found {
            seconds.observe(begun.elapsed().as_secs_f64());
        }
    }

    /// The first frame of a connection was answered, with a session or with an error.
    pub(super) fn login_answered(&self, method: Option<&str>, begun: Instant, code: Code) {
        if let Some(method @ (Login::METHOD | Resume::METHOD)) = method {
            self.answered(method, begun);
        }
        self.logins.count(method, code);
    }

    /// A session was answered with an error.
    pub(super) fn failed(&self, code: Code) {
        self.errors.count(code);
    }
}

/// One histogram for each method; the list is short, so that going through it is quicker than hashing.
fn request_histograms(metrics: &Metrics) -> Vec<(&'static str, Histogram)> {
    let family = metrics.histograms(
        "hongyan_request_seconds",
        "From a request being read to its answer; for send_message until it is durable.",
        SECONDS,
        "method",
    );
    // What there is most of stands first.
    [SendMessage::METHOD, Login::METHOD, Resume::METHOD, Logout::METHOD]
        .iter()
        .chain(requests::METHODS)
        .map(|method| (*method, family.with_label_values(&[*method])))
        .collect()
}

impl Refused {
    fn new(metrics: &Metrics) -> Self {
        let name = "hongyan_connections_refused_total";
        let family = metrics.counters(name, "Connections closed before they logged in, by which limit.", &["limit"]);
        Self {
            address_full: family.with_label_values(&["unauthenticated_per_address"]),
            server_full: family.with_label_values(&["connections"]),
            stopping: family.with_label_values(&["stopping"]),
            login_deadline: family.with_label_values(&["login_deadline"]),
        }
    }
}

impl Logins {
    fn new(metrics: &Metrics) -> Self {
        let help = "First frames answered, by what they asked for and by code; 0 opened a session.";
        let family = metrics.counters("hongyan_logins_total", help, &["method", "code"]);
        let logins = Self {
            login: CodeCounters::new(&family, &[Login::METHOD]),
            resume: CodeCounters::new(&family, &[Resume::METHOD]),
            other: CodeCounters::new(&family, &["other"]),
        };
        logins.login.show(Code::OK);
        logins.resume.show(Code::OK);
        logins
    }
}

impl Ended {
    fn new(metrics: &Metrics) -> Self {
        let family =
            metrics.counters("hongyan_sessions_ended_total", "Sessions that the server ended, by why.", &["reason"]);
        Self {
            stuck: family.with_label_values(&["stuck"]),
            silent: family.with_label_values(&["silent"]),
            expired: family.with_label_values(&["user_sig_expired"]),
            unanswered: family.with_label_values(&["goodbye_unanswered"]),
            unread: family.with_label_values(&["answers_unread"]),
            kicked: family.with_label_values(&["kicked"]),
            replaced: family.with_label_values(&["replaced"]),
        }
    }
}
