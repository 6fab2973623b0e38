// SPDX-License-Identifier: Apache-2.0
//! Random operations of a few users, on the real rooms and on a model that fits on a page; after each run both say the
//! same of every conversation of everybody.

use hongyan_protocol::conversation::{Head, MarkRead, ReadPosition, ReadScope, unread};
use hongyan_protocol::group::{InviteToGroup, QuitGroup};
use hongyan_protocol::ids::SeqRange;
use hongyan_protocol::message::{Page, Target};
use proptest::prelude::*;

use crate::rooms::Caller;
use crate::rooms::world::{World, group, message, seq, to_group, to_user, user};

const USERS: [&str; 4] = ["alice", "bob", "carol", "dora"];
const GROUP: &str = "team";

/// Who an operation is about, as places in [`USERS`].
#[derive(Debug, Clone, Copy)]
enum Where {
    Group,
    Peer(usize),
}

#[derive(Debug, Clone, Copy)]
enum Operation {
    Send { from: usize, to: Where, is_left_out: bool },
    ReadTo { by: usize, of: Where, seq: i64 },
    ReadEnd { by: usize, of: Where },
    ReadAll { by: usize },
    Invite { by: usize, whom: usize },
    Quit { by: usize },
}

fn operations() -> impl Strategy<Value = Vec<Operation>> {
    let who = || 0..USERS.len();
    let place = || prop_oneof![2 => Just(Where::Group), 1 => (0..USERS.len()).prop_map(Where::Peer)];
    let operation = prop_oneof![
        6 => (who(), place(), prop::bool::weighted(0.2))
            .prop_map(|(from, to, is_left_out)| Operation::Send { from, to, is_left_out }),
        3 => (who(), place(), 0..30_i64).prop_map(|(by, of, seq)| Operation::ReadTo { by, of, seq }),
        1 => (who(), place()).prop_map(|(by, of)| Operation::ReadEnd { by, of }),
        1 => who().prop_map(|by| Operation::ReadAll { by }),
        2 => (who(), who()).prop_map(|(by, whom)| Operation::Invite { by, whom }),
        2 => who().prop_map(|by| Operation::Quit { by }),
    ];
    prop::collection::vec(operation, 1..60)
}

#[derive(Debug, Clone)]
struct Said {
    by: usize,
    counts: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Seat {
    from: i64,
    to: Option<i64>,
    read: i64,
}

#[derive(Debug, Default)]
struct Log {
    said: Vec<Said>,
    seats: [Option<Seat>; 4],
}

impl Log {
    fn end(&self) -> i64 {
        self.said.len() as i64
    }

    fn say(&mut self, by: usize, counts: bool) {
        self.said.push(Said { by, counts });
    }

    fn is_member(&self, who: usize) -> bool {
        self.seats[who].is_some_and(|seat| seat.to.is_none())
    }

    fn read(&mut self, who: usize, up_to: i64) {
        let end = self.end();
        if let Some(seat) = &mut self.seats[who] {
            seat.read = seat.read.max(up_to.min(seat.to.unwrap_or(end)));
        }
    }

    fn unread(&self, who: usize) -> i64 {
        let seat = self.seats[who].unwrap();
        let range = seat.read.max(seat.from - 1)..seat.to.unwrap_or(self.end());
        range.filter(|index| self.said[*index as usize].counts && self.said[*index as usize].by != who).count() as i64
    }
}

/// The group, and the logs between users by (lower, higher).
struct Model {
    group: Log,
    pairs: std::collections::BTreeMap<(usize, usize), Log>,
}

impl Model {
    fn log(&mut self, who: usize, place: Where) -> Option<&mut Log> {
        match place {
            Where::Group => Some(&mut self.group),
            Where::Peer(peer) => self.pairs.get_mut(&(who.min(peer), who.max(peer))),
        }
    }

