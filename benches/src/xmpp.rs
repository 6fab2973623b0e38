// SPDX-License-Identifier: Apache-2.0
//! XMPP over TCP, as much of it as a chat needs: in-band registration, SASL PLAIN, messages, rooms, and stream management
//! (XEP-0198), whose answers say which of our stanzas the server has taken. Of a room they say nothing: it may be far behind.
//! What it has taken it sends to all who are in it, the sender among them, and that is the answer to a message to a room.

use std::collections::VecDeque;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::client::{Client, Event, Protocol, To, group_name, user_name};
use crate::payload::Stamp;
use crate::socket::{Cut, Socket, broken, find};

/// The host that the measured servers are set up with.
const HOST: &str = "localhost";

/// All users have the same.
const PASSWORD: &str = "password";

/// How long a server may take to answer while somebody logs in.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

const STREAM: &str = "<?xml version='1.0'?><stream:stream to='localhost' version='1.0' xmlns='jabber:client' \
                      xmlns:stream='http://etherx.jabber.org/streams'>";

/// A server.
#[derive(Debug, Clone, Copy)]
pub struct Xmpp(pub SocketAddr);

impl Protocol for Xmpp {
    type Client = XmppClient;

    async fn connect(&self, user: usize, from: Option<Ipv4Addr>) -> io::Result<XmppClient> {
        let name = user_name(user);
        let socket = Socket::connect(self.0, from).await?;
        let mut client =
            XmppClient { socket, name, taken: 0, written: 0, on_way: VecDeque::new(), acked: VecDeque::new() };
        client.log_in().await?;
        Ok(client)
    }
}

/// A stream.
#[derive(Debug)]
pub struct XmppClient {
    socket: Socket,
    name: String,
    /// Stanzas received, and written, since stream management began.
    taken: u64,
    written: u64,
    /// The messages that no answer speaks of yet: which stanza, which number.
    on_way: VecDeque<(u64, u64)>,
    acked: VecDeque<u64>,
}

impl XmppClient {
    async fn log_in(&mut self) -> io::Result<()> {
        let Self { name, .. } = self;
        let register = format!(
            "<iq type='set' id='r'><query xmlns='jabber:iq:register'><username>{name}</username>\
             <password>{PASSWORD}</password></query></iq>"
        );
        let secret = STANDARD.encode(format!("\0{name}\0{PASSWORD}"));
        let auth = format!("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{secret}</auth>");
        self.ask(STREAM, "features").await?;
        // Refused where the account is there.
        self.ask(&register, "iq").await?;
        self.ask(&auth, "success").await?;
        self.ask(STREAM, "features").await?;
        self.ask("<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>", "iq").await?;
        self.ask("<iq type='set' id='s'><session xmlns='urn:ietf:params:xml:ns:xmpp-session'/></iq>", "iq").await?;
        self.ask("<enable xmlns='urn:xmpp:sm:3'/>", "enabled").await?;
        self.stanza("<presence/>");
        Ok(())
    }

    /// Writes, and waits for an element that begins so.
    async fn ask(&mut self, text: &str, expected: &str) -> io::Result<Vec<u8>> {
        self.socket.output().extend_from_slice(text.as_bytes());
        loop {
            let waited = tokio::time::timeout(ANSWER_WITHIN, self.socket.frame(cut)).await;
            let Ok(found) = waited else {
                let unread = String::from_utf8_lossy(self.socket.unread());
                return Err(broken(format!("{}: no {expected} came after {text:?}, only {unread:?}", self.name)));
            };
            let Some(found) = found? else { return Err(broken("the stream ended")) };
            let element = self.socket.content(&found);
            if is_named(element, expected) {
                return Ok(element.to_vec());
            }
            if is_named(element, "failure") || is_named(element, "failed") || is_named(element, "error") {
                return Err(broken(format!("{expected}: {}", String::from_utf8_lossy(element))));
            }
        }
    }

    fn stanza(&mut self, text: &str) {
        self.written += 1;
        self.socket.output().extend_from_slice(text.as_bytes());
    }

    /// Looks at one element of the stream.
    fn take(&mut self, found: &Cut) -> io::Result<Option<Event>> {
        let element = self.socket.content(found);
        if is_named(element, "message") {
            self.taken += 1;
            if find(element, b"type='error'").is_some() {
                return Err(broken(format!("refused: {}", String::from_utf8_lossy(element))));
            }
            let from = attribute(element, b" from='").and_then(|from| from.rsplit_once('/'));
            if from.is_some_and(|(_, nick)| nick == self.name) {
                return Ok(attribute(element, b" id='").and_then(|id| id.parse().ok()).map(Event::Acked));
            }
            return Ok(Stamp::find(element).map(Event::Received));
        }
        if is_named(element, "a") {
            let handled = attribute(element, b" h='").and_then(|text| text.parse::<u64>().ok());
            let handled = handled.ok_or_else(|| broken("an answer without a count"))?;
            while let Some((_, number)) = self.on_way.pop_front_if(|(stanza, _)| *stanza <= handled) {
                self.acked.push_back(number);
            }
        } else if is_named(element, "r") {
            let answer = format!("<a xmlns='urn:xmpp:sm:3' h='{}'/>", self.taken);
            self.socket.output().extend_from_slice(answer.as_bytes());
        } else if is_named(element, "presence") || is_named(element, "iq") {
            self.taken += 1;
        } else if is_named(element, "error") {
            return Err(broken(format!("the stream broke: {}", String::from_utf8_lossy(element))));
        }
        Ok(None)
    }
}

