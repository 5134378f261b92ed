internal import AMP4ECClient
internal import ArgumentParser
internal import Base
internal import Cluster
internal import Inference
internal import Planning
internal import Profiling
internal import Shell
internal import Tensors
internal import Wire

struct PlanCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "plan", abstract: "Shows how a model would be partitioned, without deploying anything.",
        discussion: """
            Offline: --model FILE.pt --nodes 1.0:1GiB,0.6:512MiB (cores and memory of each node; this machine's core is the reference).
            A node may have a name: edge=0.6:512MiB.
            Live: --coordinator ADDR shows the plan that serves; with --model as well, the model is planned over its ready workers.
            """)

    @Option(help: ArgumentHelp("TorchScript file to plan for.", valueName: "file"))
    var model: String?

    @Option(help: ArgumentHelp("Input of a model without a manifest, once for each.", valueName: "spec"))
    var spec: [String] = []

    /// What `--spec` was called.
    @Option(name: .customLong("input"), help: .hidden)
    var oldSpec: [String] = []

    @Option(help: ArgumentHelp.example)
    var example: String?

    @Option(help: ArgumentHelp("Nodes as [NAME=]CORES:MEMORY, separated by commas.", valueName: "nodes"))
    var nodes: String?

    @Option(help: ArgumentHelp("Bytes per second between any two machines (default: Gigabit Ethernet).", valueName: "size"))
    var bandwidth: ByteCount?

    @Option(help: ArgumentHelp("One way's latency between any two machines.", valueName: "time"))
    var latency: Duration?

    @Option(help: ArgumentHelp("A node's fixed stage as NAME=STAGE, stages from 0; once for each.", valueName: "pin"))
    var pin: [String] = []

    @Option(help: ArgumentHelp("Plan without this node: what would take over if it were lost.", valueName: "node"))
    var without: [String] = []

    @Option(help: "How the model is partitioned.")
    var strategy = PlanStrategy.optimal

    @Option(help: "pipeline: one partition for each node; auto: any mix of stages and replicas.")
    var shape = PlanShape.pipeline

    @Option(help: "What a plan is to be good at.")
    var objective = PlanObjective.throughput

    @Option(help: "What a layer costs.")
    var cost = CostModel.profiled

    @Option(
        help: ArgumentHelp("Items that travel together, a number; the planner decides where it is not given.", valueName: "items"))
    var microBatch: Int?

    @Flag(help: "Each strategy, shape and cost side by side.")
    var compare = false

    @Flag(help: "The layers with their costs and the cuts.")
    var layers = false

    @Option(help: ArgumentHelp("Draw the plan into this file.", valueName: "file"))
    var svg: String?

    @Flag(help: "Print one JSON object.")
    var json = false

    @OptionGroup var connection: ClientOptions

    private func checkOptions() throws {
        guard oldSpec.isEmpty else {
            throw ValidationError(
                "--input is an old name: --spec name:float32[N,…] declares an input, and --example names a file with inputs")
        }
        guard model != nil || nodes == nil else { throw ValidationError("--nodes needs --model: which model is to be planned?") }
        if model == nil, let option = optionOfNewPlan { throw ValidationError("\(option) is for a new plan: it needs --model") }
        if nodes != nil, let option = connection.given {
            throw ValidationError("\(option) has no effect with --nodes, which says what to plan for; leave one of them out")
        }
        if let microBatch, !(1...4_096).contains(microBatch) { throw ValidationError("--micro-batch takes 1 to 4096") }
    }

    /// One that was given and says something of a plan that is to be made.
    private var optionOfNewPlan: String? {
        if !spec.isEmpty { return "--spec" }
        if example != nil { return "--example" }
        if bandwidth != nil { return "--bandwidth" }
        if latency != nil { return "--latency" }
        if !pin.isEmpty { return "--pin" }
        if !without.isEmpty { return "--without" }
        if microBatch != nil { return "--micro-batch" }
        if compare { return "--compare" }
        if layers { return "--layers" }
        return svg == nil ? nil : "--svg"
    }

    func run() async throws {
        try checkUsage(checkOptions)
        guard let model else { return try await showServing() }
        if let svg { try FileBytes.checkFolder(of: svg) }
        var request = try await nodesAndLinks()
        request.objective = objective
        request.costModel = cost
        request.strategy = strategy
        request.shape = shape
        do { try TorchEngine.configure(threads: 1) } catch { throw CommandFailure(.failure, error.message) }
        let progress = ProgressLine()
        defer { progress.end() }
        let service = try ModelService(
            path: model, inputs: inputSpecs(spec), example: example, level: .o1,
            choices: .init(strategy: strategy, shape: shape, objective: objective, cost: cost, microBatch: microBatch),
            checking: .ownProgram, progress: { progress.show($0) })
        let prepared: ModelService.Prepared
        do { prepared = try service.prepare() } catch { throw CommandFailure(.badData, "\(model): \(error)") }
        request.profile = prepared.profile
        progress.end()
        ModelNotes.write(service)
        if microBatch == nil, prepared.served.batching == .splittable {
            let others = ModelService.microBatchChoices.filter { $0 != prepared.microBatch }
            request.otherProfiles = others.compactMap { try? service.profile(microBatch: $0) }
        }
        let planned = try planned(request, service)
        progress.end()
        try report(planned, name: service.manifest.name)
    }

    /// What was asked for, planned: the size of the micro-batch first, since measurements are made at it.
    private func planned(_ original: PlanRequest, _ service: ModelService) throws -> PlanReport {
        var request = original
        var sizeReason: String?
        do {
            if !request.otherProfiles.isEmpty {
                let first = try Planner.plan(request)
                sizeReason = first.reasons.last { $0.hasPrefix("micro-batches of") }
                let profiles = [request.profile] + request.otherProfiles
                request.profile = profiles.first { $0.batch == first.microBatch } ?? request.profile
                request.otherProfiles = []
            }
            let refined = try service.refined(request)
            request.profile = refined.profile
            var plan = refined.plan
            if let sizeReason { plan.reasons.append(sizeReason) }
            return PlanReport(request: request, plan: plan, alternatives: compare ? PlanComparison(request).rows : nil)
        } catch let error as PlanningError {
            throw CommandFailure(.failure, error.message)
        }
    }

    private func report(_ report: PlanReport, name: String) throws {
        if let svg { try FileBytes.write(PlanPicture(report.plan, report.request, title: name).text, toFile: svg) }
        if json {
            try JSONOutput.print(report.document(model: name, withLayers: layers), convertsKeys: true)
        } else {
            StandardStream.output.write(report.text(withLayers: layers))
        }
    }

    /// The request's nodes, links and pins; the model comes later.
    private func nodesAndLinks() async throws -> PlanRequest {
        var members: [PlanningNode]
        var links = LinkTable()
        if let nodes {
            members = try NodeList.parse(nodes)
        } else {
            let client = try connection.makeClient(alternative: "say which nodes to plan for: --nodes 1.0:1GiB,0.6:512MiB")
            defer { client.close() }
            let status = try await reporting { () throws(ClientError) in try await client.status() }
            (members, links) = LiveNodes.read(status)
        }
        if let bandwidth { links.common.bandwidthBytesPerSecond = Double(bandwidth.bytes) }
        if let latency { links.common.latencyMs = latency / .milliseconds(1) }
        var pinned: Set<NodeID> = []
        for text in pin {
            let fields = text.split(separator: "=", omittingEmptySubsequences: false)
            guard fields.count == 2, let stage = Int(fields[1]), stage >= 0,
                let index = members.firstIndex(where: { $0.id.name == fields[0] })
            else {
                throw CommandFailure(
                    .usage, "--pin: \"\(text)\" is not NAME=STAGE with one of the nodes \(NodeList.names(members))")
            }
            guard pinned.insert(members[index].id).inserted else {
                throw CommandFailure(.usage, "--pin: \"\(fields[0])\" is there twice; a node has one stage")
            }
            members[index].pinnedStage = stage
        }
        for name in without {
            guard members.contains(where: { $0.id.name == name }) else {
                throw CommandFailure(.usage, "--without: there is no node \"\(name)\"; the nodes are \(NodeList.names(members))")
            }
            members.removeAll { $0.id.name == name }
            guard !members.isEmpty else {
                throw CommandFailure(.usage, "--without \(name): it is the last node, nothing is left to plan for")
            }
        }
        let empty = ModelProfile(layers: [], cuts: [], inputBytes: .zero, outputBytes: .zero, batch: 1)
        return PlanRequest(profile: empty, nodes: members, links: links)
    }

    private func showServing() async throws {
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
