import AMP4ECClient
import Cluster
import Planning
import Tensors
import Testing
import Wire

/// Workers that say of themselves what cannot be: in the welcome, in heartbeats, in refusals, in registrations.
enum RogueWorkerAttacks {
    static let words: [Attack] =
        Attack.ways("a welcome", welcomes) { scene, tests in
            var band = Band()
            for (number, test) in tests.enumerated() {
                var script = RogueWorker.Script(name: "rogue-w\(number)")
                let registered = String(decoding: script.name, as: UTF8.self)
                // A plan may want it for what it says of itself.
                script.work = { rogue, _, _ in rogue.stop() }
                test.what(&script)
                try await band.add(script, scene, registered: registered)
            }
            for (rogue, test) in zip(band.rogues, tests) {
                try await eventually("the coordinator has dialled: \(test.name)") { !rogue.hellos.isEmpty }
            }
            try await band.isEndured(by: scene)
        }
        + Attack.ways("heartbeats", heartbeats) { scene, tests in
            var band = Band()
            for number in tests.indices {
                var script = RogueWorker.Script(name: "rogue-h\(number)")
                script.profile = .idle
                script.heartbeat = { _ in nil }
                try await band.add(script, scene)
            }
            for (rogue, test) in zip(band.rogues, tests) {
                try await rogue.taken()
                for beat in test.what { rogue.control?.send(.heartbeat, beat) }
            }
            try await band.isEndured(by: scene)
        }
        + Attack.ways("in place of a welcome", greetings) { scene, tests in
            var band = Band()
            for (number, test) in tests.enumerated() {
                var script = RogueWorker.Script(name: "rogue-g\(number)")
                script.greeting = test.what
                try await band.add(script, scene)
            }
            for (rogue, test) in zip(band.rogues, tests) {
                try await eventually("the coordinator has dialled twice: \(test.name)") { rogue.hellos.count >= 2 }
            }
            try await band.isEndured(by: scene)
        }

    /// Rogues that are there at the same time.
    private struct Band {
        private(set) var rogues: [RogueWorker] = []

        mutating func add(_ script: RogueWorker.Script, _ scene: Scene, registered: String? = nil) async throws {
            let rogue = try RogueWorker(script)
            try await rogue.register(at: scene.address, as: registered)
            rogues.append(rogue)
        }

        /// Honest requests and questions are answered while they are there; then they leave.
        func isEndured(by scene: Scene) async throws {
            try await scene.traffic.goesOn(8)
            try await asked(scene)
            for rogue in rogues { rogue.stop() }
        }
    }

    /// What an operator does about it still works: the status as a person and as a program reads it.
    static func asked(_ scene: Scene) async throws {
        let text = try await scene.cluster.command("status")
        #expect(text.ending == .exited(0) && text.output.contains("w1"), "\(text)")
        let json = try await scene.cluster.command("status", "--json")
        #expect(json.ending == .exited(0) && json.output.contains("\"w1\""), "\(json)")
    }

    private typealias Change = @Sendable (inout RogueWorker.Script) -> Void