impl Client for XmppClient {
    async fn enter(&mut self, group: usize, _members: &[usize]) -> io::Result<()> {
        let (room, name) = (group_name(group), self.name.clone());
        self.stanza(&format!(
            "<presence to='{room}@conference.{HOST}/{name}'><x xmlns='http://jabber.org/protocol/muc'>\
             <history maxstanzas='0'/></x></presence>"
        ));
        loop {
            let Some(found) = self.socket.frame(cut).await? else { return Err(broken("the stream ended")) };
            let element = &self.socket.unread()[found.content.clone()];
            // Of one's own presence in a room.
            let is_in = find(element, b"'110'").is_some();
            if is_named(element, "presence") && find(element, b"type='error'").is_some() {
                return Err(broken(format!("no way in: {}", String::from_utf8_lossy(element))));
            }
            self.take(&found)?;
            if is_in {
                return Ok(());
            }
        }
    }

    fn send(&mut self, to: To, number: u64, text: &str) {
        let stanza =
            |to: &str, kind| format!("<message to='{to}' type='{kind}' id='{number}'><body>{text}</body></message>");
        match to {
            To::User(user) => {
                self.stanza(&stanza(&format!("{}@{HOST}", user_name(user)), "chat"));
                self.on_way.push_back((self.written, number));
                self.socket.output().extend_from_slice(b"<r xmlns='urn:xmpp:sm:3'/>");
            }
            To::Group(group) => {
                self.stanza(&stanza(&format!("{}@conference.{HOST}", group_name(group)), "groupchat"));
            }
        }
    }

    async fn next(&mut self) -> io::Result<Event> {
        loop {
            if let Some(number) = self.acked.pop_front() {
                return Ok(Event::Acked(number));
            }
            let Some(found) = self.socket.frame(cut).await? else { return Ok(Event::Ended) };
            if let Some(event) = self.take(&found)? {
                return Ok(event);
            }
        }
    }
}

/// Whether an element has this name, whatever its prefix.
fn is_named(element: &[u8], name: &str) -> bool {
    let end = element.iter().position(|byte| b" />".contains(byte)).unwrap_or(element.len());
    let full = element.get(1..end).unwrap_or_default();
    full.rsplit(|byte| *byte == b':').next() == Some(name.as_bytes())
}

fn attribute<'a>(element: &'a [u8], begins: &[u8]) -> Option<&'a str> {
    let rest = &element[find(element, begins)? + begins.len()..];
    std::str::from_utf8(rest.split(|byte| *byte == b'\'').next()?).ok()
}

/// One child of the stream, or what opens and closes the stream itself.
fn cut(bytes: &[u8]) -> io::Result<Option<Cut>> {
    let (mut at, mut depth, mut start) = (0, 0_usize, None);
    while let Some(open) = bytes[at..].iter().position(|byte| *byte == b'<') {
        let open = at + open;
        let Some(length) = tag_bytes(&bytes[open..]) else { return Ok(None) };
        let tag = &bytes[open..open + length];
        at = open + length;
        if tag.starts_with(b"<?") || tag.starts_with(b"<stream:stream") || tag.starts_with(b"</stream:stream") {
            continue;
        }
        let start = *start.get_or_insert(open);
        if tag.starts_with(b"</") {
            depth = depth.saturating_sub(1);
        } else if !tag.ends_with(b"/>") {
            depth += 1;
        }
        if depth == 0 {
            return Ok(Some(Cut { content: start..at, bytes: at }));
        }
    }
    Ok(None)
}

/// The bytes of a tag up to its end, which no quoted text hides.
fn tag_bytes(bytes: &[u8]) -> Option<usize> {
    let mut quote = None;
    for (at, byte) in bytes.iter().enumerate() {
        match (quote, byte) {
            (None, b'>') => return Some(at + 1),
            (None, b'\'' | b'"') => quote = Some(*byte),
            (Some(open), byte) if open == *byte => quote = None,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut_text(text: &str) -> Option<&str> {
        cut(text.as_bytes()).unwrap().map(|found| &text[found.content])
    }

    #[test]
    fn an_element_ends_where_its_name_is_closed() {
        let message = "<message to='a>b'><body>x<br/></body></message>";
        assert_eq!(cut_text(&format!("<?xml version='1.0'?><stream:stream x='y'>{message}<r/>")), Some(message));
        assert_eq!(cut_text("\n<a h='3'/><r/>"), Some("<a h='3'/>"));
        assert_eq!(cut_text("<message><body>"), None);
        assert_eq!(cut_text("<message to='a"), None);
    }

    #[test]
    fn a_name_is_told_without_its_prefix() {
        assert!(is_named(b"<stream:features><x/></stream:features>", "features"));
        assert!(is_named(b"<a h='3'/>", "a") && !is_named(b"<auth>", "a"));
        assert_eq!(attribute(b"<a xmlns='urn:xmpp:sm:3' h='31'/>", b" h='"), Some("31"));
    }
}
