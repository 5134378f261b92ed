import Base
import Testing
import Transport

/// Which key a process proves with what it was given, and which it takes.
@Suite struct KeyRingTests {
    private func root(_ seed: UInt8 = 1) throws -> ClusterKey { try ClusterKey(rootOf: (0..<32).map { $0 &* 7 &+ seed }) }

    private func key(of answer: KeyAnswer) -> PreSharedKey? { if case .key(let key) = answer { key } else { nil } }
    private func refusal(in answer: KeyAnswer) -> String? { if case .refused(let why) = answer { why } else { nil } }

    /// What each kind of process proves with each kind of key; `nil`: it refuses to start.
    @Test(
        arguments: [
            (.coordinator, .root, "cluster"), (.coordinator, .cluster, nil), (.coordinator, .operator, nil),
            (.coordinator, .client, nil),
            (.worker, .root, "cluster"), (.worker, .cluster, "cluster"), (.worker, .operator, nil), (.worker, .client, nil),
            (.client, .root, "operator"), (.client, .cluster, nil), (.client, .operator, "operator:ann"),
            (.client, .client, "client:ann"),
            (.healthCheck, .root, "health:cluster"), (.healthCheck, .cluster, "health:cluster"),
            (.healthCheck, .operator, "health:operator:ann"), (.healthCheck, .client, "health:client:ann"),
        ] as [(KeyRing.Owner, ClusterKey.Kind, String?)])
    func proves(_ owner: KeyRing.Owner, _ kind: ClusterKey.Kind, _ expected: String?) throws {
        let isLabelled = kind == .operator || kind == .client
        let given = try kind == .root ? root() : root().derived(kind, label: isLabelled ? "ann" : nil)
        guard let expected else {
            let error = #expect(throws: ValueError.self) { try KeyRing([given], for: owner) }
            #expect(error?.message.contains("a key of the kind \(kind.rawValue) is of no use here") == true)
            #expect(error?.message.contains("amp4ec") == true)
            return
        }
        let ring = try KeyRing([given], for: owner)
        #expect(ring.own.map { "\($0.identity)" } == [expected])
    }

    @Test func theCoordinatorKnowsAllKeysOfItsRootAndNoOthers() throws {
        let ring = try KeyRing([root()], for: .coordinator)
        for root in [try root(), try self.root(9)] {
            let isOurs = root == (try self.root())
            let keys =
                try [
                    root.derived(.cluster), root.derived(.operator), root.derived(.operator, label: "ann"), root.derived(.client),
                    root.derived(.client, label: "a.b-c_d"),
                ].flatMap { [$0.preSharedKey, $0.healthPreSharedKey].compactMap(\.self) } + [root.healthPreSharedKey]
            #expect(keys.count == 11)
            for key in keys {
                #expect(self.key(of: ring.answer(to: key.name)) == (isOurs ? key : nil), "\(key)")
            }
        }
    }

    @Test func aWorkerKnowsItsClusterAndItsHealthChecks() throws {
        let cluster = try root().derived(.cluster)
        for given in [cluster, try root()] {
            let ring = try KeyRing([given], for: .worker)
            let proof = try #require(cluster.preSharedKey)
            #expect(key(of: ring.answer(to: proof.name)) == proof)
            #expect(key(of: ring.answer(to: cluster.healthPreSharedKey.name)) == cluster.healthPreSharedKey)
            for kind in [ClusterKey.Kind.client, .operator] {
                let other = try #require(try root().derived(kind, label: "ann").preSharedKey)
                #expect(refusal(in: ring.answer(to: other.name))?.contains("opens nothing at a worker") == true)
            }
        }
    }

    @Test func ofTwoKeysTheFirstIsUsedAndBothAreTaken() throws {
        let (old, new) = (try root(1), try root(2))
        let ring = try KeyRing([new, old], for: .coordinator)
        #expect(ring.own == [try new.derived(.cluster).preSharedKey, try old.derived(.cluster).preSharedKey].compactMap(\.self))
        for root in [old, new] {
            let client = try #require(try root.derived(.client, label: "cam").preSharedKey)
            #expect(key(of: ring.answer(to: client.name)) == client)
        }
    }

    @Test func aRevokedLabelOpensNothing() throws {
        let ring = try KeyRing([root()], for: .coordinator, revoked: ["cam"])
        for kind in [ClusterKey.Kind.client, .operator] {
            let revoked = try root().derived(kind, label: "cam")
            for key in [revoked.preSharedKey, revoked.healthPreSharedKey].compactMap(\.self) {
                #expect(refusal(in: ring.answer(to: key.name))?.contains("is revoked here (--revoke cam)") == true)
            }
            for label in ["cam2", nil] {
                let other = try #require(try root().derived(kind, label: label).preSharedKey)
                #expect(key(of: ring.answer(to: other.name)) == other)
            }
        }
    }

    @Test func whatLogsCallAKeyRevokesThatKindAlone() throws {
        let ring = try KeyRing([root()], for: .coordinator, revoked: ["client:cam"])
        let client = try root().derived(.client, label: "cam")
        for key in [client.preSharedKey, client.healthPreSharedKey].compactMap(\.self) {
            #expect(refusal(in: ring.answer(to: key.name))?.contains("--revoke client:cam") == true)
        }
        let person = try #require(try root().derived(.operator, label: "cam").preSharedKey)
        #expect(key(of: ring.answer(to: person.name)) == person)
    }

    @Test(
        arguments: [
            ("cam", true), ("client:cam", true), ("operator:a.b-c", true), ("", false), ("a b", false), ("client:", false),
            ("cluster:cam", false), ("client:cam#0123456789ab", false), (" cam", false), ("lap,bad", false),
            (String(repeating: "a", count: 65), false),
        ]) func revokedEntries(_ entry: String, _ isGood: Bool)
    {
        #expect((KeyRing.problem(withRevoked: entry) == nil) == isGood)
    }

    @Test func aHealthCheckWithAnApplicationsKeyIsToldWhichOneAWorkerTakes() throws {
        let ring = try KeyRing([root().derived(.cluster)], for: .worker)
        let key = try root().derived(.client, label: "cam").healthPreSharedKey
        #expect(refusal(in: ring.answer(to: key.name))?.contains("at a worker it needs the cluster key") == true)
    }

    /// A name comes from a peer that has proved nothing.
    @Test(
        arguments: [
            "", "#", "cluster", "cluster#", "cluster#0", "root#000000000000", "client:#1", "client:ann#000000000000", "health#1",
            "health:#1", "health:health:cluster#1", "health:cluster:x#1", "health:client:ann:b#1", "client:ann:b#1",
            "operator:a b#1",
            ":#", "health:root#1", "cluster:ann#1", "client:" + String(repeating: "a", count: 65) + "#1",
        ])
    func aNameThatLeadsNowhere(_ name: String) throws {
        for owner in [KeyRing.Owner.coordinator, .worker] {
            let ring = try KeyRing([root()], for: owner)
            #expect(key(of: ring.answer(to: name)) == nil)
        }
    }

    @Test func noKeyIsNoRing() throws {
        #expect(throws: ValueError.self) { try KeyRing([ClusterKey](), for: .worker) }
    }
}
