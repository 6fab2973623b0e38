// SPDX-License-Identifier: Apache-2.0
package im.hongyan.demo

import im.hongyan.CustomElement
import im.hongyan.GroupTipsElement
import im.hongyan.Message
import im.hongyan.TextElement
import im.hongyan.UnknownElement

/** What a row of the screen says. */
fun Message.words(): String =
    elements.joinToString(" ") { element ->
        when (element) {
            is TextElement -> element.text
            is GroupTipsElement -> "brought in ${(element.members - sender).joinToString(" and ")}"
            is CustomElement -> element.description
            is UnknownElement -> "(something newer)"
        }
    }

fun List<Message>.ids(): List<String> = map { it.messageId }

/** From 1 on, each sequence once. */
fun List<Message>.isDense(): Boolean = map { it.seq } == (1L..size).toList()
