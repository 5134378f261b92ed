import Planning
import Testing

@Suite("optimal against brute force")
struct OptimalBruteForceTests {
    /// A random instance: up to 7 layers, up to 4 nodes, some of them alike, uneven and sometimes dead links, sometimes tight memory.
    static func instance(seed: UInt64) -> PlanRequest {
        var random = SeededGenerator(seed: seed)
        let layerCount = Int.random(in: 1...7, using: &random)
        let layers = (0..<layerCount).map { index in
            Layer(
                name: "l\(index)", operatorName: "op",
                parameterBytes: ByteCount(Int.random(in: 0...40, using: &random) * 1_000_000),
                outputBytes: ByteCount(Int.random(in: 0...5, using: &random) * 1_000_000),
                milliseconds: Double(Int.random(in: 1...20, using: &random)))
        }
        let cuts = (1..<max(layerCount, 2)).filter { $0 < layerCount && Int.random(in: 0..<5, using: &random) > 0 }.map {
            Cut(before: $0, bytes: ByteCount(Int.random(in: 0...4, using: &random) * 500_000))
        }
        let profile = ModelProfile(
            layers: layers, cuts: cuts, inputBytes: ByteCount(Int.random(in: 0...2_000_000, using: &random)),
            outputBytes: ByteCount(Int.random(in: 0...10_000, using: &random)), batch: 2,
            level: Bool.random(using: &random) ? .o0 : .o1)
        let isTight = Int.random(in: 0..<3, using: &random) == 0
        let nodes = (0..<Int.random(in: 1...4, using: &random)).map { index in
            PlanningNode(
                id: NodeID("w\(index)"), effectiveCores: [0.4, 0.6, 1, 1, 2][Int.random(in: 0..<5, using: &random)],
                speed: [0.5, 1, 1][Int.random(in: 0..<3, using: &random)],
                freeMemory: ByteCount(isTight ? Int.random(in: 120...400, using: &random) * 1_000_000 : 4_000_000_000),
                load: Int.random(in: 0..<4, using: &random) == 0 ? 0.5 : 0)
        }
        var links = LinkTable(
            common: Link(bandwidthBytesPerSecond: Double(Int.random(in: 1...8, using: &random)) * 1e8, latencyMs: 0.2))
        if Bool.random(using: &random) {
            let endpoints: [LinkTable.Endpoint] = [.coordinator] + nodes.map { .node($0.id) }
            for from in endpoints {
                for to in endpoints where from != to && Int.random(in: 0..<3, using: &random) == 0 {
                    let bandwidth = Double(Int.random(in: 0...6, using: &random)) * 5e7
                    links.set(
                        Link(bandwidthBytesPerSecond: bandwidth, latencyMs: Double.random(in: 0...2, using: &random)), from: from,
                        to: to)
                }
            }
        }
        var request = PlanRequest(
            profile: profile, nodes: nodes.shuffled(using: &random), links: links,
            shape: Bool.random(using: &random) ? .pipeline : .auto)
        request.settings.transferCPUNanosecondsPerByte = Bool.random(using: &random) ? 0 : 0.7
        return request
    }

    @Test("900 seeded random instances, both shapes: the same bottleneck within the tolerance and the same lowest latency")
    func randomInstances() throws {
        var planned = 0
        var refused = 0
        for seed in UInt64(1)...900 {
            let request = Self.instance(seed: seed)
            let best = BruteForce(request).best
            do {
                let plan = try Planner.plan(request)
                let expected = try #require(best, "seed \(seed): a plan where brute force finds none")
                #expect(plan.bottleneckMilliseconds <= expected.bottleneck * 1.03 * (1 + 1e-9), "seed \(seed)")
                #expect(plan.bottleneckMilliseconds >= expected.bottleneck * (1 - 1e-9), "seed \(seed)")
                #expect(abs(plan.latencyMilliseconds - expected.latency) <= 1e-9 * expected.latency, "seed \(seed)")
                #expect(plan.exactness == .exact)
                planned += 1
            } catch {
                #expect(best == nil, "seed \(seed): refused although there is a plan: \(error)")
                refused += 1
            }
        }
        // Both kinds of instance must occur, else the comparison proves little.
        #expect(planned > 700)
        #expect(refused > 10)
    }

    @Test("a refused instance fits once the memory is raised as the message says")
    func smallestChangeSuffices() throws {
        var checked = 0
        for seed in UInt64(1)...600 {
            var request = Self.instance(seed: seed)
            do {
                _ = try Planner.plan(request)
            } catch PlanningError.insufficientMemory(let shortages) {
                for shortage in shortages {
                    let index = try #require(request.nodes.firstIndex { $0.id == shortage.node })
                    #expect(shortage.lacking > .zero)
                    request.nodes[index].freeMemory = request.nodes[index].freeMemory + shortage.lacking
                }
                #expect(throws: Never.self, "seed \(seed)") { try Planner.plan(request) }
                checked += 1
            } catch {
                #expect(error == .noRoute, "seed \(seed)")
            }
        }
        #expect(checked > 10)
    }

    @Test("the order in which the nodes are listed changes nothing")
    func orderOfNodes() throws {
        for seed in UInt64(1)...60 {
            var request = Self.instance(seed: seed)
            guard let plan = try? Planner.plan(request) else { continue }
            request.nodes.reverse()
            #expect(try Planner.plan(request) == plan, "seed \(seed)")
        }
    }
}
