internal import FoundationEssentials
internal import Glibc
internal import Shell

/// The file of `bench --timeline`: one JSON line for each reply, with the time when it came. A test that injects faults can see in it what
/// each fault did to the replies.
///
/// ## Concurrency model
/// Owned by the ``BenchRun`` actor.
final class ReplyTimeline {
    /// The first line: it connects the monotonic times with the times in the logs.
    struct Start: Codable {
        var startedUnixMs: Double
        var concurrency: Int
        enum CodingKeys: String, CodingKey {
            case startedUnixMs = "started_unix_ms"
            case concurrency
        }
    }

    struct Entry: Codable {
        /// Milliseconds from the start to the reply, on a clock that is never set.
        var atMs: Double
        /// Which of the clients that ask at once, from 0: each asks again when it has its reply.
        var client: Int
        /// A right reply; otherwise `problem` says what came instead.
        var ok: Bool
        var items: Int
        var latencyMs: Double
        /// From the coordinator's admission to the first dispatch; 0 where there is no right reply.
        var queueMs: Double
        /// The part of it until the coordinator had the inputs.
        var receiveMs: Double
        /// From the coordinator's result cache.
        var cached: Bool
        /// Micro-batches of this request that were sent again.
        var replays: Int
        /// Requests that the client has sent again, since the start.
        var retries: UInt64
        var problem: String?

        enum CodingKeys: String, CodingKey {
            case atMs = "at_ms"
            case latencyMs = "latency_ms"
            case queueMs = "queue_ms"
            case receiveMs = "receive_ms"
            case client, ok, items, cached, replays, retries, problem
        }
    }

    private let path: String
    private let descriptor: Int32
    /// The first line that could not be written.
    private(set) var failure: CommandFailure?

    /// - Throws: ``CommandFailure`` with the path and the system's reason where the file cannot be made.
    init(path: String) throws(CommandFailure) {
        descriptor = try FileBytes.create(path, describedAs: "--timeline: \(path)")
        self.path = path
    }

    deinit { close(descriptor) }

    func start(concurrency: Int) { write(Start(startedUnixMs: Date().timeIntervalSince1970 * 1e3, concurrency: concurrency)) }

    func add(_ entry: Entry) { write(entry) }

    private func write(_ line: some Encodable) {
        guard failure == nil else { return }
        do {
            guard let problem = FileBytes.write(try JSONOutput.text(line) + "\n", to: descriptor) else { return }
            failure = CommandFailure(
                .badData, "--timeline: \(path): it cannot be written (\(String(cString: strerror(problem)))); check the free space")
        } catch {
            failure = CommandFailure(.failure, "--timeline: \(error)")
        }
    }
}
