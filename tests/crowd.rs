// SPDX-License-Identifier: Apache-2.0
//! Many people at once on one server.

use std::net::{Ipv4Addr, SocketAddr};

use futures_util::{StreamExt, stream};
use tokio::net::TcpSocket;

use crate::harness::is_soak;
use crate::harness::process::ServerProcess;
use crate::harness::wait::within;
use crate::harness::wire::{Wire, text_message, text_of, to_user};

const CONNECTIONS_COUNT: usize = 10_000;

/// How many log in at a time.
const JOINING_MAX: usize = 64;

fn name(number: usize) -> String {
    format!("user{number}")
}

/// Logs one user in, from one of 250 addresses of this machine: a server allows each address only so much.
async fn join(server: &ServerProcess, number: usize) -> Wire {
    let host = u8::try_from(number % 250 + 1).expect("250 addresses");
    let socket = TcpSocket::new_v4().expect("a process may have this many sockets");
    socket.bind(SocketAddr::from((Ipv4Addr::new(127, 0, 1, host), 0))).expect("every 127 address is this machine");
    let socket = within("a connection", socket.connect(server.addr())).await.expect("the server listens");
    let mut wire = Wire::over(socket, server.addr()).await;
    let login = wire.call(&server.app().login(&name(number))).await;
    login.unwrap_or_else(|error| panic!("user {number} cannot log in: {error}"));
    wire
}

#[tokio::test(flavor = "multi_thread")]
async fn soak_ten_thousand_connections_each_hear_their_own_message() {
    if !is_soak() {
        return;
    }
    let server = ServerProcess::start().await;
    let joining = stream::iter(0..CONNECTIONS_COUNT).map(|number| join(&server, number));
    let mut crowd: Vec<Wire> = joining.buffered(JOINING_MAX).collect().await;
    let mut sender = server.wire("sender").await;
    for number in 0..CONNECTIONS_COUNT {
        let message = text_message(&to_user(&name(number)), &name(number));
        sender.call(&message).await.unwrap_or_else(|error| panic!("message {number}: {error}"));
    }
    for (number, wire) in crowd.iter_mut().enumerate() {
        assert_eq!(text_of(&wire.next_message().await.message.body), name(number));
        assert!(wire.pushes_so_far().await.is_empty(), "user {number} hears nothing else");
    }
}
