// SPDX-License-Identifier: Apache-2.0
//! The command line.

use std::path::PathBuf;

use hongyan_protocol::ids::{ConversationId, UserId};

/// How to use it.
pub const USAGE: &str = "\
usage: chat --user ID --peer ID|group:ID [options]

  --user ID          who sits here
  --peer ID          whom to write to; group:ID for a group
  --members ID,ID    makes the group of --peer with these members, if it is not there yet
  --server URL       where the server is (http://127.0.0.1:7700)
  --root FILE        trust this certificate (PEM) beside those that browsers trust
  --insecure         allow a server on another machine without encryption
  --home FOLDER      where this chat keeps its messages (a folder of the user's data)

To log in, the app's key signs. It is read from a server's data folder on this machine, or given:

  --data FOLDER      the server's data folder (hongyan-data)
  --sdkappid NUMBER  the app; without it the demo app of the data folder
  --key KEY          the app's key; then no data folder is read";

/// What was asked for.
#[derive(Debug, PartialEq, Eq)]
pub struct Options {
    /// Who sits here.
    pub user_id: String,
    /// Which conversation is open.
    pub conversation_id: String,
    /// Whom to make the group with, if it is not there yet.
    pub members: Vec<String>,
    /// Where the server is.
    pub server_url: String,
    /// Whose certificate is trusted beside those that browsers trust.
    pub root: Option<PathBuf>,
    /// Whether everybody on the way may read along.
    pub is_insecure_allowed: bool,
    /// Where the SDK keeps its data.
    pub home: PathBuf,
    /// Where the key comes from.
    pub signer: Signer,
}

/// Where the app's key comes from.
#[derive(Debug, PartialEq, Eq)]
pub enum Signer {
    /// From the store of a server on this machine; of its demo app where none is named.
    Store { data_folder: PathBuf, sdk_app_id: Option<i64> },
    /// From the command line.
    Key { sdk_app_id: i64, key: String },
}

impl Options {
    /// Reads the arguments; `data_home` is where people's programs keep their data.
    pub fn parse(arguments: impl IntoIterator<Item = String>, data_home: PathBuf) -> Result<Self, String> {
        let mut given = Given::default();
        let mut arguments = arguments.into_iter();
        while let Some(name) = arguments.next() {
            if name == "--insecure" {
                given.is_insecure_allowed = true;
                continue;
            }
            let place = given.place(&name).ok_or_else(|| format!("unknown option: {name}"))?;
            let value = arguments.next().filter(|value| !value.is_empty());
            *place = Some(value.ok_or_else(|| format!("{name} needs a value"))?);
        }
        let user_id = given.user.ok_or("--user is missing")?;
        let peer = given.peer.ok_or("--peer is missing")?;
        UserId::parse(user_id.as_str()).map_err(|error| format!("--user {user_id}: {error}"))?;
        let conversation_id = peer.strip_prefix("group:").map_or(format!("c2c_{peer}"), |id| format!("group_{id}"));
        ConversationId::parse(&conversation_id).map_err(|_| format!("--peer is no user id and no group:ID: {peer}"))?;
        let sdk_app_id = match given.sdk_app_id {
            Some(number) => Some(number.parse().map_err(|_| format!("--sdkappid is no number: {number}"))?),
            None => None,
        };
        let signer = match (given.key, sdk_app_id) {
            (Some(key), Some(sdk_app_id)) => Signer::Key { sdk_app_id, key },
            (Some(_), None) => return Err("--key needs --sdkappid".to_owned()),
            (None, sdk_app_id) => {
                let data_folder = given.data.unwrap_or_else(|| "hongyan-data".to_owned()).into();
                Signer::Store { data_folder, sdk_app_id }
            }
        };
        let home = given.home.map_or_else(|| data_home.join("hongyan-chat"), PathBuf::from);
        Ok(Self {
            conversation_id,
            members: given.members.map_or(Vec::new(), |ids| ids.split(',').map(str::to_owned).collect()),
            root: given.root.map(PathBuf::from),
            is_insecure_allowed: given.is_insecure_allowed,
            server_url: given.server.unwrap_or_else(|| "http://127.0.0.1:7700".to_owned()),
            home: home.join(folder_name(&user_id)),
            user_id,
            signer,
        })
    }
}

#[derive(Default)]
struct Given {
    user: Option<String>,
    peer: Option<String>,
    members: Option<String>,
    root: Option<String>,
    is_insecure_allowed: bool,
    server: Option<String>,
    home: Option<String>,
    data: Option<String>,
    sdk_app_id: Option<String>,
    key: Option<String>,
}

impl Given {
    fn place(&mut self, name: &str) -> Option<&mut Option<String>> {
        match name {
            "--user" => Some(&mut self.user),
            "--peer" => Some(&mut self.peer),
            "--members" => Some(&mut self.members),
            "--root" => Some(&mut self.root),
            "--server" => Some(&mut self.server),
            "--home" => Some(&mut self.home),
            "--data" => Some(&mut self.data),
            "--sdkappid" => Some(&mut self.sdk_app_id),
            "--key" => Some(&mut self.key),
            _ => None,
        }
    }
}

/// A user id as the name of a folder: an id may hold dots and slashes.
fn folder_name(user_id: &str) -> String {
    let spell = |byte: u8| match byte {
        b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' => char::from(byte).to_string(),
        // Capitals too: some file systems do not tell them from small letters.
        _ => format!("%{byte:02x}"),
    };
    user_id.bytes().map(spell).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options, String> {
        Options::parse(line.split_whitespace().map(str::to_owned), "data".into())
    }

    #[test]
    fn two_names_are_enough() {
        let expected = Options {
            user_id: "alice".into(),
            conversation_id: "c2c_bob".into(),
            members: Vec::new(),
            root: None,
            is_insecure_allowed: false,
            server_url: "http://127.0.0.1:7700".into(),
            home: "data/hongyan-chat/alice".into(),
            signer: Signer::Store { data_folder: "hongyan-data".into(), sdk_app_id: None },
        };
        assert_eq!(parse("--user alice --peer bob"), Ok(expected));
    }

    #[test]
    fn a_group_is_named_with_its_kind() {
        let given = parse("--user alice --peer group:geese --members bob,carol --insecure --root ca.pem").unwrap();
        assert_eq!(given.conversation_id, "group_geese");
        assert_eq!(given.members, ["bob", "carol"]);
        assert!(given.is_insecure_allowed);
        assert_eq!(given.root, Some("ca.pem".into()));
    }

    #[test]
    fn a_key_goes_with_its_app() {
        let given = parse("--user a --peer b --key k --sdkappid 7").unwrap();
        assert_eq!(given.signer, Signer::Key { sdk_app_id: 7, key: "k".into() });
        assert_eq!(parse("--user a --peer b --key k").unwrap_err(), "--key needs --sdkappid");
        assert_eq!(parse("--user a --peer b --key k --sdkappid x").unwrap_err(), "--sdkappid is no number: x");
    }

    #[test]
    fn what_is_wrong_is_named() {
        assert_eq!(parse("--user alice").unwrap_err(), "--peer is missing");
        assert_eq!(parse("--user alice --peer").unwrap_err(), "--peer needs a value");
        assert_eq!(parse("--user alice --peer group:").unwrap_err(), "--peer is no user id and no group:ID: group:");
        assert_eq!(parse("--user alice --colour red").unwrap_err(), "unknown option: --colour");
    }

    #[test]
    fn no_user_id_leads_out_of_the_folder() {
        assert_eq!(folder_name("../Bob"), "%2e%2e%2f%42ob");
    }
}
