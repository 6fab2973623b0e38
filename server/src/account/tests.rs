// SPDX-License-Identifier: Apache-2.0

use std::time::Duration;

use hongyan_protocol::account::{GetProfiles, Login, Platform, SelfInfo, SetSelfInfo};
use hongyan_protocol::clock::Clock;
use hongyan_protocol::codes::Code;
use hongyan_protocol::ids::DeviceId;

use crate::bus::Hint;
use crate::rooms::world::{START_MS, World, client, events, user};

#[tokio::test]
async fn the_first_login_makes_the_account_and_the_session_tells_of_it() {
    let world = World::open().await;
    let opened = world.login_on(world.app, "alice", Platform::Mac, DeviceId::generate()).await.unwrap();
    assert_eq!(opened.session.instance, world.rooms.instance());
    assert_eq!(opened.session.profile.user_id, user("alice"));
    assert_eq!(opened.session.server_ms, START_MS);
    assert_eq!(opened.session.user_sig_expires_ms, START_MS + 86_400_000);
    assert_eq!(opened.session.silence_ms_max, 400_000);
    assert_eq!((opened.caller.app, opened.caller.epoch), (world.app, 1));
}

#[tokio::test]
async fn a_login_that_is_not_verified_is_answered_with_its_code_and_makes_no_account() {
    let world = World::open().await;
    let other = world.rooms.apps().create("other").await.unwrap().sdk_app_id;
    let watcher = world.user("watcher").await;
    let sig = world.sign(world.app, "alice", 86_400).await;
    let of_bob = world.sign(world.app, "bob", 86_400).await;
    let of_other = world.sign(other, "alice", 86_400).await;
    let expired = world.sign(world.app, "alice", 0).await;
    world.clock.advance(Duration::from_secs(1));
    let nowhere = hongyan_protocol::ids::SdkAppId::parse(7).unwrap();
    for (app, id, user_sig, code) in [
        (world.app, "", &sig, Code::INVALID_USER_ID),
        (world.app, "ä", &sig, Code::INVALID_USER_ID),
        (world.app, "alice", &of_bob, Code::USER_SIG_OTHER_USER),
        (world.app, "alice", &of_other, Code::USER_SIG_OTHER_APP),
        (world.app, "alice", &expired, Code::USER_SIG_EXPIRED),
        (world.app, "alice", &String::new(), Code::USER_SIG_EMPTY),
        (nowhere, "alice", &sig, Code::APP_NOT_FOUND),
    ] {
        let client = client(Platform::Ipad, DeviceId::generate());
        let login = Login { client, sdk_app_id: app, user_id: id.into(), user_sig: user_sig.clone() };
        let refusal = world.rooms.login(world.session(), login).await.unwrap_err();
        assert_eq!(refusal.code(), code, "{id}");
    }
    let found = world.rooms.get_profiles(&watcher, GetProfiles { users: vec![user("alice"), user("bob")] }).await;
    assert!(found.unwrap().profiles.is_empty());
}

#[tokio::test]
async fn a_login_on_the_same_platform_kicks_the_older_device_and_no_other() {
    let world = World::open().await;
    let (phone, tablet, next) = (DeviceId::generate(), DeviceId::generate(), DeviceId::generate());
    let on_phone = world.login_on(world.app, "alice", Platform::Android, phone).await.unwrap();
    let on_tablet = world.login_on(world.app, "alice", Platform::Ipad, tablet).await.unwrap();
    let of_bob = world.login_on(world.app, "bob", Platform::Android, DeviceId::generate()).await.unwrap();
    assert!(world.take_hints().is_empty());
    world.login_on(world.app, "alice", Platform::Android, next).await.unwrap();
    let hints = world.take_hints();
    let [Hint::Kick { app, user: kicked, devices, .. }] = hints.as_slice() else { panic!("{hints:?}") };
    assert_eq!((*app, kicked), (world.app, &user("alice")));
    assert_eq!(devices.as_slice(), [(phone, on_phone.caller.epoch)]);
    let code = |outcome: Result<_, crate::error::Error>| outcome.map_err(|error| error.code());
    assert_eq!(code(world.rooms.check_login(&on_phone.caller).await), Err(Code::KICKED_WHILE_OFFLINE));
    assert_eq!(code(world.rooms.check_login(&on_tablet.caller).await), Ok(()));
    assert_eq!(code(world.rooms.check_login(&of_bob.caller).await), Ok(()));
    let resumed = world.resume(&on_phone.session.resume_token, phone).await;
    assert_eq!(resumed.unwrap_err().code(), Code::KICKED_WHILE_OFFLINE);
}

#[tokio::test]
async fn the_kick_policy_follows_the_apps_setting_within_a_second() {
    let world = World::open().await;
    world.user("alice").await;
    world.rooms.apps().set(world.app, "multi_login_policy", "single").await.unwrap();
    world.clock.advance(Duration::from_secs(1));
    world.login_on(world.app, "alice", Platform::Web, DeviceId::generate()).await.unwrap();
    assert!(matches!(world.take_hints().as_slice(), [Hint::Kick { .. }]));
    world.rooms.apps().set(world.app, "multi_login_policy", "dual").await.unwrap();
    world.clock.advance(Duration::from_secs(1));
    world.login_on(world.app, "alice", Platform::Mac, DeviceId::generate()).await.unwrap();
    assert!(world.take_hints().is_empty());
}

