internal import AMP4ECClient
internal import Base
internal import Shell
internal import Tensors
internal import Wire

/// What `amp4ec bench` reports. Field names are the contract of `--json`.
struct BenchReport: Codable, Sendable {
    struct Latency: Codable, Sendable {
        var p50: Double
        var p95: Double
        var p99: Double
        var max: Double

        /// Zeros where nothing was measured.
        init(_ milliseconds: [Double]) {
            let sorted = milliseconds.sorted()
            func percentile(_ share: Double) -> Double {
                sorted.isEmpty ? 0 : sorted[min(sorted.count - 1, Int((Double(sorted.count) * share).rounded(.down)))]
            }
            p50 = percentile(0.5)
            p95 = percentile(0.95)
            p99 = percentile(0.99)
            max = sorted.last ?? 0
        }
    }

    var requests: Int
    var errors: Int
    var retries: UInt64
    var itemsPerSecond: Double
    var latency: Latency
    /// Longest time without a reply.
    var longestGapMs: Double
    var mismatches: Int
    var distinctInputs: Int
    var tolerance: Double
    var largestRelativeError: Double
    var durationSeconds: Double
    var replayedMicroBatches: Int
    /// Means over the replies, seen from the coordinator: from admission to the first dispatch, and to the reply.
    var coordinatorQueueMs: Double
    var coordinatorTotalMs: Double
    var meanLatencyMs: Double
    /// Replies from the coordinator's result cache. Of the other figures, only `requests`, `errors`, `mismatches` and the gap count them.
    var cached: Int
    var cachedItemsPerSecond: Double
    var cachedLatency: Latency
    var firstProblem: String?

    enum CodingKeys: String, CodingKey {
        case requests, errors, retries, mismatches, tolerance, cached
        case itemsPerSecond = "items_per_second"
        case latency = "latency_ms"
        case cachedItemsPerSecond = "cached_items_per_second"
        case cachedLatency = "cached_latency_ms"
        case longestGapMs = "longest_gap_ms"
        case distinctInputs = "distinct_inputs"
        case largestRelativeError = "largest_relative_error"
        case durationSeconds = "duration_seconds"
        case replayedMicroBatches = "replayed_micro_batches"
        case coordinatorQueueMs = "coordinator_queue_ms"
        case coordinatorTotalMs = "coordinator_total_ms"
        case meanLatencyMs = "mean_latency_ms"
        case firstProblem = "first_problem"
    }

    /// For people.
    /// - Parameter head: what was sent.
    func text(head: String) -> String {
        let number = StatusReport.decimal
        func figures(_ latency: Latency) -> String {
            "p50 \(number(latency.p50)), p95 \(number(latency.p95)), p99 \(number(latency.p99)), max \(number(latency.max))"
        }
        let answered = Double(requests - errors) / max(durationSeconds, 1e-9)
        var rows = [
            ("answered", "\(requests) requests in \(number(durationSeconds)) s: \(errors) errors, \(mismatches) mismatches"),
            ("throughput", "\(number(itemsPerSecond)) items/s, \(number(answered)) requests/s"),
            ("latency ms", "mean \(number(meanLatencyMs)), \(figures(latency))"),
            (
                "coordinator ms",
                "until the first dispatch \(number(coordinatorQueueMs)), until the reply \(number(coordinatorTotalMs)) (means)"
            ),
            ("longest gap ms", "\(number(longestGapMs)) without a reply"),
            ("largest error", "\(largestRelativeError) (relative; right up to \(tolerance))"),
        ]
        if cached > 0 {
            rows.append(
                (
                    "from the cache",
                    "\(cached) replies, \(number(cachedItemsPerSecond)) items/s, latency ms \(figures(cachedLatency))"
                ))
        }
        if retries > 0 || replayedMicroBatches > 0 {
            rows.append(("again", "\(retries) requests by the client, \(replayedMicroBatches) micro-batches by the coordinator"))
        }
        if let firstProblem { rows.append(("first problem", firstProblem)) }
        var table = TextTable(["", ""])
        for (name, value) in rows { table.add([name, value]) }
        return ([head] + table.lines.dropFirst().map { "  " + $0 }).joined(separator: "\n") + "\n"
    }
}

