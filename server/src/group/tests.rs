// SPDX-License-Identifier: Apache-2.0

use hongyan_protocol::codes::Code;
use hongyan_protocol::conversation::ConversationStates;
use hongyan_protocol::group::{CreateGroup, GroupType, InviteToGroup, MemberOutcome, QuitGroup};
use hongyan_protocol::ids::{GroupId, SeqRange};
use hongyan_protocol::message::{Element, GroupTips, GroupTipsType, NewMessage, Page};

use crate::error::Error;
use crate::rooms::Caller;
use crate::rooms::world::{World, events, group, message, seq, to_group, user};

fn create(id: Option<&str>, members: &[&str]) -> CreateGroup {
    CreateGroup {
        group_type: GroupType::Work,
        group_id: id.map(group),
        name: "name".into(),
        face_url: String::new(),
        members: members.iter().map(|id| user(id)).collect(),
    }
}

impl World {
    async fn invite(&self, caller: &Caller, id: &str, users: &[&str]) -> Result<Vec<MemberOutcome>, Error> {
        let params = InviteToGroup { group_id: group(id), users: users.iter().map(|id| user(id)).collect() };
        let results = self.rooms.invite_to_group(caller, params).await?.results;
        assert_eq!(results.iter().map(|result| result.user_id.as_str()).collect::<Vec<_>>(), users);
        Ok(results.into_iter().map(|result| result.outcome).collect())
    }

    async fn quit(&self, caller: &Caller, id: &str) -> Result<(), Error> {
        self.rooms.quit_group(caller, QuitGroup { group_id: group(id) }).await.map(drop)
    }
}

fn tips_of(event: &NewMessage) -> &GroupTips {
    let [Element::GroupTips(tips)] = event.message.body.elements.as_slice() else { panic!("{event:?}") };
    tips
}

#[tokio::test]
async fn a_new_group_begins_with_a_tip_about_those_who_are_in_it() {
    let world = World::open().await;
    let (alice, bob) = (world.user("alice").await, world.user("bob").await);
    let made = world.rooms.create_group(&alice, create(None, &["bob", "alice", "bob"])).await.unwrap();
    assert!(made.group_id.is_reserved());
    let hints = world.take_hints();
    let states = events::<ConversationStates>(&hints, &bob.user);
    assert_eq!((states[0].after.get(), states[0].states[0].version.get()), (0, 1));
    assert_eq!(states[0].states[0].visible_from, seq(1));
    let messages = events::<NewMessage>(&hints, &bob.user);
    let tips = tips_of(&messages[0]);
    assert_eq!((tips.tips, tips.member_count), (GroupTipsType::Invite, 2));
    assert_eq!(tips.members, [user("alice"), user("bob")]);
    assert_eq!((messages[0].message.seq, messages[0].message.counted), (seq(1), 0));
    let head = world.head(&bob, &to_group(made.group_id.as_str())).await.unwrap();
    assert_eq!(head.group.unwrap().name, "name");
    assert_eq!((head.max_seq, head.counted), (seq(1), 0));
}

