import Cluster
import Foundation
import History
import Testing
import Wire

enum Make {
    static func sample(at timeMs: Int64, state: String = "ready", completed: UInt64 = 0) -> ClusterHistory.Sample {
        ClusterHistory.Sample(
            timeMs: timeMs, state: state, cpuUsedCores: 1.25, cpuQuotaCores: 2, cpuThrottledShare: 0.5, processCPUCores: 0.75,
            memoryUsedBytes: 1 << 30, memoryLimitBytes: 2 << 30, processBytes: 1 << 20, networkReceivedBytes: .max,
            networkSentBytes: 7, queued: 3, executing: 2, completed: completed, roundTripMs: 0.25)
    }

    static func event(_ name: String, at timeMs: Int64 = 0, node: String? = nil, details: [String: String] = [:])
        -> ClusterHistory.Event
    {
        ClusterHistory.Event(timeMs: timeMs, level: "info", event: name, node: node, details: details)
    }
}

extension HistoryStore {
    /// What the question brings; a node that is unknown is an error.
    func history(_ range: HistoryRange = HistoryRange(), timeMs: Int64 = 0) throws -> ClusterHistory {
        try document(range, timeMs: timeMs).get()
    }
}

/// The tables: what comes back, what is left out, and that every bound holds.
@Suite struct HistoryStoreTests {
    @Test("what was written comes back as it was, and after another opening too") func roundTrip() throws {
        let folder = try TemporaryFolder()
        let samples = [("a", Make.sample(at: 1_000)), ("b", Make.sample(at: 1_001, state: "suspect", completed: 9))]
        let event = Make.event(
            "node is lost", at: 1_002, node: "a", details: ["cause": "its \"control\" connection closed; \u{1F4A5}"])
        for _ in 0..<2 {
            let store = try HistoryStore(path: folder.path("h.sqlite"))
            if try store.history().nodes.isEmpty { try store.append(samples.map { ($0.0, $0.1) }, [event]) }
            let history = try store.history()
            #expect(history.nodes.map(\.name) == ["a", "b"] && history.storage == folder.path("h.sqlite"))
            // SQLite's integers have a sign: a total beyond 2^63 is cut there.
            var expected = samples.map(\.1)
            for index in expected.indices { expected[index].networkReceivedBytes = UInt64(Int64.max) }
            #expect(history.nodes.flatMap(\.samples) == expected)
            #expect(history.events == [event])
        }
    }

    struct Question: Sendable, CustomTestStringConvertible {
        let name: String
        let range: HistoryRange
        let samples: [String: [Int64]]
        let events: [String]
        var testDescription: String { name }
    }

    @Test(
        "questions, at 100 s, over a sample a second of two nodes",
        arguments: [
            Question(
                name: "the default is the newest hundred", range: .init(), samples: ["a": Array(0..<100), "b": Array(0..<100)],
                events: ["a 10", "b 20", "all 30"]),
            Question(
                name: "one node with its events and those of all", range: .init(node: "b"), samples: ["b": Array(0..<100)],
                events: ["b 20", "all 30"]),
            Question(
                name: "the newest two, oldest first", range: .init(limit: 2), samples: ["a": [98, 99], "b": [98, 99]],
                events: ["b 20", "all 30"]),
            Question(
                name: "the last three seconds", range: .init(node: "a", sinceMilliseconds: 3_000), samples: ["a": [97, 98, 99]],
                events: []),
            Question(
                name: "a reach beyond the beginning", range: .init(node: "a", sinceMilliseconds: .max, limit: 1),
                samples: ["a": [99]], events: ["all 30"]),
        ])
    func questions(_ row: Question) throws {
        let store = try HistoryStore(path: nil)
        for second in 0..<Int64(100) {
            try store.append([("a", Make.sample(at: second * 1_000)), ("b", Make.sample(at: second * 1_000))], [])
        }
        try store.append(
            [],
            [
                Make.event("a 10", at: 10_000, node: "a"), Make.event("b 20", at: 20_000, node: "b"),
                Make.event("all 30", at: 30_000),
            ])
        let history = try store.history(row.range, timeMs: 100_000)
        let found = Dictionary(uniqueKeysWithValues: history.nodes.map { ($0.name, $0.samples.map { $0.timeMs / 1_000 }) })
        #expect(found == row.samples)
        #expect(history.events.map(\.event) == row.events)
    }

