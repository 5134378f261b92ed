import Base
import Planning
import Testing

@Suite("optimal against brute force")
struct OptimalBruteForceTests {
    /// Shares of a stream of 1,500 micro-batches come true to about this much.
    static let simulationTolerance = 0.03

    @Test("2,400 seeded random instances, judged by formulas written twice and by an event simulation: never worse")
    func randomInstances() throws {
        var planned = 0
        var refused = 0
        var replicated = 0
        for seed in UInt64(1)...2400 {
            let request = Instances.make(seed: seed)
            let best = BruteForce(request).best
            let plan: Plan
            do { plan = try Planner.plan(request) } catch {
                #expect(best == nil, "seed \(seed): refused although there is a plan: \(error)")
                refused += 1
                continue
            }
            planned += 1
            if plan.stages.contains(where: { $0.replicas.count > 1 }) { replicated += 1 }
            let expected = try #require(best, "seed \(seed): a plan where brute force finds none")
            #expect(plan.exactness == .exact)
            #expect(abs(plan.latencyMilliseconds - expected.latency) <= 1e-9 * expected.latency, "seed \(seed)")
            #expect(plan.usedNodes.count == expected.nodes, "seed \(seed): \(plan.usedNodes.count) nodes, \(expected.nodes) do")
            if request.objective == .throughput {
                let lowest = try #require(BruteForce.lowestBottleneck(request))
                #expect(plan.bottleneckMilliseconds <= lowest * 1.03 * (1 + 1e-9), "seed \(seed)")
                #expect(plan.bottleneckMilliseconds >= lowest * (1 - 1e-9), "seed \(seed)")
            }
            judge(plan, against: expected, request, seed)
        }
        // All kinds of instance must occur, else the comparison proves little.
        #expect(planned > 1800)
        #expect(refused > 100)
        #expect(replicated > 300)
    }

    /// The planner's plan and brute force's, both run by the simulation, which knows neither's formulas.
    private func judge(_ plan: Plan, against expected: BruteForce.Candidate, _ request: PlanRequest, _ seed: UInt64) {
        let ours = EventSimulation(request, plan.stages.map { ($0.layers, $0.replicas) })
        let theirs = EventSimulation(request, expected.stages)
        let interval = ours.saturatedIntervalMs()
        #expect(
            abs(interval / plan.bottleneckMilliseconds - 1) < Self.simulationTolerance,
            "seed \(seed): \(interval) ms simulated, \(plan.bottleneckMilliseconds) ms predicted")
        let latency = ours.loneLatencyMs()
        #expect(abs(latency - plan.latencyMilliseconds) < 1e-9 * latency, "seed \(seed)")
        #expect(latency <= theirs.loneLatencyMs() * (1 + 1e-9), "seed \(seed)")
        guard request.objective == .throughput else { return }
        #expect(interval <= theirs.saturatedIntervalMs() * 1.03 * (1 + Self.simulationTolerance), "seed \(seed)")
    }

    @Test("a refused instance fits once the memory is raised as the message says")
    func smallestChangeSuffices() throws {
        var checked = 0
        for seed in UInt64(1)...900 {
            var request = Instances.make(seed: seed)
            do {
                _ = try Planner.plan(request)
            } catch PlanningError.insufficientMemory(let shortages) {
                for shortage in shortages {
                    let index = try #require(request.nodes.firstIndex { $0.id == shortage.node })
                    #expect(shortage.lacking > .zero)
                    request.nodes[index].freeMemory = request.nodes[index].freeMemory + shortage.lacking
                }
                #expect(throws: Never.self, "seed \(seed)") { try Planner.plan(request) }
                checked += 1
            } catch {
                switch error {
                case .noRoute, .invalidPins, .noNodes: break
                default: Issue.record("seed \(seed): \(error)")
                }
            }
        }
        #expect(checked > 10)
    }

    @Test("the order in which the nodes are listed changes nothing")
    func orderOfNodes() throws {
        var planned = 0
        for seed in UInt64(1)...100 {
            var request = Instances.make(seed: seed)
            guard let plan = try? Planner.plan(request) else { continue }
            planned += 1
            request.nodes.reverse()
            #expect(try Planner.plan(request) == plan, "seed \(seed)")
        }
        #expect(planned > 10)
    }

    @Test("an assignment that is evaluated gives the figures of the plan that chose it")
    func evaluation() throws {
        var planned = 0
        for seed in UInt64(1)...200 {
            let request = Instances.make(seed: seed)
            guard let plan = try? Planner.plan(request) else { continue }
            planned += 1
            let again = try Planner.evaluate(stages: plan.stages.map { ($0.layers, $0.replicas) }, request)
            #expect(again.stages == plan.stages, "seed \(seed)")
            #expect(again.latencyMilliseconds == plan.latencyMilliseconds)
            #expect(again.bottleneckMilliseconds == plan.bottleneckMilliseconds)
        }
        #expect(planned > 10)
    }
}
