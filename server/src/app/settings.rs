// SPDX-License-Identifier: Apache-2.0
//! What an operator may switch for an app: one table, read by whichever room asks.

use hongyan_protocol::codes::Code;

use crate::error::Error;

/// A setting of an app.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Setting {
    /// Which platforms one user may be logged in on at once.
    MultiLoginPolicy,
    /// Logins of one user at once on one platform other than Web.
    InstancesPerPlatform,
    /// Logins of one user at once on Web.
    InstancesWeb,
    /// How long a message can be recalled.
    RecallSeconds,
    /// Whether a blocked sender is told.
    BlockingIsReported,
    /// Whether blocking somebody keeps the friendship.
    BlockingKeepsFriendship,
    /// Whether only friends may write to one another.
    FriendCheck,
    /// What a new account answers to friend applications.
    AllowType,
    /// Whether deleting a conversation or a message follows the user to all devices.
    DeletionFollowsUser,
    /// How many conversations the server lists for a user.
    ConversationListSize,
    /// How long messages are kept.
    HistoryDays,
    /// Whether users may ask for and subscribe to one another's status.
    UserStatus,
    /// Whether friends' status is pushed without a subscription.
    FriendStatusPush,
    /// Whether messages may carry extensions.
    MessageExtension,
    /// Which group types have read receipts.
    ReadReceiptGroupTypes,
    /// Whether Meeting groups count unread messages.
    MeetingUnread,
    /// Which group types show what was written before joining.
    EarlierHistoryGroupTypes,
    /// Whether live rooms list who is online.
    LiveRoomMemberList,
    /// Whether communities exist.
    Community,
    /// Whether communities have topics.
    Topic,
    /// Whether communities have permission groups.
    PermissionGroup,
    /// Whether profiles of strangers can be subscribed to.
    ProfileSubscription,
    /// How many messages a group takes in a second.
    GroupMessagesPerSecond,
}

/// What values a setting takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `on` or `off`.
    Switch,
    /// A whole number between two, both included.
    Integer {
        /// The least.
        min: i64,
        /// The most.
        max: i64,
    },
    /// One of some words.
    Choice(&'static [&'static str]),
    /// Some of these words, each once, separated by commas; or nothing.
    Set(&'static [&'static str]),
}

/// Whether the server reads a setting yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Takes effect within a second.
    Live,
    /// Kept, and read once the feature is there.
    Later,
}

/// What is known of one setting.
#[derive(Debug, Clone, Copy)]
pub struct SettingRow {
    /// Which.
    pub setting: Setting,
    /// Its name in commands and in the store.
    pub name: &'static str,
    /// Its values.
    pub kind: Kind,
    /// The value where none was set.
    pub default: &'static str,
    /// Whether it is read yet.
    pub effect: Effect,
    /// What it does, for the operator.
    pub meaning: &'static str,
}

const GROUP_TYPES: &[&str] = &["Work", "Public", "Meeting", "AVChatRoom", "Community"];

macro_rules! settings {
    ($($setting:ident $name:literal $kind:expr, $default:literal, $effect:ident, $meaning:literal;)*) => {
        &[$(SettingRow {
            setting: Setting::$setting,
            name: $name,
            kind: $kind,
            default: $default,
            effect: Effect::$effect,
            meaning: $meaning,
        },)*]
    };
}

/// Every setting, in the order of [`Setting`].
#[rustfmt::skip]
pub const SETTINGS: &[SettingRow] = settings! {
    MultiLoginPolicy "multi_login_policy" Kind::Choice(&["single", "dual", "triple", "multi"]), "multi", Live,
        "platforms at once: single: one of all; dual: one and Web; triple: one mobile, one desktop and Web; multi: all";
    InstancesPerPlatform "instances_per_platform" Kind::Integer { min: 1, max: 3 }, "1", Live,
        "logins of one user at once on one platform other than Web; the oldest is kicked";
    InstancesWeb "instances_web" Kind::Integer { min: 1, max: 10 }, "1", Live,
        "logins of one user at once on Web; the oldest is kicked";
    RecallSeconds "recall_seconds" Kind::Integer { min: 1, max: 604_800 }, "120", Later,
        "how long after sending a message can be recalled";
    BlockingIsReported "blocking_is_reported" Kind::Switch, "off", Later,
        "on: who writes to somebody that blocked them gets 20007; off: the message seems sent and is dropped";
    BlockingKeepsFriendship "blocking_keeps_friendship" Kind::Switch, "off", Later,
        "on: blocking somebody leaves the friendship";
    FriendCheck "friend_check" Kind::Switch, "off", Later,
        "on: only friends may write to one another";
    AllowType "allow_type" Kind::Choice(&["allow_any", "need_confirm", "deny_any"]), "allow_any", Later,
        "what new accounts answer to friend applications";
    DeletionFollowsUser "deletion_follows_user" Kind::Switch, "on", Later,
        "on: what a user deletes from their own view goes from all their devices";
    ConversationListSize "conversation_list_size" Kind::Integer { min: 100, max: 500 }, "100", Later,
        "conversations that the administration interface lists for a user";
    HistoryDays "history_days" Kind::Integer { min: 1, max: 36_500 }, "36500", Later,
        "how long messages are kept";
    UserStatus "user_status" Kind::Switch, "off", Later,
        "on: users may ask for and subscribe to one another's status";
    FriendStatusPush "friend_status_push" Kind::Switch, "off", Later,
        "on: friends' status is pushed without a subscription";
    MessageExtension "message_extension" Kind::Switch, "off", Later,
        "on: messages may carry extensions";
    ReadReceiptGroupTypes "read_receipt_group_types" Kind::Set(GROUP_TYPES), "", Later,
        "group types with read receipts";
    MeetingUnread "meeting_unread" Kind::Switch, "off", Later,
        "on: Meeting groups count unread messages";
    EarlierHistoryGroupTypes "earlier_history_group_types" Kind::Set(GROUP_TYPES), "Meeting", Later,
        "group types that show new members what was written before";
    LiveRoomMemberList "live_room_member_list" Kind::Switch, "off", Later,
        "on: live rooms list who is online";
    Community "community" Kind::Switch, "off", Later,
        "on: communities can be made";
    Topic "topic" Kind::Switch, "off", Later,
        "on: communities can have topics";
    PermissionGroup "permission_group" Kind::Switch, "off", Later,
        "on: communities can have permission groups";
    ProfileSubscription "profile_subscription" Kind::Switch, "off", Later,
        "on: profiles of strangers can be subscribed to";
    GroupMessagesPerSecond "group_messages_per_second" Kind::Integer { min: 1, max: 100_000 }, "40", Later,
        "messages that a group takes in a second";
};

