// SPDX-License-Identifier: Apache-2.0

import Foundation

/// What something costs: the trials' median, and how far they lie apart.
struct Cost {
    let what: String
    /// Microseconds for one of what is counted, a trial each, lowest first.
    private let trials: [Double]

    init(_ what: String, trials: [Double]) {
        self.what = what
        self.trials = trials.sorted()
    }

    var median: Double { trials[trials.count / 2] }
    var lowest: Double { trials[0] }
    var highest: Double { trials[trials.count - 1] }
}

private let trialsCount = 7

/// Measures `work`, which does something `times` times over: after a trial that only warms up, several that count.
func measure(_ what: String, times: Int, _ work: () async throws -> Void) async rethrows -> Cost {
    let clock = ContinuousClock()
    try await work()
    var trials: [Double] = []
    for _ in 0..<trialsCount {
        let took = try await clock.measure { try await work() }
        trials.append(took.microseconds / Double(times))
    }
    return Cost(what, trials: trials)
}

extension Duration {
    var microseconds: Double {
        Double(components.seconds) * 1e6 + Double(components.attoseconds) / 1e12
    }
}

/// Prints costs beside each other, and what each is to the cheapest.
func printTable(_ costs: [Cost]) {
    let cheapest = costs.map(\.median).min() ?? 1
    let width = costs.map(\.what.count).max() ?? 0
    print("".padded(to: width), "median us".aligned, "lowest".aligned, "highest".aligned, "ratio".aligned)
    for cost in costs {
        let figures = [cost.median, cost.lowest, cost.highest, cost.median / cheapest]
        print(cost.what.padded(to: width), figures.map { $0.shown.aligned }.joined(separator: " "))
    }
}

extension String {
    fileprivate func padded(to width: Int) -> String {
        self + String(repeating: " ", count: max(0, width - count))
    }

    fileprivate var aligned: String {
        String(repeating: " ", count: max(0, 10 - count)) + self
    }
}

extension Double {
    fileprivate var shown: String {
        String(format: self < 100 ? "%.2f" : "%.0f", self)
    }
}
