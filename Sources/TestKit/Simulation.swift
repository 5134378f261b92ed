internal import Base
internal import Cluster
internal import Planning
internal import Wire

/// The real coordinator, worker and client machines over a virtual network and clock, driven by one seed.
///
/// Nothing here decides anything that a machine decides: it carries messages with latency and bandwidth, lets time pass, runs a stand-in
/// model (each layer mixes each item's number), injects faults, and checks what came out. The same seed gives the same run.
public struct Simulation {
    /// How much of a run is told: what an operator would look for, or everything.
    public enum Detail: Sendable { case event, detail }

    enum Phase { case running, settling, observing }

    /// A run that has not settled after this much virtual time beside what it takes by its options has not made progress.
    static let timeLimit: Duration = .seconds(120)
    static let occurrenceLimit = 400_000
    /// Each request has its outcome within this time after the last fault is over: silence is noticed (2 s), a plan is made and loaded, and
    /// whoever was left out for a short while is tried again (5 s).
    static let recoveryLimit: Duration = .seconds(10)
    /// … and within this time where memory was short: a node that could not load its partition is left out for 10 s, twice in a row.
    static let shortageRecoveryLimit: Duration = .seconds(30)
    /// How long a settled cluster is watched: longer than any pause after which it might change its mind.
    static let observedTime: Duration = .seconds(15)
    /// A settled cluster answers within this time.
    static let probeLimit: Duration = .seconds(5)

    /// Workers that one input may end: twice among others, once alone.
    static let killsOfOneInput = 3

    let seed: UInt64
    let options: Options
    var random: SeededRandom
    var now: Instant = .zero
    var schedule = Schedule()
    /// By number.
    var connections: [SimulatedConnection] = []
    var workers: [SimulatedWorker] = []
    /// The workers of the topology file.
    var listed: Set<Int> = []
    var coordinators: [SimulatedCoordinator]
    var clients: [SimulatedClient] = []
    var stalledUntil: [Process: Instant] = [:]
    var blocks: [Direction: Instant] = [:]
    var slow: [Direction: Slowness] = [:]
    /// What operators wait for, by connection.
    var commands: [ConnectionID: Command] = [:]
    var lastFaultStart: Instant = .zero
    var lastFaultEnd: Instant = .zero
    /// Requests of clients that have not left, planned or submitted, without an outcome.
    var openRequests = 0
    var phase = Phase.running
    var isOver = false
    var plansAtObservation: UInt64 = 0
    /// Faults so far for which a node may have been given up with what it ran.
    var endingFaults = 0
    var report = Report()
    /// What a directive showed to be wrong; thrown when the machine's step is carried out.
    private var pending: Violation?
    public var trace: ((Detail, String) -> Void)?

    // The cluster's physics, drawn once for each seed.
    let layerCount: Int
    let layerNanoseconds: Int64
    let latency: Duration
    let bytesPerSecond: Double
    let itemBytes = 1_000
    let model: SimulatedModel
    let usesPlanner: Bool
    let isObserved: Bool
    let shortageShare: Double
    /// Of all workers together.
    let slotCount: Int
    let hasPoison: Bool

    public init(seed: UInt64, options: Options = Options()) {
        self.seed = seed
        self.options = options
        random = SeededRandom(seed: seed)
        layerCount = random.int(in: 4...20)
        layerNanoseconds = Int64(random.int(in: 10_000...400_000))
        latency = random.duration(.microseconds(20), .milliseconds(5))
        bytesPerSecond = Double(random.int(in: 1_000_000...200_000_000))
        usesPlanner = random.chance(options.plannerShare)
        isObserved = random.chance(options.observedShare)
        // Of dice of its own, so that the runs with and without are otherwise alike.
        var dice = SeededRandom(seed: ~seed)
        shortageShare = options.leavesKindsOut && dice.chance(0.5) ? 0 : options.shortageShare
        hasPoison = random.chance(options.leavesKindsOut ? 0.25 : 1)
        model = SimulatedModel(random: &random, layerCount: layerCount, itemBytes: itemBytes)
        coordinators = [SimulatedCoordinator(index: 0, seed: seed), SimulatedCoordinator(index: 1, seed: seed)]
        for index in 0..<random.int(in: options.workers) { workers.append(SimulatedWorker(index: index, random: &random)) }
        for _ in 0..<min(random.int(in: options.joining), workers.count - 1) {
            let worker = random.int(in: 1...(workers.count - 1))
            workers[worker].isUp = false
            workers[worker].registersItself = random.chance(0.5)
        }
        for index in workers.indices { workers[index].isListedTwice = dice.chance(options.aliasShare) }
        slotCount = workers.reduce(0) { $0 + $1.slots }
        listed = Set(workers.filter(\.isUp).map(\.index))
        for index in 0..<random.int(in: options.clients) { clients.append(SimulatedClient(index: index)) }
    }

    func violation(_ message: String) -> Violation { Violation(seed: seed, at: now, message: message) }

    /// For what is found where nothing can be thrown: the first of a step counts.
    mutating func complain(_ message: String) { if pending == nil { pending = violation(message) } }

