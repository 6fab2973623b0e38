// SPDX-License-Identifier: Apache-2.0

import Hongyan

/// What a device has been told until now.
struct Seen: Sendable {
    var isOnline = false
    var messages: [Message] = []
    var conversations: [String: Conversation] = [:]
    var unreadCount: Int64 = 0
    var readByPeer: [String: Int64] = [:]
}
