import Base
import Cluster
import Planning
import Testing
import Wire

/// Workers that are ready and that the plan does not use: the status says why, for each.
@Suite("coordinator: unused workers")
struct CoordinatorUnusedTests {
    private typealias D = CoordinatorDriver

    /// A plan for one stage on `a`, made where `b` is too small for any piece.
    private static func deployment() throws -> PlannedDeployment {
        let profile = ModelProfile(
            layers: [Layer(name: "l", operatorName: "op", milliseconds: 1)], cuts: [], inputBytes: 4, outputBytes: 4, batch: 1)
        let nodes = [
            PlanningNode(id: "a", effectiveCores: 1, freeMemory: ByteCount(8 << 30)),
            PlanningNode(id: "b", effectiveCores: 1, freeMemory: .mebibytes(1)),
        ]
        var deployment = D.deployment([["a"]], microBatch: 2)
        deployment.plan = try Planner.plan(PlanRequest(profile: profile, nodes: nodes))
        return deployment
    }

    private func unused(_ driver: D) -> [NodeID: String] {
        Dictionary(
            driver.machine.status().nodes.compactMap { node in node.unused.map { (node.name, $0) } }, uniquingKeysWith: { $1 })
    }

    @Test("one that is too small is named with its memory, in the status and in the log")
    func tooSmall() throws {
        var driver = D(["a", "b", "c"])
        driver.step(.modelReady(D.model()))
        for name in ["a", "b", "c"] { driver.join(name) }
        #expect(unused(driver).isEmpty, "nothing serves yet")
        var out = driver.step(.planned(driver.lastOrder?.generation ?? 0, .plan(try Self.deployment())))
        for load in out.loads { out += driver.report(load.0, load.1, .ready) }
        let said = unused(driver)
        #expect(said["b"]?.hasPrefix("its memory of 1 MiB is too small for any piece of the model") == true, "\(said)")
        #expect(said["c"]?.contains("no stage for it") == true && said["a"] == nil && said.count == 2, "\(said)")
        let line = try #require(driver.logs.last { $0.message == "the plan leaves workers unused" })
        #expect(line.metadata["unused"] == "b c", "\(line)")
        #expect(line.metadata["reasons"]?.contains("b is left out: its memory of 1 MiB is too small") == true, "\(line)")
        // One that is gone is lost, not unused.
        driver.close("b")
        #expect(unused(driver)["b"] == nil)
    }

    @Test("one that could not load a partition is missed until it may load again, and no longer") func excluded() throws {
        var driver = D(["a"])
        driver.step(.modelReady(D.model()))
        driver.join("a")
        let load = try #require(driver.answerPlan([["a"]]).loads.first)
        driver.report(load.0, load.1, .failed, "no memory")
        let missing = try #require(driver.machine.readiness.missing.first)
        #expect(missing.name == "a" && missing.state == "ready" && missing.cause.contains("no memory"))
        driver.wait(.seconds(9))
        #expect(driver.machine.readiness.missing.count == 1)
        // No plan has used it since.
        driver.wait(.seconds(2))
        #expect(driver.machine.readiness.missing.isEmpty && !driver.machine.isServing)
    }
}
