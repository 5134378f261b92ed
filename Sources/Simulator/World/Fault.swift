internal import Base
internal import Cluster

/// What goes wrong, and for how long.
enum Fault: Sendable, Hashable {
    /// SIGKILL of a worker or a coordinator, or (`isSilent`) the loss of its machine: nobody is told, connections end when TCP gives up.
    case crash(Process, downFor: Duration, keepsDisk: Bool, isSilent: Bool)
    case restart(Process)
    /// SIGTERM: it finishes what it has, ends, and is started again.
    case drain(Process, downFor: Duration)
    /// SIGSTOP, then SIGCONT: connections stand, nothing is done.
    case stall(Process, Duration)
    /// No byte passes in the directions; TCP tries again and gives up in the end.
    case block(from: Process, to: Process, bothWays: Bool, Duration)
    /// What goes that way takes longer.
    case slow(from: Process, to: Process, added: Duration, divisor: Int, Duration)
    /// One open connection of the two breaks; the two ends notice it at different times.
    case reset(Process, Process, isControl: Bool, halfOpenFor: Duration)
    /// The worker sends old results and activations again, also those of attempts and sessions that are long over.
    case repeatOld(worker: Int, count: Int)
    /// Its heartbeats come, but no execution ends.
    case hang(worker: Int, Duration)
    /// Micro-batches that reach it are gone, and it says that it has none.
    case swallow(worker: Int, Duration)
    /// Loads and executions fail for lack of memory.
    case shortage(worker: Int, Duration)
    /// A worker that was not there is started and listed.
    case join(worker: Int)
    /// The worker leaves the topology and comes back to it.
    case unlist(worker: Int, Duration)
    case list(worker: Int)
    /// An operator takes the worker out for a while.
    case takeOut(worker: Int, Duration)
    /// A second coordinator is started on the same workers, and stopped again.
    case intrude(Duration)

    /// Whether a node may be given up for it with what it runs, so that an innocent input may be taken for the cause.
    var endsNodes: Bool {
        switch self {
        case .crash(.worker, _, _, _), .drain(.worker, _), .reset, .hang, .block, .stall, .slow, .unlist, .takeOut, .intrude: true
        default: false
        }
    }

    /// For the counts of a report; `nil` for what only ends a fault.
    var kind: String? {
        switch self {
        case .crash(.worker, _, let keepsDisk, _): keepsDisk ? "worker crash" : "worker crash without disk"
        case .crash: "coordinator crash"
        case .drain(.worker, _): "worker drain"
        case .drain: "coordinator drain"
        case .stall(.worker, _): "worker stall"
        case .stall: "coordinator stall"
        case .block(_, _, let bothWays, _): bothWays ? "partition" : "one-way partition"
        case .slow: "slow link"
        case .reset(_, _, _, let halfOpenFor): halfOpenFor > .zero ? "half-open connection" : "reset"
        case .repeatOld: "old messages again"
        case .hang: "executors hang"
        case .swallow: "work swallowed"
        case .shortage: "memory shortage"
        case .join: "join"
        case .unlist: "left the topology"
        case .takeOut: "drained by an operator"
        case .intrude: "second coordinator"
        case .restart, .list: nil
        }
    }
}

extension Fault: CustomStringConvertible {
    var description: String {
        switch self {
        case .crash(let process, let time, let keepsDisk, let isSilent):
            "\(process) \(isSilent ? "loses power" : "is killed") for \(time.readable)\(keepsDisk ? "" : ", its disk is gone")"
        case .restart(let process): "\(process) starts again"
        case .drain(let process, let time): "\(process) gets SIGTERM, to be started again after \(time.readable)"
        case .stall(let process, let time): "\(process) is stopped for \(time.readable)"
        case .block(let from, let to, let bothWays, let time):
            "nothing passes from \(from) to \(to)\(bothWays ? " and back" : "") for \(time.readable)"
        case .slow(let from, let to, let added, let divisor, let time):
            "\(from) to \(to) takes \(added.readable) more at 1/\(divisor) of the bandwidth for \(time.readable)"
        case .reset(let first, let second, let isControl, let time):
            "the \(isControl ? "control" : "data") connection of \(first) and \(second) breaks"
                + (time > .zero ? ", unnoticed by \(second) for \(time.readable)" : "")
        case .repeatOld(let worker, let count): "w\(worker) sends \(count) old messages again"
        case .hang(let worker, let time): "w\(worker)'s executors hang for \(time.readable)"
        case .swallow(let worker, let time): "w\(worker) loses what it gets for \(time.readable)"
        case .shortage(let worker, let time): "w\(worker) has no memory for \(time.readable)"
        case .join(let worker): "w\(worker) is new"
        case .unlist(let worker, let time): "w\(worker) leaves the topology for \(time.readable)"
        case .list(let worker): "w\(worker) is listed"
        case .takeOut(let worker, let time): "an operator drains w\(worker) for \(time.readable)"
        case .intrude(let time): "a second coordinator runs for \(time.readable)"
        }
    }
}
