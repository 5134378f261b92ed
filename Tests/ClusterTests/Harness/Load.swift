import AMP4ECClient
import Synchronization
import Tensors

/// Requests without a pause beside what a test does to the cluster; each reply is compared with what the same input gave before.
///
/// ## Concurrency model
/// `Sendable`: the counts are behind a mutex.
final class Load: Sendable {
    struct Counts: Sendable {
        var sent = 0
        var right = 0
        var wrong = 0
        var errors: [ClientError] = []
        var isStopped = false
    }

    static let distinctInputs = 8
    static let items = 8

    private let counts = Mutex(Counts())
    var now: Counts { counts.withLock { $0 } }

    /// Runs the body under load. All that was sent is answered, or has failed, on return.
    static func during(_ client: AMP4ECClient, concurrency: Int = 4, _ body: (Load) async throws -> Void) async throws -> Counts {
        let manifest = try await client.model()
        let inputs = try (0..<distinctInputs).map { try TestInputs.make(manifest, items: items, seed: UInt64($0 + 1)) }
        var expected: [[Tensor]] = []
        for input in inputs { expected.append(try await client.infer(input).outputs) }
        let right = expected
        let load = Load()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<concurrency {
                group.addTask {
                    while let number = load.next() {
                        do throws(ClientError) {
                            let outputs = try await client.infer(inputs[number % distinctInputs]).outputs
                            load.replied(isRight: Comparison.relativeError(outputs, right[number % distinctInputs]) == 0)
                        } catch {
                            load.failed(error)
                        }
                    }
                }
            }
            do {
                try await load.answersGoOn()
                try await body(load)
                try await load.answersGoOn()
            } catch {
                load.stop()
                throw error
            }
            load.stop()
            try await group.waitForAll()
        }
        return load.now
    }

    /// Waits until so many more replies have come than by now.
    func answersGoOn(_ more: Int = 20, within limit: Duration = .seconds(30)) async throws {
        let wanted = now.right + more
        try await eventually("\(more) more replies", within: limit, about: { "\(self.now)" }) { now.right >= wanted }
    }

    private func next() -> Int? {
        counts.withLock { counts in
            guard !counts.isStopped else { return nil }
            counts.sent += 1
            return counts.sent - 1
        }
    }
    private func replied(isRight: Bool) { counts.withLock { if isRight { $0.right += 1 } else { $0.wrong += 1 } } }
    private func failed(_ error: ClientError) { counts.withLock { $0.errors.append(error) } }
    private func stop() { counts.withLock { $0.isStopped = true } }
}

extension Load.Counts {
    /// Every request has its right reply.
    var isClean: Bool { wrong == 0 && errors.isEmpty && right == sent }
}
