// SPDX-License-Identifier: Apache-2.0

import Hongyan
import HongyanHarness
import Testing

/// A server whose certificate comes from an authority of its own.
@Suite struct TlsTests {
    @Test func aCertificateOfAnAuthorityOfOnesOwnIsTrustedWhereItIsNamedAndIs9501Elsewhere() async throws {
        let certificate = TestCertificate()
        try await onServer(certificate: certificate) { server in
            #expect(server.url.hasPrefix("https://"))
            let userSig = try await server.sign("alice")
            var config = server.config()
            try await withClient(config) { client in
                let failed = collect(client.events()) { event in
                    if case .connectFailed(let code, _) = event { [code] } else { [] }
                }
                let refused = try await code { try await client.login(userId: "alice", userSig: userSig) }
                #expect(refused == ErrorCode.packetEncryptFailed)
                let told = try await failed.first(1)
                #expect(told == [9501])
                #expect(client.loginStatus == .notLoggedIn)
            }
            config.extraRootCertificates = try certificate.authority
            try await withClient(config) { client in
                try await client.login(userId: "alice", userSig: userSig)
                let sent = try await client.messages.sendC2cTextMessage(text: "over TLS", userId: "alice")
                #expect(sent.status == .sent)
            }
        }
    }

    /// A client that is closed at the end.
    private func withClient(_ config: ImClientConfig, _ use: @escaping @Sendable (ImClient) async throws -> Void) async throws {
        let client = try ImClient(config: config)
        do {
            try await within("what is done with a client") { try await use(client) }
        } catch {
            await client.close()
            throw error
        }
        await client.close()
    }
}
