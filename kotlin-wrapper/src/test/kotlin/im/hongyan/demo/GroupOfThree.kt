// SPDX-License-Identifier: Apache-2.0
package im.hongyan.demo

private const val GROUP_ID = "geese"

/** The group's conversation. */
const val GROUP = "group_$GROUP_ID"

/** Alice makes a group, and everybody says something in it. */
suspend fun groupOfThree(people: List<Person>) {
    chapter("3 · A Work group")
    val (alice, bob, carol) = people
    alice.client.groups.createGroup(groupName = "Wild geese", groupId = GROUP_ID, memberList = listOf(bob.name, carol.name))
    alice.screen.show("has made the group")
    val tip = "brought in bob and carol"
    listOf(bob, carol).forEach { it.untilHeard(tip) }
    val said = listOf(alice to "Everybody here?", bob to "Here.", carol to "在这里。")
    said.forEach { (person, text) -> person.say(text, GROUP) }
    listOf(alice, bob).forEach { it.untilHeard("在这里。") }
    val histories = people.map { it.history(GROUP) }
    val isWhole = histories.first().map { it.words() } == listOf(tip) + said.map { (_, text) -> text }
    claim("all three see the tip and the three messages, in one order", isWhole && histories.distinctBy { it.ids() }.size == 1)
    people.forEach { it.read(GROUP) }
    people.forEach { person -> person.until("nothing unread") { it.unreadCount == 0L } }
    claim("all have read it, nobody has anything unread", people.all { it.seen.unreadCount == 0L })
}
