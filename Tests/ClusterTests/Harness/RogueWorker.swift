import Base
import Foundation
import Glibc
import Synchronization
import Transport
import Wire

/// What a rogue worker says of itself, each number as it goes on the wire.
struct RogueProfile: Sendable {
    var cores = 1.0
    var speed = 1.0
    var memoryLimit: UInt64 = 8 << 30
    var memoryAvailable: UInt64 = 8 << 30
    var executors: UInt64 = 1
    var slots: UInt64 = 4
    var slotBytes: UInt64 = 256 << 20
    var toolchain = "rogue"
    var inventory: [ProtoBytes] = []
    var processorGroup = ""

    /// A worker that no plan wants: whatever it says is said off every route.
    static let idle: RogueProfile = {
        var profile = RogueProfile()
        profile.cores = 0.01
        profile.memoryAvailable = 1
        profile.memoryLimit = 1
        return profile
    }()

    var bytes: ProtoBytes {
        ProtoBytes().double(1, cores).double(2, speed).varint(3, memoryLimit).varint(4, memoryAvailable).varint(5, executors)
            .varint(6, slots).varint(7, slotBytes).text(8, toolchain).messages(9, inventory).text(10, processorGroup)
    }
}

/// A worker that answers a coordinator's dials as it should, as far as a test's script does not say otherwise: it says welcome, sends
/// heartbeats, calls each partition loaded that it is told to load, and hands the micro-batches that reach it to the script.
///
/// ## Concurrency model
/// `Sendable`: what changes is behind a mutex; the script's closures run on the connections' threads.
final class RogueWorker: Sendable {
    struct Script: Sendable {
        var name: [UInt8] = Array("rogue".utf8)
        var incarnation: UInt128 = .random(in: 1 ... .max)
        var term: UInt64 = 0
        var profile = RogueProfile()
        /// In place of the welcome.
        var greeting: (@Sendable (Hello, RogueConnection) -> Void)?
        /// A heartbeat's metadata by its sequence number; `nil` for silence.
        var heartbeat: @Sendable (UInt64) -> ProtoBytes? = { ProtoBytes().varint(1, $0).double(2, 0.1).double(3, 1) }
        /// Whether it answers an order to load with "ready".
        var loads = true
        var work: @Sendable (RogueWorker, Work, [UInt8]) -> Void = { _, _, _ in }
        /// Where it says that a micro-batch is; `nil`, as a worker from before the question answers.
        var place: @Sendable (WorkQuestion) -> WorkPlace? = { _ in nil }

        /// - Parameter name: gets a number behind it, so that an earlier rogue of a name, of which not everything has ended yet, is another.
        init(name: String = "rogue") { self.name = Array("\(name)-\(UInt16.random(in: 0 ... .max))".utf8) }
    }

    private struct State {
        var connections: [RogueConnection] = []
        var registrations: [RogueConnection] = []
        var hellos: [Hello] = []
        var control: RogueConnection?
        var data: RogueConnection?
        var works: [Work] = []
        var loaded: [PartitionKey] = []
        var peers: PeerTable?
        /// Dialled to other workers, by their names.
        var dialled: [String: RogueConnection] = [:]
        var isStopped = false
    }

    /// Between two heartbeats, as the product's worker does.
    private static let heartbeatPauseMicroseconds: UInt32 = 250_000

    let port: UInt16
    var address: String { "127.0.0.1:\(port)" }
    var name: String { String(decoding: script.name, as: UTF8.self) }
    var incarnation: UInt128 { script.incarnation }
    private let script: Script
    private let listener: TakenPort
    private let security = Security.current
    private let state = Mutex(State())

