import Cluster
import Foundation
import History
import Synchronization
import Testing
import Wire

/// The thread around the tables: what it does when a file is no history, or a disk takes no more.
@Suite struct HistoryRecorderTests {
    /// What the recorder had to say.
    final class Warnings: Sendable {
        private let texts = Mutex<[String]>([])
        var all: [String] { texts.withLock { $0 } }
        func add(_ text: String) { texts.withLock { $0.append(text) } }
    }

    static func recorder(_ path: String?, _ warnings: Warnings, limits: HistoryLimits = .init()) throws -> HistoryRecorder {
        try HistoryRecorder(path: path, limits: limits) { warnings.add($0) }
    }

    static func answer(_ recorder: HistoryRecorder, _ range: HistoryRange = .init()) async -> HistoryRecorder.Answer? {
        await withCheckedContinuation { continuation in
            if !recorder.answer(range, completion: { continuation.resume(returning: $0) }) { continuation.resume(returning: nil) }
        }
    }

    static func history(_ recorder: HistoryRecorder, _ range: HistoryRange = .init()) async throws -> ClusterHistory {
        let answer = await answer(recorder, range)
        guard case .document(let bytes) = answer else {
            Issue.record("no document: \(String(describing: answer))")
            throw CancellationError()
        }
        return try JSONDecoder().decode(ClusterHistory.self, from: Data(bytes))
    }

    @Test("an answer holds all that was recorded before the question; closing writes the rest") func recordsAndAnswers()
        async throws
    {
        let folder = try TemporaryFolder()
        let warnings = Warnings()
        for round in Int64(1)...2 {
            let recorder = try Self.recorder(folder.path("h.sqlite"), warnings)
            recorder.record([("a", Make.sample(at: round))], [Make.event("round \(round)")])
            let history = try await Self.history(recorder)
            #expect(history.nodes.first?.samples.map(\.timeMs) == Array(1...round))
            #expect(history.events.map(\.event) == (1...round).map { "round \($0)" })
            let recalled = await withCheckedContinuation { continuation in recorder.recall(1) { continuation.resume(returning: $0) }
            }
            #expect(recalled == [try #require(history.events.last)])
            if round == 1 {
                guard case .unknown(let message) = await Self.answer(recorder, .init(node: "z")) else {
                    Issue.record("a node that is not there is found")
                    return
                }
                #expect(message.contains("\"z\"") && message.contains("a"))
            }
            recorder.close()
        }
        #expect(warnings.all.isEmpty)
    }

    struct Broken: Sendable, CustomTestStringConvertible {
        let name: String
        let make: @Sendable (_ path: String) throws -> Void
        let says: String
        var testDescription: String { name }
    }

    @Test(
        "a file that is no history is set aside, with one warning, and a new one begun",
        arguments: [
            Broken(
                name: "not a database",
                make: {
                    try Data("hello, world. ".utf8 + Array(repeating: 32, count: 5_000)).write(to: .init(fileURLWithPath: $0))
                },
                says: "not a database"),
            Broken(
                name: "cut in the middle",
                make: { path in
                    let store = try HistoryStore(path: path)
                    for time in 0..<Int64(300) { try store.append([("a", Make.sample(at: time))], []) }
                    store.close()
                    let whole = try Data(contentsOf: .init(fileURLWithPath: path))
                    try whole.prefix(whole.count / 2).write(to: .init(fileURLWithPath: path))
                }, says: "malformed"),
            Broken(
                name: "of a later format",
                make: { path in
                    try HistoryStore(path: path).close()
                    // SQLite's user_version stands at byte 60 of the file, big-endian.
                    var bytes = try Data(contentsOf: .init(fileURLWithPath: path))
                    bytes[63] = 9
                    try bytes.write(to: .init(fileURLWithPath: path))
                }, says: "format 9"),
        ])
    func setAside(_ row: Broken) async throws {
        let folder = try TemporaryFolder()
        let path = folder.path("h.sqlite")
        try row.make(path)
        for ending in ["-wal", "-shm"] { try? FileManager.default.removeItem(atPath: path + ending) }
        let warnings = Warnings()
        let recorder = try Self.recorder(path, warnings)
        recorder.record([("new", Make.sample(at: 1))])
        let history = try await Self.history(recorder)
        recorder.close()
        #expect(history.storage == path && history.nodes.map(\.name) == ["new"])
        #expect(warnings.all.count == 1, "\(warnings.all)")
        #expect(
            warnings.all.first?.contains("\(path).damaged") == true && warnings.all.first?.contains(row.says) == true,
            "\(warnings.all)")
        #expect(folder.exists("h.sqlite.damaged"))
        // The new file is a whole one.
        #expect(try HistoryStore(path: path).history().nodes.map(\.name) == ["new"])
    }

    @Test("a folder that is not there: in memory, with one warning") func noFolder() async throws {
        let warnings = Warnings()
        let recorder = try Self.recorder("/nowhere/at/all/h.sqlite", warnings)
        for time in Int64(0)..<3 { recorder.record([("a", Make.sample(at: time))]) }
        let history = try await Self.history(recorder)
        recorder.close()
        #expect(history.storage == "memory" && history.nodes.first?.samples.count == 3)
        #expect(warnings.all.count == 1 && warnings.all.first?.contains("/nowhere/at/all/h.sqlite") == true, "\(warnings.all)")
    }

    @Test("a disk that is full: on in memory with what was there, one warning, and the file stays whole") func fullDisk()
        async throws
    {
        let folder = try TemporaryFolder()
        let path = folder.path("h.sqlite")
        var limits = HistoryLimits()
        limits.pages = 24
        let warnings = Warnings()
        let recorder = try Self.recorder(path, warnings, limits: limits)
        let count: Int64 = 2_000
        for time in 0..<count { recorder.record([("a", Make.sample(at: time))]) }
        let history = try await Self.history(recorder, .init(limit: UInt32(count)))
        recorder.record([("b", Make.sample(at: 0))])
        let later = try await Self.history(recorder)
        recorder.close()
        #expect(history.storage == "memory" && later.nodes.map(\.name) == ["a", "b"])
        #expect(history.nodes.first?.samples.map(\.timeMs) == Array(0..<count))
        #expect(warnings.all.count == 1 && warnings.all.first?.contains("full") == true, "\(warnings.all)")
        // A whole one, whatever of it fitted.
        #expect(try HistoryStore(path: path).history().nodes.allSatisfy { $0.name == "a" })
    }
}
