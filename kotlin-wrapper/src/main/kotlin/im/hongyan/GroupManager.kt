// SPDX-License-Identifier: Apache-2.0
package im.hongyan

import im.hongyan.ffi.CreateGroupOption
import im.hongyan.ffi.GroupManager as NativeGroupManager

/**
 * The user's groups: [ImClient.groups].
 *
 * All of it needs a connection. Every method may also throw an [ImException] with 9508 without a connection, 6012 at
 * the deadline of 30 seconds, 6014 when not logged in, and 6013 once the client is closed.
 */
public class GroupManager internal constructor(
    private val native: NativeGroupManager,
) {
    /**
     * Makes a group, with the user as its owner. Its first message is a tip about its members; all of them, this
     * device too, hear [ConversationListener.onNewConversation] and [AdvancedMsgListener.onRecvNewMessage].
     *
     * @param groupType The kind of group: `Work` is the only one yet.
     * @param groupName Its name, at most 100 bytes of UTF-8.
     * @param groupId Its id, 1 to 48 bytes of printable ASCII, not beginning with `@TGS#`; the server makes one where
     *   none is given.
     * @param faceUrl The address of its picture, at most 500 bytes; empty for none.
     * @param memberList Who is in it from the start beside the user, at most 20.
     * @return The group's id.
     * @throws ImException 6017 for an unknown kind, 7003 for a bad user id, 8501 for a bad group id, 8502 for a bad
     *   name, 8505 for a bad picture's address, 8507 for more than 20 members; from the server 10019 for users who do
     *   not exist, 10021 for an id that is taken, 10025 for one that the user's own group has.
     */
    public suspend fun createGroup(
        groupType: String = "Work",
        groupName: String,
        groupId: String? = null,
        faceUrl: String = "",
        memberList: List<String> = emptyList(),
    ): String =
        awaited {
            native.createGroup(
                CreateGroupOption(
                    groupType = groupType,
                    groupId = groupId,
                    groupName = groupName,
                    faceUrl = faceUrl,
                    memberList = memberList,
                ),
            )
        }

    /**
     * Adds users to a group. They see the group from the tip about their coming on; all members hear of the tip as of a
     * message.
     *
     * @param userIds Whom, 1 to 20.
     * @return How it went for each, in the order of [userIds].
     * @throws ImException 7003 for a bad user id, 8501 for a bad group id, 8507 for more than 20 users, 8510 for none;
     *   from the server 10007 where the user is no member, 10010 for no such group.
     */
    public suspend fun inviteUserToGroup(
        groupId: String,
        userIds: List<String>,
    ): List<GroupMemberOperationResult> = awaited { native.inviteUserToGroup(groupId, userIds) }

    /**
     * Leaves a group. The conversation stays on this device with what was read of it; nothing new comes, and sending
     * throws 10007.
     *
     * @throws ImException 8501 for a bad group id; from the server 10007 where the user is no member, 10010 for no such
     *   group.
     */
    public suspend fun quitGroup(groupId: String): Unit = awaited { native.quitGroup(groupId) }

    internal fun release(): Unit = native.destroy()
}
