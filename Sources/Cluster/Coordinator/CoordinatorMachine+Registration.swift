public import Planning
internal import Wire

/// Workers that dial in (`--coordinator`): each becomes a target like those of the topology, and is dialled back.
extension CoordinatorMachine {
    /// Workers known by registration alone. Ten times the cluster of a hundred machines that a person would still start by hand.
    static let registrationLimit = 1_024
    /// A worker that neither holds its registration nor answers is forgotten after this: a machine that is started anew takes less.
    public static let registrationRetention: Duration = .seconds(600)

    struct Registration: Sendable {
        /// On which it registered; `nil` once that has closed.
        var connection: ConnectionID?
        var incarnation: IncarnationID
        /// Where it said that it can be reached.
        var addresses: [String]
        /// When it was last known to be there, once its connection has closed.
        var goneSince: Instant = .zero
    }

    mutating func registered(
        _ connection: ConnectionID, _ register: Register, _ incarnation: IncarnationID, _ now: Instant, _ out: inout [Directive]
    ) {
        guard !register.name.isEmpty, !register.addresses.isEmpty else {
            return refuse(connection, .invalidArgument, "a registration names the worker and where it can be reached", &out)
        }
        let name = NodeID(register.name)
        if let node = nodes[name], node.control != nil, node.incarnation != incarnation {
            guard now - node.lastHeard >= configuration.suspectAfter else {
                let message =
                    "another worker bears the name \"\(name)\" (at \(node.addresses.first ?? "?")) and answers; "
                    + "give each worker a --name of its own"
                log(.warning, "a registration is refused", ["node": name.description, "cause": message], &out)
                return refuse(connection, .failedPrecondition, message, &out)
            }
            lose(name, "it was silent, and another process registered under its name", as: .silence, now, &out)
        }
        let isKnown = registrations[name] != nil || nodes[name] != nil
        guard isKnown || makeRoomForRegistration(now, &out) else {
            return refuse(
                connection, .resourceExhausted, "\(Self.registrationLimit) workers are registered, which is the limit", &out)
        }
        if let old = registrations[name]?.connection, old != connection {
            registrationOfConnection[old] = nil
            out.append(.close(old, "\(name) registered once more"))
        }
        registrations[name] = Registration(connection: connection, incarnation: incarnation, addresses: register.addresses)
        registrationOfConnection[connection] = name
        out.append(.send(connection, .registered(Registered(name: name.description))))
        // It may be here already under the name that the topology gives it.
        guard !nodes.values.contains(where: { $0.control != nil && $0.incarnation == incarnation }) else { return }
        log(
            .info, "worker has registered",
            ["node": name.description, "addresses": register.addresses.joined(separator: ",")], &out)
        guard let node = nodes[name] else {
            nodeOfTarget[name] = name
            nodes[name] = Node(
                id: name, target: name, addresses: register.addresses, redialAt: now, backoff: configuration.redialFirst)
            return rearm(name)
        }
        // Known, and back: at once, and where it says first.
        let addresses = mergedAddresses(register.addresses, node.addresses)
        nodes[name]?.addresses = addresses
        nodes[name]?.backoff = configuration.redialFirst
        if !node.isDialing { nodes[name]?.redialAt = now }
        rearm(name)
    }

    /// Where a worker of the topology is tried: where it says itself first, if it has registered.
    func allAddresses(of id: NodeID, listed: [String]) -> [String] {
        guard let registration = registrations[id], registration.connection != nil else { return listed }
        return mergedAddresses(registration.addresses, listed)
    }

    private func mergedAddresses(_ first: [String], _ others: [String]) -> [String] {
        Array((first + others.filter { !first.contains($0) }).prefix(WireLimits.addresses))
    }

    /// Whether there is room for one more, after the one that has been gone longest has been forgotten where that helps.
    private mutating func makeRoomForRegistration(_ now: Instant, _ out: inout [Directive]) -> Bool {
        guard registrations.count >= Self.registrationLimit else { return true }
        let gone = registrations.filter { $0.value.connection == nil && nodes[$0.key]?.control == nil }
        guard let oldest = gone.min(by: { ($0.value.goneSince, $0.key) < ($1.value.goneSince, $1.key) })?.key else { return false }
        forgetRegistration(oldest, now, &out)
        return true
    }

    /// Answers whether the connection was one of a registration.
    mutating func registrationClosed(_ connection: ConnectionID, _ now: Instant) -> Bool {
        guard let name = registrationOfConnection.removeValue(forKey: connection) else { return false }
        registrations[name]?.connection = nil
        registrations[name]?.goneSince = now
        let due = now + Self.registrationRetention
        registrationWakeAt = min(registrationWakeAt ?? due, due)
        return true
    }

    mutating func watchRegistrations(_ now: Instant, _ out: inout [Directive]) {
        guard let wake = registrationWakeAt, wake <= now else { return }
        registrationWakeAt = nil
        for (name, registration) in registrations.sorted(by: { $0.key < $1.key }) where registration.connection == nil {
            if nodes[name]?.control != nil {
                registrations[name]?.goneSince = now
            } else if registration.goneSince + Self.registrationRetention <= now {
                forgetRegistration(name, now, &out)
                continue
            }
            let due = (registrations[name]?.goneSince ?? now) + Self.registrationRetention
            registrationWakeAt = min(registrationWakeAt ?? due, due)
        }
    }

    private mutating func forgetRegistration(_ name: NodeID, _ now: Instant, _ out: inout [Directive]) {
        registrations[name] = nil
        guard let node = nodes[name], node.control == nil, !listedTargets.contains(node.target) else { return }
        forget(name, now, &out)
    }

    private mutating func refuse(_ connection: ConnectionID, _ code: StatusCode, _ message: String, _ out: inout [Directive]) {
        out.append(.send(connection, .refused(Refused(code: code, message: message))))
    }

    // MARK: Beside the topology

    /// Whether a target that the topology does not list (any more) stays because its worker has registered.
    func isRegistered(target: NodeID) -> Bool {
        guard let id = nodeOfTarget[target] else { return false }
        if registrations[id] != nil || registrations[target] != nil { return true }
        guard let incarnation = nodes[id]?.incarnation, nodes[id]?.control != nil else { return false }
        return registrations.values.contains { $0.connection != nil && $0.incarnation == incarnation }
    }

    /// A listed worker has answered under a name that a registration, or a worker that is leaving the topology, stands for too: the same
    /// process once more, or one that does not answer. The listed one keeps the name.
    mutating func absorb(_ other: Node, by incarnation: IncarnationID, _ now: Instant, _ out: inout [Directive]) -> Bool {
        let isListed = listedTargets.contains(other.target)
        guard !isListed, other.control == nil || other.incarnation == incarnation else { return false }
        if other.control != nil { lose(other.id, "it answers under its listed address too", as: .departure, now, &out) }
        forget(other.id, now, &out)
        return true
    }

    /// The name of the worker at a target, `nil` while nobody answers there.
    public func answeringNode(target: NodeID) -> NodeID? {
        guard let id = nodeOfTarget[target], nodes[id]?.control != nil else { return nil }
        return id
    }

    /// The control connection of a node, `nil` while it has none.
    public func controlConnection(of node: NodeID) -> ConnectionID? { nodes[node]?.control }
}