#[tokio::test]
async fn a_session_is_taken_up_over_a_restart_until_its_user_sig_ends() {
    let world = World::open().await;
    let device = DeviceId::generate();
    let opened = world.login_on(world.app, "alice", Platform::Android, device).await.unwrap();
    let world = world.restart(Clock::frozen(START_MS)).await;
    let resumed = world.resume(&opened.session.resume_token, device).await.unwrap();
    assert_eq!(resumed.caller.user, user("alice"));
    assert_eq!(resumed.caller.epoch, opened.caller.epoch);
    assert_eq!(resumed.session.user_sig_expires_ms, opened.session.user_sig_expires_ms);
    world.clock.advance(Duration::from_secs(86_400));
    world.resume(&resumed.session.resume_token, device).await.unwrap();
    world.clock.advance(Duration::from_secs(1));
    let late = world.resume(&resumed.session.resume_token, device).await;
    assert_eq!(late.unwrap_err().code(), Code::USER_SIG_EXPIRED);
}

#[tokio::test]
async fn a_token_of_another_store_device_or_an_ended_login_is_refused() {
    let (world, elsewhere) = (World::open().await, World::open().await);
    let device = DeviceId::generate();
    let opened = world.login_on(world.app, "alice", Platform::Android, device).await.unwrap();
    let foreign = elsewhere.login_on(elsewhere.app, "alice", Platform::Android, device).await.unwrap();
    let token = &opened.session.resume_token;
    let refused = world.resume(&foreign.session.resume_token, device).await;
    assert_eq!(refused.unwrap_err().code(), Code::ACCESS_TICKET_REJECTED);
    let refused = world.resume(token, DeviceId::generate()).await;
    assert_eq!(refused.unwrap_err().code(), Code::ACCESS_TICKET_REJECTED);
    world.rooms.logout(&opened.caller).await.unwrap();
    assert_eq!(world.resume(token, device).await.unwrap_err().code(), Code::KICKED_WHILE_OFFLINE);
}

#[tokio::test]
async fn a_logout_of_an_older_login_leaves_the_newer_one_of_the_device() {
    let world = World::open().await;
    let device = DeviceId::generate();
    let older = world.login_on(world.app, "alice", Platform::Android, device).await.unwrap();
    let newer = world.login_on(world.app, "alice", Platform::Android, device).await.unwrap();
    assert!(world.take_hints().is_empty(), "a device does not kick itself");
    world.rooms.logout(&older.caller).await.unwrap();
    world.rooms.check_login(&newer.caller).await.unwrap();
    let hints = world.take_hints();
    let [Hint::Kick { devices, except, .. }] = hints.as_slice() else { panic!("{hints:?}") };
    assert_eq!(devices.as_slice(), [(device, older.caller.epoch)], "a session that was taken up meanwhile ends too");
    assert_eq!(*except, Some(older.caller.session));
    assert_eq!(world.rooms.check_login(&older.caller).await.unwrap_err().code(), Code::KICKED_WHILE_OFFLINE);
}

#[tokio::test]
async fn a_profile_changes_in_part_and_the_other_devices_hear_of_it() {
    let world = World::open().await;
    let (alice, bob) = (world.user("alice").await, world.user("bob").await);
    let set = |nick: Option<&str>, face_url: Option<&str>| SetSelfInfo {
        nick: nick.map(str::to_owned),
        face_url: face_url.map(str::to_owned),
    };
    world.rooms.set_self_info(&alice, set(Some("鸿"), Some("http://face"))).await.unwrap();
    let info = world.rooms.set_self_info(&alice, set(Some("雁"), None)).await.unwrap();
    assert_eq!((info.version.get(), info.profile.nick.as_str()), (2, "雁"));
    assert_eq!(info.profile.face_url, "http://face");
    let hints = world.take_hints();
    assert_eq!(events::<SelfInfo>(&hints, &alice.user).last(), Some(&info));
    assert!(matches!(&hints[0], Hint::Event { except: Some(session), .. } if *session == alice.session));
    let asked = GetProfiles { users: vec![user("nobody"), user("bob"), user("alice")] };
    let found = world.rooms.get_profiles(&bob, asked).await.unwrap().profiles;
    assert_eq!(found.iter().map(|profile| profile.nick.as_str()).collect::<Vec<_>>(), ["", "雁"]);
}

#[tokio::test]
async fn a_bad_profile_is_answered_with_its_code_and_changes_nothing() {
    let world = World::open().await;
    let alice = world.user("alice").await;
    for (nick, code) in [("x".repeat(501), Code::PROFILE_VALUE_TOO_LONG), ("a\0b".into(), Code::PROFILE_INVALID_VALUE)]
    {
        let set = SetSelfInfo { nick: Some(nick), face_url: Some("new".into()) };
        assert_eq!(world.rooms.set_self_info(&alice, set).await.unwrap_err().code(), code);
    }
    let many = GetProfiles { users: vec![user("alice"); 101] };
    assert_eq!(world.rooms.get_profiles(&alice, many).await.unwrap_err().code(), Code::BAD_PARAMETER);
    let found = world.rooms.get_profiles(&alice, GetProfiles { users: vec![user("alice")] }).await.unwrap();
    assert!(found.profiles[0].face_url.is_empty());
    assert!(world.take_hints().is_empty());
}
