internal import AMP4ECClient
internal import ArgumentParser
internal import Inference
internal import Cluster
internal import Planning
internal import Profiling
internal import Shell
internal import Wire
internal import Tensors

struct PlanCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "plan", abstract: "Shows how a model would be partitioned, without deploying anything.",
        discussion: """
            Offline: --model FILE.pt --nodes 1.0:1GiB,0.6:512MiB (cores and memory of each node; this machine's core is the reference).
            Live: --coordinator ADDR shows the plan that serves.
            """)

    @Option(help: ArgumentHelp("TorchScript file to plan for.", valueName: "file"))
    var model: String?

    @Option(help: ArgumentHelp("Input of a model without a manifest, once for each.", valueName: "spec"))
    var spec: [String] = []

    @Option(help: ArgumentHelp("Nodes as CORES:MEMORY, separated by commas.", valueName: "nodes"))
    var nodes: String?

    @Option(help: "How the model is partitioned.")
    var strategy = PlanStrategy.optimal

    @Option(help: "pipeline: one partition for each node; auto: any mix.")
    var shape = PlanShape.pipeline

    @Option(help: "What a plan is to be good at.")
    var objective = PlanObjective.throughput

    @Option(help: "What a layer costs.")
    var cost = CostModel.profiled

    @Option(help: ArgumentHelp("Items that travel together.", valueName: "items"))
    var microBatch = ModelService.automaticMicroBatch

    @Flag(help: "Every strategy and shape side by side.")
    var compare = false

    @Flag(help: "Print one JSON object.")
    var json = false

    @OptionGroup var connection: ClientOptions

    mutating func validate() throws {
        guard (model == nil) == (nodes == nil) else {
            throw ValidationError("--model and --nodes go together; without both, a coordinator is asked")
        }
        guard microBatch >= 1, microBatch <= 4_096 else { throw ValidationError("--micro-batch takes 1 to 4096") }
    }

    func run() async throws {
        guard let model, let nodes else { return try await runLive() }
        do { try TorchEngine.configure(threads: 1) } catch { throw CommandFailure(.failure, error.message) }
        let specs: [TensorSpec]
        do { specs = try spec.map { text throws(TensorError) in try TensorSpec(parsing: text) } } catch {
            throw CommandFailure(.usage, "\(error)")
        }
        let members = try NodeList.parse(nodes)
        let service = try ModelService(
            path: model, inputs: specs, level: .o1,
            choices: .init(strategy: strategy, shape: shape, objective: objective, cost: cost, microBatch: microBatch))
        do { _ = try service.prepare() } catch { throw CommandFailure(.badData, "\(model): \(error)") }
        let strategies = compare ? PlanStrategy.allCases : [strategy]
        let shapes = compare ? PlanShape.allCases : [shape]
        var plans: [Plan] = []
        for strategy in strategies {
            for shape in shapes {
                do { plans.append(try service.refinedPlan(nodes: members, strategy: strategy, shape: shape)) } catch {
                    guard compare else { throw CommandFailure(.failure, "\(error)") }
                    StandardStream.error.writeLine("\(strategy.rawValue), \(shape.rawValue): \(error)")
                }
            }
        }
        if json {
            try JSONOutput.print(Report(model: service.manifest.name, plans: plans))
        } else {
            StandardStream.output.write(plans.map(PlanReport.text).joined(separator: "\n"))
        }
    }

    private struct Report: Encodable {
        var model: String
        var plans: [Plan]
    }

    private func runLive() async throws {
        let client = try connection.makeClient()
        defer { client.close() }
        let status = try await reporting { () throws(ClientError) in try await client.status() }
        guard let plan = status.plan else { throw CommandFailure(.failure, "no plan serves: \(status.cause ?? status.state)") }
        if json {
            try JSONOutput.print(plan)
        } else {
            StandardStream.output.write(StatusReport.text(status))
        }
    }
}

/// `--nodes 1.0:1GiB,0.6:512MiB`.
enum NodeList {
    static func parse(_ text: String) throws(CommandFailure) -> [PlanningNode] {
        var nodes: [PlanningNode] = []
        for (index, part) in text.split(separator: ",", omittingEmptySubsequences: false).enumerated() {
            let fields = part.split(separator: ":", omittingEmptySubsequences: false)
            guard fields.count == 2, let cores = Double(fields[0]), cores > 0, cores.isFinite else {
                throw CommandFailure(.usage, "--nodes: \"\(part)\" is not CORES:MEMORY, such as 0.6:512MiB")
            }
            let memory: ByteSize
            do { memory = try ByteSize(parsing: fields[1]) } catch { throw CommandFailure(.usage, "--nodes: \(error.message)") }
            nodes.append(PlanningNode(id: NodeID("node\(index + 1)"), effectiveCores: cores, freeMemory: ByteCount(memory.bytes)))
        }
        return nodes
    }
}

/// A plan for people.
enum PlanReport {
    static func text(_ plan: Plan) -> String {
        var table = TextTable(["stage", "layers", "nodes", "ms", "interval ms", "weights", "memory", "bytes in"])
        for (index, stage) in plan.stages.enumerated() {
            table.add([
                "\(index)", stage.layers.description, stage.replicas.map(\.description).joined(separator: " "),
                StatusReport.decimal(stage.predictedMilliseconds), StatusReport.decimal(stage.intervalMilliseconds),
                stage.parameterBytes.description, stage.residentBytes.description, stage.inputBytes.description,
            ])
        }
        var lines = [
            "\(plan.strategy.rawValue), \(plan.shape.rawValue), cost \(plan.costModel.rawValue), micro-batches of \(plan.microBatch):"
        ]
        lines += table.lines
        lines.append(
            "predicted: \(StatusReport.decimal(plan.itemsPerSecond)) items/s, latency \(StatusReport.decimal(plan.latencyMilliseconds)) ms, "
                + "bottleneck \(StatusReport.decimal(plan.bottleneckMilliseconds)) ms, balance \(StatusReport.decimal(plan.balance))"
        )
        if let single = plan.singleBestNode {
            lines.append(
                "the whole model on \(single.node) alone: \(StatusReport.decimal(single.itemsPerSecond)) items/s, "
                    + "latency \(StatusReport.decimal(single.latencyMilliseconds)) ms")
        }
        lines += plan.reasons.map { "- \($0)" }
        return lines.joined(separator: "\n") + "\n"
    }
}
