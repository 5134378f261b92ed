internal import Base
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
                guard let best = stage.replicas.count == 1 ? stage.replicas[0] : plans.selectors.best(ofStage: index),
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
            guard let chosen = plans.selectors.best(ofStage: index, among: reachable) ?? reachable.first else { return nil }
            path.append(chosen)
        }
        return path
    }

    func hasRoom(_ id: NodeID, _ needed: Int, alone: Bool, _ now: Instant) -> Bool {
        guard let node = roster[id], node.takesWork, let profile = node.profile, (node.session?.pausedUntil ?? .zero) <= now else {
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
        let present = stage.replicas.compactMap { roster[$0] }.filter { $0.state == .ready }
        return present.isEmpty || present.contains { needed <= Int(clamping: $0.profile?.slotBytes ?? 0) }
    }

    // MARK: What the selectors know

    /// For a plan that begins to serve.
    func makeSelectors(for deployment: PlannedDeployment) -> ReplicaSelectors {
        var selectors = ReplicaSelectors(deployment, maximumLoad: configuration.maximumLoad)
        for id in selectors.nodes.sorted() {
            guard let node = roster[id] else { continue }
            selectors.update(id, node.takesWork ? reading(of: node) : nil)
            for _ in 0..<flights.count(on: id) { selectors.began(on: id) }
        }
        return selectors
    }

    /// After a heartbeat, and after each change of the node's state.
    mutating func selectorsHear(of id: NodeID) {
        guard let node = roster[id], plans.selectors.isChoice(id) else { return }
        plans.update(id, node.takesWork ? reading(of: node) : nil)
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
