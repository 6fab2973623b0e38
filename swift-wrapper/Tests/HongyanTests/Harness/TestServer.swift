// SPDX-License-Identifier: Apache-2.0

import Foundation
import Hongyan

/// A real server in a process of its own, with a folder of its own, and the devices that a test has on it.
final class TestServer: Sendable {
    let sdkAppId: Int
    let url: String
    private let key: String
    private let folder: URL
    private let process: Watched<Command>
    private let devices = Watched<[Device]>([])

    private init(sdkAppId: Int, key: String, url: String, folder: URL, process: Command) {
        (self.sdkAppId, self.key, self.url, self.folder) = (sdkAppId, key, url, folder)
        self.process = Watched(process)
    }

    static func start() async throws -> TestServer {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("hongyan-\(UUID())")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let (process, said) = try await listen(on: "127.0.0.1:0", folder)
        guard let sdkAppId = said["sdkAppId"].flatMap({ Int($0) }), let key = said["key"], let url = said["url"] else {
            throw Overdue("the demo app of a new server", seen: "\(said)")
        }
        return TestServer(sdkAppId: sdkAppId, key: key, url: url, folder: folder, process: process)
    }

    /// Kills the server at once, as a power cut would.
    func kill() async throws {
        try await process.now.kill()
    }

    /// Starts a new process where the killed one was.
    func startAgain() async throws {
        let address = url.replacingOccurrences(of: "http://", with: "")
        let (started, _) = try await Self.listen(on: address, folder)
        process.change { $0 = started }
    }

    /// A UserSig, as the app's own back end makes it.
    func sign(_ user: String, options: [String] = []) async throws -> String {
        let arguments = ["usersig", "sign", "--sdkappid", "\(sdkAppId)", "--key", key, "--user", user] + options
        return try await Command.line(arguments)
    }

    /// A new device of a user, logged in and up to date.
    func device(_ user: String, on platform: Platform = .iphone, queue: DispatchQueue? = nil) async throws -> Device {
        let device = try openDevice(user, on: platform, queue: queue)
        try await device.login()
        return device
    }

    /// A new device of a user, not logged in.
    func openDevice(_ user: String, on platform: Platform = .iphone, queue: DispatchQueue? = nil) throws -> Device {
        let data = newFolder()
        let device = try Device(user: user, on: platform, of: self, folder: data, queue: queue)
        devices.change { $0.append(device) }
        return device
    }

    /// The configuration of a client, with a folder that is this server's to remove.
    func config(platform: Platform = .iphone, folder: URL? = nil) -> ImClientConfig {
        ImClientConfig(sdkAppId: sdkAppId, serverUrl: url, dataFolder: folder ?? newFolder(), platform: platform)
    }

    /// A new device's folder, which goes with the server.
    func newFolder() -> URL {
        folder.appendingPathComponent("device-\(UUID())")
    }

    /// Closes the devices and ends the server.
    fileprivate func end() async throws {
        for device in devices.now {
            try await device.close()
        }
        try await kill()
        try FileManager.default.removeItem(at: folder)
    }

    /// Waits until a server listens, and gives what it said of itself: `sdkAppId`, `key` and `url`.
    private static func listen(on address: String, _ folder: URL) async throws -> (Command, [String: String]) {
        let data = folder.appendingPathComponent("server").path
        let log = folder.appendingPathComponent("server.log")
        let process = try Command(["serve", "--listen", address, "--data", data], log: log)
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

extension Substring {
    fileprivate func dropPrefix(_ prefix: String) -> String? {
        hasPrefix(prefix) ? String(dropFirst(prefix.count)) : nil
    }
}

/// Runs a test on a server of its own, and ends the server and all devices on it, however the test ends.
func onServer(
    isolation: isolated (any Actor)? = #isolation,
    _ test: (TestServer) async throws -> Void
) async throws {
    let server = try await TestServer.start()
    do {
        try await test(server)
    } catch {
        try? await server.end()
        throw error
    }
    try await server.end()
}
