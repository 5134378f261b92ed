import Base
import Planning

/// The best plan by trying all: every choice of cuts, and every sequence of disjoint groups of nodes (single nodes in the pipeline's
/// shape). Shares no code with the planner, and writes its formulas out again. It leaves off only where a figure is
/// already worse than one that is known.
struct BruteForce {
    struct Candidate {
        var stages: [EventSimulation.Stage] = []
        var bottleneck = Double.infinity
        var latency = Double.infinity
        var nodes = 0
    }
    private struct Chain {
        var start = 0
        var used = 0
        var last = 0
        var bottleneck = 0.0
        var latency = 0.0
        var stages: [(layers: LayerRange, mask: Int)] = []
    }
    private enum Goal {
        case longest
        case bottleneck(length: Int?)
        case latency(length: Int?, limit: Double)
    }

    private let request: PlanRequest
    private let nodes: [PlanningNode]
    private let starts: [Int]
    private let bytes: [Int: Double]
    private let costs: [Double]
    private var goal = Goal.longest
    private var longest = 0
    private(set) var best: Candidate?

    init(_ request: PlanRequest) {
        self.request = request
        nodes = request.nodes.filter { !$0.isExcluded }
        costs = request.profile.layers.map { $0.milliseconds ?? .nan }
        starts = request.profile.cuts.map(\.layer) + [request.profile.layers.count]
        var bytes = [0: Double(request.profile.inputBytes.bytes)]
        for cut in request.profile.cuts { bytes[cut.layer] = Double(cut.bytes.bytes) }
        bytes[request.profile.layers.count] = Double(request.profile.outputBytes.bytes)
        self.bytes = bytes
        guard !nodes.isEmpty else { return }
        var length: Int?
        if request.shape == .pipeline {
            extend(Chain())
            guard longest > 0 else { return }
            length = longest
        }
        if request.objective == .throughput {
            goal = .bottleneck(length: length)
            extend(Chain())
            guard let fastest = best else { return }
            goal = .latency(length: length, limit: fastest.bottleneck * 1.03)
        } else {
            goal = .latency(length: length, limit: .infinity)
        }
        best = nil
        extend(Chain())
    }

    /// The lowest bottleneck of all, for the objective throughput: the plan in ``best`` may be 3 % above it.
    static func lowestBottleneck(_ request: PlanRequest) -> Double? {
        var search = BruteForce(request, onlyBottleneck: true)
        search.extend(Chain())
        return search.best?.bottleneck
    }

    private init(_ request: PlanRequest, onlyBottleneck: Bool) {
        var relaxed = request
        relaxed.objective = .throughput
        self.init(relaxed)
        let length = request.shape == .pipeline ? longest : nil
        goal = .bottleneck(length: length)
        best = nil
    }

    private mutating func extend(_ chain: Chain) {
        if chain.start == request.profile.layers.count {
            finish(chain)
            return
        }
        let stage = chain.stages.count
        for mask in 1..<(1 << nodes.count) where mask & chain.used == 0 {
            if request.shape == .pipeline, mask & (mask - 1) != 0 { continue }
            let members = nodes.indices.filter { mask >> $0 & 1 == 1 }
            guard members.allSatisfy({ nodes[$0].pinnedStage ?? stage == stage }) else { continue }
            let (hopBusy, hopMean) = hop(chain.last, mask, before: chain.start)
            guard hopBusy < .infinity else { continue }
            for end in starts where end > chain.start {
                let range = LayerRange(chain.start, end)
                guard members.allSatisfy({ fits(range, nodes[$0]) }) else { continue }
                let work = reference(range)
                let rates = members.map { rate(nodes[$0]) }
                let sum = rates.reduce(0, +)
                var next = chain
                next.start = end
                next.used |= mask
                next.last = mask
                next.bottleneck = max(chain.bottleneck, hopBusy, work / sum)
                next.latency += hopMean
                for (member, rate) in zip(members, rates) {
                    let node = nodes[member]
                    next.latency += rate / sum * work / (min(1, node.effectiveCores * (1 - node.load)) * node.speed)
                }
                next.stages.append((range, mask))
                if isWorthwhile(next) { extend(next) }
            }
        }
    }

