import Foundation
import Testing

/// What `scripts/soak` wants.
enum SoakOrder {
    static let names = ProcessInfo.processInfo.environment["AMP4EC_SOAK_NAMES"].flatMap { Int($0) }
    static let reportPath = ProcessInfo.processInfo.environment["AMP4EC_SOAK_REPORT"]
}

/// Names, registrations and connections by the thousand come and go under honest load, and nothing is kept of them.
///
/// `scripts/soak` starts it and says how many; otherwise it is skipped.
@Suite("Soak", .enabled(if: SoakOrder.names != nil, "scripts/soak says how many names"))
struct SoakTests {
    /// Names that go before the baseline is taken, so that what is remembered by design is full then: 64 registrations of one host that has gone,
    /// and 64 links to peers that have.
    private static let firstNames = 72 * Churn.answeredEvery
    /// What goes with its connection goes at once; what waits for a timer of seconds, a little later.
    private static let settling: Duration = .seconds(30)

    @Test("every table, every periodic message, descriptors and memory are back at their baseline")
    func churn() async throws {
        let names = try #require(SoakOrder.names)
        let model = "cnn"
        try await withCluster(
            model, workers: 2, coordinatorOptions: ["--optimize", "O0", "--micro-batch", "4"] + HTTPTests.options,
            awaitsReady: false
        ) { cluster in
            let scene = Scene(cluster: cluster, traffic: try await HonestTraffic.start(model, at: cluster))
            let http = try await TestCluster.httpAddress(of: cluster.coordinator)
            try await scene.traffic.goesOn(within: TestCluster.startLimit)
            let spy = try await RogueWorker.idle("spy", at: scene.address)
            let churn = Churn(scene: scene, http: http)

            try await churn.run(0..<Self.firstNames)
            let baseline = try await rest(scene, http, spy)
            #expect(baseline.aboveBounds.isEmpty, "\(baseline.aboveBounds)")
            scene.traffic.resume()
            let start = ContinuousClock.now
            try await churn.run(Self.firstNames..<Self.firstNames + names)
            let took = ContinuousClock.now - start
            var last = try await rest(scene, http, spy)
            try await eventually(
                "everything is as before", within: Self.settling, about: { last.growth(since: baseline).joined(separator: "\n") }
            ) {
                last = try await SoakFigures(scene, http: http, spy: spy)
                return last.growth(since: baseline).isEmpty
            }

            let counts = scene.traffic.now
            #expect(counts.wrong == 0 && counts.errors.isEmpty && counts.right > 0, "\(counts)")
            #expect(scene.losses.isEmpty, "\(scene.losses.prefix(3))")
            let heading =
                "\(names) names in \(took.components.seconds) s, \(Churn.answered(of: names)) of them workers that answered; "
                + "beside them \(counts.right) honest requests, each right."
            print("soak: \(heading)")
            if let path = SoakOrder.reportPath {
                try Data((last.report(since: baseline, heading: heading) + "\n").utf8).write(to: URL(fileURLWithPath: path))
            }
            scene.traffic.resume()
            try await scene.traffic.goesOn()
            spy.stop()
            await scene.traffic.stop()
        }
    }

    /// Waits until everybody who has come has gone, and no request is under way; none is sent until the traffic is resumed.
    private func rest(_ scene: Scene, _ http: String, _ spy: RogueWorker) async throws -> SoakFigures {
        try await scene.traffic.pause()
        let workers = scene.cluster.workers
        // Two of each worker and of the spy, the spy's registration, the honest client; this look itself.
        let wanted = [
            "coordinator: node_connections": 2 * workers.count + 2, "coordinator: connections": 2 * workers.count + 4,
            "coordinator: silent_connections": 0, "coordinator: http_connections": 1, "coordinator: requests": 0,
            "coordinator: flights": 0, "coordinator: questions": 0,
        ]
        var last: SoakFigures?
        func unsettled() -> [String] {
            wanted.sorted { $0.key < $1.key }.compactMap { name, count in
                last?.counts[name] == count ? nil : "\(name): \(last?.counts[name].map(String.init) ?? "?"), not \(count)"
            }
                + workers.compactMap { worker in
                    // The coordinator's two, and one to and from each other; the spy is only dialled.
                    let (count, right) = (last?.counts["\(worker.name): connections"], 2 + 2 * (workers.count - 1) + 1)
                    return count == right ? nil : "\(worker.name): \(count ?? -1) connections, not \(right)"
                }
        }
        try await eventually("everybody has gone", within: Self.settling, about: { unsettled().joined(separator: "\n") }) {
            last = try await SoakFigures(scene, http: http, spy: spy)
            return unsettled().isEmpty
        }
        return try #require(last)
    }
}
