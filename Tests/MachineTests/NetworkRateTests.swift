import Base
import Cluster
import Planning
import Testing
import Wire

/// Bytes a second from heartbeats, and the samples that the history takes.
@Suite struct NetworkRateTests {
    /// Milliseconds, and what was received and sent by then.
    typealias Beat = (at: Int64, received: UInt64, sent: UInt64)

    struct Row: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let beats: [Beat]
        let received: Double
        let sent: Double

        init(_ name: String, _ beats: [Beat], received: Double, sent: Double) {
            testDescription = name
            self.beats = beats
            self.received = received
            self.sent = sent
        }
    }

    static let rows: [Row] = [
        Row("one heartbeat gives none", [(0, 500, 700)], received: 0, sent: 0),
        Row("a second between two readings", [(0, 500, 700), (1_000, 2_500, 1_200)], received: 2_000, sent: 500),
        Row(
            "heartbeats that repeat a reading change nothing",
            [(0, 0, 0), (1_000, 1_000, 100), (1_250, 1_000, 100), (1_500, 1_000, 100), (1_750, 1_000, 100)], received: 1_000,
            sent: 100),
        Row(
            "over a second, though four heartbeats came in it",
            [(0, 0, 0), (250, 0, 0), (500, 0, 0), (750, 0, 0), (1_000, 4_000, 400)], received: 4_000, sent: 400),
        Row(
            "the one after one that came late waits until the time between them is long enough",
            [(0, 0, 0), (1_200, 1_000, 10), (1_800, 2_000, 20), (2_000, 2_000, 20)], received: 1_250, sent: 12.5),
        Row(
            "a restarted interface begins again", [(0, 5_000, 5_000), (1_000, 6_000, 6_000), (2_000, 10, 10)], received: 0, sent: 0),
        Row("what came during an absence is not now's", [(0, 0, 0), (60_000, 1 << 40, 1 << 40)], received: 0, sent: 0),
        Row(
            "a network at rest comes to 0", [(0, 0, 0), (1_000, 900, 900), (3_000, 900, 900), (6_100, 900, 900)], received: 0,
            sent: 0),
        Row("the largest totals", [(0, 0, 0), (1_000, .max, .max)], received: Double(UInt64.max), sent: Double(UInt64.max)),
    ]

    @Test(arguments: rows) func rate(_ row: Row) {
        var rate = NetworkRate()
        for beat in row.beats { rate.note(received: beat.received, sent: beat.sent, at: Instant(nanoseconds: beat.at * 1_000_000)) }
        #expect(rate.receivedBytesPerSecond == row.received && rate.sentBytesPerSecond == row.sent)
    }

    @Test func statusCarriesTotalsAndRates() throws {
        var driver = CoordinatorDriver.serving()
        #expect(driver.machine.status().nodes.allSatisfy { $0.network == nil })
        let control = try #require(driver.control["a"])
        driver.step(.received(control, .heartbeat(Heartbeat(networkReceivedBytes: 10, networkSentBytes: 20))))
        driver.now += .seconds(1)
        driver.step(.received(control, .heartbeat(Heartbeat(networkReceivedBytes: 1_010, networkSentBytes: 520))))
        let network = try #require(driver.machine.status().nodes.first { $0.name == "a" }?.network)
        #expect(network.receivedBytes == 1_010 && network.sentBytes == 520)
        #expect(network.receivedBytesPerSecond == 1_000 && network.sentBytesPerSecond == 500)
    }

    @Test("each sample is taken once, and none of a node from which nothing came") func samples() throws {
        var driver = CoordinatorDriver.serving()
        #expect(driver.machine.takeSamples(timeMs: 1).isEmpty)
        let control = try #require(driver.control["b"])
        let beat = Heartbeat(
            sequence: 3, cpuUsedCores: 0.5, cpuQuotaCores: 2, cpuThrottledShare: 0.25, processCPUCores: 0.125, memoryUsedBytes: 11,
            memoryLimitBytes: 12, processResidentBytes: 13, networkReceivedBytes: 14, networkSentBytes: 15, queued: 1, executing: 2,
            completed: 16)
        driver.step(.received(control, .heartbeat(beat)))
        let samples = driver.machine.takeSamples(timeMs: 77)
        #expect(samples.map(\.node) == ["b"])
        #expect(
            samples.first?.sample
                == ClusterHistory.Sample(
                    timeMs: 77, state: "ready", cpuUsedCores: 0.5, cpuQuotaCores: 2, cpuThrottledShare: 0.25,
                    processCPUCores: 0.125,
                    memoryUsedBytes: 11, memoryLimitBytes: 12, processBytes: 13, networkReceivedBytes: 14, networkSentBytes: 15,
                    queued: 1, executing: 2, completed: 16, roundTripMs: nil))
        #expect(driver.machine.takeSamples(timeMs: 78).isEmpty)
        driver.step(.received(control, .heartbeat(beat)))
        driver.step(.connectionClosed(control, cause: "gone"))
        #expect(driver.machine.takeSamples(timeMs: 79).isEmpty, "of a lost node there is nothing new to say")
    }

    @Test("what is logged for an operator is an event; what is logged for debugging is not") func events() {
        let line = LogLine(.warning, "node is lost", ["node": "a", "cause": "its control connection closed"])
        let event = ClusterHistory.Event(line, timeMs: 5)
        #expect(
            event
                == ClusterHistory.Event(
                    timeMs: 5, level: "warning", event: "node is lost", node: "a",
                    details: ["cause": "its control connection closed"]))
        #expect(ClusterHistory.Event(LogLine(.debug, "x"), timeMs: 5) == nil)
    }
}