    private static let welcomes: [Case<Change>] = [
        Case("an empty name") { $0.name = [] },
        Case("a name of 255 bytes") { $0.name = [UInt8](repeating: 0x78, count: 255) },
        Case("a name that is no UTF-8") { $0.name = [0xff, 0xfe, 0x80] },
        Case("a name of line ends and control characters") { $0.name = Array("a\nnode is lost node=w1\u{1b}[2J".utf8) },
        Case("an honest worker's name") { $0.name = Array("w1".utf8) },
        Case("a name with commas, colons and quotes") { $0.name = Array("w1,w2:\"'{}\\".utf8) },
        Case("the highest term") { $0.term = .max },
        Case("no cores and no speed") {
            $0.profile.cores = 0; $0.profile.speed = 0
        },
        Case("1e200 cores") { $0.profile.cores = 1e200 },
        Case("the highest double of cores and speed") {
            $0.profile.cores = .greatestFiniteMagnitude; $0.profile.speed = .greatestFiniteMagnitude
        },
        Case("infinite cores") { $0.profile.cores = .infinity },
        Case("cores that are no number") {
            $0.profile.cores = .nan; $0.profile.speed = .nan
        },
        Case("fewer than no cores") {
            $0.profile.cores = -1; $0.profile.speed = -1e300
        },
        Case("the smallest speed") {
            $0.profile.speed = .leastNonzeroMagnitude; $0.profile.cores = .leastNonzeroMagnitude
        },
        Case("all memory there can be") {
            $0.profile.memoryLimit = .max; $0.profile.memoryAvailable = .max
        },
        Case("2^63 bytes of memory") {
            $0.profile.memoryLimit = 1 << 63; $0.profile.memoryAvailable = (1 << 63) - 1
        },
        Case("the most executors and slots") {
            $0.profile.executors = UInt64(UInt32.max)
            $0.profile.slots = UInt64(UInt32.max)
            $0.profile.slotBytes = .max
        },
        Case("no executors and no slots") {
            $0.profile.executors = 0; $0.profile.slots = 0; $0.profile.slotBytes = 0
        },
        Case("4,096 partitions") { script in
            script.profile.inventory = (0..<4_096).map { number in
                let key = PartitionKey(
                    modelDigest: String(repeating: "a", count: 64), firstLayer: number, endLayer: number + 1, toolchain: "t",
                    optimization: .o0)
                return ProtoBytes().message(1, .key(key)).varint(2, .max).varint(3, 1)
            }
        },
        Case("one partition 4,096 times") { script in
            let key = PartitionKey(
                modelDigest: String(repeating: "a", count: 64), firstLayer: 0, endLayer: (1 << 20), toolchain: "t",
                optimization: .o0)
            script.profile.inventory = [ProtoBytes](
                repeating: ProtoBytes().message(1, .key(key)).varint(2, .max).varint(3, 1), count: 4_096)
        },
    ]

    private static func statistics(_ runs: UInt64, items: UInt64, nanoseconds: UInt64, cpu: UInt64, layer: Int = 0) -> ProtoBytes {
        let key = PartitionKey(
            modelDigest: String(repeating: "b", count: 64), firstLayer: layer, endLayer: layer + 1, toolchain: "t",
            optimization: .o0)
        return ProtoBytes().message(1, .key(key)).varint(2, .max).varint(3, .max).varint(4, 1).varint(5, runs).varint(6, items)
            .varint(7, nanoseconds).varint(8, cpu)
    }

    private static func link(_ peer: String, bandwidth: Double, share: Double = 0.5, roundTrip: Double = 1) -> ProtoBytes {
        ProtoBytes().text(1, peer).varint(2, 1).varint(3, .max).varint(4, .max).varint(5, .max).double(6, bandwidth).double(
            7, share
        )
        .double(8, roundTrip)
    }

    private static func beat(_ sequence: UInt64, runs: UInt64, items: UInt64, nanoseconds: UInt64) -> ProtoBytes {
        ProtoBytes().varint(1, sequence).messages(
            14, (0...1).map { statistics(runs, items: items, nanoseconds: nanoseconds, cpu: nanoseconds, layer: $0) })
    }

    /// Cores in use and of the quota, the throttled share, the process's cores.
    private static func beat(_ sequence: UInt64, doubles: Double) -> ProtoBytes {
        (2...5).reduce(ProtoBytes().varint(1, sequence)) { $0.double($1, doubles) }
    }

    /// Memory, network, what is queued, executing and completed.
    private static func beat(_ sequence: UInt64, counters: UInt64) -> ProtoBytes {
        [6, 7, 8, 9, 10, 13].reduce(ProtoBytes().varint(1, sequence)) { $0.varint($1, counters) }
    }

    private static func beat(links: [ProtoBytes]) -> ProtoBytes { ProtoBytes().varint(1, 1).messages(15, links) }

