import ArgumentParser
import Testing
import Worker

@Suite("A worker's options")
struct WorkerOptionsTests {
    /// An engine's 0 means "no limit": a worker that took it at its word would start, and never take part.
    @Test("a memory of nothing is refused", arguments: ["0", "0MiB", "0.0GB"])
    func noMemory(_ size: String) throws {
        let error = try #require(throws: (any Error).self) {
            try WorkerOptions.parse(["--listen", "9000", "--memory-limit", size])
        }
        #expect(WorkerOptions.message(for: error).contains("--memory-limit is a size above 0; leave it out"), "\(error)")
    }

    @Test func aMemoryLimitIsTaken() {
        #expect(throws: Never.self) { try WorkerOptions.parse(["--listen", "9000", "--memory-limit", "512MiB"]) }
    }
}
