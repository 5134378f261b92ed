internal import Base
internal import Cluster
internal import HeapModule
internal import Wire

/// Who takes part in a simulation.
enum Process: Hashable, Sendable, CustomStringConvertible {
    /// 0 is the one that the clients know; 1 is started by mistake beside it.
    case coordinator(Int)
    case worker(Int)
    case client(Int)
    /// Types `amp4ec drain`.
    case person

    var description: String {
        switch self {
        case .coordinator(0): "coordinator"
        case .coordinator: "second-coordinator"
        case .worker(let index): "w\(index)"
        case .client(let index): "client\(index)"
        case .person: "operator"
        }
    }
}

/// What travels: a message, and the stand-in for its payload (one number for each item).
struct Packet: Sendable {
    var message: Message
    var values: [UInt64] = []
    /// Bytes that it takes on the wire.
    var bytes: Int = 200

    /// Comes all the time and says nothing new.
    var isRoutine: Bool {
        switch message {
        case .heartbeat, .ping, .pong: true
        default: false
        }
    }

    /// For a trace.
    var summary: String {
        switch message {
        case .work(let work): "work \(work.key) for \(work.route.map(\.node.name).joined(separator: " → "))"
        case .workResult(let result): "result \(result.key)"
        case .hello(let hello): "hello of \(hello.name), \(hello.channel)"
        case .peerTable(let table): "peer table \(table.version): \(table.peers.map(\.name.name).joined(separator: " "))"
        default: String("\(message)".replacing("Wire.", with: "").prefix(160))
        }
    }

    /// Whether a worker takes it for a sign that its coordinator lives. An archive goes to the store without a word, and a hello is a word
    /// only once it is obeyed.
    var countsAsWord: Bool {
        switch message {
        case .partitionData, .hello: false
        default: true
        }
    }
}

/// Something that happens at a point of virtual time.
enum Occurrence: Sendable {
    /// `left`: when its last byte left the sender; a connection that broke before that loses it.
    case deliver(ConnectionID, to: Process, Packet, left: Instant)
    /// The kernel took the last byte of a micro-batch or reply.
    case sent(ConnectionID, Process, life: Int, WorkKey?, RequestID?)
    case connectionClosed(ConnectionID, at: Process, String)
    case connectFailed(ConnectionID, Process)
    case executed(Int, life: Int, WorkKey)
    case prepared(Int, life: Int, WorkKey)
    case loaded(Int, life: Int, LoadPartition)
    case heartbeat(Int, life: Int)
    /// The worker has waited long enough for a plan without it.
    case endPatience(Int, life: Int)
    /// The worker makes itself known to the coordinator.
    case register(Int, life: Int)
    /// An operator says it (again), until there is an answer.
    case command(Command)
    /// The coordinator has analysed the model.
    case analysed(Int, life: Int)
    case planned(Int, life: Int, CoordinatorMachine.PlanOrder)
    /// A request's inputs are complete.
    case uploaded(Int, life: Int, RequestID)
    case wake(Process, life: Int)
    case submit(client: Int, request: Int)
    case cancel(client: Int, request: Int)
    case leave(client: Int)
    case fault(Fault)
    /// Time enough has passed since the last fault: from here on nothing may change any more.
    case observe
    case rest
}

extension Occurrence {
    /// Who does or notices it: a stopped process does so only when it wakes.
    var process: Process? {
        switch self {
        case .deliver(_, let process, _, _), .sent(_, let process, _, _, _), .connectionClosed(_, let process, _),
            .connectFailed(_, let process), .wake(let process, _):
            process
        case .executed(let worker, _, _), .prepared(let worker, _, _), .loaded(let worker, _, _), .heartbeat(let worker, _),
            .endPatience(let worker, _), .register(let worker, _):
            .worker(worker)
        case .planned(let index, _, _), .uploaded(let index, _, _), .analysed(let index, _): .coordinator(index)
        case .submit(let client, _), .cancel(let client, _), .leave(let client): .client(client)
        case .fault, .command, .observe, .rest: nil
        }
    }
}

