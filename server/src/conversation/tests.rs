// SPDX-License-Identifier: Apache-2.0

use std::time::Duration;

use hongyan_protocol::clock::Clock;
use hongyan_protocol::codes::Code;
use hongyan_protocol::conversation::{ConversationStates, Head, MarkRead, ReadPosition, ReadScope, unread};
use hongyan_protocol::group::QuitGroup;
use hongyan_protocol::ids::{ChangeSeq, LogId, Version};
use hongyan_protocol::message::{ChangeKind, ChangePage, GetChanges, NewChange, Page, Target};
use hongyan_protocol::sync::{Probe, Sync, SyncPage};

use crate::bus::Hint;
use crate::error::Error;
use crate::rooms::Caller;
use crate::rooms::world::{START_MS, World, events, group, seq, text, to_group, to_user, user};

impl World {
    async fn read(&self, caller: &Caller, of: Target, up_to: ReadPosition) -> Result<ConversationStates, Error> {
        self.rooms.mark_read(caller, MarkRead { of: ReadScope::One(of), up_to }).await
    }

    async fn read_all(&self, caller: &Caller, of: ReadScope) -> ConversationStates {
        self.rooms.mark_read(caller, MarkRead { of, up_to: ReadPosition::End }).await.unwrap()
    }

    async fn unread(&self, caller: &Caller, of: Target) -> i64 {
        unread_of(&self.head(caller, &of).await.unwrap())
    }

    async fn changes(&self, caller: &Caller, of: Target, after: i64, limit: u32) -> Result<ChangePage, Error> {
        let after = ChangeSeq::parse(after).unwrap();
        self.rooms.get_changes(caller, GetChanges { of, after, limit }).await
    }

    async fn sync_since(&self, caller: &Caller, since_ms: i64, version: Version) -> SyncPage {
        let params = Sync { since_ms: Some(since_ms), version, probes: Vec::new(), cursor: None, limit: 500 };
        self.rooms.sync(caller, params).await.unwrap()
    }
}

fn unread_of(head: &Head) -> i64 {
    unread(head.counted, head.state.own_counted, head.state.base_counted, head.state.base_own)
}

#[tokio::test]
async fn read_position_never_moves_back_and_never_beyond_the_end() {
    let world = World::open().await;
    let (alice, bob) = (world.user("alice").await, world.user("bob").await);
    for number in 0..5 {
        world.say(&alice, to_user("bob"), &number.to_string()).await;
    }
    let states = world.read(&bob, to_user("alice"), ReadPosition::Seq(seq(3))).await.unwrap();
    assert_eq!((states.after.get(), states.states[0].version.get()), (0, 1));
    assert_eq!(world.unread(&bob, to_user("alice")).await, 2);
    for earlier in [ReadPosition::Seq(seq(2)), ReadPosition::Seq(seq(3)), ReadPosition::Time { server_ms: 0 }] {
        let states = world.read(&bob, to_user("alice"), earlier).await.unwrap();
        assert_eq!((states.after.get(), states.states.len()), (1, 0), "{earlier:?}");
    }
    let states = world.read(&bob, to_user("alice"), ReadPosition::Seq(seq(900))).await.unwrap();
    assert_eq!((states.states[0].read_seq, states.states[0].version.get()), (seq(5), 2));
    assert_eq!(world.unread(&bob, to_user("alice")).await, 0);
    world.say(&alice, to_user("bob"), "next").await;
    assert_eq!(world.unread(&bob, to_user("alice")).await, 1);
}

