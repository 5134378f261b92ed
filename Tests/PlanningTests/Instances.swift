import Base
import Planning

/// Random small planning problems, the same for the same seed.
enum Instances {
    /// Up to 10 layers, up to 5 nodes, some of them alike, uneven and sometimes dead links, sometimes tight memory, pins and excluded nodes.
    static func make(seed: UInt64) -> PlanRequest {
        var random = SeededGenerator(seed: seed)
        let nodeCount = Int.random(in: 1...5, using: &random)
        let layerCount = Int.random(in: 1...10, using: &random)
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
        let hasPins = Int.random(in: 0..<6, using: &random) == 0
        let nodes = (0..<nodeCount).map { index in
            PlanningNode(
                id: NodeID("w\(index)"), effectiveCores: [0.4, 0.6, 1, 1, 2][Int.random(in: 0..<5, using: &random)],
                speed: [0.5, 1, 1][Int.random(in: 0..<3, using: &random)],
                freeMemory: ByteCount(isTight ? Int.random(in: 120...400, using: &random) * 1_000_000 : 4_000_000_000),
                load: Int.random(in: 0..<4, using: &random) == 0 ? 0.5 : 0,
                pinnedStage: hasPins && Int.random(in: 0..<3, using: &random) == 0 ? Int.random(in: 0...2, using: &random) : nil,
                isExcluded: Int.random(in: 0..<12, using: &random) == 0)
        }
        var request = PlanRequest(
            profile: profile, nodes: nodes.shuffled(using: &random), links: links(nodes, &random),
            shape: Int.random(in: 0..<3, using: &random) == 0 ? .pipeline : .auto)
        if Int.random(in: 0..<3, using: &random) == 0 { request.settings.transferCPUNanosecondsPerByte = 0 }
        if Int.random(in: 0..<8, using: &random) == 0 { request.objective = .latency }
        return request
    }

    private static func links(_ nodes: [PlanningNode], _ random: inout SeededGenerator) -> LinkTable {
        var links = LinkTable(
            common: Link(bandwidthBytesPerSecond: Double(Int.random(in: 1...8, using: &random)) * 1e8, latencyMs: 0.2))
        guard Bool.random(using: &random) else { return links }
        let endpoints: [LinkTable.Endpoint] = [.coordinator] + nodes.map { .node($0.id) }
        for from in endpoints {
            for to in endpoints where from != to && Int.random(in: 0..<3, using: &random) == 0 {
                let bandwidth = Double(Int.random(in: 0...6, using: &random)) * 5e7
                let latency = Double.random(in: 0...2, using: &random)
                links.set(Link(bandwidthBytesPerSecond: bandwidth, latencyMs: latency), from: from, to: to)
            }
        }
        return links
    }
}