    private func isWorthwhile(_ chain: Chain) -> Bool {
        switch goal {
        case .longest: chain.bottleneck < .infinity
        case .bottleneck: chain.bottleneck < best?.bottleneck ?? .infinity
        case .latency(_, let limit): chain.bottleneck <= limit && chain.latency <= best?.latency ?? .infinity
        }
    }

    private mutating func finish(_ chain: Chain) {
        let (busy, mean) = hop(chain.last, 0, before: request.profile.layers.count)
        var complete = chain
        complete.bottleneck = max(chain.bottleneck, busy)
        complete.latency += mean
        let isPinned = nodes.indices.allSatisfy { nodes[$0].pinnedStage == nil || chain.used >> $0 & 1 == 1 }
        guard isPinned, complete.bottleneck < .infinity, isWorthwhile(complete) else { return }
        switch goal {
        case .longest:
            longest = max(longest, chain.stages.count)
            return
        case .bottleneck(let length), .latency(let length, _):
            guard length.map({ $0 == chain.stages.count }) ?? true else { return }
        }
        let count = chain.used.nonzeroBitCount
        if case .latency = goal, let best, complete.latency > best.latency * (1 - 1e-12), count >= best.nodes { return }
        best = Candidate(
            stages: chain.stages.map { stage in
                (stage.layers, nodes.indices.filter { stage.mask >> $0 & 1 == 1 }.map { nodes[$0].id })
            }, bottleneck: complete.bottleneck, latency: complete.latency, nodes: count)
    }

    private func rate(_ node: PlanningNode) -> Double { node.effectiveCores * (1 - node.load) * node.speed }

    private func reference(_ range: LayerRange) -> Double {
        let traffic = (bytes[range.first] ?? .nan) + (bytes[range.end] ?? .nan)
        return costs[range.first..<range.end].reduce(0, +) + traffic * request.settings.transferCPUNanosecondsPerByte / 1_000_000
    }

    private func fits(_ range: LayerRange, _ node: PlanningNode) -> Bool {
        let layers = request.profile.layers[range.first..<range.end]
        let weights = layers.reduce(0) { $0 + $1.parameterBytes.bytes }
        let peak = layers.map(\.outputBytes.bytes).max() ?? 0
        let traffic = (bytes[range.first] ?? .nan) + (bytes[range.end] ?? .nan)
        let factor = request.profile.level == .o0 ? 2.0 : 3.0
        let executors = max(1, node.effectiveCores.rounded(.down))
        return 110e6 + Double(weights) * factor + Double(peak) * 2 * executors + traffic * 2 <= Double(node.freeMemory.bytes)
    }

    /// The busiest link and the mean way between two groups; an empty one is the coordinator.
    private func hop(_ from: Int, _ to: Int, before layer: Int) -> (Double, Double) {
        func members(_ mask: Int) -> [(LinkTable.Endpoint, Double)] {
            if mask == 0 { return [(.coordinator, 1)] }
            let chosen = nodes.indices.filter { mask >> $0 & 1 == 1 }
            let sum = chosen.reduce(0) { $0 + rate(nodes[$1]) }
            return chosen.map { (.node(nodes[$0].id), rate(nodes[$0]) / sum) }
        }
        var worst = 0.0
        var mean = 0.0
        for (sender, senderShare) in members(from) {
            for (receiver, receiverShare) in members(to) {
                let link = request.links.link(from: sender, to: receiver)
                if link.bandwidthBytesPerSecond <= 0 { return (.infinity, .infinity) }
                let busy = (bytes[layer] ?? .nan) / link.bandwidthBytesPerSecond * 1000
                worst = max(worst, busy * senderShare * receiverShare)
                mean += (busy + link.latencyMs) * senderShare * receiverShare
            }
        }
        return (worst, mean)
    }
}
