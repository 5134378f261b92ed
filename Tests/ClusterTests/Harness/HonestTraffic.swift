import AMP4ECClient
import Synchronization
import Tensors

/// Requests of a client that keeps to the rules, beside what a rogue does: each reply is compared, row by row, with what the whole model gives
/// in one process.
///
/// ## Concurrency model
/// `Sendable`: the counts are behind a mutex.
final class HonestTraffic: Sendable {
    struct Counts: Sendable {
        var sent = 0
        var right = 0
        var wrong = 0
        var errors: [ClientError] = []
        var isPaused = false
        var isStopped = false
        var isIdle: Bool { sent == right + wrong + errors.count }
    }

    static let distinctInputs = 8
    static let items = 6
    static let concurrency = 2
    /// Rounding of another cut or micro-batch, far below what another row or request would differ by.
    static let tolerance = 1e-4
    /// Between two requests of one of its tasks: the rogue is to be heard beside it.
    private static let pause: Duration = .milliseconds(5)

    let manifest: ModelManifest
    let inputs: [[Tensor]]
    let expected: [[Tensor]]
    private let client: AMP4ECClient
    private let counts = Mutex(Counts())
    private let tasks = Mutex<[Task<Void, Never>]>([])

    var now: Counts { counts.withLock { $0 } }

    private init(client: AMP4ECClient, manifest: ModelManifest, inputs: [[Tensor]], expected: [[Tensor]]) {
        self.client = client
        self.manifest = manifest
        self.inputs = inputs
        self.expected = expected
    }

    /// Requests go on until ``stop()``.
    static func start(_ model: String, at cluster: TestCluster) async throws -> HonestTraffic {
        let client = try cluster.client()
        let manifest = try await client.model()
        let inputs = try (0..<distinctInputs).map { try TestInputs.make(manifest, items: items, seed: UInt64($0 + 1)) }
        let joined = try Batching.join(inputs, manifest.inputs)
        let whole = try await Reference.outputs(model: model, manifest: manifest, joined, batch: items, in: cluster.folder)
        let expected = try inputs.indices.map { try Batching.slice(whole, manifest.outputs, $0 * items..<($0 + 1) * items) }
        let traffic = HonestTraffic(client: client, manifest: manifest, inputs: inputs, expected: expected)
        traffic.tasks.withLock { tasks in
            for _ in 0..<concurrency { tasks.append(Task { await traffic.run() }) }
        }
        return traffic
    }

    private func run() async {
        while !now.isStopped {
            let number = counts.withLock { counts -> Int? in
                guard !counts.isPaused else { return nil }
                counts.sent += 1
                return counts.sent - 1
            }
            if let number {
                let index = number % Self.distinctInputs
                do throws(ClientError) {
                    let isRight = isRight(try await client.infer(inputs[index]).outputs, index)
                    counts.withLock { if isRight { $0.right += 1 } else { $0.wrong += 1 } }
                } catch {
                    counts.withLock { $0.errors.append(error) }
                }
            }
            try? await Task.sleep(for: Self.pause)
        }
    }

    func isRight(_ outputs: [Tensor], _ index: Int) -> Bool {
        // Row by row, so that a small row is not judged by a large one's magnitude.
        (0..<Self.items).allSatisfy { row in
            guard let actual = try? Batching.slice(outputs, manifest.outputs, row..<row + 1),
                let right = try? Batching.slice(expected[index], manifest.outputs, row..<row + 1)
            else { return false }
            return Comparison.relativeError(actual, right) <= Self.tolerance
        }
    }

    /// Waits for more right replies than there are now.
    func goesOn(_ more: Int = 8, within limit: Duration = .seconds(10)) async throws {
        let wanted = now.right + more
        try await eventually("\(more) more replies to honest requests", within: limit, about: { "\(self.now)" }) {
            now.right >= wanted
        }
    }

    /// Returns when no request is outstanding; none is sent until ``resume()``.
    func pause() async throws {
        counts.withLock { $0.isPaused = true }
        try await eventually("honest requests are answered", within: .seconds(20), about: { "\(self.now)" }) { now.isIdle }
    }

    func resume() { counts.withLock { $0.isPaused = false } }

    /// Ends it; what is outstanding is cancelled.
    func stop() async {
        counts.withLock { $0.isStopped = true }
        client.close()
        for task in tasks.withLock({ $0 }) { await task.value }
    }
}
