internal import Cluster
internal import HeapModule
internal import Wire

/// Who takes part in a simulation.
enum Process: Hashable, Sendable, CustomStringConvertible {
    case coordinator
    case worker(Int)
    case client(Int)

    var description: String {
        switch self {
        case .coordinator: "coordinator"
        case .worker(let index): "w\(index)"
        case .client(let index): "client\(index)"
        }
    }
}

/// What travels: a message, and the stand-in for its payload (one number for each item).
struct Packet: Sendable {
    var message: Message
    var values: [UInt64] = []
    /// Bytes that it takes on the wire.
    var bytes: Int = 200
}

/// Something that happens at a point of virtual time.
enum Occurrence: Sendable {
    /// `left`: when its last byte left the sender; a connection that broke before that loses it.
    case deliver(ConnectionID, to: Process, Packet, left: Instant)
    /// The kernel took the last byte of a micro-batch or reply.
    case sent(ConnectionID, Process, life: Int, WorkKey?, RequestID?)
    case connectionClosed(ConnectionID, at: Process, String)
    case connectResult(ConnectionID, Process, Bool)
    case executed(Int, life: Int, WorkKey)
    case prepared(Int, life: Int, WorkKey)
    case loaded(Int, life: Int, LoadPartition)
    case heartbeat(Int, life: Int)
    case planned(life: Int, CoordinatorMachine.PlanOrder)
    case wake(Process, life: Int)
    case submit(client: Int, request: Int)
    case cancel(client: Int, request: Int)
    case leave(client: Int)
    case fault(Fault)
}

extension Occurrence {
    /// Who does or notices it: a stopped process does so only when it wakes.
    var process: Process? {
        switch self {
        case .deliver(_, let process, _, _), .sent(_, let process, _, _, _), .connectionClosed(_, let process, _),
            .connectResult(_, let process, _), .wake(let process, _):
            process
        case .executed(let worker, _, _), .prepared(let worker, _, _), .loaded(let worker, _, _), .heartbeat(let worker, _):
            .worker(worker)
        case .planned: .coordinator
        case .submit(let client, _), .cancel(let client, _), .leave(let client): .client(client)
        case .fault: nil
        }
    }
}

/// What goes wrong, and for how long.
enum Fault: Sendable, Hashable {
    case crash(worker: Int, downFor: Duration)
    case restart(worker: Int)
    /// SIGTERM: it finishes what it has, ends, and is started again.
    case drain(worker: Int, downFor: Duration)
    /// SIGSTOP, then SIGCONT: connections stand, nothing is done.
    case stall(Process, Duration)
    /// No byte passes in the directions; TCP tries again and gives up in the end.
    case block(from: Process, to: Process, bothWays: Bool, Duration)
    /// One open connection of the two breaks; the two ends notice it at different times.
    case reset(Process, Process, Channel, halfOpenFor: Duration)
}

struct Connection: Sendable {
    var dialer: Process
    var acceptor: Process
    var hello: Hello
    var dialledNode: String
    /// What a worker dialled.
    var peer: PeerTable.Peer?
    var dialerLife = 0
    var acceptorLife = 0
    var isOpen = true
    /// Bytes that had not left their sender by then are lost.
    var brokenAt: Instant?
    /// Who knows that it is over.
    var closedAt: Set<Process> = []
    /// Whose machine was told that it is over.
    var toldTo: Set<Process> = []
    var isWelcomed = false
    /// When each direction is free again (bytes are sent one after another).
    var freeFromDialer: Instant = .zero
    var freeFromAcceptor: Instant = .zero
    var lastArrivalAtDialer: Instant = .zero
    var lastArrivalAtAcceptor: Instant = .zero

    func other(than process: Process) -> Process { process == dialer ? acceptor : dialer }
}

/// One way between two processes.
struct Direction: Hashable, Sendable {
    var from: Process
    var to: Process
}

/// The virtual clock: occurrences in order of time, those of the same time in order of their making.
struct Schedule: Sendable {
    private struct Entry: Comparable, Sendable {
        let at: Instant
        let sequence: Int
        let occurrence: Occurrence
        static func < (left: Entry, right: Entry) -> Bool { (left.at, left.sequence) < (right.at, right.sequence) }
        static func == (left: Entry, right: Entry) -> Bool { left.sequence == right.sequence }
    }
    private var heap: Heap<Entry> = []
    private var sequence = 0

    mutating func add(_ occurrence: Occurrence, at time: Instant) {
        sequence += 1
        heap.insert(Entry(at: time, sequence: sequence, occurrence: occurrence))
    }

    mutating func next() -> (Instant, Occurrence)? {
        heap.popMin().map { ($0.at, $0.occurrence) }
    }
}
