public import Cluster
internal import Planning
internal import Tensors
internal import Wire

/// The real coordinator, worker and client machines over a virtual network and clock, driven by one seed.
///
/// Nothing here decides anything that a machine decides: it carries messages with latency and bandwidth, lets time pass, runs a stand-in
/// model (each layer mixes each item's number), injects faults, and checks what came out. The same seed gives the same run.
public struct Simulation {
    public struct Options: Sendable {
        public var workers = 1...5
        public var clients = 1...4
        public var requestsPerClient = 1...12
        public var itemsPerRequest = 1...9
        public var cancelShare = 0.08
        public var rejectShare = 0.06
        public var leaveShare = 0.1
        /// Crashes (with restart) in one run.
        public var crashes = 0...0
        /// SIGTERM to a worker, which is started again later.
        public var drains = 0...0
        /// Stopped processes that wake later.
        public var stalls = 0...0
        /// Pairs between which nothing passes for a while, in one or both directions.
        public var cuts = 0...0
        /// Single connections that break, the ends noticing it at different times.
        public var resets = 0...0
        /// Executions and loads that fail for lack of memory.
        public var shortageShare = 0.0
        /// Released partitions that are evicted at once.
        public var evictShare = 0.0
        public var requestDeadline: Duration = .seconds(60)
        public init() {}
    }

    /// What a run did, for tests that must know that something was exercised.
    public struct Report: Sendable, Equatable {
        public var requests = 0
        public var replies = 0
        public var rejectedInputs = 0
        public var cancelled = 0
        public var errors: [String] = []
        public var replayed: UInt64 = 0
        public var plans: UInt64 = 0
        public var faults = 0
        /// The longest time from a request's submission, or the end of the last fault, to its outcome.
        public var longestWait: Duration = .zero
        public var occurrences = 0
        public var virtualMilliseconds = 0
    }

    /// A broken promise; the text names what was expected and what was seen.
    public struct Violation: Error, CustomStringConvertible {
        public let seed: UInt64
        public let at: Instant
        public let message: String
        public var description: String { "seed \(seed) at \((at - .zero).readable): \(message)" }
    }

    /// A run that has not settled after this much virtual time has not made progress.
    static let timeLimit: Duration = .seconds(180)
    static let occurrenceLimit = 400_000
    /// Each request has its outcome within this time after the last fault is over: a plan needs no more than that to serve again.
    static let recoveryLimit: Duration = .seconds(30)

    let seed: UInt64
    let options: Options
    var random: SeededRandom
    var now: Instant = .zero
    var schedule = Schedule()
    var connections: [ConnectionID: Connection] = [:]
    var nextConnection: UInt64 = 1
    var workers: [SimulatedWorker] = []
    var coordinator: SimulatedCoordinator
    var clients: [SimulatedClient] = []
    var stalledUntil: [Process: Instant] = [:]
    var blocks: [Direction: Instant] = [:]
    var lastFaultEnd: Instant = .zero
    var report = Report()
    public var trace: ((String) -> Void)?

    // The cluster's physics, drawn once for each seed.
    let layerCount: Int
    let layerNanoseconds: Int64
    let latency: Duration
    let bytesPerSecond: Double
    let itemBytes = 1_000

    public init(seed: UInt64, options: Options = Options()) {
        self.seed = seed
        self.options = options
        random = SeededRandom(seed: seed)
        layerCount = random.int(in: 4...20)
        layerNanoseconds = Int64(random.int(in: 10_000...400_000))
        latency = random.duration(.microseconds(20), .milliseconds(5))
        bytesPerSecond = Double(random.int(in: 1_000_000...200_000_000))
        coordinator = SimulatedCoordinator(seed: seed, random: &random, layerCount: layerCount, itemBytes: itemBytes)
        for index in 0..<random.int(in: options.workers) { workers.append(SimulatedWorker(index: index, random: &random)) }
        for index in 0..<random.int(in: options.clients) { clients.append(SimulatedClient(index: index)) }
    }

    func violation(_ message: String) -> Violation { Violation(seed: seed, at: now, message: message) }
    func note(_ text: @autoclosure () -> String) { trace?("\((now - .zero).milliseconds) \(text())") }

