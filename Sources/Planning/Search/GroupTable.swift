/// The groups of nodes that may serve one stage, with the figures that a search asks for again and again.
///
/// A group is a vector of counts: how many units of each kind. Everything that a stage or a hop costs is a sum or a maximum over
/// kinds and pairs of kinds, so it is worked out once for each group and each pair of groups, as a factor of work or bytes:
/// with shares `w_p = C_p / Σ C`,
///
///     stage time      work · 1 / Σ C                      mean time alone   work · Σ w_p / s_p
///     busiest link    bytes · max w_p · w_q / bandwidth   mean transfer     bytes · Σ w_p · w_q / bandwidth + Σ w_p · w_q · latency
///
/// Complexity: O(groups² · kinds²), and one look at each pair of nodes.
struct GroupTable {
    /// Cost of a hop for each byte, in ms, and its latency.
    struct Hop {
        var worstMsPerByte = 0.0
        var meanMsPerByte = 0.0
        var meanLatencyMs = 0.0
        static let unreachable = Hop(worstMsPerByte: .infinity, meanMsPerByte: .infinity, meanLatencyMs: .infinity)
    }
    private struct MemoryClass: Hashable {
        var executors: Int
        var memory: Int
    }

    let kinds: [NodeKind]
    /// Units of each kind in each group.
    let counts: [[Int]]
    let capabilities: [Double]
    /// Mean milliseconds of one reference millisecond for a micro-batch alone.
    let loneMsPerMs: [Double]
    private let arrivals: [Hop]
    private let departures: [Hop]
    private let pairs: [Hop]
    /// The least memory for each number of executors, over all members of a group: those of group g are at `classRanges[g]`.
    private let memoryClasses: [MemoryClass]
    private let classRanges: [Range<Int>]
    private let mostExecutors: Int
    private let leastMemory: Int

    var groupCount: Int { counts.count }

    /// One group for each kind, of one unit.
    init(singlesOf kinds: [NodeKind], model: PipelineModel) {
        self.init(kinds: kinds, counts: kinds.indices.map { kind in kinds.indices.map { $0 == kind ? 1 : 0 } }, model: model)
    }

    /// Every group that the kinds' counts allow, except that nodes of different pins never serve one stage.
    init(allOf kinds: [NodeKind], model: PipelineModel) {
        var vectors: [[Int]] = [[]]
        for kind in kinds { vectors = vectors.flatMap { vector in (0...kind.count).map { vector + [$0] } } }
        let allowed = vectors.filter { vector in
            let pins = Set(kinds.indices.filter { vector[$0] > 0 }.compactMap { kinds[$0].pin })
            return vector.contains { $0 > 0 } && pins.count <= 1
        }
        self.init(kinds: kinds, counts: allowed, model: model)
    }

    init(kinds: [NodeKind], counts: [[Int]], model: PipelineModel) {
        self.kinds = kinds
        self.counts = counts
        let members = kinds.map { $0.units[0] }
        let sums = members.map { $0.reduce(0) { $0 + model.capabilities[$1] } }
        let loneSums = members.map { $0.reduce(0) { $0 + model.capabilities[$1] / model.singleThreadCapabilities[$1] } }
        let kindsOfGroup = counts.map { vector in vector.indices.filter { vector[$0] > 0 } }
        let capabilities = zip(counts, kindsOfGroup).map { vector, present in
            present.reduce(0) { $0 + Double(vector[$1]) * sums[$1] }
        }
        self.capabilities = capabilities
        self.loneMsPerMs = counts.indices.map { group in
            kindsOfGroup[group].reduce(0) { $0 + Double(counts[group][$1]) * loneSums[$1] } / capabilities[group]
        }
        var classes: [MemoryClass] = []
        var ranges: [Range<Int>] = []
        for present in kindsOfGroup {
            let begin = classes.count
            let limits = present.flatMap { members[$0].map { (model.nodes[$0].executors, model.memories[$0]) } }
            classes += Dictionary(limits, uniquingKeysWith: min).map { MemoryClass(executors: $0, memory: $1) }
            ranges.append(begin..<classes.count)
        }
        self.memoryClasses = classes
        self.classRanges = ranges
        self.mostExecutors = classes.map(\.executors).max() ?? 1
        self.leastMemory = classes.map(\.memory).min() ?? 0
        let arriving = members.map { Self.hop(from: [PipelineModel.coordinator], to: $0, model) }
        let leaving = members.map { Self.hop(from: $0, to: [PipelineModel.coordinator], model) }
        func joined(_ hops: [Hop]) -> [Hop] {
            counts.indices.map { group in
                Self.sum(kindsOfGroup[group].map { (hops[$0], Double(counts[group][$0])) }, divisor: capabilities[group])
            }
        }
        self.arrivals = joined(arriving)
        self.departures = joined(leaving)
        // Units of one kind are alike, so any two of them stand for all pairs.
        let between = kinds.indices.map { from in
            kinds.indices.map { to in
                from == to && kinds[from].count < 2
                    ? Hop() : Self.hop(from: members[from], to: from == to ? kinds[to].units[1] : members[to], model)
            }
        }
        var pairs: [Hop] = []
        pairs.reserveCapacity(counts.count * counts.count)
        for from in counts.indices {
            for to in counts.indices {
                var parts: [(Hop, Double)] = []
                for kind in kindsOfGroup[from] {
                    for other in kindsOfGroup[to] {
                        parts.append((between[kind][other], Double(counts[from][kind] * counts[to][other])))
                    }
                }
                pairs.append(Self.sum(parts, divisor: capabilities[from] * capabilities[to]))
            }
        }
        self.pairs = pairs
    }

