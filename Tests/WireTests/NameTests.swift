import Base
import Testing
import Wire

/// What may stand in a name is one rule, for whoever sends and whoever receives: what one peer says we can say to every other.
@Suite struct NameTests {
    enum Rule: Sendable { case label, node, nodeOrCoordinator, address, digest, text }

    struct Named: Sendable {
        let rule: Rule
        let kind: Message.Kind
        let message: @Sendable (String) -> Message
        init(_ rule: Rule, _ kind: Message.Kind, _ message: @escaping @Sendable (String) -> Message) {
            self.rule = rule
            self.kind = kind
            self.message = message
        }
    }

    private static let digest = String(repeating: "ab", count: 32)
    private static let id = IncarnationID(bits: 1)
    private static let key = WorkKey(session: SessionID(bits: 1), client: 1, request: 1, microBatch: 1, attempt: 1)
    private static func partition(_ digest: String = digest, toolchain: String = "t") -> PartitionKey {
        PartitionKey(modelDigest: digest, firstLayer: 2, endLayer: 5, toolchain: toolchain, optimization: .o1)
    }
    private static func worker(toolchain: String = "t", group: String = "g") -> WorkerProfile {
        WorkerProfile(
            cores: 1, speed: 1, memoryLimitBytes: 1, memoryAvailableBytes: 1, executors: 1, slots: 1, slotBytes: 1,
            toolchain: toolchain, inventory: [], processorGroup: group)
    }
    private static func hello(_ name: String = "n", software: String = "s", assigned: String? = nil) -> Message {
        .hello(
            Hello(
                role: .coordinator, channel: .control, name: name, software: software, incarnation: id,
                assignedName: assigned.map { NodeID($0) }))
    }
    private static func welcome(
        _ name: String = "w", software: String = "s", worker: WorkerProfile? = worker(), role: Role = .worker
    ) -> Message {
        .welcome(Welcome(role: role, name: name, software: software, incarnation: id, term: 1, worker: worker))
    }
    private static func peers(_ name: String = "w", _ address: String = "a:1") -> Message {
        .peerTable(PeerTable(version: 1, peers: [.init(name: NodeID(name), incarnation: id, addresses: [address])]))
    }
    private static let timing = RequestTiming()

