internal import Base
internal import HeapModule
internal import Planning
internal import Wire

/// A worker as the coordinator knows it: a target, and what is at the other end of it.
///
/// What the roster's tables are kept by is the roster's to change; the rest is changed in place by whoever learns of it.
struct Node: Sendable {
    fileprivate(set) var id: NodeID
    /// The topology's name for it.
    fileprivate(set) var target: NodeID
    var addresses: [String]
    var pinnedStage: Int?
    fileprivate(set) var state: NodeState = .joining
    /// Why it is in that state, for `status` and for the message that names who is missing.
    var cause = "not reached yet"

    /// By which the worker knows our next connection.
    let holder: HolderToken
    /// The node that it was an alias of.
    var aliasOf: NodeID?
    var dial: Dial
    /// `nil` while it is not connected. Changed in place; the roster begins and ends it, with the connections that lead to it.
    var session: Session?
    /// It is being taken out, or is out.
    fileprivate(set) var departure: Departure?
    /// The entry of the roster's watches that counts.
    fileprivate var watchAt: Instant = .distantFuture

    // What is known of the worker, also between its connections.
    fileprivate(set) var incarnation: IncarnationID?
    fileprivate(set) var profile: WorkerProfile?
    var pace = NodePace()
    var network = NetworkRate()
    var roundTrip: Duration?
    var pingSequence: UInt64 = 0
    /// Where the time of the micro-batches that came back went on this node.
    var timing = NodeTiming()
    var flapping = Flapping()
    /// It ends with the process.
    var distrust = Distrust()
    /// Left out of plans until then, after a partition could not be loaded.
    var excludedUntil: Instant?
    var exclusionCause = ""
    /// Partitions of standby plans that it would not load, until the next plan serves.
    var refusedStandbys: [PartitionKey: String] = [:]

    init(target: NodeID, addresses: [String], pinnedStage: Int? = nil, holder: HolderToken, dial: Dial) {
        id = target
        self.target = target
        self.addresses = addresses
        self.pinnedStage = pinnedStage
        self.holder = holder
        self.dial = dial
    }
}

/// Who is there: the nodes, the connections and names by which each is known, and when each must be looked at.
///
/// Invariants. A connection, a target and a name each lead to one node, and back. An alias leads to a node that is connected. Who is
/// connected is looked at with each ping, who is not when it is to be dialled. O(1) for what comes from a node, O(log nodes) for a look.
struct Roster: Sendable {
    /// When something about a node is due at the earliest. The heap holds one entry for each node that counts (`Node.watchAt`); hearing
    /// from a node moves its due time away without touching the heap, so that a heartbeat costs O(1).
    private struct Watch: Sendable, Comparable {
        var at: Instant
        var node: NodeID
        static func < (left: Watch, right: Watch) -> Bool { (left.at, left.node) < (right.at, right.node) }
    }

    private let configuration: CoordinatorMachine.Configuration
    private var nodes: [NodeID: Node] = [:]
    private var byConnection: [ConnectionID: NodeID] = [:]
    /// By the name under which the topology lists a worker; the node is called by the one that it bears (`--name`).
    private var byTarget: [NodeID: NodeID] = [:]
    /// Targets that lead to the process of another node.
    private(set) var aliases: [NodeID: Alias] = [:]
    private var watches: Heap<Watch> = []
    /// What the topology lists, and where it says that each is; other targets have registered themselves.
    private(set) var listedAddresses: [NodeID: [String]] = [:]
    /// Nodes with a ``Departure``.
    private(set) var departing: Set<NodeID> = []
    var drained = DrainedProcesses()
    var registrations = Registrations()
    var gate = StartGate()

    init(_ configuration: CoordinatorMachine.Configuration) { self.configuration = configuration }

    /// A node that is there is changed in place; none is added or removed this way.
    subscript(_ id: NodeID) -> Node? {
        get { nodes[id] }
        _modify { yield &nodes[id] }
    }

    var all: Dictionary<NodeID, Node>.Values { nodes.values }
    var ids: Dictionary<NodeID, Node>.Keys { nodes.keys }
    var isEmpty: Bool { nodes.isEmpty }
    var count: Int { nodes.count }
    var targets: Dictionary<NodeID, NodeID>.Keys { byTarget.keys }
    var listed: Dictionary<NodeID, [String]>.Keys { listedAddresses.keys }
    var connectionCount: Int { byConnection.count }
    var targetCount: Int { byTarget.count }
    var watchCount: Int { watches.count }

