internal import Foundation
internal import Planning

/// The measurements as Markdown.
struct GrowthReport {
    let plans: [PlanMeasurement]
    let decisions: [SelectionMeasurement]

    var markdown: String {
        var lines = [
            "# Growth of planning and of node selection", "",
            "Written by `make bench-planning`; medians, one thread. All nodes of a plan differ, so none may stand for another.", "",
            "![growth](planning-growth.svg)", "",
            "| layers | nodes | shape | time, ms | memory, MB | result |", "| ---: | ---: | --- | ---: | ---: | --- |",
        ]
        for plan in plans {
            lines.append(
                "| \(plan.layers) | \(plan.nodes) | \(plan.shape.rawValue) | \(Self.text(plan.milliseconds)) | \(Self.text(plan.megabytes)) | \(result(plan.exactness)) |"
            )
        }
        lines += [
            "", "One decision of Algorithm 1 with the end of an earlier task, beside the plain loop over all nodes:", "",
            "| nodes | decision, µs | plain loop, µs |", "| ---: | ---: | ---: |",
        ]
        lines += decisions.map { "| \($0.nodes) | \(Self.text($0.microseconds)) | \(Self.text($0.plainMicroseconds)) |" }
        if let thousand = decisions.first(where: { $0.nodes == 1000 }), let most = decisions.last, most.nodes > 1000 {
            let ratio = most.microseconds / thousand.microseconds
            lines += [
                "",
                "\(most.nodes) nodes take \(Self.text(ratio)) times as long as 1000 (bound: 2), 1000 nodes "
                    + "\(Self.text(thousand.microseconds / 1000, digits: 4)) ms (bound: 1 ms).",
            ]
        }
        return lines.joined(separator: "\n") + "\n"
    }

    private func result(_ exactness: Plan.Exactness) -> String {
        switch exactness {
        case .exact: "exact"
        case .bounded(_, let gap): "gap \(Self.text(gap * 100, digits: 1)) %"
        case .heuristic: "heuristic"
        }
    }

    static func text(_ value: Double, digits: Int = 2) -> String { String(format: "%.\(digits)f", value) }
}

/// The same as two plots with logarithmic axes.
struct GrowthPlot {
    struct Line {
        var name: String
        var colour: String
        var points: [(x: Double, y: Double)]
    }
    static let size = 360.0
    static let colours = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00"]

    let plans: [PlanMeasurement]
    let decisions: [SelectionMeasurement]

    var text: String {
        var planLines: [Line] = []
        for shape in PlanShape.allCases {
            for layers in [10, 100, 1000] {
                let points = plans.filter { $0.layers == layers && $0.shape == shape }.map { (Double($0.nodes), $0.milliseconds) }
                planLines.append(
                    Line(name: "\(layers) layers, \(shape.rawValue)", colour: Self.colours[planLines.count % 6], points: points))
            }
        }
        let decisionLines = [
            Line(name: "index", colour: Self.colours[0], points: decisions.map { (Double($0.nodes), $0.microseconds) }),
            Line(name: "plain loop", colour: Self.colours[5], points: decisions.map { (Double($0.nodes), $0.plainMicroseconds) }),
        ]
        let parts =
            [
                "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 960 480\" font-family=\"sans-serif\" font-size=\"12\">",
                "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>",
            ] + panel(planLines, left: 70, title: "time of a plan, ms, by nodes")
            + panel(decisionLines, left: 550, title: "time of a decision, µs, by nodes") + ["</svg>"]
        return parts.joined(separator: "\n") + "\n"
    }

    private func panel(_ lines: [Line], left: Double, title: String) -> [String] {
        let all = lines.flatMap(\.points)
        let lowX = floor(log10(all.map(\.x).min() ?? 1)), highX = max(lowX + 1, ceil(log10(all.map(\.x).max() ?? 10)))
        let lowY = floor(log10(max(1e-6, all.map(\.y).min() ?? 1))), highY = max(lowY + 1, ceil(log10(all.map(\.y).max() ?? 10)))
        func x(_ value: Double) -> Double { left + (log10(value) - lowX) / (highX - lowX) * Self.size }
        func y(_ value: Double) -> Double { 40 + Self.size - (log10(max(1e-6, value)) - lowY) / (highY - lowY) * Self.size }
        var parts = ["<text x=\"\(left)\" y=\"24\" font-size=\"15\">\(title)</text>"]
        for power in Int(lowX)...Int(highX) {
            let place = GrowthReport.text(x(pow(10, Double(power))))
            parts.append("<line x1=\"\(place)\" y1=\"40\" x2=\"\(place)\" y2=\"\(40 + Self.size)\" stroke=\"#dddddd\"/>")
            parts.append("<text x=\"\(place)\" y=\"\(58 + Self.size)\" text-anchor=\"middle\">10^\(power)</text>")
        }
        for power in Int(lowY)...Int(highY) {
            let place = GrowthReport.text(y(pow(10, Double(power))))
            parts.append("<line x1=\"\(left)\" y1=\"\(place)\" x2=\"\(left + Self.size)\" y2=\"\(place)\" stroke=\"#dddddd\"/>")
            parts.append("<text x=\"\(left - 6)\" y=\"\(place)\" text-anchor=\"end\">10^\(power)</text>")
        }
        for (index, line) in lines.enumerated() {
            let points = line.points.map { "\(GrowthReport.text(x($0.x))),\(GrowthReport.text(y($0.y)))" }.joined(separator: " ")
            parts.append("<polyline points=\"\(points)\" fill=\"none\" stroke=\"\(line.colour)\" stroke-width=\"2\"/>")
            let row = 56 + Double(index) * 16
            parts.append("<text x=\"\(left + 10)\" y=\"\(row)\" fill=\"\(line.colour)\">\(line.name)</text>")
        }
        return parts
    }
}
