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
    ]

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
        }
        #expect(scenario.exercised(totals), "the runs did not exercise what the scenario is for: \(totals)")
    }

    @Test func theSameSeedGivesTheSameRun() throws {
        var options = Simulation.Options()
        options.crashes = 2...2
        var first = Simulation(seed: 77, options: options)
        var second = Simulation(seed: 77, options: options)
        #expect(try first.run() == second.run())
    }
}
