import Base
import Cluster
import Planning
import Testing
import Wire

/// Plans that become worse than another, with the real planner over nodes whose heartbeats say how fast they are.
struct CoordinatorDriftTests {
    typealias D = CoordinatorDriver

    /// Three nodes with quotas, a model of twelve layers, and the planner as the coordinator's shell asks it.
    struct Cluster {
        static let layers = 12
        static let microBatch = 4
        static let names = ["w0", "w1", "w2"]

        var driver: CoordinatorDriver
        var profile: ModelProfile
        var measured: [LayerRange: Double] = [:]
        /// What each node's cores are, and what one reference millisecond takes there.
        var quota: [NodeID: Double] = ["w0": 1, "w1": 0.6, "w2": 0.4]
        var slowness: [NodeID: Double] = ["w0": 1, "w1": 1, "w2": 1]
        /// The share of a run's wall time in which a neighbour has the core.
        var disturbance: [NodeID: Double] = [:]
        var noise = 0.0
        private var dice: SplitMix
        private var counts: [NodeID: [PartitionKey: PartitionStatistics]] = [:]

        /// What the planner was asked last.
        private(set) var lastOrder: CoordinatorMachine.PlanOrder?

        init(seed: UInt64 = 1, processorGroups: [String: String] = [:]) {
            dice = SplitMix(seed)
            profile = ModelProfile(
                layers: (0..<Self.layers).map { Layer(name: "l\($0)", operatorName: "op", milliseconds: 4 + Double($0 % 3)) },
                cuts: (1..<Self.layers).map { Cut(before: $0, bytes: ByteCount(1_000)) }, inputBytes: ByteCount(1_000),
                outputBytes: ByteCount(1_000), batch: Self.microBatch)
            driver = CoordinatorDriver(Self.names)
            driver.processorGroups = processorGroups
            driver.step(.modelReady(D.model()))
            for name in Self.names { answerOrders(driver.join(name)) }
        }

        var plans: UInt64 { driver.machine.status().counters.plans }
        var stages: [ClusterStatus.Stage] { driver.machine.status().plan?.stages ?? [] }

        mutating func answerOrders(_ directives: [CoordinatorMachine.Directive]) {
            var left = directives[...]
            while let directive = left.popFirst() {
                switch directive {
                case .plan(let order):
                    lastOrder = order
                    left += driver.step(.planned(order.generation, outcome(of: order)))
                case .send(let connection, .loadPartition(let load)): left += driver.report(connection, load.key, .ready)
                default: break
                }
            }
        }

        private func outcome(of order: CoordinatorMachine.PlanOrder) -> CoordinatorMachine.PlanOutcome {
            let request = PlanRequest(
                profile: profile, nodes: order.nodes, links: LinkTable(common: Link(bandwidthBytesPerSecond: 1e9))
            )
            .calibrated(by: order.observations, measured: measured)
            do {
                guard case .drift(let serving) = order.purpose else { return .plan(deployment(try Planner.plan(request))) }
                let (current, best) = try Planner.compare(serving.map { ($0.layers, $0.replicas) }, request)
                return .comparison(
                    ServingComparison(
                        servingMs: current.bottleneckMilliseconds, bestMs: best.bottleneckMilliseconds, best: deployment(best)))
            } catch { return .failure("\(error)") }
        }

        private func deployment(_ plan: Plan) -> PlannedDeployment {
            PlannedDeployment(
                plan: plan,
                stages: plan.stages.map { stage in
                    PlannedDeployment.Stage(
                        partition: PartitionKey(
                            modelDigest: String(repeating: "a", count: 64), firstLayer: stage.layers.first,
                            endLayer: stage.layers.end, toolchain: "test", optimization: .o0),
                        replicas: stage.replicas, residentBytes: 1, warmups: [], inputBytesPerItem: 4)
                }, microBatch: Self.microBatch, outputBytesPerItem: 4)
        }

