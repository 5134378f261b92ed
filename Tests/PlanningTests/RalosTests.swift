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
            var request = OptimalBruteForceTests.instance(seed: seed)
            request.shape = .auto
            guard let optimal = try? Planner.plan(request) else { continue }
            request.strategy = .ralos
            do {
                let ralos = try Planner.plan(request)
                #expect(optimal.bottleneckMilliseconds <= ralos.bottleneckMilliseconds * 1.03 * (1 + 1e-9), "seed \(seed)")
                if ralos.bottleneckMilliseconds > optimal.bottleneckMilliseconds * 1.031 { worse += 1 }
            } catch {
                #expect(error == .strategyFailed(.ralos, instead: .optimal), "seed \(seed)")
            }
        }
        #expect(worse > 20)
    }
}