/// One measurement: `concurrency` requests outstanding until the time or the count is reached.
///
/// ## Concurrency model
/// An actor: the tasks that wait for replies hand their outcomes to it.
actor BenchRun {
    private let client: AMP4ECClient
    private let workload: Workload
    private let tolerance: Double
    private let clock = ContinuousClock()
    private var random: UInt64
    private var issued = 0
    private var latencies: [Double] = []
    private var cachedLatencies: [Double] = []
    private var errors = 0
    private var mismatches = 0
    private var replays = 0
    private var queueMs = 0.0
    private var totalMs = 0.0
    private var largestError = 0.0
    private var firstReplies: [Int: [Tensor]] = [:]
    private var firstProblem: String?
    private var lastReply: ContinuousClock.Instant
    private var longestGap: Duration = .zero
    private let timeline: ReplyTimeline?
    private let progress = ProgressLine()
    private var start: ContinuousClock.Instant
    private var isStopped = false

    /// - Parameter timelinePath: where each reply is written down as it comes.
    init(client: AMP4ECClient, workload: Workload, tolerance: Double, seed: UInt64, timelinePath: String?) throws(CommandFailure) {
        self.client = client
        self.workload = workload
        self.tolerance = tolerance
        random = seed
        start = clock.now
        lastReply = start
        timeline = try timelinePath.map { path throws(CommandFailure) in try ReplyTimeline(path: path) }
    }

    /// What went wrong with the timeline's file.
    var timelineFailure: CommandFailure? { timeline?.failure }

    /// Sends no more requests, and waits for those that are under way.
    func stop() { isStopped = true }

    func run(concurrency: Int, duration: Duration?, requests: Int?) async -> BenchReport {
        start = clock.now
        lastReply = start
        timeline?.start(concurrency: concurrency)
        let end = duration.map { start.advanced(by: $0) }
        await withTaskGroup(of: Void.self) { group in
            for number in 0..<concurrency { group.addTask { await self.worker(number, until: end, limit: requests) } }
        }
        let elapsed = clock.now - start
        progress.end()
        let seconds = Double(elapsed.components.seconds) + Double(elapsed.components.attoseconds) / 1e18
        let count = Double(max(1, latencies.count))
        func rate(_ replies: Int) -> Double { Double(replies * workload.batchSize) / max(seconds, 1e-9) }
        return BenchReport(
            requests: issued, errors: errors, retries: await client.retries(),
            itemsPerSecond: rate(latencies.count), latency: .init(latencies),
            longestGapMs: Self.milliseconds(longestGap), mismatches: mismatches, distinctInputs: workload.batches.count,
            tolerance: tolerance, largestRelativeError: largestError, durationSeconds: seconds, replayedMicroBatches: replays,
            coordinatorQueueMs: queueMs / count, coordinatorTotalMs: totalMs / count, meanLatencyMs: latencies.reduce(0, +) / count,
            cached: cachedLatencies.count, cachedItemsPerSecond: rate(cachedLatencies.count), cachedLatency: .init(cachedLatencies),
            firstProblem: firstProblem)
    }

    private func worker(_ number: Int, until end: ContinuousClock.Instant?, limit: Int?) async {
        while let index = next(until: end, limit: limit) {
            let began = clock.now
            do throws(ClientError) {
                let result = try await client.infer(workload.batches[index].inputs)
                let arrival = clock.now
                let problem = finished(index, result, took: arrival - began)
                await note(arrival, of: number, took: arrival - began, timing: result.timing, problem)
            } catch {
                let arrival = clock.now
                await note(arrival, of: number, took: arrival - began, timing: nil, failed(error))
            }
        }
    }

    /// Writes the reply into the timeline where there is one.
    private func note(
        _ arrival: ContinuousClock.Instant, of number: Int, took: Duration, timing: RequestTiming?, _ problem: String?
    ) async {
        let seconds = (arrival - start).components.seconds
        progress.update("\(issued) requests sent, \(errors) errors, \(mismatches) mismatches, \(seconds) s")
        guard let timeline else { return }
        let retries = await client.retries()
        timeline.add(
            ReplyTimeline.Entry(
                atMs: Self.milliseconds(arrival - start), client: number, ok: problem == nil, items: workload.batchSize,
                latencyMs: Self.milliseconds(took), queueMs: Double(timing?.queue ?? 0) / 1e6,
                receiveMs: Double(timing?.receive ?? 0) / 1e6,
                cached: timing?.isCached ?? false, replays: Int(timing?.replays ?? 0), retries: retries, problem: problem))
    }

    /// The next batch, or `nil` at the end.
    private func next(until end: ContinuousClock.Instant?, limit: Int?) -> Int? {
        if isStopped { return nil }
        if let end, clock.now >= end { return nil }
        if let limit, issued >= limit { return nil }
        issued += 1
        // Each batch once first, so that all have a first reply; then at random.
        if issued <= workload.batches.count { return issued - 1 }
        random = random &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return Int((random >> 33) % UInt64(workload.batches.count))
    }

    /// - Returns: what is wrong with the reply, if anything.
    private func finished(_ index: Int, _ result: InferenceResult, took: Duration) -> String? {
        longestGap = max(longestGap, clock.now - lastReply)
        lastReply = clock.now
        if result.timing.isCached {
            cachedLatencies.append(Self.milliseconds(took))
        } else {
            latencies.append(Self.milliseconds(took))
            replays += Int(result.timing.replays)
            queueMs += Double(result.timing.queue) / 1e6
            totalMs += Double(result.timing.total) / 1e6
        }
        let expected = workload.batches[index].expected ?? firstReplies[index]
        guard let expected else {
            firstReplies[index] = result.outputs
            return nil
        }
        let error = Comparison.relativeError(result.outputs, expected)
        largestError = max(largestError, error)
        guard error > tolerance else { return nil }
        mismatches += 1
        let problem = "a reply to input \(index) is off by \(error) (relative; right up to \(tolerance), see --tolerance)"
        if firstProblem == nil { firstProblem = problem }
        return problem
    }

    private func failed(_ error: ClientError) -> String {
        errors += 1
        let problem = error.message
        if firstProblem == nil { firstProblem = problem }
        return problem
    }

    private static func milliseconds(_ duration: Duration) -> Double {
        Double(duration.components.seconds) * 1e3 + Double(duration.components.attoseconds) / 1e15
    }
}
