internal import Base
internal import Cluster
internal import Wire

/// What must hold when everything that was asked for is answered, and a while after that.
extension Simulation {
    /// Whether all requests have their outcome and no process holds work.
    var isAtRest: Bool {
        openRequests == 0
            && coordinators.allSatisfy { !$0.isUp || ($0.machine.requestCount == 0 && $0.machine.flightCount == 0) }
            && workers.allSatisfy { !$0.isUp || $0.machine.heldCount == 0 }
    }

    var unsettled: String {
        let waiting = clients.flatMap { client in client.unanswered.map { "client\(client.index)/\($0)" } }
        let counts = coordinators.map { "\($0.machine.requestCount) requests and \($0.machine.flightCount) flights" }
        return "unanswered: \(waiting); coordinators hold \(counts), workers \(workers.map(\.machine.heldCount)) micro-batches"
    }

    /// Nothing is kept of what is over.
    func checkRest() throws(Violation) {
        guard isAtRest else { throw violation("stopped with work left: \(unsettled)") }
        for coordinator in coordinators where coordinator.isUp {
            let payloads = coordinator.payloads
            guard payloads.requestCount == 0, payloads.resultCount == 0, coordinator.uploads.isEmpty else {
                throw violation("\(coordinator.name) still holds payloads of \(payloads.requestCount) requests")
            }
            guard coordinator.machine.heldByteCount == 0 else {
                throw violation("\(coordinator.name) still counts \(coordinator.machine.heldByteCount) bytes")
            }
        }
        for worker in workers where worker.isUp {
            guard worker.payloads.count == 0 else {
                throw violation("\(worker.name) still holds \(worker.payloads.count) payloads")
            }
            guard worker.machine.heldByteCount == 0 else {
                throw violation("\(worker.name) still counts \(worker.machine.heldByteCount) bytes")
            }
        }
    }

    /// All is answered: a run ends here, or goes on to see that nothing goes on by itself.
    mutating func arriveAtRest() throws(Violation) {
        try checkRest()
        guard isObserved else {
            isOver = true
            return
        }
        guard phase == .running else { return }
        phase = .settling
        schedule.add(.observe, at: max(now, lastFaultEnd) + options.settleTime)
    }

    /// Long after the last fault: a plan serves, and each client's next request is answered.
    mutating func observe() throws(Violation) {
        let due = max(lastFaultEnd, lastFaultStart) + options.settleTime
        guard due <= now else { return schedule.add(.observe, at: due) }
        phase = .observing
        report.observed += 1
        guard coordinators[0].machine.isServing else {
            throw violation("no plan serves \((now - lastFaultEnd).readable) after the last fault")
        }
        plansAtObservation = coordinators[0].plans
        for client in clients.indices where !clients[client].hasLeft {
            let request = clients[client].plan(
                items: random.int(in: options.itemsPerRequest), input: .good, deadline: Self.probeLimit, random: &random)
            clients[client].requests[request].isProbe = true
            openRequests += 1
            schedule.add(.submit(client: client, request: request), at: now + random.duration(.zero, .seconds(1)))
        }
        schedule.add(.rest, at: now + Self.observedTime)
    }

    /// Nothing has changed by itself, and what is kept is within its bounds.
    mutating func endObservation() throws(Violation) {
        try checkRest()
        let plans = coordinators[0].plans - plansAtObservation
        guard plans == 0 else {
            throw violation("\(plans) more plans within \(Self.observedTime.readable), though the last fault was long over")
        }
        try checkConnections()
        try checkTables()
        isOver = true
    }

    /// Each pair has one connection for each purpose, and nobody counts one that is not there.
    private func checkConnections() throws(Violation) {
        struct Purpose: Hashable {
            var dialer: Process
            var acceptor: Process
            var channel: Channel
        }
        var open: [Purpose: Int] = [:]
        for connection in connections where connection.isOpen {
            let purpose = Purpose(dialer: connection.dialer, acceptor: connection.acceptor, channel: connection.hello.channel)
            open[purpose, default: 0] += 1
        }
        if let (purpose, count) = open.first(where: { $0.value > 1 }) {
            throw violation("\(count) \(purpose.channel) connections of \(purpose.dialer) to \(purpose.acceptor) are open")
        }
        for worker in workers where worker.isUp {
            let accepted = connections.count { $0.isOpen && $0.acceptor == .worker(worker.index) }
            guard worker.machine.connectionCount <= accepted else {
                throw violation("\(worker.name) counts \(worker.machine.connectionCount) connections, but \(accepted) are open")
            }
        }
    }

    private func checkTables() throws(Violation) {
        let sizes = coordinators[0].machine.tableSizes
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
            throw violation("the coordinator's table of \(name) has \(size) entries at rest; its bound is \(limit)")
        }
        for worker in workers where worker.isUp && worker.machine.peerCount >= max(1, nodes) {
            throw violation("\(worker.name) knows \(worker.machine.peerCount) peers of \(nodes - 1)")
        }
    }
}