    fn apply(&mut self, operation: Operation) {
        match operation {
            Operation::Send { from, to: Where::Group, is_left_out } => {
                if self.group.is_member(from) {
                    self.group.say(from, !is_left_out);
                }
            }
            Operation::Send { from, to: Where::Peer(peer), is_left_out } => {
                let log = self.pairs.entry((from.min(peer), from.max(peer))).or_default();
                for who in [from, peer] {
                    log.seats[who].get_or_insert(Seat { from: 1, to: None, read: 0 });
                }
                log.say(from, !is_left_out);
            }
            Operation::ReadTo { by, of, seq } => {
                if let Some(log) = self.log(by, of) {
                    log.read(by, seq);
                }
            }
            Operation::ReadEnd { by, of } => {
                if let Some(log) = self.log(by, of) {
                    log.read(by, i64::MAX);
                }
            }
            Operation::ReadAll { by } => {
                self.group.read(by, i64::MAX);
                self.pairs.values_mut().for_each(|log| log.read(by, i64::MAX));
            }
            Operation::Invite { by, whom } => {
                if self.group.is_member(by) && !self.group.is_member(whom) {
                    let end = self.group.end();
                    self.group.seats[whom] = Some(Seat { from: end + 1, to: None, read: end });
                    self.group.say(by, false);
                }
            }
            Operation::Quit { by } => {
                if self.group.is_member(by) {
                    self.group.say(by, false);
                    let end = self.group.end();
                    self.group.seats[by].as_mut().unwrap().to = Some(end);
                }
            }
        }
    }
}

fn target(place: Where) -> Target {
    match place {
        Where::Group => to_group(GROUP),
        Where::Peer(peer) => to_user(USERS[peer]),
    }
}

/// Runs one operation. One that is refused changes nothing in the model either.
async fn run(world: &World, callers: &[Caller], operation: Operation) {
    let read = async |by: usize, of: ReadScope, up_to: ReadPosition| {
        let _ = world.rooms.mark_read(&callers[by], MarkRead { of, up_to }).await;
    };
    match operation {
        Operation::Send { from, to, is_left_out } => {
            let mut send = message(target(to), "x");
            send.body.is_excluded_from_unread_count = is_left_out;
            let _ = world.send(&callers[from], send).await;
        }
        Operation::ReadTo { by, of, seq: number } => {
            read(by, ReadScope::One(target(of)), ReadPosition::Seq(seq(number))).await;
        }
        Operation::ReadEnd { by, of } => read(by, ReadScope::One(target(of)), ReadPosition::End).await,
        Operation::ReadAll { by } => read(by, ReadScope::All, ReadPosition::End).await,
        Operation::Invite { by, whom } => {
            let invite = InviteToGroup { group_id: group(GROUP), users: vec![user(USERS[whom])] };
            let _ = world.rooms.invite_to_group(&callers[by], invite).await;
        }
        Operation::Quit { by } => {
            let _ = world.rooms.quit_group(&callers[by], QuitGroup { group_id: group(GROUP) }).await;
        }
    }
}

fn check_head(head: &Head, log: &Log, who: usize) {
    let seat = log.seats[who].unwrap();
    let state = &head.state;
    let shown =
        Seat { from: state.visible_from.get(), to: state.visible_to.map(|to| to.get()), read: state.read_seq.get() };
    assert_eq!(shown, seat);
    assert_eq!(head.max_seq.get(), seat.to.unwrap_or(log.end()));
    assert_eq!(head.last_message.as_ref().unwrap().seq, head.max_seq);
    let unread = unread(head.counted, state.own_counted, state.base_counted, state.base_own);
    assert_eq!(unread, log.unread(who), "unread of {}", USERS[who]);
}

/// Everything that a viewer may see of a log, by pages of 7 from the beginning.
async fn check_pages(world: &World, caller: &Caller, of: Target, log: &Log, who: usize) {
    let seat = log.seats[who].unwrap();
    let (mut after, mut seen, mut hidden) = (0, Vec::new(), Vec::new());
    while after < log.end() {
        let page = world.page(caller, of.clone(), Page::After(seq(after)), 7).await.unwrap();
        assert_eq!(page.covered.from.get(), after + 1);
        after = page.covered.to.get();
        seen.extend(page.messages.iter().map(|message| (message.seq.get(), user(message.sender.as_str()))));
        hidden.extend(page.hidden);
    }
    let expected: Vec<_> =
        (seat.from..=log.end()).map(|place| (place, user(USERS[log.said[place as usize - 1].by]))).collect();
    assert_eq!(seen, expected);
    let before: Vec<_> = (seat.from > 1).then(|| SeqRange::new(seq(1), seq(seat.from - 1))).into_iter().collect();
    assert_eq!(hidden, before);
}

async fn check(world: &World, callers: &[Caller], model: &mut Model) {
    for (who, caller) in callers.iter().enumerate() {
        let heads = world.heads(caller).await;
        let places = (0..USERS.len()).map(Where::Peer).chain([Where::Group]);
        let mut known = 0;
        for place in places {
            let of = target(place);
            let found = world.head(caller, &of).await;
            let Some(log) = model.log(who, place).filter(|log| log.seats[who].is_some()) else {
                assert!(found.is_none(), "{of:?}");
                continue;
            };
            known += 1;
            check_head(&found.unwrap(), log, who);
            if log.is_member(who) {
                check_pages(world, caller, of, log, who).await;
            } else {
                assert!(world.page(caller, of, Page::Before(None), 1).await.is_err());
            }
        }
        assert_eq!(heads.len(), known);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn unread_read_positions_and_what_is_visible_follow_the_model(operations in operations()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let world = World::open().await;
            let mut callers = Vec::new();
            for name in USERS {
                callers.push(world.user(name).await);
            }
            world.create_group(&callers[0], GROUP, &["bob"]).await;
            let mut model = Model { group: Log::default(), pairs: Default::default() };
            model.group.say(0, false);
            for who in [0, 1] {
                model.group.seats[who] = Some(Seat { from: 1, to: None, read: 0 });
            }
            for operation in operations {
                run(&world, &callers, operation).await;
                model.apply(operation);
            }
            check(&world, &callers, &mut model).await;
        });
    }
}
