internal import Base
internal import Cluster
internal import Wire

/// A worker's shell in the simulation: payloads, an archive store, and a life count that tells a restarted process from the old one.
struct SimulatedWorker {
    /// Old messages that a repeating worker draws from; few are enough to reach back over a replay or a restart.
    static let historyLimit = 12

    /// What the process itself takes.
    static let runtimeBytes: UInt64 = 100 << 20
    static let slotBytes = 1 << 20

    let index: Int
    let name: String
    var address: String { "\(name):9000" }
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
