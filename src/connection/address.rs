// SPDX-License-Identifier: Apache-2.0
//! Where the server is.

use std::net::IpAddr;

use hongyan_protocol::codes::Code;
use tokio_tungstenite::tungstenite::http::Uri;

use crate::error::ImError;

/// Where the server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address {
    /// A name or an address, without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// Of the WebSocket.
    pub(crate) url: String,
}

const HTTP_PORT: u16 = 80;

impl Address {
    /// Reads `http://host:port`. 6029 for plain text beyond this machine that was not allowed.
    pub(crate) fn parse(server_url: &str, is_insecure_allowed: bool) -> Result<Self, ImError> {
        let invalid = |what: &str| ImError::new(Code::INVALID_PARAMETERS, format!("the server's address {what}"));
        let uri: Uri = server_url.trim_end_matches('/').parse().map_err(|_| invalid("is not http://host:port"))?;
        match uri.scheme_str() {
            Some("http") => {}
            Some("https") => return Err(invalid("begins with https, which this version does not support yet")),
            _ => return Err(invalid("does not begin with http://")),
        }
        let authority = uri.authority().ok_or_else(|| invalid("names no host"))?;
        if authority.as_str().contains('@') || uri.query().is_some() {
            return Err(invalid("holds more than scheme, host, port and path"));
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        if host.is_empty() {
            return Err(invalid("names no host"));
        }
        if !is_loopback(&host) && !is_insecure_allowed {
            return Err(ImError::new(
                Code::CLEAR_TEXT_NOT_PERMITTED,
                "unencrypted connections beyond this machine need is_insecure_allowed",
            ));
        }
        let path = uri.path().trim_end_matches('/');
        let port = authority.port_u16().unwrap_or(HTTP_PORT);
        Ok(Self { url: format!("ws://{authority}{path}/v1/ws"), host, port })
    }

    /// The name under which what came from this server is stored.
    pub(crate) fn name(&self) -> &str {
        &self.url
    }
}

fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code_of(url: &str, is_insecure_allowed: bool) -> Option<Code> {
        Address::parse(url, is_insecure_allowed).err().map(|error| error.code())
    }

    #[test]
    fn an_address_gives_host_port_and_path() {
        let address = Address::parse("http://[::1]:8080/im/", false).unwrap();
        assert_eq!((address.host.as_str(), address.port), ("::1", 8080));
        assert_eq!(address.url, "ws://[::1]:8080/im/v1/ws");
        let address = Address::parse("http://localhost", false).unwrap();
        assert_eq!(
            (address.host.as_str(), address.port, address.url.as_str()),
            ("localhost", 80, "ws://localhost/v1/ws")
        );
    }

    #[test]
    fn plain_text_beyond_this_machine_needs_a_setting() {
        assert_eq!(code_of("http://im.example.org:80", false), Some(Code::CLEAR_TEXT_NOT_PERMITTED));
        assert_eq!(code_of("http://127.0.0.1.example.org", false), Some(Code::CLEAR_TEXT_NOT_PERMITTED));
        assert_eq!(code_of("http://im.example.org:80", true), None);
        assert_eq!(code_of("http://127.8.9.1:80", false), None);
    }

    #[test]
    fn other_addresses_are_refused() {
        for url in [
            "",
            "im.example.org",
            "ftp://127.0.0.1",
            "https://127.0.0.1",
            "http://a@127.0.0.1",
            "http://127.0.0.1/?a",
            "http://:80",
        ] {
            assert_eq!(code_of(url, true), Some(Code::INVALID_PARAMETERS), "{url}");
        }
    }
}
