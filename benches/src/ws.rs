// SPDX-License-Identifier: Apache-2.0
//! A WebSocket client of the fewest instructions: text frames, no extensions, no copies. It does not check what a
//! measured server may be trusted with.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use crate::socket::{Cut, Socket, broken};

const FINAL_TEXT: u8 = 0x81;
const OPCODE: u8 = 0x0f;
const TEXT: u8 = 1;
const CLOSE: u8 = 8;
const MASKED: u8 = 0x80;

/// A length of two bytes, and of eight, follow.
const LENGTH_16: u8 = 126;
const LENGTH_64: u8 = 127;

/// Connects and upgrades.
pub async fn connect(to: SocketAddr, path: &str, from: Option<Ipv4Addr>) -> io::Result<Socket> {
    let mut socket = Socket::connect(to, from).await?;
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {to}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    );
    socket.output().extend_from_slice(request.as_bytes());
    socket.flush().await?;
    let answer = socket.read_until(b"\r\n\r\n").await?;
    if !answer.starts_with(b"HTTP/1.1 101") {
        return Err(broken(format!("no upgrade: {}", String::from_utf8_lossy(&answer))));
    }
    Ok(socket)
}

/// Puts a text frame in line. The mask is of zeros, which leaves the bytes as they are.
pub fn write(socket: &mut Socket, text: &str) {
    let output = socket.output();
    output.push(FINAL_TEXT);
    match (u8::try_from(text.len()), u16::try_from(text.len())) {
        (Ok(short), _) if short < LENGTH_16 => output.push(MASKED | short),
        (_, Ok(length)) => {
            output.push(MASKED | LENGTH_16);
            output.extend_from_slice(&length.to_be_bytes());
        }
        _ => {
            output.push(MASKED | LENGTH_64);
            output.extend_from_slice(&(text.len() as u64).to_be_bytes());
        }
    }
    output.extend_from_slice(&[0; 4]);
    output.extend_from_slice(text.as_bytes());
}

/// The next text, or nothing where the connection ended. What is neither is passed over.
pub async fn read(socket: &mut Socket) -> io::Result<Option<Cut>> {
    loop {
        let Some(found) = socket.frame(cut).await? else { return Ok(None) };
        match socket.unread()[0] & OPCODE {
            TEXT => return Ok(Some(found)),
            CLOSE => return Ok(None),
            _ => socket.take(found.bytes),
        }
    }
}

fn cut(bytes: &[u8]) -> io::Result<Option<Cut>> {
    let [_, length, ..] = bytes else { return Ok(None) };
    let (head, length) = match (*length, bytes) {
        (LENGTH_16, [_, _, a, b, ..]) => (4, usize::from(u16::from_be_bytes([*a, *b]))),
        (LENGTH_64, [_, _, long @ ..]) if long.len() >= 8 => {
            let long = u64::from_be_bytes(long[..8].try_into().map_err(|_| broken("eight bytes"))?);
            (10, usize::try_from(long).map_err(|_| broken("a frame larger than memory"))?)
        }
        (LENGTH_16 | LENGTH_64, _) => return Ok(None),
        (short, _) => (2, usize::from(short & !MASKED)),
    };
    Ok((bytes.len() >= head + length).then(|| Cut { content: head..head + length, bytes: head + length }))
}
