import Cluster
import Simulator
import Testing

/// Whole runs of the real machines over a virtual network. A failing seed prints itself; `amp4ec simulate --seed N --profile P` shows it,
/// and `FailedSeed.all` keeps it.
@Suite struct SimulationTests {
    struct Scenario: Sendable, CustomTestStringConvertible {
        let profile: Simulation.Profile
        let seeds: Range<UInt64>
        /// What the runs together must have exercised, so that the scenario cannot pass by doing nothing.
        let exercised: @Sendable (Simulation.Report) -> Bool
        var testDescription: String { profile.rawValue }
    }

    static let scenarios = [
        Scenario(profile: .calm, seeds: 0..<300) {
            $0.replies > 1_000 && $0.rejectedInputs > 20 && $0.cancelled > 5 && $0.replayed == 0 && $0.observed > 10
        },
        Scenario(profile: .single, seeds: 1_000..<1_050) { $0.replies > 50 },
        Scenario(profile: .crashes, seeds: 2_000..<2_200) { $0.replies > 700 && $0.replayed > 50 && $0.plans > 400 },
        Scenario(profile: .links, seeds: 3_000..<3_100) { $0.replies > 700 && $0.replayed > 20 && faults($0) > 100 },
        Scenario(profile: .stalls, seeds: 4_000..<4_100) { $0.replies > 700 && $0.replayed > 20 && faults($0) > 100 },
        Scenario(profile: .resets, seeds: 5_000..<5_100) { $0.replies > 700 && $0.replayed > 20 && faults($0) > 100 },
        Scenario(profile: .drains, seeds: 6_000..<6_100) { $0.replies > 700 && $0.plans > 200 && faults($0) > 100 },
        Scenario(profile: .repeats, seeds: 7_000..<7_100) { $0.replies > 700 && $0.repeated > 300 && $0.replayed > 20 },
        Scenario(profile: .memory, seeds: 7_200..<7_300) { $0.replies > 700 && $0.replayed > 100 },
        Scenario(profile: .joins, seeds: 7_400..<7_500) { $0.replies > 700 && ($0.faults["join"] ?? 0) > 70 && $0.plans > 200 },
        Scenario(profile: .restarts, seeds: 7_600..<7_700) {
            $0.replies > 700 && $0.resent > 100 && $0.takeovers > 100 && ($0.faults["coordinator crash"] ?? 0) > 50
        },
        Scenario(profile: .intruder, seeds: 7_800..<7_900) {
            $0.replies > 700 && $0.takeovers > 20 && ($0.faults["second coordinator"] ?? 0) > 80
        },
        Scenario(profile: .hangs, seeds: 8_000..<8_100) { $0.replies > 700 && $0.replayed > 20 && faults($0) > 100 },
        Scenario(profile: .swallows, seeds: 8_100..<8_200) { $0.replies > 700 && $0.blamed > 20 && faults($0) > 100 },
        Scenario(profile: .poison, seeds: 8_200..<8_300) { $0.replies > 700 && $0.poisonKills > 50 && $0.givenUp > 20 },
        Scenario(profile: .everything, seeds: 10_000..<11_000) {
            $0.replies > 7_000 && $0.replayed > 2_000 && $0.plans > 2_000 && faults($0) > 4_000 && $0.observed > 50
        },
    ]

    private static func faults(_ report: Simulation.Report) -> Int { report.faults.values.reduce(0, +) }

    @Test(arguments: FailedSeed.all) func whatFailedOnceHolds(_ failed: FailedSeed) throws {
        var simulation = Simulation(seed: failed.seed, options: failed.profile.options)
        _ = try simulation.run()
    }

    @Test(arguments: scenarios)
    func everyRequestGetsItsOneRightReply(_ scenario: Scenario) throws {
        var total = Simulation.Report()
        for seed in scenario.seeds {
            var simulation = Simulation(seed: seed, options: scenario.profile.options)
            total.add(try simulation.run())
        }
        #expect(scenario.exercised(total), "the runs did not exercise what the scenario is for: \(total)")
    }

    @Test func theSameSeedGivesTheSameRun() throws {
        for seed in 70...79 as ClosedRange<UInt64> {
            var first = Simulation(seed: seed, options: Simulation.Profile.everything.options)
            var second = Simulation(seed: seed, options: Simulation.Profile.everything.options)
            #expect(try first.run() == second.run())
        }
    }
}
