// SPDX-License-Identifier: Apache-2.0
//! Every state against every input, as a table that is read by people; and what holds on every way through it.

use proptest::prelude::*;

use super::*;
use crate::connection::status::Admission;

const NOW_MS: u64 = 1_000_000;

fn environment() -> Environment {
    Environment {
        now_ms: NOW_MS,
        random: 0.0,
        is_foreground: true,
        has_token: true,
        sig_ends_at_ms: None,
        is_renewing: false,
    }
}

fn links() -> [(&'static str, Link); 4] {
    let (failed_attempts, until_ms) = (2, NOW_MS + 5_000);
    [
        ("waiting", Link::Waiting { failed_attempts, until_ms }),
        ("dialing", Link::Dialing { failed_attempts, until_ms }),
        ("resuming", Link::Authenticating { failed_attempts, until_ms, credential: Credential::Token }),
        ("showing UserSig", Link::Authenticating { failed_attempts, until_ms, credential: Credential::UserSig }),
    ]
}

fn states() -> Vec<(String, State)> {
    let logging_in = |step| State::LoggingIn(LoggingIn { step, until_ms: NOW_MS + LOGIN_MAX_MS, last_failure: None });
    let online = |heartbeat| {
        State::Online(Online {
            since_ms: NOW_MS - STABLE_MS,
            failed_attempts: 2,
            silence_max_ms: 400_000,
            heartbeat,
            away_ms: None,
        })
    };
    let mut states = vec![
        ("logged out".to_owned(), State::LoggedOut),
        ("logging in, preparing".to_owned(), logging_in(LoginStep::Preparing)),
        ("online".to_owned(), online(Heartbeat::Due { at_ms: NOW_MS + 5_000 })),
        ("online, heartbeat out".to_owned(), online(Heartbeat::Awaited { until_ms: NOW_MS + 5_000 })),
        ("logging out, telling".to_owned(), State::LoggingOut(LoggingOut::Telling { until_ms: NOW_MS + 5_000 })),
        ("logging out, releasing".to_owned(), State::LoggingOut(LoggingOut::Releasing { until_ms: NOW_MS + 5_000 })),
        ("kicked".to_owned(), State::Kicked),
        ("expired".to_owned(), State::Expired),
        ("closed".to_owned(), State::Closed),
    ];
    for (name, link) in links() {
        if name != "resuming" {
            states.push((format!("logging in, {name}"), logging_in(LoginStep::Linking(link))));
        }
        states.push((format!("reconnecting, {name}"), State::Reconnecting(link)));
    }
    states.sort_by(|one, other| one.0.cmp(&other.0));
    states
}

fn refused(code: Code, retry_after_ms: Option<u64>) -> Input {
    Input::Refused { failure: code.into(), retry_after_ms }
}

fn inputs() -> Vec<(&'static str, Input)> {
    vec![
        ("login, same user", Input::Login { is_same_user: true }),
        ("login, other user", Input::Login { is_same_user: false }),
        ("logout", Input::Logout),
        ("close", Input::Close),
        ("prepared", Input::Prepared(Ok(()))),
        ("not prepared", Input::Prepared(Err(Code::IO_FAILED.into()))),
        ("released", Input::Released),
        ("dialed", Input::Dialed),
        ("opened", Input::Opened { silence_max_ms: 400_000 }),
        ("refused, full", refused(Code::SERVER_FREQUENCY_LIMIT, Some(2_000))),
        ("refused, full for long", refused(Code::SERVER_FREQUENCY_LIMIT, Some(100_000))),
        ("refused, internal error", refused(Code::ACCOUNT_INTERNAL_ERROR, None)),
        ("refused, kicked", refused(Code::KICKED_WHILE_OFFLINE, None)),
        ("refused, expired", refused(Code::USER_SIG_EXPIRED, None)),
        ("refused, wrong key", refused(Code::USER_SIG_WRONG_KEY, None)),
        ("refused, too old", refused(Code::CLIENT_TOO_OLD, None)),
        ("lost", Input::Lost(Code::CONNECT_REFUSED.into())),
        ("lost, not trusted", Input::Lost(Code::PACKET_ENCRYPT_FAILED.into())),
        ("frame", Input::Received),
        ("pong", Input::Ponged),
        ("logout answered", Input::LogoutDone),
        ("kicked", Input::KickedOff),
        ("UserSig ended", Input::SigEnded),
        ("server goes away", Input::GoingAway { reconnect_after_ms: 3_000 }),
        ("network changed", Input::NetworkChanged),
        ("foreground", Input::ForegroundChanged),
        ("background", Input::ForegroundChanged),
        ("early tick", Input::Tick),
        ("tick", Input::Tick),
        ("tick, login over", Input::Tick),
        ("tick, UserSig over", Input::Tick),
    ]
}

fn environment_of(input: &str, state: &State) -> Environment {
    let environment = environment();
    match input {
        "background" => Environment { is_foreground: false, ..environment },
        "tick" => Environment { now_ms: state.wake_at_ms().unwrap_or(NOW_MS), ..environment },
        "tick, login over" => Environment { now_ms: NOW_MS + LOGIN_MAX_MS, ..environment },
        "tick, UserSig over" => {
            Environment { now_ms: state.wake_at_ms().unwrap_or(NOW_MS), sig_ends_at_ms: Some(NOW_MS), ..environment }
        }
        _ => environment,
    }
}

fn in_seconds(at_ms: u64, now_ms: u64) -> String {
    let milliseconds = i128::from(at_ms) - i128::from(now_ms);
    format!("{}.{:03}s", milliseconds / 1_000, milliseconds % 1_000)
}

fn shown_link(link: Link, now_ms: u64) -> String {
    let (failed, until) = (link.failed_attempts(), in_seconds(link.until_ms(), now_ms));
    match link {
        Link::Waiting { .. } => format!("waiting {until} after {failed}"),
        Link::Dialing { .. } => format!("dialing {until} after {failed}"),
        Link::Authenticating { credential, .. } => format!("showing {credential:?} {until} after {failed}"),
    }
}

fn shown(state: &State, now_ms: u64) -> String {
    match state {
        State::LoggingIn(LoggingIn { step: LoginStep::Preparing, .. }) => "logging in, preparing".to_owned(),
        State::LoggingIn(LoggingIn { step: LoginStep::Linking(link), .. }) => {
            format!("logging in, {}", shown_link(*link, now_ms))
        }
        State::Reconnecting(link) => format!("reconnecting, {}", shown_link(*link, now_ms)),
        State::Online(Online { heartbeat: Heartbeat::Due { at_ms }, away_ms, .. }) => {
            let away = away_ms.map_or("", |_| ", server goes away");
            format!("online, heartbeat in {}{away}", in_seconds(*at_ms, now_ms))
        }
        State::Online(Online { heartbeat: Heartbeat::Awaited { until_ms }, away_ms, .. }) => {
            let away = away_ms.map_or("", |_| ", server goes away");
            format!("online, pong in {}{away}", in_seconds(*until_ms, now_ms))
        }
        State::LoggingOut(LoggingOut::Telling { .. }) => "logging out, telling".to_owned(),
        State::LoggingOut(LoggingOut::Releasing { .. }) => "logging out, releasing".to_owned(),
        State::LoggedOut | State::Kicked | State::Expired | State::Closed => format!("{state:?}"),
    }
}

fn shown_action(action: &Action) -> String {
    match action {
        Action::RefuseCall(code) => format!("RefuseCall {}", code.0),
        Action::HangUp(code) => format!("HangUp {}", code.0),
        Action::FailParked(code) => format!("FailParked {}", code.0),
        Action::AnswerLogin(Ok(())) => "AnswerLogin ok".to_owned(),
        Action::AnswerLogin(Err(error)) => format!("AnswerLogin {}", error.code().0),
        Action::Authenticate(credential) => format!("Authenticate {credential:?}"),
        Action::Tell(EventRef::ConnectFailed { code, .. }) => format!("Tell ConnectFailed {}", code.0),
        Action::Tell(event) => format!("Tell {event:?}"),
        other => format!("{other:?}"),
    }
}

/// The table of all transitions. A state that an input leaves as it is has no line.
fn table() -> String {
    let mut table = String::new();
    for (state_name, state) in states() {
        table.push_str(&format!("{state_name}\n"));
        for (input_name, input) in inputs() {
            let environment = environment_of(input_name, &state);
            let (next, actions) = step(state.clone(), input, &environment);
            if next == state && actions.is_empty() {
                continue;
            }
            let next = if next == state { "unchanged".to_owned() } else { shown(&next, environment.now_ms) };
            let actions: Vec<_> = actions.iter().map(shown_action).collect();
            table.push_str(&format!("    {input_name}: {next} [{}]\n", actions.join(", ")));
        }
    }
    table
}

#[test]
fn every_state_takes_every_input_as_the_table_says() {
    let (expected, actual) = (include_str!("transitions.txt"), table());
    if expected != actual {
        let different = actual.lines().zip(expected.lines()).find(|(actual, expected)| actual != expected);
        println!("{actual}");
        panic!("the table of transitions differs, first at (actual, expected) {different:?}; the actual one is above");
    }
}

#[test]
fn whoever_is_not_logged_in_is_told_so() {
    for (name, state) in states() {
        let refusal = match state.admission() {
            Admission::Refuse(code) => Some(code),
            Admission::Send | Admission::Park => None,
        };
        let expected = match state {
            State::LoggedOut | State::LoggingIn(_) | State::LoggingOut(_) | State::Kicked => Some(Code::NOT_LOGGED_IN),
            State::Expired => Some(Code::USER_SIG_EXPIRED_LOCALLY),
            State::Reconnecting(Link::Waiting { .. }) => Some(Code::NETWORK_DISCONNECTED),
            State::Closed => Some(Code::NOT_INITIALIZED),
            State::Online(_) | State::Reconnecting(_) => None,
        };
        assert_eq!(refusal, expected, "{name}");
    }
}

#[test]
fn a_session_that_lasts_makes_earlier_failures_forgotten_and_one_that_breaks_at_once_does_not() {
    let lost_after = |since_ms| {
        let heartbeat = Heartbeat::Due { at_ms: NOW_MS + 1 };
        let online = Online { since_ms, failed_attempts: 5, silence_max_ms: 400_000, heartbeat, away_ms: None };
        let (state, _) = step(State::Online(online), Input::Lost(Code::CONNECTION_RESET.into()), &environment());
        match state {
            State::Reconnecting(link) => (link.failed_attempts(), link.until_ms() - NOW_MS),
            state => panic!("{state:?}"),
        }
    };
    assert_eq!(lost_after(NOW_MS - STABLE_MS), (0, 250));
    assert_eq!(lost_after(NOW_MS - STABLE_MS + 1), (6, 8_000));
}

#[test]
fn a_server_that_goes_away_is_left_for_as_long_as_it_asked_and_up_to_twice_that() {
    let lost_with = |random| {
        let environment = Environment { random, ..environment() };
        let heartbeat = Heartbeat::Due { at_ms: NOW_MS + 1 };
        let online = Online { since_ms: 0, failed_attempts: 0, silence_max_ms: 400_000, heartbeat, away_ms: None };
        let (state, _) = step(State::Online(online), Input::GoingAway { reconnect_after_ms: 5_000 }, &environment);
        let (state, _) = step(state, Input::Lost(Code::CONNECTION_RESET_BY_PEER.into()), &environment);
        state.wake_at_ms().unwrap() - NOW_MS
    };
    assert_eq!((lost_with(0.0), lost_with(1.0)), (5_000, 10_000));
}

#[test]
fn a_heartbeat_is_never_slower_than_the_server_bears() {
    let opened = |silence_max_ms| {
        let link = Link::Authenticating { failed_attempts: 0, until_ms: NOW_MS + 1, credential: Credential::Token };
        let environment = Environment { is_foreground: false, ..environment() };
        let (state, _) = step(State::Reconnecting(link), Input::Opened { silence_max_ms }, &environment);
        state.wake_at_ms().unwrap() - NOW_MS
    };
    assert_eq!((opened(400_000), opened(60_000), opened(0)), (270_000, 45_000, 1_000));
}

#[test]
fn an_attempt_that_has_only_begun_is_left_alone_when_the_network_changes() {
    let changed_after = |age_ms| {
        let link = Link::Dialing { failed_attempts: 1, until_ms: NOW_MS + DIAL_MAX_MS - age_ms };
        let (_, actions) = step(State::Reconnecting(link), Input::NetworkChanged, &environment());
        !actions.is_empty()
    };
    assert_eq!([0, 1_999, 2_000, 9_000].map(changed_after), [false, false, true, true]);
}

#[test]
fn a_renewal_that_fails_leaves_the_user_logged_in_with_what_the_server_took() {
    let renewing = Environment { is_renewing: true, ..environment() };
    let (state, actions) = step(State::Reconnecting(links()[0].1), Input::Login { is_same_user: true }, &environment());
    assert!(actions.contains(&Action::KeepCredentials) && !actions.contains(&Action::ForgetCredentials), "{actions:?}");
    let late = Environment { now_ms: NOW_MS + LOGIN_MAX_MS, ..renewing };
    let (put_off, actions) = step(state.clone(), Input::Tick, &late);
    assert!(matches!(put_off, State::Reconnecting(Link::Waiting { .. })), "{put_off:?}");
    assert!(matches!(actions[..], [Action::HangUp(_), Action::AnswerLogin(Err(_))]), "{actions:?}");
    let (authenticating, _) = step(state, Input::Dialed, &renewing);
    let resuming = State::Reconnecting(links()[3].1);
    for code in [Code::USER_SIG_WRONG_KEY, Code::USER_SIG_EXPIRED] {
        for state in [authenticating.clone(), resuming.clone()] {
            let (state, actions) = step(state, refused(code, None), &renewing);
            assert!(matches!(state, State::Reconnecting(Link::Dialing { .. })), "{state:?}");
            assert!(actions.contains(&Action::RestoreCredentials), "{actions:?}");
        }
    }
}

#[derive(Debug, Clone)]
struct Move {
    input: usize,
    pass_ms: u64,
    random: f64,
    is_foreground: bool,
    has_token: bool,
    is_renewing: bool,
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let one = (0..inputs().len(), 0_u64..40_000, 0.0..=1.0, any::<[bool; 3]>()).prop_map(
        |(input, pass_ms, random, [is_foreground, has_token, is_renewing])| Move {
            input,
            pass_ms,
            random,
            is_foreground,
            has_token,
            is_renewing,
        },
    );
    proptest::collection::vec(one, 0..200)
}

/// What the actions left behind.
#[derive(Debug, Default)]
struct World {
    is_login_running: bool,
    is_logout_running: bool,
    has_line: bool,
    has_credentials: bool,
}

impl World {
    fn act(&mut self, action: &Action) {
        match action {
            Action::AcceptLogin => {
                assert!(!self.is_login_running, "a login is answered before the next is accepted");
                (self.is_login_running, self.has_credentials) = (true, true);
            }
            Action::AnswerLogin(_) => {
                assert!(self.is_login_running);
                self.is_login_running = false;
            }
            Action::AcceptLogout => {
                assert!(!self.is_logout_running);
                self.is_logout_running = true;
            }
            Action::AnswerLogout => {
                assert!(self.is_logout_running);
                self.is_logout_running = false;
            }
            Action::Dial => {
                assert!(!self.has_line && self.has_credentials, "one line at a time, and only with credentials");
                self.has_line = true;
            }
            Action::Authenticate(_) | Action::Ping | Action::SendLogout | Action::Adopt => assert!(self.has_line),
            Action::HangUp(_) => self.has_line = false,
            Action::ForgetCredentials => self.has_credentials = false,
            Action::RefuseCall(_)
            | Action::Prepare
            | Action::Release
            | Action::FailParked(_)
            | Action::ForgetToken
            | Action::KeepCredentials
            | Action::RestoreCredentials
            | Action::Tell(_) => {}
        }
    }

    fn check(&self, state: &State) {
        assert_eq!(self.is_login_running, matches!(state, State::LoggingIn(_)), "{state:?}");
        assert_eq!(self.is_logout_running, matches!(state, State::LoggingOut(_)), "{state:?}");
        let is_linking = |link: &Link| !matches!(link, Link::Waiting { .. });
        let needs_line = match state {
            State::Online(_) | State::LoggingOut(LoggingOut::Telling { .. }) => true,
            State::Reconnecting(link) | State::LoggingIn(LoggingIn { step: LoginStep::Linking(link), .. }) => {
                is_linking(link)
            }
            _ => false,
        };
        assert_eq!(self.has_line, needs_line, "{state:?}");
        let is_rest = matches!(state, State::LoggedOut | State::Kicked | State::Expired | State::Closed);
        assert!(!is_rest || !self.has_credentials, "no secret outlives its use: {state:?}");
    }
}

proptest! {
    #[test]
    fn every_way_answers_each_call_once_and_leaks_no_line(moves in moves()) {
        let (mut state, mut world, mut now_ms) = (State::LoggedOut, World::default(), NOW_MS);
        for Move { input, pass_ms, random, is_foreground, has_token, is_renewing } in moves {
            now_ms += pass_ms;
            let environment = Environment { now_ms, random, is_foreground, has_token, sig_ends_at_ms: None, is_renewing };
            let was_closed = state == State::Closed;
            let (next, actions) = step(state, inputs()[input].1.clone(), &environment);
            actions.iter().for_each(|action| world.act(action));
            world.check(&next);
            prop_assert!(!was_closed || next == State::Closed, "closed is for ever");
            state = next;
        }
    }

    #[test]
    fn a_tick_that_is_due_is_never_in_vain(moves in moves()) {
        let (mut state, mut now_ms) = (State::LoggedOut, NOW_MS);
        for Move { input, pass_ms, random, is_foreground, has_token, is_renewing } in moves {
            now_ms += pass_ms;
            let mut environment = Environment { now_ms, random, is_foreground, has_token, sig_ends_at_ms: None, is_renewing };
            state = step(state, inputs()[input].1.clone(), &environment).0;
            if let Some(wake_at_ms) = state.wake_at_ms() {
                environment.now_ms = now_ms.max(wake_at_ms);
                let (next, actions) = step(state.clone(), Input::Tick, &environment);
                prop_assert!(next != state || !actions.is_empty(), "{:?} would spin", state);
                prop_assert!(next.wake_at_ms().is_none_or(|at_ms| at_ms > environment.now_ms), "{:?} would spin", next);
            }
        }
    }
}
