internal import ArgumentParser
internal import Base
internal import Inference
internal import Profiling
internal import Shell
internal import Tensors
internal import Wire

/// The whole model in one process, with which the cluster's figures are compared. It is a part of the command and not a separate program, so
/// that the image and the tarball hold it beside the cluster's programs, with the same libtorch.
struct BaselineCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "baseline",
        abstract: "Measures the whole model in this process, without coordinator or workers.",
        discussion: """
            Requests of --batch items run one after another; with --micro-batch each is cut up, and --executors run parts of it at once. \
            --optimize O0 --default-allocator is the model as PyTorch runs it; O1 with the tuned allocator is what a worker does with its part.
            """)

    @Option(help: ArgumentHelp("TorchScript file.", valueName: "file"))
    var model: String

    @Option(help: ArgumentHelp("Input of a model without a manifest, once for each.", valueName: "spec"))
    var spec: [String] = []

    @Option(help: ArgumentHelp.example)
    var example: String?

    @Option(help: "Items in each request.")
    var batch = 32

    @Option(help: ArgumentHelp("Items that run together; the whole request unless given.", valueName: "items"))
    var microBatch: Int?

    @Option(help: "Micro-batches of a request that run at once, each on a thread of its own.")
    var executors = 1

    @Option(help: "Threads inside one operator.")
    var threads = 1

    @Option(help: ArgumentHelp("O0 runs the model as saved, O1 folds and fuses.", valueName: "level"))
    var optimize = "O1"

    @Flag(help: "Leave malloc as it is; otherwise it is tuned as in a worker.")
    var defaultAllocator = false

    @Option(help: ArgumentHelp("How long to run before measuring.", valueName: "time"))
    var warmUp = Duration.seconds(2)

    @Option(help: ArgumentHelp("How long to measure; the request under way at the end is finished.", valueName: "time"))
    var duration = Duration.seconds(10)

    @Option(help: "Distinct made-up requests that run in turn.")
    var distinct = 4

    @Option(help: ArgumentHelp("Write one JSON line for each request, as `amp4ec bench --timeline` does.", valueName: "file"))
    var timeline: String?

    @Flag(help: "Print the report as JSON.")
    var json = false

    struct Report: Codable {
        var model: String
        var batch: Int
        var microBatch: Int
        var executors: Int
        var threads: Int
        var optimize: String
        var tunedAllocator: Bool
        var loadMs: Double
        var requests: Int
        var itemsPerSecond: Double
        var meanLatencyMs: Double
        var latency: BenchReport.Latency
        var durationSeconds: Double

        enum CodingKeys: String, CodingKey {
            case model, batch, executors, threads, optimize, requests
            case microBatch = "micro_batch"
            case tunedAllocator = "tuned_allocator"
            case loadMs = "load_ms"
            case itemsPerSecond = "items_per_second"
            case meanLatencyMs = "mean_latency_ms"
            case latency = "latency_ms"
            case durationSeconds = "duration_seconds"
        }

        var text: String {
            let number = StatusReport.decimal
            return """
                \(model): requests of \(batch), micro-batches of \(microBatch) on \(executors) executors of \(threads) threads, \(optimize)
                  answered    \(requests) requests in \(number(durationSeconds)) s; loading took \(number(loadMs)) ms
                  throughput  \(number(itemsPerSecond)) items/s
                  latency ms  mean \(number(meanLatencyMs)), p50 \(number(latency.p50)), p95 \(number(latency.p95)), \
                p99 \(number(latency.p99)), max \(number(latency.max))

                """
        }
    }

    private func checkOptions() throws {
        guard batch >= 1, distinct >= 1, executors >= 1 else {
            throw ValidationError("--batch, --distinct and --executors must be at least 1")
        }
        guard (1...batch).contains(microBatch ?? batch) else {
            throw ValidationError("--micro-batch must be between 1 and --batch \(batch), not \(microBatch ?? batch)")
        }
        guard (1...1_024).contains(threads) else { throw ValidationError("--threads takes 1 to 1024, not \(threads)") }
        guard optimize == "O0" || optimize == "O1" else { throw ValidationError("--optimize is O0 or O1, not \(optimize)") }
        guard duration > .zero, warmUp >= .zero else { throw ValidationError("--duration must be above 0, --warm-up not below it") }
    }

    func run() throws {
        try checkUsage(checkOptions)
        do { try TorchEngine.configure(threads: threads, tunesAllocator: !defaultAllocator) } catch {
            throw CommandFailure(.failure, error.message)
        }
        let clock = ContinuousClock()
        let began = clock.now
        let progress = ProgressLine()
        defer { progress.end() }
        let service = try ModelService(
            path: model, inputs: inputSpecs(spec), example: example, level: optimize == "O1" ? .o1 : .o0, choices: .init(),
            progress: { progress.show($0) })
        progress.show("loading the model")
        let whole = try Self.bad {
            try TorchEngine().loadPartition(
                archive: service.model.cut(0..<service.model.layerCount), optimized: optimize == "O1")
        }
        let loadMs = (clock.now - began) / .milliseconds(1)
        let requests = try Self.bad {
            let samples = try service.settledSamples()
            return try (0..<distinct).map { index in
                try BaselineRun.parts(
                    of: samples.make(batch: batch, seed: UInt64(index + 1)), service.manifest.inputs,
                    size: microBatch ?? batch)
            }
        }
        var run = BaselineRun(partition: whole, requests: requests, executors: executors)
        let timeline = try timeline.map { path throws(CommandFailure) in try ReplyTimeline(path: path) }
        // In any case: a module's first runs make its plan of execution.
        for _ in 0..<3 { _ = try Self.bad { try run.next() } }
        let ready = clock.now
        progress.show("warming up for \(warmUp.optionText)")
        while clock.now - ready < warmUp { _ = try Self.bad { try run.next() } }

        timeline?.start(concurrency: 1)
        var latencies: [Double] = []
        let start = clock.now
        while clock.now - start < duration {
            let took = try Self.bad { try run.next() } / .milliseconds(1)
            latencies.append(took)
            progress.update(
                "measuring: \(latencies.count) requests, \((clock.now - start).components.seconds) s of \(duration.optionText)")
            timeline?.add(
                ReplyTimeline.Entry(
                    atMs: (clock.now - start) / .milliseconds(1), client: 0, ok: true, items: batch, latencyMs: took, queueMs: 0,
                    receiveMs: 0, cached: false, replays: 0, retries: 0))
        }
        let seconds = (clock.now - start) / .seconds(1)
        progress.end()
        if let failure = timeline?.failure { throw failure }
        let report = Report(
            model: service.manifest.name, batch: batch, microBatch: microBatch ?? batch, executors: executors, threads: threads,
            optimize: optimize, tunedAllocator: !defaultAllocator, loadMs: loadMs, requests: latencies.count,
            itemsPerSecond: Double(latencies.count * batch) / seconds,
            meanLatencyMs: latencies.reduce(0, +) / Double(max(1, latencies.count)), latency: .init(latencies),
            durationSeconds: seconds)
        if json { try JSONOutput.print(report) } else { StandardStream.output.write(report.text) }
    }

    private static func bad<Value>(_ body: () throws -> Value) throws(CommandFailure) -> Value {
        do { return try body() } catch let failure as CommandFailure { throw failure } catch {
            throw CommandFailure(.badData, "\(error)")
        }
    }
}
