internal import Planning
internal import Wire

/// Which replica of each stage takes a micro-batch: node selection by Algorithm 1 (``NodeSelector``), among those that have room and can
/// reach each other.
extension CoordinatorMachine {
    /// One replica with room for each stage, each able to reach the next. O(log replicas) where the best of each stage has room and no
    /// link is out; else O(replicas), and O(replicas²) of neighbouring stages while a link is out.
    func freePath(
        through stages: [PlannedDeployment.Stage], _ bytes: [Int], alone: Bool, _ now: Instant
    ) -> [NodeID]? {
        let hasBrokenLinks = links.hasBroken
        if !hasBrokenLinks {
            var path: [NodeID] = []
            for (index, stage) in stages.enumerated() {
                guard let best = stage.replicas.count == 1 ? stage.replicas[0] : selectors.best(ofStage: index),
                    isLoaded(stage.partition, on: best), hasRoom(best, bytes[index], alone: alone, now)
                else { break }
                path.append(best)
            }
            if path.count == stages.count { return path }
        }
        // From the last stage backwards, so that no replica is chosen from which there is no way on.
        var open: [[NodeID]] = Array(repeating: [], count: stages.count)
        for index in stages.indices.reversed() {
            let following = index + 1 < stages.count ? open[index + 1] : []
            open[index] = stages[index].replicas.filter { id in
                guard isLoaded(stages[index].partition, on: id), hasRoom(id, bytes[index], alone: alone, now) else { return false }
                guard hasBrokenLinks, index + 1 < stages.count else { return true }
                return following.contains { links.isUsable(NodeLink(from: id, to: $0)) }
            }
            if open[index].isEmpty { return nil }
        }
        var path: [NodeID] = []
        for (index, candidates) in open.enumerated() {
            let reachable = candidates.filter { id in
                guard hasBrokenLinks, let previous = path.last else { return true }
                return links.isUsable(NodeLink(from: previous, to: id))
            }
            guard let chosen = selectors.best(ofStage: index, among: reachable) ?? reachable.first else { return nil }
            path.append(chosen)
        }
        return path
    }

    func hasRoom(_ id: NodeID, _ needed: Int, alone: Bool, _ now: Instant) -> Bool {
        guard let node = nodes[id], node.takesWork, let profile = node.profile, (node.pausedUntil ?? .zero) <= now else {
            return false
        }
        if alone { return node.state == .ready && needed <= Int(clamping: profile.slotBytes) }
        guard !flights.isKeptFree(id) else { return false }
        // In this order nothing overflows, however large what is needed.
        let reserved = flights.reserved(on: id)
        return reserved.count < Int(profile.slots) && needed <= Int(clamping: profile.slotBytes) - reserved.bytes
    }

    /// Whether an empty replica would take it; true where none is ready, because that one may.
    func couldHold(_ needed: Int, _ stage: PlannedDeployment.Stage) -> Bool {
        let present = stage.replicas.compactMap { nodes[$0] }.filter { $0.state == .ready }
        return present.isEmpty || present.contains { needed <= Int(clamping: $0.profile?.slotBytes ?? 0) }
    }

    // MARK: What the selectors know

    /// For a plan that begins to serve.
    mutating func renewSelectors(for deployment: PlannedDeployment) {
        selectors = ReplicaSelectors(deployment, maximumLoad: configuration.maximumLoad)
        for id in selectors.nodes.sorted() {
            guard let node = nodes[id] else { continue }
            selectors.update(id, node.takesWork ? reading(of: node) : nil)
            for _ in 0..<flights.count(on: id) { selectors.began(on: id) }
        }
    }

    /// After a heartbeat, and after each change of the node's state.
    mutating func selectorsHear(of id: NodeID) {
        guard let node = nodes[id], selectors.isChoice(id) else { return }
        selectors.update(id, node.takesWork ? reading(of: node) : nil)
    }

    /// The load is others' CPU and our own queue over its window; what a stage needs was checked when it was planned.
    private func reading(of node: Node) -> NodeReading {
        let cores = node.profile?.cores ?? 1
        let queued = Double(node.heartbeat?.queued ?? 0) / Double(max(1, node.profile?.slots ?? 1))
        let others = node.heartbeat.map { max(0, $0.cpuUsedCores - $0.processCPUCores) / max(cores, 0.01) } ?? 0
        return NodeReading(
            availableCores: cores, availableMemory: .zero, load: min(1, others + queued),
            latencyMs: (node.roundTrip?.milliseconds ?? 0) / 2)
    }
}

/// A selector for each stage that has several replicas; a stage of one needs no choice.
struct ReplicaSelectors: Sendable {
    /// Room and memory are reserved elsewhere, so a task needs nothing that the selector must compare.
    private static let demand = TaskDemand()

    private var byStage: [NodeSelector?]
    private let stagesOf: [NodeID: [Int]]
    /// Those among which there is a choice.
    var nodes: Set<NodeID> { Set(stagesOf.keys) }
    func isChoice(_ id: NodeID) -> Bool { stagesOf[id] != nil }

    /// While no plan serves.
    init() {
        byStage = []
        stagesOf = [:]
    }

    init(_ deployment: PlannedDeployment, maximumLoad: Double) {
        var settings = SelectionSettings()
        settings.maximumLoad = maximumLoad
        var stagesOf: [NodeID: [Int]] = [:]
        byStage = deployment.stages.enumerated().map { index, stage in
            guard stage.replicas.count > 1 else { return nil }
            for replica in stage.replicas { stagesOf[replica, default: []].append(index) }
            var selector = NodeSelector(settings: settings)
            selector.prepare(for: Self.demand)
            return selector
        }
        self.stagesOf = stagesOf
    }

    func best(ofStage index: Int) -> NodeID? { byStage[index]?.winner(Self.demand)?.node }

    func best(ofStage index: Int, among candidates: [NodeID]) -> NodeID? {
        byStage[index]?.winner(Self.demand, among: candidates)
    }

    /// - Parameter reading: `nil` for a node that takes no work now.
    mutating func update(_ id: NodeID, _ reading: NodeReading?) {
        for stage in stagesOf[id] ?? [] {
            if let reading { _ = byStage[stage]?.update(id, reading) } else { byStage[stage]?.stopsAnswering(id) }
        }
    }

    mutating func began(on id: NodeID) { for stage in stagesOf[id] ?? [] { byStage[stage]?.assign(to: id) } }

    mutating func ended(on id: NodeID, milliseconds: Double?) {
        for stage in stagesOf[id] ?? [] { _ = byStage[stage]?.finish(on: id, milliseconds: milliseconds) }
    }
}