#[tokio::test]
async fn reading_by_time_takes_in_all_of_that_millisecond_and_nothing_later() {
    let world = World::open().await;
    let (alice, bob) = (world.user("alice").await, world.user("bob").await);
    for at_ms in [10, 10, 20, 20, 20, 35] {
        world.clock.set_wall_offset(at_ms);
        world.say(&alice, to_user("bob"), "x").await;
    }
    for (at_ms, read_seq) in [(15, 2), (20, 5), (34, 5), (9_999, 6)] {
        let up_to = ReadPosition::Time { server_ms: START_MS + at_ms };
        world.read(&bob, to_user("alice"), up_to).await.unwrap();
        let head = world.head(&bob, &to_user("alice")).await.unwrap();
        assert_eq!(head.state.read_seq, seq(read_seq), "{at_ms}");
        assert_eq!(unread_of(&head), 6 - read_seq);
    }
}

#[tokio::test]
async fn the_peer_learns_of_reading_by_a_dense_stream_of_changes() {
    let world = World::open().await;
    let (alice, bob) = (world.user("alice").await, world.user("bob").await);
    for number in 1..=3 {
        world.say(&alice, to_user("bob"), "x").await;
        world.clock.advance(Duration::from_millis(7));
        world.take_hints();
        world.read(&bob, to_user("alice"), ReadPosition::End).await.unwrap();
        let hints = world.take_hints();
        for reader in [&alice, &bob] {
            let [event] = events::<NewChange>(&hints, &reader.user).try_into().unwrap();
            assert_eq!(event.change.change_seq.get(), number);
            let seq_ms = START_MS + (number - 1) * 7;
            assert_eq!(event.change.kind, ChangeKind::Read { user: user("bob"), seq: seq(number), seq_ms });
        }
    }
    world.read(&bob, to_user("alice"), ReadPosition::End).await.unwrap();
    assert!(world.take_hints().is_empty(), "nothing moved");
    let page = world.changes(&alice, to_user("bob"), 1, 1).await.unwrap();
    assert_eq!((page.changes[0].change_seq.get(), page.changes.len()), (2, 1));
    assert_eq!(page.change_seq.get(), 3);
    let head = world.head(&alice, &to_user("bob")).await.unwrap();
    assert_eq!((head.peer_read_seq, head.change_seq.get()), (Some(seq(3)), 3));
    for limit in [0, 501] {
        let refused = world.changes(&alice, to_user("bob"), 0, limit).await.unwrap_err();
        assert_eq!(refused.code(), Code::BAD_PARAMETER);
    }
}

#[tokio::test]
async fn all_are_read_at_once_with_versions_that_follow_one_another() {
    let world = World::open().await;
    let (alice, bob) = (world.user("alice").await, world.user("bob").await);
    let carol = world.user("carol").await;
    world.create_group(&alice, "team", &["bob"]).await;
    world.create_group(&alice, "club", &["bob"]).await;
    world.say(&alice, to_user("bob"), "x").await;
    world.say(&carol, to_user("bob"), "x").await;
    world.say(&alice, to_group("team"), "x").await;
    world.say(&bob, to_user("alice"), "own").await;
    let only = |states: &ConversationStates| states.states.iter().map(|state| state.version.get()).collect::<Vec<_>>();
    let groups = world.read_all(&bob, ReadScope::AllGroups).await;
    assert_eq!((groups.after.get(), only(&groups)), (2, vec![3, 4]));
    assert_eq!((world.unread(&bob, to_group("team")).await, world.unread(&bob, to_user("carol")).await), (0, 1));
    world.take_hints();
    let rest = world.read_all(&bob, ReadScope::All).await;
    assert_eq!((rest.after.get(), only(&rest)), (4, vec![5, 6]));
    let hints = world.take_hints();
    assert_eq!(events::<NewChange>(&hints, &alice.user).len(), 1);
    assert_eq!(events::<NewChange>(&hints, &bob.user).len(), 2);
    let [event] = events::<ConversationStates>(&hints, &bob.user).try_into().unwrap();
    assert_eq!(event, rest);
    let is_for_others =
        |hint: &Hint| matches!(hint, Hint::Event { except: Some(session), .. } if *session == bob.session);
    assert_eq!(hints.iter().filter(|hint| is_for_others(hint)).count(), 1);
    assert!(world.heads(&bob).await.iter().all(|head| unread_of(head) == 0));
    assert!(world.read_all(&bob, ReadScope::AllC2c).await.states.is_empty());
    let several = MarkRead { of: ReadScope::All, up_to: ReadPosition::Seq(seq(1)) };
    assert_eq!(world.rooms.mark_read(&bob, several).await.unwrap_err().code(), Code::BAD_PARAMETER);
}