    /// Every field of text that the schema has, by `Type.field`; each with a message that has it.
    static let fields: [String: Named] = [
        "PartitionKey.model_digest": .init(.digest, .releasePartition) { .releasePartition(.init(key: partition($0))) },
        "PartitionKey.toolchain": .init(.label, .releasePartition) { .releasePartition(.init(key: partition(toolchain: $0))) },
        "PartitionData.content_digest": .init(.digest, .partitionData) {
            .partitionData(PartitionData(key: partition(), contentDigest: $0))
        },
        "Hop.node": .init(.node, .work) {
            .work(
                Work(
                    key: key, route: [Hop(node: NodeID($0), partition: partition())], items: 1, deadlineMilliseconds: 1, tensors: []
                ))
        },
        "HopTrace.node": .init(.node, .workResult) {
            .workResult(WorkResult(key: key, tensors: [], trace: [HopTrace(node: NodeID($0))]))
        },
        "Hello.name": .init(.label, .hello) { hello($0) },
        "Hello.software": .init(.label, .hello) { hello(software: $0) },
        // None is assigned where it is empty.
        "Hello.assigned_name": .init(.node, .hello) { hello(assigned: $0) },
        "WorkerProfile.toolchain": .init(.label, .welcome) { welcome(worker: worker(toolchain: $0)) },
        "WorkerProfile.processor_group": .init(.label, .welcome) { welcome(worker: worker(group: $0)) },
        "Welcome.name": .init(.node, .welcome) { welcome($0) },
        "Welcome.software": .init(.label, .welcome) { welcome(software: $0) },
        "Refused.message": .init(.text, .refused) { .refused(Refused(code: .unavailable, message: $0)) },
        "LinkStatistics.peer": .init(.nodeOrCoordinator, .heartbeat) {
            .heartbeat(
                Heartbeat(links: [
                    LinkStatistics(
                        peer: NodeID($0), isConnected: true, messages: 1, rawBytes: 1, wireBytes: 1, bandwidthBytesPerSecond: 1,
                        compressedShare: 1)
                ]))
        },
        "Peer.name": .init(.node, .peerTable) { peers($0) },
        "Peer.addresses": .init(.address, .peerTable) { peers("w", $0) },
        "PartitionReport.message": .init(.text, .partitionReport) {
            .partitionReport(PartitionReport(key: partition(), state: .failed, message: $0))
        },
        "WorkDropped.node": .init(.node, .workDropped) { .workDropped(WorkDropped(key: key, node: NodeID($0))) },
        "WorkRejected.node": .init(.node, .workRejected) {
            .workRejected(WorkRejected(key: key, node: NodeID($0), code: .unavailable, message: ""))
        },
        "WorkRejected.message": .init(.text, .workRejected) {
            .workRejected(WorkRejected(key: key, node: "w", code: .unavailable, message: $0))
        },
        "WorkFailed.node": .init(.node, .workFailed) {
            .workFailed(WorkFailed(key: key, node: NodeID($0), code: .unavailable, message: ""))
        },
        "WorkFailed.message": .init(.text, .workFailed) {
            .workFailed(WorkFailed(key: key, node: "w", code: .unavailable, message: $0))
        },
        "PeerLost.from": .init(.node, .peerLost) { .peerLost(PeerLost(from: NodeID($0), to: "w", message: "", keys: [])) },
        "PeerLost.to": .init(.node, .peerLost) { .peerLost(PeerLost(from: "w", to: NodeID($0), message: "", keys: [])) },
        "PeerLost.message": .init(.text, .peerLost) { .peerLost(PeerLost(from: "v", to: "w", message: $0, keys: [])) },
        "Register.name": .init(.node, .register) { .register(Register(name: NodeID($0), addresses: ["a:1"])) },
        "Register.addresses": .init(.address, .register) { .register(Register(name: "w", addresses: [$0])) },
        "Registered.name": .init(.node, .registered) { .registered(Registered(name: NodeID($0))) },
        "Leaving.message": .init(.text, .leaving) { .leaving(Leaving(message: $0)) },
        "InferRequest.names": .init(.label, .inferRequest) {
            .inferRequest(InferRequest(id: 1, deadlineMilliseconds: 1, names: [$0], tensors: []))
        },
        "InferReply.names": .init(.label, .inferReply) {
            .inferReply(InferReply(id: 1, names: [$0], tensors: [], timing: timing))
        },
        "InferError.message": .init(.text, .inferError) { .inferError(InferError(id: 1, code: .unavailable, message: $0)) },
        "HistoryRange.node": .init(.label, .statusRequest) {
            .statusRequest(StatusRequest(id: 1, history: HistoryRange(node: $0)))
        },
        "DrainRequest.node": .init(.label, .drainRequest) {
            .drainRequest(DrainRequest(id: 1, node: NodeID($0), undo: false, force: false))
        },
        "DrainReply.message": .init(.text, .drainReply) { .drainReply(DrainReply(id: 1, message: $0)) },
    ]

    @Test func everyFieldOfTextHasItsRule() {
        let schema = ProtoSchema.shared
        let reachable = Set(Message.Kind.allCases.flatMap { schema.reachable(from: schema.messageOfKind[$0.rawValue] ?? "") })
        let known = reachable.flatMap { message in
            (schema.messages[message] ?? []).filter { $0.type == "string" }.map { "\(message).\($0.name)" }
        }
        #expect(Set(known) == Set(Self.fields.keys))
    }

    struct Word: Sendable {
        let text: String
        var rules: Set<Rule>
        init(_ text: String, _ rules: Set<Rule>) { (self.text, self.rules) = (text, rules) }
    }
    private static let names: Set<Rule> = [.label, .node, .nodeOrCoordinator]

