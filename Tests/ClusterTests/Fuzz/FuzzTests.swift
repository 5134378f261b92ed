import Foundation
import Simulator
import Testing

/// A stateful fuzzer of the protocol, on the programs themselves: right sessions with something wrong in them, put together by a seed, beside honest
/// requests: inside TLS, with right keys, and at one door before the handshake is done. Nobody ends; honest replies, and the fuzzer's own, are right row by row; afterwards nothing is held and the memory is back.
///
/// A run is short here; `scripts/fuzz` makes it long. Each seed is printed; one that failed goes to ``Fuzzer/kept`` and is run each time.
@Suite("Fuzzer")
struct FuzzTests {
    @Test("each door in turn: the seeds that failed once, then new ones", arguments: Fuzzer.Door.chosen)
    func run(door: Fuzzer.Door) async throws {
        let fuzzer = Fuzzer(door: door)
        try await Security.$current.withValue(Fuzzer.security) {
            try await withCluster(
                Fuzzer.model, workers: 2,
                coordinatorOptions: ["--optimize", "O0", "--http", "127.0.0.1:0"] + door.coordinatorOptions,
                awaitsReady: false
            ) { cluster in
                let scene = Scene(cluster: cluster, traffic: try await HonestTraffic.start(Fuzzer.model, at: cluster))
                try await scene.traffic.goesOn(within: TestCluster.startLimit)
                try await fuzzer.run(scene)
                await scene.traffic.stop()
            }
        }
    }
}

struct Fuzzer: Sendable {
    /// Who is spoken to, and as whom.
    enum Door: String, CaseIterable, Sendable, CustomTestStringConvertible {
        case coordinatorAsClient = "coordinator-client"
        case coordinatorAsWorker = "coordinator-worker"
        case coordinatorOnRoute = "coordinator-route"
        case worker
        case handshake
        case http

        var testDescription: String { rawValue }

        /// Who is chosen is the only hop of a route then, so that what it gives counts; and plans for micro-batches as large as these always choose
        /// the one that computes most quickly, whatever the way to it takes.
        var coordinatorOptions: [String] {
            self == .coordinatorOnRoute ? ["--micro-batch", "64", "--shape", "auto"] : ["--micro-batch", "4"]
        }

        /// Those that `AMP4EC_FUZZ_DOORS` names (`worker,http`); all unless it is set.
        static let chosen: [Door] = {
            guard let text = ProcessInfo.processInfo.environment["AMP4EC_FUZZ_DOORS"] else { return Door.allCases }
            return text.split(separator: ",").map { name in
                guard let door = Door(rawValue: String(name)) else { fatalError("AMP4EC_FUZZ_DOORS: there is no door '\(name)'") }
                return door
            }
        }()
    }

    static let model = "cnn"
    /// Seeds that failed, by door. They stay when what they found is mended.
    static let kept: [Door: [UInt64]] = [:]

    /// Turns under one seed: some seconds.
    private static let turns = 400
    private static let defaultSeconds = 8
    /// What a process may keep when all is over.
    private static let memoryAllowance = 64 << 20

    private static let environment = ProcessInfo.processInfo.environment
    private static let seconds = environment["AMP4EC_FUZZ_SECONDS"].flatMap { Int($0) } ?? defaultSeconds
    /// `AMP4EC_FUZZ_PLAIN=1`: the same without keys.
    static let security: Security = environment["AMP4EC_FUZZ_PLAIN"] == "1" ? .plain : .encrypted
    /// One seed alone, to look at what it does.
    private static let onlySeed = environment["AMP4EC_FUZZ_SEED"].flatMap { UInt64($0) }

    let door: Door

    func run(_ scene: Scene) async throws {
        // What a process takes once, by its first peers, is not counted.
        try await episode(scene, seed: 0)
        let before = try await scene.figures()
        let start = ContinuousClock().now
        var seeds = Self.onlySeed.map { [$0] } ?? Self.kept[door] ?? []
        var base = UInt64.random(in: 1 ... .max >> 1)
        var count = 0
        while true {
            if seeds.isEmpty {
                guard Self.onlySeed == nil, ContinuousClock().now - start < .seconds(Self.seconds) else { break }
                base += 1
                seeds.append(base)
            }
            let seed = seeds.removeFirst()
            do {
                try await episode(scene, seed: seed)
                try await settled(scene, before)
            } catch {
                throw RogueConnection.Failure(
                    description: "AMP4EC_FUZZ_DOORS=\(door.rawValue) AMP4EC_FUZZ_SEED=\(seed): \(error)")
            }
            count += 1
        }
        try await scene.memoryIsBack(
            since: before, allowing: Self.memoryAllowance, within: .seconds(10), after: "the fuzzer")
        print(
            "fuzzer: \(door.rawValue): \(count) seeds of \(Self.turns) turns, the last one \(base), \(scene.traffic.now.right) honest replies"
        )
    }

    private func episode(_ scene: Scene, seed: UInt64) async throws {
        var random = SeededRandom(seed: seed)
        switch door {
        case .coordinatorAsClient:
            var clients = FuzzClients(scene)
            for _ in 0..<Self.turns { try await clients.turn(&random) }
            try await clients.end()
        case .coordinatorAsWorker:
            var workers = FuzzWorkers(scene)
            for _ in 0..<Self.turns { try await workers.turn(&random) }
            workers.end()
        case .coordinatorOnRoute: try await FuzzRoute.episode(scene, &random)
        case .worker:
            var strangers = FuzzStrangers(scene)
            for _ in 0..<Self.turns { try await strangers.turn(&random) }
            strangers.end()
        case .handshake:
            var handshakes = try FuzzHandshakes(scene)
            for _ in 0..<Self.turns { try handshakes.turn(&random) }
            handshakes.end()
        case .http:
            var http = FuzzHTTP(try await TestCluster.httpAddress(of: scene.cluster.coordinator))
            for _ in 0..<Self.turns { try await http.turn(&random) }
            http.end()
        }
    }

    /// After each seed: everybody runs, honest requests go on and are right, nothing is held.
    private func settled(_ scene: Scene, _ before: Scene.Figures) async throws {
        try scene.areRunning()
        try await scene.traffic.goesOn(4)
        let counts = scene.traffic.now
        guard counts.wrong == before.wrong, counts.errors.count == before.errors || door == .coordinatorOnRoute else {
            throw RogueConnection.Failure(
                description: "\(counts.wrong) wrong replies to honest requests, errors: \(counts.errors.suffix(3))")
        }
        guard scene.losses.count == before.losses.count else {
            throw RogueConnection.Failure(description: "honest workers lost: \(scene.losses.suffix(3))")
        }
        try await scene.rests("the state from before")
    }
}
