// SPDX-License-Identifier: Apache-2.0

import Foundation

/// A real server in a process of its own, with a folder of its own.
package final class ServerProcess: Sendable {
    /// The app that the server made at its first start.
    package let sdkAppId: Int
    package let url: String
    /// What is in it goes with the server.
    package let folder: URL
    private let key: String
    private let process: Watched<Command>

    private init(sdkAppId: Int, key: String, url: String, folder: URL, process: Command) {
        (self.sdkAppId, self.key, self.url, self.folder) = (sdkAppId, key, url, folder)
        self.process = Watched(process)
    }

    /// With a certificate the connections are TLS.
    package static func start(certificate: TestCertificate? = nil) async throws -> ServerProcess {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("hongyan-\(UUID())")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let (process, said) = try await listen(on: "127.0.0.1:0", folder, certificate)
        guard let sdkAppId = said["sdkAppId"].flatMap({ Int($0) }), let key = said["key"], let url = said["url"] else {
            throw Overdue("the demo app of a new server", seen: "\(said)")
        }
        return ServerProcess(sdkAppId: sdkAppId, key: key, url: url, folder: folder, process: process)
    }

    /// Kills the server at once, as a power cut would.
    package func kill() async throws {
        try await process.now.kill()
    }

    /// Starts a new process where the killed one was; ``url`` stays the first one's.
    package func startAgain(certificate: TestCertificate? = nil) async throws {
        let address = url.components(separatedBy: "://")[1]
        let (started, _) = try await Self.listen(on: address, folder, certificate)
        process.change { $0 = started }
    }

    /// A UserSig, as the app's own back end makes it.
    package func sign(_ user: String, options: [String] = []) async throws -> String {
        let arguments = ["usersig", "sign", "--sdkappid", "\(sdkAppId)", "--key", key, "--user", user] + options
        return try await Command.line(arguments)
    }

    /// Kills the server and removes its folder.
    package func end() async throws {
        try await kill()
        try FileManager.default.removeItem(at: folder)
    }

    /// Waits until a server listens, and gives what it said of itself: `sdkAppId`, `key` and `url`.
    private static func listen(on address: String, _ folder: URL, _ certificate: TestCertificate?) async throws -> (Command, [String: String]) {
        let data = folder.appendingPathComponent("server").path
        let log = folder.appendingPathComponent("server.log")
        let process = try Command(["serve", "--listen", address, "--data", data] + (certificate?.arguments ?? []), log: log)
        do {
            try await process.output.wait(for: "a server", until: { $0.contains("listening on ") && $0.hasSuffix("\n") })
        } catch {
            throw Overdue("a server", seen: try String(contentsOf: log, encoding: .utf8))
        }
        var facts: [String: String] = [:]
        for line in process.output.now.split(separator: "\n") {
            if let url = line.dropPrefix("listening on ") {
                facts["url"] = url
            } else if let colon = line.range(of: ": ") {
                facts[String(line[..<colon.lowerBound])] = String(line[colon.upperBound...])
            }
        }
        return (process, facts)
    }
}

/// The certificate of a server on this machine, from an authority that nobody trusts by himself.
package struct TestCertificate: Sendable {
    private static let folder = Command.repository.appendingPathComponent("tests/fixtures/tls")

    package init() {}

    /// The authority's certificate, in PEM.
    package var authority: String {
        get throws { try String(contentsOf: Self.folder.appendingPathComponent("authority.pem"), encoding: .utf8) }
    }

    fileprivate var arguments: [String] {
        let path = { Self.folder.appendingPathComponent($0).path }
        return ["--tls-certificate", path("certificate.pem"), "--tls-key", path("key.pem")]
    }
}

extension Substring {
    fileprivate func dropPrefix(_ prefix: String) -> String? {
        hasPrefix(prefix) ? String(dropFirst(prefix.count)) : nil
    }
}
