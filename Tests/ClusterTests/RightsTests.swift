import AMP4ECClient
import Base
import Testing
import Transport
import Wire

/// What real processes let peers do, for each kind of key and each kind of message: as `PeerRights` says, which docs/security.md shows
/// (`TransportTests/PeerRightsTests` compares those two).
@Suite("Rights of each key")
struct RightsTests {
    /// A peer by what it proves; `nil`: nothing, it talks plain text.
    struct Peer: Sendable, CustomTestStringConvertible {
        let identity: PeerIdentity.Kind?
        var testDescription: String { identity?.rawValue ?? "no key" }

        /// What its hello says it is: what it may be at this server, else what it would like to be.
        func hello(at server: PeerRights.Server) -> Message {
            let role = identity.flatMap { PeerRights.roles(of: $0, at: server).first { $0 != .coordinator } } ?? .client
            return .hello(
                Hello(
                    role: role, channel: role == .worker && server == .coordinator ? .control : .data, name: "matrix",
                    software: "test", incarnation: IncarnationID(bits: .random(in: 1 ... .max))))
        }

        func connect(to address: String) throws -> RogueConnection {
            guard let identity else { return try RogueConnection(to: address, proving: nil) }
            let keys = try TestKeys.shared.get()
            let context =
                switch identity {
                case .health: try TLSContext(KeyRing([keys.key(.cluster)], for: .healthCheck))
                case .client: try keys.dialing(as: .client)
                case .operator: try keys.dialing(as: .operator)
                case .cluster: try keys.dialing(as: .cluster)
                }
            return try RogueConnection(to: address, proving: context)
        }
    }

    static let peers = [nil, .health, .client, .operator, .cluster].map(Peer.init(identity:))

    /// How a server takes a message.
    enum Outcome: Sendable, Equatable {
        /// Turned away before it could say anything.
        case shutOut
        case denied
        /// Whatever else comes of it.
        case taken
    }

    private static let partition = PartitionKey(
        modelDigest: String(repeating: "a", count: 64), firstLayer: 0, endLayer: 1, toolchain: "none", optimization: .o0)
    private static let work = WorkKey(session: SessionID(bits: 1), client: 1, request: 1, microBatch: 0, attempt: 0)

    /// One whole message of each kind.
    static func message(_ kind: Message.Kind, hello: Message) -> Message {
        switch kind {
        case .hello: hello
        case .welcome:
            .welcome(Welcome(role: .worker, name: "x", software: "test", incarnation: IncarnationID(bits: 1), term: 1))
        case .refused: .refused(Refused(code: .unavailable, message: "x"))
        case .heartbeat: .heartbeat(Heartbeat(sequence: 1))
        case .ping: .ping(Ping(sequence: 1, sentAtNanoseconds: 1))
        case .pong: .pong(Ping(sequence: 1, sentAtNanoseconds: 1))
        case .peerTable: .peerTable(PeerTable(version: 1, peers: []))
        case .loadPartition: .loadPartition(LoadPartition(key: partition, residentBytes: 1, warmups: []))
        case .partitionReport: .partitionReport(PartitionReport(key: partition, state: .failed, code: .internalError, message: "x"))
        case .releasePartition: .releasePartition(ReleasePartition(key: partition))
        case .cancelWork: .cancelWork(CancelWork(keys: [work]))
        case .workDropped: .workDropped(WorkDropped(key: work, node: "w1"))
        case .workRejected: .workRejected(WorkRejected(key: work, node: "w1", code: .resourceExhausted, message: "x"))
        case .workFailed: .workFailed(WorkFailed(key: work, node: "w1", code: .internalError, message: "x"))
        case .peerLost: .peerLost(PeerLost(from: "w1", to: "w2", message: "x", keys: []))
        case .register: .register(Register(name: "matrix", addresses: ["127.0.0.1:9"]))
        case .registered: .registered(Registered(name: "matrix"))
        case .leaving: .leaving(Leaving(message: "x"))
        case .released: .released(Released())
        case .partitionData:
            .partitionData(PartitionData(key: partition, contentDigest: String(repeating: "b", count: 64)))
        case .work:
            .work(
                Work(
                    key: work, route: [Hop(node: "w1", partition: partition)], items: 1, deadlineMilliseconds: 1_000, tensors: []))
        case .workResult: .workResult(WorkResult(key: work, tensors: [], trace: []))
        case .linkProbe: .linkProbe(LinkProbe())
        case .inferRequest: .inferRequest(InferRequest(id: 1, deadlineMilliseconds: 1_000, names: [], tensors: []))
        case .inferReply: .inferReply(InferReply(id: 1, names: [], tensors: [], timing: RequestTiming()))
        case .inferError: .inferError(InferError(id: 1, code: .unavailable, message: "x"))
        case .cancelRequest: .cancelRequest(CancelRequest(id: 1))
        case .statusRequest: .statusRequest(StatusRequest(id: 1))
        case .statusReply: .statusReply(StatusReply(id: 1))
        case .modelRequest: .modelRequest(ModelRequest(id: 1))
        case .modelReply: .modelReply(ModelReply(id: 1))
        // Of a node that is not there: nothing changes.
        case .drainRequest: .drainRequest(DrainRequest(id: 1, node: "nobody", undo: false, force: false))
        case .drainReply: .drainReply(DrainReply(id: 1, message: "x"))
        }
    }

