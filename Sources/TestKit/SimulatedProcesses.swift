internal import Base
internal import Cluster
internal import Planning
internal import Tensors
internal import Wire

/// A worker's shell in the simulation: payloads, an archive store, and a life count that tells a restarted process from the old one.
struct SimulatedWorker {
    /// Whom the worker obeys, as its connections show.
    struct Holder {
        var session: SessionID
        var term: UInt64
        var name: String
        var control: ConnectionID
        var token: HolderToken
        var heardAt: Instant
        /// Whether its control connection stood when another coordinator's hello came.
        var isConnected = true
    }

    /// Old messages that a repeating worker draws from; few are enough to reach back over a replay or a restart.
    static let historyLimit = 12

    /// What the process itself takes.
    static let runtimeBytes: UInt64 = 100 << 20
    static let slotBytes = 1 << 20

    let index: Int
    let name: String
    let slots: Int
    let executors: Int
    let speed: Double
    var life = 0
    var isUp = true
    /// Down for this long once it has drained.
    var downAfterDrain: Duration?
    let memoryBytes: UInt64
    /// The topology lists it at two addresses.
    var isListedTwice = false
    /// No topology lists it: it dials the coordinator and says where it is.
    var registersItself = false
    var registration: ConnectionID?
    var shortUntil: Instant = .zero
    var hangsUntil: Instant = .zero
    var swallowsUntil: Instant = .zero
    /// It has lost work, in whatever life.
    var hasSwallowed = false
    var machine: WorkerMachine
    var payloads = WorkPayloads<(work: Work, values: [UInt64])>(byteLimit: slotBytes)
    var archives: Set<PartitionKey> = []
    var holder: Holder?
    var beat: UInt64 = 0
    var cpuNanoseconds: UInt64 = 0
    /// What it sent lately: to a node, or a result (`nil`).
    var history: [(to: NodeID?, Packet)] = []

    init(index: Int, random: inout SeededRandom) {
        self.index = index
        name = "w\(index)"
        slots = random.int(in: 2...16)
        executors = random.int(in: 1...3)
        speed = Double(random.int(in: 3...20)) / 10
        memoryBytes = UInt64(random.int(in: 300...1_000)) << 20
        machine = SimulatedWorker.machine(index, life: 0, executors: executors, slots: slots)
    }

    /// What the topology calls it.
    var targets: [String] { isListedTwice ? [name, name + "/2"] : [name] }

    var incarnation: IncarnationID { Self.incarnation(index, life: life) }

    private static func incarnation(_ index: Int, life: Int) -> IncarnationID {
        IncarnationID(bits: UInt128(index * 1_000 + life + 1))
    }

    private static func machine(_ index: Int, life: Int, executors: Int, slots: Int) -> WorkerMachine {
        WorkerMachine(
            configuration: .init(
                name: nil, fallbackName: "unnamed", software: "sim", incarnation: incarnation(index, life: life),
                executors: executors, slots: slots, slotBytes: slotBytes))
    }

    func isRunning(_ life: Int) -> Bool { isUp && self.life == life }

    mutating func restart() {
        life += 1
        isUp = true
        downAfterDrain = nil
        hangsUntil = .zero
        swallowsUntil = .zero
        payloads = WorkPayloads(byteLimit: Self.slotBytes)
        registration = nil
        holder = nil
        machine = SimulatedWorker.machine(index, life: life, executors: executors, slots: slots)
    }

    mutating func remember(_ packet: Packet, to node: NodeID?) {
        if history.count == Self.historyLimit { history.removeFirst() }
        history.append((node, packet))
    }

    var profile: WorkerProfile {
        WorkerProfile(
            cores: Double(executors), speed: speed, memoryLimitBytes: memoryBytes,
            memoryAvailableBytes: memoryBytes - Self.runtimeBytes,
            executors: UInt32(executors),
            slots: UInt32(slots), slotBytes: UInt64(Self.slotBytes), toolchain: "sim",
            inventory: archives.sorted { ($0.firstLayer, $0.endLayer) < ($1.firstLayer, $1.endLayer) }.map {
                HeldPartition(key: $0, archiveBytes: 1_000, isLoaded: machine.loadedPartitions.contains($0))
            })
    }
}

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
    /// The last attempt that was sent of each piece.
    var attempts: [RequestID: [Int: UInt32]] = [:]
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
        attempts = [:]
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