    init(_ script: Script = Script()) throws {
        listener = try TakenPort(backlog: 64)
        port = listener.port
        self.script = script
        let context = try security.accepting(as: .worker)
        Thread.detachNewThread { [weak self, listener] in
            while let descriptor = listener.accept() {
                guard let self, !self.state.withLock({ $0.isStopped }) else {
                    Glibc.close(descriptor)
                    return
                }
                guard
                    let connection = try? RogueConnection(
                        accepted: descriptor, context, onArrival: { [weak self] in self?.received($1, on: $0) })
                else { continue }
                state.withLock { $0.connections.append(connection) }
            }
        }
        Thread.detachNewThread { [weak self] in
            var sequence: UInt64 = 0
            while let self, !self.state.withLock({ $0.isStopped }) {
                sequence += 1
                if let control, let beat = script.heartbeat(sequence) { control.send(.heartbeat, beat) }
                usleep(Self.heartbeatPauseMicroseconds)
            }
        }
    }

    deinit { stop() }

    /// Ends every connection and takes no more.
    func stop() {
        let connections = state.withLock { state in
            state.isStopped = true
            return state.connections + state.dialled.values + state.registrations
        }
        listener.stop()
        for connection in connections { connection.close() }
    }

    // MARK: What it has learnt

    var control: RogueConnection? { state.withLock { $0.control } }
    /// The coordinator's, on which results go.
    var data: RogueConnection? { state.withLock { $0.data } }
    var works: [Work] { state.withLock { $0.works } }
    var loaded: [PartitionKey] { state.withLock { $0.loaded } }
    var peers: PeerTable? { state.withLock { $0.peers } }
    var claim: CoordinatorClaim? { state.withLock { $0.hellos.compactMap(\.claim).last } }
    var hellos: [Hello] { state.withLock { $0.hellos } }

    /// Waits until the coordinator has opened both connections.
    func taken(within limit: Duration = .seconds(20)) async throws {
        try await eventually("the coordinator takes the rogue worker", within: limit) { self.control != nil && self.data != nil }
    }

    /// Waits until as many micro-batches have reached it as there are ways to answer, or no plan takes it any more.
    func answered(_ ways: Int) async throws {
        try await eventually("each way was tried, or no plan takes the rogue any more", within: .seconds(15)) {
            self.works.count >= ways || (!self.works.isEmpty && self.control?.isClosed != false)
        }
    }

    /// Waits for a micro-batch to reach it.
    func firstWork(within limit: Duration = .seconds(20)) async throws -> Work {
        try await eventually("work reaches the rogue worker", within: limit) { !self.works.isEmpty }
        return works[0]
    }

    func dialled(_ node: String) -> RogueConnection? { state.withLock { $0.dialled[node] } }
    func remember(_ connection: RogueConnection, to node: String) { state.withLock { $0.dialled[node] = connection } }

    private func received(_ arrival: RogueConnection.Arrival, on connection: RogueConnection) {
        switch arrival.message {
        case .hello(let hello): greet(hello, connection)
        case .ping(let ping):
            var pong = ping
            (pong.questions, pong.places) = ([], ping.questions.compactMap(script.place))
            try? connection.send(.pong(pong))
        case .peerTable(let table): state.withLock { $0.peers = table }
        case .loadPartition(let order):
            guard script.loads else { return }
            state.withLock { $0.loaded.append(order.key) }
            let report = PartitionReport(
                key: order.key, state: .ready, archiveBytes: 1, weightBytes: 1, loadMilliseconds: 1, runMilliseconds: 0.01)
            try? connection.send(.partitionReport(report))
        case .work(let work):
            state.withLock { $0.works.append(work) }
            script.work(self, work, arrival.payload)
        case .cancelWork(let order):
            for key in order.keys { try? connection.send(.workDropped(WorkDropped(key: key, node: NodeID(name)))) }
        default: break
        }
    }

    private func greet(_ hello: Hello, _ connection: RogueConnection) {
        state.withLock { $0.hellos.append(hello) }
        if let greeting = script.greeting { return greeting(hello, connection) }
        connection.send(.welcome, welcome(to: hello))
        guard hello.role == .coordinator else { return }
        state.withLock { state in
            if hello.channel == .control { state.control = connection } else { state.data = connection }
        }
    }

