public import Base
internal import DequeModule
public import Wire

/// A worker's decisions: whom it obeys, what it runs next, where a result goes, what it refuses.
///
/// Contract. Feed every event in the order in which it happened, with a time that never goes back, and carry out the returned
/// directives in order. The machine holds no payload and no socket: a micro-batch's bytes stay with the shell, under its ``WorkKey``,
/// from ``Event/workArrived(_:_:bytes:)`` until a directive ends it (``Directive/release(_:)``). For each arrived micro-batch exactly
/// one `release` follows. It keeps no routing state: the route stands in the micro-batch.
///
/// The phases of a micro-batch: preparing (the shell decodes) → queued → executing → forwarding → released. A run that overruns is released
/// while it still goes on (`WorkerMachine+Overrun.swift`); its end is told as any other's.
public struct WorkerMachine: Sendable {
    public struct Configuration: Sendable {
        /// The name given by `--name`; otherwise the hello of whoever is obeyed gives one.
        public var name: NodeID?
        public var fallbackName: NodeID
        public var software: String
        public var incarnation: IncarnationID
        /// Micro-batches that run at the same time.
        public var executors: Int
        /// Micro-batches held at once, in any phase.
        public var slots: Int
        /// Activation bytes held at once.
        public var slotBytes: Int
        /// Digests of the models whose partitions are loaded; empty for any.
        public var allowedModels: Set<String>

        public init(
            name: NodeID?, fallbackName: NodeID, software: String, incarnation: IncarnationID, executors: Int, slots: Int,
            slotBytes: Int, allowedModels: Set<String> = []
        ) {
            self.allowedModels = allowedModels
            self.name = name
            self.fallbackName = fallbackName
            self.software = software
            self.incarnation = incarnation
            self.executors = executors
            self.slots = slots
            self.slotBytes = slotBytes
        }
    }

    /// Cancelled keys remembered, so that a micro-batch that arrives after its cancellation is dropped. The coordinator's window bounds
    /// how many can be under way; older entries can no longer arrive.
    static let tombstoneLimit = 4_096
    /// A coordinator that has said nothing for this long holds the worker no more: it pings each second, so five pings were missed. Another
    /// one may then take over with a later term; nothing happens to the silent one's work before that.
    public static let holdTimeout: Duration = .seconds(5)

    let configuration: Configuration
    public private(set) var name: NodeID

    // Authority.
    var claim: CoordinatorClaim?
    var holderName = ""
    var control: ConnectionID?
    /// The data connection of the coordinator that is obeyed: results go there, work and archives come from there.
    var resultChannel: ConnectionID?
    var lastHeardFromCoordinator: Instant = .zero
    var connections: [ConnectionID: Hello] = [:]

    // Work.
    var work: [WorkKey: WorkItem] = [:]
    var ready: Deque<WorkKey> = []
    var heldBytes = 0
    var executing = 0
    var tombstones = RecentSet<WorkKey>(limit: WorkerMachine.tombstoneLimit)
    public private(set) var completed: UInt64 = 0
    var passedOn = PassedWork()

    // Partitions and peers.
    var partitions: [PartitionKey: PartitionPhase] = [:]
    var peers: [NodeID: PeerState] = [:]
    var peerTableVersion: UInt64 = 0
    /// What has come of a table in several pages; `page` counts them.
    var peerPages: PeerTable?
    /// Of the processes in the newest whole table: from others no work is taken.
    var peerIncarnations: Set<IncarnationID> = []
    var isLeaving = false
    var leavingMessage = ""
    var isDraining = false
    /// Runs that were written off and have not ended: each has an executor for good.
    var overruns: Set<WorkKey> = []
    /// The process is to start again once it has drained, which it does at this time at the latest.
    var restartDueAt: Instant?
    /// The coordinator has let it go.
    var isReleased = false

    public init(configuration: Configuration, loaded: [PartitionKey] = []) {
        precondition(configuration.executors > 0 && configuration.slots > 0 && configuration.slotBytes > 0)
        self.configuration = configuration
        self.name = configuration.name ?? configuration.fallbackName
        for key in loaded { partitions[key] = .loaded }
    }

    /// Advances by one event.
    public mutating func step(_ event: Event, now: Instant) -> [Directive] {
        var out: [Directive] = []
        switch event {
        case .opened(let connection, let hello): opened(connection, hello, now, &out)
        case .closed(let connection): closed(connection, &out)
        case .received(let connection, let message): received(connection, message, now, &out)
        case .workArrived(let connection, let header, let bytes): arrived(connection, header, bytes, now, &out)
        case .workTurnedAway(let connection, let header, let bytes): turnedAway(connection, header, bytes, &out)
        case .prepared(let key): prepared(key, now, &out)
        case .prepareFailed(let key, let code, let message): fail(key, code, message, now, &out)
        case .executed(let key): executed(key, now, &out)
        case .executionFailed(let key, let code, let message):
            executing -= 1
            overruns.remove(key)
            fail(key, code, message, now, &out)
        case .forwarded(let key, let sentBytes): forwarded(key, sentBytes, now, &out)
        case .forwardFailed(let key, let message): fail(key, .internalError, message, now, &out)
        case .peerOpened(let peer, let connection): peerOpened(peer, connection, &out)
        case .peerFailed(let peer, let message): dialFailed(peer, message, &out)
        case .archiveStored(let key): archiveStored(key, &out)
        case .archiveRefused(let key, let code, let message): loadFailed(key, code, message, &out)
        case .loaded(let key, let report): loaded(key, report, &out)
        case .loadFailed(let key, let code, let message): loadFailed(key, code, message, &out)
        case .leave: leave(&out)
        case .drain:
            restartDueAt = nil
            drain(&out)
        case .tick: watchRuns(now, &out)
        }
        startExecutions(now, &out)
        if isDraining, work.isEmpty { end(now, &out) }
        return out
    }

