// SPDX-License-Identifier: Apache-2.0
import HongyanFFI

/// The user's groups. All of it needs a connection: 9508 without one, 6012 at the deadline, 6014 when not logged in.
@available(iOS 13, macOS 10.15, *)
public final class GroupManager: Sendable {
    private let manager: HongyanFFI.GroupManager

    init(_ manager: HongyanFFI.GroupManager) {
        self.manager = manager
    }

    /// Makes a group, with the user as its owner, and gives its id. The group's first message is a tip about its members; all of them, this
    /// device too, hear ``ConversationEvent/new(_:)`` and ``MessageEvent/newMessages(_:)``.
    ///
    /// - Parameters:
    ///   - groupType: The kind of group: `Work`.
    ///   - groupName: Its name, at most 100 bytes.
    ///   - groupId: Its id, 1 to 48 bytes of printable ASCII, not beginning with `@TGS#`; the server makes one where none is given.
    ///   - faceUrl: The address of its picture, at most 500 bytes; empty for none.
    ///   - memberList: Who is in it from the start beside the user, at most 20.
    ///
    /// Codes: 6017 for an unknown kind, 7003 for a bad user id, 8501 for a bad group id or one that begins with `@TGS#`, 8502 for a name of more than
    /// 100 bytes, 8505 for a picture's address of more than 500 bytes, 8507 for more than 20 members; from the server 10019 for users who do
    /// not exist, 10021 for an id that is taken, 10025 for one that the user's own group has.
    public func createGroup(
        groupType: String = "Work", groupName: String, groupId: String? = nil, faceUrl: String = "", memberList: [String] = []
    ) async throws -> String {
        let option = CreateGroupOption(
            groupType: groupType, groupId: groupId, groupName: groupName, faceUrl: faceUrl, memberList: memberList)
        return try await untilCancelled { [manager] in try await manager.createGroup(option: option) }
    }

    /// Adds users to a group and says of each how it went, in the order of the call. They see the group from the tip about their coming on; all
    /// members hear of the tip as of a message.
    ///
    /// Codes: 7003 for a bad user id, 8501 for a bad group id, 8507 for more than 20 users, 8510 for none; from the server 10007 where the user is no
    /// member, 10010 for no such group.
    public func inviteUserToGroup(groupId: String, userIds: [String]) async throws -> [GroupMemberOperationResult] {
        try await untilCancelled { [manager] in try await manager.inviteUserToGroup(groupId: groupId, userIds: userIds) }
    }

    /// Leaves a group. The conversation stays on this device with what was read of it; nothing new comes, and sending answers 10007.
    ///
    /// Codes: 8501 for a bad group id; from the server 10007 where the user is no member, 10010 for no such group.
    public func quitGroup(groupId: String) async throws {
        try await untilCancelled { [manager] in try await manager.quitGroup(groupId: groupId) }
    }
}
