// SPDX-License-Identifier: Apache-2.0
//! TLS on both ends: who is believed, what is refused and with which code, and what a handshake may cost.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hongyan::LoginStatus;
use hongyan::message::HistorySource;
use hongyan_protocol::clock::Clock;
use hongyan_protocol::ids::SdkAppId;
use hongyan_server::gateway::Reload;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::harness::app::App;
use crate::harness::certificates::{Authority, Pair, ed25519_key, p384_key, rsa_key};
use crate::harness::device::{Device, DeviceSpec};
use crate::harness::net;
use crate::harness::recorder::Heard;
use crate::harness::server::TestServer;
use crate::harness::view::{c2c, texts};
use crate::harness::wait::{eventually, within};

/// The server's certificate is not trusted.
const NOT_TRUSTED: i32 = 9501;
/// What answers is no TLS.
const NOT_TLS: i32 = 9502;
/// The server ends the handshake.
const REFUSED: i32 = 9511;

/// Some alerts of RFC 8446, by number.
const HANDSHAKE_FAILURE: u8 = 40;
const ACCESS_DENIED: u8 = 49;
const PROTOCOL_VERSION: u8 = 70;
const INTERNAL_ERROR: u8 = 80;
const UNRECOGNIZED_NAME: u8 = 112;

/// How long a connection has to log in.
const LOGIN_DEADLINE: Duration = Duration::from_secs(10);
/// More connections of one address that have not logged in are closed at once.
const UNAUTHENTICATED_MAX: usize = 64;
/// No server looks at its certificate less often.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// A server on an address of its own, with a certificate for that address.
async fn server_of(authority: &Authority) -> TestServer {
    let host = net::own_address();
    TestServer::start_tls_on(host, &authority.issue(host)).await
}

async fn server_with(host: IpAddr, pair: &Pair) -> TestServer {
    TestServer::start_tls_on(host, pair).await
}

/// Logs in against a certificate that must not be trusted: at once and with its code, which a listener hears too.
async fn is_refused(device: Device, why: &str) {
    fails_at_once(device, NOT_TRUSTED, why).await;
}

async fn fails_at_once(device: Device, code: i32, why: &str) {
    let error = device.login_with(&device.app().sign(device.user())).await.expect_err("it is not trusted");
    assert_eq!(error.code().0, code, "{error}");
    assert!(error.is_retryable(), "another network may show another certificate");
    assert!(error.detail().contains(why), "{} should say: {why}", error.detail());
    let is_told = |heard: &Heard| matches!(heard, Heard::ConnectFailed(told) if *told == code);
    device.heard.wait_for_one("a failed connection", is_told).await;
    assert_eq!(device.client.login_status(), LoginStatus::NotLoggedIn);
    device.close().await;
}

/// A server that answers every handshake with an alert.
async fn server_that_alerts(description: u8) -> SocketAddr {
    let listener = net::bind().await;
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let _ = socket.read(&mut [0; 4096]).await;
            let _ = socket.write_all(&[0x15, 0x03, 0x03, 0x00, 0x02, 0x02, description]).await;
            let _ = socket.read_to_end(&mut Vec::new()).await;
        }
    });
    addr
}

/// A TLS connection without an SDK.
async fn connect(addr: SocketAddr, authority: &Authority) -> TlsStream<TcpStream> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.certificate().as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_root_certificates(roots).with_no_client_auth();
    let socket = within("a connection", TcpStream::connect(addr)).await.unwrap();
    let connecting = TlsConnector::from(Arc::new(config)).connect(ServerName::from(addr.ip()), socket);
    within("a handshake", connecting).await.unwrap()
}

/// The certificate that new connections get.
async fn shown(server: &TestServer, authority: &Authority) -> CertificateDer<'static> {
    let stream = connect(server.addr(), authority).await;
    stream.get_ref().1.peer_certificates().unwrap()[0].clone().into_owned()
}

fn certificate_of(pair: &Pair) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(pair.chain.as_bytes()).unwrap()
}

