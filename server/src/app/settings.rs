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
    /// How many messages one user sends other users in a second.
    C2cMessagesPerSecond,
    /// How many messages go to all live rooms of the app in a second.
    LiveRoomBroadcastsPerSecond,
    /// Which group types push a tip when somebody joins or leaves.
    TipsMembersPushed,
    /// Which group types keep that tip in their history.
    TipsMembersStored,
    /// Which group types push a tip when the name changes.
    TipsNamePushed,
    /// Which group types keep that tip in their history.
    TipsNameStored,
    /// Which group types push a tip when the face URL changes.
    TipsFaceUrlPushed,
    /// Which group types keep that tip in their history.
    TipsFaceUrlStored,
    /// Which group types push a tip when the introduction changes.
    TipsIntroductionPushed,
    /// Which group types keep that tip in their history.
    TipsIntroductionStored,
    /// Which group types push a tip when the notification changes.
    TipsNotificationPushed,
    /// Which group types keep that tip in their history.
    TipsNotificationStored,
    /// Which group types push a tip when the owner changes.
    TipsOwnerPushed,
    /// Which group types keep that tip in their history.
    TipsOwnerStored,
    /// Which group types push a tip when muting everybody changes.
    TipsMutePushed,
    /// Which group types keep that tip in their history.
    TipsMuteStored,
    /// Which group types push a tip when the way in changes.
    TipsJoinOptionPushed,
    /// Which group types keep that tip in their history.
    TipsJoinOptionStored,
    /// Which group types push a tip when custom fields change.
    TipsCustomFieldsPushed,
    /// Which group types keep that tip in their history.
    TipsCustomFieldsStored,
    /// Which group types push a tip when a role changes.
    TipsMemberRolePushed,
    /// Which group types keep that tip in their history.
    TipsMemberRoleStored,
    /// Which group types push a tip when a member is muted.
    TipsMemberMutePushed,
    /// Which group types keep that tip in their history.
    TipsMemberMuteStored,
    /// How new members of Work groups receive messages.
    WorkMsgFlag,
    /// How new members of Public groups receive messages.
    PublicMsgFlag,
    /// How new members of Meeting groups receive messages.
    MeetingMsgFlag,
    /// How new members of AVChatRoom groups receive messages.
    LiveRoomMsgFlag,
    /// How new members of Community groups receive messages.
    CommunityMsgFlag,
    /// Whether texts go through the app's list of words.
    WordFilter,
    /// Whether pictures, sounds and videos are looked at after they were sent.
    MediaModeration,
    /// Where webhooks go.
    WebhookUrl,
    /// Which webhooks are called.
    WebhookCommands,
    /// What a webhook that does not answer in time means to what it was asked about.
    WebhookSilence,
    /// Which file holds the certificate or key for push through Apple.
    PushApnsFile,
    /// Which file holds the certificate or key for push through Google.
    PushFcmFile,
    /// Which file holds the certificate or key for push through Huawei.
    PushHuaweiFile,
    /// Which file holds the certificate or key for push through Honor.
    PushHonorFile,
    /// Which file holds the certificate or key for push through Xiaomi.
    PushXiaomiFile,
    /// Which file holds the certificate or key for push through OPPO.
    PushOppoFile,
    /// Which file holds the certificate or key for push through vivo.
    PushVivoFile,
    /// Which file holds the certificate or key for push through Meizu.
    PushMeizuFile,
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
    /// Any text of one line, or nothing.
    Text {
        /// The most bytes.
        bytes_max: usize,
    },
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

/// How a member receives a group's messages.
const MSG_FLAGS: &[&str] = &["AcceptAndNotify", "AcceptNotNotify", "Discard", "AcceptNotNotifyExceptAt"];