    func welcome(to hello: Hello) -> ProtoBytes {
        let welcome = ProtoBytes().varint(1, 2).bytes(2, script.name).text(3, "test").fixed64(
            4, ProtoBytes.high(script.incarnation)
        )
        .fixed64(5, UInt64(truncatingIfNeeded: script.incarnation)).varint(6, script.term)
        let carriesProfile = hello.role == .coordinator && hello.channel == .control
        return carriesProfile ? welcome.message(7, script.profile.bytes) : welcome
    }

    /// A result on the connection that results go on.
    func give(_ key: WorkKey, _ tensors: [ProtoBytes], payload: [UInt8], traces: [ProtoBytes] = []) {
        data?.send(.workResult, ProtoBytes().message(1, .key(key)).messages(2, tensors).messages(3, traces), payload: payload)
    }
}

// MARK: Registering

extension RogueWorker {
    /// Dials a coordinator and says where this worker is reached, as `--coordinator` does. The connection stays open.
    @discardableResult func register(at coordinator: String, as name: String? = nil) async throws -> RogueConnection {
        let connection = try await Self.registrant(at: coordinator, incarnation: incarnation)
        let registered = name ?? self.name
        try connection.send(.register(Register(name: NodeID(registered), addresses: [address])))
        _ = try await connection.first("the coordinator's word that it knows \(registered)") { arrival -> Bool? in
            if case .registered = arrival.message { true } else { nil }
        }
        state.withLock { $0.registrations.append(connection) }
        return connection
    }

    /// One that the coordinator has taken and that no plan wants: whatever it says is said off every route.
    static func idle(_ name: String, at coordinator: String) async throws -> RogueWorker {
        var script = Script(name: name)
        script.profile = .idle
        let rogue = try RogueWorker(script)
        try await rogue.register(at: coordinator)
        try await rogue.taken()
        return rogue
    }

    /// A connection that may register: it has said hello as a worker.
    static func registrant(at coordinator: String, incarnation: UInt128 = .random(in: 1 ... .max)) async throws -> RogueConnection {
        let connection = try RogueConnection(to: coordinator, as: .cluster)
        try connection.send(
            .hello(
                Hello(
                    role: .worker, channel: .control, name: "rogue", software: "test",
                    incarnation: IncarnationID(bits: incarnation))))
        _ = try await connection.first("the coordinator's welcome") { if case .welcome = $0.message { true } else { nil } }
        return connection
    }
}

// MARK: Other workers

extension RogueWorker {
    /// Sends a micro-batch on to the next worker of its route, with tensors of our choice.
    /// - Returns: whether there is a next one, of which the peer table tells.
    @discardableResult func forward(_ work: Work, _ tensors: [ProtoBytes], payload: [UInt8], items: UInt64? = nil) -> Bool {
        guard work.route.count > 1, let next = connection(to: work.route[1].node.name) else { return false }
        let route = work.route.dropFirst().map { ProtoBytes().text(1, $0.node.name).message(2, .key($0.partition)) }
        let metadata = ProtoBytes().message(1, .key(work.key)).messages(2, route).varint(3, items ?? UInt64(work.items))
            .varint(4, UInt64(work.deadlineMilliseconds)).messages(5, tensors)
        next.send(.work, metadata, payload: payload)
        return true
    }

    private func connection(to node: String) -> RogueConnection? {
        peers?.peers.first { $0.name.name == node }?.addresses.first.flatMap { stranger(at: $0) }
    }

    /// A data connection to a worker by its address, opened once and again where that worker has closed it.
    func stranger(at address: String) -> RogueConnection? {
        if let open = dialled(address), !open.isClosed { return open }
        guard let opened = try? RogueConnection(to: address, as: .cluster, security: security) else { return nil }
        try? opened.send(
            .hello(
                Hello(
                    role: .worker, channel: .data, name: name, software: "test", incarnation: IncarnationID(bits: incarnation))))
        remember(opened, to: address)
        return opened
    }
}
