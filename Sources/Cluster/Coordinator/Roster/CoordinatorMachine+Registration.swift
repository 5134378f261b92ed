public import Base
internal import Planning
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

    mutating func registered(
        _ connection: ConnectionID, _ register: Register, _ incarnation: IncarnationID, from source: String, _ step: inout Step
    ) {
        guard !register.name.name.isEmpty, !register.addresses.isEmpty else {
            return refuse(connection, .invalidArgument, "a registration names the worker and where it can be reached", &step)
        }
        let name = register.name
        if let known = roster.registrations.name(on: connection), known != name {
            return refuse(
                connection, .failedPrecondition, "a connection registers one worker, and this one has registered \(known)", &step)
        }
        if let problem = objection(to: name, of: name) { return refuse(connection, .invalidArgument, problem, &step) }
        if let problem = makeWay(for: name, incarnation, &step) {
            return refuse(connection, name, problem, &step)
        }
        if let node = roster[name], node.control != nil, node.incarnation != incarnation {
            guard step.now - (node.session?.lastHeard ?? .zero) >= configuration.suspectAfter else {
                let message =
                    "another worker bears the name \"\(name)\" (at \(node.addresses.first ?? "?")) and answers; "
                    + "give each worker a --name of its own"
                return refuse(connection, name, message, &step)
            }
            lose(name, "it was silent, and another process registered under its name", as: .silence, &step)
        }
        let isKnown = roster.registrations[name] != nil || roster[name] != nil
        if !isKnown, let problem = makeRoomForRegistration(from: source, &step) {
            return refuse(connection, .resourceExhausted, problem, &step)
        }
        let registration = Registration(
            connection: connection, incarnation: incarnation, addresses: register.addresses, source: source, registeredAt: step.now)
        if let old = roster.registrations.register(name, registration) {
            step.emit(.close(old, "\(name) registered once more"))
        }
        roster.registrations.wake(at: step.now + Self.unansweredRetention)
        step.emit(.send(connection, .registered(Registered(name: name))))
        // It may be here already under the name that the topology gives it.
        guard !roster.all.contains(where: { $0.control != nil && $0.incarnation == incarnation }) else { return }
        // What the topology says of the target stays true of it.
        let alias = roster.listed.contains(name) ? roster.aliases[name] : nil
        roster.removeAlias(name)
        step.log(
            .info, "worker has registered",
            ["node": name.description, "addresses": register.addresses.joined(separator: ",")])
        guard let node = roster[name] else {
            let addresses = mergedAddresses(register.addresses, alias?.addresses ?? [], keeping: roster.listedAddresses[name] ?? [])
            return roster.add(makeNode(name, addresses, pinnedStage: alias?.pinnedStage, dialledAt: step.now))
        }
        // Known, and back: at once, and where it says first.
        let addresses = mergedAddresses(register.addresses, node.addresses, keeping: roster.listedAddresses[node.target] ?? [])
        roster[name]?.addresses = addresses
        roster[name]?.dial.backoff = configuration.redialFirst
        if !node.dial.isUnderWay { roster[name]?.dial.redialAt = step.now }
        roster.rearm(name)
    }

    /// The name may be that of a target which leads to a worker of another name. That one keeps its place, also while it is away: who only
    /// registers takes nothing from it. But one that nobody lists, that is gone and holds no registration has no place to keep.
    ///
    /// - Returns: why the name is not to be had; `nil` where it is.
    private mutating func makeWay(for name: NodeID, _ incarnation: IncarnationID, _ step: inout Step) -> String? {
        guard roster[name] == nil, let id = roster.node(at: name), let node = roster[id] else { return nil }
        // The same process, which bears the name that it was given here.
        guard node.control == nil || node.incarnation != incarnation else { return nil }
        guard node.control != nil || roster.listed.contains(name) || roster.registrations[id]?.connection != nil else {
            forget(id, &step)
            return nil
        }
        let how = roster.listed.contains(name) ? "is listed for" : "leads to"
        return "the name \"\(name)\" \(how) the worker at \(node.addresses.first ?? "?"), which calls itself \"\(id)\"; "
            + "start that one with --name \(name) if it is the one that is meant, "
            + "and give the one that registers a --name that is not listed"
    }

    /// Where a worker of the topology is tried: where it says itself first, if it has registered.
    func allAddresses(of id: NodeID, listed: [String]) -> [String] {
        guard let registration = roster.registrations[id], registration.connection != nil else { return listed }
        return mergedAddresses(registration.addresses, keeping: listed)
    }

    /// No more than may be. The very first comes first and what the topology lists right behind it: each that does not answer takes seconds,
    /// and whoever registers says how many there are.
    private func mergedAddresses(_ first: [String], _ others: [String] = [], keeping listed: [String]) -> [String] {
        var room = max(0, WireLimits.addresses - listed.count)
        var merged: [String] = []
        for address in first.prefix(1) + listed + first.dropFirst() + others where !merged.contains(address) {
            if !listed.contains(address) {
                guard room > 0 else { continue }
                room -= 1
            }
            merged.append(address)
        }
        return merged
    }

    /// Why there is no room for one more from that host, after the one that has been gone longest has been forgotten where that helps.
    private mutating func makeRoomForRegistration(from source: String, _ step: inout Step) -> String? {
        let share = roster.registrations.all.count { $0.value.source == source && isAway($0.key) }
        if share >= Self.registrationShare, !forgetLongestGone(from: source, &step) {
            return "\(Self.registrationShare) workers that \(source) has registered have not answered yet, which is the limit"
        }
        if roster.registrations.count >= Self.registrationLimit, !forgetLongestGone(from: nil, &step) {
            return "\(Self.registrationLimit) workers are registered, which is the limit"
        }
        return nil
    }

    private mutating func forgetLongestGone(from source: String?, _ step: inout Step) -> Bool {
        let gone = roster.registrations.all.filter {
            $0.value.connection == nil && (source == nil || $0.value.source == source) && isAway($0.key)
        }
        guard let oldest = gone.min(by: { ($0.value.goneSince, $0.key) < ($1.value.goneSince, $1.key) })?.key else { return false }
        forgetRegistration(oldest, &step)
        return true
    }

    /// Whether nobody is connected under the registered name.
    private func isAway(_ name: NodeID) -> Bool {
        roster.aliases[name] == nil && roster[roster.node(at: name) ?? name]?.control == nil
    }

    /// Whether the worker was never reached where it said that it is: with its registration, nothing is left of it.
    private func hasNeverAnswered(_ name: NodeID) -> Bool {
        roster[roster.node(at: name) ?? name].map(isUnansweredRegistration) ?? false
    }

    func isUnansweredRegistration(_ node: Node) -> Bool { node.incarnation == nil && !roster.listed.contains(node.target) }

    /// Answers whether the connection was one of a registration.
    mutating func registrationClosed(_ connection: ConnectionID, _ step: inout Step) -> Bool {
        guard let name = roster.registrations.connectionClosed(connection, step.now) else { return false }
        if hasNeverAnswered(name) || roster[roster.node(at: name) ?? name] == nil {
            forgetRegistration(name, &step)
        } else {
            roster.registrations.wake(at: step.now + Self.registrationRetention)
        }
        return true
    }

    mutating func watchRegistrations(_ step: inout Step) {
        guard roster.registrations.takeWake(step.now) else { return }
        for (name, registration) in roster.registrations.all.sorted(by: { $0.key < $1.key }) {
            if let connection = registration.connection {
                guard hasNeverAnswered(name) else { continue }
                let due = registration.registeredAt + Self.unansweredRetention
                guard due <= step.now else {
                    roster.registrations.wake(at: due)
                    continue
                }
                let why = roster[roster.node(at: name) ?? name]?.cause ?? "nobody answers"
                refuse(connection, .unavailable, "\(name) was not reached at the addresses that it gave: \(why)", &step)
                forgetRegistration(name, &step)
                continue
            }
            if !isAway(name) {
                roster.registrations.isThere(name, step.now)
            } else if registration.goneSince + Self.registrationRetention <= step.now {
                forgetRegistration(name, &step)
                continue
            }
            roster.registrations.wake(at: (roster.registrations[name]?.goneSince ?? step.now) + Self.registrationRetention)
        }
    }

    private mutating func forgetRegistration(_ name: NodeID, _ step: inout Step) {
        roster.registrations.forget(name)
        if !roster.listed.contains(name) { roster.removeAlias(name) }
        let id = roster.node(at: name) ?? name
        guard let node = roster[id], node.control == nil, !roster.listed.contains(node.target) else { return }
        forget(id, &step)
    }

    /// A worker of this name has no place here; the log says so too.
    private mutating func refuse(_ connection: ConnectionID, _ name: NodeID, _ cause: String, _ step: inout Step) {
        if roster.registrations.isNews(cause, of: name, step.now) {
            step.log(.warning, "a registration is refused", ["node": name.description, "cause": cause])
        }
        refuse(connection, .failedPrecondition, cause, &step)
    }

    private mutating func refuse(_ connection: ConnectionID, _ code: StatusCode, _ message: String, _ step: inout Step) {
        step.emit(.send(connection, .refused(Refused(code: code, message: message))))
    }

    // MARK: Beside the topology

    /// Whether a target that the topology does not list (any more) stays because its worker has registered.
    func isRegistered(target: NodeID) -> Bool {
        guard let id = roster.node(at: target) else { return false }
        if roster.registrations[id] != nil || roster.registrations[target] != nil { return true }
        guard let incarnation = roster[id]?.incarnation, roster[id]?.control != nil else { return false }
        return roster.registrations.all.values.contains { $0.connection != nil && $0.incarnation == incarnation }
    }

    /// A listed worker has answered under a name that a registration, or a worker that is leaving the topology, stands for too, and nobody
    /// answers there: the listed one takes the name. One that has only registered takes nothing from anybody.
    mutating func absorb(_ other: Node, by dialled: NodeID, _ step: inout Step) -> Bool {
        guard other.control == nil, !roster.listed.contains(other.target), let target = roster[dialled]?.target,
            roster.listed.contains(target)
        else { return false }
        forget(other.id, &step)
        return true
    }

    /// The name of the worker at a target, `nil` while nobody answers there, or only as another target.
    public func answeringNode(target: NodeID) -> NodeID? {
        guard let id = roster.node(at: target), roster[id]?.control != nil else { return nil }
        return id
    }

    /// The control connection of a node, `nil` while it has none.
    public func controlConnection(of node: NodeID) -> ConnectionID? { roster[node]?.control }

    /// Of the node whose control connection it is, whatever the node is called by now.
    public func dataConnection(beside control: ConnectionID) -> ConnectionID? {
        roster.node(on: control).flatMap { roster[$0]?.data }
    }
}