#[tokio::test]
async fn however_many_are_read_at_once_none_is_left_and_no_event_is_larger_than_a_frame() {
    let world = World::open().await;
    let bob = world.user("bob").await;
    let mut write = world.store().begin().await.unwrap();
    crate::store::execute!(
        write,
        "with recursive n (i) as (select 1 union all select i + 1 from n where i < 2500)
         insert into log (app, kind, low, high, max_seq, counted, change_seq, member_version, last_ms, active_ms)
         select $1, 1, 'g' || i, '', 1, 1, 0, 1, 0, 0 from n",
        world.app.get()
    )
    .unwrap();
    crate::store::execute!(
        write,
        "insert into conversation (app, user_id, log, visible_from, visible_to, left_counted, left_ms, read_seq,
                                   base_counted, base_own, own_counted, version)
         select app, 'bob', id, 1, null, 0, 0, 0, 0, 0, 0, 0 from log"
    )
    .unwrap();
    write.commit(|| {}).await.unwrap();
    let last = world.read_all(&bob, ReadScope::All).await;
    let events = events::<ConversationStates>(&world.take_hints(), &bob.user);
    let sizes: Vec<_> = events.iter().map(|states| (states.after.get(), states.states.len())).collect();
    assert_eq!((sizes, events.last()), (vec![(0, 1_000), (1_000, 1_000), (2_000, 500)], Some(&last)));
    assert!(world.read_all(&bob, ReadScope::All).await.states.is_empty());
}

#[tokio::test]
async fn reading_where_there_is_nothing_to_read_changes_nothing() {
    let world = World::open().await;
    let (alice, _bob) = (world.user("alice").await, world.user("bob").await);
    world.create_group(&alice, "team", &[]).await;
    let carol = world.user("carol").await;
    world.take_hints();
    for of in [to_user("bob"), to_user("ghost")] {
        assert!(world.read(&carol, of, ReadPosition::End).await.unwrap().states.is_empty());
    }
    for (of, code) in [(to_group("team"), Code::NO_PERMISSION), (to_group("none"), Code::GROUP_NOT_FOUND)] {
        assert_eq!(world.read(&carol, of, ReadPosition::End).await.unwrap_err().code(), code);
    }
    assert!(world.take_hints().is_empty());
}

#[tokio::test]
async fn a_group_that_was_left_can_still_be_read_to_what_was_seen_last() {
    let world = World::open().await;
    let (alice, bob) = (world.user("alice").await, world.user("bob").await);
    world.create_group(&alice, "team", &["bob"]).await;
    world.say(&alice, to_group("team"), "x").await;
    world.rooms.quit_group(&bob, QuitGroup { group_id: group("team") }).await.unwrap();
    world.say(&alice, to_group("team"), "unseen").await;
    assert_eq!(world.unread(&bob, to_group("team")).await, 1);
    let states = world.read(&bob, to_group("team"), ReadPosition::End).await.unwrap();
    assert_eq!(states.states[0].read_seq, seq(3));
    assert_eq!(world.unread(&bob, to_group("team")).await, 0);
}

