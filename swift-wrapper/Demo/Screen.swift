// SPDX-License-Identifier: Apache-2.0

import Foundation

private let width = 30
private let began = ProcessInfo.processInfo.systemUptime

/// Prints at once, also into a pipe.
func printLine(_ line: String) {
    print(line)
    fflush(nil)
}

/// What one person sees, in a column of its own.
struct Screen {
    let column: Int
    var mark = ""

    func show(_ line: String) {
        let seconds = String(format: "%7.3fs ", ProcessInfo.processInfo.systemUptime - began)
        printLine(seconds + String(repeating: " ", count: width * column) + mark + line)
    }
}

func chapter(_ title: String) {
    printLine("\n── \(title) ──")
}

/// Something that happens to all.
func happens(_ what: String) {
    printLine("         ⚡ \(what)")
}

/// Says what was checked; what does not hold ends the demo.
func claim(_ what: String, _ holds: Bool) throws {
    guard holds else { throw Broken(what: what) }
    printLine("         ✓ \(what)")
}

private struct Broken: Error, CustomStringConvertible {
    let what: String

    var description: String { "this does not hold: \(what)" }
}