    @Test("a node that was never seen: the answer names those that were") func unknownNode() throws {
        let store = try HistoryStore(path: nil)
        let none = try #require(throws: HistoryStore.UnknownNode.self) { try store.history(.init(node: "w9")) }
        #expect("\(none)".contains("no node has been seen yet"))
        try store.append([("w2", Make.sample(at: 0)), ("w1", Make.sample(at: 0))], [])
        let error = try #require(throws: HistoryStore.UnknownNode.self) { try store.history(.init(node: "w9")) }
        #expect(error.known == ["w1", "w2"] && "\(error)".contains("\"w9\"") && "\(error)".contains("w1, w2"))
    }

    @Test("older samples are thinned to one a minute, and the oldest of those go") func thinning() throws {
        var limits = HistoryLimits()
        limits.fineSamples = 100
        limits.thinnedAtOnce = 50
        limits.coarseSamples = 5
        let store = try HistoryStore(path: nil, limits: limits)
        let count: Int64 = 1_000
        for second in 0..<count { try store.append([("a", Make.sample(at: second * 1_000))], []) }
        let times = try #require(try store.history(.init(limit: 100_000)).nodes.first).samples.map { $0.timeMs / 1_000 }
        #expect(times == times.sorted() && times.last == count - 1)
        let (coarse, fine) = (times.prefix(5), times.dropFirst(5))
        #expect(fine.count >= 100 && fine.count < 100 + 50, "\(fine.count) are as they came")
        #expect(Array(fine) == Array((count - Int64(fine.count))..<count))
        // A thinning of 50 s holds the ends of one minute or two.
        for (left, right) in zip(coarse, coarse.dropFirst()) { #expect(right - left >= 10 && right - left <= 60) }
    }

    @Test("a clock that jumps thins nothing before its turn") func clockJumps() throws {
        let store = try HistoryStore(path: nil)
        let year: Int64 = 365 * 86_400_000
        let times: [Int64] = [1_000, 2_000, year, 3_000, 4_000]
        for time in times { try store.append([("a", Make.sample(at: time))], []) }
        #expect(try store.history().nodes.first?.samples.map(\.timeMs) == times)
    }

    @Test("events are bounded by number") func eventBound() throws {
        var limits = HistoryLimits()
        limits.events = 10
        let store = try HistoryStore(path: nil, limits: limits)
        for number in 0..<25 { try store.append([], [Make.event("\(number)")]) }
        #expect(try store.history().events.map(\.event) == (15..<25).map { "\($0)" })
    }

    @Test("the whole is bounded by bytes: the oldest samples of all nodes go, and the file does not grow on") func byteBound()
        throws
    {
        let folder = try TemporaryFolder()
        var limits = HistoryLimits()
        limits.byteCount = 256 << 10
        let store = try HistoryStore(path: folder.path("h.sqlite"), limits: limits)
        // A node that has gone is forgotten with its last sample.
        try store.append([("gone", Make.sample(at: 0))], [])
        for second in 1..<Int64(200) {
            try store.append((0..<50).map { ("n\($0)", Make.sample(at: second * 1_000)) }, [])
        }
        let size = try #require(
            try FileManager.default.attributesOfItem(atPath: folder.path("h.sqlite"))[.size] as? Int)
        #expect(size <= limits.byteCount + (64 << 10), "\(size) bytes")
        let history = try store.history()
        #expect(history.nodes.count == 50 && !history.nodes.contains { $0.name == "gone" })
        for node in history.nodes { #expect(node.samples.last?.timeMs == 199_000) }
        // A name that comes back is counted from the beginning.
        try store.append([("gone", Make.sample(at: 200_000))], [])
        #expect(try store.history(.init(node: "gone")).nodes.first?.samples.count == 1)
    }

    @Test("an answer over many nodes is bounded") func answerBound() throws {
        let store = try HistoryStore(path: nil)
        try store.append((0..<200).map { ("n\($0)", Make.sample(at: 0)) }, [])
        let limit = try store.history(.init(limit: UInt32(WireLimits.historySamples))).limit
        #expect(limit == HistoryLimits.answeredSamples / 200)
    }

    @Test("what fails is undone whole") func undone() throws {
        let folder = try TemporaryFolder()
        var limits = HistoryLimits()
        limits.pages = 24
        let store = try HistoryStore(path: folder.path("h.sqlite"), limits: limits)
        try store.append([("a", Make.sample(at: 1))], [])
        let flood = (0..<5_000).map { ("b", Make.sample(at: Int64($0))) }
        let failure = try #require(throws: HistoryFailure.self) { try store.append(flood, []) }
        #expect(!failure.isDamaged, "\(failure)")
        #expect(try store.history().nodes.map(\.name) == ["a"])
        try store.append([("b", Make.sample(at: 2))], [])
        #expect(try store.history(.init(node: "b")).nodes.first?.samples.map(\.timeMs) == [2])
    }
}
