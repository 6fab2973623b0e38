// SPDX-License-Identifier: Apache-2.0
//! Loopback addresses of a test's own.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU16, Ordering};

use tokio::net::TcpListener;

/// A listener on a free port of an address that nothing else in this process uses. A server that comes back to its
/// port finds it free: neither another listener nor an outgoing connection can have taken it meanwhile.
pub async fn bind() -> TcpListener {
    TcpListener::bind(SocketAddr::new(own_address(), 0)).await.expect("a loopback address has free ports")
}

/// Takes a port again that was given up.
pub async fn bind_again(addr: SocketAddr) -> TcpListener {
    TcpListener::bind(addr).await.unwrap_or_else(|error| panic!("{addr} is not free again: {error}"))
}

/// An address of 127.0.0.0/8 where the system answers on all of them; 127.0.0.1 elsewhere.
pub fn own_address() -> IpAddr {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    if !cfg!(target_os = "linux") {
        return IpAddr::V4(Ipv4Addr::LOCALHOST);
    }
    let [high, low] = NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    let process = std::process::id() % 200;
    let second = u8::try_from(process).expect("below 200") + 1;
    IpAddr::V4(Ipv4Addr::new(127, second, high, low))
}
