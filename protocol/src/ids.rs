// SPDX-License-Identifier: Apache-2.0
//! Ids and positions as types: none of them can stand where another is meant, and each is validated
//! where it is read.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

use crate::codes::Code;
use crate::limits::{GROUP_ID_BYTES_MAX, INTEGER_MAX, USER_ID_BYTES_MAX};

/// A text or number that is no id of its kind, with the code that says so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct InvalidId {
    /// The code for the app developer.
    pub code: Code,
    /// What an id of this kind looks like.
    pub what: &'static str,
}

fn is_printable_ascii(text: &str) -> bool {
    text.bytes().all(|byte| (0x20..=0x7e).contains(&byte))
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $check:expr, $code:expr, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// Reads an id and checks its form.
            pub fn parse(text: impl Into<String>) -> Result<Self, InvalidId> {
                let text = text.into();
                let is_valid: fn(&str) -> bool = $check;
                if is_valid(&text) { Ok(Self(text)) } else { Err(InvalidId { code: $code, what: $what }) }
            }

            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Self::parse(text)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Self::parse(String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
            }
        }
    };
}

text_id!(
    /// A user within an app: 1 to 32 bytes of printable ASCII.
    UserId,
    |text| !text.is_empty() && text.len() <= USER_ID_BYTES_MAX && is_printable_ascii(text),
    Code::INVALID_USER_ID,
    "a user id is 1 to 32 bytes of printable ASCII"
);

text_id!(
    /// A group within an app: 1 to 48 bytes of printable ASCII. Ids that begin with `@TGS#` are made by the server.
    GroupId,
    |text| !text.is_empty() && text.len() <= GROUP_ID_BYTES_MAX && is_printable_ascii(text),
    Code::INVALID_GROUP_ID,
    "a group id is 1 to 48 bytes of printable ASCII"
);

impl GroupId {
    /// What the ids begin with that a server makes, and that no app may choose.
    pub const RESERVED_PREFIX: &'static str = "@TGS#";

    /// Whether this id could only have been made by a server.
    pub fn is_reserved(&self) -> bool {
        self.0.starts_with(Self::RESERVED_PREFIX)
    }
}

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident, $generate:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// Makes a new id that nothing else has.
            pub fn generate() -> Self {
                let generate: fn() -> Uuid = $generate;
                Self(generate())
            }

            /// Reads an id in any of the usual spellings of a UUID.
            pub fn parse(text: &str) -> Result<Self, InvalidId> {
                Uuid::parse_str(text)
                    .map(Self)
                    .map_err(|_| InvalidId { code: Code::BAD_PARAMETER, what: "the id is a UUID" })
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Self::parse(text)
            }
        }
    };
}

uuid_id!(
    /// A message, named by the SDK that sends it: what makes sending it again harmless. It sorts by time (UUIDv7).
    MessageId,
    Uuid::now_v7
);
uuid_id!(
    /// One installation of an app on one device.
    DeviceId,
    Uuid::now_v7
);
uuid_id!(
    /// One store of one server. A client that meets another id at the same address drops what it cached.
    InstanceId,
    Uuid::new_v4
);

macro_rules! number {
    ($(#[$doc:meta])* $name:ident, $min:literal, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize)]
        #[serde(transparent)]
        pub struct $name(i64);

        impl $name {
            /// Reads a number and checks its range.
            pub const fn parse(number: i64) -> Result<Self, InvalidId> {
                if number >= $min && number <= INTEGER_MAX {
                    Ok(Self(number))
                } else {
                    Err(InvalidId { code: Code::BAD_PARAMETER, what: $what })
                }
            }

            /// The number itself.
            pub const fn get(self) -> i64 {
                self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Self::parse(i64::deserialize(deserializer)?).map_err(serde::de::Error::custom)
            }
        }
    };
}

number!(
    /// A tenant: one app on a server.
    SdkAppId, 1, "an sdkAppId is a positive whole number below 2^53"
);
number!(
    /// The place of a message in its conversation's log. The first message has 1; 0 stands before it.
    Seq, 0, "a sequence is a whole number from 0 to 2^53 - 1"
);
number!(
    /// The place of a change in its conversation's stream of changes. 0 stands before the first.
    ChangeSeq, 0, "a change sequence is a whole number from 0 to 2^53 - 1"
);
number!(
    /// The place of a change in one user's own stream. 0 stands before the first.
    Version, 0, "a version is a whole number from 0 to 2^53 - 1"
);
number!(
    /// A conversation's log, by a number that its store never uses again (a group id is used again after a
    /// dismissal).
    LogId, 1, "a log id is a positive whole number"
);

impl Seq {
    /// Before the first message.
    pub const ZERO: Self = Self(0);

    /// The sequence that follows this one; the largest stays what it is.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(if self.0 < INTEGER_MAX { self.0 + 1 } else { self.0 })
    }

    /// The sequence before this one; 0 stays 0.
    #[must_use]
    pub const fn previous(self) -> Self {
        Self(if self.0 > 0 { self.0 - 1 } else { 0 })
    }
}