    static let words: [Word] = [
        Word("", [.label]), Word("w1", names), Word("wörker 🙂 日本", names), Word("svc@10.0.0.1:9000", names.union([.address])),
        Word(String(repeating: "n", count: 255), names), Word(String(repeating: "n", count: 256), []),
        Word("coordinator", [.label, .nodeOrCoordinator]), Word("Coordinator", names), Word(" w", [.label]), Word("w ", [.label]),
        Word("a b", names), Word(" ", [.label]), Word("w\n2026-01-01 error: forged", []), Word("w\r", []), Word("\u{1B}[2J", []),
        Word("a\tb", []), Word("a\u{7F}", []), Word("a\u{85}b", []), Word("a\u{2028}b", []), Word("a\u{202E}b", []),
        Word("a\u{2066}b", []), Word("a:1", names.union([.address])), Word("a:65535", names.union([.address])),
        Word("a:65536", names), Word("a:", names), Word("a", names), Word(":9000", names.union([.address])), Word("a:x", names),
        Word("[::1]:80", names.union([.address])), Word("[fe80::1%eth0]:1", names.union([.address])), Word("::1:80", names),
        Word("[]:80", names), Word("[w1]:80", names), Word("h\u{A0}h:1", names), Word("[::1]", names), Word("a b:1", names),
        Word("a/b:1", names), Word("a\n:1", []),
        Word(String(repeating: "h", count: 253) + ":65535", [.address]), Word(String(repeating: "h", count: 254) + ":1", []),
        Word(String(repeating: "ab", count: 32), names.union([.digest])), Word(String(repeating: "AB", count: 32), names),
    ]

    @Test(arguments: fields.keys.sorted())
    func bothDirectionsKnowTheSameRule(field: String) throws {
        let named = try #require(Self.fields[field])
        for word in Self.words {
            let metadata = ProtoSchema.shared.metadata(named.kind, with: field, .text(word.text))
            let isDecoded = refusal(named.kind, metadata) == nil
            let encoded = try? MessageCodec.encode(named.message(word.text))
            if named.rule == .text {
                #expect(isDecoded && encoded != nil, "\(word.text.debugDescription)")
                continue
            }
            let isLegal = word.rules.contains(named.rule)
            #expect((encoded != nil) == isLegal, "encoder: \(word.text.debugDescription)")
            // On the wire an empty assigned name is none.
            #expect(
                isDecoded == (isLegal || (field == "Hello.assigned_name" && word.text.isEmpty)), "\(word.text.debugDescription)")
            guard let encoded, isLegal else { continue }
            #expect(try decode(named.kind, encoded.metadata) == named.message(word.text))
        }
    }

    /// Who is no worker may say nothing of itself.
    @Test func onlyAWorkersWelcomeNamesANode() throws {
        for name in ["", "coordinator", "two words"] {
            let message = Self.welcome(name, worker: nil, role: .coordinator)
            #expect(try decode(.welcome, try MessageCodec.encode(message).metadata) == message)
        }
        #expect(throws: WireError.self) { try MessageCodec.encode(Self.welcome("", worker: nil)) }
        #expect(throws: WireError.self) { try MessageCodec.encode(Self.welcome("", role: .coordinator)) }
    }

    @Test func aRegistrationHasAnAddress() throws {
        #expect(throws: WireError.self) { try MessageCodec.encode(.register(Register(name: "w", addresses: []))) }
        #expect(refusal(.register, ProtoWriter().text(1, "w").bytes) == .invalidValue)
    }

    /// A peer's text reaches terminals: nothing in it is obeyed there, in whichever direction it goes.
    @Test func aTextForPeopleKeepsItsLinesAndLosesWhatATerminalObeys() throws {
        let (said, shown) = ("one\n\ttwo\u{1B}[2J\u{9B}three\u{202E}\0end", "one\n\ttwo [2J three  end")
        let encoded = try MessageCodec.encode(.leaving(Leaving(message: said)))
        #expect(try decode(.leaving, encoded.metadata) == .leaving(Leaving(message: shown)))
        let raw = ProtoWriter().text(1, said.replacing("\0", with: "")).bytes
        #expect(try decode(.leaving, raw) == .leaving(Leaving(message: shown.replacing("  end", with: " end"))))
    }

    @Test func aNameThatNobodyChoseBecomesLegal() {
        for (name, legal) in [
            ("box:9000", "box:9000"), ("my box\n:1", "my-box-:1"), ("", "w"), ("coordinator", "w"),
            (String(repeating: "ä", count: 200), String(repeating: "ä", count: 127)),
        ] {
            #expect(NodeName.legal(from: name, otherwise: "w") == legal)
            #expect(NodeName.problem(with: legal) == nil)
        }
    }
}