/// Reads until the other end closes; what it says on the way does not matter.
async fn is_closed(stream: &mut TcpStream) {
    let mut rest = Vec::new();
    let _ = within("the end of a connection", stream.read_to_end(&mut rest)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn under_tls_all_goes_on_as_in_plain_text() {
    let authority = Authority::new("our own");
    let mut server = server_of(&authority).await;
    let alice = server.device("alice").trusting(&authority).login().await;
    let bob = server.device("bob").trusting(&authority).login().await;
    let long = "x".repeat(11_000);
    bob.sends(&c2c("alice"), "good morning").await;
    bob.sends(&c2c("alice"), &long).await;
    assert_eq!(alice.heard.wait_for_texts(2).await, ["good morning", &long]);

    server.stop().await;
    let queued = alice.queue_text(&c2c("bob"), "while it was away").await;
    server.start_again().await;
    for device in [&alice, &bob] {
        device.client.network_changed();
    }
    queued.end().await.expect("it goes out when the server is back");
    assert_eq!(bob.heard.wait_for_texts(1).await, ["while it was away"]);
    let history = bob.history(&c2c("alice"), HistorySource::Cloud).await.unwrap();
    assert_eq!(texts(&history), ["good morning", &long, "while it was away"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_of_nobody_who_is_trusted_is_refused() {
    let (authority, other) = (Authority::new("our own"), Authority::new("somebody else"));
    let server = server_of(&authority).await;
    is_refused(server.device("alice").open(), "no trusted root stands behind it").await;
    // The name alone makes no authority.
    is_refused(server.device("alice").trusting(&other).open(), "no trusted root stands behind it").await;
    is_refused(server.device("alice").trusting(&Authority::new("our own")).open(), "no trusted root stands behind it")
        .await;
    let itself = server_with(net::own_address(), &authority.as_server()).await;
    is_refused(itself.device("alice").trusting(&authority).open(), "give the authority's certificate").await;
    server.device("alice").trusting(&authority).login().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_is_known_by_its_name_and_by_keys_of_every_usual_kind() {
    let years = (2020, 2120);
    let roots =
        [Authority::new("P-256"), Authority::with_key("RSA", rsa_key()), Authority::with_key("P-384", p384_key())];
    let keys = [rsa_key(), p384_key()].map(|key| roots[0].issue_for_key("localhost", years, key));
    let pairs = roots.iter().map(|root| (root, root.issue("localhost"))).chain(keys.map(|pair| (&roots[0], pair)));
    let own = roots.iter().zip([p384_key(), rsa_key(), p384_key()]);
    let own = own.map(|(root, key)| (root, root.issue_for_key("localhost", years, key)));
    for (root, pair) in pairs.chain(own) {
        let server = server_with([127, 0, 0, 1].into(), &pair).await;
        let url = format!("https://LocalHost:{}", server.addr().port());
        server.device("alice").at(url).trusting(root).login().await.close().await;
        is_refused(server.device("alice").trusting(root).open(), "it is for another name").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_a_kind_that_the_sdk_does_not_know_is_said_to_be_one() {
    let host = net::own_address();
    let root = Authority::with_key("Ed25519", ed25519_key());
    let server = server_with(host, &root.issue(host)).await;
    is_refused(server.device("alice").trusting(&root).open(), "of a kind that the SDK does not know").await;

    // A server that has nothing else to sign with finds no common ground.
    let host = net::own_address();
    let root = Authority::new("our own");
    let server = server_with(host, &root.issue_for_key(host, (2020, 2120), ed25519_key())).await;
    fails_at_once(server.device("alice").trusting(&root).open(), NOT_TLS, "speaks no TLS 1.3 that the SDK knows").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_ends_the_handshake_with_an_alert_is_told_from_one_that_cannot_speak() {
    let app = App { id: SdkAppId::parse(1_400_000_001).unwrap(), key: "a key".to_owned() };
    let device = |addr| DeviceSpec::new(app.clone(), "alice", format!("https://{addr}")).open();
    for alert in [HANDSHAKE_FAILURE, PROTOCOL_VERSION] {
        let addr = server_that_alerts(alert).await;
        fails_at_once(device(addr), NOT_TLS, "speaks no TLS 1.3 that the SDK knows").await;
    }
    for alert in [ACCESS_DENIED, INTERNAL_ERROR, UNRECOGNIZED_NAME] {
        let device = device(server_that_alerts(alert).await);
        let (client, user_sig) = (device.client.clone(), app.sign("alice"));
        let login = tokio::spawn(async move { client.login("alice".to_owned(), user_sig).await });
        let failed = device.heard.wait_for("a failed connection", |heard| {
            heard.iter().find_map(|heard| if let Heard::ConnectFailed(code) = heard { Some(*code) } else { None })
        });
        assert_eq!(failed.await, REFUSED, "alert {alert}");
        device.close().await;
        within("the end of a login", login).await.unwrap().expect_err("there is no such server");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_of_another_time_or_name_is_refused() {
    let authority = Authority::new("our own");
    let refused = async |host: IpAddr, pair: Pair, why: &str| {
        let server = server_with(host, &pair).await;
        is_refused(server.device("alice").trusting(&authority).open(), why).await;
    };
    let host = net::own_address();
    refused(host, authority.issue_for_years(host, (2010, 2020)), "it has expired").await;
    let host = net::own_address();
    refused(host, authority.issue_for_years(host, (2100, 2110)), "it is not valid yet").await;
    refused(net::own_address(), authority.issue("im.example.org"), "it is for another name").await;
    refused(net::own_address(), authority.issue(net::own_address()), "it is for another name").await;

    // Now is what the device's clock shows.
    let server = server_of(&authority).await;
    let clock = Clock::system();
    clock.set_wall_offset(200 * 365 * 86_400_000);
    is_refused(server.device("alice").trusting(&authority).with_clock(clock).open(), "it has expired").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pin_is_met_by_any_key_of_the_verified_chain_and_by_no_other() {
    let (root, other) = (Authority::new("root"), Authority::new("somebody else"));
    let between = root.below("between");
    let host = net::own_address();
    let mut pair = between.issue(host);
    // Shown beside the chain, and no part of it.
    pair.chain.push_str(&other.certificate());
    let server = server_with(host, &pair).await;
    let pinning = |pins: &[String]| server.device("alice").trusting(&root).pinning(pins);

    for pin in [pair.pin.clone(), between.pin(), root.pin()] {
        pinning(&[pin]).login().await.close().await;
    }
    pinning(&[other.pin(), root.pin()]).login().await.close().await;
    is_refused(pinning(&[other.pin()]).open(), "none of its keys is pinned").await;
    is_refused(pinning(&[Authority::new("root").pin()]).open(), "none of its keys is pinned").await;
    // A pin takes the place of nothing else that is asked.
    is_refused(server.device("alice").pinning(&[pair.pin.clone()]).open(), "no trusted root stands behind it").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_certificate_is_for_new_connections_and_those_that_stand_go_on() {
    let authority = Authority::new("our own");
    let server = server_of(&authority).await;
    let alice = server.device("alice").trusting(&authority).login().await;
    let before = shown(&server, &authority).await;
    assert_eq!(server.reload_certificate().await, Reload::Unchanged);

    let next = authority.issue(server.addr().ip());
    next.write_into(server.folder());
    assert_eq!(server.reload_certificate().await, Reload::Replaced);
    assert_eq!(shown(&server, &authority).await, certificate_of(&next));
    assert_ne!(before, certificate_of(&next));

    // Nobody has to ask: time alone brings it.
    let last = authority.issue(server.addr().ip());
    last.write_into(server.folder());
    eventually("the last certificate", async || {
        server.clock().advance(LOOK_EVERY);
        if shown(&server, &authority).await == certificate_of(&last) { Ok(()) } else { Err("the one of before") }
    })
    .await;

    let bob = server.device("bob").trusting(&authority).login().await;
    bob.sends(&c2c("alice"), "good morning").await;
    assert_eq!(alice.heard.wait_for_texts(1).await, ["good morning"]);
    let connected = alice.heard.all().iter().filter(|heard| matches!(heard, Heard::Connected)).count();
    assert_eq!(connected, 1, "alice's connection is the one of before");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pair_that_cannot_be_used_leaves_the_one_before() {
    let authority = Authority::new("our own");
    let server = server_of(&authority).await;
    let before = shown(&server, &authority).await;
    let (one, other) = (authority.issue(server.addr().ip()), authority.issue(server.addr().ip()));
    let bad = [
        Pair { key: other.key.clone(), ..one.clone() },
        Pair { chain: "no certificate".to_owned(), ..one.clone() },
        Pair { chain: String::new(), key: String::new(), ..one.clone() },
        Pair { key: one.key[..one.key.len() / 2].to_owned(), ..one.clone() },
    ];
    for pair in bad {
        pair.write_into(server.folder());
        assert_eq!(server.reload_certificate().await, Reload::Refused, "{pair:?}");
        // Looked at again it is old news, and not logged again.
        assert_eq!(server.reload_certificate().await, Reload::Unchanged, "{pair:?}");
        assert_eq!(shown(&server, &authority).await, before);
    }
    one.write_into(server.folder());
    assert_eq!(server.reload_certificate().await, Reload::Replaced);
    assert_eq!(shown(&server, &authority).await, certificate_of(&one));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_outlives_a_certificate_that_is_not_trusted_for_a_while() {
    let authority = Authority::new("our own");
    let mut server = server_of(&authority).await;
    let alice = server.device("alice").trusting(&authority).login().await;
    let good = authority.issue(server.addr().ip());
    Authority::new("somebody else").issue(server.addr().ip()).write_into(server.folder());
    server.stop().await;
    server.start_again().await;
    alice.client.network_changed();
    alice.heard.wait_for_one("a refusal", |heard| matches!(heard, Heard::ConnectFailed(NOT_TRUSTED))).await;
    assert_eq!(alice.client.login_status(), LoginStatus::LoggedIn, "a stranger on the way logs nobody out");

    // Trying goes on by itself.
    let seen = alice.heard.count();
    good.write_into(server.folder());
    assert_eq!(server.reload_certificate().await, Reload::Replaced);
    eventually("a connection", async || {
        alice.clock.advance(Duration::from_secs(1));
        let is_connected = alice.heard.all().iter().skip(seen).any(|heard| matches!(heard, Heard::Connected));
        if is_connected { Ok(()) } else { Err("none") }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_text_and_tls_part_at_once_where_they_meet() {
    let authority = Authority::new("our own");
    let (encrypted, plain) = (server_of(&authority).await, TestServer::start().await);

    let alice = plain.device("alice").at(format!("https://{}", plain.addr())).trusting(&authority).open();
    let error = alice.login_with(&alice.app().sign("alice")).await.expect_err("the server speaks plain text");
    assert_eq!(error.code().0, NOT_TLS, "{error}");

    let bob = encrypted.device("bob").at(format!("http://{}", encrypted.addr())).open();
    let client = bob.client.clone();
    let user_sig = bob.app().sign("bob");
    let login = tokio::spawn(async move { client.login("bob".to_owned(), user_sig).await });
    bob.heard.wait_for_one("a failed connection", |heard| matches!(heard, Heard::ConnectFailed(_))).await;
    bob.close().await;
    within("the end of a login", login).await.unwrap().expect_err("the server speaks TLS");

    let mut raw = TcpStream::connect(encrypted.addr()).await.unwrap();
    raw.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    is_closed(&mut raw).await;
    // And neither server is the worse for it.
    encrypted.device("carol").trusting(&authority).login().await;
    plain.device("carol").login().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn half_a_handshake_ends_at_the_deadline_and_takes_nobody_elses_place() {
    let authority = Authority::new("our own");
    let server = server_of(&authority).await;
    let strangers: IpAddr = [127, 0, 0, 77].into();
    let dial = async || {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::new(strangers, 0)).unwrap();
        within("a connection", socket.connect(server.addr())).await.unwrap()
    };
    // The head of a TLS record that announces more than ever comes.
    let mut halves = Vec::new();
    for _ in 0..UNAUTHENTICATED_MAX {
        let mut half = dial().await;
        half.write_all(&[0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00]).await.unwrap();
        halves.push(half);
    }
    is_closed(&mut dial().await).await;
    // Who comes from elsewhere does not notice.
    let alice = server.device("alice").trusting(&authority).login().await;

    server.clock().advance(LOGIN_DEADLINE);
    for half in &mut halves {
        is_closed(half).await;
    }
    // Their places are free, and a session stands for as long as it likes.
    let mut stranger = dial().await;
    stranger.write_all(&[0x16]).await.unwrap();
    let is_waiting = tokio::time::timeout(Duration::from_millis(50), stranger.read(&mut [0; 1])).await.is_err();
    assert!(is_waiting, "it is let in and waited for");
    alice.client.get_users_info(vec!["alice".to_owned()]).await.expect("alice is still there");
}

#[tokio::test(flavor = "multi_thread")]
async fn health_is_told_under_tls_too() {
    let authority = Authority::new("our own");
    let server = server_of(&authority).await;
    let mut stream = connect(server.addr(), &authority).await;
    stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    // An end without a goodbye is an error here.
    within("an answer", stream.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with("ok\n"), "{answer}");
}
