import Cluster
import TestKit
import Testing

/// Whole runs of the real machines over a virtual network. A failing seed prints itself; put it into `Regressions` below.
@Suite struct SimulationTests {
    struct Scenario: Sendable, CustomTestStringConvertible {
        let name: String
        let seeds: Range<UInt64>
        let options: Simulation.Options
        /// What the runs together must have exercised, so that the scenario cannot pass by doing nothing.
        let exercised: @Sendable (Totals) -> Bool
        var testDescription: String { name }
    }

    struct Totals: Sendable {
        var replies = 0
        var rejected = 0
        var cancelled = 0
        var replayed = 0
        var plans = 0
        var faults = 0
    }

    static let scenarios = [
        Scenario(
            name: "no faults: latency, bandwidth, several clients, cancellations, rejected inputs, leaving clients", seeds: 0..<300,
            options: .init(), exercised: { $0.replies > 1_000 && $0.rejected > 20 && $0.cancelled > 5 && $0.replayed == 0 }),
        Scenario(
            name: "one worker, one client", seeds: 1_000..<1_050,
            options: {
                var options = Simulation.Options()
                options.workers = 1...1
                options.clients = 1...1
                return options
            }(), exercised: { $0.replies > 50 }),
        Scenario(
            name: "workers crash and come back", seeds: 2_000..<2_200,
            options: {
                var options = Simulation.Options()
                options.crashes = 1...4
                return options
            }(), exercised: { $0.replies > 700 && $0.replayed > 50 && $0.plans > 400 }),
        Scenario(
            name: "links between workers are cut, one way or both", seeds: 3_000..<3_100,
            options: {
                var options = Simulation.Options()
                options.workers = 2...5
                options.cuts = 1...4
                return options
            }(), exercised: { $0.replies > 700 && $0.replayed > 20 && $0.faults > 100 }),
        Scenario(
            name: "stopped processes wake later", seeds: 4_000..<4_100,
            options: {
                var options = Simulation.Options()
                options.stalls = 1...4
                return options
            }(), exercised: { $0.replies > 700 && $0.replayed > 20 && $0.faults > 100 }),
        Scenario(
            name: "control or data connections break while the other stands", seeds: 5_000..<5_100,
            options: {
                var options = Simulation.Options()
                options.resets = 1...6
                return options
            }(), exercised: { $0.replies > 700 && $0.replayed > 20 && $0.faults > 100 }),
        Scenario(
            name: "workers shut down and are started again", seeds: 6_000..<6_100,
            options: {
                var options = Simulation.Options()
                options.drains = 1...3
                return options
            }(), exercised: { $0.replies > 700 && $0.plans > 200 && $0.faults > 100 }),
        Scenario(
            name: "everything together, with too little memory now and then", seeds: 10_000..<10_800, options: .faults,
            exercised: { $0.replies > 5_000 && $0.replayed > 1_000 && $0.plans > 1_500 && $0.faults > 2_500 }),
    ]

    /// Seeds that failed once, with what was wrong then.
    static let regressions: [Regression] = []

    struct Regression: Sendable, CustomTestStringConvertible {
        let seed: UInt64
        let options: Simulation.Options
        let wrong: String
        var testDescription: String { "seed \(seed): \(wrong)" }
    }

    @Test(arguments: regressions) func whatFailedOnceHolds(_ row: Regression) throws {
        var simulation = Simulation(seed: row.seed, options: row.options)
        _ = try simulation.run()
    }

    @Test(arguments: scenarios)
    func everyRequestGetsItsOneRightReply(_ scenario: Scenario) throws {
        var totals = Totals()
        for seed in scenario.seeds {
            var simulation = Simulation(seed: seed, options: scenario.options)
            let report = try simulation.run()
            totals.replies += report.replies
            totals.rejected += report.rejectedInputs
            totals.cancelled += report.cancelled
            totals.replayed += Int(report.replayed)
            totals.plans += Int(report.plans)
            totals.faults += report.faults
        }
        #expect(scenario.exercised(totals), "the runs did not exercise what the scenario is for: \(totals)")
    }

    @Test func theSameSeedGivesTheSameRun() throws {
        for seed in 70...79 as ClosedRange<UInt64> {
            var first = Simulation(seed: seed, options: .faults)
            var second = Simulation(seed: seed, options: .faults)
            #expect(try first.run() == second.run())
        }
    }
}
