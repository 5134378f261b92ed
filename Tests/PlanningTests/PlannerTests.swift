import Base
import Planning
import Testing

@Suite("planner: named cases")
struct PlannerTests {
    struct BottleneckCase: Sendable, CustomTestStringConvertible {
        var name: String
        var layers: [Double]
        var speeds: [Double]
        var shape = PlanShape.pipeline
        var bottleneck: Double
        var testDescription: String { name }
    }

    static let twelve = [Double](repeating: 1, count: 12)
    static let bottlenecks: [BottleneckCase] = [
        BottleneckCase(
            name: "layers 5, 10, 5 on speeds 2, 1, 1: the strong node in the middle", layers: [5, 10, 5], speeds: [2, 1, 1],
            bottleneck: 5),
        BottleneckCase(name: "PipeEdge: one slow, one fast", layers: twelve, speeds: [1, 0.25], bottleneck: 10),
        BottleneckCase(name: "PipeEdge: two slow, two fast", layers: twelve, speeds: [1, 1, 0.25, 0.25], bottleneck: 5),
        BottleneckCase(
            name: "PipeEdge: three slow, three fast", layers: twelve, speeds: [1, 1, 1, 0.25, 0.25, 0.25], bottleneck: 4),
        BottleneckCase(name: "three alike share evenly", layers: twelve, speeds: [1, 1, 1], bottleneck: 4),
        BottleneckCase(
            name: "the paper's 1.0 : 0.6 : 0.4", layers: twelve.map { $0 * 10 }, speeds: [1, 0.6, 0.4], bottleneck: 4 * 10 / 0.6),
        BottleneckCase(name: "auto leaves a hopeless node out", layers: [4, 4], speeds: [1, 0.01], shape: .auto, bottleneck: 8),
        BottleneckCase(name: "pipeline still uses it", layers: [4, 4], speeds: [1, 0.01], bottleneck: 400),
        BottleneckCase(name: "one node", layers: [1, 2, 3], speeds: [0.5], bottleneck: 12),
    ]

    @Test(arguments: bottlenecks)
    func bottleneck(_ test: BottleneckCase) throws {
        let plan = try Planner.plan(Samples.request(Samples.profile(test.layers), Samples.nodes(test.speeds), shape: test.shape))
        // The search may take a lower latency within 3 % of the best bottleneck; these cases have no other value that near.
        #expect(abs(plan.bottleneckMilliseconds - test.bottleneck) < 1e-9)
        #expect(plan.stages.first?.layers.first == 0)
        #expect(plan.stages.last?.layers.end == test.layers.count)
        #expect(zip(plan.stages, plan.stages.dropFirst()).allSatisfy { $0.layers.end == $1.layers.first })
        #expect(plan.exactness == .exact)
    }

    @Test("the strong node of 2, 1, 1 gets the middle layer")
    func strongNodeInTheMiddle() throws {
        let plan = try Planner.plan(Samples.request(Samples.profile([5, 10, 5]), Samples.nodes([2, 1, 1])))
        #expect(plan.stages.map(\.replicas) == [["w1"], ["w0"], ["w2"]])
        #expect(plan.balance == 1)
    }

    @Test("figures of a plan worked by hand: links, latency, throughput, balance, single node")
    func figures() throws {
        // Costs 6 and 2 on capabilities 2 and 1; 1 MB over the cut at 100 MB/s is 10 ms, the slowest part.
        let profile = Samples.profile([6, 2], cutBytes: 1_000_000, inputBytes: 500_000, outputBytes: 100_000, batch: 4)
        let links = LinkTable(common: Link(bandwidthBytesPerSecond: 100e6, latencyMs: 0.5))
        let plan = try Planner.plan(Samples.request(profile, Samples.nodes([2, 1]), links: links))
        #expect(plan.stages.map(\.predictedMilliseconds) == [3, 2])
        #expect(plan.stages.map(\.intervalMilliseconds) == [10, 10])
        #expect(plan.bottleneckMilliseconds == 10)
        #expect(plan.itemsPerSecond == 400)
        // 5 + 0.5 in, 3, 10 + 0.5 across, 2, 1 + 0.5 out.
        #expect(abs(plan.latencyMilliseconds - 22.5) < 1e-9)
        #expect(abs(plan.balance - 0.8) < 1e-9)
        // w0 alone: 8 / 2 ms of compute, 5 ms of input: the link decides.
        let single = try #require(plan.singleBestNode)
        #expect(single.node == "w0")
        #expect(single.intervalMilliseconds == 5)
        #expect(abs(single.latencyMilliseconds - 11) < 1e-9)
        #expect(plan.microBatch == 4)
    }

