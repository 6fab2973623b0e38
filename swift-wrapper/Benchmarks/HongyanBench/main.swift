// SPDX-License-Identifier: Apache-2.0
// What the way between Swift and Rust costs: per call, per record, per page, per event, and for a long history.

import Foundation

let server = try BenchServer()
print("server:  \(server.binary)")
print("library: \(loadedLibrary() ?? "linked into this program")")
let bench = try await Bench(server)
printTable(try await bench.calls() + bench.records() + bench.pages() + bench.events())
print()
printTable(try await bench.histories())
await bench.close()

/// The file of the Rust library in this process.
func loadedLibrary() -> String? {
    let maps = try? String(contentsOfFile: "/proc/self/maps", encoding: .utf8)
    return maps?.split(separator: "\n").first { $0.contains("libhongyan") }.map { String($0.split(separator: " ").last ?? "") }
}
