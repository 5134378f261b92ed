public import Planning
internal import Wire

/// Workers that dial in (`--coordinator`): each becomes a target like those of the topology, and is dialled back.
///
/// A connection registers one worker. What never answered at the addresses that it gave ends with its connection, or after a while with it;
/// what has answered is remembered for a time, so that it comes back as who it was.
extension CoordinatorMachine {
    /// Workers known by registration alone. Ten times the cluster of a hundred machines that a person would still start by hand.
    static let registrationLimit = 1_024
    /// Of those that are not connected, from one host: many workers may be behind one address, but they are dialled back at once, and who is
    /// refused here asks again within two seconds.
    static let registrationShare = 64
    /// A worker that neither holds its registration nor answers is forgotten after this: a machine that is started anew takes less.
    public static let registrationRetention: Duration = .seconds(600)
    /// … and one that has never answered at the addresses that it gave, though its registration stands.
    public static let unansweredRetention: Duration = .seconds(60)
    /// It is dialled less and less often, down to this: each dial goes to up to sixteen addresses of its choice.
    static let unansweredPause: Duration = .seconds(5)

    struct Registration: Sendable {
        /// On which it registered; `nil` once that has closed.
        var connection: ConnectionID?
        var incarnation: IncarnationID
        /// Where it said that it can be reached.
        var addresses: [String]
        /// The host that registered it.
        var source: String
        var registeredAt: Instant
        /// When it was last known to be there, once its connection has closed.
        var goneSince: Instant = .zero
    }