    /// From and to groups, or ``PipelineModel/coordinator``.
    @inline(__always)
    func hop(from: Int, to: Int) -> Hop {
        if from == PipelineModel.coordinator { return arrivals[to] }
        if to == PipelineModel.coordinator { return departures[from] }
        return pairs[from * counts.count + to]
    }

    /// Whether any group takes the block: worked out once for each block, so that most searches never look at single groups.
    func fitsEverywhere(_ block: PipelineModel.Block, _ model: PipelineModel) -> Bool {
        model.residentBytes(block, executors: mostExecutors) <= leastMemory
    }

    func fits(_ block: PipelineModel.Block, on group: Int, _ model: PipelineModel) -> Bool {
        for index in classRanges[group]
        where model.residentBytes(block, executors: memoryClasses[index].executors) > memoryClasses[index].memory { return false }
        return true
    }

    /// Units of all kinds, each weighted by C of both ends (the coordinator counts as 1): not yet divided by the groups' sums.
    private static func hop(from: [Int], to: [Int], _ model: PipelineModel) -> Hop {
        func weight(_ node: Int) -> Double { node == PipelineModel.coordinator ? 1 : model.capabilities[node] }
        if model.isUniformAmongNodes, from.first != PipelineModel.coordinator, to.first != PipelineModel.coordinator {
            let perByte = model.commonLink.occupancyMs(1)
            guard perByte.isFinite else { return .unreachable }
            let product = from.reduce(0) { $0 + weight($1) } * to.reduce(0) { $0 + weight($1) }
            let heaviest = (from.map(weight).max() ?? 0) * (to.map(weight).max() ?? 0)
            return Hop(
                worstMsPerByte: perByte * heaviest, meanMsPerByte: perByte * product,
                meanLatencyMs: model.commonLink.latencyMs * product)
        }
        var result = Hop()
        for sender in from {
            for receiver in to {
                let link = model.link(from: sender, to: receiver)
                let perByte = link.occupancyMs(1)
                guard perByte.isFinite else { return .unreachable }
                let share = weight(sender) * weight(receiver)
                result.worstMsPerByte = max(result.worstMsPerByte, perByte * share)
                result.meanMsPerByte += perByte * share
                result.meanLatencyMs += link.latencyMs * share
            }
        }
        return result
    }

    private static func sum(_ parts: [(hop: Hop, times: Double)], divisor: Double) -> Hop {
        var result = Hop()
        for (hop, times) in parts {
            result.worstMsPerByte = max(result.worstMsPerByte, hop.worstMsPerByte)
            result.meanMsPerByte += hop.meanMsPerByte * times
            result.meanLatencyMs += hop.meanLatencyMs * times
        }
        result.worstMsPerByte /= divisor
        result.meanMsPerByte /= divisor
        result.meanLatencyMs /= divisor
        return result
    }
}
