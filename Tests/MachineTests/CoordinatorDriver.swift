import Base
import Cluster
import Planning
import Tensors
import Testing
import Wire

/// Drives a ``CoordinatorMachine`` event by event: no socket, no clock.
struct CoordinatorDriver {
    typealias Directive = CoordinatorMachine.Directive

    static let session = SessionID(bits: 77)
    static let client = ConnectionID(1_000)

    var machine: CoordinatorMachine
    var now = Instant.zero
    /// What the workers say of themselves.
    var slots: UInt32 = 16
    var slotBytes: UInt64 = 1 << 20
    /// What each says of its processors; nothing where it is not here.
    var processorGroups: [String: String] = [:]
    /// What the machine wants an operator to read.
    private(set) var logs: [LogLine] = []
    private var nextConnection: UInt64 = 1
    private(set) var control: [NodeID: ConnectionID] = [:]
    private(set) var data: [NodeID: ConnectionID] = [:]
    private(set) var lastOrder: CoordinatorMachine.PlanOrder?
    private(set) var lastStandbyOrder: CoordinatorMachine.PlanOrder?

    init(_ workers: [String] = ["a", "b"], configure: (inout CoordinatorMachine.Configuration) -> Void = { _ in }) {
        var configuration = CoordinatorMachine.Configuration(
            name: "c", software: "test", incarnation: IncarnationID(bits: 1), compression: .auto)
        configure(&configuration)
        machine = CoordinatorMachine(
            configuration: configuration, session: Self.session, holderToken: Self.holder, workToken: Self.token)
        step(.targets(Self.targets(workers)))
    }

    /// The model is there, all workers have joined, and the stages serve, each on its replicas.
    static func serving(
        _ stages: [[String]] = [["a"], ["b"]], model: ServedModel = model(), microBatch: Int = 2, slots: UInt32 = 16,
        slotBytes: UInt64 = 1 << 20, configure: (inout CoordinatorMachine.Configuration) -> Void = { _ in }
    ) -> CoordinatorDriver {
        let names = Set(stages.flatMap { $0 }).sorted()
        var driver = CoordinatorDriver(names, configure: configure)
        driver.slots = slots
        driver.slotBytes = slotBytes
        driver.step(.modelReady(model))
        for name in names { driver.join(name) }
        driver.deploy(stages, microBatch: microBatch)
        return driver
    }

    /// Logs are left out.
    @discardableResult
    mutating func step(_ event: CoordinatorMachine.Event) -> [Directive] {
        var out: [Directive] = []
        for directive in machine.step(event, now: now) {
            if case .log(let line) = directive { logs.append(line) } else { out.append(directive) }
        }
        if keepsFew, let broken = machine.brokenInvariant { Issue.record("after \(event): \(broken)") }
        if let order = out.orders.last { lastOrder = order }
        if let order = out.standbyOrders.last { lastStandbyOrder = order }
        return out
    }

    /// The invariants are looked at after each step, in O(everything that is kept): not where thousands are.
    private var keepsFew: Bool {
        let sizes = machine.tableSizes
        return sizes.nodes + sizes.watches + sizes.registrations + machine.requestCount + machine.flightCount <= 200
    }

    /// Lets time pass in the steps that the machine asks for; everybody who is connected and not `silent` beats.
    @discardableResult
    mutating func wait(_ duration: Duration, silent: Set<NodeID> = []) -> [Directive] {
        let end = now + duration
        var out: [Directive] = []
        while now < end {
            now = min(end, max(min(machine.nextWake ?? end, now + .milliseconds(250)), now + .milliseconds(1)))
            for (id, connection) in control.sorted(by: { $0.key < $1.key }) where !silent.contains(id) {
                out += step(.heard(connection))
            }
            out += step(.tick)
        }
        return out
    }

    // MARK: Workers

    @discardableResult
    mutating func join(_ name: String, as listed: String? = nil, incarnation: UInt128? = nil, loaded: [PartitionKey] = [])
        -> [Directive]
    {
        let target = NodeID(listed ?? name)
        let welcome = self.welcome(name, incarnation: incarnation ?? Self.incarnation(of: name), loaded: loaded)
        let first = freshConnection()
        var out = step(.connected(target, .control, first, welcome))
        guard out.contains(where: { if case .dial(NodeID(name), _, let hello) = $0 { hello.channel == .data } else { false } })
        else {
            return out
        }
        control[NodeID(name)] = first
        data[NodeID(name)] = freshConnection()
        out += step(.connected(NodeID(name), .data, data[NodeID(name)]!, welcome))
        return out
    }

    /// Of a worker's first process.
    static func incarnation(of name: String) -> UInt128 { name.utf8.reduce(1) { $0 &* 257 &+ UInt128($1) } }

