// SPDX-License-Identifier: Apache-2.0
//! Two servers on one database keep what one server keeps: one dense order, each message once, one place for a login.
//! Only where the tests run on PostgreSQL.

use std::collections::HashSet;
use std::sync::Arc;

use futures_util::future::join_all;
use hongyan::Platform;
use hongyan::message::Message;
use hongyan_protocol::account::{self, Resume};
use hongyan_protocol::codes::Code;
use hongyan_protocol::conversation::{MarkRead, ReadPosition, ReadScope};
use hongyan_protocol::group::{CreateGroup, GroupType, InviteToGroup};
use hongyan_protocol::ids::{LogId, Seq, UserId};
use hongyan_protocol::message::{Element, SendMessage, SentMessage, Target};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::harness::process::ServerProcess;
use crate::harness::server::{Home, TestServer};
use crate::harness::view::{assert_dense, c2c, line, stored_line};
use crate::harness::wait::{eventually, within};
use crate::harness::wire::{Wire, open_session, text_message, to_group, to_user};

/// Two servers of one store that start at once; nothing where the tests run on SQLite.
async fn two_servers() -> Option<[TestServer; 2]> {
    let home = Home::new().await;
    home.database()?;
    let beside = home.beside();
    let (one, two) = tokio::join!(TestServer::start_at(home), TestServer::start_at(beside));
    assert_eq!(one.app().key, two.app().key, "they made one app");
    Some([one, two])
}

/// A user's sessions, one on each server.
async fn on_both(servers: &[TestServer; 2], user: &str) -> [Wire; 2] {
    let platforms = [account::Platform::Web, account::Platform::Linux];
    let mut wires = Vec::new();
    for (server, platform) in servers.iter().zip(platforms) {
        let mut wire = Wire::connect(server.addr()).await;
        open_session(&mut wire, &server.app().login_on(user, platform)).await;
        wires.push(wire);
    }
    wires.try_into().unwrap_or_else(|_| unreachable!("there are two"))
}

/// Sends at random; every third message goes out on both sessions at once. Gives what was sent with its answers.
async fn send_at_random(
    mut wires: [Wire; 2],
    targets: Vec<Target>,
    seed: u64,
    count: usize,
) -> Vec<(SendMessage, SentMessage)> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut sent = Vec::new();
    for number in 0..count {
        let message = text_message(targets.choose(&mut random).unwrap(), &format!("{seed}/{number}"));
        let [one, two] = &mut wires;
        if number % 3 == 0 {
            let (first, second) = tokio::join!(one.call(&message), two.call(&message));
            let first = first.unwrap();
            assert_eq!(first, second.unwrap(), "the same message has one place");
            sent.push((message, first));
        } else {
            let wire = if random.random() { one } else { two };
            let answer = wire.call(&message).await.unwrap();
            sent.push((message, answer));
        }
    }
    sent
}

#[tokio::test(flavor = "multi_thread")]
async fn random_senders_on_two_servers_write_dense_logs_with_each_message_once() {
    let Some(servers) = two_servers().await else { return };
    let names = ["alice", "bob", "carol"];
    let mut sessions = Vec::new();
    for name in names {
        sessions.push(on_both(&servers, name).await);
    }
    sessions[0][0].create_group("geese", &["bob", "carol"]).await;
    let seed: u64 = rand::random();
    let tasks = sessions.into_iter().zip(names).zip(seed..).map(|((wires, name), seed)| {
        let peers = names.iter().filter(|peer| **peer != name).map(|peer| to_user(peer));
        let targets = peers.chain([to_group("geese")]).collect();
        tokio::spawn(send_at_random(wires, targets, seed, 60))
    });
    let mut sent: Vec<(SendMessage, SentMessage)> = Vec::new();
    for outcome in join_all(tasks).await {
        sent.extend(outcome.unwrap_or_else(|error| panic!("seed {seed}: {error}")));
    }

    let mut places = HashSet::new();
    for (name, other) in [("alice", to_user("bob")), ("alice", to_user("carol")), ("bob", to_user("carol"))] {
        places.extend(check_log(&servers, name, &other, &sent).await);
    }
    places.extend(check_log(&servers, "alice", &to_group("geese"), &sent).await);
    let answered: HashSet<_> = sent.iter().map(|(_, answer)| (answer.log, answer.seq)).collect();
    assert_eq!(
        (answered.len(), places),
        (sent.len(), answered),
        "seed {seed}: each message is where it was said to be"
    );
}

