// SPDX-License-Identifier: Apache-2.0
//! WebSocket frames as they stand in a TCP stream: cut apart, never changed.

use serde::Deserialize;
use tokio::io::{AsyncRead, AsyncReadExt};

/// Above what either side may send: only a broken stream asks for more.
const FRAME_BYTES_MAX: usize = 4 * 1024 * 1024;

/// A piece of the stream that is passed on whole.
pub struct Piece {
    /// Its bytes, as they came.
    pub bytes: Vec<u8>,
    /// What it is.
    pub kind: Kind,
}

/// What the proxy can tell apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// The HTTP head before the frames.
    Head,
    /// A request of the client.
    Request { id: u64, method: String },
    /// An answer of the server.
    Reply { id: u64 },
    /// An event of the server.
    Push { event: String },
    /// Control frames, and what the protocol does not know.
    Other,
}

/// Reads one direction of a connection piece by piece.
pub struct Pieces<R> {
    reader: R,
    buffer: Vec<u8>,
    is_past_head: bool,
}

impl<R: AsyncRead + Unpin> Pieces<R> {
    pub fn new(reader: R) -> Self {
        Self { reader, buffer: Vec::new(), is_past_head: false }
    }

    /// The next piece; nothing once the stream has ended.
    pub async fn next(&mut self) -> Option<Piece> {
        loop {
            let end = if self.is_past_head { frame_end(&self.buffer) } else { head_end(&self.buffer) };
            if let Some(end) = end {
                let rest = self.buffer.split_off(end);
                let bytes = std::mem::replace(&mut self.buffer, rest);
                let kind = if self.is_past_head { kind_of(&bytes) } else { Kind::Head };
                self.is_past_head = true;
                return Some(Piece { bytes, kind });
            }
            if self.buffer.len() > FRAME_BYTES_MAX || self.reader.read_buf(&mut self.buffer).await.unwrap_or(0) == 0 {
                return None;
            }
        }
    }
}

fn head_end(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4)
}

/// Where the payload of the frame at the front begins and ends; nothing while a part of its header is missing.
fn payload(bytes: &[u8]) -> Option<(usize, usize)> {
    let second = *bytes.get(1)?;
    let (length, after_length) = match second & 0x7f {
        126 => (usize::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?)), 4),
        127 => (usize::try_from(u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?)).ok()?, 10),
        short => (usize::from(short), 2),
    };
    let start = if is_masked(bytes) { after_length + 4 } else { after_length };
    Some((start, start.checked_add(length)?))
}

fn is_masked(bytes: &[u8]) -> bool {
    bytes.get(1).is_some_and(|second| second & 0x80 != 0)
}

fn frame_end(bytes: &[u8]) -> Option<usize> {
    payload(bytes).map(|(_, end)| end).filter(|end| *end <= bytes.len())
}

fn kind_of(frame: &[u8]) -> Kind {
    const OPCODE_TEXT: u8 = 1;
    #[derive(Deserialize)]
    struct Peek {
        id: Option<u64>,
        method: Option<String>,
        event: Option<String>,
    }
    if frame[0] & 0x0f != OPCODE_TEXT {
        return Kind::Other;
    }
    let Some((start, end)) = payload(frame) else { return Kind::Other };
    let mut text = frame[start..end].to_vec();
    if is_masked(frame) {
        let mask = &frame[start - 4..start];
        text.iter_mut().zip(mask.iter().cycle()).for_each(|(byte, mask)| *byte ^= mask);
    }
    match serde_json::from_slice(&text) {
        Ok(Peek { id: Some(id), method: Some(method), .. }) => Kind::Request { id, method },
        Ok(Peek { event: Some(event), .. }) => Kind::Push { event },
        Ok(Peek { id: Some(id), .. }) => Kind::Reply { id },
        _ => Kind::Other,
    }
}