    func welcome(_ name: String, incarnation: UInt128? = nil, loaded: [PartitionKey] = []) -> Welcome {
        let profile = WorkerProfile(
            cores: 1, speed: 1, memoryLimitBytes: 1 << 30, memoryAvailableBytes: 1 << 30, executors: 1, slots: slots,
            slotBytes: slotBytes, toolchain: "test",
            inventory: loaded.map { HeldPartition(key: $0, archiveBytes: 1, isLoaded: true) },
            processorGroup: processorGroups[name] ?? "")
        return Welcome(
            role: .worker, name: name, software: "test",
            incarnation: IncarnationID(bits: incarnation ?? Self.incarnation(of: name)), term: 1,
            worker: profile)
    }

    /// The worker beats no more.
    mutating func forget(_ name: String) {
        control[NodeID(name)] = nil
        data[NodeID(name)] = nil
    }

    mutating func freshConnection() -> ConnectionID {
        nextConnection += 1
        return ConnectionID(nextConnection)
    }

    /// Answers the planner's order and every load that it leads to.
    @discardableResult
    mutating func deploy(_ stages: [[String]], microBatch: Int = 2) -> [Directive] {
        var out = answerPlan(stages, microBatch: microBatch)
        for load in out.loads { out += report(load.0, load.1, .ready) }
        return out
    }

    @discardableResult
    mutating func answerPlan(_ stages: [[String]], microBatch: Int = 2) -> [Directive] {
        step(.planned(lastOrder?.generation ?? 0, .plan(Self.deployment(stages, microBatch: microBatch))))
    }

    @discardableResult
    mutating func report(_ connection: ConnectionID, _ key: PartitionKey, _ state: PartitionReport.State, _ message: String = "")
        -> [Directive]
    {
        step(.received(connection, .partitionReport(PartitionReport(key: key, state: state, message: message))))
    }

    @discardableResult
    mutating func says(_ node: NodeID, _ message: Message) -> [Directive] {
        step(.received(control[node] ?? ConnectionID(0), message))
    }

    @discardableResult
    mutating func close(_ node: NodeID, data: Bool = false) -> [Directive] {
        let connection = data ? self.data[node] : control[node]
        return step(.connectionClosed(connection ?? ConnectionID(0), cause: "reset"))
    }

    /// The node's executors as its heartbeat shows them.
    @discardableResult
    mutating func beat(
        _ node: NodeID, executing: UInt32 = 0, completed: UInt64 = 0, used: UInt64 = 0, limit: UInt64 = 1 << 30,
        executorCPU: UInt64 = 0
    ) -> [Directive] {
        says(
            node,
            .heartbeat(
                Heartbeat(
                    memoryUsedBytes: used, memoryLimitBytes: limit, executing: executing, completed: completed,
                    executorCPUNanoseconds: executorCPU)))
    }

    /// Answers the order for a standby plan.
    @discardableResult
    mutating func answerStandby(_ stages: [[String]], microBatch: Int = 2, residentBytes: UInt64 = 1) -> [Directive] {
        var deployment = Self.deployment(stages, microBatch: microBatch)
        for index in deployment.stages.indices { deployment.stages[index].residentBytes = residentBytes }
        return step(.planned(lastStandbyOrder?.generation ?? 0, .plan(deployment)))
    }

    /// Answers loads as they are ordered.
    @discardableResult
    mutating func load(_ loads: [(ConnectionID, PartitionKey)]) -> [Directive] {
        var out: [Directive] = []
        var left = loads[...]
        while let load = left.popFirst() {
            let answer = report(load.0, load.1, .ready)
            left += answer.loads
            out += answer
        }
        return out
    }

    // MARK: Requests

    /// Announces a request of so many items and lets its payload arrive.
    @discardableResult
    mutating func submit(
        _ number: UInt64, items: Int = 2, from client: ConnectionID = client, deadline: UInt32 = 0
    ) -> [Directive] {
        var out = announce(number, items: items, from: client, deadline: deadline)
        for case .accept(let id, _, _) in out { out += step(.requestArrived(id)) }
        return out
    }

    mutating func announce(
        _ number: UInt64, items: Int = 2, from client: ConnectionID = client, deadline: UInt32 = 0, names: [String] = []
    ) -> [Directive] {
        let tensor = TensorHeader(dtype: .float32, shape: [items], encoding: .raw, wireByteCount: items * 4)
        let request = InferRequest(id: number, deadlineMilliseconds: deadline, names: names, tensors: [tensor])
        return step(.requestAnnounced(client, request))
    }

    /// A micro-batch comes back with its result.
    @discardableResult
    mutating func finish(_ work: Work, _ traces: [HopTrace] = []) -> [Directive] {
        let connection = lastHop(work)
        let tensor = TensorHeader(dtype: .float32, shape: [Int(work.items)], encoding: .raw, wireByteCount: Int(work.items) * 4)
        let announced = step(.resultAnnounced(connection, WorkResult(key: work.key, tensors: [tensor], trace: traces)))
        guard announced.contains(.acceptResult(work.key)) else { return announced }
        return announced.filter { $0 != .acceptResult(work.key) } + step(.resultArrived(connection, work.key, traces))
    }

    /// Where the result of a micro-batch must come from.
    func lastHop(_ work: Work) -> ConnectionID { work.route.last.flatMap { data[$0.node] } ?? ConnectionID(0) }

