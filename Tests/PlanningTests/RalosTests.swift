import Base
import Planning
import Testing

@Suite("ralos: the paper's partitioner by hand")
struct RalosTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var name: String
        var layers: [Double]
        var cuts: [Int]?
        var speeds: [Double]
        /// The first layer of each stage but the first.
        var boundaries: [Int]
        var bottleneck: Double
        var testDescription: String { name }
    }

    static let cases: [Case] = [
        // Target 4: three layers of 1 and so on; greedy is already even.
        Case(
            name: "homogeneous, even", layers: [Double](repeating: 1, count: 12), speeds: [1, 1, 1], boundaries: [4, 8],
            bottleneck: 4),
        // Target 5.33: 3+3 ≥ 5.33, 3+3 again, 4 remain. Already the best.
        Case(name: "homogeneous, overshoot", layers: [3, 3, 3, 3, 3, 1], speeds: [1, 1, 1], boundaries: [2, 4], bottleneck: 6),
        // Targets 5, 3, 2 of 10: capabilities in that ratio.
        Case(
            name: "heterogeneous 1.0 : 0.6 : 0.4", layers: [Double](repeating: 1, count: 10), speeds: [1, 0.6, 0.4],
            boundaries: [5, 8], bottleneck: 5),
        // Target 5: greedy takes 4 + 6 = 10 and leaves 0… at least one layer: [4, 6 | 1, 1], max 10; moving the cut: [4 | 6, 1, 1], max 8.
        Case(name: "refinement moves one layer", layers: [4, 6, 1, 1], speeds: [1, 1], boundaries: [1], bottleneck: 8),
        // Target 6.67: greedy [5, 10 | 5] then one layer is kept for the third node: [5, 10 | …]. Capability order 2, 1, 1 gives 7.5 at best.
        Case(name: "not exact: 5, 10, 5 on 2, 1, 1", layers: [5, 10, 5], speeds: [2, 1, 1], boundaries: [1, 2], bottleneck: 10),
        // Targets 4.8, 2.4, 2.4, 1.2, 1.2 of 12 by capability 2, 1, 1, ½, ½: 5, 3, then 2 of 3, since two stages keep a layer each.
        Case(
            name: "heterogeneous, every stage overshoots", layers: [Double](repeating: 1, count: 12), speeds: [0.5, 2, 1, 1, 0.5],
            boundaries: [5, 8, 10, 11], bottleneck: 3),
        // Targets 9 and 3 of 12: 4 + 4 + 4 = 12 ≥ 9 at the third layer, but one is left; [4, 4 | 4] is max(8 / 3, 4) = 4.
        Case(name: "heterogeneous 3 : 1", layers: [4, 4, 4], speeds: [3, 1], boundaries: [2], bottleneck: 4),
        // Each stage keeps a layer although the first target takes nearly all.
        Case(name: "a layer is left for each", layers: [1, 1, 1], speeds: [100, 1, 1], boundaries: [1, 2], bottleneck: 1),
        // Cuts only before 3 and 5: the target of 3 is met at 3, not at 2 or 4.
        Case(
            name: "boundaries at legal cuts", layers: [1, 1, 1, 1, 1, 1], cuts: [3, 5], speeds: [1, 1], boundaries: [3],
            bottleneck: 3),
        Case(name: "fewer cuts than nodes", layers: [1, 1, 1, 1], cuts: [2], speeds: [1, 1, 1], boundaries: [2], bottleneck: 2),
    ]

    @Test(arguments: cases)
    func table(_ test: Case) throws {
        let plan = try Planner.plan(
            Samples.request(Samples.profile(test.layers, cuts: test.cuts), Samples.nodes(test.speeds), strategy: .ralos))
        #expect(plan.stages.dropFirst().map(\.layers.first) == test.boundaries)
        #expect(abs(plan.bottleneckMilliseconds - test.bottleneck) < 1e-9)
        #expect(plan.exactness == .heuristic)
    }

    struct StepCase: Sendable, CustomTestStringConvertible {
        var name: String
        /// Bytes over each cut; the links carry 1,000 bytes in a second, so a byte is a millisecond.
        var cutBytes: [Int]
        var boundary: Int
        var value: Double
        var testDescription: String { name }
    }

    /// Eight layers of 1 ms on two equal nodes: the target of 4 puts the boundary before layer 4. The second stage's value is its
    /// layers and the bytes that arrive.
    static let steps = [
        // 4 | 4 + 0 = 4: no move is lower.
        StepCase(name: "no step", cutBytes: [9, 9, 9, 0, 9, 9, 9], boundary: 4, value: 4),
        // Boundary 4: 4 + 10 = 14; 3: 5 + 6 = 11; 2: 6 + 1 = 7; 1: 7 + 9 = 16.
        StepCase(name: "two steps to the left", cutBytes: [9, 1, 6, 10, 12, 12, 12], boundary: 2, value: 7),
        // 4: 4 + 10 = 14; 5: 3 + 6 = 9; 6: max(6, 2 + 3) = 6; 7: max(7, 1) = 7.
        StepCase(name: "two steps to the right", cutBytes: [12, 12, 12, 10, 6, 3, 0], boundary: 6, value: 6),
        // 4: 4 + 3 = 7. Both neighbours are worse (3: 5 + 5 = 10, 5: 3 + 9 = 12), so 6 (max(6, 2) = 6) is never seen.
        StepCase(name: "stays in a local minimum", cutBytes: [9, 9, 5, 3, 9, 0, 9], boundary: 4, value: 7),
        // 3: 5 + 2 = 7 and 5: 5 or 3 + 3 = 6: of the two moves the better is made.
        StepCase(name: "the better of two moves", cutBytes: [9, 9, 2, 9, 3, 9, 9], boundary: 5, value: 6),
    ]

    @Test("refinement, step by step", arguments: steps)
    func refinement(_ test: StepCase) throws {
        var profile = Samples.profile([Double](repeating: 1, count: 8))
        for index in profile.cuts.indices { profile.cuts[index].bytes = ByteCount(test.cutBytes[index]) }
        let links = LinkTable(common: Link(bandwidthBytesPerSecond: 1000))
        let plan = try Planner.plan(Samples.request(profile, Samples.nodes([1, 1]), links: links, strategy: .ralos))
        #expect(plan.stages[1].layers.first == test.boundary)
        let arriving = Double(test.cutBytes[test.boundary - 1])
        #expect(max(plan.stages[0].predictedMilliseconds, plan.stages[1].predictedMilliseconds + arriving) == test.value)
    }

    @Test("a node whose stage does not fit is taken out")
    func memory() throws {
        let profile = Samples.profile([1, 1, 1], parameterBytes: [60_000_000, 60_000_000, 60_000_000])
        let nodes = Samples.nodes([1, 1, 1], memory: [Samples.plentiful, ByteCount(120_000_000), Samples.plentiful])
        let plan = try Planner.plan(Samples.request(profile, nodes, strategy: .ralos))
        #expect(plan.stages.map(\.replicas) == [["w0"], ["w2"]])
    }

    @Test("never better than optimal on 300 random instances, and sometimes worse")
    func againstOptimal() throws {
        var worse = 0
        for seed in UInt64(1)...300 {
            var request = Instances.make(seed: seed)
            request.shape = .auto
            request.objective = .throughput
            guard let optimal = try? Planner.plan(request) else { continue }
            request.strategy = .ralos
            do {
                let ralos = try Planner.plan(request)
                #expect(optimal.bottleneckMilliseconds <= ralos.bottleneckMilliseconds * 1.03 * (1 + 1e-9), "seed \(seed)")
                if ralos.bottleneckMilliseconds > optimal.bottleneckMilliseconds * 1.031 { worse += 1 }
            } catch {
                switch error {
                case .strategyFailed(.ralos, instead: .optimal), .invalidPins: break
                default: Issue.record("seed \(seed): \(error)")
                }
            }
        }
        #expect(worse > 20)
    }
}
