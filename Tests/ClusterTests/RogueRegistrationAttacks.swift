import AMP4ECClient
import Base
import Cluster
import Foundation
import Planning
import Tensors
import Testing
import Transport
import Wire

/// Names and addresses that fill tables, and connections that are not what they say.
enum RogueRegistrationAttacks {
    static let attacks: [Attack] = [
        Attack("a thousand names registered on one connection") { scene in
            var script = RogueWorker.Script(name: "many")
            script.profile = .idle
            let rogue = try RogueWorker(script)
            let connection = try await RogueWorker.registrant(at: scene.address)
            for number in 0..<1_024 {
                try connection.send(.register(Register(name: NodeID("many-\(number)"), addresses: [rogue.address])))
            }
            try await scene.traffic.goesOn(20)
            try await anHonestWorkerRegisters(scene, "w-after-many")
            connection.close()
            rogue.stop()
            try await namesAreGone(scene, "many-")
        },
        Attack("300 long names, each on a connection of its own, that all answer") { scene in
            let rogues = try await registerMany(300, scene)
            try await scene.traffic.goesOn(20)
            try await anHonestWorkerRegisters(scene, "w-after-long")
            for rogue in rogues { rogue.stop() }
        },
        Attack("addresses that are none, the coordinator's own and an honest worker's") { scene in
            for (number, addresses) in [
                ["nowhere.invalid:1"], [scene.address], [scene.cluster.workerAddresses[0]], [""], ["\n"], ["127.0.0.1:99999"],
                ["127.0.0.1:0"], [String](repeating: scene.cluster.workerAddresses[0], count: 16), ["[::ffff:127.0.0.1]:1"],
            ].enumerated() {
                let connection = try await RogueWorker.registrant(at: scene.address)
                connection.send(.register, addresses.reduce(ProtoBytes().text(1, "odd-\(number)")) { $0.text(2, $1) })
                try await scene.traffic.goesOn(4)
                connection.close()
            }
        },
        Attack("names that are none, and names of others") { scene in
            for name in ["", "\n", String(repeating: "x", count: 255), "w1", "coordinator", "a b=c", "w1\u{0}"] {
                var script = RogueWorker.Script()
                script.profile = .idle
                let rogue = try RogueWorker(script)
                let connection = try await RogueWorker.registrant(at: scene.address)
                connection.send(.register, ProtoBytes().text(1, name).text(2, rogue.address))
                try await scene.traffic.goesOn(4)
                connection.close()
                rogue.stop()
            }
        },
        Attack("a worker that registers, leaves, is lost and registers again, over and over") { scene in
            for number in 0..<12 {
                let rogue = try RogueWorker(RogueWorker.Script(name: "flap-\(number % 2)"))
                try await rogue.register(at: scene.address)
                try await rogue.taken()
                try? rogue.control?.send(.leaving(Leaving(message: String(repeating: "x", count: 4_000))))
                rogue.stop()
            }
        },
        Attack("reports of partitions that nobody asked for, in every state") { scene in
            let rogue = try await RogueWorker.idle("reports", at: scene.address)
            for number in 0..<2_000 {
                let key = PartitionKey(
                    modelDigest: String(repeating: "c", count: 64), firstLayer: number, endLayer: number + 1, toolchain: "t",
                    optimization: .o0)
                let report = ProtoBytes().message(1, .key(key)).varint(2, UInt64(1 + number % 4)).varint(3, .max).varint(4, .max)
                    .double(5, .greatestFiniteMagnitude).varint(6, UInt64(number % 11)).double(8, .greatestFiniteMagnitude)
                rogue.control?.send(.partitionReport, report)
            }
            try await scene.traffic.goesOn(20)
            rogue.stop()
        },
        Attack("every kind of message with the highest figures, from a worker that was taken") { scene in
            var rogues: [RogueWorker] = []
            for number in Message.Kind.allCases.indices {
                var script = RogueWorker.Script(name: "kinds-\(number)")
                script.profile = .idle
                let rogue = try RogueWorker(script)
                try await rogue.register(at: scene.address)
                rogues.append(rogue)
            }
            for (rogue, kind) in zip(rogues, Message.Kind.allCases) {
                try await rogue.taken()
                for metadata in RogueValueAttacks.extremes {
                    rogue.control?.send(kind, metadata)
                    rogue.data?.send(kind, metadata)
                }
                rogue.stop()
            }
            try await RogueWorkerAttacks.asked(scene)
        },
        Attack("an idle worker that sends nothing more") { scene in
            var script = RogueWorker.Script(name: "silent")
            script.heartbeat = { _ in nil }
            script.loads = false
            let rogue = try RogueWorker(script)
            try await rogue.register(at: scene.address)
            try await rogue.taken()
            try await scene.traffic.goesOn(100)
            rogue.stop()
        },
        Attack("an honest worker is claimed by a coordinator with the learnt session") { scene in
            let rogue = try await RogueWorker.idle("spy", at: scene.address)
            let claim = try #require(rogue.claim)
            for (term, session) in [
                (claim.term, claim.session), (claim.term + 1, claim.session), (.max, claim.session), (.max, SessionID(bits: 1)),
            ] {
                for channel in [Channel.control, .data] {
                    let thief = RogueCoordinator(
                        scene.cluster.workerAddresses[0], term: term, session: session, compression: .always)
                    let (stolen, answer) = try await thief.open(channel)
                    #expect(answer.welcome == nil, "term \(term): the worker was taken from its coordinator")
                    stolen.close()
                }
            }
            try await scene.traffic.goesOn(20)
            rogue.stop()
        },
        Attack("a stranger's work for an honest worker, as another worker") { scene in
            let rogue = try await RogueWorker.idle("spy", at: scene.address)
            let session = try #require(rogue.claim).session
            let peer = try RogueConnection(to: scene.cluster.workerAddresses[0], as: .cluster)
            try peer.send(
                .hello(Hello(role: .worker, channel: .data, name: "spy", software: "test", incarnation: IncarnationID(bits: 5))))
            let key = PartitionKey(
                modelDigest: String(repeating: "d", count: 64), firstLayer: 0, endLayer: 1, toolchain: "t", optimization: .o0)
            for number: UInt64 in 0..<500 {
                let work = ProtoBytes().message(
                    1, .key(WorkKey(session: session, client: 1, request: number, microBatch: 0, attempt: 1))
                )
                .message(2, ProtoBytes().text(1, "w1").message(2, .key(key))).varint(3, UInt64(UInt32.max))
                .varint(4, UInt64(UInt32.max)).message(5, .tensor(dtype: 1, shape: [4], wireBytes: 16))
                peer.send(.work, work, payload: [UInt8](repeating: 0, count: 16))
            }
            try await scene.traffic.goesOn(20)
            peer.close()
            rogue.stop()
        },
    ]

    private static func registerMany(_ count: Int, _ scene: Scene) async throws -> [RogueWorker] {
        var rogues: [RogueWorker] = []
        for number in 0..<count {
            var script = RogueWorker.Script(name: "\(number)-" + String(repeating: "n", count: 240))
            script.profile = .idle
            let rogue = try RogueWorker(script)
            try await rogue.register(at: scene.address)
            rogues.append(rogue)
        }
        return rogues
    }

    static func anHonestWorkerRegisters(_ scene: Scene, _ name: String) async throws {
        let worker = try TestCluster.startWorker(name, ["--coordinator", scene.address], in: scene.cluster.folder)
        try await scene.cluster.status("\(name) takes part") { status in
            status.nodes.contains { $0.name.description == name && $0.state == "ready" }
        }
        #expect(await worker.terminate() == .exited(0), "\(worker.report)")
    }

    /// But for one of the process that answered: like every worker that was lost, it may come back.
    private static func namesAreGone(_ scene: Scene, _ prefix: String) async throws {
        try await scene.cluster.status("the names are gone with their connection", within: .seconds(15)) { status in
            status.nodes.count { $0.name.description.hasPrefix(prefix) } <= 1
        }
    }
}
