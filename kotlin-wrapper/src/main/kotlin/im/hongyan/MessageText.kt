// SPDX-License-Identifier: Apache-2.0
package im.hongyan

/** The text of a message that begins with one; null for every other message. */
public val Message.text: String?
    get() = (elements.firstOrNull() as? TextElement)?.text