/// A client: the machine of the client library, and what it was promised.
struct SimulatedClient {
    enum Outcome: Hashable {
        case reply
        case failed(StatusCode)
    }
    enum Input { case good, rejected, poison }
    struct Planned {
        var values: [UInt64]
        var input: Input
        var deadline: Duration
        var outcome: Outcome?
        var submittedAt: Instant = .zero
        var isCancelled = false
        /// Faults before its submission that may have ended nodes, the last one left out: it may show only now.
        var endingFaultsBefore = 0
        /// How often its client sent it: again after a reconnect, or when it was asked to.
        var sends = 0
        /// How often a fault sent an old message with it again: a worker that was started again cannot know that it is old.
        var repeats = 0
        /// Workers that ended while they executed it.
        var kills = 0
        /// Sent long after the last fault: it must succeed.
        var isProbe = false
        /// Where its reply came: a second one on the same connection is one too many.
        var repliedOn: ConnectionID?
    }
    let index: Int
    var machine = ClientMachine()
    var connection: ConnectionID?
    var requests: [Planned] = []
    var hasLeft = false
    var wakeAt: Instant?

    init(index: Int) { self.index = index }

    mutating func plan(items: Int, input: Input, deadline: Duration, random: inout SeededRandom) -> Int {
        var values = (0..<items).map { _ in random.next() >> 1 }
        switch input {
        case .good: break
        case .rejected: values[random.int(in: 0...(items - 1))] = MixModel.rejectMark
        case .poison:
            values[random.int(in: 0...(items - 1))] = MixModel.poison(of: index, requests.count)
        }
        requests.append(Planned(values: values, input: input, deadline: deadline))
        return requests.count - 1
    }

    var unanswered: [Int] { hasLeft ? [] : requests.indices.filter { requests[$0].outcome == nil } }
}

/// The stand-in model: each layer mixes each item on its own. Two kinds of items go through unchanged up to one layer, which throws for
/// the one and ends the process for the other.
enum MixModel {
    /// An item that a layer throws for.
    static let rejectMark: UInt64 = 0xBAD0_BAD0_BAD0_BAD0
    /// The upper 48 bits of an item that ends the process; the lower ones say whose it is.
    private static let poisonMark: UInt64 = 0xDEAD_DEAD_DEAD

    static func poison(of client: Int, _ request: Int) -> UInt64 { poisonMark << 16 | UInt64(client) << 8 | UInt64(request) }

    private static func isMarked(_ value: UInt64) -> Bool { value == rejectMark || value >> 16 == poisonMark }

    /// The marked item that one of the layers meets, of `layerCount` in all.
    static func mark(in values: [UInt64], layers: Range<Int>, layerCount: Int) -> UInt64? {
        values.first { isMarked($0) && layers.contains(Int(SeededRandom.mix($0) % UInt64(layerCount))) }
    }

    /// Whose poison the item is.
    static func owner(of mark: UInt64) -> (client: Int, request: Int)? {
        mark >> 16 == poisonMark ? (Int(mark >> 8 & 0xFF), Int(mark & 0xFF)) : nil
    }

    static func run(_ values: [UInt64], layers: Range<Int>) -> [UInt64] {
        values.map { value in isMarked(value) ? value : layers.reduce(value) { SeededRandom.mix($0 &+ UInt64($1) &* 0x9E37_79B9) } }
    }
}

/// What every coordinator of a run serves, and how its plans are made.
struct SimulatedModel {
    let served: ServedModel
    let profile: ModelProfile
    let itemBytes: Int

    init(random: inout SeededRandom, layerCount: Int, itemBytes: Int) {
        self.itemBytes = itemBytes
        let isSplittable = random.chance(0.85)
        served = ServedModel(
            name: "mix", digest: "mix-of-numbers",
            inputs: [TensorSpec(name: "x", dtype: .int64, shape: [.batch])],
            outputs: [TensorSpec(name: "y", dtype: .int64, shape: [.batch])],
            batching: isSplittable ? .splittable : .whole("items depend on each other"), weightBytes: UInt64(layerCount * 1_000))
        let layers = (0..<layerCount).map { index in
            Layer(
                name: "mix\(index)", operatorName: "mix", operation: .other, parameterCount: 250, parameterBytes: 1_000,
                outputElements: 8, outputBytes: ByteCount(itemBytes), milliseconds: Double(random.int(in: 1...30)) / 10)
        }
        profile = ModelProfile(
            layers: layers, cuts: (1..<layerCount).map { Cut(before: $0, bytes: ByteCount(itemBytes)) },
            inputBytes: ByteCount(itemBytes), outputBytes: ByteCount(itemBytes), batch: random.int(in: 1...4))
    }
}
