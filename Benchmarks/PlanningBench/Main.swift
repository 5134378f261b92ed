internal import Foundation
internal import Planning

/// `planning-bench`: how long a plan and a decision of node selection take, and how that grows.
///
/// Prints a table in Markdown. With a folder as argument it writes `planning-growth.md` and `planning-growth.svg` there as well.
/// `--decisions N,N` measures decisions of node selection alone and prints one JSON object.
@main
enum PlanningBench {
    static func main() throws {
        let arguments = CommandLine.arguments.dropFirst()
        let words = Array(arguments)
        if words.count == 4, words[0] == "--memory", let layers = Int(words[1]), let nodes = Int(words[2]),
            let shape = PlanShape(rawValue: words[3])
        {
            print(try PlanMeasurement.grownBytes(layers: layers, nodes: nodes, shape: shape))
            return
        }
        if words.count == 2, words[0] == "--decisions" {
            let sizes = words[1].split(separator: ",").compactMap { Int($0) }.filter { $0 > 0 }
            guard !sizes.isEmpty else { return refuse("--decisions needs numbers of nodes: 10,1000") }
            let entries = SelectionMeasurement.all(nodes: sizes).map {
                "{\"nodes\":\($0.nodes),\"microseconds\":\($0.microseconds),\"plain_microseconds\":\($0.plainMicroseconds)}"
            }
            print("{\"decisions\":[\(entries.joined(separator: ","))]}")
            return
        }
        guard arguments.count <= 1, arguments.first?.hasPrefix("-") != true else {
            print(
                "usage: PlanningBench [FOLDER]\n       PlanningBench --decisions N,N\n\n"
                    + "Measures plans and decisions; writes planning-growth.md and .svg into FOLDER.")
            exit(arguments.first == "--help" || arguments.first == "-h" ? 0 : 64)
        }
        var plans: [PlanMeasurement] = []
        for layers in [10, 100, 1000] {
            for nodes in [3, 20, 100, 1000] {
                for shape in PlanShape.allCases {
                    let result = try PlanMeasurement(layers: layers, nodes: nodes, shape: shape)
                    FileHandle.standardError.write(
                        Data("\(layers) layers, \(nodes) nodes, \(shape.rawValue): \(result.milliseconds) ms\n".utf8))
                    plans.append(result)
                }
            }
        }
        let decisions = SelectionMeasurement.all(nodes: [10, 1000, 10_000])
        let report = GrowthReport(plans: plans, decisions: decisions)
        print(report.markdown)
        if let folder = arguments.first {
            try report.markdown.write(toFile: "\(folder)/planning-growth.md", atomically: true, encoding: .utf8)
            try GrowthPlot(plans: plans, decisions: decisions).text.write(
                toFile: "\(folder)/planning-growth.svg", atomically: true, encoding: .utf8)
        }
    }

    private static func refuse(_ why: String) {
        FileHandle.standardError.write(Data("error: \(why)\n".utf8))
        exit(64)
    }
}