    func node(on connection: ConnectionID) -> NodeID? { byConnection[connection] }
    func node(at target: NodeID) -> NodeID? { byTarget[target] }

    /// The other node as which the process is connected.
    func connectedNode(_ incarnation: IncarnationID?, besides id: NodeID) -> NodeID? {
        guard let incarnation else { return nil }
        return nodes.values.first { $0.control != nil && $0.incarnation == incarnation && $0.id != id }?.id
    }

    var nextWake: Instant? {
        var wake = watches.min?.at ?? .distantFuture
        if let due = registrations.nextWake { wake = min(wake, due) }
        if let due = departureWake { wake = min(wake, due) }
        if !nodes.isEmpty, let due = gate.nextWake(configuration.joinTimeout) { wake = min(wake, due) }
        return wake < .distantFuture ? wake : nil
    }

    // MARK: Names

    mutating func list(_ addresses: [NodeID: [String]]) { listedAddresses = addresses }

    /// A target leads to a node of its own, by the same name.
    mutating func add(_ node: Node) {
        byTarget[node.target] = node.id
        nodes[node.id] = node
        rearm(node.id)
    }

    /// Takes everything of the node away.
    mutating func remove(_ id: NodeID) -> Node? {
        guard let node = nodes.removeValue(forKey: id) else { return nil }
        if byTarget[node.target] == id { byTarget[node.target] = nil }
        departing.remove(id)
        return node
    }

    mutating func rename(_ old: NodeID, to new: NodeID) {
        guard var node = nodes.removeValue(forKey: old) else { return }
        node.id = new
        node.watchAt = .distantFuture
        byTarget[node.target] = new
        if departing.remove(old) != nil { departing.insert(new) }
        nodes[new] = node
        rearm(new)
    }

    /// The node's target is gone; the node is listed under another one, or goes too.
    mutating func unlist(_ id: NodeID) {
        if let target = nodes[id]?.target { byTarget[target] = nil }
    }

    mutating func relist(_ id: NodeID, as target: NodeID) {
        byTarget[target] = id
        nodes[id]?.target = target
    }

    mutating func addAlias(_ target: NodeID, _ alias: Alias) { aliases[target] = alias }
    mutating func removeAlias(_ target: NodeID) { aliases[target] = nil }
    mutating func pinAlias(_ target: NodeID, to stage: Int?) { aliases[target]?.pinnedStage = stage }

    // MARK: Connections

    /// The control connection is there.
    mutating func beginSession(
        of id: NodeID, on control: ConnectionID, _ incarnation: IncarnationID, _ profile: WorkerProfile, _ now: Instant
    ) {
        byConnection[control] = id
        nodes[id]?.connected(control, incarnation, profile, now)
    }

    mutating func dataConnected(_ id: NodeID, _ connection: ConnectionID) {
        byConnection[connection] = id
        nodes[id]?.session?.data = connection
    }

    /// - Returns: the node to which it led. The node is then lost.
    mutating func connectionClosed(_ connection: ConnectionID) -> NodeID? { byConnection.removeValue(forKey: connection) }

    /// - Returns: its connections, which are no longer its own.
    mutating func endSession(of id: NodeID) -> [ConnectionID] {
        let connections = [nodes[id]?.control, nodes[id]?.data].compactMap { $0 }
        for connection in connections { byConnection[connection] = nil }
        nodes[id]?.session = nil
        return connections
    }

    mutating func enter(_ state: NodeState, _ id: NodeID) { nodes[id]?.state = state }

    // MARK: Departures

    mutating func depart(_ id: NodeID, _ departure: Departure) {
        guard nodes[id] != nil else { return }
        nodes[id]?.departure = departure
        departing.insert(id)
    }

    mutating func changeDeparture(of id: NodeID, _ change: (inout Departure) -> Void) {
        guard var departure = nodes[id]?.departure else { return }
        change(&departure)
        nodes[id]?.departure = departure
    }

