// SPDX-License-Identifier: Apache-2.0

import Foundation
import Hongyan

/// A real server in a process of its own, and the folder of everything that a run leaves on disk.
final class BenchServer: Sendable {
    let binary: String
    private let folder: URL
    private let process = Process()
    private let facts: [String: String]

    init() throws {
        guard let binary = ProcessInfo.processInfo.environment["HONGYAN_SERVER_BINARY"] else {
            throw BenchFailure("HONGYAN_SERVER_BINARY must name the server's binary")
        }
        self.binary = binary
        folder = FileManager.default.temporaryDirectory.appendingPathComponent("hongyan-bench-\(UUID())")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        process.executableURL = URL(fileURLWithPath: binary)
        process.arguments = ["serve", "--listen", "127.0.0.1:0", "--data", folder.appendingPathComponent("server").path]
        // One sender makes a history faster than one user is let to by default.
        process.environment = [
            "HONGYAN_SERVER_GATEWAY__REQUESTS_PER_SECOND": "100000", "HONGYAN_SERVER_GATEWAY__REQUESTS_BURST": "100000",
        ]
        process.standardError = FileHandle.nullDevice
        let output = Pipe()
        process.standardOutput = output
        try process.run()
        var said = ""
        while !said.contains("listening on ") {
            let data = output.fileHandleForReading.availableData
            guard !data.isEmpty else { throw BenchFailure("the server did not start: \(said)") }
            said += String(decoding: data, as: UTF8.self)
        }
        var facts: [String: String] = [:]
        for line in said.split(separator: "\n") {
            let words = line.replacingOccurrences(of: "listening on ", with: "url: ").components(separatedBy: ": ")
            facts[words[0]] = words.last
        }
        self.facts = facts
    }

    deinit {
        process.terminate()
        process.waitUntilExit()
        try? FileManager.default.removeItem(at: folder)
    }

    /// A client of a new device, logged in.
    func client(_ user: String, on platform: Platform = .iphone) async throws -> ImClient {
        guard let sdkAppId = facts["sdkAppId"].flatMap({ Int($0) }), let key = facts["key"], let url = facts["url"] else {
            throw BenchFailure("the server did not name its demo app: \(facts)")
        }
        let data = folder.appendingPathComponent("device-\(UUID())")
        let config = ImClientConfig(sdkAppId: sdkAppId, serverUrl: url, dataFolder: data, platform: platform)
        let client = try ImClient(config: config)
        let userSig = try sign(["--sdkappid", "\(sdkAppId)", "--key", key, "--user", user])
        try await client.login(userId: user, userSig: userSig)
        return client
    }

    private func sign(_ arguments: [String]) throws -> String {
        let signing = Process()
        signing.executableURL = URL(fileURLWithPath: binary)
        signing.arguments = ["usersig", "sign"] + arguments
        let output = Pipe()
        signing.standardOutput = output
        try signing.run()
        let said = output.fileHandleForReading.readDataToEndOfFile()
        signing.waitUntilExit()
        return String(decoding: said, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
    }
}

/// Why there is nothing to measure.
struct BenchFailure: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) {
        self.description = description
    }
}
