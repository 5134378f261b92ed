internal import Base
internal import Planning
internal import Shell

/// A plan for people and for programs.
struct PlanReport {
    let request: PlanRequest
    let plan: Plan
    /// Every strategy, shape and cost, where that was asked for.
    let alternatives: [PlanComparison.Row]?

    /// What `--json` prints; `plans[0]` is the plan that was asked for.
    struct Document: Codable {
        var model: String
        var plans: [Plan]
        var layers: [PlanLayers.Row]?
        var comparison: [PlanComparison.Row]?
    }

    func document(model: String, withLayers: Bool) -> Document {
        Document(
            model: model, plans: [plan], layers: withLayers ? PlanLayers(request, plan).rows : nil, comparison: alternatives)
    }

    func text(withLayers: Bool) -> String {
        var lines = withLayers ? PlanLayers(request, plan).lines + [""] : []
        lines += stages + figures
        lines += plan.reasons.map { "- \($0)" }
        if let alternatives { lines += [""] + PlanComparison.lines(alternatives) }
        return lines.joined(separator: "\n") + "\n"
    }

    private var stages: [String] {
        var table = TextTable([
            "stage", "layers", "nodes", "ms", "interval ms", "bytes in", "tensors in", "bytes out", "weights", "memory",
        ])
        for (index, stage) in plan.stages.enumerated() {
            let cut = request.profile.cuts.first { $0.layer == stage.layers.first }
            table.add([
                "\(index)", stage.layers.description, nodes(stage), StatusReport.decimal(stage.predictedMilliseconds),
                StatusReport.decimal(stage.intervalMilliseconds), stage.inputBytes.description,
                cut.map { "\($0.tensorCount)" } ?? "input", stage.outputBytes.description, stage.parameterBytes.description,
                stage.residentBytes.description,
            ])
        }
        let head =
            "\(plan.strategy.rawValue), \(plan.shape.rawValue), cost \(plan.costModel.rawValue), micro-batches of \(plan.microBatch):"
        return [head] + table.lines
    }

    private func nodes(_ stage: Plan.Stage) -> String {
        guard stage.replicas.count > 1 else { return stage.replicas.map(\.name).joined() }
        return zip(stage.replicas, stage.shares).map { "\($0) (\(StatusReport.percent($1)))" }.joined(separator: " ")
    }

    private var figures: [String] {
        var lines = [
            "predicted: \(StatusReport.decimal(plan.itemsPerSecond)) items/s, latency \(StatusReport.decimal(plan.latencyMilliseconds)) ms, "
                + "bottleneck \(StatusReport.decimal(plan.bottleneckMilliseconds)) ms, balance B \(StatusReport.decimal(plan.balance))"
        ]
        switch plan.exactness {
        case .exact: lines.append("exact")
        case .bounded(let bound, let gap):
            lines.append("lower bound \(StatusReport.decimal(bound)) ms, gap \(StatusReport.decimal(gap * 100)) %")
        case .heuristic: break
        }
        if let single = plan.singleBestNode {
            lines.append(
                "the whole model on \(single.node) alone: \(StatusReport.decimal(single.itemsPerSecond)) items/s, "
                    + "latency \(StatusReport.decimal(single.latencyMilliseconds)) ms")
        }
        if !plan.unusedNodes.isEmpty {
            lines.append("unused: \(plan.unusedNodes.map(\.name).joined(separator: ", "))")
        }
        return lines
    }
}

/// The layers of a model with each cost model's shares, the cuts, and the plan's stages.
struct PlanLayers {
    struct Row: Codable {
        var layer: Int
        var name: String
        var `operator`: String
        var parameterBytes: Int
        var outputBytes: Int
        var paper: Double
        var macs: Double
        var milliseconds: Double?
        /// Bytes and tensors that cross a cut before this layer; absent where the model may not be cut there.
        var cutBytes: Int?
        var cutTensors: Int?
        var stage: Int
    }

    let rows: [Row]

