// SPDX-License-Identifier: Apache-2.0
//! Who hears a hint, without sockets.

use std::sync::Arc;
use std::time::Duration;

use hongyan_protocol::clock::Clock;
use hongyan_protocol::ids::{DeviceId, SdkAppId};

use super::super::metrics::GatewayMetrics;
use super::super::queue::{OutFrame, QueueLimits};
use super::super::registry::{Member, Registry};
use super::super::session::{Session, Stage};
use super::wire::user;
use crate::bus::{Hint, Origin, SessionId};
use crate::metrics::Metrics;
use crate::rooms::Caller;

const LIMITS: QueueLimits = QueueLimits { pushes_max: 10, bytes_max: 10_000 };

fn app(number: i64) -> SdkAppId {
    SdkAppId::parse(number).unwrap()
}

fn registry() -> Registry {
    Registry::new(GatewayMetrics::new(&Metrics::new()))
}

/// Enters a session; its answer to the login is taken out.
fn enter(registry: &Registry, id: u64, caller: (i64, &str, DeviceId, i64)) -> (Arc<Session>, bool) {
    enter_by(&Clock::frozen(0), registry, id, caller)
}

fn enter_by(clock: &Clock, registry: &Registry, id: u64, caller: (i64, &str, DeviceId, i64)) -> (Arc<Session>, bool) {
    let session = Session::new(SessionId::new(id), LIMITS, clock.clone(), Arc::clone(&registry.metrics));
    let (of_app, name, device, epoch) = caller;
    let caller = Caller { app: app(of_app), user: user(name), device, epoch, session: session.id };
    let member = Member { session: Arc::clone(&session), caller, user_sig_expires_ms: i64::MAX };
    let is_entered = registry.enter(Arc::new(member), "session".to_owned());
    session.pop();
    (session, is_entered)
}

fn online(registry: &Registry, id: u64, name: &str) -> Arc<Session> {
    enter(registry, id, (1, name, DeviceId::generate(), 1)).0
}

fn event(text: &str, origin: Option<Origin>, except: Option<SessionId>) -> Hint {
    Hint::Event { app: app(1), users: [user("alice"), user("bob")].into(), event: text.into(), origin, except }
}

fn frames(session: &Session) -> Vec<String> {
    std::iter::from_fn(|| session.pop().map(OutFrame::into_text)).collect()
}

