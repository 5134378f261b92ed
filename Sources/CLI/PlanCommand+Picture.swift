internal import Base
internal import Planning
internal import Shell

/// A plan as an SVG: the layers' cost along the model with the cuts above, each node's share of the bottleneck below.
struct PlanPicture {
    static let width = 960.0
    static let margin = 60.0
    static let layersHeight = 200.0
    static let rowHeight = 26.0
    /// Colours that people who cannot tell red from green can tell apart (Okabe and Ito).
    static let colours = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#999999"]

    private let plan: Plan
    private let request: PlanRequest
    private let title: String
    private let costs: [Double]

    init(_ plan: Plan, _ request: PlanRequest, title: String) {
        self.plan = plan
        self.request = request
        self.title = title
        costs = request.profile.milliseconds(by: request.costModel)
    }

    private var plotWidth: Double { Self.width - 2 * Self.margin }
    private var layersBottom: Double { 70 + Self.layersHeight }
    private var nodesTop: Double { layersBottom + 80 }
    private var rowCount: Int { plan.usedNodes.count + plan.unusedNodes.count }

    var text: String {
        let height = nodesTop + Double(rowCount) * Self.rowHeight + 50
        var parts = [
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 \(number(Self.width)) \(number(height))\" font-family=\"sans-serif\" font-size=\"12\">",
            "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>",
            label(
                Self.margin, 24, "\(title): \(plan.strategy.rawValue), \(plan.shape.rawValue), micro-batches of \(plan.microBatch)",
                size: 16),
            label(
                Self.margin, 44,
                "\(StatusReport.decimal(plan.itemsPerSecond)) items/s, latency \(StatusReport.decimal(plan.latencyMilliseconds)) ms, "
                    + "bottleneck \(StatusReport.decimal(plan.bottleneckMilliseconds)) ms, balance \(StatusReport.decimal(plan.balance))"
            ),
        ]
        parts += layers + cuts + nodes
        return (parts + ["</svg>"]).joined(separator: "\n") + "\n"
    }

    private func x(ofLayer layer: Int) -> Double { Self.margin + plotWidth * Double(layer) / Double(max(1, costs.count)) }
    private func colour(ofStage stage: Int) -> String { Self.colours[stage % Self.colours.count] }

    private var layers: [String] {
        let highest = max(costs.max() ?? 0, .leastNormalMagnitude)
        let bars = costs.indices.map { layer in
            let height = costs[layer] / highest * Self.layersHeight
            let stage = plan.stages.firstIndex { $0.layers.contains(layer) } ?? 0
            let name = "\(request.profile.layers[layer].name): \(StatusReport.decimal(costs[layer])) ms"
            return bar(
                x(ofLayer: layer), layersBottom - height, max(0.5, plotWidth / Double(costs.count) - 0.5), height,
                colour(ofStage: stage),
                title: name)
        }
        let axis = line(Self.margin, layersBottom, Self.margin + plotWidth, layersBottom, "#333333")
        return bars + [
            axis, label(8, layersBottom - Self.layersHeight + 4, "\(StatusReport.decimal(highest)) ms"),
            label(
                Self.margin, layersBottom + 50,
                "layers 0 to \(costs.count - 1), milliseconds on the reference node (\(plan.costModel.rawValue)); ticks: legal cuts"
            ),
        ]
    }

    private var cuts: [String] {
        let chosen = Set(plan.stages.dropFirst().map(\.layers.first))
        return request.profile.cuts.flatMap { cut -> [String] in
            let x = x(ofLayer: cut.layer)
            guard chosen.contains(cut.layer) else { return [line(x, layersBottom, x, layersBottom + 5, "#999999")] }
            let text = "\(cut.bytes)" + (cut.tensorCount == 1 ? "" : " in \(cut.tensorCount)")
            return [
                line(x, 60, x, layersBottom + 14, "#D00000", dashes: true), label(x, layersBottom + 28, text, anchor: "middle"),
            ]
        }
    }

    private var nodes: [String] {
        let begin = Self.margin + 80
        let longest = plotWidth - 240
        var parts = [
            label(Self.margin, nodesTop - 8, "nodes: how much of the bottleneck's time each computes"),
            line(begin + longest, nodesTop, begin + longest, nodesTop + Double(rowCount) * Self.rowHeight, "#D00000", dashes: true),
        ]
        var row = 0
        func top() -> Double { nodesTop + Double(row) * Self.rowHeight }
        for (index, stage) in plan.stages.enumerated() {
            let busy = stage.predictedMilliseconds / plan.bottleneckMilliseconds
            for (node, share) in zip(stage.replicas, stage.shares) {
                let each = StatusReport.decimal(stage.predictedMilliseconds / share)
                parts.append(label(Self.margin, top() + 17, node.name))
                parts.append(
                    bar(begin, top() + 3, longest * busy, Self.rowHeight - 6, colour(ofStage: index), title: "stage \(index)"))
                let text =
                    "stage \(index): \(each) ms each"
                    + (stage.replicas.count > 1 ? ", \(StatusReport.percent(share)) of them" : "")
                parts.append(label(begin + longest + 8, top() + 17, text))
                row += 1
            }
        }
        for node in plan.unusedNodes {
            parts.append(label(Self.margin, top() + 17, node.name))
            parts.append(label(begin + longest + 8, top() + 17, "standby"))
            row += 1
        }
        return parts
    }

    // MARK: - Elements

    private func number(_ value: Double) -> String { StatusReport.decimal(value) }

    private func bar(_ x: Double, _ y: Double, _ width: Double, _ height: Double, _ fill: String, title: String) -> String {
        "<rect x=\"\(number(x))\" y=\"\(number(y))\" width=\"\(number(width))\" height=\"\(number(height))\" fill=\"\(fill)\"><title>\(escaped(title))</title></rect>"
    }

    private func line(_ x1: Double, _ y1: Double, _ x2: Double, _ y2: Double, _ stroke: String, dashes: Bool = false) -> String {
        "<line x1=\"\(number(x1))\" y1=\"\(number(y1))\" x2=\"\(number(x2))\" y2=\"\(number(y2))\" stroke=\"\(stroke)\""
            + (dashes ? " stroke-dasharray=\"4 3\"/>" : "/>")
    }

    private func label(_ x: Double, _ y: Double, _ text: String, size: Int = 12, anchor: String = "start") -> String {
        "<text x=\"\(number(x))\" y=\"\(number(y))\" font-size=\"\(size)\" text-anchor=\"\(anchor)\">\(escaped(text))</text>"
    }

    private func escaped(_ text: String) -> String {
        text.reduce(into: "") { result, character in
            switch character {
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            case "&": result += "&amp;"
            case "\"": result += "&quot;"
            default: result.append(character)
            }
        }
    }
}