        /// A heartbeat after a quarter of a second of full load: each run takes the node's time for its layers, give or take the noise.
        private mutating func beat(_ node: NodeID) {
            guard let connection = driver.control[node], let cores = quota[node] else { return }
            for stage in stages where stage.replicas.contains(node) {
                let range = stage.firstLayer..<(stage.lastLayer + 1)
                let key = PartitionKey(
                    modelDigest: String(repeating: "a", count: 64), firstLayer: range.lowerBound, endLayer: range.upperBound,
                    toolchain: "test", optimization: .o0)
                let reference = range.reduce(0.0) { $0 + (profile.layers[$1].milliseconds ?? 0) }
                let factor = 1 + noise * (dice.unit() * 2 - 1)
                let run = reference * (slowness[node] ?? 1) * factor
                let share = min(1, cores) * (1 - (disturbance[node] ?? 0))
                let runs = UInt64(max(3, 250 * share / run))
                var count =
                    counts[node]?[key]
                    ?? PartitionStatistics(
                        key: key, archiveBytes: 1, weightBytes: 1, isLoaded: true, runs: 0, items: 0, computeNanoseconds: 0)
                count.runs += runs
                count.items += runs * UInt64(Self.microBatch)
                count.cpuNanoseconds += UInt64(run * 1e6) * runs
                count.computeNanoseconds += UInt64(run * 1e6 / share) * runs
                counts[node, default: [:]][key] = count
            }
            let partitions = (counts[node] ?? [:]).values.sorted { $0.key.description < $1.key.description }
            answerOrders(
                driver.step(
                    .received(
                        connection,
                        .heartbeat(
                            Heartbeat(
                                cpuUsedCores: cores, cpuQuotaCores: cores, processCPUCores: cores, memoryLimitBytes: 1 << 30,
                                partitions: partitions)))))
        }

        mutating func run(_ duration: Duration) {
            let end = driver.now + duration
            while driver.now < end {
                driver.now += .milliseconds(250)
                for name in Self.names {
                    answerOrders(driver.step(.heard(driver.control[NodeID(name)] ?? ConnectionID(0))))
                    beat(NodeID(name))
                }
                answerOrders(driver.step(.tick))
            }
        }

        /// Runs to the next order to compare, which stays unanswered.
        mutating func nextDriftOrder() -> UInt64? {
            for _ in 0..<40 {
                driver.now += .milliseconds(250)
                var directives: [CoordinatorMachine.Directive] = []
                for name in Self.names { directives += driver.step(.heard(driver.control[NodeID(name)] ?? ConnectionID(0))) }
                directives += driver.step(.tick)
                let order = directives.firstIndex { directive in
                    if case .plan(let order) = directive, case .drift = order.purpose { true } else { false }
                }
                let found: CoordinatorMachine.PlanOrder? =
                    if let order, case .plan(let found) = directives.remove(at: order) { found } else { nil }
                answerOrders(directives)
                if let found { return found.generation }
            }
            return nil
        }

        /// Seconds until one more plan was made; `nil` if none was in the time given.
        mutating func secondsToNextPlan(atMost limit: Int) -> Double? {
            let (before, start) = (plans, driver.now)
            while driver.now - start < .seconds(limit) {
                run(.milliseconds(250))
                if plans > before { return (driver.now - start).milliseconds / 1000 }
            }
            return nil
        }
    }

    struct SplitMix {
        private var state: UInt64
        init(_ seed: UInt64) { state = seed }
        mutating func unit() -> Double {
            state &+= 0x9E37_79B9_7F4A_7C15
            var value = state
            value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
            value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
            return Double((value ^ (value >> 31)) >> 11) / Double(1 << 53)
        }
    }

    @Test(arguments: 1...5)
    func anHourOfNoiseBringsNoNewPlan(seed: UInt64) {
        var cluster = Cluster(seed: seed)
        cluster.noise = 0.1
        cluster.run(.seconds(30))
        let before = cluster.plans
        cluster.run(.seconds(3_600))
        #expect(cluster.plans == before, "seed \(seed)")
        #expect(cluster.driver.machine.status().state == "serving", "\(cluster.driver.logs)")
        #expect(cluster.driver.machine.status().plan?.correctedItemsPerSecond != nil)
    }