/// A log is the same on both servers, dense, and holds what was answered. Gives its places but those of tips.
async fn check_log(
    servers: &[TestServer; 2],
    user: &str,
    of: &Target,
    sent: &[(SendMessage, SentMessage)],
) -> Vec<(LogId, Seq)> {
    let log = servers[0].wire(user).await.history(of).await;
    assert_eq!(servers[1].wire(user).await.history(of).await, log);
    let seqs: Vec<i64> = log.iter().map(|message| message.seq.get()).collect();
    assert_eq!(seqs, (1..=i64::try_from(log.len()).unwrap()).collect::<Vec<_>>());
    assert!(log.is_sorted_by_key(|message| message.server_ms));
    let mut counted = 0;
    log.iter()
        .filter(|message| !matches!(message.body.elements.first(), Some(Element::GroupTips(_))))
        .map(|message| {
            counted += 1;
            assert_eq!(message.counted, counted);
            let (_, answer) = sent.iter().find(|(sent, _)| sent.id == message.id).expect("it was sent");
            assert_eq!((answer.seq, answer.server_ms), (message.seq, message.server_ms));
            (answer.log, answer.seq)
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_on_one_server_takes_the_place_of_a_session_of_the_other() {
    let Some([one, two]) = two_servers().await else { return };
    let login = one.app().login_on("alice", account::Platform::Android);
    let mut first = Wire::connect(one.addr()).await;
    let session = open_session(&mut first, &login).await;
    let resume = Resume { client: login.client, token: session.resume_token };
    // The other server takes the session up while it has its place.
    Wire::connect(two.addr()).await.call(&resume).await.unwrap();
    open_session(&mut Wire::connect(two.addr()).await, &two.app().login_on("alice", account::Platform::Android)).await;
    for server in [&one, &two] {
        let refusal = Wire::connect(server.addr()).await.call(&resume).await.unwrap_err();
        assert_eq!(refusal.code, Code::KICKED_WHILE_OFFLINE);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_logins_at_once_on_two_servers_one_keeps_the_place() {
    let Some(servers) = two_servers().await else { return };
    let logins = (0..10).map(|number| {
        let server = &servers[number % 2];
        async move {
            let login = server.app().login_on("alice", account::Platform::Android);
            let mut wire = Wire::connect(server.addr()).await;
            let token = open_session(&mut wire, &login).await.resume_token;
            Resume { client: login.client, token }
        }
    });
    let mut kept = 0;
    for (number, resume) in join_all(logins).await.into_iter().enumerate() {
        match Wire::connect(servers[number % 2].addr()).await.call(&resume).await {
            Ok(_) => kept += 1,
            Err(refusal) => assert_eq!(refusal.code, Code::KICKED_WHILE_OFFLINE),
        }
    }
    assert_eq!(kept, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_both_servers_change_at_once_counts_its_members_right() {
    let Some(servers) = two_servers().await else { return };
    let guests: Vec<String> = (0..20).map(|number| format!("guest{number}")).collect();
    for guest in &guests {
        servers[0].wire(guest).await;
    }
    let mut sessions = on_both(&servers, "alice").await;
    let create = CreateGroup {
        group_type: GroupType::Work,
        group_id: Some("geese".parse().unwrap()),
        name: String::new(),
        face_url: String::new(),
        members: Vec::new(),
    };
    let creations = join_all(sessions.iter_mut().map(|wire| wire.call(&create))).await;
    let refusals: Vec<Code> = creations.iter().filter_map(|outcome| Some(outcome.as_ref().err()?.code)).collect();
    assert_eq!(refusals, [Code::GROUP_ID_IN_USE_BY_CALLER]);
    for pair in guests.chunks(2) {
        let invitations = sessions.iter_mut().zip(pair).map(|(wire, guest)| async {
            let users = vec![UserId::parse(guest.as_str()).unwrap()];
            wire.call(&InviteToGroup { group_id: "geese".parse().unwrap(), users }).await.unwrap();
        });
        join_all(invitations).await;
    }
    let counts: Vec<u32> = (sessions[0].history(&to_group("geese")).await.iter())
        .filter_map(|message| match message.body.elements.first() {
            Some(Element::GroupTips(tips)) => Some(tips.member_count),
            _ => None,
        })
        .collect();
    assert_eq!(counts, (1..=21).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_position_that_both_servers_move_never_falls() {
    let Some(servers) = two_servers().await else { return };
    let mut bob = on_both(&servers, "bob").await;
    let mut alice = servers[0].wire("alice").await;
    alice.create_group("geese", &["bob"]).await;
    alice.send_texts(&to_group("geese"), (1..=40).map(|number| number.to_string())).await;
    for number in 1..=20 {
        let seqs = [2 * number, 2 * number - 1];
        let reads = bob.iter_mut().zip(seqs).map(|(wire, seq)| async move {
            let up_to = ReadPosition::Seq(Seq::parse(seq).unwrap());
            wire.call(&MarkRead { of: ReadScope::One(to_group("geese")), up_to }).await.unwrap();
        });
        join_all(reads).await;
        let pages = bob[0].heads().await;
        assert_eq!(pages[0].heads[0].state.read_seq.get(), 2 * number);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_of_two_servers_lose_and_repeat_nothing() {
    let mut one = ServerProcess::start().await;
    if !one.is_on_database() {
        return;
    }
    let mut two = one.start_beside().await;
    let devices = [
        (one.device("alice").login().await, "bob"),
        (two.device("alice").on(Platform::Ipad).login().await, "bob"),
        (one.device("bob").login().await, "alice"),
        (two.device("bob").on(Platform::Ipad).login().await, "alice"),
    ]
    .map(|(device, peer)| (Arc::new(device), c2c(peer)));
    let acknowledged = Arc::new(watch::Sender::new(Vec::<Message>::new()));
    let mut sends = JoinSet::new();
    for (number, (device, conversation)) in devices.iter().enumerate() {
        for index in 0..100 {
            let (device, conversation) = (Arc::clone(device), conversation.clone());
            let acknowledged = Arc::clone(&acknowledged);
            sends.spawn(async move {
                let sent = device.send_text(&conversation, &format!("{number}/{index}")).await;
                acknowledged.send_modify(|all| all.push(sent.expect("a send outlives a server")));
            });
        }
    }
    let mut watching = acknowledged.subscribe();
    within("acknowledgements", watching.wait_for(|all| all.len() >= 50)).await.unwrap();
    one.kill();
    one.start_again().await;
    while let Some(sent) = within("the end of all sends", sends.join_next()).await {
        sent.expect("every send ends well");
    }
    let log: Vec<_> = two.wire("alice").await.history(&to_user("bob")).await.iter().map(stored_line).collect();
    assert_eq!(log.len(), 400, "each message is there, and nothing besides");
    assert_dense(&log);
    assert_eq!(log.iter().map(|line| &line.id).collect::<HashSet<_>>().len(), log.len());
    for message in acknowledged.borrow().iter() {
        assert_eq!(log[usize::try_from(message.seq).unwrap() - 1], line(message), "it is what was acknowledged");
    }
    // What the other server took in a device learns when it comes back.
    for server in [&mut one, &mut two] {
        server.kill();
        server.start_again().await;
    }
    for (device, conversation) in &devices {
        device.client.network_changed();
        eventually("the same order on every device", async || match device.cloud_history(conversation).await {
            history if history == log => Ok(()),
            history => Err(history.len()),
        })
        .await;
    }
}
