import Planning

/// The best plan by trying all: every choice of cuts and every sequence of distinct nodes. Shares no code with the planner, and
/// writes its formulas out again.
struct BruteForce {
    struct Result {
        var bottleneck = Double.infinity
        /// The lowest latency among plans within 1.03 of the bottleneck.
        var latency = Double.infinity
    }
    private struct Candidate {
        var bottleneck: Double
        var latency: Double
        var stages: Int
    }

    let request: PlanRequest
    private var candidates: [Candidate] = []

    init(_ request: PlanRequest) {
        self.request = request
        extend(starts: [0])
    }

    /// In the pipeline's shape only the longest possible plans count.
    var best: Result? {
        guard let longest = candidates.map(\.stages).max() else { return nil }
        let allowed = request.shape == .pipeline ? candidates.filter { $0.stages == longest } : candidates
        var result = Result()
        result.bottleneck = allowed.map(\.bottleneck).min() ?? .infinity
        result.latency = allowed.filter { $0.bottleneck <= result.bottleneck * 1.03 }.map(\.latency).min() ?? .infinity
        return result
    }

    private mutating func extend(starts: [Int]) {
        place(starts: starts, chosen: [])
        guard starts.count < request.nodes.count else { return }
        for cut in request.profile.cuts where cut.layer > starts[starts.count - 1] { extend(starts: starts + [cut.layer]) }
    }

    private mutating func place(starts: [Int], chosen: [PlanningNode]) {
        if chosen.count == starts.count {
            if let candidate = judge(starts, chosen) { candidates.append(candidate) }
            return
        }
        for node in request.nodes where !chosen.contains(where: { $0.id == node.id }) {
            place(starts: starts, chosen: chosen + [node])
        }
    }

    private func judge(_ starts: [Int], _ nodes: [PlanningNode]) -> Candidate? {
        let profile = request.profile
        let settings = request.settings
        let ends = starts.dropFirst() + [profile.layers.count]
        var crossing = [profile.inputBytes.bytes]
        for start in starts.dropFirst() { crossing.append(profile.cuts.first { $0.layer == start }?.bytes.bytes ?? -1) }
        crossing.append(profile.outputBytes.bytes)
        var bottleneck = 0.0
        var latency = 0.0
        for (index, (start, end)) in zip(starts, ends).enumerated() {
            let node = nodes[index]
            let traffic = Double(crossing[index] + crossing[index + 1])
            var work = traffic * settings.transferCPUNanosecondsPerByte / 1_000_000
            var weights = 0
            var peak = 0
            for layer in profile.layers[start..<end] {
                work += layer.milliseconds ?? .nan
                weights += layer.parameterBytes.bytes
                peak = max(peak, layer.outputBytes.bytes)
            }
            let cores = node.effectiveCores * (1 - node.load)
            let factor = profile.level == .o0 ? 2.0 : 3.0
            let resident =
                110e6 + Double(weights) * factor + Double(peak) * 2 * max(1, node.effectiveCores.rounded(.down)) + traffic * 2
            if resident > Double(node.freeMemory.bytes) { return nil }
            bottleneck = max(bottleneck, work / (cores * node.speed))
            latency += work / (min(cores, 1) * node.speed)
        }
        for hop in 0...nodes.count {
            let link = request.links.link(
                from: hop == 0 ? .coordinator : .node(nodes[hop - 1].id),
                to: hop == nodes.count ? .coordinator : .node(nodes[hop].id))
            if link.bandwidthBytesPerSecond <= 0 { return nil }
            let busy = Double(crossing[hop]) / link.bandwidthBytesPerSecond * 1000
            bottleneck = max(bottleneck, busy)
            latency += busy + link.latencyMs
        }
        return Candidate(bottleneck: bottleneck, latency: latency, stages: nodes.count)
    }
}
