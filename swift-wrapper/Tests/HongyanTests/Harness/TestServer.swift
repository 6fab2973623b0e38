// SPDX-License-Identifier: Apache-2.0

import Foundation
import Hongyan
import HongyanHarness

/// A real server, and the devices that a test has on it.
final class TestServer: Sendable {
    var sdkAppId: Int { process.sdkAppId }
    var url: String { process.url }
    private let process: ServerProcess
    private let devices = Watched<[Device]>([])

    private init(_ process: ServerProcess) {
        self.process = process
    }

    static func start(certificate: TestCertificate? = nil) async throws -> TestServer {
        TestServer(try await ServerProcess.start(certificate: certificate))
    }

    /// Kills the server at once, as a power cut would.
    func kill() async throws {
        try await process.kill()
    }

    /// Starts a new process where the killed one was.
    func startAgain(certificate: TestCertificate? = nil) async throws {
        try await process.startAgain(certificate: certificate)
    }

    /// A UserSig, as the app's own back end makes it.
    func sign(_ user: String, options: [String] = []) async throws -> String {
        try await process.sign(user, options: options)
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
        process.folder.appendingPathComponent("device-\(UUID())")
    }

    /// Closes the devices and ends the server.
    fileprivate func end() async throws {
        for device in devices.now {
            try await device.close()
        }
        try await process.end()
    }
}

/// Runs a test on a server of its own, and ends the server and all devices on it, however the test ends.
func onServer(
    certificate: TestCertificate? = nil,
    isolation: isolated (any Actor)? = #isolation,
    _ test: (TestServer) async throws -> Void
) async throws {
    let server = try await TestServer.start(certificate: certificate)
    do {
        try await test(server)
    } catch {
        try? await server.end()
        throw error
    }
    try await server.end()
}
