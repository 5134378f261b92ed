import AMP4ECClient
import Base
import Cluster
import Foundation
import Planning
import Testing

/// What one rogue does to a cluster that serves, and what must still hold after it: the processes run, honest replies are right, no honest
/// worker was lost, nothing is held, and the memory is back.
struct Attack: Sendable, CustomTestStringConvertible {
    let name: String
    /// Whether honest requests may fail while it goes on, though never with a wrong reply: what a worker on their route passes on to an honest
    /// one is that one's input, and it can only say that it is no good.
    let mayFailRequests: Bool
    let run: @Sendable (Scene) async throws -> Void

    var testDescription: String { name }

    init(_ name: String, mayFailRequests: Bool = false, _ run: @escaping @Sendable (Scene) async throws -> Void) {
        self.name = name
        self.mayFailRequests = mayFailRequests
        self.run = run
    }

    /// What a process may keep, or take for a while, by what one rogue does: 96 MiB, and 16 for the TLS ends of the attack with the most
    /// connections (300 workers, 900 of them at 18 KiB; measured with it 252 MiB at the most, in plain text 235).
    static let memoryAllowance = (96 + 16) << 20
    /// What a rogue's words leave behind ends with its connections, at most this long after them.
    static let settling: Duration = .seconds(15)

    /// Set to try each way of an attack by itself, with a look at everything after each: it takes minutes, and says which it was.
    static let eachByItself = ProcessInfo.processInfo.environment["AMP4EC_EACH_ATTACK"] != nil
    /// Set to try only the attacks whose names contain it.
    private static let only = ProcessInfo.processInfo.environment["AMP4EC_ONLY_ATTACK"]

    /// One attack in many ways, all at once by as many rogues.
    static func ways<What: Sendable>(
        _ name: String, _ cases: [Case<What>], _ run: @escaping @Sendable (Scene, [Case<What>]) async throws -> Void
    ) -> [Attack] {
        guard eachByItself else { return [Attack(name) { try await run($0, cases) }] }
        return cases.map { test in Attack("\(name): \(test.name)") { try await run($0, [test]) } }
    }

    /// Runs attacks one after the other on one cluster; a new one is started where an attack has ended a process, so that the others are
    /// still tried.
    static func runAll(
        _ attacks: [Attack], model: String, workers: Int = 2, microBatch: Int = 4, workerOptions: [String] = [],
        coordinatorOptions: [String] = []
    ) async throws {
        var rest = attacks.filter { attack in only.map { attack.name.contains($0) } ?? true }[...]
        while !rest.isEmpty {
            try await withCluster(
                model, workers: workers, workerOptions: workerOptions,
                coordinatorOptions: ["--optimize", "O0", "--micro-batch", "\(microBatch)"] + coordinatorOptions, awaitsReady: false
            ) { cluster in
                let scene = Scene(cluster: cluster, traffic: try await HonestTraffic.start(model, at: cluster))
                try await scene.traffic.goesOn(within: TestCluster.startLimit)
                while let attack = rest.popFirst() {
                    await attack.launch(on: scene)
                    guard scene.isWhole else { break }
                }
                await scene.traffic.stop()
            }
        }
    }

    private func launch(on scene: Scene) async {
        do {
            let before = try await scene.figures()
            for process in scene.processes { try ProcessFigures.resetPeak(process) }
            try await run(scene)
            try await scene.traffic.goesOn()
            try await scene.isAsBefore(before, after: self)
        } catch {
            let dead = scene.processes.filter { !$0.isRunning }
            let ends = dead.isEmpty ? "" : "\nended by it: " + dead.map(\.report).joined(separator: "\n")
            let report = Attack.eachByItself ? "\n" + scene.cluster.report : ""
            Issue.record("\(name): \(error)\(ends)\(report)")
        }
    }
}

/// A cluster that serves honest requests while it is attacked.
struct Scene: Sendable {
    let cluster: TestCluster
    let traffic: HonestTraffic

    struct Figures: Sendable {
        let losses: [String]
        let residentBytes: [String: Int]
        let wrong: Int
        let errors: Int
        let generation: UInt64?
    }