    private static let peers = ["w1", "w2", "coordinator"]

    private static let heartbeats: [Case<[ProtoBytes]>] = [
        Case(
            "two partitions that never ran",
            [beat(1, runs: 0, items: 0, nanoseconds: 0), beat(2, runs: 0, items: 0, nanoseconds: 0)]),
        Case(
            "runs that become fewer",
            [
                beat(1, runs: .max, items: .max, nanoseconds: .max), beat(2, runs: 1, items: 0, nanoseconds: 0),
                beat(3, runs: 1 << 63, items: 1, nanoseconds: .max),
            ]),
        Case(
            "partitions of the most runs",
            [beat(1, runs: .max, items: .max, nanoseconds: .max), beat(2, runs: .max, items: .max, nanoseconds: .max)]),
        Case("the highest doubles", [beat(.max, doubles: .greatestFiniteMagnitude), beat(0, doubles: 0)]),
        Case("the highest counters", [beat(.max, counters: .max), beat(0, counters: .max)]),
        Case("counters that jump and fall", [beat(5, counters: .max), beat(6, counters: 0), beat(4, counters: 1 << 63)]),
        Case("the longest queue", [ProtoBytes().varint(1, 1).varint(11, UInt64(UInt32.max)).varint(12, UInt64(UInt32.max))]),
        Case("no numbers where numbers stand", [beat(1, doubles: .nan)]),
        Case("infinite figures", [beat(1, doubles: .infinity)]),
        Case("negative figures", [beat(1, doubles: -1e300)]),
        Case("a bandwidth of 1e30", [beat(links: peers.map { link($0, bandwidth: 1e30) })]),
        Case(
            "the highest bandwidth, share and round trip",
            [
                beat(
                    links: peers.map {
                        link(
                            $0, bandwidth: .greatestFiniteMagnitude, share: .greatestFiniteMagnitude,
                            roundTrip: .greatestFiniteMagnitude)
                    })
            ]),
        Case("links that are no numbers", [beat(links: peers.map { link($0, bandwidth: .nan, share: .nan, roundTrip: .nan) })]),
        Case("4,096 links", [beat(links: (0..<4_096).map { link("peer-\($0)", bandwidth: 1) })]),
        Case(
            "links without a name and with a long one",
            [beat(links: ["", String(repeating: "x", count: 255)].map { link($0, bandwidth: 1) })]),
    ]

    private typealias Greeting = @Sendable (Hello, RogueConnection) -> Void

    private static let greetings: [Case<Greeting>] = [
        Case("a refusal with the highest term") { $1.send(.refused, ProtoBytes().varint(1, 8).text(2, "x").varint(3, .max)) },
        Case("a refusal with the highest term by a holder") {
            $1.send(.refused, ProtoBytes().varint(1, 8).text(2, "x").varint(3, .max).varint(4, 1))
        },
        Case("a refusal with the highest term but one") {
            $1.send(.refused, ProtoBytes().varint(1, 8).text(2, "x").varint(3, .max - 1))
        },
        Case("a refusal with 4 kB of line ends") {
            $1.send(.refused, ProtoBytes().varint(1, 7).bytes(2, [UInt8](repeating: 0x0a, count: 4_096)))
        },
        Case("a refusal of no code") { $1.send(.refused, ProtoBytes().varint(1, 99)) },
        Case("the end") { $1.close() },
        Case("heartbeats") { for _ in 0..<3 { $1.send(.heartbeat, ProtoBytes().varint(1, 1)) } },
        Case("noise") { $1.send([UInt8](repeating: 0x5a, count: 10_000)) },
        Case("a client's welcome") { $1.send(.welcome, ProtoBytes().varint(1, 3).text(2, "rogue")) },
        Case("a welcome without a profile") {
            $1.send(.welcome, ProtoBytes().varint(1, 2).text(2, "rogue-g").fixed64(4, 1).fixed64(5, 1))
        },
    ]
}
