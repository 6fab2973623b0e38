// SPDX-License-Identifier: Apache-2.0

import Foundation

/// A process of the server's binary, and what it says.
package final class Command: Sendable {
    /// Ends the command with the pipe that it is fed from, so that no server outlives a program that crashed.
    private static let guarded = #""$@" & exec >/dev/null; cat; kill -9 $!; wait"#

    /// What it has said until now.
    package let output = Watched("")
    private let process = Process()
    private let input: Pipe
    private let hasEnded = Flag(false)

    static let repository = (0..<3).reduce(URL(fileURLWithPath: #filePath)) { url, _ in url.deletingLastPathComponent() }

    /// The server's binary: what the environment names, or the debug build.
    private static var binary: String {
        ProcessInfo.processInfo.environment["HONGYAN_SERVER_BINARY"]
            ?? repository.appendingPathComponent("target/debug/hongyan-server").path
    }

    /// One process is started at a time: another one would inherit the ends of pipes that are just being made, and keep
    /// them open.
    private static let starting = NSLock()

    package init(_ arguments: [String], log: URL? = nil) throws {
        Self.starting.lock()
        defer { Self.starting.unlock() }
        input = Pipe()
        process.executableURL = URL(fileURLWithPath: "/bin/sh")
        process.arguments = ["-c", Self.guarded, "sh", Self.binary] + arguments
        // What is expected are the server's defaults, whatever the shell has set.
        process.environment = ProcessInfo.processInfo.environment.filter { !$0.key.hasPrefix("HONGYAN_") }
        process.standardInput = input
        if let log {
            try Data().write(to: log)
            process.standardError = try FileHandle(forWritingTo: log)
        }
        let pipe = Pipe()
        process.standardOutput = pipe
        process.terminationHandler = { [hasEnded] _ in hasEnded.raise() }
        pipe.fileHandleForReading.readabilityHandler = { [output] handle in
            let data = handle.availableData
            if data.isEmpty {
                handle.readabilityHandler = nil
            }
            output.change { $0 += String(decoding: data, as: UTF8.self) }
        }
        try process.run()
    }

    deinit {
        try? input.fileHandleForWriting.close()
    }

    /// Kills it at once, as a power cut would, and waits for its end.
    package func kill() async throws {
        try? input.fileHandleForWriting.close()
        try await hasEnded.wait(for: "the end of a killed process")
    }

    /// The one line that a command says.
    package static func line(_ arguments: [String]) async throws -> String {
        let command = try Command(arguments)
        try await command.output.wait(for: "a line of \(arguments)", until: { $0.hasSuffix("\n") })
        try await command.kill()
        return command.output.now.trimmingCharacters(in: .newlines)
    }
}