    /// Sent behind the message in question, and allowed to nobody: what it is answered with shows that the first was let through.
    private static let marker = Message.Kind.drainReply

    private func outcome(of kind: Message.Kind, by peer: Peer, at server: PeerRights.Server, _ address: String) async throws
        -> Outcome
    {
        let connection = try peer.connect(to: address)
        defer { connection.close() }
        let hello = peer.hello(at: server)
        try connection.send(hello)
        // Its answer first: what ends the connection at once would take the welcome with it.
        try await eventually("an answer to the hello of \(peer.testDescription)", within: .seconds(10)) {
            connection.isClosed || !connection.arrivals.isEmpty
        }
        if kind != .hello { try connection.send(Self.message(kind, hello: hello)) }
        if kind != Self.marker { try connection.send(Self.message(Self.marker, hello: hello)) }
        try await connection.closed("\(kind) by \(peer.testDescription)")
        var isWelcome = false
        for arrival in connection.arrivals {
            switch arrival.message {
            case .welcome: isWelcome = true
            case .inferError(let error) where error.code == .permissionDenied: return .denied
            case .refused(let refused) where refused.code == .permissionDenied:
                return refused.message.contains("send \(Self.marker) ") && kind != Self.marker ? .taken : .denied
            case .refused(let refused) where refused.code == .unauthenticated: return .shutOut
            default: break
            }
        }
        // The connection ended for what the message says, not for who says it.
        return isWelcome ? .taken : .shutOut
    }

    private func check(_ peer: Peer, at server: PeerRights.Server, _ address: String) async throws {
        for kind in Message.Kind.allCases {
            let expected: Outcome =
                if let identity = peer.identity, !PeerRights.roles(of: identity, at: server).isEmpty {
                    PeerRights.messages(of: identity, at: server).contains(kind) ? .taken : .denied
                } else {
                    .shutOut
                }
            let found = try await outcome(of: kind, by: peer, at: server, address)
            #expect(found == expected, "\(kind) by \(peer.testDescription) at a \(server)")
        }
    }

    @Test("the table holds at real processes, cell by cell")
    func table() async throws {
        try await withCluster("cnn", workers: 1, coordinatorOptions: ["--optimize", "O0"]) { cluster in
            for peer in Self.peers {
                try await check(peer, at: .coordinator, cluster.address)
                try await check(peer, at: .worker, cluster.workerAddresses[0])
            }
            // None of it has disturbed anybody.
            try await cluster.cleanStatus()
            let client = try cluster.client()
            defer { client.close() }
            _ = try await client.model()
        }
    }
}