#[tokio::test]
async fn what_does_not_count_leaves_unread_alone() {
    let world = World::open().await;
    let (alice, bob) = (world.user("alice").await, world.user("bob").await);
    let mut quiet = crate::rooms::world::message(to_user("bob"), "quiet");
    quiet.body.is_excluded_from_unread_count = true;
    world.send(&alice, quiet).await.unwrap();
    assert_eq!(world.unread(&bob, to_user("alice")).await, 0);
    world.say(&alice, to_user("bob"), "x").await;
    world.say(&bob, to_user("alice"), "own").await;
    let head = world.head(&bob, &to_user("alice")).await.unwrap();
    assert_eq!((unread_of(&head), head.counted, head.state.own_counted), (1, 2, 1));
    assert_eq!(head.last_message.unwrap().body, text("own"));
}

#[tokio::test]
async fn catching_up_brings_what_changed_since_and_nothing_else() {
    let world = World::open().await;
    let (alice, bob) = (world.user("alice").await, world.user("bob").await);
    world.user("carol").await;
    world.create_group(&alice, "team", &["bob"]).await;
    world.say(&alice, to_user("bob"), "x").await;
    world.say(&alice, to_user("carol"), "x").await;
    world.clock.advance(Duration::from_secs(600));
    let complete = world.sync_since(&alice, 0, Version::ZERO).await;
    assert_eq!(complete.heads.len(), 3);
    let idle = world.sync_since(&alice, complete.server_ms, complete.version).await;
    assert!(idle.heads.is_empty() && !idle.is_behind_client);
    // A message, a read position of the peer, a read position of one's own, and leaving.
    world.say(&bob, to_user("alice"), "y").await;
    let page = world.sync_since(&alice, complete.server_ms, complete.version).await;
    assert_eq!(page.heads.iter().map(|head| head.max_seq.get()).collect::<Vec<_>>(), [2]);
    world.clock.advance(Duration::from_secs(600));
    world.read(&bob, to_user("alice"), ReadPosition::End).await.unwrap();
    let page = world.sync_since(&alice, world.clock.now_ms(), complete.version).await;
    assert_eq!(page.heads[0].peer_read_seq, Some(seq(2)));
    world.clock.advance(Duration::from_secs(600));
    let since_ms = world.clock.now_ms();
    world.read(&alice, to_group("team"), ReadPosition::End).await.unwrap();
    let page = world.sync_since(&alice, since_ms, complete.version).await;
    assert_eq!(page.heads.iter().map(|head| head.state.read_seq.get()).collect::<Vec<_>>(), [1]);
    world.rooms.quit_group(&alice, QuitGroup { group_id: group("team") }).await.unwrap();
    let left = world.sync_since(&alice, since_ms, page.version).await;
    assert_eq!(left.heads.iter().map(|head| head.state.visible_to).collect::<Vec<_>>(), [Some(seq(2))]);
    world.clock.advance(Duration::from_secs(600));
    world.say(&bob, to_group("team"), "unseen").await;
    assert!(world.sync_since(&alice, world.clock.now_ms(), left.version).await.heads.is_empty());
}

#[tokio::test]
async fn catching_up_misses_nothing_when_the_wall_is_set_back_even_over_a_restart() {
    let world = World::open().await;
    let (alice, bob) = (world.user("alice").await, world.user("bob").await);
    world.clock.set_wall_offset(3_600_000);
    let before = world.sync_since(&bob, 0, Version::ZERO).await;
    world.clock.set_wall_offset(0);
    world.say(&alice, to_user("bob"), "x").await;
    let page = world.sync_since(&bob, before.server_ms, before.version).await;
    assert_eq!(page.heads.len(), 1);
    let world = world.restart(Clock::frozen(START_MS)).await;
    world.say(&alice, to_user("alice"), "x").await;
    let page = world.sync_since(&alice, before.server_ms, before.version).await;
    assert_eq!(page.heads.len(), 2);
}

