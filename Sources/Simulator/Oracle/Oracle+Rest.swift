internal import Base
internal import Cluster
internal import Wire

/// What must hold when everything that was asked for is answered, and a while after that.
extension Oracle {
    /// Whether all requests have their outcome and no process holds work.
    func isAtRest(_ coordinators: [SimulatedCoordinator], _ workers: [SimulatedWorker]) -> Bool {
        openRequests == 0
            && coordinators.allSatisfy { !$0.isUp || ($0.machine.requestCount == 0 && $0.machine.flightCount == 0) }
            && workers.allSatisfy { !$0.isUp || $0.machine.heldCount == 0 }
    }

    func unsettled(_ coordinators: [SimulatedCoordinator], _ workers: [SimulatedWorker]) -> String {
        let waiting = requests.indices.flatMap { client in unanswered(by: client).map { "client\(client)/\($0)" } }
        let counts = coordinators.map { "\($0.machine.requestCount) requests and \($0.machine.flightCount) flights" }
        return "unanswered: \(waiting); coordinators hold \(counts), workers \(workers.map(\.machine.heldCount)) micro-batches"
    }

    /// Nothing is kept of what is over.
    func checkRest(_ coordinators: [SimulatedCoordinator], _ workers: [SimulatedWorker], at now: Instant) throws(Violation) {
        guard isAtRest(coordinators, workers) else {
            throw violation("stopped with work left: \(unsettled(coordinators, workers))", at: now)
        }
        for coordinator in coordinators where coordinator.isUp {
            let payloads = coordinator.payloads
            guard payloads.requestCount == 0, payloads.resultCount == 0, coordinator.uploads.isEmpty else {
                throw violation("\(coordinator.name) still holds payloads of \(payloads.requestCount) requests", at: now)
            }
            guard coordinator.machine.heldByteCount == 0 else {
                throw violation("\(coordinator.name) still counts \(coordinator.machine.heldByteCount) bytes", at: now)
            }
        }
        for worker in workers where worker.isUp {
            guard worker.payloads.count == 0 else {
                throw violation("\(worker.name) still holds \(worker.payloads.count) payloads", at: now)
            }
            guard worker.machine.heldByteCount == 0 else {
                throw violation("\(worker.name) still counts \(worker.machine.heldByteCount) bytes", at: now)
            }
        }
    }

    /// Long after the last fault: a plan serves, and from here on no other is made.
    mutating func settled(_ coordinator: SimulatedCoordinator, in world: World) throws(Violation) {
        report.observed += 1
        guard coordinator.machine.isServing else {
            throw violation("no plan serves \((world.now - world.lastFaultEnd).readable) after the last fault", at: world.now)
        }
        plansWhenSettled = coordinator.plans
    }

    /// Nothing has changed by itself, and what is kept is within its bounds.
    func checkCalm(_ coordinators: [SimulatedCoordinator], _ workers: [SimulatedWorker], in world: World) throws(Violation) {
        try checkRest(coordinators, workers, at: world.now)
        let plans = coordinators[0].plans - plansWhenSettled
        guard plans == 0 else {
            throw violation(
                "\(plans) more plans within \(Self.observedTime.readable), though the last fault was long over", at: world.now)
        }
        try checkConnections(of: workers, in: world)
        try checkTables(of: coordinators[0], workers, at: world.now)
    }

    /// Each pair has one connection for each purpose, and nobody counts one that is not there.
    private func checkConnections(of workers: [SimulatedWorker], in world: World) throws(Violation) {
        struct Purpose: Hashable {
            var dialer: Process
            var acceptor: Process
            var channel: Channel
        }
        var open: [Purpose: Int] = [:]
        for connection in world.connections where connection.isOpen {
            let purpose = Purpose(dialer: connection.dialer, acceptor: connection.acceptor, channel: connection.hello.channel)
            open[purpose, default: 0] += 1
        }
        if let (purpose, count) = open.first(where: { $0.value > 1 }) {
            throw violation(
                "\(count) \(purpose.channel) connections of \(purpose.dialer) to \(purpose.acceptor) are open", at: world.now)
        }
        for worker in workers where worker.isUp {
            let accepted = world.connections.count { $0.isOpen && $0.acceptor == .worker(worker.index) }
            guard worker.machine.connectionCount <= accepted else {
                throw violation(
                    "\(worker.name) counts \(worker.machine.connectionCount) connections, but \(accepted) are open", at: world.now)
            }
        }
    }

    private func checkTables(of coordinator: SimulatedCoordinator, _ workers: [SimulatedWorker], at now: Instant) throws(Violation)
    {
        let sizes = coordinator.machine.tableSizes
        let nodes = workers.count
        let rows = [
            ("abandoned micro-batches", sizes.abandoned, 0),
            ("requests by client", sizes.clientRequests, 0),
            ("clients with requests", sizes.clientConnections, 0),
            ("connections of nodes", sizes.nodeConnections, 2 * nodes),
            ("faulty links", sizes.linkFaults, nodes * nodes),
            ("watches", sizes.watches, 4 * nodes),
        ]
        for (name, size, limit) in rows where size > limit {
            throw violation("the coordinator's table of \(name) has \(size) entries at rest; its bound is \(limit)", at: now)
        }
        for worker in workers where worker.isUp && worker.machine.peerCount >= max(1, nodes) {
            throw violation("\(worker.name) knows \(worker.machine.peerCount) peers of \(nodes - 1)", at: now)
        }
    }
}