    @Test(
        "a node that has just come to a machine whose nodes share processors is planned with what they get, not with all that it may use"
    )
    func newcomerOnABusyMachine() {
        var cluster = Cluster(processorGroups: ["w0": "boot/a", "w1": "boot/b", "w2": "boot/c"])
        cluster.quota = ["w0": 1, "w1": 1, "w2": 1]
        cluster.disturbance = ["w0": 0.6, "w1": 0.6, "w2": 0.6]
        cluster.run(.seconds(20))
        func cores(_ node: NodeID) -> Double { cluster.lastOrder?.nodes.first { $0.id == node }?.effectiveCores ?? 0 }
        #expect(abs(cores("w1") - 0.4) < 0.01 && abs(cores("w2") - 0.4) < 0.01)
        cluster.answerOrders(cluster.driver.close("w2"))
        cluster.answerOrders(cluster.driver.join("w2", incarnation: 2))
        cluster.driver.now += .milliseconds(250)
        cluster.answerOrders(cluster.driver.step(.tick))
        #expect(cluster.lastOrder?.nodes.count == 3 && abs(cores("w2") - 0.4) < 0.01, "\(cores("w2"))")
    }

    struct Change: Sendable, CustomTestStringConvertible {
        var name: String
        var apply: @Sendable (inout Cluster) -> Void
        var undo: @Sendable (inout Cluster) -> Void
        var testDescription: String { name }
    }

    static let changes: [Change] = [
        Change(name: "a quota is halved", apply: { $0.quota["w0"] = 0.5 }, undo: { $0.quota["w0"] = 1 }),
        Change(name: "a node computes at half its speed", apply: { $0.slowness["w0"] = 2 }, undo: { $0.slowness["w0"] = 1 }),
        Change(name: "a neighbour takes half of a core", apply: { $0.disturbance["w0"] = 0.5 }, undo: { $0.disturbance["w0"] = 0 }),
        Change(name: "a small node gets a whole core", apply: { $0.quota["w2"] = 1 }, undo: { $0.quota["w2"] = 0.4 }),
    ]

    @Test(arguments: changes)
    func oneNewPlanThereAndOneBack(_ change: Change) throws {
        var cluster = Cluster()
        // What the plan that serves runs was timed as partitions: then a node that takes longer is slower, and not the partition dearer.
        for first in 0..<Cluster.layers {
            for end in (first + 1)...Cluster.layers {
                cluster.measured[LayerRange(first, end)] = (first..<end).reduce(0) {
                    $0 + (cluster.profile.layers[$1].milliseconds ?? 0)
                }
            }
        }
        cluster.noise = 0.02
        cluster.run(.seconds(30))
        let (first, firstStages, drifts) = (cluster.plans, cluster.stages, cluster.driver.machine.status().counters.driftPlans)
        change.apply(&cluster)
        let seen = cluster.secondsToNextPlan(atMost: 10)
        let there = try #require(seen)
        cluster.run(.seconds(60))
        #expect(cluster.plans == first + 1)
        #expect(cluster.stages != firstStages)
        change.undo(&cluster)
        let seenBack = cluster.secondsToNextPlan(atMost: 75)
        let back = try #require(seenBack)
        cluster.run(.seconds(60))
        #expect(cluster.plans == first + 2)
        #expect(cluster.stages.map(\.firstLayer) == firstStages.map(\.firstLayer))
        #expect(cluster.stages.map(\.replicas) == firstStages.map(\.replicas))
        print("\(change.name): new plans after \(there) s and \(back) s")
        #expect(cluster.driver.machine.status().counters.driftPlans == drifts + 2)
    }

    @Test(
        "the planner rests after a long search, not after it had other things to do first",
        arguments: [(Duration.zero, Duration.seconds(1)), (.milliseconds(200), .seconds(4))])
    func rest(searchTime: Duration, rest: Duration) throws {
        var cluster = Cluster()
        cluster.run(.seconds(5))
        let asked = cluster.nextDriftOrder()
        let order = try #require(asked)
        // The answer is late by three seconds in which partitions were cut.
        cluster.driver.now += .seconds(3)
        cluster.driver.step(
            .planned(order, .comparison(ServingComparison(servingMs: 1, bestMs: 1, best: nil, searchTime: searchTime))))
        let answered = cluster.driver.now
        #expect(cluster.nextDriftOrder() != nil)
        #expect(cluster.driver.now - answered >= rest && cluster.driver.now - answered <= rest + .milliseconds(250))
    }

    @Test func aDifferenceThatIsNotWorthIt() {
        var cluster = Cluster()
        cluster.run(.seconds(30))
        let before = cluster.plans
        cluster.quota["w0"] = 0.93
        cluster.run(.seconds(60))
        #expect(cluster.plans == before)
    }
}
