import Base
import Cluster
import Wire

/// Drives a ``WorkerMachine`` event by event: no socket, no clock.
struct WorkerDriver {
    static let session = SessionID(bits: 10)
    static let control = ConnectionID(1)
    static let data = ConnectionID(2)
    static let partition = WorkerDriver.partition(0, 4)

    var machine: WorkerMachine
    var now = Instant.zero

    /// Nobody has connected yet.
    init(name: String? = "w", executors: Int = 1, slots: Int = 4, slotBytes: Int = 1_000) {
        machine = WorkerMachine(
            configuration: .init(
                name: name.map { NodeID($0) }, fallbackName: "unnamed", software: "test", incarnation: IncarnationID(bits: 1),
                executors: executors,
                slots: slots, slotBytes: slotBytes))
    }

    /// Held by a coordinator of term 1, with ``partition`` loaded and a connection to each of `peers` (from 100 on).
    static func serving(executors: Int = 1, slots: Int = 4, slotBytes: Int = 1_000, peers: [String] = ["v"]) -> WorkerDriver {
        var driver = WorkerDriver(executors: executors, slots: slots, slotBytes: slotBytes)
        driver.step(.opened(control, driver.hello(.control)))
        driver.step(.opened(data, driver.hello(.data)))
        driver.step(.received(control, .loadPartition(order(partition))))
        driver.step(.loaded(partition, PartitionReport(key: partition, state: .ready)))
        driver.step(.received(control, .peerTable(table(1, peers.map { peer($0) }))))
        for (index, name) in peers.enumerated() { driver.step(.peerOpened(peer(name), connection(to: index))) }
        return driver
    }

    static func connection(to index: Int) -> ConnectionID { ConnectionID(UInt64(100 + index)) }

    @discardableResult
    mutating func step(_ event: WorkerMachine.Event) -> [WorkerMachine.Directive] {
        machine.step(event, now: now).filter { if case .log = $0 { false } else { true } }
    }

    mutating func wait(_ duration: Duration) { now += duration }

    // MARK: What is said

    func hello(
        _ channel: Channel, term: UInt64 = 1, session: SessionID = session, name: String = "first", assigned: String? = nil,
        holder: HolderToken = HolderToken(bits: 5), compression: CompressionMode = .auto
    ) -> Hello {
        Hello(
            role: .coordinator, channel: channel, name: name, software: "test", incarnation: IncarnationID(bits: 2),
            claim: CoordinatorClaim(term: term, session: session, compression: compression, holder: holder),
            assignedName: assigned.map { NodeID($0) })
    }

    /// - Parameter incarnation: by default that of ``peer(_:incarnation:)``.
    func peerHello(_ channel: Channel = .data, incarnation: UInt128 = 50) -> Hello {
        Hello(role: .worker, channel: channel, name: "u", software: "test", incarnation: IncarnationID(bits: incarnation))
    }

    static func partition(_ first: Int, _ end: Int) -> PartitionKey {
        PartitionKey(
            modelDigest: String(repeating: "a", count: 64), firstLayer: first, endLayer: end, toolchain: "test", optimization: .o0)
    }

    static func order(_ key: PartitionKey) -> LoadPartition { LoadPartition(key: key, residentBytes: 1, warmups: []) }

    static func key(_ number: UInt64, attempt: UInt32 = 1, session: SessionID = session) -> WorkKey {
        WorkKey(session: session, client: 7, request: number, microBatch: 0, attempt: attempt)
    }

    static func peer(_ name: String, incarnation: UInt128 = 50) -> PeerTable.Peer {
        PeerTable.Peer(name: NodeID(name), incarnation: IncarnationID(bits: incarnation), addresses: ["\(name):9000"])
    }

    static func table(_ version: UInt64, _ peers: [PeerTable.Peer]) -> PeerTable { PeerTable(version: version, peers: peers) }

    /// A micro-batch for `w`, and the stations after it.
    static func work(_ key: WorkKey, via stations: [String] = [], deadline: UInt32 = 60_000) -> Work {
        let route = (["w"] + stations).enumerated().map { Hop(node: NodeID($1), partition: partition($0 * 4, $0 * 4 + 4)) }
        return Work(key: key, route: route, items: 1, deadlineMilliseconds: deadline, tensors: [])
    }

    static func dropped(_ key: WorkKey) -> WorkerMachine.Directive {
        .send(control, .workDropped(WorkDropped(key: key, node: "w")))
    }

    /// Brings a micro-batch up to the phase.
    enum Phase: CaseIterable { case preparing, queued, executing, dialing, forwarding }

    /// - Parameter busyWith: a micro-batch that takes the only executor, so that `queued` stays queued.
    mutating func bring(_ key: WorkKey, to phase: Phase, via stations: [String] = ["v"]) {
        if phase == .queued {
            step(.workArrived(Self.data, Self.work(Self.key(99)), bytes: 10))
            step(.prepared(Self.key(99)))
        }
        step(.workArrived(Self.data, Self.work(key, via: phase == .dialing ? ["far"] : stations), bytes: 10))
        guard phase != .preparing else { return }
        step(.prepared(key))
        guard phase == .dialing || phase == .forwarding else { return }
        if phase == .dialing {
            step(.received(Self.control, .peerTable(Self.table(2, [Self.peer("v"), Self.peer("far")]))))
        }
        step(.executed(key))
    }
}

extension [WorkerMachine.Directive] {
    func releases(_ key: WorkKey) -> Int { count { $0 == .release(key) } }

    var rejections: [WorkRejected] {
        compactMap { if case .send(_, .workRejected(let rejected)) = $0 { rejected } else { nil } }
    }

    var losses: [PeerLost] { compactMap { if case .send(_, .peerLost(let lost)) = $0 { lost } else { nil } } }
    var refusals: [Refused] { compactMap { if case .refuse(_, let refused) = $0 { refused } else { nil } } }
    var reports: [PartitionReport] { compactMap { if case .send(_, .partitionReport(let report)) = $0 { report } else { nil } } }
    var welcomes: [Welcome] { compactMap { if case .send(_, .welcome(let welcome)) = $0 { welcome } else { nil } } }
}