impl SettingRow {
    /// The setting of a name: 70402 where there is none.
    pub fn get(name: &str) -> Result<&'static Self, Error> {
        SETTINGS
            .iter()
            .find(|row| row.name == name)
            .ok_or_else(|| Error::new(Code::BAD_PARAMETER, format!("there is no setting {name}")))
    }

    /// Refuses a value that the setting does not take.
    pub fn check(&self, value: &str) -> Result<(), Error> {
        let is_valid = match self.kind {
            Kind::Switch => matches!(value, "on" | "off"),
            Kind::Integer { min, max } => value.parse::<i64>().is_ok_and(|number| {
                // One spelling per number: "+1" and "01" would read back as something else.
                (min..=max).contains(&number) && number.to_string() == value
            }),
            Kind::Choice(words) => words.contains(&value),
            Kind::Set(words) => is_set_of(words, value),
        };
        if is_valid {
            Ok(())
        } else {
            Err(Error::new(Code::BAD_PARAMETER, format!("{} takes {}, not {value:?}", self.name, self.kind)))
        }
    }
}

fn is_set_of(words: &[&str], value: &str) -> bool {
    let mut seen = Vec::new();
    value.is_empty()
        || value.split(',').all(|word| {
            let is_new = words.contains(&word) && !seen.contains(&word);
            seen.push(word);
            is_new
        })
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Switch => f.write_str("on or off"),
            Self::Integer { min, max } => write!(f, "a whole number from {min} to {max}"),
            Self::Choice(words) => write!(f, "one of {}", words.join(", ")),
            Self::Set(words) => write!(f, "some of {}, separated by commas", words.join(",")),
        }
    }
}

/// The settings of one app as they are now.
#[derive(Debug, Clone)]
pub struct Settings {
    values: Vec<String>,
}

impl Settings {
    /// The defaults, under what was set. A stored value that this version does not take counts as not set.
    pub(crate) fn from_stored(stored: &[(String, String)]) -> Self {
        let value = |row: &SettingRow| {
            let set = stored.iter().find(|(name, _)| name == row.name).map(|(_, value)| value.as_str());
            set.filter(|value| row.check(value).is_ok()).unwrap_or(row.default).to_owned()
        };
        Self { values: SETTINGS.iter().map(value).collect() }
    }

    /// A value as text.
    pub fn text(&self, setting: Setting) -> &str {
        &self.values[setting as usize]
    }

    /// The value of a setting whose kind is a whole number.
    pub(crate) fn integer(&self, setting: Setting) -> i64 {
        self.text(setting).parse().expect("checked when it was read")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_is_a_value_of_its_setting_and_rows_stand_in_the_order_of_the_enum() {
        for (index, row) in SETTINGS.iter().enumerate() {
            row.check(row.default).unwrap();
            assert_eq!(row.setting as usize, index, "{}", row.name);
        }
    }

    #[test]
    fn values_that_a_setting_does_not_take_are_refused() {
        for (name, value) in [
            ("multi_login_policy", "many"),
            ("instances_web", "0"),
            ("instances_web", "11"),
            ("instances_web", "+2"),
            ("friend_check", "true"),
            ("read_receipt_group_types", "Work,Work"),
            ("read_receipt_group_types", "Work, Public"),
            ("recall_seconds", "99999999999999999999"),
        ] {
            let refusal = SettingRow::get(name).unwrap().check(value).unwrap_err();
            assert_eq!(refusal.code(), Code::BAD_PARAMETER, "{name} {value}");
        }
        SettingRow::get("read_receipt_group_types").unwrap().check("Work,Public").unwrap();
        assert_eq!(SettingRow::get("colour").unwrap_err().code(), Code::BAD_PARAMETER);
    }

    #[test]
    fn what_an_older_version_stored_and_this_one_does_not_take_counts_as_not_set() {
        let settings = Settings::from_stored(&[("instances_web".into(), "99".into())]);
        assert_eq!(settings.integer(Setting::InstancesWeb), 1);
    }
}
