internal import Cluster
internal import Hosting
internal import Loops
internal import Planning
internal import Profiling
internal import Tensors
internal import Transport
internal import Wire

/// What the planner's thread is asked for: plans, and the archives of their partitions.
extension CoordinatorProcess {
    func plan(_ order: CoordinatorMachine.PlanOrder) {
        let service = service
        let answers = answers
        let table = linkTable(order)
        _ = planner.submit { _ = answers?.post(.planned(order.generation, service.plan(order, links: table))) }
    }

    /// What is known of the links: those to loopback addresses are fast, others are as fast as was measured, broken ones are out.
    private func linkTable(_ order: CoordinatorMachine.PlanOrder) -> LinkTable {
        let isLocal = peers.values.allSatisfy { $0.node == nil || $0.connection.peerAddress.isLoopback }
        if isLocal { return LinkTable(common: .loopback, measured: [], broken: order.brokenLinks) }
        // A probe went over each; what it showed is known by now.
        for peer in peers.values {
            guard let node = peer.node else { continue }
            let path = peer.connection.path()
            guard path.deliveryRate != nil else { continue }
            activations.links[node, default: ActivationLink(mode: options.compress, at: loop.now)].probed(path)
        }
        let own = activations.links.compactMap { node, link -> MeasuredLink? in
            guard link.bandwidthBytesPerSecond > 0, order.nodes.contains(where: { $0.id == node }) else { return nil }
            return MeasuredLink(
                from: nil, to: node, wireBytesPerSecond: link.bandwidthBytesPerSecond, rawBytes: link.rawBytes,
                wireBytes: link.wireBytes,
                roundTripMs: (order.nodes.first { $0.id == node }?.latencyMs ?? 0) * 2)
        }
        return LinkTable(common: .gigabit, measured: order.links + own, broken: order.brokenLinks)
    }

    func sendArchive(_ key: PartitionKey, on connection: ConnectionID) {
        let service = service
        let answers = answers
        _ = planner.submit {
            let result = Result { () throws(Failure) in
                do {
                    let storage = try service.archive(of: key)
                    return ReadyArchive(storage: storage, digest: ArchiveDigest.of(storage))
                } catch {
                    throw Failure(message: "\(error)")
                }
            }
            _ = answers?.post(.archive(key, connection, result))
        }
    }
}
