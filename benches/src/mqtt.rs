// SPDX-License-Identifier: Apache-2.0
//! MQTT 3.1.1 as a chat would use it: quality of service 1 both ways and sessions that are kept. A user and a group are a
//! topic each.

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use crate::client::{Client, Event, Protocol, To, group_name, user_name};
use crate::payload::Stamp;
use crate::socket::{Cut, Socket, broken};

const CONNECT: u8 = 0x10;
const CONNACK: u8 = 0x20;
const PUBLISH_ONCE_AT_LEAST: u8 = 0x32;
const PUBACK: u8 = 0x40;
const SUBSCRIBE: u8 = 0x82;
const SUBACK: u8 = 0x90;
const PUBLISH: u8 = 0x30;

/// A broker.
#[derive(Debug, Clone, Copy)]
pub struct Mqtt(pub SocketAddr);

impl Protocol for Mqtt {
    type Client = MqttClient;

    async fn connect(&self, user: usize, from: Option<Ipv4Addr>) -> io::Result<MqttClient> {
        let socket = Socket::connect(self.0, from).await?;
        let mut client = MqttClient { socket, last_id: 0, on_way: HashMap::new() };
        // Version 4, the session is kept, no heartbeat.
        let mut body = vec![0, 4, b'M', b'Q', b'T', b'T', 4, 0, 0, 0];
        put_text(&mut body, &user_name(user));
        client.write(CONNECT, &body);
        client.answer(CONNACK).await?;
        client.subscribe(&topic(To::User(user))).await?;
        Ok(client)
    }
}

fn topic(to: To) -> String {
    match to {
        To::User(user) => format!("u/{}", user_name(user)),
        To::Group(group) => format!("g/{}", group_name(group)),
    }
}

fn put_text(body: &mut Vec<u8>, text: &str) {
    body.extend_from_slice(&u16::try_from(text.len()).unwrap_or(0).to_be_bytes());
    body.extend_from_slice(text.as_bytes());
}

/// A session.
#[derive(Debug)]
pub struct MqttClient {
    socket: Socket,
    last_id: u16,
    /// Numbers of messages, by the ids that they travel under.
    on_way: HashMap<u16, u64>,
}

impl MqttClient {
    fn write(&mut self, kind: u8, body: &[u8]) {
        let output = self.socket.output();
        output.push(kind);
        let mut rest = body.len();
        loop {
            let (low, high) = (u8::try_from(rest % 128).unwrap_or(0), rest / 128);
            output.push(if high > 0 { low | 128 } else { low });
            rest = high;
            if rest == 0 {
                break;
            }
        }
        output.extend_from_slice(body);
    }

    fn next_id(&mut self) -> u16 {
        self.last_id = self.last_id.checked_add(1).unwrap_or(1);
        self.last_id
    }

    async fn answer(&mut self, kind: u8) -> io::Result<()> {
        loop {
            let Some(found) = self.socket.frame(cut).await? else { return Err(broken("the broker hung up")) };
            let came = self.socket.unread()[0];
            let body = self.socket.content(&found);
            // The last byte of both answers is the verdict.
            if came == kind {
                let is_good = body.last().is_some_and(|verdict| *verdict < 0x80 && (kind != CONNACK || *verdict == 0));
                return if is_good { Ok(()) } else { Err(broken(format!("refused: {body:?}"))) };
            }
        }
    }

    async fn subscribe(&mut self, topic: &str) -> io::Result<()> {
        let mut body = self.next_id().to_be_bytes().to_vec();
        put_text(&mut body, topic);
        body.push(1);
        self.write(SUBSCRIBE, &body);
        self.answer(SUBACK).await
    }
}

impl Client for MqttClient {
    async fn enter(&mut self, group: usize, _members: &[usize]) -> io::Result<()> {
        self.subscribe(&topic(To::Group(group))).await
    }

    fn send(&mut self, to: To, number: u64, text: &str) {
        let id = self.next_id();
        self.on_way.insert(id, number);
        let mut body = Vec::with_capacity(text.len() + 32);
        put_text(&mut body, &topic(to));
        body.extend_from_slice(&id.to_be_bytes());
        body.extend_from_slice(text.as_bytes());
        self.write(PUBLISH_ONCE_AT_LEAST, &body);
    }

    async fn next(&mut self) -> io::Result<Event> {
        loop {
            let Some(found) = self.socket.frame(cut).await? else { return Ok(Event::Ended) };
            let kind = self.socket.unread()[0];
            let body = self.socket.content(&found);
            if kind == PUBACK {
                let id = body.try_into().map(u16::from_be_bytes).map_err(|_| broken("an answer of two bytes"))?;
                if let Some(number) = self.on_way.remove(&id) {
                    return Ok(Event::Acked(number));
                }
            } else if kind & 0xf0 == PUBLISH {
                let topic_bytes = usize::from(u16::from_be_bytes([body[0], body[1]]));
                let id = [body[2 + topic_bytes], body[3 + topic_bytes]];
                let stamp = Stamp::find(&body[4 + topic_bytes..]);
                self.write(PUBACK, &id);
                if let Some(stamp) = stamp {
                    return Ok(Event::Received(stamp));
                }
            }
        }
    }
}

fn cut(bytes: &[u8]) -> io::Result<Option<Cut>> {
    let (mut length, mut scale) = (0, 1);
    for (index, byte) in bytes.iter().enumerate().skip(1).take(4) {
        length += usize::from(byte & 127) * scale;
        scale *= 128;
        if byte & 128 == 0 {
            let head = index + 1;
            let is_whole = bytes.len() >= head + length;
            return Ok(is_whole.then(|| Cut { content: head..head + length, bytes: head + length }));
        }
    }
    if bytes.len() > 4 { Err(broken("a packet without a length")) } else { Ok(None) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_is_whole_when_all_of_its_length_is_there() {
        assert_eq!(cut(&[PUBACK, 2, 0, 1]).unwrap(), Some(Cut { content: 2..4, bytes: 4 }));
        assert_eq!(cut(&[PUBACK, 2, 0]).unwrap(), None);
        assert_eq!(cut(&[PUBLISH, 0x80]).unwrap(), None);
        let long = [&[PUBLISH, 0x80, 1][..], &[7; 128]].concat();
        assert_eq!(cut(&long).unwrap(), Some(Cut { content: 3..131, bytes: 131 }));
        assert!(cut(&[PUBLISH, 0x80, 0x80, 0x80, 0x80]).is_err());
    }
}
