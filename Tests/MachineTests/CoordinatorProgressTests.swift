import Base
import Cluster
import Planning
import Testing
import Wire

/// Slow is not dead: CPU time is progress. What was written off counts against its input.
@Suite struct CoordinatorProgressTests {
    @Test(arguments: cases) func progress(_ row: Case) throws { try row.run() }

    typealias D = CoordinatorDriver
    typealias H = CoordinatorHealthTests

    /// Heartbeats each 250 ms in which nothing ends, and the executors use so much CPU time.
    @discardableResult
    static func beats(_ driver: inout D, _ duration: Duration, cpuPerBeat: UInt64, from used: inout UInt64) -> [D.Directive] {
        var out: [D.Directive] = []
        let end = driver.now + duration
        while driver.now < end {
            out += driver.wait(.milliseconds(250))
            used += cpuPerBeat
            out += driver.beat("a", executing: 1, completed: 7, executorCPU: used)
            out += driver.beat("b", executing: 0, completed: 7, executorCPU: 1)
        }
        return out
    }

    static let cases: [Case] = [
        Case("a run that computes goes on far beyond all runs before it: no suspicion, no replay") {
            var driver = H.busy(), used: UInt64 = 1_000_000
            driver.submit(1, items: 4)
            let out = beats(&driver, .seconds(55), cpuPerBeat: 250_000_000, from: &used)
            #expect(driver.machine.state(of: "a") == .ready && out.dispatched.isEmpty && out.orders.isEmpty)
            #expect(driver.machine.counters.microBatchesReplayed == 0)
        },
        Case("throttled to a hundredth of a core, it still does") {
            var driver = H.busy(), used: UInt64 = 1_000_000
            driver.submit(1, items: 4)
            beats(&driver, .seconds(50), cpuPerBeat: 2_500_000, from: &used)
            #expect(driver.machine.state(of: "a") == .ready)
        },
        Case("one that uses none is stalled as before") {
            for cpuPerBeat in [0, 10_000] as [UInt64] {
                var driver = H.busy(), used: UInt64 = 1_000_000
                driver.submit(1, items: 4)
                beats(&driver, .seconds(6), cpuPerBeat: cpuPerBeat, from: &used)
                #expect(driver.machine.state(of: "a") == .suspect)
            }
        },
        Case("a stalled node that computes again is taken back") {
            var driver = H.busy(), used: UInt64 = 1_000_000
            driver.submit(1, items: 4)
            beats(&driver, .seconds(6), cpuPerBeat: 0, from: &used)
            #expect(driver.machine.state(of: "a") == .suspect)
            beats(&driver, .milliseconds(500), cpuPerBeat: 100_000_000, from: &used)
            #expect(driver.machine.state(of: "a") == .ready)
        },
        Case("a figure that goes back, or to its end, is no progress and no harm") {
            var driver = H.busy()
            driver.submit(1, items: 4)
            for used in [UInt64.max, 5, 0, .max, 6] {
                driver.wait(.milliseconds(250))
                driver.beat("a", executing: 1, completed: 7, executorCPU: used)
            }
            H.beats(&driver, .seconds(6), stuck: ["a"])
            #expect(driver.machine.state(of: "a") == .suspect)
        },
        Case("what was written off on two nodes runs alone, and fails with the third") {
            var driver = H.busy([["a", "b", "c"]])
            var work = driver.submit(1, items: 2).dispatched.leading
            for _ in 0..<2 {
                let node = work.route[0].node
                // The node falls silent for a moment: the micro-batch goes elsewhere, and its first run does not end.
                let out = driver.wait(.milliseconds(1_100), silent: [node])
                let next = out.dispatched.last
                driver.step(.heard(driver.control[node]!))
                let late = driver.says(node, .workDropped(WorkDropped(key: work.key, node: node, hasOverrun: true)))
                // Said twice, or by somebody who never had it, it counts once.
                driver.says(node, .workDropped(WorkDropped(key: work.key, node: node, hasOverrun: true)))
                #expect(late.errors.isEmpty)
                work = try #require(next)
            }
            // Sent again once more, it runs with nothing beside it; the node that ends under it then is the last.
            let last = work.route[0].node
            let alone = driver.wait(.milliseconds(1_100), silent: [last]).dispatched
            #expect(alone.count == 1)
            let errors = driver.close(try #require(alone.first).route[0].node).errors
            #expect(errors.map(\.code) == [.internalError] && errors.first?.message.contains("3 losses of nodes") == true)
        },
        Case("word of a run of a request that is over changes nothing") {
            var driver = H.busy()
            let work = driver.submit(1, items: 2).dispatched.leading
            driver.finish(work)
            let before = driver.machine.tableSizes
            for key in [work.key, D.unknownKey] {
                #expect(driver.says("a", .workDropped(WorkDropped(key: key, node: "a", hasOverrun: true))).isEmpty)
            }
            #expect(driver.machine.tableSizes == before)
        },
    ]
}
