// SPDX-License-Identifier: Apache-2.0
//! A TCP connection with what waits to be written and what was read and not yet taken: the same for every protocol, so
//! that none is measured through a lighter client than another.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::Range;

use tokio::net::{TcpSocket, TcpStream};

/// What one read takes at the most.
const READ_BYTES: usize = 64 * 1024;

/// Above this what was read and taken is given back: thousands of connections are held at once.
const KEPT_BYTES: usize = 1024;

/// One connection.
#[derive(Debug)]
pub struct Socket {
    stream: TcpStream,
    input: Vec<u8>,
    taken: usize,
    output: Vec<u8>,
    written: usize,
}

/// What a protocol finds at the start of the bytes that were read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    /// Where the frame's content lies.
    pub content: Range<usize>,
    /// How many bytes the frame takes in all.
    pub bytes: usize,
}

impl Socket {
    /// Connects, from one of this machine's own addresses where one is given.
    pub async fn connect(to: SocketAddr, from: Option<Ipv4Addr>) -> io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        if let Some(from) = from {
            socket.bind(SocketAddr::from((from, 0)))?;
        }
        let stream = socket.connect(to).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, input: Vec::new(), taken: 0, output: Vec::new(), written: 0 })
    }

    /// What waits to be written; frames are added to it.
    pub fn output(&mut self) -> &mut Vec<u8> {
        &mut self.output
    }

    /// Writes what waits. What was written is known where this is dropped.
    pub async fn flush(&mut self) -> io::Result<()> {
        while self.written < self.output.len() {
            match self.stream.try_write(&self.output[self.written..]) {
                Ok(count) => self.written += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.stream.writable().await?,
                Err(error) => return Err(error),
            }
        }
        self.written = 0;
        self.output.clear();
        if self.output.capacity() > KEPT_BYTES {
            self.output.shrink_to(KEPT_BYTES);
        }
        Ok(())
    }

    /// What was read and not taken.
    pub fn unread(&self) -> &[u8] {
        &self.input[self.taken..]
    }

    /// Takes bytes that have been looked at.
    pub fn take(&mut self, bytes: usize) {
        self.taken += bytes;
    }

    /// Writes what waits, then reads more: what the frames of one read ask for leaves in one write. Nothing was lost where
    /// this is dropped. False where the connection ended.
    pub async fn read(&mut self) -> io::Result<bool> {
        self.flush().await?;
        if self.taken == self.input.len() {
            self.input.clear();
        } else {
            self.input.drain(..self.taken);
        }
        self.taken = 0;
        if self.input.is_empty() && self.input.capacity() > KEPT_BYTES {
            self.input = Vec::new();
        }
        self.stream.readable().await?;
        self.input.reserve(KEPT_BYTES);
        loop {
            let before = self.input.len();
            let room = self.input.capacity() - before;
            match self.stream.try_read_buf(&mut self.input) {
                Ok(0) => return Ok(false),
                // A socket that filled all the room has more.
                Ok(count) if count == room && self.input.len() < READ_BYTES => self.input.reserve(room * 4),
                Ok(_) => return Ok(true),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && self.input.len() > self.taken => {
                    return Ok(true);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.stream.readable().await?,
                Err(error) => return Err(error),
            }
        }
    }

    /// Reads until a protocol finds a frame; nothing where the connection ended before.
    pub async fn frame(&mut self, cut: impl Fn(&[u8]) -> io::Result<Option<Cut>>) -> io::Result<Option<Cut>> {
        loop {
            if let Some(found) = cut(self.unread())? {
                return Ok(Some(found));
            }
            if !self.read().await? {
                return Ok(None);
            }
        }
    }

    /// The content of a frame that was found, which counts as taken.
    pub fn content(&mut self, cut: &Cut) -> &[u8] {
        let start = self.taken;
        self.taken += cut.bytes;
        &self.input[start + cut.content.start..start + cut.content.end]
    }

    /// Moves parts of what was read together behind the first of them; says where they lie then.
    pub fn join(&mut self, parts: &[Range<usize>]) -> Range<usize> {
        let start = parts.first().map_or(0, |first| first.start);
        let mut end = start;
        for part in parts {
            self.input.copy_within(self.taken + part.start..self.taken + part.end, self.taken + end);
            end += part.len();
        }
        start..end
    }

    /// Reads exactly so many bytes, for handshakes.
    pub async fn read_until(&mut self, end: &[u8]) -> io::Result<Vec<u8>> {
        let found = self
            .frame(|bytes| Ok(find(bytes, end).map(|at| Cut { content: 0..at + end.len(), bytes: at + end.len() })));
        let found = found.await?.ok_or(io::ErrorKind::UnexpectedEof)?;
        Ok(self.content(&found).to_vec())
    }
}

/// Where a text begins within bytes.
pub fn find(bytes: &[u8], text: &[u8]) -> Option<usize> {
    bytes.windows(text.len()).position(|window| window == text)
}

/// An error that says what a peer did.
pub fn broken(what: impl Into<String>) -> io::Error {
    io::Error::other(what.into())
}
