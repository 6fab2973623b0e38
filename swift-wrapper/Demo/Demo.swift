// SPDX-License-Identifier: Apache-2.0

import Foundation
import HongyanHarness

/// Three people talk over a real server, which is killed in the middle of it. What they see is checked as it comes.
@main
@MainActor
enum Demo {
    static func main() async {
        do {
            let server = try await ServerProcess.start()
            try await ending { try await play(on: server) } with: { try await server.end() }
        } catch {
            printLine("demo: failed: \(error)")
            exit(1)
        }
        printLine("\ndemo: ok")
    }

    private static func play(on server: ServerProcess) async throws {
        let people = try ["alice", "bob", "carol"].enumerated().map { column, name in
            try Person(name, on: server, screen: Screen(column: column))
        }
        let (alice, bob) = (people[0], people[1])
        try await ending {
            chapter("1 · Three people log in")
            for person in people {
                try await person.logIn()
            }
            try await oneToOne(alice, bob)
            try await groupOfThree(people)
            try await crash(people, server)
            try await newLaptop(of: bob, alice, server)
        } with: {
            for person in people {
                await person.leave()
            }
        }
    }
}

/// Does some work and then the last thing, however the work ends; what failed first is what is told.
@MainActor
func ending(_ work: @MainActor () async throws -> Void, with last: @MainActor () async throws -> Void) async throws {
    do {
        try await work()
    } catch {
        try? await last()
        throw error
    }
    try await last()
}
