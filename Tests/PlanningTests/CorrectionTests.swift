import Planning
import Testing

@Suite("correction by measured partitions")
struct CorrectionTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var name: String
        var layers: [Double]
        var measurements: [RangeMeasurement]
        var expected: [Double]
        var testDescription: String { name }
    }

    static func measured(_ first: Int, _ end: Int, _ milliseconds: Double) -> RangeMeasurement {
        RangeMeasurement(range: LayerRange(first, end), milliseconds: milliseconds)
    }

    static let cases: [Case] = [
        Case(name: "nothing measured", layers: [1, 2, 3], measurements: [], expected: [1, 2, 3]),
        Case(name: "proportions stay", layers: [1, 3, 2], measurements: [measured(0, 2, 2)], expected: [0.5, 1.5, 2]),
        Case(name: "two ranges", layers: [1, 3, 2], measurements: [measured(0, 2, 8), measured(2, 3, 1)], expected: [2, 6, 1]),
        Case(
            name: "the later of two overlapping is met", layers: [2, 2, 2], measurements: [measured(0, 2, 8), measured(1, 3, 3)],
            expected: [4, 2, 1]),
        Case(name: "zeros take equal shares", layers: [0, 0, 5], measurements: [measured(0, 2, 3)], expected: [1.5, 1.5, 5]),
        Case(
            name: "useless measurements change nothing", layers: [1, 2],
            measurements: [
                measured(0, 2, .nan), measured(0, 2, -1), measured(0, 2, 0), measured(0, 2, .infinity), measured(1, 3, 5),
                measured(1, 1, 5),
            ],
            expected: [1, 2]),
    ]

    @Test(arguments: cases)
    func corrected(_ test: Case) {
        let profile = Samples.profile(test.layers).corrected(by: test.measurements)
        #expect(zip(profile.layers, test.expected).allSatisfy { abs(($0.milliseconds ?? -1) - $1) < 1e-12 }, "\(profile.layers)")
    }

    @Test("layers without a time get a share of the range")
    func unmeasured() {
        var profile = Samples.profile([1, 2, 3])
        profile.layers[1].milliseconds = nil
        #expect(profile.corrected(by: [Self.measured(0, 2, 5)]).layers.map(\.milliseconds) == [2.5, 2.5, 3])
    }

    @Test("a fused first half: the refined plan rests on what was measured and keeps the best")
    func refinement() throws {
        // Layers look alike, but fusion makes the first half cost a third as a partition.
        let truth: [Double] = [1, 1, 1, 1, 3, 3, 3, 3]
        let request = Samples.request(Samples.profile([Double](repeating: 3, count: 8)), Samples.nodes([1, 1]))
        var refinement = PlanRefinement(request)
        var rounds = 0
        var asked: [LayerRange] = []
        var result: Plan?
        while result == nil {
            switch try refinement.next() {
            case .measure(let ranges):
                rounds += 1
                asked += ranges
                refinement.record(ranges.map { RangeMeasurement(range: $0, milliseconds: truth[$0.indices].reduce(0, +)) })
            case .done(let plan): result = plan
            }
        }
        let plan = try #require(result)
        #expect(rounds <= PlanRefinement.maximumRounds)
        #expect(Set(asked).count == asked.count, "no range is measured twice")
        // 16 ms in all: 7 + 9 is the best cut, 4 + 12 the first plan's.
        #expect(plan.bottleneckMilliseconds == 9)
        #expect(plan.stages.map(\.layers) == [LayerRange(0, 5), LayerRange(5, 8)])
        #expect(plan.reasons.last == "stage times were measured as partitions")
    }

    @Test("measurements that fail end the refinement with the uncorrected plan")
    func failingMeasurements() throws {
        let request = Samples.request(Samples.profile([1, 1, 1, 1]), Samples.nodes([1, 1]))
        var refinement = PlanRefinement(request)
        guard case .measure(let ranges) = try refinement.next() else {
            Issue.record("nothing asked for")
            return
        }
        refinement.record(ranges.map { RangeMeasurement(range: $0, milliseconds: .nan) })
        #expect(try refinement.next() == .done(try Planner.plan(request)))
    }

    @Test("measurements that turn the plan round and round end after the rounds, with the best seen")
    func contraryMeasurements() throws {
        let request = Samples.request(Samples.profile([Double](repeating: 1, count: 40)), Samples.nodes([1, 1]))
        var refinement = PlanRefinement(request)
        var bottlenecks: [Double] = []
        while true {
            let step = try refinement.next()
            guard case .measure(let ranges) = step else {
                guard case .done(let plan) = step else { break }
                // The greedy plan comes after them.
                #expect((PlanRefinement.maximumRounds...PlanRefinement.maximumRounds + 1).contains(bottlenecks.count))
                #expect(plan.bottleneckMilliseconds == bottlenecks.min())
                break
            }
            // Whatever comes first is said to be slow, so the cut wanders.
            let times = ranges.map { Double($0.count) * ($0.first == 0 ? 3 : 1) * Double(bottlenecks.count + 1) }
            bottlenecks.append(times.max() ?? 0)
            refinement.record(zip(ranges, times).map { RangeMeasurement(range: $0, milliseconds: $1) })
        }
    }

    @Test("a node that has not been at work takes its speed from its machine, one that has from itself")
    func speedsOfOneMachine() {
        var nodes = Samples.nodes([1, 1, 1, 1])
        for index in 0..<3 { nodes[index].machine = "m" }
        nodes[2].speed = 3
        nodes[3].speed = 0.7
        let request = Samples.request(Samples.profile([2, 2, 2, 2]), nodes)
        let known: [LayerRange: Double] = [LayerRange(0, 2): 4, LayerRange(2, 4): 4]
        func speeds(_ observations: [RunObservation]) -> [Double] {
            request.calibrated(by: observations, measured: known).nodes.map(\.speed)
        }
        func seen(_ node: Int, _ first: Int, _ milliseconds: Double, atWork: Bool) -> RunObservation {
            RunObservation(node: nodes[node].id, range: LayerRange(first, first + 2), milliseconds: milliseconds, isAtWork: atWork)
        }
        // Nobody has shown anything: the benchmarks of one machine are one.
        let mean: Double = 5.0 / 3
        #expect(speeds([]) == [mean, mean, mean, 0.7])
        // Timed while loading, beside others' work: twice 4 ms in 2 and in 14.
        #expect(speeds([seen(0, 0, 2, atWork: false), seen(1, 2, 14, atWork: false)]) == [0.5, 0.5, 0.5, 0.7])
        // At work counts more than at loading, and one's own work most.
        #expect(speeds([seen(0, 0, 5, atWork: true), seen(1, 2, 14, atWork: false)]) == [0.8, 0.8, 0.8, 0.7])
        let both: [Double] = [0.8, 0.5, 8.0 / 13, 0.7]
        #expect(speeds([seen(0, 0, 5, atWork: true), seen(1, 2, 8, atWork: true)]) == both)
        #expect(speeds([seen(3, 2, 8, atWork: false)])[3] == 0.5)
    }

    @Test(
        "from estimates that mislead, measured partitions lead to a plan no slower than the greedy one",
        arguments: [CostModel.macs, .paper])
    func estimates(cost: CostModel) throws {
        // By its elements and its parameters the last layer is nearly all of the work; in truth it is the least.
        var profile = Samples.profile([6, 5, 4, 3, 2, 1])
        for index in profile.layers.indices {
            profile.layers[index].outputElements = index == 5 ? 1_000 : 10
            profile.layers[index].parameterCount = index == 5 ? 1_000 : 10
        }
        let truth = profile.layers.compactMap(\.milliseconds)
        var request = Samples.request(profile, Samples.nodes([2, 1]))
        request.costModel = cost
        request.profile = profile.priced(by: cost)
        #expect(request.profile.layers.map(\.milliseconds) != profile.layers.map(\.milliseconds))
        #expect(request.profile.layers[5].milliseconds ?? 0 > 15)
        var refinement = PlanRefinement(request)
        var plan: Plan?
        while plan == nil {
            switch try refinement.next() {
            case .measure(let ranges):
                refinement.record(ranges.map { RangeMeasurement(range: $0, milliseconds: truth[$0.indices].reduce(0, +)) })
            case .done(let result): plan = result
            }
        }
        func trueBottleneck(_ plan: Plan?) throws -> Double {
            var judged = request
            judged.costModel = .profiled
            judged.profile = profile
            let stages = try #require(plan).stages.map { ($0.layers, $0.replicas) }
            return try Planner.evaluate(stages: stages, judged).bottleneckMilliseconds
        }
        var greedy = request
        greedy.strategy = .ralos
        #expect(plan?.costModel == cost)
        #expect(try trueBottleneck(plan) <= trueBottleneck(Planner.plan(greedy)))
        // 21 ms on speeds 2 and 1: 15 and 6 cannot be bettered.
        #expect(try trueBottleneck(plan) == 7.5)
    }

    @Test("where sums mislead so that the greedy plan is the faster one, it is measured and taken")
    func theGreedyPlanIsARival() throws {
        // The weaker node first: 5 / 2 ms and 7 / 3. Greedy: 8 / 3 and 4 / 2, but fusion halves both of its partitions.
        let request = Samples.request(Samples.profile([2, 1, 2, 1, 2, 1, 2, 1]), Samples.nodes([3, 2]))
        var greedy = request
        greedy.strategy = .ralos
        let rival = try Planner.plan(greedy)
        #expect(try Planner.plan(request).bottleneckMilliseconds == 2.5)
        #expect(rival.bottleneckMilliseconds == 8.0 / 3)
        let fused = Set(rival.stages.map(\.layers))
        var refinement = PlanRefinement(request)
        var plan: Plan?
        while plan == nil {
            switch try refinement.next() {
            case .measure(let ranges):
                refinement.record(
                    ranges.map { range in
                        let sum = request.profile.layers[range.indices].compactMap(\.milliseconds).reduce(0, +)
                        return RangeMeasurement(range: range, milliseconds: fused.contains(range) ? sum / 2 : sum)
                    })
            case .done(let result): plan = result
            }
        }
        #expect(plan?.stages.map(\.layers) == rival.stages.map(\.layers))
        #expect(plan?.bottleneckMilliseconds == 4.0 / 3)
        #expect(plan?.reasons.last == "stage times were measured as partitions")
    }

    @Test("cost models that are not measured are not corrected")
    func otherCostModels() throws {
        var request = Samples.request(Samples.profile([1, 1]), Samples.nodes([1, 1]))
        for index in request.profile.layers.indices { request.profile.layers[index].outputElements = 10 }
        request.costModel = .macs
        var refinement = PlanRefinement(request)
        guard case .done = try refinement.next() else {
            Issue.record("asked for measurements")
            return
        }
    }
}
