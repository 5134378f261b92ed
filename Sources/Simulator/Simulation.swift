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

    private enum Phase { case running, settling, observing }

    /// A run that has not settled after this much virtual time beside what it takes by its options has not made progress.
    private static let timeLimit: Duration = .seconds(120)
    private static let occurrenceLimit = 400_000

    let seed: UInt64
    let options: Options
    var world: World
    var oracle: Oracle
    var now: Instant { world.now }
    var workers: [SimulatedWorker] = []
    /// The workers of the topology file.
    var listed: Set<Int> = []
    var coordinators: [SimulatedCoordinator]
    var clients: [SimulatedClient] = []
    /// What operators wait for, by connection.
    var commands: [ConnectionID: Command] = [:]
    private var phase = Phase.running
    private var isOver = false
    public var trace: ((Detail, String) -> Void)?

    // The cluster's physics, drawn once for each seed.
    let layerCount: Int
    let layerNanoseconds: Int64
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
        var random = SeededRandom(seed: seed)
        layerCount = random.int(in: 4...20)
        layerNanoseconds = Int64(random.int(in: 10_000...400_000))
        let latency = random.duration(.microseconds(20), .milliseconds(5))
        let bytesPerSecond = Double(random.int(in: 1_000_000...200_000_000))
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
        world = World(random: random, latency: latency, bytesPerSecond: bytesPerSecond)
        oracle = Oracle(
            seed: seed, layerCount: layerCount, isShortOfMemory: shortageShare > 0, clients: clients.count, workers: workers.count,
            coordinators: coordinators.count)
    }

    func violation(_ message: String) -> Violation { oracle.violation(message, at: now) }
    mutating func complain(_ message: String) { oracle.complain(message, at: now) }

    /// What a directive showed to be wrong, once the machine's step is carried out.
    func throwPending() throws(Violation) { if let pending = oracle.pending { throw pending } }

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
        while let occurrence = world.next() {
            oracle.report.occurrences += 1
            guard now < limit, oracle.report.occurrences < Self.occurrenceLimit else {
                throw violation(
                    "no rest: \(unsettled) after \((now - Instant.zero).readable) and \(oracle.report.occurrences) occurrences")
            }
            if world.putsOff(occurrence) { continue }
            try handle(occurrence)
            if oracle.openRequests == 0, phase == .running, oracle.isAtRest(coordinators, workers) { try arriveAtRest() }
            if isOver { break }
        }
        guard isOver else { throw violation("nothing happens any more, but there is work left: \(unsettled)") }
        var report = oracle.report
        for coordinator in coordinators { report.replayed += coordinator.replays }
        report.plans = coordinators[0].plans
        for client in clients { report.resent += client.machine.retries }
        report.virtualTime = now - Instant.zero
        return report
    }

    private var unsettled: String { oracle.unsettled(coordinators, workers) }

    private mutating func anyInput() -> PromisedRequest.Input {
        if world.random.chance(options.rejectShare) { return .rejected }
        return hasPoison && world.random.chance(options.poisonShare) ? .poison : .good
    }

    /// Draws a request.
    /// - Returns: its number.
    private mutating func plan(for client: Int, _ input: PromisedRequest.Input, deadline: Duration, isProbe: Bool, items: Int)
        -> Int
    {
        let number = oracle.requests[client].count
        let values = MixModel.values(items, input, of: client, number, &world.random)
        return oracle.plan(PromisedRequest(values: values, input: input, deadline: deadline, isProbe: isProbe), of: client)
    }

    private mutating func start() throws(Violation) {
        for index in workers.indices where workers[index].isUp {
            world.schedule(.heartbeat(index, life: 0), at: now + world.random.duration(.zero, .milliseconds(250)))
        }
        for client in clients.indices {
            for _ in 0..<world.random.int(in: options.requestsPerClient) { submitLater(client) }
            if world.random.chance(options.leaveShare) {
                world.schedule(.leave(client: client), at: now + world.random.duration(.zero, options.requestTime))
            }
        }
        var faults = FaultDrawing(options: options, workerCount: workers.count, random: world.random)
        faults.draw(absent: workers.filter { !$0.isUp }.map(\.index))
        world.random = faults.random
        for (fault, delay) in faults.drawn { world.announce(fault, at: now + delay) }
        try list(workersFor: 0)
        step(.modelReady(model.served), coordinator: 0)
        try throwPending()
    }

    /// A request of the first seconds, and in some cases the end of its client's interest in it.
    private mutating func submitLater(_ client: Int) {
        let deadline =
            world.random.chance(options.hastyShare)
            ? world.random.duration(.milliseconds(50), .seconds(5)) : options.requestDeadline
        let items = world.random.int(in: options.itemsPerRequest)
        let request = plan(for: client, anyInput(), deadline: deadline, isProbe: false, items: items)
        let at = now + world.random.duration(.zero, options.requestTime)
        world.schedule(.submit(client: client, request: request), at: at)
        if world.random.chance(options.cancelShare) {
            world.schedule(
                .cancel(client: client, request: request), at: at + world.random.duration(.zero, .milliseconds(300)))
        }
    }

    // MARK: The end

    /// All is answered: a run ends here, or goes on to see that nothing goes on by itself.
    private mutating func arriveAtRest() throws(Violation) {
        try oracle.checkRest(coordinators, workers, at: now)
        guard isObserved else {
            isOver = true
            return
        }
        phase = .settling
        world.schedule(.observe, at: max(now, world.lastFaultEnd) + options.settleTime)
    }

    /// Long after the last fault: a plan serves, and each client's next request is answered.
    private mutating func observe() throws(Violation) {
        let due = max(world.lastFaultEnd, world.lastFaultStart) + options.settleTime
        guard due <= now else { return world.schedule(.observe, at: due) }
        phase = .observing
        try oracle.settled(coordinators[0], in: world)
        for client in clients.indices where !clients[client].hasLeft {
            let items = world.random.int(in: options.itemsPerRequest)
            let request = plan(for: client, .good, deadline: Oracle.probeLimit, isProbe: true, items: items)
            world.schedule(
                .submit(client: client, request: request), at: now + world.random.duration(.zero, .seconds(1)))
        }
        world.schedule(.rest, at: now + Oracle.observedTime)
    }

    private mutating func endObservation() throws(Violation) {
        try oracle.checkCalm(coordinators, workers, in: world)
        isOver = true
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
        case .leave(let client): leave(client)
        case .fault(let fault): try inject(fault)
        case .observe: try observe()
        case .rest: try endObservation()
        }
    }
}