    /// How long after the last fault a request may wait in this run.
    var longestRecovery: Duration {
        let isShort = shortageShare > 0 || report.faults["memory shortage"] != nil
        return isShort ? Self.shortageRecoveryLimit : Self.recoveryLimit
    }

    func throwPending() throws(Violation) { if let pending { throw pending } }

    func note(_ text: @autoclosure () -> String, _ detail: Detail = .event) {
        guard let trace else { return }
        let milliseconds = (now - Instant.zero).nanoseconds / 1_000_000
        let parts = (milliseconds / 1_000, milliseconds % 1_000)
        trace(detail, "\(parts.0).\(parts.1 < 100 ? "0" : "")\(parts.1 < 10 ? "0" : "")\(parts.1) \(text())")
    }

    /// Runs until everything has settled.
    public mutating func run() throws(Violation) -> Report {
        try start()
        let limit = Instant.zero + Self.timeLimit + options.faultTime + options.requestDeadline + options.settleTime
        while let (time, occurrence) = schedule.next() {
            now = max(now, time)
            report.occurrences += 1
            guard now < limit, report.occurrences < Self.occurrenceLimit else {
                throw violation(
                    "no rest: \(unsettled) after \((now - Instant.zero).readable) and \(report.occurrences) occurrences")
            }
            if !stalledUntil.isEmpty, let process = occurrence.process, let until = stalledUntil[process], until > now {
                schedule.add(occurrence, at: until)
                continue
            }
            try handle(occurrence)
            if openRequests == 0, phase == .running, isAtRest { try arriveAtRest() }
            if isOver { break }
        }
        guard isOver else { throw violation("nothing happens any more, but there is work left: \(unsettled)") }
        for coordinator in coordinators { report.replayed += coordinator.replays }
        report.plans = coordinators[0].plans
        for client in clients { report.resent += client.machine.retries }
        report.virtualTime = now - Instant.zero
        return report
    }

    private mutating func anyInput() -> SimulatedClient.Input {
        if random.chance(options.rejectShare) { return .rejected }
        return hasPoison && random.chance(options.poisonShare) ? .poison : .good
    }

    private mutating func start() throws(Violation) {
        for index in workers.indices where workers[index].isUp {
            schedule.add(.heartbeat(index, life: 0), at: now + random.duration(.zero, .milliseconds(250)))
        }
        for client in clients.indices {
            for _ in 0..<random.int(in: options.requestsPerClient) {
                let deadline =
                    random.chance(options.hastyShare)
                    ? random.duration(.milliseconds(50), .seconds(5)) : options.requestDeadline
                let request = clients[client].plan(
                    items: random.int(in: options.itemsPerRequest), input: anyInput(),
                    deadline: deadline, random: &random)
                openRequests += 1
                let at = now + random.duration(.zero, options.requestTime)
                schedule.add(.submit(client: client, request: request), at: at)
                if random.chance(options.cancelShare) {
                    schedule.add(.cancel(client: client, request: request), at: at + random.duration(.zero, .milliseconds(300)))
                }
            }
            if random.chance(options.leaveShare) {
                schedule.add(.leave(client: client), at: now + random.duration(.zero, options.requestTime))
            }
        }
        scheduleFaults()
        try list(workersFor: 0)
        step(.modelReady(model.served), coordinator: 0)
        try throwPending()
    }

    private mutating func handle(_ occurrence: Occurrence) throws(Violation) {
        switch occurrence {
        case .deliver(let connection, let process, let packet, let left): try deliver(connection, to: process, packet, left: left)
        case .connectionClosed(let connection, let process, let cause): try closed(connection, at: process, cause)
        case .connectFailed(let connection, let process): try connectFailed(connection, process)
        case .sent(let connection, let process, let life, let work, let request): try sent(connection, process, life, work, request)
        case .prepared(let worker, let life, let key):
            if workers[worker].isRunning(life) { try stepWorker(worker, .prepared(key)) }
        case .executed(let worker, let life, let key):
            if workers[worker].isRunning(life) { try finishExecution(worker, key) }
        case .loaded(let worker, let life, let order):
            if workers[worker].isRunning(life) { try finishLoad(worker, order) }
        case .heartbeat(let worker, let life): try heartbeat(worker, life)
        case .endPatience(let worker, let life):
            if workers[worker].isRunning(life) { try stepWorker(worker, .drain) }
        case .register(let worker, let life): register(worker, life)
        case .command(let command): send(command)
        case .analysed(let index, let life):
            guard coordinators[index].isRunning(life) else { return }
            step(.modelReady(model.served), coordinator: index)
            try throwPending()
        case .planned(let index, let life, let order):
            guard coordinators[index].isRunning(life) else { return }
            plan(order, coordinator: index)
            try throwPending()
        case .uploaded(let index, let life, let request):
            uploaded(index, life: life, request)
            try throwPending()
        case .wake(let process, let life): try wake(process, life)
        case .submit(let client, let request): try submit(client, request)
        case .cancel(let client, let request): try cancel(client, request)
        case .leave(let client): try leave(client)
        case .fault(let fault): try inject(fault)
        case .observe: try observe()
        case .rest: try endObservation()
        }
    }
}
