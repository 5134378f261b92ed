/// Any mix of stages and replicas with more distinct nodes than the exact search takes: an exact search over packets of nodes.
///
/// The nodes are packed into a few packets, and the exact search runs over subsets of packets: a packet serves one stage as a whole.
/// Several packings are tried (equal in number by capability, equal in number by memory, and sizes 1, 1, 2, 4, … so that the
/// weak end can be left out), as well as single nodes in order. The best is then refined: boundaries move, weak nodes leave. Without memory
/// limits all nodes as replicas of the whole model reach the lower bound, and so does this; the plan says its gap.
struct PacketSearch {
    /// More packets than these the exact search takes no longer than the nodes themselves.
    static let maximumPackets = 8
    /// Boundary pairs times states of one packing: three of them stay below a second.
    static let maximumSteps = 100_000_000
    /// Moves of boundaries; each lowers the bottleneck.
    static let maximumMoves = 1000

    let request: PlanRequest
    /// Of all nodes that may take part, strongest first.
    let model: PipelineModel
    let pins: StagePins

    func solve() -> PlanOutcome? {
        var searches = packings().map { kinds in
            let table = GroupTable(allOf: kinds, model: model)
            return LexicographicSearch(request: request, model: model, table: table, automaton: PathAutomaton(table: table))
        }
        if pins.isEmpty { searches.append(LexicographicSearch(orderOf: model, request: request, all: false)) }
        var candidates: [PlanOutcome] = []
        var lowest = Double.infinity
        for search in searches {
            guard let found = search.best() else { continue }
            lowest = min(lowest, found.lowestMs)
            candidates.append(moved(search.outcome(found, isExact: false)))
        }
        let isThroughput = request.objective == .throughput
        if isThroughput { lowest = min(lowest, candidates.map(\.bottleneckMs).min() ?? lowest) }
        // One limit for all: tolerances must not add up from one candidate to the next.
        let limit = isThroughput ? lowest * request.settings.bottleneckTolerance : .infinity
        let near = candidates.filter { $0.bottleneckMs <= limit * (1 + 1e-12) }.map { thinned($0, limitMs: limit) }
        return near.min { ($0.latencyMs, $0.nodeCount) < ($1.latencyMs, $1.nodeCount) }
    }

    /// The lowest bottleneck of the whole model on the strongest n nodes, for any n; nil where it fits none.
    static func lowestOfPrefixes(_ model: PipelineModel) -> Double? {
        let whole = model.block(from: 0, to: model.segmentCount)
        var members: [Int] = []
        var best: Double?
        for node in model.nodes.indices where model.fits(whole, on: node) {
            members.append(node)
            let outcome = PlanOutcome(model: model, steps: [PlanOutcome.Step(block: whole, nodes: members)], isExact: false)
            let bottleneck = outcome.bottleneckMs
            if bottleneck.isFinite { best = min(best ?? bottleneck, bottleneck) }
            // Past the exact search's reach the strongest packet or two say enough.
            if members.count >= maximumPackets { break }
        }
        return best
    }

    // MARK: - Packets

    private func packings() -> [[NodeKind]] {
        let pinned = pins.nodesOfStage.sorted { $0.key < $1.key }.map { NodeKind(units: [$0.value], pin: $0.key) }
        let fixed = Set(pins.nodesOfStage.values.joined())
        let byCapability = model.nodes.indices.filter { !fixed.contains($0) }
        let byMemory = byCapability.sorted { (-model.memories[$0], $0) < (-model.memories[$1], $1) }
        let count = max(1, packetCount(pins: pinned.map(\.pin)) - pinned.count)
        var result: [[NodeKind]] = []
        for packets in [Self.even(byCapability, count), Self.even(byMemory, count), Self.doubling(byCapability, count)] {
            let kinds = pinned + packets.map { NodeKind(units: [$0]) }
            if !result.contains(where: { $0.map(\.units) == kinds.map(\.units) }) { result.append(kinds) }
        }
        return result
    }

    /// As many packets as the bound on steps allows: 3ⁿ states over all pairs of boundaries.
    private func packetCount(pins: [Int?]) -> Int {
        let pairs = max(1, model.segmentCount * model.segmentCount / 2)
        let depths = (pins.compactMap { $0 }.max() ?? -1) + 2
        var count = 2
        var states = 9 * depths
        while count < Self.maximumPackets, states * 3 <= Self.maximumSteps / pairs {
            states *= 3
            count += 1
        }
        return count
    }

    private static func even(_ nodes: [Int], _ count: Int) -> [[Int]] {
        (0..<count).map { Array(nodes[(nodes.count * $0 / count)..<(nodes.count * ($0 + 1) / count)]) }.filter { !$0.isEmpty }
    }

    private static func doubling(_ nodes: [Int], _ count: Int) -> [[Int]] {
        var result: [[Int]] = []
        var begin = 0
        while begin < nodes.count, result.count < count {
            let isLast = result.count == count - 1
            let end = isLast ? nodes.count : min(nodes.count, begin + max(1, begin))
            result.append(Array(nodes[begin..<end]))
            begin = end
        }
        return result
    }

    // MARK: - Refinement

    /// Moves single boundaries while that lowers the bottleneck.
    private func moved(_ start: PlanOutcome) -> PlanOutcome {
        var best = start
        guard request.objective == .throughput else { return best }
        for _ in 0..<Self.maximumMoves {
            var improved: PlanOutcome?
            for stage in best.steps.indices.dropFirst() {
                for move in [-1, 1] {
                    let boundary = best.steps[stage].block.from + move
                    guard boundary > best.steps[stage - 1].block.from, boundary < best.steps[stage].block.to else { continue }
                    var candidate = best
                    candidate.steps[stage - 1].block = model.block(from: best.steps[stage - 1].block.from, to: boundary)
                    candidate.steps[stage].block = model.block(from: boundary, to: best.steps[stage].block.to)
                    if candidate.fitsMemory, candidate.bottleneckMs < (improved ?? best).bottleneckMs * (1 - 1e-9) {
                        improved = candidate
                    }
                }
            }
            guard let improved else { break }
            best = improved
        }
        return best
    }

    /// Takes replicas out, weakest first, while the bottleneck stays within the tolerance and the latency does not grow.
    private func thinned(_ start: PlanOutcome, limitMs: Double) -> PlanOutcome {
        var best = start
        var latency = start.latencyMs
        for stage in best.steps.indices {
            for node in best.steps[stage].nodes.sorted(by: >)
            where best.steps[stage].nodes.count > 1 && model.nodes[node].pinnedStage == nil {
                var candidate = best
                candidate.steps[stage].nodes.removeAll { $0 == node }
                let candidateLatency = candidate.latencyMs
                guard candidateLatency <= latency * (1 + 1e-9), candidate.bottleneckMs <= limitMs else { continue }
                best = candidate
                latency = candidateLatency
            }
        }
        return best
    }
}