    /// Runs until everything has settled.
    public mutating func run() throws(Violation) -> Report {
        start()
        let limit = Instant.zero + Self.timeLimit
        while let (time, occurrence) = schedule.next() {
            now = max(now, time)
            report.occurrences += 1
            guard now < limit, report.occurrences < Self.occurrenceLimit else {
                throw violation("no rest: \(unsettled) after \((now - .zero).readable) and \(report.occurrences) occurrences")
            }
            if let process = occurrence.process, let until = stalledUntil[process], until > now {
                schedule.add(occurrence, at: until)
                continue
            }
            try handle(occurrence)
            try checkBounds()
            if isSettled { break }
        }
        try checkRest()
        report.replayed = coordinator.machine.counters.microBatchesReplayed
        report.plans = coordinator.machine.counters.plans
        report.virtualMilliseconds = Int((now - .zero).milliseconds)
        return report
    }

    private mutating func start() {
        for index in workers.indices {
            schedule.add(.heartbeat(index, life: 0), at: now + random.duration(.zero, .milliseconds(250)))
        }
        var last = Instant.zero
        for client in clients.indices {
            for _ in 0..<random.int(in: options.requestsPerClient) {
                let request = clients[client].plan(
                    items: random.int(in: options.itemsPerRequest), random: &random, rejected: random.chance(options.rejectShare))
                let at = now + random.duration(.zero, .seconds(3))
                last = max(last, at)
                schedule.add(.submit(client: client, request: request), at: at)
                if random.chance(options.cancelShare) {
                    schedule.add(.cancel(client: client, request: request), at: at + random.duration(.zero, .milliseconds(300)))
                }
            }
            if random.chance(options.leaveShare) {
                schedule.add(.leave(client: client), at: now + random.duration(.zero, .seconds(3)))
            }
        }
        scheduleFaults()
        let targets = workers.map { CoordinatorMachine.Target(name: NodeID($0.name), addresses: [$0.name]) }
        step(.targets(targets))
        step(.modelReady(coordinator.model))
    }

    private mutating func handle(_ occurrence: Occurrence) throws(Violation) {
        switch occurrence {
        case .deliver(let connection, let process, let packet, let left): try deliver(connection, to: process, packet, left: left)
        case .connectionClosed(let connection, let process, let cause): try closed(connection, at: process, cause)
        case .connectResult(let connection, let process, let isOpen): try connectResult(connection, process, isOpen)
        case .sent(let connection, let process, let life, let work, let request): try sent(connection, process, life, work, request)
        case .prepared(let worker, let life, let key):
            if workers[worker].isRunning(life) { try stepWorker(worker, .prepared(key)) }
        case .executed(let worker, let life, let key):
            if workers[worker].isRunning(life) { try finishExecution(worker, key) }
        case .loaded(let worker, let life, let order):
            if workers[worker].isRunning(life) { try finishLoad(worker, order) }
        case .heartbeat(let worker, let life): heartbeat(worker, life)
        case .planned(_, let order): plan(order)
        case .wake(let process, let life): try wake(process, life)
        case .submit(let client, let request): try submit(client, request)
        case .cancel(let client, let request): try cancel(client, request)
        case .leave(let client): try leave(client)
        case .fault(let fault): try inject(fault)
        }
    }

    // MARK: - Checks

    private func checkBounds() throws(Violation) {
        for worker in workers where worker.machine.heldCount > worker.slots {
            throw violation("\(worker.name) holds \(worker.machine.heldCount) micro-batches, its limit is \(worker.slots)")
        }
        if coordinator.machine.heldByteCount < 0 { throw violation("the coordinator's byte count is negative") }
    }

    private var isSettled: Bool {
        clients.allSatisfy(\.isSettled) && coordinator.machine.requestCount == 0 && coordinator.machine.flightCount == 0
            && workers.allSatisfy { !$0.isUp || $0.machine.heldCount == 0 }
    }

    private var unsettled: String {
        let waiting = clients.flatMap { client in client.unanswered.map { "client\(client.index)/\($0)" } }
        return
            "unanswered \(waiting), coordinator requests \(coordinator.machine.requestCount) flights \(coordinator.machine.flightCount), "
            + "workers hold \(workers.map(\.machine.heldCount))"
    }

    private func checkRest() throws(Violation) {
        guard isSettled else { throw violation("stopped with work left: \(unsettled)") }
        guard coordinator.inputs.isEmpty else {
            throw violation("the coordinator still holds the inputs of \(coordinator.inputs.count) requests")
        }
        guard coordinator.machine.heldByteCount == 0 else {
            throw violation("the coordinator still counts \(coordinator.machine.heldByteCount) bytes")
        }
        for worker in workers where worker.isUp && !worker.payloads.isEmpty {
            throw violation("\(worker.name) still holds \(worker.payloads.count) payloads")
        }
    }
}
