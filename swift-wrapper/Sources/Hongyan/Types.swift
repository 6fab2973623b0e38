// SPDX-License-Identifier: Apache-2.0
// The value types, under this module's own name: an app imports `Hongyan` alone.
import HongyanCallbacks
import HongyanFFI

/// Why a call failed.
public typealias ImError = HongyanCallbacks.ImError
/// The result codes by name. The list is not closed: a newer server, or an app's own, may send others.
public typealias ErrorCode = HongyanCallbacks.ErrorCode

/// What kind of device this is.
public typealias Platform = HongyanFFI.Platform
/// How much is written to the log.
public typealias LogLevel = HongyanFFI.LogLevel
/// Whether somebody is logged in.
public typealias LoginStatus = HongyanFFI.LoginStatus
/// What is public of a user.
public typealias UserInfo = HongyanFFI.UserInfo

/// A message of a conversation.
public typealias Message = HongyanFFI.Message
extension Message {
    /// The text of a message that begins with one; nothing for every other message.
    public var text: String? {
        if case .text(let text)? = elements.first { text } else { nil }
    }
}
/// A message to be sent.
public typealias OutgoingMessage = HongyanFFI.OutgoingMessage
/// One part of a message.
public typealias Element = HongyanFFI.Element
/// How urgent a message is.
public typealias MessagePriority = HongyanFFI.MessagePriority
/// How far sending a message has come.
public typealias MessageStatus = HongyanFFI.MessageStatus
/// How far the other user of a one-to-one conversation has read.
public typealias MessageReceipt = HongyanFFI.MessageReceipt
/// A page of history.
public typealias HistoryPage = HongyanFFI.HistoryPage
/// How many of the keywords of a search a message must have.
public typealias KeywordListMatchType = HongyanFFI.KeywordListMatchType
/// A kind of message that a search finds.
public typealias MessageType = HongyanFFI.MessageType
/// A page of what a search found.
public typealias MessageSearchResult = HongyanFFI.MessageSearchResult
/// What a search found in one conversation.
public typealias MessageSearchResultItem = HongyanFFI.MessageSearchResultItem
/// Which way history is read.
public typealias HistoryDirection = HongyanFFI.HistoryDirection
/// Where history is read.
public typealias HistorySource = HongyanFFI.HistorySource

/// A conversation as the list shows it.
public typealias Conversation = HongyanFFI.Conversation
/// Which kind of conversation it is.
public typealias ConversationType = HongyanFFI.ConversationType
/// A page of the list of conversations.
public typealias ConversationPage = HongyanFFI.ConversationPage

/// What became of one user that a call about members named.
public typealias GroupMemberOperationResult = HongyanFFI.GroupMemberOperationResult
/// How a call about a member went.
public typealias GroupMemberResult = HongyanFFI.GroupMemberResult
/// What a group tip tells of.
public typealias GroupTipsType = HongyanFFI.GroupTipsType
