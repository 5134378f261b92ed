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
    case deliver(ConnectionID, to: Process, Packet)
    /// The kernel took the last byte of a micro-batch or reply.
    case sent(Process, life: Int, WorkKey?, RequestID?)
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

/// What goes wrong, and when it is over.
public enum Fault: Sendable, Hashable {
    case crash(worker: Int, downFor: Duration)
    case restart(worker: Int)
}

struct Connection: Sendable {
    var dialer: Process
    var acceptor: Process
    var hello: Hello
    var dialledNode: String
    var isOpen = true
    var closedBy: Process?
    var isWelcomed = false
    /// When each direction is free again (bytes are sent one after another).
    var freeFromDialer: Instant = .zero
    var freeFromAcceptor: Instant = .zero
    var lastArrivalAtDialer: Instant = .zero
    var lastArrivalAtAcceptor: Instant = .zero

    func other(than process: Process) -> Process { process == dialer ? acceptor : dialer }
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