    init(_ request: PlanRequest, _ plan: Plan) {
        let layers = request.profile.layers
        let paper = CostModel.paper.costs(of: layers)
        let macs = CostModel.macs.costs(of: layers)
        let cuts = Dictionary(request.profile.cuts.map { ($0.layer, $0) }, uniquingKeysWith: { first, _ in first })
        rows = layers.indices.map { index in
            let layer = layers[index]
            return Row(
                layer: index, name: layer.name, operator: layer.operatorName, parameterBytes: layer.parameterBytes.bytes,
                outputBytes: layer.outputBytes.bytes, paper: paper[index], macs: macs[index], milliseconds: layer.milliseconds,
                cutBytes: cuts[index]?.bytes.bytes, cutTensors: cuts[index]?.tensorCount,
                stage: plan.stages.firstIndex { $0.layers.contains(index) } ?? 0)
        }
    }

    var lines: [String] {
        func share(_ value: Double, of total: Double) -> String { total > 0 ? StatusReport.decimal(value / total * 100) : "–" }
        let paper = rows.reduce(0) { $0 + $1.paper }
        let macs = rows.reduce(0) { $0 + $1.macs }
        var table = TextTable(["layer", "operator", "name", "weights", "output", "paper %", "macs %", "ms", "cut before", "stage"])
        for row in rows {
            table.add([
                "\(row.layer)", row.operator, row.name, ByteCount(row.parameterBytes).description,
                ByteCount(row.outputBytes).description, share(row.paper, of: paper), share(row.macs, of: macs),
                row.milliseconds.map(StatusReport.decimal) ?? "–",
                row.cutBytes.map { "\(ByteCount($0)) in \(row.cutTensors ?? 0)" } ?? "", "\(row.stage)",
            ])
        }
        return table.lines
    }
}

/// Each strategy, shape and cost model on the same nodes. For each there are two predictions: its own, and that of the measured layer times
/// for its assignment. A cost model that is wrong about the layers is wrong about its own plan too.
struct PlanComparison {
    struct Row: Codable {
        var strategy: String
        var shape: String
        var cost: String
        /// Absent where there is no plan; then ``failure`` says why.
        var plan: Plan?
        /// The assignment's figures under the profiled costs.
        var profiledItemsPerSecond: Double?
        var profiledLatencyMilliseconds: Double?
        var failure: String?
    }

    let rows: [Row]

    init(_ request: PlanRequest) {
        var measured = request
        measured.costModel = .profiled
        var rows: [Row] = []
        for strategy in PlanStrategy.allCases {
            for shape in PlanShape.allCases where strategy == .optimal || shape == .pipeline {
                for cost in CostModel.allCases {
                    var one = request
                    one.strategy = strategy
                    one.shape = shape
                    one.costModel = cost
                    var row = Row(strategy: strategy.rawValue, shape: shape.rawValue, cost: cost.rawValue)
                    do {
                        let plan = try Planner.plan(one)
                        row.plan = plan
                        measured.shape = shape
                        let judged = try? Planner.evaluate(stages: plan.stages.map { ($0.layers, $0.replicas) }, measured)
                        row.profiledItemsPerSecond = judged?.itemsPerSecond
                        row.profiledLatencyMilliseconds = judged?.latencyMilliseconds
                    } catch {
                        row.failure = error.message
                    }
                    rows.append(row)
                }
            }
        }
        self.rows = rows
    }

    static func lines(_ rows: [Row]) -> [String] {
        var table = TextTable([
            "strategy", "shape", "cost", "stages", "nodes", "balance", "items/s", "latency ms", "items/s by profile",
            "latency ms by profile",
        ])
        var failures: [String] = []
        for row in rows {
            guard let plan = row.plan else {
                failures.append("\(row.strategy), \(row.shape), \(row.cost): \(row.failure ?? "no plan")")
                continue
            }
            table.add([
                row.strategy, row.shape, row.cost, "\(plan.stages.count)", "\(plan.usedNodes.count)",
                StatusReport.decimal(plan.balance), StatusReport.decimal(plan.itemsPerSecond),
                StatusReport.decimal(plan.latencyMilliseconds), row.profiledItemsPerSecond.map(StatusReport.decimal) ?? "–",
                row.profiledLatencyMilliseconds.map(StatusReport.decimal) ?? "–",
            ])
        }
        if let single = rows.lazy.compactMap({ $0.cost == CostModel.profiled.rawValue ? $0.plan?.singleBestNode : nil }).first {
            let items = StatusReport.decimal(single.itemsPerSecond)
            let latency = StatusReport.decimal(single.latencyMilliseconds)
            table.add(["one node", single.node.name, "profiled", "1", "1", "1.00", items, latency, items, latency])
        }
        return table.lines + failures
    }
}