    @Test("auto replicates the whole where a cut's link costs more than it brings, and leaves out who brings nothing")
    func slowLink() throws {
        let profile = Samples.profile([6, 6], cutBytes: 10_000_000)
        let links = LinkTable(common: Link(bandwidthBytesPerSecond: 100e6))
        let plan = try Planner.plan(Samples.request(profile, Samples.nodes([1, 1]), links: links, shape: .auto))
        #expect(plan.stages.map(\.replicas) == [["w0", "w1"]])
        #expect(plan.stages[0].shares == [0.5, 0.5])
        #expect(plan.bottleneckMilliseconds == 6)
        // With half of the input on a link a hundred times slower w1 would make all wait.
        var request = Samples.request(
            Samples.profile([3, 3], cutBytes: 10_000_000, inputBytes: 100_000_000), Samples.nodes([1, 1]), links: links,
            shape: .auto)
        request.links.set(Link(bandwidthBytesPerSecond: 1e6), from: .coordinator, to: .node("w1"))
        let alone = try Planner.plan(request)
        #expect(alone.unusedNodes == ["w1"])
        #expect(alone.reasons.contains { $0.contains("1 of 2 nodes are used") })
    }

    @Test("a pair that cannot connect is never neighbours")
    func deadLink() throws {
        var links = Samples.instant
        links.set(.unreachable, from: .node("w0"), to: .node("w1"))
        let plan = try Planner.plan(Samples.request(Samples.profile([1, 1]), Samples.nodes([1, 1]), links: links))
        #expect(plan.stages.map(\.replicas) == [["w1"], ["w0"]])
        links.set(.unreachable, from: .node("w1"), to: .node("w0"))
        let alone = try Planner.plan(Samples.request(Samples.profile([1, 1]), Samples.nodes([1, 1]), links: links))
        #expect(alone.stages.count == 1)
        #expect(alone.reasons.contains { $0.contains("no plan with more than 1 stages") })
    }

    @Test("nobody can be reached")
    func noRoute() {
        let request = Samples.request(Samples.profile([1, 1]), Samples.nodes([1, 1]), links: LinkTable(common: .unreachable))
        #expect(throws: PlanningError.noRoute) { try Planner.plan(request) }
    }

    @Test("fewer cuts than nodes: fewer nodes, and why")
    func fewCuts() throws {
        let plan = try Planner.plan(Samples.request(Samples.profile([2, 1, 1], cuts: [2]), Samples.nodes([1, 2, 3])))
        #expect(plan.stages.map(\.layers) == [LayerRange(0, 2), LayerRange(2, 3)])
        #expect(plan.stages.map(\.replicas) == [["w2"], ["w1"]])
        #expect(plan.unusedNodes == ["w0"])
        #expect(plan.reasons.contains { $0.contains("1 legal cut makes at most 2 stages, fewer than the 3 nodes") })
    }

    @Test("no legal cut: one node, and why")
    func noCut() throws {
        let plan = try Planner.plan(Samples.request(Samples.profile([2, 1], cuts: []), Samples.nodes([1, 2])))
        #expect(plan.stages.map(\.replicas) == [["w1"]])
        #expect(plan.reasons.contains { $0.contains("no legal cut") })
    }

    @Test("more than eight different nodes: not exact, with its lower bound")
    func manyNodes() throws {
        let speeds = (0..<12).map { 1 + Double($0) / 10 }
        let layers = (0..<60).map { Double(1 + $0 % 5) }
        let plan = try Planner.plan(Samples.request(Samples.profile(layers), Samples.nodes(speeds)))
        guard case .bounded(let bound, let gap) = plan.exactness else {
            Issue.record("12 different nodes were called exact")
            return
        }
        #expect(plan.stages.count == 12)
        #expect(abs(bound - layers.reduce(0, +) / speeds.reduce(0, +)) < 1e-9)
        #expect(abs(gap - (plan.bottleneckMilliseconds / bound - 1)) < 1e-9)
        #expect(gap > 0)
        #expect(gap < 0.35)
    }

    @Test("forty nodes of two kinds are exact")
    func kinds() throws {
        let nodes = Samples.nodes([Double](repeating: 1, count: 20) + [Double](repeating: 0.5, count: 20))
        let plan = try Planner.plan(Samples.request(Samples.profile([Double](repeating: 1, count: 60)), nodes))
        #expect(plan.exactness == .exact)
        #expect(plan.stages.count == 40)
        // 20 strong with two layers and 20 weak with one: 2 ms each.
        #expect(plan.bottleneckMilliseconds == 2)
        #expect(Set(plan.stages.flatMap(\.replicas)).count == 40)
    }

    @Test("the latency objective puts all on the fastest node, where pipelining only adds hops")
    func latencyObjective() throws {
        var request = Samples.request(
            Samples.profile([4, 4], cutBytes: 1000), Samples.nodes([2, 1]),
            links: LinkTable(common: Link(bandwidthBytesPerSecond: 1e9, latencyMs: 1)), shape: .auto)
        #expect(try Planner.plan(request).usedNodes.count == 2)
        request.objective = .latency
        #expect(try Planner.plan(request).usedNodes == ["w0"])
    }
}
