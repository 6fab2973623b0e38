// SPDX-License-Identifier: Apache-2.0
//! A WebSocket client of the fewest instructions: text frames, no extensions, no copies. It does not check what a
//! measured server may be trusted with.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use crate::socket::{Cut, Socket, broken};

const FINAL: u8 = 0x80;
const OPCODE: u8 = 0x0f;
const CONTINUED: u8 = 0;
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
    output.push(FINAL | TEXT);
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
        let head = socket.unread()[0];
        match head & OPCODE {
            TEXT if head & FINAL == 0 => return read_rest(socket, &found).await,
            TEXT => return Ok(Some(found)),
            CLOSE => return Ok(None),
            _ => socket.take(found.bytes),
        }
    }
}

/// The whole of a text that comes in several frames. Nothing is changed until all of them are there.
async fn read_rest(socket: &mut Socket, first: &Cut) -> io::Result<Option<Cut>> {
    let (mut parts, mut bytes) = (vec![first.content.clone()], first.bytes);
    loop {
        let Some(next) = socket.frame(|unread| cut(&unread[bytes..])).await? else { return Ok(None) };
        let head = socket.unread()[bytes];
        match head & OPCODE {
            CONTINUED => parts.push(bytes + next.content.start..bytes + next.content.end),
            CLOSE => return Ok(None),
            _ => {}
        }
        bytes += next.bytes;
        if head & OPCODE == CONTINUED && head & FINAL != 0 {
            return Ok(Some(Cut { content: socket.join(&parts), bytes }));
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

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn a_text_in_several_frames_is_read_as_one_whatever_comes_between() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut socket = Socket::connect(listener.local_addr().unwrap(), None).await.unwrap();
        let (mut peer, _) = listener.accept().await.unwrap();
        let frames: [&[u8]; 5] =
            [&[0x01, 2, b'a', b'b'], &[0x00, 1, b'c'], &[0x8a, 1, b'!'], &[0x80, 2, b'd', b'e'], &[0x81, 1, b'f']];
        for frame in frames {
            peer.write_all(frame).await.unwrap();
        }
        for expected in [b"abcde".as_slice(), b"f"] {
            let found = read(&mut socket).await.unwrap().unwrap();
            assert_eq!(socket.content(&found), expected);
        }
    }
}
