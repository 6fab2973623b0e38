// SPDX-License-Identifier: Apache-2.0

use hongyan_protocol::account::{GetProfiles, SetSelfInfo};
use hongyan_protocol::codes::Code;
use hongyan_protocol::conversation::{MarkRead, ReadPosition, ReadScope};
use hongyan_protocol::group::{InviteToGroup, QuitGroup};
use hongyan_protocol::ids::{ChangeSeq, SdkAppId, Version};
use hongyan_protocol::message::{GetChanges, Page};
use hongyan_protocol::sync::{Probe, Sync};

use crate::bus::Hint;
use crate::error::Error;
use crate::rooms::world::{World, group, message, seq, to_group, to_user, user};

fn app_of(hint: &Hint) -> SdkAppId {
    match hint {
        Hint::Event { app, .. } | Hint::Kick { app, .. } => *app,
    }
}

fn code<T>(outcome: Result<T, Error>) -> Option<Code> {
    outcome.err().map(|error| error.code())
}

#[tokio::test]
async fn another_tenant_with_the_same_names_sees_and_touches_nothing() {
    let world = World::open().await;
    let other = world.rooms.apps().create("other").await.unwrap().sdk_app_id;
    let (alice, bob) = (world.user("alice").await, world.user("bob").await);
    world.create_group(&alice, "team", &["bob"]).await;
    let sent = message(to_user("bob"), "secret");
    let log = world.send(&alice, sent.clone()).await.unwrap().log;
    world.say(&alice, to_group("team"), "secret").await;
    let before = (world.heads(&alice).await, world.heads(&bob).await);
    world.take_hints();

    let stranger = world.user_of(other, "bob").await;
    let alone = GetProfiles { users: vec![user("alice")] };
    assert!(world.rooms.get_profiles(&stranger, alone).await.unwrap().profiles.is_empty());
    assert!(world.heads(&stranger).await.is_empty());
    let probes = vec![Probe { log, max_seq: seq(1) }];
    let params = Sync { since_ms: Some(0), version: Version::ZERO, probes, cursor: None, limit: 10 };
    let page = world.rooms.sync(&stranger, params).await.unwrap();
    assert!(page.is_behind_client && page.heads.is_empty());
    for of in [to_user("alice"), to_group("team")] {
        let expected = match of {
            hongyan_protocol::message::Target::User(_) => Code::MSG_ACCOUNT_NOT_IMPORTED,
            hongyan_protocol::message::Target::Group(_) => Code::GROUP_NOT_FOUND,
        };
        let changes = GetChanges { of: of.clone(), after: ChangeSeq::ZERO, limit: 10 };
        assert_eq!(code(world.page(&stranger, of.clone(), Page::Before(None), 10).await), Some(expected));
        assert_eq!(code(world.rooms.get_changes(&stranger, changes).await), Some(expected));
        assert_eq!(code(world.send(&stranger, message(of.clone(), "x")).await), Some(expected));
    }
    let read = MarkRead { of: ReadScope::One(to_user("alice")), up_to: ReadPosition::End };
    assert!(world.rooms.mark_read(&stranger, read).await.unwrap().states.is_empty());
    let read = MarkRead { of: ReadScope::All, up_to: ReadPosition::End };
    assert!(world.rooms.mark_read(&stranger, read).await.unwrap().states.is_empty());
    let invite = InviteToGroup { group_id: group("team"), users: vec![user("bob")] };
    assert_eq!(code(world.rooms.invite_to_group(&stranger, invite).await), Some(Code::GROUP_NOT_FOUND));
    let quit = QuitGroup { group_id: group("team") };
    assert_eq!(code(world.rooms.quit_group(&stranger, quit).await), Some(Code::GROUP_NOT_FOUND));
    let nick = SetSelfInfo { nick: Some("somebody else".into()), face_url: None };
    world.rooms.set_self_info(&stranger, nick).await.unwrap();

    // The same ids are free there, a message's too.
    world.user_of(other, "alice").await;
    assert_eq!(
        world
            .send(&stranger, hongyan_protocol::message::SendMessage { to: to_user("alice"), ..sent })
            .await
            .unwrap()
            .seq,
        seq(1)
    );
    world.create_group(&stranger, "team", &["alice"]).await;
    world.say(&stranger, to_group("team"), "ours").await;

    assert!(world.take_hints().iter().all(|hint| app_of(hint) == other));
    assert_eq!((world.heads(&alice).await, world.heads(&bob).await), before);
    let profiles = world.rooms.get_profiles(&alice, GetProfiles { users: vec![user("bob")] }).await.unwrap();
    assert!(profiles.profiles[0].nick.is_empty());
}

#[tokio::test]
async fn a_login_of_one_tenant_kicks_nobody_of_another() {
    let world = World::open().await;
    let other = world.rooms.apps().create("other").await.unwrap().sdk_app_id;
    let alice = world.user("alice").await;
    world.user_of(other, "alice").await;
    assert!(world.take_hints().is_empty());
    world.rooms.check_login(&alice).await.unwrap();
}

#[tokio::test]
async fn settings_belong_to_one_app_and_bad_ones_change_nothing() {
    let world = World::open().await;
    let apps = world.rooms.apps();
    let other = apps.create("other").await.unwrap();
    apps.set(other.sdk_app_id, "instances_web", "3").await.unwrap();
    assert_eq!(code(apps.set(other.sdk_app_id, "instances_web", "30").await), Some(Code::BAD_PARAMETER));
    assert_eq!(code(apps.set(other.sdk_app_id, "nothing", "3").await), Some(Code::BAD_PARAMETER));
    let nowhere = SdkAppId::parse(5).unwrap();
    assert_eq!(code(apps.set(nowhere, "instances_web", "3").await), Some(Code::APP_NOT_FOUND));
    assert_eq!(code(apps.get_settings(nowhere).await), Some(Code::APP_NOT_FOUND));
    let web = crate::app::settings::Setting::InstancesWeb;
    assert_eq!(apps.get_settings(other.sdk_app_id).await.unwrap().text(web), "3");
    assert_eq!(apps.get_settings(world.app).await.unwrap().text(web), "1");
    assert_eq!(apps.list().await.unwrap().len(), 2);
    assert_eq!((other.sdk_app_id.get(), other.key.len()), (world.app.get() + 1, 64));
    assert_eq!(code(apps.create("").await), Some(Code::BAD_PARAMETER));
    assert!(apps.create_demo_if_empty().await.unwrap().is_none());
    assert_eq!(apps.find_demo().await.unwrap().unwrap().sdk_app_id, world.app);
}
