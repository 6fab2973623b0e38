// SPDX-License-Identifier: Apache-2.0
//! What waits in the dispatcher's queue: references, never bodies.

use hongyan_protocol::codes::Code;
use hongyan_protocol::ids::{MessageId, SeqRange};

/// A row of the local table of conversations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ConversationRow(pub i64);

/// Something that listeners are to hear of. Bodies are read from the store when it is delivered, so that what
/// waits is small and many events of one thing become one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum EventRef {
    /// A connection is being made.
    Connecting,
    /// A session was opened or taken up.
    ConnectSuccess,
    /// An attempt failed.
    ConnectFailed {
        /// Why.
        code: Code,
        /// In words.
        detail: String,
    },
    /// Another device took this one's place.
    KickedOffline,
    /// The UserSig has ended.
    UserSigExpired,
    /// The user's own profile changed: [`crate::sync::Local::self_info`].
    SelfInfo,
    /// Conversations are being brought up to date.
    SyncStart,
    /// Conversations are up to date.
    SyncFinish,
    /// Conversations could not be brought up to date.
    SyncFailed,
    /// Messages of others, or of the user's other devices, are in the store.
    NewMessages {
        /// Where.
        conversation: ConversationRow,
        /// Which; what was sent from here among them is not reported.
        range: SeqRange,
    },
    /// The status of a message that was sent from here changed.
    MessageStatus(MessageId),
    /// The peer of a one-to-one conversation read further.
    ReadReceipt(ConversationRow),
    /// A conversation appeared.
    ConversationNew(ConversationRow),
    /// A conversation changed.
    ConversationChanged(ConversationRow),
    /// The number of all unread messages changed.
    TotalUnread,
}
