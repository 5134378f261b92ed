internal import AMP4ECClient
internal import ArgumentParser
internal import Dispatch
internal import Glibc
internal import Shell
internal import Tensors

struct BenchCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench",
        abstract: "Sends requests as fast as they are answered, checks every reply, and reports throughput and latency.",
        discussion: """
            A reply is right when it is within --tolerance (largest difference by largest magnitude) of the reference: the items' rows of \
            --verify, else the first reply to the same input. Replies from the coordinator's result cache (--result-cache) are counted and \
            timed apart: cached, cached_items_per_second, cached_latency_ms.

            SIGINT (Ctrl-C) ends it early: what is under way is waited for, and the report is printed. A second one ends it at once.

            Exit: 0 all right, 1 errors or mismatches, 64 wrong usage, 65 a file that cannot be used, 69 no coordinator answers.
            """)

    @OptionGroup var connection: ClientOptions

    @Option(help: "Items in each request.")
    var batch = 8

    @Option(help: "Requests outstanding at once.")
    var concurrency = 4

    @Option(help: ArgumentHelp("How long to send; requests under way at the end are waited for.", valueName: "time"))
    var duration: Duration?

    @Option(help: "How many requests to send, instead of --duration.")
    var requests: Int?

    @Option(
        help: ArgumentHelp(
            "Items to draw batches from: .npy, or .npz with one array for each input; made up without it.", valueName: "file"))
    var input: String?

    @Option(help: ArgumentHelp("Reference outputs of those items, from `amp4ec reference`.", valueName: "file"))
    var verify: String?

    @Option(help: "Distinct batches that are sent in turn.")
    var distinct = 16

    @Option(help: "Chooses which items make a batch, and made-up items.")
    var seed: UInt64 = 1

    @Option(help: "Largest relative error of a right reply (default: 0.0001; 0.01 where an output is float16).")
    var tolerance: Double?

    @Option(
        help: ArgumentHelp(
            "Write one JSON line for each reply as it comes: at_ms since the start on a monotonic clock, client, ok, items, latency_ms, "
                + "queue_ms (the coordinator's, until the first dispatch), receive_ms (of that, until it had the inputs), cached, replays, "
                + "retries (the client's so far), problem. The first line has the start: started_unix_ms.",
            valueName: "file"))
    var timeline: String?

    @Flag(help: "Print the report as JSON.")
    var json = false

    @Flag(help: "With --json: the report for people as well, on stderr.")
    var verbose = false

    private func checkOptions() throws {
        guard batch >= 1, concurrency >= 1, distinct >= 1 else {
            throw ValidationError("--batch, --concurrency and --distinct must be at least 1")
        }
        if let duration, duration <= .zero { throw ValidationError("--duration must be above 0") }
        guard (duration == nil) != (requests == nil) else { throw ValidationError("give one of --duration and --requests") }
        if let requests, requests < 1 { throw ValidationError("--requests must be at least 1") }
        guard verify == nil || input != nil else {
            throw ValidationError("--verify needs the --input that the reference was made from")
        }
        if let tolerance, !(tolerance >= 0) { throw ValidationError("--tolerance must be 0 or more") }
    }

    func run() async throws {
        try checkUsage(checkOptions)
        let manifest = try await connection.model()
        // From here on the coordinator may be away for a while, as long as the deadlines are kept.
        let client = try connection.makeClient(patience: nil)
        defer { client.close() }
        let workload = try Workload(
            manifest: manifest, input: input, reference: verify, batch: batch, distinct: distinct, seed: seed)
        let run = try BenchRun(
            client: client, workload: workload, tolerance: tolerance ?? Self.tolerance(for: manifest), seed: seed,
            timelinePath: timeline)
        let interrupts = Self.stopOnInterrupt(run)
        defer { interrupts.cancel() }
        let report = await run.run(concurrency: concurrency, duration: duration, requests: requests)
        let text = report.text(
            head: "\(manifest.name): requests of \(batch), \(concurrency) at once, \(workload.batches.count) distinct ones")
        if json {
            try JSONOutput.print(report)
            if verbose { StandardStream.error.write(text) }
        } else {
            StandardStream.output.write(text)
        }
        if let failure = await run.timelineFailure { throw failure }
        guard report.errors == 0, report.mismatches == 0 else {
            throw CommandFailure(
                .failure,
                "errors: \(report.errors), mismatches: \(report.mismatches)"
                    + (report.firstProblem.map { "; the first: \($0)" } ?? ""))
        }
    }

    /// Some units in the last place of the coarsest output.
    private static func tolerance(for manifest: ModelManifest) -> Double {
        manifest.outputs.contains { $0.dtype == .float16 } ? 1e-2 : 1e-4
    }

    private static func stopOnInterrupt(_ run: BenchRun) -> any DispatchSourceSignal {
        signal(SIGINT, SIG_IGN)
        let interrupts = DispatchSource.makeSignalSource(signal: SIGINT, queue: .global())
        interrupts.setEventHandler {
            signal(SIGINT, SIG_DFL)
            Task { await run.stop() }
        }
        interrupts.resume()
        return interrupts
    }
}
