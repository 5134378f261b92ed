internal import ArgumentParser
internal import Base
internal import Inference
internal import Loops
internal import Planning
internal import Profiling
internal import Shell
internal import Tensors
internal import Wire

/// Measures a model in one process: what every distributed figure is compared with. Prints one JSON object.
@main
struct EngineBench: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "engine-bench", abstract: "Measures a model in one process, with the allocator tuned as in a worker.")

    @Option(help: "TorchScript file.")
    var model: String

    @Option(help: "Items that run at once.")
    var batch = 4

    @Option(help: "Threads inside one operator.")
    var threads = 1

    @Option(help: "Runs at the same time, each on a thread of its own.")
    var executors = 1

    @Option(help: "O0 or O1.")
    var optimize = "O1"

    @Option(help: "How long each measurement takes.")
    var duration = Duration.seconds(5)

    @Option(help: "With more than 1: also this many partitions in a row, alternating with the whole.")
    var partitions = 1

    @Flag(help: "Leave malloc as it is.")
    var defaultAllocator = false

    private struct Report: Encodable {
        var model: String
        var batch: Int
        var threads: Int
        var executors: Int
        var optimize: String
        var tunedAllocator: Bool
        var itemsPerSecond: Double
        var wholeMs: Double?
        var partitionsMs: Double?
        var partitionsByWhole: Double?

        enum CodingKeys: String, CodingKey {
            case model, batch, threads, executors, optimize
            case tunedAllocator = "tuned_allocator"
            case itemsPerSecond = "items_per_second"
            case wholeMs = "whole_ms"
            case partitionsMs = "partitions_ms"
            case partitionsByWhole = "partitions_by_whole"
        }
    }

    func run() throws {
        try TorchEngine.configure(threads: threads, tunesAllocator: !defaultAllocator)
        let isOptimized = optimize == "O1"
        let service = try ModelService(path: model, inputs: [], level: isOptimized ? .o1 : .o0, choices: .init(microBatch: batch))
        let prepared = try service.prepare()
        let inputs = try service.samples.make(batch: batch)
        let whole = try TorchEngine().loadPartition(
            archive: service.model.cut(0..<service.model.layerCount), optimized: isOptimized)
        var report = Report(
            model: service.manifest.name, batch: batch, threads: threads, executors: executors, optimize: optimize,
            tunedAllocator: !defaultAllocator, itemsPerSecond: try throughput(of: whole, inputs))
        if partitions > 1 {
            let nodes = (0..<partitions).map {
                PlanningNode(id: NodeID("n\($0)"), effectiveCores: 1, freeMemory: .mebibytes(1 << 16))
            }
            let plan = try Planner.plan(PlanRequest(profile: prepared.profile, nodes: nodes))
            let parts = try plan.stages.map {
                try TorchEngine().loadPartition(archive: service.model.cut($0.layers.indices), optimized: isOptimized)
            }
            let (wholeMs, partsMs) = try alternate(whole, parts, inputs)
            report.wholeMs = wholeMs
            report.partitionsMs = partsMs
            report.partitionsByWhole = partsMs / wholeMs
        }
        try JSONOutput.print(report)
    }

    private func throughput(of partition: any LoadedPartition, _ inputs: [Tensor]) throws -> Double {
        for _ in 0..<3 { _ = try partition.run(inputs) }
        let queue = try TaskQueue(name: "bench", threadCount: executors, capacity: executors)
        let start = Instant.current()
        let end = start + duration
        let counts = RunCounts()
        for _ in 0..<executors {
            _ = queue.submit {
                var runs = 0
                while Instant.current() < end {
                    guard (try? partition.run(inputs)) != nil else { break }
                    runs += 1
                }
                counts.add(runs)
            }
        }
        queue.shutDown()
        let elapsed = Instant.current() - start
        return Double(counts.total * batch) / (elapsed / .seconds(1))
    }

    /// Medians of runs that alternate, so that what slows the machine slows both.
    private func alternate(_ whole: any LoadedPartition, _ parts: [any LoadedPartition], _ inputs: [Tensor]) throws -> (
        Double, Double
    ) {
        var wholeMs: [Double] = []
        var partsMs: [Double] = []
        let end = Instant.current() + duration
        while Instant.current() < end || wholeMs.count < 5 {
            let first = Instant.current()
            _ = try whole.run(inputs)
            let second = Instant.current()
            var values = inputs
            for part in parts { values = try part.run(values) }
            let third = Instant.current()
            wholeMs.append((second - first) / .milliseconds(1))
            partsMs.append((third - second) / .milliseconds(1))
        }
        return (wholeMs.sorted()[wholeMs.count / 2], partsMs.sorted()[partsMs.count / 2])
    }
}