#[tokio::test]
async fn a_group_that_cannot_be_made_is_answered_with_its_code_and_leaves_nothing() {
    let world = World::open().await;
    let (alice, bob) = (world.user("alice").await, world.user("bob").await);
    world.create_group(&alice, "taken", &[]).await;
    world.take_hints();
    let many: Vec<String> = (0..21).map(|number| format!("u{number}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let long_name = CreateGroup { name: "x".repeat(101), ..create(Some("new"), &[]) };
    let long_face = CreateGroup { face_url: "x".repeat(501), ..create(Some("new"), &[]) };
    for (caller, params, code) in [
        (&alice, create(Some("taken"), &[]), Code::GROUP_ID_IN_USE_BY_CALLER),
        (&bob, create(Some("taken"), &[]), Code::GROUP_ID_IN_USE),
        (&bob, create(Some("@TGS#1"), &[]), Code::GROUP_ID_NOT_VALID),
        (&bob, create(Some("new"), &["alice", "ghost"]), Code::GROUP_ACCOUNT_NOT_FOUND),
        (&bob, create(Some("new"), &many), Code::GROUP_TOO_MANY_ACCOUNTS),
        (&bob, long_name, Code::BAD_PARAMETER),
        (&bob, long_face, Code::BAD_PARAMETER),
    ] {
        assert_eq!(world.rooms.create_group(caller, params).await.unwrap_err().code(), code);
    }
    assert!(world.take_hints().is_empty());
    assert!(world.heads(&bob).await.is_empty());
    let page = world.page(&bob, to_group("new"), Page::Before(None), 1).await;
    assert_eq!(page.unwrap_err().code(), Code::GROUP_NOT_FOUND);
    assert_eq!(world.heads(&alice).await[0].state.version.get(), 1);
}

#[tokio::test]
async fn each_invited_gets_an_outcome_and_sees_the_group_from_the_tip_on() {
    let world = World::open().await;
    let (alice, bob) = (world.user("alice").await, world.user("bob").await);
    let carol = world.user("carol").await;
    world.create_group(&alice, "team", &["bob"]).await;
    world.say(&alice, to_group("team"), "before").await;
    world.take_hints();
    let outcomes = world.invite(&bob, "team", &["ghost", "alice", "carol", "carol"]).await.unwrap();
    assert_eq!(
        outcomes,
        [MemberOutcome::Failed, MemberOutcome::AlreadyMember, MemberOutcome::Ok, MemberOutcome::AlreadyMember]
    );
    let hints = world.take_hints();
    for member in [&alice, &bob, &carol] {
        let messages = events::<NewMessage>(&hints, &member.user);
        assert_eq!(tips_of(&messages[0]).members, [user("carol")]);
        assert_eq!((messages[0].message.seq, tips_of(&messages[0]).member_count), (seq(3), 3));
    }
    let page = world.page(&carol, to_group("team"), Page::Before(None), 10).await.unwrap();
    assert_eq!((page.covered, page.visible_from), (SeqRange::new(seq(1), seq(3)), seq(3)));
    assert_eq!(page.hidden, [SeqRange::new(seq(1), seq(2))]);
    assert_eq!(page.messages.len(), 1);
    assert_eq!(world.invite(&bob, "team", &["alice"]).await.unwrap(), [MemberOutcome::AlreadyMember]);
    assert!(world.take_hints().is_empty(), "nobody came, nothing happened");
}

#[tokio::test]
async fn who_is_not_in_a_group_can_do_nothing_in_it() {
    let world = World::open().await;
    let (alice, bob) = (world.user("alice").await, world.user("bob").await);
    world.create_group(&alice, "team", &[]).await;
    world.take_hints();
    let code = |outcome: Result<_, Error>| outcome.err().map(|error| error.code());
    for (id, expected) in [("team", Code::NO_PERMISSION), ("nowhere", Code::GROUP_NOT_FOUND)] {
        assert_eq!(code(world.invite(&bob, id, &["bob"]).await.map(drop)), Some(expected));
        assert_eq!(code(world.quit(&bob, id).await), Some(expected));
        assert_eq!(code(world.send(&bob, message(to_group(id), "x")).await.map(drop)), Some(expected));
        assert_eq!(code(world.page(&bob, to_group(id), Page::Before(None), 1).await.map(drop)), Some(expected));
    }
    let params = InviteToGroup { group_id: group("team"), users: vec![] };
    let refused = world.rooms.invite_to_group(&alice, params).await.unwrap_err();
    assert_eq!(refused.code(), Code::GROUP_INVALID_PARAMETERS);
    let params = InviteToGroup { group_id: group("team"), users: vec![user("bob"); 21] };
    let refused = world.rooms.invite_to_group(&alice, params).await.unwrap_err();
    assert_eq!(refused.code(), Code::GROUP_TOO_MANY_ACCOUNTS);
    assert!(world.take_hints().is_empty());
}

#[tokio::test]
async fn who_quits_sees_the_tip_last_and_nothing_between_leaving_and_coming_back() {
    let world = World::open().await;
    let (alice, bob) = (world.user("alice").await, world.user("bob").await);
    world.create_group(&alice, "team", &["bob"]).await;
    world.say(&alice, to_group("team"), "2").await;
    world.take_hints();
    world.quit(&bob, "team").await.unwrap();
    let hints = world.take_hints();
    let last = events::<NewMessage>(&hints, &bob.user);
    assert_eq!((tips_of(&last[0]).tips, last[0].message.seq), (GroupTipsType::Quit, seq(3)));
    let left = events::<ConversationStates>(&hints, &bob.user);
    assert_eq!(left[0].states[0].visible_to, Some(seq(3)));
    world.say(&alice, to_group("team"), "4").await;
    world.say(&alice, to_group("team"), "5").await;
    assert!(events::<NewMessage>(&world.take_hints(), &bob.user).is_empty());
    let head = world.head(&bob, &to_group("team")).await.unwrap();
    assert_eq!((head.max_seq, head.last_message.unwrap().seq), (seq(3), seq(3)));
    let gone = world.page(&bob, to_group("team"), Page::Before(None), 10).await.unwrap_err();
    assert_eq!(gone.code(), Code::NO_PERMISSION);
    world.invite(&alice, "team", &["bob"]).await.unwrap();
    world.say(&alice, to_group("team"), "7").await;
    let hidden = [SeqRange::new(seq(1), seq(5))];
    let page = world.page(&bob, to_group("team"), Page::After(seq(0)), 1).await.unwrap();
    assert_eq!((page.covered, page.hidden.as_slice()), (SeqRange::new(seq(1), seq(6)), hidden.as_slice()));
    let page = world.page(&bob, to_group("team"), Page::Before(Some(seq(5))), 9).await.unwrap();
    assert_eq!((page.covered, page.hidden), (SeqRange::new(seq(1), seq(4)), vec![SeqRange::new(seq(1), seq(4))]));
    assert!(page.messages.is_empty());
    assert_eq!(world.head(&bob, &to_group("team")).await.unwrap().max_seq, seq(7));
}

#[tokio::test]
async fn the_owner_of_a_work_group_may_leave_and_the_group_stays() {
    let world = World::open().await;
    let (alice, bob) = (world.user("alice").await, world.user("bob").await);
    world.create_group(&alice, "team", &["bob"]).await;
    world.quit(&alice, "team").await.unwrap();
    world.say(&bob, to_group("team"), "still here").await;
    let refused = world.rooms.create_group(&alice, create(Some("team"), &[])).await.unwrap_err();
    assert_eq!(refused.code(), Code::GROUP_ID_IN_USE);
    world.invite(&bob, "team", &["alice"]).await.unwrap();
}

#[tokio::test]
async fn a_full_group_takes_nobody_more() {
    let world = World::open().await;
    let alice = world.user("alice").await;
    for id in ["bob", "carol"] {
        world.user(id).await;
    }
    world.create_group(&alice, "team", &[]).await;
    let mut write = world.store().begin().await.unwrap();
    super::queries::set_membership(&mut write, world.app, &group("team"), None, 5_999).await.unwrap();
    write.commit(|| {}).await.unwrap();
    let outcomes = world.invite(&alice, "team", &["bob", "carol"]).await.unwrap();
    assert_eq!(outcomes, [MemberOutcome::Ok, MemberOutcome::Full]);
}

#[tokio::test]
async fn generated_ids_are_valid_and_differ() {
    let world = World::open().await;
    let alice = world.user("alice").await;
    let one = world.rooms.create_group(&alice, create(None, &[])).await.unwrap();
    let other = world.rooms.create_group(&alice, create(None, &[])).await.unwrap();
    assert_ne!(one.group_id, other.group_id);
    assert_ne!(one.log, other.log);
    assert!(one.group_id.as_str().starts_with(GroupId::RESERVED_PREFIX));
}
