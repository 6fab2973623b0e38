// SPDX-License-Identifier: Apache-2.0
//! `health`: asks a running server whether it is ready, for what starts and watches it.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

use clap::Args;

use super::{Failure, SettingsArgs, say};
use crate::config::Config;

/// How long each step may take. The server itself answers within five seconds whether its store reads and writes.
const ANSWER_WITHIN: Duration = Duration::from_secs(8);

/// What is read of an answer at the most.
const ANSWER_BYTES_MAX: u64 = 4_096;

#[derive(Debug, Args)]
pub(super) struct HealthArgs {
    #[command(flatten)]
    settings: SettingsArgs,
    /// The address and port to ask, over the settings: those of admin.listen, or else of listen
    #[arg(long, value_name = "ADDR:PORT")]
    address: Option<SocketAddr>,
}

pub(super) fn run(args: &HealthArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let address = match args.address {
        Some(address) => address,
        None => address_of(&args.settings.config()?),
    };
    let answer =
        ask(address).map_err(|error| Failure::while_doing(&format!("asking the server at {address}"), error))?;
    let (status, body) = read(&answer);
    if status == Some("200") {
        return say(out, body);
    }
    Err(Failure(format!("the server at {address} is not ready: {} {body}", status.unwrap_or("no HTTP"))))
}

/// Where a server with these settings can be asked from the same machine.
fn address_of(config: &Config) -> SocketAddr {
    let mut address = config.admin.listen.unwrap_or(config.listen);
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    address
}

fn ask(address: SocketAddr) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, ANSWER_WITHIN)?;
    stream.set_read_timeout(Some(ANSWER_WITHIN))?;
    stream.set_write_timeout(Some(ANSWER_WITHIN))?;
    write!(stream, "GET /readyz HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// The status and the text of an answer.
fn read(answer: &str) -> (Option<&str>, &str) {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((answer, ""));
    let status = head.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.split([' ', '\r']).next());
    (status, body.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Layers;

    fn asked(settings: &str) -> String {
        let config = Layers::defaults().with_toml(settings, "a test").unwrap().build().unwrap();
        address_of(&config).to_string()
    }

    #[test]
    fn it_asks_the_admin_listener_where_there_is_one_and_never_an_address_for_all() {
        assert_eq!(asked(""), "127.0.0.1:7700");
        assert_eq!(asked("[admin]\nlisten = '127.0.0.1:7701'"), "127.0.0.1:7701");
        assert_eq!(asked("listen = '0.0.0.0:7700'\nis_insecure_allowed = true"), "127.0.0.1:7700");
        assert_eq!(asked("[admin]\nlisten = '[::]:1'\nis_remote_allowed = true"), "[::1]:1");
    }

    #[test]
    fn an_answer_that_is_no_http_is_no_health() {
        assert_eq!(read("HTTP/1.1 200 OK\r\nx: y\r\n\r\nready\n"), (Some("200"), "ready"));
        assert_eq!(read("HTTP/1.1 503 Service Unavailable\r\n\r\nstopping\n"), (Some("503"), "stopping"));
        assert_eq!(read("220 mail.example.org ready").0, None);
        assert_eq!(read("").0, None);
    }
}
