// SPDX-License-Identifier: Apache-2.0
package im.hongyan

// The values that the SDK gives and takes, under the app's own import. They are immutable; a changed one is made with
// `copy`. A Kotlin type alias does not lead to the classes inside a sealed class, so the kinds of elements have
// names of their own.

/** A message of a conversation, as it is stored on this device. */
public typealias Message = im.hongyan.ffi.Message

/** How far sending a message has come. */
public typealias MessageStatus = im.hongyan.ffi.MessageStatus

/** How urgent a message is, where messages are dropped under load. */
public typealias MessagePriority = im.hongyan.ffi.MessagePriority

/** How far the other user of a one-to-one conversation has read. */
public typealias MessageReceipt = im.hongyan.ffi.MessageReceipt

/** A message to be sent, made by [MessageManager.createTextMessage] or [MessageManager.createCustomMessage]. */
public typealias OutgoingMessage = im.hongyan.ffi.OutgoingMessage

/**
 * One part of a message: a [TextElement], a [CustomElement], a [GroupTipsElement] or an [UnknownElement]. A `when`
 * over these four needs no `else`.
 */
public typealias Element = im.hongyan.ffi.Element

/** An [Element] that is text. */
public typealias TextElement = im.hongyan.ffi.Element.Text

/** An [Element] of bytes that only the app understands. */
public typealias CustomElement = im.hongyan.ffi.Element.Custom

/** An [Element] that tells what happened in a group. Only the server makes it. */
public typealias GroupTipsElement = im.hongyan.ffi.Element.GroupTips

/** An [Element] of a kind newer than this SDK. An SDK that knows it will show it. */
public typealias UnknownElement = im.hongyan.ffi.Element.Unknown

/** What a [GroupTipsElement] tells of. */
public typealias GroupTipsType = im.hongyan.ffi.GroupTipsType

/** Which way history is read. */
public typealias HistoryDirection = im.hongyan.ffi.HistoryDirection

/** Where history is read. */
public typealias HistorySource = im.hongyan.ffi.HistorySource

/** A page of history. */
public typealias HistoryPage = im.hongyan.ffi.HistoryPage

/** How many of the keywords of a search a message must have. */
public typealias KeywordListMatchType = im.hongyan.ffi.KeywordListMatchType

/** A kind of message that [MessageManager.searchLocalMessages] finds. */
public typealias MessageType = im.hongyan.ffi.MessageType

/** A page of what [MessageManager.searchLocalMessages] found. */
public typealias MessageSearchResult = im.hongyan.ffi.MessageSearchResult

/** What [MessageManager.searchLocalMessages] found in one conversation. */
public typealias MessageSearchResultItem = im.hongyan.ffi.MessageSearchResultItem

/** A conversation as the list shows it. */
public typealias Conversation = im.hongyan.ffi.Conversation

/** The kinds of conversations. */
public typealias ConversationType = im.hongyan.ffi.ConversationType

/** A page of the list of conversations. */
public typealias ConversationPage = im.hongyan.ffi.ConversationPage

/** What became of one user whom [GroupManager.inviteUserToGroup] named. */
public typealias GroupMemberOperationResult = im.hongyan.ffi.GroupMemberOperationResult

/** How a call about a member went. */
public typealias GroupMemberResult = im.hongyan.ffi.GroupMemberResult

/** What is public of a user. */
public typealias UserInfo = im.hongyan.ffi.UserInfo

/** Whether a user is logged in. */
public typealias LoginStatus = im.hongyan.ffi.LoginStatus

/** How important a line of the log is. */
public typealias LogLevel = im.hongyan.ffi.LogLevel

/** What kind of device a client runs on. */
public typealias Platform = im.hongyan.ffi.Platform
