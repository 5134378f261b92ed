internal import Base
internal import Cluster
internal import Planning
internal import Wire

/// A coordinator's shell in the simulation.
struct SimulatedCoordinator {
    let index: Int
    let name: String
    private let seed: UInt64
    var life = 0
    var isUp: Bool
    var downAfterDrain: Duration?
    var machine: CoordinatorMachine
    var payloads = RequestPayloads<[UInt64]>()
    /// Inputs that are on their way, behind their header.
    var uploads: [RequestID: [UInt64]] = [:]
    /// Accepted in the step that is being carried out.
    var accepted: RequestID?
    var acceptedResult: WorkKey?
    /// Replies on their way out.
    var replying: [RequestID: ConnectionID] = [:]
    var wakeAt: Instant?
    /// Totals of earlier lives.
    var earlierPlans: UInt64 = 0
    var earlierReplays: UInt64 = 0

    init(index: Int, seed: UInt64) {
        self.index = index
        self.seed = seed
        name = Process.coordinator(index).description
        isUp = index == 0
        machine = SimulatedCoordinator.machine(index, life: 0, seed: seed, name)
    }

    private static func machine(_ index: Int, life: Int, seed: UInt64, _ name: String) -> CoordinatorMachine {
        let run = UInt128(index << 16 | life + 1)
        return CoordinatorMachine(
            configuration: .init(name: name, software: "sim", incarnation: IncarnationID(bits: run | 1 << 64), compression: .auto),
            session: SessionID(bits: UInt128(seed) << 32 | run),
            holderToken: { target in HolderToken(bits: target.description.utf8.reduce(run | 1) { $0 &* 257 &+ UInt128($1) }) },
            workToken: { request, piece, attempt in
                (request.number &* 31 &+ UInt64(piece)) &* 31 &+ UInt64(attempt) &+ UInt64(truncatingIfNeeded: run) &* 257
            })
    }

    func isRunning(_ life: Int) -> Bool { isUp && self.life == life }

    /// A new process: nothing is left of the old one's memory.
    mutating func restart() {
        earlierPlans += machine.counters.plans
        earlierReplays += machine.counters.microBatchesReplayed
        life += 1
        isUp = true
        downAfterDrain = nil
        payloads = RequestPayloads()
        uploads = [:]
        accepted = nil
        acceptedResult = nil
        replying = [:]
        wakeAt = nil
        machine = SimulatedCoordinator.machine(index, life: life, seed: seed, name)
    }

    var plans: UInt64 { earlierPlans + machine.counters.plans }
    var replays: UInt64 { earlierReplays + machine.counters.microBatchesReplayed }

    func requestsReplying(on connection: ConnectionID) -> [RequestID] {
        replying.filter { $0.value == connection }.map(\.key).sorted()
    }
}
