import Foundation
import Testing

/// What `scripts/ledger` wants.
enum LedgerOrder {
    /// For how long each abuse is held.
    static let hold = ProcessInfo.processInfo.environment["AMP4EC_LEDGER_SECONDS"].flatMap { Int($0) }.map { Duration.seconds($0) }
    static let reportPath = ProcessInfo.processInfo.environment["AMP4EC_LEDGER_REPORT"]
}

/// What processes of 512 MiB and 1,024 descriptors take, and how long others wait, under each kind of bounded abuse.
///
/// `scripts/ledger` starts it; otherwise it is skipped: it needs control groups.
@Suite("Ledger", .enabled(if: LedgerOrder.hold != nil, "scripts/ledger starts it"), .serialized)
struct LedgerTests {
    /// A ping or a health check waits no longer: probes wait two seconds, heartbeats come each quarter of one.
    static let patience: Duration = .seconds(1)
    /// Of 1,024 descriptors: what is left for files, dialling and whoever comes next.
    static let descriptorLimit = 992
    /// Of 512 MiB: the rest is the kernel's, for sockets and files.
    static let residentLimit = 448 << 20

    @Test("abuse by peers") func abuse() async throws {
        let hold = try #require(LedgerOrder.hold)
        ProcessFigures.raiseDescriptorLimit()
        let model = "cnn"
        try await withCluster(
            model, workers: 2, coordinatorOptions: ["--optimize", "O0", "--micro-batch", "4"] + HTTPTests.options,
            awaitsReady: false, limits: .small
        ) { cluster in
            let scene = Scene(cluster: cluster, traffic: try await HonestTraffic.start(model, at: cluster))
            let http = try await TestCluster.httpAddress(of: cluster.coordinator)
            try await scene.traffic.goesOn(within: TestCluster.startLimit)
            let pulse = try Pulse(scene, http: http)
            defer { pulse.stop() }
            var rows: [String] = []
            for abuse in LedgerAbuse.all {
                rows.append(try await measure(abuse, .init(scene: scene, http: http), pulse, hold))
            }
            let counts = scene.traffic.now
            #expect(counts.wrong == 0 && counts.errors.isEmpty, "\(counts)")
            #expect(scene.losses.isEmpty, "\(scene.losses.prefix(3))")
            for process in scene.processes {
                #expect(try process.memoryGroup?.killedCount == 0, "\(process.name) ran out of memory")
            }
            await scene.traffic.stop()
            try report(
                "peers",
                [
                    "abuse", "resident, coordinator", "worker", "descriptors, coordinator", "worker", "slowest ping, coordinator",
                    "worker",
                    "slowest /healthz", "honest replies",
                ], rows)
        }
    }

