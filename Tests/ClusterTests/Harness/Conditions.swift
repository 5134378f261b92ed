import Foundation

/// A condition that did not come true in time.
struct TimedOut: Error, CustomStringConvertible {
    let description: String
}

/// Between two looks at a condition: short against every deadline here, and cheap.
private let pollInterval: Duration = .milliseconds(10)

/// Returns as soon as the condition holds.
/// - Throws: ``TimedOut`` with `about` after the limit; what the condition throws ends the wait at once.
func eventually(
    _ what: String, within limit: Duration = .seconds(30), about: () -> String = { "" }, _ condition: () async throws -> Bool
) async throws {
    let clock = ContinuousClock()
    let end = clock.now.advanced(by: limit)
    while try await !condition() {
        guard clock.now < end else { throw TimedOut(description: "not within \(limit): \(what)\n\(about())") }
        try await clock.sleep(for: pollInterval)
    }
}

/// A folder of one test, removed with its last user.
final class TemporaryFolder: Sendable {
    /// Set to look at what a test has left.
    static let keepVariable = "AMP4EC_KEEP_TEST_FOLDERS"

    let url: URL

    init() throws {
        url = FileManager.default.temporaryDirectory.appendingPathComponent("amp4ec-cluster-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    }

    deinit {
        if ProcessInfo.processInfo.environment[Self.keepVariable] == nil { try? FileManager.default.removeItem(at: url) }
    }

    func path(_ name: String) -> String { url.appendingPathComponent(name).path }

    func write(_ name: String, _ text: String) throws -> String {
        try write(name, Data(text.utf8))
    }

    func write(_ name: String, _ data: Data) throws -> String {
        try data.write(to: url.appendingPathComponent(name))
        return path(name)
    }
}

/// So many at a time, the others in the order in which they came.
actor Gate {
    /// Each is four processes; with more of them a plan may leave a worker out, for what a starved one was measured at.
    static let clusters = Gate(places: 2)
    /// Commands of tests without a cluster: each reads libtorch from the disk, and a table of them at once would starve the clusters.
    static let commands = Gate(places: 1)

    private var free: Int
    private var waiting: [CheckedContinuation<Void, Never>] = []

    init(places: Int) { free = places }

    nonisolated func through<Result: Sendable>(_ body: () async throws -> Result) async throws -> Result {
        await enter()
        do {
            let result = try await body()
            await leave()
            return result
        } catch {
            await leave()
            throw error
        }
    }

    private func enter() async {
        if free > 0 {
            free -= 1
        } else {
            await withCheckedContinuation { waiting.append($0) }
        }
    }

    private func leave() {
        if waiting.isEmpty {
            free += 1
        } else {
            waiting.removeFirst().resume()
        }
    }
}
