// SPDX-License-Identifier: Apache-2.0
package im.hongyan.demo

import im.hongyan.Conversation
import im.hongyan.Message

/** What a device has been told until now. */
data class Seen(
    val isOnline: Boolean = false,
    val messages: List<Message> = emptyList(),
    val conversations: Map<String, Conversation> = emptyMap(),
    val unreadCount: Long = 0,
    val readByPeer: Map<String, Long> = emptyMap(),
)