impl ChangeSeq {
    /// Before the first change.
    pub const ZERO: Self = Self(0);

    /// The change sequence that follows this one; the largest stays what it is.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(if self.0 < INTEGER_MAX { self.0 + 1 } else { self.0 })
    }
}

impl Version {
    /// Before the first change.
    pub const ZERO: Self = Self(0);

    /// The version that follows this one; the largest stays what it is.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(if self.0 < INTEGER_MAX { self.0 + 1 } else { self.0 })
    }
}

/// Sequences from `from` to `to`, both included. Empty where `from` is larger than `to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SeqRange {
    /// The first sequence.
    pub from: Seq,
    /// The last sequence.
    pub to: Seq,
}

impl SeqRange {
    /// The range from `from` to `to`, both included.
    pub const fn new(from: Seq, to: Seq) -> Self {
        Self { from, to }
    }

    /// Whether no sequence lies in it.
    pub const fn is_empty(&self) -> bool {
        self.from.0 > self.to.0
    }

    /// How many sequences lie in it.
    pub const fn count(&self) -> i64 {
        if self.is_empty() { 0 } else { self.to.0 - self.from.0 + 1 }
    }

    /// Whether `seq` lies in it.
    pub const fn contains(&self, seq: Seq) -> bool {
        self.from.0 <= seq.0 && seq.0 <= self.to.0
    }
}

/// A conversation as one user names it: `c2c_` and the peer, or `group_` and the group.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConversationId {
    /// With one other user.
    C2c(UserId),
    /// With the members of a group.
    Group(GroupId),
}

impl ConversationId {
    /// Reads `c2c_<userID>` or `group_<groupID>`.
    pub fn parse(text: &str) -> Result<Self, InvalidId> {
        let invalid = InvalidId {
            code: Code::INVALID_CONVERSATION,
            what: "a conversation id is c2c_<userID> or group_<groupID>",
        };
        if let Some(user) = text.strip_prefix("c2c_") {
            UserId::parse(user).map(Self::C2c).map_err(|_| invalid)
        } else if let Some(group) = text.strip_prefix("group_") {
            GroupId::parse(group).map(Self::Group).map_err(|_| invalid)
        } else {
            Err(invalid)
        }
    }
}

impl fmt::Display for ConversationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::C2c(user) => write!(f, "c2c_{user}"),
            Self::Group(group) => write!(f, "group_{group}"),
        }
    }
}

impl fmt::Debug for ConversationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for ConversationId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        Self::parse(text)
    }
}

/// A conversation as the server names it, the same for all who see it. On the wire:
/// `{"c2c":["alice","bob"]}` (sorted) or `{"group":"…"}`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogKey {
    /// Between two users, the bytewise lower id first. A user may write to themself: both are the same then.
    C2c(UserId, UserId),
    /// Of a group.
    Group(GroupId),
}

impl LogKey {
    /// The log between two users, whichever is named first.
    pub fn between(one: UserId, other: UserId) -> Self {
        if one <= other { Self::C2c(one, other) } else { Self::C2c(other, one) }
    }

    /// The log that `viewer` names with a conversation id.
    pub fn of(viewer: &UserId, conversation: &ConversationId) -> Self {
        match conversation {
            ConversationId::C2c(peer) => Self::between(viewer.clone(), peer.clone()),
            ConversationId::Group(group) => Self::Group(group.clone()),
        }
    }

    /// How `viewer` names this log; nothing where the viewer is not one of its two users.
    pub fn seen_by(&self, viewer: &UserId) -> Option<ConversationId> {
        match self {
            Self::C2c(low, high) if viewer == low => Some(ConversationId::C2c(high.clone())),
            Self::C2c(low, high) if viewer == high => Some(ConversationId::C2c(low.clone())),
            Self::C2c(..) => None,
            Self::Group(group) => Some(ConversationId::Group(group.clone())),
        }
    }
}