struct SimulatedConnection: Sendable {
    /// One of its two ends.
    struct End: Sendable {
        /// The process knows that it is over.
        var knowsEnd = false
        /// Its machine was told that it is over.
        var wasTold = false
        /// When what this end sends next can begin to leave (bytes go one after another).
        var free: Instant = .zero
        /// When the last of what was sent to this end arrives.
        var lastArrival: Instant = .zero
        var sentBytes: UInt64 = 0
        var receivedBytes: UInt64 = 0
    }

    let dialer: Process
    let acceptor: Process
    let dialerLife: Int
    let acceptorLife: Int
    let hello: Hello
    let dialledNode: NodeID
    /// What a worker dialled.
    let peer: PeerTable.Peer?
    var isOpen = true
    /// Bytes that had not left their sender by then are lost.
    var brokenAt: Instant?
    var isWelcomed = false
    private var dialerEnd = End()
    private var acceptorEnd = End()

    init(
        dialer: Process, dialerLife: Int, acceptor: Process, acceptorLife: Int, hello: Hello, dialledNode: NodeID,
        peer: PeerTable.Peer?
    ) {
        self.dialer = dialer
        self.acceptor = acceptor
        self.dialerLife = dialerLife
        self.acceptorLife = acceptorLife
        self.hello = hello
        self.dialledNode = dialledNode
        self.peer = peer
    }

    func other(than process: Process) -> Process { process == dialer ? acceptor : dialer }
    func life(of process: Process) -> Int { process == dialer ? dialerLife : acceptorLife }
    func joins(_ first: Process, _ second: Process) -> Bool {
        (dialer == first && acceptor == second) || (dialer == second && acceptor == first)
    }

    subscript(process: Process) -> End {
        get { process == dialer ? dialerEnd : acceptorEnd }
        set { if process == dialer { dialerEnd = newValue } else { acceptorEnd = newValue } }
    }
}

/// `amp4ec drain`, on a connection of its own.
struct Command: Sendable {
    var worker: Int
    /// How long after its answer the worker is taken back; `nil` for the command that takes it back.
    var undoAfter: Duration?
    var undo: Bool { undoAfter == nil }
}

/// One way between two processes.
struct Direction: Hashable, Sendable {
    var from: Process
    var to: Process
}

/// A way that is slow for a while.
struct Slowness: Sendable {
    var until: Instant
    var added: Duration
    /// Bandwidth is divided by it.
    var divisor: Double
}

/// The virtual clock: occurrences in order of time, those of the same time in order of their making.
///
/// The heap moves small entries; what happens stands still in `slots` until its time.
struct Schedule: Sendable {
    private struct Entry: Comparable, Sendable {
        let at: Int64
        let sequence: Int64
        let slot: Int
        static func < (left: Entry, right: Entry) -> Bool {
            left.at != right.at ? left.at < right.at : left.sequence < right.sequence
        }
        static func == (left: Entry, right: Entry) -> Bool { left.sequence == right.sequence }
    }
    private var heap: Heap<Entry> = []
    private var slots: [Occurrence?] = []
    private var vacant: [Int] = []
    private var sequence: Int64 = 0

    mutating func add(_ occurrence: Occurrence, at time: Instant) {
        sequence += 1
        let slot: Int
        if let reused = vacant.popLast() {
            slot = reused
            slots[slot] = occurrence
        } else {
            slot = slots.count
            slots.append(occurrence)
        }
        heap.insert(Entry(at: time.nanoseconds, sequence: sequence, slot: slot))
    }

    mutating func next() -> (Instant, Occurrence)? {
        guard let entry = heap.popMin(), let occurrence = slots[entry.slot] else { return nil }
        slots[entry.slot] = nil
        vacant.append(entry.slot)
        return (Instant(nanoseconds: entry.at), occurrence)
    }
}