    var address: String { cluster.address }
    var processes: [ProcessUnderTest] { [cluster.coordinator] + cluster.workers }
    var isWhole: Bool { processes.allSatisfy(\.isRunning) }

    /// The coordinator's lines about the loss of a worker that is not the rogue's.
    var losses: [String] {
        let names = cluster.workers.map { "node=\($0.name)" }
        return cluster.coordinator.text(.stderr).split(separator: "\n").filter { line in
            line.contains("node is lost") && line.split(separator: " ").contains { names.contains(String($0)) }
        }.map(String.init)
    }

    func figures() async throws -> Figures {
        let status = try await cluster.status("serving") { $0.state == "serving" }
        let counts = traffic.now
        return Figures(
            losses: losses,
            residentBytes: try Dictionary(
                uniqueKeysWithValues: processes.map { ($0.name, try ProcessFigures.residentBytes($0)) }),
            wrong: counts.wrong, errors: counts.errors.count, generation: status.plan?.generation)
    }

    /// The answer is that to one of the honest inputs.
    func expectRight(_ outcome: RogueClient.Outcome, _ index: Int) throws {
        let tensors = try #require(outcome.tensors, "\(outcome)")
        #expect(traffic.isRight(tensors, index), "the reply is not that of its own input")
    }

    /// What the processes took at the most since the attack began.
    func expectPeak(within allowance: Int = Attack.memoryAllowance, above before: [String: Int], _ what: String) throws {
        for process in processes {
            let growth = try ProcessFigures.peakResidentBytes(process) - (before[process.name] ?? 0)
            #expect(growth <= allowance, "\(what): \(process.name) took \(growth >> 20) MiB for a while")
        }
    }

    /// Waits, without honest requests, until nothing is under way or held, and the honest workers are all there.
    func rests(_ what: String) async throws {
        let names = Set(cluster.workers.map(\.name))
        defer { traffic.resume() }
        try await traffic.pause()
        try await cluster.status(what, within: Attack.settling) { status in
            let honest = status.nodes.filter { names.contains($0.name.description) }
            return status.requestsInFlight == 0 && status.microBatchesInFlight == 0 && status.heldBytes == 0
                && status.state == "serving" && honest.count == names.count
                && honest.allSatisfy { $0.state == "ready" && $0.load == 0 && $0.queued == 0 && $0.executing == 0 }
        }
    }

    func isAsBefore(_ before: Figures, after attack: Attack) async throws {
        try areRunning()
        let counts = traffic.now
        #expect(counts.wrong == before.wrong, "\(attack.name): \(counts.wrong - before.wrong) wrong replies to honest requests")
        let errors = counts.errors.dropFirst(before.errors)
        #expect(errors.isEmpty || attack.mayFailRequests, "\(attack.name): honest requests failed: \(errors.prefix(3))")
        try await rests("the state from before \(attack.name)")
        let lost = losses.dropFirst(before.losses.count)
        #expect(lost.isEmpty, "\(attack.name): honest workers lost: \(lost.prefix(3))")
        try await memoryIsBack(since: before, allowing: Attack.memoryAllowance, after: attack.name)
    }

    func areRunning() throws {
        for process in processes where !process.isRunning {
            throw ProcessUnderTest.Failure(description: "\(process.name) has ended\n\(process.report)")
        }
    }

    /// Waits until no process keeps more than the allowance.
    func memoryIsBack(
        since before: Figures, allowing allowance: Int, within limit: Duration = .seconds(5), after what: String
    ) async throws {
        for process in processes {
            let start = before.residentBytes[process.name] ?? 0
            try await eventually(
                "\(process.name) gives the memory of \(what) back", within: limit,
                about: {
                    "\((((try? ProcessFigures.residentBytes(process)) ?? 0) - start) >> 20) MiB more than before"
                }
            ) { try ProcessFigures.residentBytes(process) - start <= allowance }
        }
    }
}

/// One way of an attack that is made in many: what it is called, and what it does.
struct Case<What: Sendable>: Sendable {
    let name: String
    let what: What

    init(_ name: String, _ what: What) {
        self.name = name
        self.what = what
    }
}