#[test]
fn a_hint_reaches_every_session_of_its_users_and_of_its_app_alone() {
    let registry = registry();
    let (alice, desk, bob) =
        (online(&registry, 1, "alice"), online(&registry, 2, "alice"), online(&registry, 3, "bob"));
    let stranger = online(&registry, 4, "carol");
    let (namesake, _) = enter(&registry, 5, (2, "bob", DeviceId::generate(), 1));
    registry.deliver(event(r#""event":"e","data":{}}"#, None, None));
    for session in [&alice, &desk, &bob] {
        assert_eq!(frames(session), [r#"{"push":1,"event":"e","data":{}}"#]);
    }
    assert!(frames(&stranger).is_empty() && frames(&namesake).is_empty());
}

#[test]
fn the_sender_gets_the_answer_in_the_place_of_the_push() {
    let registry = registry();
    let (alice, desk) = (online(&registry, 1, "alice"), online(&registry, 2, "alice"));
    let origin = Origin { session: alice.id, request: 7, reply: "answer".to_owned() };
    registry.deliver(event("a", None, None));
    registry.deliver(event("b", Some(origin), None));
    registry.deliver(event("c", None, Some(desk.id)));
    assert_eq!(frames(&alice), [r#"{"push":1,a"#, "answer", r#"{"push":2,c"#]);
    assert_eq!(frames(&desk), [r#"{"push":1,a"#, r#"{"push":2,b"#]);
}

#[test]
fn a_sender_who_is_not_among_the_users_is_answered_all_the_same() {
    let registry = registry();
    let carol = online(&registry, 1, "carol");
    let origin = Origin { session: carol.id, request: 7, reply: "answer".to_owned() };
    registry.deliver(event("b", Some(origin), None));
    assert_eq!(frames(&carol), ["answer"]);
}

#[test]
fn a_kick_ends_the_login_that_it_names_and_no_later_one() {
    let registry = registry();
    let (phone, pad) = (DeviceId::generate(), DeviceId::generate());
    let (early, _) = enter(&registry, 1, (1, "bob", phone, 3));
    let (late, _) = enter(&registry, 2, (1, "bob", pad, 4));
    let kick =
        |devices| Hint::Kick { app: app(1), user: user("bob"), devices, reason: "test".to_owned(), except: None };
    registry.deliver(kick(vec![(phone, 3), (pad, 3)]));
    assert_eq!((early.stage(), late.stage()), (Stage::Ended, Stage::Open));
    assert_eq!(frames(&early), [r#"{"push":1,"event":"kicked","data":{"reason":"test"}}"#]);
    registry.deliver(event("a", None, None));
    assert_eq!((frames(&early).len(), frames(&late).len()), (0, 1));
}

#[test]
fn a_kick_spares_the_session_that_ended_its_own_login() {
    let registry = registry();
    let phone = DeviceId::generate();
    let kick = |session| Hint::Kick {
        app: app(1),
        user: user("bob"),
        devices: vec![(phone, 3)],
        reason: "test".to_owned(),
        except: Some(SessionId::new(session)),
    };
    let (taken_up, _) = enter(&registry, 2, (1, "bob", phone, 3));
    registry.deliver(kick(2));
    assert_eq!(taken_up.stage(), Stage::Open);
    registry.deliver(kick(1));
    assert_eq!(taken_up.stage(), Stage::Ended);
}

#[test]
fn of_two_logins_of_a_device_the_later_stays_whichever_is_entered_first() {
    let registry = registry();
    let phone = DeviceId::generate();
    let (first, _) = enter(&registry, 1, (1, "bob", phone, 1));
    let (third, is_entered) = enter(&registry, 3, (1, "bob", phone, 3));
    assert!(is_entered && first.stage() == Stage::Ended);
    assert!(frames(&first).is_empty(), "its own device has taken its place");
    let (_, is_entered) = enter(&registry, 2, (1, "bob", phone, 2));
    assert!(!is_entered && third.stage() == Stage::Open);
    // A session that is taken up keeps its epoch.
    let (_, is_entered) = enter(&registry, 4, (1, "bob", phone, 3));
    assert!(is_entered && third.stage() == Stage::Ended);
}

#[test]
fn who_comes_while_the_server_stops_is_not_let_in() {
    let registry = registry();
    let bob = online(&registry, 1, "bob");
    registry.drain(&r#""event":"going_away","data":{}}"#.into());
    assert_eq!(bob.stage(), Stage::Draining);
    registry.deliver(event("a", None, None));
    assert_eq!(frames(&bob), [r#"{"push":1,"event":"going_away","data":{}}"#, r#"{"push":2,a"#]);
    assert!(!enter(&registry, 2, (1, "alice", DeviceId::generate(), 1)).1);
}

#[test]
fn for_want_of_room_events_go_first_then_many_answers_and_few_of_them_last() {
    let (registry, clock) = (registry(), Clock::frozen(0));
    let budget = &registry.metrics.budget;
    let enter = |id, name| enter_by(&clock, &registry, id, (1, name, DeviceId::generate(), 1)).0;
    let (alice, bob, carol, dave) = (enter(1, "alice"), enter(2, "bob"), enter(3, "carol"), enter(4, "dave"));
    let stages = || [&alice, &bob, &carol, &dave].map(|session| session.stage());
    // Alice has taken nothing for long and left little unread; the others got what they have just now.
    alice.reply("x".repeat(1_000));
    alice.blocked();
    clock.advance(Duration::from_secs(20));

    registry.deliver(event(&"x".repeat(9_000), None, None));
    budget.set_max(budget.held_bytes() - 1);
    registry.make_room();
    assert_eq!((alice.push_bytes(), bob.push_bytes()), (0, 0));
    assert_eq!(stages(), [Stage::Open; 4], "without the events there is room");

    carol.reply("x".repeat(50_000));
    dave.reply("x".repeat(40_000));
    budget.set_max(budget.held_bytes() - 1);
    registry.make_room();
    assert_eq!(stages(), [Stage::Open, Stage::Open, Stage::Aborted, Stage::Open]);
    budget.set_max(budget.held_bytes() - 1);
    registry.make_room();
    assert_eq!(stages(), [Stage::Open, Stage::Open, Stage::Aborted, Stage::Aborted]);

    // Little is much where thousands have it: the bound holds.
    budget.set_max(budget.held_bytes() - 1);
    registry.make_room();
    assert_eq!(stages(), [Stage::Aborted, Stage::Open, Stage::Aborted, Stage::Aborted]);
    assert_eq!(budget.held_bytes(), 0);
}