    func log(_ level: LogLine.Level, _ message: String, _ metadata: [String: String] = [:], _ out: inout [Directive]) {
        out.append(.log(LogLine(level, message, metadata)))
    }

    mutating func rename(_ assigned: NodeID) {
        if configuration.name == nil { name = assigned }
    }

    mutating func countCompleted() { completed += 1 }

    /// Micro-batches waiting for an executor.
    public var queuedCount: Int { ready.count }
    public var executingCount: Int { executing }
    /// Micro-batches held in any phase; bounded by the configuration's slots.
    public var heldCount: Int { work.count }
    public var heldByteCount: Int { heldBytes }
    public var loadedPartitions: [PartitionKey] { partitions.filter { $0.value == .loaded }.map(\.key) }
    /// Connections that said hello and stand.
    public var connectionCount: Int { connections.count }
    public var peerCount: Int { peers.count }
    /// Of those that are remembered; bounded by ``tombstoneLimit``.
    public var cancelledKeyCount: Int { tombstones.count }
    /// In any phase.
    public var partitionCount: Int { partitions.count }
    public func knowsPeer(_ node: NodeID) -> Bool { peers[node] != nil }
    public func isPeerConnected(_ node: NodeID) -> Bool { if case .connected = peers[node]?.link { true } else { false } }
}

extension WorkerMachine {
    public enum Event: Sendable {
        /// A connection that was accepted said hello.
        case opened(ConnectionID, Hello)
        case closed(ConnectionID)
        /// A control message (anything that has no payload).
        case received(ConnectionID, Message)
        /// A micro-batch is complete in the shell's memory; `bytes` is what it takes there.
        case workArrived(ConnectionID, Work, bytes: Int)
        /// There was no room to receive it: its payload is read over.
        case workTurnedAway(ConnectionID, Work, bytes: Int)
        case prepared(WorkKey)
        case prepareFailed(WorkKey, StatusCode, String)
        case executed(WorkKey)
        case executionFailed(WorkKey, StatusCode, String)
        /// The kernel has the last byte of the forwarded activation or result, and so many of its connection with it.
        case forwarded(WorkKey, sentBytes: UInt64 = 0)
        /// The activation or result breaks a bound of the protocol: nothing of it was sent.
        case forwardFailed(WorkKey, String)
        /// The dialled process answered; the peer is the one that the directive named.
        case peerOpened(PeerTable.Peer, ConnectionID)
        case peerFailed(PeerTable.Peer, String)
        case archiveStored(PartitionKey)
        case archiveRefused(PartitionKey, StatusCode, String)
        case loaded(PartitionKey, PartitionReport)
        case loadFailed(PartitionKey, StatusCode, String)
        /// SIGTERM: to be followed by `drain` after ``WorkerMachine/leavePatience``.
        case leave
        /// No more new work, whatever the coordinator says.
        case drain
        /// A few times each second: nothing else shows that a run does not end.
        case tick
    }

    public enum Directive: Sendable, Hashable {
        case send(ConnectionID, Message)
        /// Fill in, for each question, what the connections of its place have carried, and send the pong.
        case sayPlaces(ConnectionID, Ping, [WorkQuestion])
        case refuse(ConnectionID, Refused)
        case close(ConnectionID, String)
        /// Make the tensors ready to run (decode them); answer `prepared` or `prepareFailed`.
        case prepare(WorkKey)
        /// Run it; answer `executed` or `executionFailed`.
        case execute(WorkKey, PartitionKey)
        /// Send the activation on, with this work header; answer `forwarded`.
        case forward(WorkKey, peer: NodeID, ConnectionID, route: [Hop])
        /// Send the result to the coordinator; answer `forwarded`.
        case giveResult(WorkKey, ConnectionID)
        /// Forget the micro-batch's bytes.
        case release(WorkKey)
        case dial(PeerTable.Peer)
        /// Close the data connection to a peer that is gone from the table.
        case hangUp(ConnectionID)
        /// Load the archive; answer `loaded` or `loadFailed`, with `failedPrecondition` where the store does not hold it: the machine then asks
        /// the coordinator for it.
        case load(LoadPartition)
        /// Loads that wait for room are of a coordinator that is obeyed no more.
        case forgetWaitingLoads
        case releasePartition(PartitionKey)
        /// Everything that was accepted is done and the process may end.
        case drained
        /// The same, of a process that is to be followed by a fresh one: a run goes on that cannot be ended otherwise.
        case restart
        case log(LogLine)
    }

    struct WorkItem: Sendable {
        enum Phase: Sendable { case preparing, queued, executing, forwarding }
        var header: Work
        var bytes: Int
        var deadline: Instant
        var phase: Phase
        var isCancelled = false
        /// When a run was first seen to go on after its cancellation.
        var unwantedSince: Instant?
        /// The peer that it waits for or is being sent to.
        var nextNode: NodeID?
        /// What it is being sent on; with the end of that connection it ends too.
        var connection: ConnectionID?
    }

    enum PartitionPhase: Sendable, Hashable {
        /// Asked for; the archive is not here.
        case missing(LoadPartition)
        case loading(LoadPartition)
        case loaded
    }

    struct PeerState: Sendable {
        enum Link: Sendable {
            case idle
            case dialing
            case connected(ConnectionID)
            case failed(String)
        }
        var peer: PeerTable.Peer
        var link: Link = .idle
        /// Micro-batches that wait for the connection.
        var waiting: [WorkKey] = []
    }
}