    mutating func endDeparture(of id: NodeID) {
        nodes[id]?.departure = nil
        departing.remove(id)
    }

    /// When a departure needs a look though nothing happens.
    private var departureWake: Instant? {
        departing.compactMap { nodes[$0]?.departure?.givesUpAt }.min()
    }

    // MARK: Looks

    /// The next node about which something is due: O(log n) for each of them, nothing for the others. Called until there is none; the node
    /// is then watched again with ``rearm(_:)``.
    mutating func takeDue(_ now: Instant) -> NodeID? {
        while let watch = watches.min, watch.at <= now {
            watches.removeMin()
            guard nodes[watch.node]?.watchAt == watch.at else { continue }
            nodes[watch.node]?.watchAt = .distantFuture
            return watch.node
        }
        return nil
    }

    /// Sees to it that the node is looked at when something about it is due. Called after whatever brings that nearer.
    mutating func rearm(_ id: NodeID) {
        guard let due = nodes[id]?.lookDue(configuration), due < nodes[id]?.watchAt ?? .zero else { return }
        nodes[id]?.watchAt = due
        watches.insert(Watch(at: due, node: id))
    }

    /// This process was stopped: the others' silence in that time says nothing about them.
    mutating func forgive(_ pause: Duration) {
        for id in nodes.keys {
            nodes[id]?.session?.lastHeard += pause
            nodes[id]?.session?.progress.lastAt += pause
        }
    }
}

extension Node {
    /// Another connection, perhaps to another process: nothing of the one before is true of it.
    fileprivate mutating func connected(
        _ control: ConnectionID, _ incarnation: IncarnationID, _ profile: WorkerProfile, _ now: Instant
    ) {
        if self.incarnation != incarnation { distrust = Distrust() }
        self.incarnation = incarnation
        self.profile = profile
        session = Session(control: control, profile: profile, now)
        dial.succeeded()
        pace = NodePace()
        refusedStandbys = [:]
    }

    /// When something about it is due, if nothing is heard of it.
    fileprivate func lookDue(_ configuration: CoordinatorMachine.Configuration) -> Instant {
        guard let session else { return dial.dueAt ?? .distantFuture }
        let limit = state == .ready ? configuration.suspectAfter : configuration.lostAfter
        var due = min(session.lastPing + configuration.pingInterval, session.lastHeard + limit)
        if let stalled = stallDeadline(configuration.deploymentTimeout) { due = min(due, stalled) }
        if let paused = session.pausedUntil { due = min(due, paused) }
        return due
    }
}

// MARK: Invariants

extension Roster {
    /// What does not hold, for tests and simulations. O(nodes log nodes).
    func checkInvariants() -> String? {
        let connections = nodes.values.reduce(0) { $0 + ($1.control == nil ? 0 : 1) + ($1.data == nil ? 0 : 1) }
        guard connections == byConnection.count, byTarget.count == nodes.count else {
            return
                "\(byConnection.count) connections lead to nodes that have \(connections), \(byTarget.count) targets to \(nodes.count) nodes"
        }
        let entries = Dictionary(grouping: watches.unordered, by: \.node)
        for (id, node) in nodes {
            guard node.id == id, byTarget[node.target] == id else { return "\(id) is not the node of its target \(node.target)" }
            guard [node.control, node.data].compactMap({ $0 }).allSatisfy({ byConnection[$0] == id }) else {
                return "a connection of \(id) does not lead to it"
            }
            guard node.isConnected == (node.state != .joining && node.state != .lost) else {
                return "\(id) is \(node.state.name), and its connections say something else"
            }
            guard (node.departure != nil) == departing.contains(id) else { return "\(id) goes and nobody looks, or stays" }
            guard node.watchAt == .distantFuture || entries[id]?.contains(where: { $0.at == node.watchAt }) == true else {
                return "\(id) waits for a look that nobody takes"
            }
            let due = node.session.map { $0.lastPing + configuration.pingInterval } ?? node.dial.dueAt ?? .distantFuture
            guard node.watchAt <= due else { return "nobody looks at \(id) when it is due" }
        }
        for (target, alias) in aliases {
            guard nodes[alias.node]?.control != nil else { return "\(target) is an alias of \(alias.node), which is not connected" }
        }
        return registrations.checkInvariants()
    }
}
