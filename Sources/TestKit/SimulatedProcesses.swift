internal import Cluster
internal import Planning
internal import Tensors
internal import Wire

/// A worker's shell in the simulation: payloads, an archive store, and a life count that tells a restarted process from the old one.
struct SimulatedWorker {
    let index: Int
    let name: String
    let slots: Int
    let executors: Int
    let speed: Double
    var life = 0
    var isUp = true
    /// Down for this long once it has drained.
    var downAfterDrain: Duration?
    var machine: WorkerMachine
    var payloads: [WorkKey: (work: Work, values: [UInt64])] = [:]
    var archives: Set<PartitionKey> = []
    var controlConnections: Set<ConnectionID> = []
    var beat: UInt64 = 0

    init(index: Int, random: inout SeededRandom) {
        self.index = index
        name = "w\(index)"
        slots = random.int(in: 2...16)
        executors = random.int(in: 1...3)
        speed = Double(random.int(in: 3...20)) / 10
        machine = SimulatedWorker.machine(name, life: 0, index: index, executors: executors, slots: slots)
    }

    static func machine(_ name: String, life: Int, index: Int, executors: Int, slots: Int) -> WorkerMachine {
        WorkerMachine(
            configuration: .init(
                name: nil, fallbackName: "unnamed", software: "sim",
                incarnation: IncarnationID(bits: UInt128(index * 1_000 + life + 1)),
                executors: executors, slots: slots, slotBytes: 1 << 20))
    }

    func isRunning(_ life: Int) -> Bool { isUp && self.life == life }

    mutating func restart() {
        life += 1
        isUp = true
        downAfterDrain = nil
        payloads = [:]
        archives = []
        controlConnections = []
        machine = SimulatedWorker.machine(name, life: life, index: index, executors: executors, slots: slots)
    }

    var profile: WorkerProfile {
        WorkerProfile(
            cores: Double(executors), speed: speed, memoryLimitBytes: 1 << 30, memoryAvailableBytes: 1 << 30,
            executors: UInt32(executors),
            slots: UInt32(slots), slotBytes: 1 << 20, toolchain: "sim",
            inventory: archives.sorted { $0.firstLayer < $1.firstLayer }.map {
                HeldPartition(key: $0, archiveBytes: 1_000, isLoaded: machine.loadedPartitions.contains($0))
            })
    }
}

/// The coordinator's shell in the simulation.
struct SimulatedCoordinator {
    struct Input {
        var values: [UInt64]
        var pieces: [Int: [UInt64]] = [:]
        var expected: Int
    }
    var life = 0
    var machine: CoordinatorMachine
    let model: ServedModel
    let profile: ModelProfile
    /// Inputs by request, from `accept` to `forget`.
    var inputs: [RequestID: Input] = [:]
    /// Announced requests whose payload is "on the wire" (taken as soon as it is accepted).
    var arriving: [RequestID: [UInt64]] = [:]
    var results: [WorkKey: [UInt64]] = [:]
    /// Replies on their way out.
    var replying: [RequestID: ConnectionID] = [:]
    var wakeAt: Instant?

    init(seed: UInt64, random: inout SeededRandom, layerCount: Int, itemBytes: Int) {
        machine = CoordinatorMachine(
            configuration: .init(name: "coordinator", software: "sim", incarnation: IncarnationID(bits: 1), compression: .auto),
            session: SessionID(bits: UInt128(seed) << 32 | 1))
        let isSplittable = random.chance(0.85)
        model = ServedModel(
            name: "mix", digest: String(repeating: "a", count: 64),
            inputs: [TensorSpec(name: "x", dtype: .int64, shape: [.batch])],
            outputs: [TensorSpec(name: "y", dtype: .int64, shape: [.batch])],
            batching: isSplittable ? .splittable : .whole("items depend on each other"), weightBytes: UInt64(layerCount * 1_000))
        let layers = (0..<layerCount).map { index in
            Layer(
                name: "mix\(index)", operatorName: "mix", operation: .other, parameterCount: 250, parameterBytes: 1_000,
                outputElements: 8,
                outputBytes: ByteCount(itemBytes), milliseconds: Double(random.int(in: 1...30)) / 10)
        }
        profile = ModelProfile(
            layers: layers, cuts: (1..<layerCount).map { Cut(before: $0, bytes: ByteCount(itemBytes)) },
            inputBytes: ByteCount(itemBytes),
            outputBytes: ByteCount(itemBytes), batch: random.int(in: 1...4))
    }
}

/// A client: the machine of the client library, and what it was promised.
struct SimulatedClient {
    enum Outcome: Hashable {
        case reply
        case failed(StatusCode)
    }
    struct Planned {
        var values: [UInt64]
        var isRejected: Bool
        var outcome: Outcome?
        var isSubmitted = false
        var submittedAt: Instant = .zero
    }
    let index: Int
    var machine = ClientMachine()
    var connection: ConnectionID?
    var requests: [Planned] = []
    var hasLeft = false
    var wakeAt: Instant?

    init(index: Int) { self.index = index }

    /// An input that the model throws for carries this mark in its first item.
    static let rejectMark: UInt64 = 0xBAD0_BAD0_BAD0_BAD0

    mutating func plan(items: Int, random: inout SeededRandom, rejected: Bool) -> Int {
        var values = (0..<items).map { _ in random.next() >> 1 }
        if rejected { values[random.int(in: 0...(items - 1))] = Self.rejectMark }
        requests.append(Planned(values: values, isRejected: rejected))
        return requests.count - 1
    }

    var unanswered: [Int] { requests.indices.filter { requests[$0].outcome == nil } }
    var isSettled: Bool { hasLeft || unanswered.isEmpty }
}

/// The stand-in model: each layer mixes each item on its own.
enum MixModel {
    static func run(_ values: [UInt64], layers: Range<Int>) -> [UInt64] {
        values.map { value in layers.reduce(value) { SeededRandom.mix($0 &+ UInt64($1) &* 0x9E37_79B9) } }
    }
}
