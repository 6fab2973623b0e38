// SPDX-License-Identifier: Apache-2.0

import Hongyan

extension Message {
    /// What a row of the screen says.
    var words: String {
        let parts = elements.map { element in
            switch element {
            case .text(let text): text
            case .groupTips(_, _, let operatorId, let members, _):
                "brought in " + members.filter { $0 != operatorId }.joined(separator: " and ")
            case .custom(_, let description, _): description
            default: "(something newer)"
            }
        }
        return parts.joined(separator: " ")
    }
}

extension [Message] {
    var ids: [String] { map(\.messageId) }

    /// From 1 on, each sequence once.
    var isDense: Bool { map(\.seq) == (0..<count).map { Int64($0) + 1 } }
}
