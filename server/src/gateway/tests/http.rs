// SPDX-License-Identifier: Apache-2.0
//! The routes beside the WebSocket.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::TestServer;
use super::wire::within;

/// Asks, and reads until the server closes.
async fn get(server: &TestServer, path: &str) -> String {
    ask(server, &format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n")).await
}

async fn ask(server: &TestServer, request: &str) -> String {
    let mut stream = TcpStream::connect(server.server.addr()).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    within(request, stream.read_to_string(&mut answer)).await.unwrap();
    answer
}

#[tokio::test]
async fn what_does_not_ask_for_a_websocket_in_full_is_refused_and_closed() {
    const UPGRADE: &str = "GET /v1/ws HTTP/1.1\r\nhost: localhost\r\nconnection: keep-alive, Upgrade\r\n\
        upgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    let server = TestServer::start().await;
    for (said, instead) in [
        ("GET ", "POST "),
        ("HTTP/1.1", "HTTP/1.0"),
        ("connection: keep-alive, Upgrade\r\n", ""),
        ("keep-alive, Upgrade", "keep-alive"),
        ("upgrade: websocket\r\n", ""),
        ("upgrade: websocket", "upgrade: h2c"),
        ("sec-websocket-version: 13\r\n", ""),
        ("sec-websocket-version: 13", "sec-websocket-version: 8"),
        ("sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n", ""),
    ] {
        assert!(UPGRADE.contains(said), "{said}");
        let answer = ask(&server, &UPGRADE.replacen(said, instead, 1)).await;
        assert_eq!(answer.get(9..13), Some("400 "), "{instead:?} for {said:?}: {answer}");
    }
    let mut stream = TcpStream::connect(server.server.addr()).await.unwrap();
    stream.write_all(UPGRADE.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    within("an upgrade", stream.read_exact(&mut answer)).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 101", "nothing else is wrong with it");
}

#[tokio::test]
async fn an_operator_can_ask_whether_it_lives_and_whether_it_is_ready() {
    let server = TestServer::start().await;
    for (path, status, body) in [("/healthz", "200 OK", "ok\n"), ("/readyz", "200 OK", "ready\n")] {
        let answer = get(&server, path).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}\r\n")) && answer.ends_with(body), "{answer}");
    }
    assert!(get(&server, "/v1/ws").await.starts_with("HTTP/1.1 400 "));
}

#[tokio::test]
async fn asking_whether_it_is_ready_takes_the_turn_to_write_once_in_a_second() {
    let server = TestServer::start().await;
    assert!(get(&server, "/readyz").await.starts_with("HTTP/1.1 200 "));
    let _held = server.server.gateway.rooms.store().begin().await.unwrap();
    for _ in 0..100 {
        assert!(get(&server, "/readyz").await.starts_with("HTTP/1.1 200 "));
    }
}

#[tokio::test]
async fn a_server_whose_store_gives_no_turn_is_not_ready_until_it_does() {
    let server = TestServer::start_with(|config| config.login_deadline_ms = u64::MAX).await;
    let held = server.server.gateway.rooms.store().begin().await.unwrap();
    let answer = tokio::select! {
        answer = get(&server, "/readyz") => answer,
        // How long it waits goes by the server's clock.
        () = async { loop { server.advance_s(1); tokio::task::yield_now().await; } } => unreachable!("it has no end"),
    };
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.ends_with("the store does not answer\n"), "{answer}");
    drop(held);
    server.advance_s(1);
    assert!(get(&server, "/readyz").await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn a_stopping_server_is_not_ready() {
    let server = TestServer::start().await;
    server.server.gateway.drain().await;
    assert!(get(&server, "/readyz").await.starts_with("HTTP/1.1 503 "));
    assert!(get(&server, "/healthz").await.starts_with("HTTP/1.1 200 "));
}