    // MARK: Fixtures

    static let unknownKey = WorkKey(session: SessionID(bits: 5), client: 1, request: 1, microBatch: 0, attempt: 1)

    static let holder: @Sendable (NodeID) -> HolderToken = { HolderToken(bits: incarnation(of: $0.name) &* 31) }

    static let token: @Sendable (RequestID, Int, UInt32) -> UInt64 = {
        1_000_000 + $0.number * 10_000 + UInt64($1) * 100 + UInt64($2)
    }

    static func targets(_ workers: [String]) -> [CoordinatorMachine.Target] {
        workers.map { .init(name: NodeID($0), addresses: ["\($0):9000"]) }
    }

    static func model(splittable: Bool = true) -> ServedModel {
        ServedModel(
            name: "m", digest: String(repeating: "a", count: 64), inputs: [TensorSpec(name: "x", dtype: .float32, shape: [.batch])],
            outputs: [TensorSpec(name: "y", dtype: .float32, shape: [.batch])],
            batching: splittable ? .splittable : .whole("items depend on each other"), weightBytes: 1)
    }

    static func partition(_ stage: Int, of count: Int = 2) -> PartitionKey {
        PartitionKey(
            modelDigest: String(repeating: "a", count: 64), firstLayer: stage * 10, endLayer: stage * 10 + 10 / count,
            toolchain: "test", optimization: .o0)
    }

    static let plan: Plan = {
        let profile = ModelProfile(
            layers: [Layer(name: "l", operatorName: "op", milliseconds: 1)], cuts: [], inputBytes: 4, outputBytes: 4, batch: 1)
        let node = PlanningNode(id: "a", effectiveCores: 1, freeMemory: ByteCount(8 << 30))
        do { return try Planner.plan(PlanRequest(profile: profile, nodes: [node])) } catch { fatalError("\(error)") }
    }()

    static func deployment(_ stages: [[String]], microBatch: Int) -> PlannedDeployment {
        PlannedDeployment(
            plan: plan,
            stages: stages.enumerated().map { index, replicas in
                PlannedDeployment.Stage(
                    partition: partition(index, of: stages.count), replicas: replicas.map { NodeID($0) }, residentBytes: 1,
                    warmups: [], inputBytesPerItem: 4)
            }, microBatch: microBatch, outputBytesPerItem: 4)
    }
}

extension [CoordinatorMachine.Directive] {
    var dispatched: [Work] { compactMap { if case .dispatch(let work, _, _, _) = $0 { work } else { nil } } }
    var ranges: [Range<Int>] { compactMap { if case .dispatch(_, _, _, let range) = $0 { range } else { nil } } }
    var errors: [InferError] { compactMap { if case .send(_, .inferError(let error)) = $0 { error } else { nil } } }
    var accepted: [RequestID] { compactMap { if case .accept(let id, _, _) = $0 { id } else { nil } } }
    var replies: [UInt64] { compactMap { if case .reply(_, _, let number, _) = $0 { number } else { nil } } }
    var forgotten: [RequestID] { compactMap { if case .forget(let id) = $0 { id } else { nil } } }
    private var allOrders: [CoordinatorMachine.PlanOrder] {
        compactMap { if case .plan(let order) = $0 { order } else { nil } }
    }
    /// Of plans that are to serve.
    var orders: [CoordinatorMachine.PlanOrder] { allOrders.filter { $0.purpose == .serve } }
    var standbyOrders: [CoordinatorMachine.PlanOrder] { allOrders.filter { if case .standby = $0.purpose { true } else { false } } }
    var dials: [NodeID] { compactMap { if case .dial(let node, _, _) = $0 { node } else { nil } } }
    var closes: [ConnectionID] { compactMap { if case .close(let connection, _) = $0 { connection } else { nil } } }
    var cancels: [ConnectionID] { compactMap { if case .send(let connection, .cancelWork) = $0 { connection } else { nil } } }
    var tables: [PeerTable] { compactMap { if case .send(_, .peerTable(let table)) = $0 { table } else { nil } } }
    var loads: [(ConnectionID, PartitionKey)] {
        compactMap { if case .send(let connection, .loadPartition(let order)) = $0 { (connection, order.key) } else { nil } }
    }
    var releases: [PartitionKey] {
        compactMap { if case .send(_, .releasePartition(let release)) = $0 { release.key } else { nil } }
    }
    var isServing: Bool { contains { if case .serving = $0 { true } else { false } } }
}

extension [Work] {
    /// The first, which must be there: a test that goes on without it would only say that an index is out of range.
    var leading: Work { place(0) }
    var following: Work { place(1) }

    private func place(_ index: Int) -> Work {
        if index < count { return self[index] }
        Issue.record("\(count) micro-batches were dispatched, \(index + 1) were expected")
        return Work(
            key: CoordinatorDriver.unknownKey, route: [Hop(node: "?", partition: CoordinatorDriver.partition(0))], items: 0,
            deadlineMilliseconds: 1, tensors: [])
    }
}