    /// Holds an abuse for a while, judges what was seen, and makes a row of it.
    private func measure(_ abuse: LedgerAbuse, _ ground: LedgerAbuse.Ground, _ pulse: Pulse, _ time: Duration) async throws
        -> String
    {
        let scene = ground.scene
        for process in scene.processes { try ProcessFigures.resetPeak(process) }
        _ = pulse.takeFigures()
        let before = scene.traffic.now.right
        let hold = try await abuse.begin(ground)
        let end = ContinuousClock.now + time
        repeat {
            try await hold.again?()
            try await scene.traffic.goesOn(2)
        } while ContinuousClock.now < end
        let figures = pulse.takeFigures()
        let replies = scene.traffic.now.right - before
        var peaks: [String: Int] = [:]
        for process in scene.processes {
            peaks[process.name] = try ProcessFigures.peakResidentBytes(process)
            #expect(process.isRunning, "\(abuse.name): \(process.report)")
            #expect(peaks[process.name] ?? .max <= Self.residentLimit, "\(abuse.name): \(process.name) in bytes")
            #expect(
                figures.descriptors[process.name] ?? .max <= Self.descriptorLimit, "\(abuse.name): descriptors of \(process.name)")
            #expect(figures.slowestPing[process.name] ?? .seconds(60) < Self.patience, "\(abuse.name): a ping to \(process.name)")
            #expect(figures.pings[process.name] ?? 0 > 0, "\(abuse.name): no ping to \(process.name) was answered")
        }
        #expect(
            figures.checks > 0 && figures.slowestCheck < Self.patience, "\(abuse.name): a health check took \(figures.slowestCheck)"
        )
        #expect(figures.failedChecks.isEmpty, "\(abuse.name): \(figures.failedChecks.prefix(2))")
        hold.end()
        // What it held is back before the next.
        try await scene.cluster.cleanStatus()
        let coordinator = scene.cluster.coordinator.name
        let workers = scene.cluster.workers.map(\.name)
        func most<Value: Comparable>(_ values: [String: Value], _ none: Value) -> Value {
            workers.compactMap { values[$0] }.max() ?? none
        }
        let cells = [
            abuse.name, mebibytes(peaks[coordinator] ?? 0), mebibytes(most(peaks, 0)), "\(figures.descriptors[coordinator] ?? 0)",
            "\(most(figures.descriptors, 0))", milliseconds(figures.slowestPing[coordinator] ?? .zero),
            milliseconds(most(figures.slowestPing, .zero)), milliseconds(figures.slowestCheck), "\(replies)",
        ]
        print("ledger: \(cells.joined(separator: " | "))")
        return "| " + cells.joined(separator: " | ") + " |"
    }

    @Test("huge and odd files at the command line") func files() async throws {
        _ = try #require(LedgerOrder.hold)
        let folder = try TemporaryFolder()
        try OddFiles.make(in: folder)
        let model = "cnn"
        try await withCluster(model, workers: 1, coordinatorOptions: ["--optimize", "O0"], limits: .small) { cluster in
            var rows: [String] = []
            for file in OddFiles.all { rows.append(try await measure(file, cluster, folder)) }
            try report("files", ["file", "command", "status", "resident", "time"], rows)
        }
    }

    private func measure(_ file: OddFiles.Case, _ cluster: TestCluster, _ folder: TemporaryFolder) async throws -> String {
        let group = try #require(try ProcessLimits.small.group())
        let start = ContinuousClock.now
        let process = try ProcessUnderTest(
            file.product, file.arguments(folder, cluster), name: "odd-\(UUID().uuidString)",
            descriptorLimit: ProcessLimits.small.descriptors,
            memoryGroup: group, in: folder)
        var peak = 0
        try await eventually("\(file.name): the process ends", within: OddFiles.patience, about: { process.report }) {
            peak = max(peak, (try? ProcessFigures.peakResidentBytes(process)) ?? 0)
            return process.collect() != nil
        }
        let took = ContinuousClock.now - start
        let ending = process.collect()
        #expect(file.statuses.contains { ending == .exited($0) }, "\(file.name): \(process.report)")
        #expect(try group.killedCount == 0, "\(file.name): it ran out of memory")
        #expect(peak <= Self.residentLimit, "\(file.name): \(peak >> 20) MiB resident")
        #expect(cluster.coordinator.isRunning && cluster.workers.allSatisfy(\.isRunning), "\(file.name)")
        let status =
            switch ending {
            case .exited(let code): "\(code)"
            case .signalled(let signal): "signal \(signal)"
            case nil: "?"
            }
        let cells = [file.name, "`\(file.command)`", status, mebibytes(peak), milliseconds(took)]
        print("ledger: \(cells.joined(separator: " | "))")
        return "| " + cells.joined(separator: " | ") + " |"
    }

    private func report(_ part: String, _ head: [String], _ rows: [String]) throws {
        guard let path = LedgerOrder.reportPath else { return }
        let lines = ["| \(head.joined(separator: " | ")) |", "|" + String(repeating: " --- |", count: head.count)] + rows
        try Data((lines.joined(separator: "\n") + "\n").utf8).write(to: URL(fileURLWithPath: "\(path).\(part)"))
    }

    private func mebibytes(_ bytes: Int) -> String { "\(bytes >> 20) MiB" }
    private func milliseconds(_ duration: Duration) -> String { "\(Int(duration / .milliseconds(1))) ms" }
}
