// SPDX-License-Identifier: Apache-2.0
//! Where the server is.

use std::net::IpAddr;

use hongyan_protocol::codes::Code;
use rustls::pki_types::ServerName;
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
    /// Whom to expect under TLS; nothing where plain text is spoken.
    pub(crate) tls_name: Option<ServerName<'static>>,
    /// See [`Self::name`].
    name: String,
}

const HTTP_PORT: u16 = 80;
const HTTPS_PORT: u16 = 443;

impl Address {
    /// Reads `https://host:port`. 6029 for plain text beyond this machine that was not allowed.
    pub(crate) fn parse(server_url: &str, is_insecure_allowed: bool) -> Result<Self, ImError> {
        let invalid = |what: &str| ImError::new(Code::INVALID_PARAMETERS, format!("the server's address {what}"));
        let uri: Uri = server_url.trim_end_matches('/').parse().map_err(|_| invalid("is not https://host:port"))?;
        let (scheme, default_port, is_tls) = match uri.scheme_str().map(str::to_ascii_lowercase).as_deref() {
            Some("https" | "wss") => ("wss", HTTPS_PORT, true),
            Some("http" | "ws") => ("ws", HTTP_PORT, false),
            _ => return Err(invalid("does not begin with https:// or http://")),
        };
        let authority = uri.authority().ok_or_else(|| invalid("names no host"))?;
        let shown = authority.as_str().to_ascii_lowercase();
        if shown.contains('@') || uri.query().is_some() {
            return Err(invalid("holds more than scheme, host, port and path"));
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
        if host.is_empty() {
            return Err(invalid("names no host"));
        }
        if !is_tls && !is_loopback(&host) && !is_insecure_allowed {
            return Err(ImError::new(
                Code::CLEAR_TEXT_NOT_PERMITTED,
                "unencrypted connections beyond this machine need is_insecure_allowed",
            ));
        }
        let named =
            || ServerName::try_from(host.clone()).map_err(|_| invalid("has no host that a certificate can name"));
        let tls_name = is_tls.then(named).transpose()?;
        let path = uri.path().trim_end_matches('/');
        let port = authority.port_u16().unwrap_or(default_port);
        Ok(Self {
            url: format!("{scheme}://{shown}{path}/v1/ws"),
            name: format!("{host}:{port}{path}"),
            tls_name,
            host,
            port,
        })
    }

    /// The name under which what came from this server is stored: the same however its address is spelled, and whether or
    /// not TLS is spoken.
    pub(crate) fn name(&self) -> &str {
        &self.name
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
    fn an_address_under_tls_may_be_anywhere_and_says_whom_to_expect() {
        let address = Address::parse("https://im.example.org/im", false).unwrap();
        assert_eq!((address.port, address.url.as_str()), (443, "wss://im.example.org/im/v1/ws"));
        assert_eq!(address.tls_name, Some(ServerName::try_from("im.example.org").unwrap()));
        let address = Address::parse("wss://[2001:db8::1]:8443", false).unwrap();
        assert_eq!((address.host.as_str(), address.port), ("2001:db8::1", 8443));
        assert_eq!(address.tls_name, Some(ServerName::try_from("2001:db8::1").unwrap()));
        assert_eq!(Address::parse("http://127.0.0.1", false).unwrap().tls_name, None);
    }

    #[test]
    fn one_server_has_one_name_however_its_address_is_spelled() {
        let name = |url: &str| Address::parse(url, true).unwrap().name().to_owned();
        for url in ["https://im.example.org:443", "HTTPS://IM.Example.ORG/", "wss://im.example.org"] {
            assert_eq!(name(url), name("https://im.example.org"), "{url}");
        }
        assert_eq!(name("http://127.0.0.1:8080"), name("https://127.0.0.1:8080"));
        assert_eq!(name("http://[2001:DB8::1]"), name("http://[2001:db8::1]:80"));
        for url in
            ["http://im.example.org", "https://im.example.org:8443", "https://im.example.org/im", "https://a.org"]
        {
            assert_ne!(name(url), name("https://im.example.org"), "{url}");
        }
        assert_ne!(name("https://a.org/im"), name("https://a.org/IM"), "a path is not spelled in two ways");
    }

    #[test]
    fn plain_text_beyond_this_machine_needs_a_setting() {
        assert_eq!(code_of("http://im.example.org:80", false), Some(Code::CLEAR_TEXT_NOT_PERMITTED));
        assert_eq!(code_of("http://127.0.0.1.example.org", false), Some(Code::CLEAR_TEXT_NOT_PERMITTED));
        assert_eq!(code_of("http://im.example.org:80", true), None);
        assert_eq!(code_of("ws://im.example.org:80", false), Some(Code::CLEAR_TEXT_NOT_PERMITTED));
        assert_eq!(code_of("http://127.8.9.1:80", false), None);
    }

    #[test]
    fn other_addresses_are_refused() {
        for url in [
            "",
            "im.example.org",
            "ftp://127.0.0.1",
            "https://-.example.org",
            "http://a@127.0.0.1",
            "http://127.0.0.1/?a",
            "http://:80",
        ] {
            assert_eq!(code_of(url, true), Some(Code::INVALID_PARAMETERS), "{url}");
        }
    }
}
