// SPDX-License-Identifier: Apache-2.0
//! The numbers of the Tencent Cloud IM SDK for what the SDK has as enums.

use crate::account::LoginStatus;
use crate::config::LogLevel;
use crate::conversation::ConversationType;
use crate::group::GroupMemberResult;
use crate::message::{
    GroupTipsType, HistoryDirection, HistorySource, KeywordListMatchType, MessagePriority, MessageStatus, MessageType,
};

/// Numbers and what they mean.
pub(super) type Numbers = &'static [(i32, &'static str)];

/// Makes, of each enum, its numbers for people and both directions for the bridge.
macro_rules! numbers {
    ($($title:literal $type:path { $($number:literal $variant:ident $meaning:literal),+ $(,)? })*) => {
        $(
            impl Native for $type {
                const NUMBERS: Numbers = &[$(($number, $meaning)),+];

                fn number(self) -> i32 {
                    match self {
                        $(Self::$variant => $number),+
                    }
                }

                fn of(number: i32) -> Option<Self> {
                    match number {
                        $($number => Some(Self::$variant),)+
                        _ => None,
                    }
                }
            }
        )*

        /// All of them, with what they are called.
        #[cfg(test)]
        pub(super) const TITLES: &[(&str, Numbers)] = &[$(($title, <$type>::NUMBERS)),*];
    };
}

/// An enum with native numbers.
pub(super) trait Native: Sized {
    /// All its numbers.
    const NUMBERS: Numbers;
    /// The number.
    fn number(self) -> i32;
    /// What has the number.
    fn of(number: i32) -> Option<Self>;
}

numbers! {
    "Login status" LoginStatus { 1 LoggedIn "logged in", 2 LoggingIn "a login is running", 3 NotLoggedIn "not logged in" }
    "Log level" LogLevel { 0 None "nothing", 3 Debug "debug", 4 Info "info", 5 Warn "warning", 6 Error "error" }
    "Message status" MessageStatus { 1 Sending "sending", 2 Sent "sent", 3 Failed "failed" }
    "Message priority" MessagePriority {
        0 Default "not said", 1 High "before all others", 2 Normal "as usual", 3 Low "dropped first"
    }
    "Group tips type" GroupTipsType { 0 Unknown "newer than this version", 2 Invite "invited", 3 Quit "left" }
    "Conversation type" ConversationType { 1 C2c "with one user", 2 Group "of a group" }
    "Member operation result" GroupMemberResult {
        0 Failed "no such user", 1 Ok "done", 2 Invalid "a member already", 3 Pending "waits for approval",
        4 OverLimit "the group, or the user's number of groups, is full"
    }
    "History get type" GetType {
        1 CloudOlder "older, cloud", 2 CloudNewer "newer, cloud", 3 LocalOlder "older, this device",
        4 LocalNewer "newer, this device"
    }
    "Keyword match type" KeywordListMatchType { 0 Or "one of them", 1 And "all of them" }
    "Type of a message that is found" MessageType { 1 Text "text", 2 Custom "custom, by its description" }
    "Element type" ElemType {
        0 None "newer than this version", 1 Text "text", 2 Custom "custom", 9 GroupTips "what happened in a group"
    }
}

/// The kinds of elements that an app sends.
pub(super) const ELEM_TYPE_SENT: Numbers = &[(1, "text"), (2, "custom")];

/// Which way and where history is read.
#[derive(Clone, Copy)]
pub(super) enum GetType {
    CloudOlder,
    CloudNewer,
    LocalOlder,
    LocalNewer,
}

impl GetType {
    /// As the SDK has it.
    pub(super) fn parts(self) -> (HistoryDirection, HistorySource) {
        match self {
            Self::CloudOlder => (HistoryDirection::Older, HistorySource::Cloud),
            Self::CloudNewer => (HistoryDirection::Newer, HistorySource::Cloud),
            Self::LocalOlder => (HistoryDirection::Older, HistorySource::Local),
            Self::LocalNewer => (HistoryDirection::Newer, HistorySource::Local),
        }
    }
}

/// Which kind an element is.
#[derive(Clone, Copy)]
pub(super) enum ElemType {
    None,
    Text,
    Custom,
    GroupTips,
}
