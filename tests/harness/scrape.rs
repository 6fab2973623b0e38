// SPDX-License-Identifier: Apache-2.0
//! What a server shows of itself, read as Prometheus reads it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::wait::within;

/// What one look at `/metrics` showed.
#[derive(Debug, Clone, PartialEq)]
pub struct Scrape {
    /// Name, kind and explanation of each family.
    pub families: BTreeMap<String, (String, String)>,
    pub samples: Vec<Sample>,
}

/// One line with a value.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    pub name: String,
    pub labels: BTreeMap<String, String>,
    pub value: f64,
}

impl Scrape {
    /// Looks at a server.
    pub async fn of(admin: SocketAddr) -> Self {
        let answer = get(admin, "/metrics").await;
        let (head, body) = answer.split_once("\r\n\r\n").expect("an answer has a head and a body");
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
        assert!(head.contains("content-type: text/plain; version=0.0.4"), "{head}");
        Self::parse(body)
    }

    fn parse(text: &str) -> Self {
        let mut scrape = Self { families: BTreeMap::new(), samples: Vec::new() };
        for line in text.lines() {
            if let Some(help) = line.strip_prefix("# HELP ") {
                let (name, help) = help.split_once(' ').expect("a family is explained");
                let earlier = scrape.families.insert(name.to_owned(), (String::new(), help.to_owned()));
                assert_eq!(earlier, None, "{name} is there once");
            } else if let Some(kind) = line.strip_prefix("# TYPE ") {
                let (name, kind) = kind.split_once(' ').expect("a family has a kind");
                scrape.families.get_mut(name).expect("its explanation stands before it").0 = kind.to_owned();
            } else {
                scrape.samples.push(Sample::parse(line));
            }
        }
        scrape
    }

    /// The value of the one series with this name and these labels.
    pub fn value(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let wanted: BTreeMap<_, _> =
            labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let found = self.samples.iter().find(|sample| sample.name == name && sample.labels == wanted);
        // A code that has not happened has no series.
        found.map_or(0.0, |sample| sample.value)
    }

    /// The sum of all series with this name.
    pub fn sum(&self, name: &str) -> f64 {
        self.samples.iter().filter(|sample| sample.name == name).map(|sample| sample.value).sum()
    }

    /// The names that a query can ask for: histograms have three for one family.
    pub fn names(&self) -> BTreeSet<&str> {
        self.samples.iter().map(|sample| sample.name.as_str()).collect()
    }

    /// The family that a sample belongs to.
    pub fn family_of<'a>(&'a self, name: &'a str) -> &'a str {
        let parts = ["_bucket", "_sum", "_count"].iter().filter_map(|part| name.strip_suffix(part));
        parts.into_iter().find(|family| self.families.contains_key(*family)).unwrap_or(name)
    }
}

impl Sample {
    fn parse(line: &str) -> Self {
        let (series, value) = line.rsplit_once(' ').expect("a value");
        let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
        let labels = labels.strip_suffix('}').expect("labels end");
        // No value has a comma or a quote in it: they are words of the server.
        let labels = labels.split(',').filter(|label| !label.is_empty()).map(|label| {
            let (key, value) = label.split_once("=\"").expect("a label");
            (key.to_owned(), value.strip_suffix('"').expect("its value ends").to_owned())
        });
        Self { name: name.to_owned(), labels: labels.collect(), value: value.parse().expect("a number") }
    }
}

/// Asks over HTTP, and reads until the server closes.
pub async fn get(addr: SocketAddr, path: &str) -> String {
    let mut stream = within("a connection", TcpStream::connect(addr)).await.expect("the server listens");
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("the server reads");
    let mut answer = String::new();
    within(path, stream.read_to_string(&mut answer)).await.expect("an answer");
    answer
}
