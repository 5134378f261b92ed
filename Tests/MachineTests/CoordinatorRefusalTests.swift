import Base
import Cluster
import Planning
import Testing
import Wire

/// Workers that take no partition of the model (`--allow-model`): planned around, once, and named.
@Suite("coordinator: workers that refuse the model")
struct CoordinatorRefusalTests {
    private typealias D = CoordinatorDriver
    private static let why = "takes partitions of one model alone (--allow-model)"

    private func refuse(_ load: (ConnectionID, PartitionKey), _ driver: inout D) -> [CoordinatorMachine.Directive] {
        driver.step(
            .received(
                load.0,
                .partitionReport(PartitionReport(key: load.1, state: .failed, code: .failedPrecondition, message: Self.why))))
    }

    private func ready(_ names: [String]) -> D {
        var driver = D(names)
        driver.step(.modelReady(D.model()))
        for name in names { driver.join(name) }
        return driver
    }

    @Test("the plan is made again without it, and it is never asked again while it is connected")
    func planned() throws {
        var driver = ready(["a", "b"])
        let loads = driver.answerPlan([["a"], ["b"]]).loads
        let out = refuse(loads[0], &driver)
        #expect(out.orders.map { $0.nodes.map(\.id) } == [["b"]])
        #expect(driver.deploy([["b"]]).isServing)
        // Not after the time that follows a load that failed, nor after any other.
        let later = driver.wait(.seconds(60))
        #expect(later.loads.isEmpty && !later.orders.contains { $0.nodes.contains { $0.id == "a" } })
        let status = driver.machine.status()
        #expect(status.nodes.first { $0.name == "a" }?.unused == Self.why)
        #expect(status.nodes.first { $0.name == "b" }?.unused == nil)
        let lines = driver.logs.filter { $0.message == "worker takes no partition of this model" }
        #expect(lines.map { $0.metadata["node"] } == ["a"] && lines.first?.metadata["cause"] == Self.why)
    }

    @Test("its next connection is asked again: it may have been started otherwise")
    func restarted() throws {
        var driver = ready(["a", "b"])
        let loads = driver.answerPlan([["a"], ["b"]]).loads
        _ = refuse(loads[0], &driver)
        driver.deploy([["b"]])
        driver.close("a")
        driver.wait(.seconds(1))
        driver.deploy([["b"]])
        #expect(driver.machine.state(of: "a") == .lost)
        let out = driver.join("a") + driver.wait(.seconds(3))
        #expect(driver.machine.state(of: "a") == .ready)
        #expect(out.orders.map { $0.nodes.map(\.id) } == [["a", "b"]])
    }

    @Test("where all refuse, nothing is ordered again and readiness names each")
    func all() throws {
        var driver = ready(["a", "b"])
        let loads = driver.answerPlan([["a"], ["b"]]).loads
        _ = refuse(loads[0], &driver)
        for load in driver.answerPlan([["b"]]).loads { _ = refuse(load, &driver) }
        let later = driver.wait(.seconds(60))
        #expect(later.loads.isEmpty && later.orders.isEmpty)
        #expect(driver.machine.readiness.missing.map(\.name) == ["a", "b"])
        #expect(driver.machine.readiness.missing.allSatisfy { $0.cause == Self.why })
        let cause = driver.machine.status().cause ?? ""
        #expect(cause.contains(Self.why), "\(cause)")
        #expect(driver.machine.brokenInvariant == nil)
    }

    @Test("one that refuses a standby is left out of the standbys that are made next")
    func standby() throws {
        var driver = D.serving([["a"]])
        driver.step(.targets(D.targets(["a", "b"])))
        driver.join("b")
        driver.wait(.milliseconds(300))
        driver.deploy([["a"]])
        driver.wait(.milliseconds(600))
        let loads = driver.answerStandby([["b"]]).loads
        let load = try #require(loads.first { $0.0 == driver.control["b"] })
        _ = refuse(load, &driver)
        #expect(driver.machine.status().nodes.first { $0.name == "b" }?.unused == Self.why)
        driver.wait(.seconds(2))
        #expect(driver.machine.status().standby.first?.cause.contains("no other worker is ready") == true)
    }
}