    mutating func registered(
        _ connection: ConnectionID, _ register: Register, _ incarnation: IncarnationID, from source: String, _ step: inout Step
    ) {
        guard !register.name.isEmpty, !register.addresses.isEmpty else {
            return refuse(connection, .invalidArgument, "a registration names the worker and where it can be reached", &step)
        }
        let name = NodeID(register.name)
        if let known = registrationOfConnection[connection], known != name {
            return refuse(
                connection, .failedPrecondition, "a connection registers one worker, and this one has registered \(known)", &step)
        }
        if let problem = objection(to: name, of: name) { return refuse(connection, .invalidArgument, problem, &step) }
        if let node = nodes[name], node.control != nil, node.incarnation != incarnation {
            guard step.now - node.lastHeard >= configuration.suspectAfter else {
                let message =
                    "another worker bears the name \"\(name)\" (at \(node.addresses.first ?? "?")) and answers; "
                    + "give each worker a --name of its own"
                step.log(.warning, "a registration is refused", ["node": name.description, "cause": message])
                return refuse(connection, .failedPrecondition, message, &step)
            }
            lose(name, "it was silent, and another process registered under its name", as: .silence, &step)
        }
        let isKnown = registrations[name] != nil || nodes[name] != nil
        if !isKnown, let problem = makeRoomForRegistration(from: source, &step) {
            return refuse(connection, .resourceExhausted, problem, &step)
        }
        if let old = registrations[name]?.connection, old != connection {
            registrationOfConnection[old] = nil
            step.emit(.close(old, "\(name) registered once more"))
        }
        registrations[name] = Registration(
            connection: connection, incarnation: incarnation, addresses: register.addresses, source: source, registeredAt: step.now)
        registrationOfConnection[connection] = name
        wakeForRegistrations(at: step.now + Self.unansweredRetention)
        step.emit(.send(connection, .registered(Registered(name: name.description))))
        // It may be here already under the name that the topology gives it.
        guard !nodes.values.contains(where: { $0.control != nil && $0.incarnation == incarnation }) else { return }
        aliases[name] = nil
        step.log(
            .info, "worker has registered",
            ["node": name.description, "addresses": register.addresses.joined(separator: ",")])
        guard let node = nodes[name] else {
            nodeOfTarget[name] = name
            nodes[name] = makeNode(name, register.addresses, step.now)
            return rearm(name)
        }
        // Known, and back: at once, and where it says first.
        let addresses = mergedAddresses(register.addresses, node.addresses)
        nodes[name]?.addresses = addresses
        nodes[name]?.backoff = configuration.redialFirst
        if !node.isDialing { nodes[name]?.redialAt = step.now }
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

    /// Why there is no room for one more from that host, after the one that has been gone longest has been forgotten where that helps.
    private mutating func makeRoomForRegistration(from source: String, _ step: inout Step) -> String? {
        let share = registrations.count { $0.value.source == source && isAway($0.key) }
        if share >= Self.registrationShare, !forgetLongestGone(from: source, &step) {
            return "\(Self.registrationShare) workers that \(source) has registered have not answered yet, which is the limit"
        }
        if registrations.count >= Self.registrationLimit, !forgetLongestGone(from: nil, &step) {
            return "\(Self.registrationLimit) workers are registered, which is the limit"
        }
        return nil
    }

    private mutating func forgetLongestGone(from source: String?, _ step: inout Step) -> Bool {
        let gone = registrations.filter {
            $0.value.connection == nil && (source == nil || $0.value.source == source) && isAway($0.key)
        }
        guard let oldest = gone.min(by: { ($0.value.goneSince, $0.key) < ($1.value.goneSince, $1.key) })?.key else { return false }
        forgetRegistration(oldest, &step)
        return true
    }

    /// Whether nobody is connected under the registered name.
    private func isAway(_ name: NodeID) -> Bool { aliases[name] == nil && nodes[nodeOfTarget[name] ?? name]?.control == nil }

    /// Whether the worker was never reached where it said that it is: with its registration, nothing is left of it.
    private func hasNeverAnswered(_ name: NodeID) -> Bool {
        nodes[nodeOfTarget[name] ?? name].map(isUnansweredRegistration) ?? false
    }

    func isUnansweredRegistration(_ node: Node) -> Bool { node.incarnation == nil && !listedTargets.contains(node.target) }

    /// Answers whether the connection was one of a registration.
    mutating func registrationClosed(_ connection: ConnectionID, _ step: inout Step) -> Bool {
        guard let name = registrationOfConnection.removeValue(forKey: connection) else { return false }
        registrations[name]?.connection = nil
        registrations[name]?.goneSince = step.now
        if hasNeverAnswered(name) || nodes[nodeOfTarget[name] ?? name] == nil {
            forgetRegistration(name, &step)
        } else {
            wakeForRegistrations(at: step.now + Self.registrationRetention)
        }
        return true
    }

    private mutating func wakeForRegistrations(at due: Instant) { registrationWakeAt = min(registrationWakeAt ?? due, due) }

    mutating func watchRegistrations(_ step: inout Step) {
        guard let wake = registrationWakeAt, wake <= step.now else { return }
        registrationWakeAt = nil
        for (name, registration) in registrations.sorted(by: { $0.key < $1.key }) {
            if let connection = registration.connection {
                guard hasNeverAnswered(name) else { continue }
                let due = registration.registeredAt + Self.unansweredRetention
                guard due <= step.now else {
                    wakeForRegistrations(at: due)
                    continue
                }
                let why = nodes[nodeOfTarget[name] ?? name]?.cause ?? "nobody answers"
                registrationOfConnection[connection] = nil
                refuse(connection, .unavailable, "\(name) was not reached at the addresses that it gave: \(why)", &step)
                forgetRegistration(name, &step)
                continue
            }
            if !isAway(name) {
                registrations[name]?.goneSince = step.now
            } else if registration.goneSince + Self.registrationRetention <= step.now {
                forgetRegistration(name, &step)
                continue
            }
            wakeForRegistrations(at: (registrations[name]?.goneSince ?? step.now) + Self.registrationRetention)
        }
    }

    private mutating func forgetRegistration(_ name: NodeID, _ step: inout Step) {
        registrations[name] = nil
        if !listedTargets.contains(name) { aliases[name] = nil }
        let id = nodeOfTarget[name] ?? name
        guard let node = nodes[id], node.control == nil, !listedTargets.contains(node.target) else { return }
        forget(id, &step)
    }

    private mutating func refuse(_ connection: ConnectionID, _ code: StatusCode, _ message: String, _ step: inout Step) {
        step.emit(.send(connection, .refused(Refused(code: code, message: message))))
    }

    // MARK: Beside the topology

    /// Whether a target that the topology does not list (any more) stays because its worker has registered.
    func isRegistered(target: NodeID) -> Bool {
        guard let id = nodeOfTarget[target] else { return false }
        if registrations[id] != nil || registrations[target] != nil { return true }
        guard let incarnation = nodes[id]?.incarnation, nodes[id]?.control != nil else { return false }
        return registrations.values.contains { $0.connection != nil && $0.incarnation == incarnation }
    }

    /// A listed worker has answered under a name that a registration, or a worker that is leaving the topology, stands for too, and nobody
    /// answers there: the listed one takes the name. One that has only registered takes nothing from anybody.
    mutating func absorb(_ other: Node, by dialled: NodeID, _ step: inout Step) -> Bool {
        guard other.control == nil, !listedTargets.contains(other.target), let target = nodes[dialled]?.target,
            listedTargets.contains(target)
        else { return false }
        forget(other.id, &step)
        return true
    }

    /// The name of the worker at a target, `nil` while nobody answers there, or only as another target.
    public func answeringNode(target: NodeID) -> NodeID? {
        guard let id = nodeOfTarget[target], nodes[id]?.control != nil else { return nil }
        return id
    }

    /// The control connection of a node, `nil` while it has none.
    public func controlConnection(of node: NodeID) -> ConnectionID? { nodes[node]?.control }

    /// Of the node whose control connection it is, whatever the node is called by now.
    public func dataConnection(beside control: ConnectionID) -> ConnectionID? {
        nodeOfConnection[control].flatMap { nodes[$0]?.data }
    }
}