#[tokio::test]
async fn a_store_that_holds_less_than_the_client_says_so() {
    let world = World::open().await;
    let (alice, bob) = (world.user("alice").await, world.user("bob").await);
    let carol = world.user("carol").await;
    let log = world.say(&alice, to_user("bob"), "x").await.log;
    let ask = |version: i64, log: LogId, max_seq: i64| Sync {
        since_ms: None,
        version: Version::parse(version).unwrap(),
        probes: vec![Probe { log, max_seq: seq(max_seq) }],
        cursor: None,
        limit: 10,
    };
    let nowhere = LogId::parse(log.get() + 1).unwrap();
    for (caller, params, is_behind) in [
        (&bob, ask(0, log, 1), false),
        (&bob, ask(0, log, 2), true),
        (&bob, ask(1, log, 1), true),
        (&bob, ask(0, nowhere, 1), true),
        // Somebody else's log looks like none.
        (&carol, ask(0, log, 1), true),
        (&bob, ask(0, nowhere, 0), false),
    ] {
        let page = world.rooms.sync(caller, params.clone()).await.unwrap();
        assert_eq!(page.is_behind_client, is_behind, "{params:?}");
        assert!(!is_behind || page.heads.is_empty());
    }
    for params in [
        Sync { limit: 0, ..ask(0, log, 1) },
        Sync { limit: 501, ..ask(0, log, 1) },
        Sync { probes: vec![Probe { log, max_seq: seq(1) }; 101], ..ask(0, log, 1) },
    ] {
        assert_eq!(world.rooms.sync(&bob, params).await.unwrap_err().code(), Code::BAD_PARAMETER);
    }
}

#[tokio::test]
async fn looking_at_a_peer_without_an_account_waits_for_no_turn_to_write() {
    let world = World::open().await;
    let alice = world.user("alice").await;
    let _held = world.store().begin().await.unwrap();
    let refusal = world.page(&alice, to_user("ghost"), Page::Before(None), 20).await.unwrap_err();
    assert_eq!(refusal.code(), Code::MSG_ACCOUNT_NOT_IMPORTED);
}

#[tokio::test]
async fn a_log_that_was_looked_at_and_never_written_to_is_nothing_that_was_lost() {
    let world = World::open().await;
    let (alice, _bob) = (world.user("alice").await, world.user("bob").await);
    let empty = world.page(&alice, to_user("bob"), Page::Before(None), 20).await.unwrap();
    let probes = vec![Probe { log: empty.log, max_seq: empty.max_seq }];
    let params = Sync { since_ms: None, version: Version::ZERO, probes, cursor: None, limit: 10 };
    assert!(!world.rooms.sync(&alice, params).await.unwrap().is_behind_client);
}

#[tokio::test]
async fn pages_of_heads_join_in_one_order_also_where_times_are_equal() {
    let world = World::open().await;
    let alice = world.user("alice").await;
    for number in 0..10 {
        let name = format!("u{number}");
        world.user(&name).await;
        world.say(&alice, to_user(&name), "x").await;
        if number % 4 == 0 {
            world.clock.advance(Duration::from_millis(1));
        }
    }
    let heads = world.heads(&alice).await;
    let places: Vec<_> = heads.iter().map(|head| (head.order_key, head.state.log)).collect();
    let mut sorted = places.clone();
    sorted.sort_by(|one, other| other.cmp(one));
    sorted.dedup();
    assert_eq!((places.len(), places), (10, sorted));
}

#[tokio::test]
async fn a_page_of_heads_stays_inside_a_frame() {
    let world = World::open().await;
    let alice = world.user("alice").await;
    for number in 0..20 {
        let name = format!("u{number}");
        world.user(&name).await;
        world.say(&alice, to_user(&name), &"\u{1}".repeat(12 * 1024)).await;
    }
    let (mut cursor, mut count) = (None, 0);
    loop {
        let params = Sync { since_ms: None, version: Version::ZERO, probes: vec![], cursor, limit: 500 };
        let page = world.rooms.sync(&alice, params).await.unwrap();
        assert!(serde_json::to_string(&page).unwrap().len() < hongyan_protocol::limits::PACKET_BYTES_MAX);
        count += page.heads.len();
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(count, 20);
}
