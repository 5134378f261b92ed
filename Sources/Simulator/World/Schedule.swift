internal import Base
internal import Cluster
internal import HeapModule
internal import Wire

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

/// `amp4ec drain`, on a connection of its own.
struct Command: Sendable {
    var worker: Int
    /// How long after its answer the worker is taken back; `nil` for the command that takes it back.
    var undoAfter: Duration?
    var undo: Bool { undoAfter == nil }
}