#[rustfmt::skip]
const WEBHOOK_COMMANDS: &[&str] = &[
    "State.StateChange", "Profile.CallbackPortraitSet",
    "Sns.CallbackPrevFriendAdd", "Sns.CallbackPrevFriendResponse", "Sns.CallbackFriendAdd", "Sns.CallbackFriendDelete",
    "Sns.CallbackBlackListAdd", "Sns.CallbackBlackListDelete",
    "C2C.CallbackBeforeSendMsg", "C2C.CallbackAfterSendMsg", "C2C.CallbackAfterMsgReport",
    "C2C.CallbackAfterMsgWithDraw",
    "Group.CallbackBeforeCreateGroup", "Group.CallbackBeforeApplyJoinGroup", "Group.CallbackBeforeInviteJoinGroup",
    "Group.CallbackBeforeSendMsg", "Group.CallbackBeforeCreateTopic",
    "Group.CallbackAfterCreateGroup", "Group.CallbackAfterNewMemberJoin", "Group.CallbackAfterMemberExit",
    "Group.CallbackAfterSendMsg", "Group.CallbackAfterGroupFull", "Group.CallbackAfterGroupDestroyed",
    "Group.CallbackAfterGroupInfoChanged", "Group.CallbackAfterChangeGroupOwner", "Group.CallbackAfterRecallMsg",
    "Group.CallbackAfterGroupAttrChanged", "Group.CallbackAfterMemberFieldChanged", "Group.CallbackAfterReadReceipt",
    "Group.CallbackAfterCreateTopic", "Group.CallbackAfterTopicDestroyed", "Group.CallbackAfterTopicInfoChanged",
    "Group.CallbackSendMsgException", "Group.CallbackOnMemberStateChange",
    "Push.OfflinePush", "Push.AllMemberPush", "ContentCallback.ResultNotify",
];

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
    C2cMessagesPerSecond "c2c_messages_per_second" Kind::Integer { min: 0, max: 100_000 }, "0", Later,
        "messages that a user sends other users in a second; 0: as many as a session may ask for";
    LiveRoomBroadcastsPerSecond "live_room_broadcasts_per_second" Kind::Integer { min: 1, max: 5 }, "1", Later,
        "messages to all live rooms of the app in a second";
    TipsMembersPushed "tips_members_pushed" Kind::Set(GROUP_TYPES), "Work,Public,AVChatRoom,Community", Later,
        "group types that push a tip when somebody joins, leaves or is removed";
    TipsMembersStored "tips_members_stored" Kind::Set(GROUP_TYPES), "Work,Public,Community", Later,
        "group types that keep the tip in their history when somebody joins, leaves or is removed";
    TipsNamePushed "tips_name_pushed" Kind::Set(GROUP_TYPES), "Work,Public,AVChatRoom,Community", Later,
        "group types that push a tip when the group's name changes";
    TipsNameStored "tips_name_stored" Kind::Set(GROUP_TYPES), "Work,Public,Community", Later,
        "group types that keep the tip in their history when the group's name changes";
    TipsFaceUrlPushed "tips_face_url_pushed" Kind::Set(GROUP_TYPES), "Work,Public,AVChatRoom,Community", Later,
        "group types that push a tip when the group's face URL changes";
    TipsFaceUrlStored "tips_face_url_stored" Kind::Set(GROUP_TYPES), "Work,Public,Community", Later,
        "group types that keep the tip in their history when the group's face URL changes";
    TipsIntroductionPushed "tips_introduction_pushed" Kind::Set(GROUP_TYPES), "Work,Public,AVChatRoom,Community", Later,
        "group types that push a tip when the group's introduction changes";
    TipsIntroductionStored "tips_introduction_stored" Kind::Set(GROUP_TYPES), "Work,Public,Community", Later,
        "group types that keep the tip in their history when the group's introduction changes";
    TipsNotificationPushed "tips_notification_pushed" Kind::Set(GROUP_TYPES), "Work,Public,AVChatRoom,Community", Later,
        "group types that push a tip when the group's notification changes";
    TipsNotificationStored "tips_notification_stored" Kind::Set(GROUP_TYPES), "Work,Public,Community", Later,
        "group types that keep the tip in their history when the group's notification changes";
    TipsOwnerPushed "tips_owner_pushed" Kind::Set(GROUP_TYPES), "Work,Public,AVChatRoom,Community", Later,
        "group types that push a tip when the group gets another owner";
    TipsOwnerStored "tips_owner_stored" Kind::Set(GROUP_TYPES), "Work,Public,Community", Later,
        "group types that keep the tip in their history when the group gets another owner";
    TipsMutePushed "tips_mute_pushed" Kind::Set(GROUP_TYPES), "Work,Public,AVChatRoom,Community", Later,
        "group types that push a tip when everybody is muted, or no longer";
    TipsMuteStored "tips_mute_stored" Kind::Set(GROUP_TYPES), "Work,Public,Community", Later,
        "group types that keep the tip in their history when everybody is muted, or no longer";
    TipsJoinOptionPushed "tips_join_option_pushed" Kind::Set(GROUP_TYPES), "Work,Public,AVChatRoom,Community", Later,
        "group types that push a tip when the way into the group changes";
    TipsJoinOptionStored "tips_join_option_stored" Kind::Set(GROUP_TYPES), "Work,Public,Community", Later,
        "group types that keep the tip in their history when the way into the group changes";
    TipsCustomFieldsPushed "tips_custom_fields_pushed" Kind::Set(GROUP_TYPES), "Work,Public,AVChatRoom,Community", Later,
        "group types that push a tip when custom fields of the group change";
    TipsCustomFieldsStored "tips_custom_fields_stored" Kind::Set(GROUP_TYPES), "Work,Public,Community", Later,
        "group types that keep the tip in their history when custom fields of the group change";
    TipsMemberRolePushed "tips_member_role_pushed" Kind::Set(GROUP_TYPES), "Work,Public,Community", Later,
        "group types that push a tip when a member's role changes";
    TipsMemberRoleStored "tips_member_role_stored" Kind::Set(GROUP_TYPES), "Work,Public,Community", Later,
        "group types that keep the tip in their history when a member's role changes";
    TipsMemberMutePushed "tips_member_mute_pushed" Kind::Set(GROUP_TYPES), "Work,Public,Community", Later,
        "group types that push a tip when a member is muted, or no longer";
    TipsMemberMuteStored "tips_member_mute_stored" Kind::Set(GROUP_TYPES), "Work,Public,Community", Later,
        "group types that keep the tip in their history when a member is muted, or no longer";
    WorkMsgFlag "work_msg_flag" Kind::Choice(MSG_FLAGS), "AcceptAndNotify", Later,
        "how members of Work groups receive messages until they choose";
    PublicMsgFlag "public_msg_flag" Kind::Choice(MSG_FLAGS), "AcceptAndNotify", Later,
        "how members of Public groups receive messages until they choose";
    MeetingMsgFlag "meeting_msg_flag" Kind::Choice(MSG_FLAGS), "AcceptNotNotify", Later,
        "how members of Meeting groups receive messages until they choose";
    LiveRoomMsgFlag "live_room_msg_flag" Kind::Choice(MSG_FLAGS), "AcceptNotNotify", Later,
        "how members of AVChatRoom groups receive messages until they choose";
    CommunityMsgFlag "community_msg_flag" Kind::Choice(MSG_FLAGS), "AcceptAndNotify", Later,
        "how members of Community groups receive messages until they choose";
    WordFilter "word_filter" Kind::Switch, "on", Later,
        "on: a message with a word of the app's list is refused with 80001";
    MediaModeration "media_moderation" Kind::Switch, "off", Later,
        "on: pictures, sounds and videos are looked at after they were sent";
    WebhookUrl "webhook_url" Kind::Text { bytes_max: 500 }, "", Later,
        "where webhooks go; nothing: nowhere";
    WebhookCommands "webhook_commands" Kind::Set(WEBHOOK_COMMANDS), "", Later,
        "webhooks that are called";
    WebhookSilence "webhook_silence" Kind::Choice(&["go_on", "refuse"]), "go_on", Later,
        "what happens when a webhook that is asked first does not answer in 2 seconds; refuse: 80003";
    PushApnsFile "push_apns_file" Kind::Text { bytes_max: 500 }, "", Later,
        "file in the data folder with the certificate or key for push through Apple; nothing: no such push";
    PushFcmFile "push_fcm_file" Kind::Text { bytes_max: 500 }, "", Later,
        "file in the data folder with the certificate or key for push through Google; nothing: no such push";
    PushHuaweiFile "push_huawei_file" Kind::Text { bytes_max: 500 }, "", Later,
        "file in the data folder with the certificate or key for push through Huawei; nothing: no such push";
    PushHonorFile "push_honor_file" Kind::Text { bytes_max: 500 }, "", Later,
        "file in the data folder with the certificate or key for push through Honor; nothing: no such push";
    PushXiaomiFile "push_xiaomi_file" Kind::Text { bytes_max: 500 }, "", Later,
        "file in the data folder with the certificate or key for push through Xiaomi; nothing: no such push";
    PushOppoFile "push_oppo_file" Kind::Text { bytes_max: 500 }, "", Later,
        "file in the data folder with the certificate or key for push through OPPO; nothing: no such push";
    PushVivoFile "push_vivo_file" Kind::Text { bytes_max: 500 }, "", Later,
        "file in the data folder with the certificate or key for push through vivo; nothing: no such push";
    PushMeizuFile "push_meizu_file" Kind::Text { bytes_max: 500 }, "", Later,
        "file in the data folder with the certificate or key for push through Meizu; nothing: no such push";
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
            Kind::Text { bytes_max } => value.len() <= bytes_max && !value.chars().any(char::is_control),
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
            Self::Text { bytes_max } => write!(f, "a line of at most {bytes_max} bytes"),
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
            ("webhook_url", "http://a\nb"),
            ("push_apns_file", &"x".repeat(501)),
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
