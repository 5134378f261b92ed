/// How a layer's share of the whole work is estimated (`--cost`).
public enum CostModel: String, Sendable, Hashable, Codable, CaseIterable {
    /// The paper's, equations 1, 2 and 12: convolution k_h·k_w·C_in·C_out, linear N_in·N_out, anything else its number of parameters.
    ///
    /// It leaves out the output's height and width and the groups, and is kept as the baseline.
    case paper
    /// Multiply-accumulates: convolution k_h·k_w·(C_in/groups) for each output element, linear N_in for each output element,
    /// anything else one for each output element.
    case macs
    /// Milliseconds measured on the reference node. The default.
    case profiled

    /// Multiply-accumulates that one core of the reference node does in a millisecond, where nothing was measured.
    ///
    /// MobileNetV2 (0.30 GMAC an image) optimised, one thread, gave 98 images/s: 30 million in a millisecond.
    public static let nominalMacsPerMillisecond = 30e6

    /// Copying an activation into or out of a socket, for each byte: measured at about 5·10⁻⁷ ms on the reference node.
    ///
    /// It is work of the node on either side of a cut, so it belongs to the cost of a stage whatever prices its layers.
    public static let copyNanosecondsPerByte = 0.5

    /// The cost of each layer in the model's own unit: products, multiply-accumulates or milliseconds (0 where nothing was measured).
    public func costs(of layers: [Layer]) -> [Double] {
        layers.map { layer in
            switch self {
            case .paper: Self.paperCost(layer)
            case .macs: Self.macs(layer)
            case .profiled: layer.milliseconds ?? 0
            }
        }
    }

    /// The cost of each layer in milliseconds of the reference node, so that it can be set against a link's time.
    ///
    /// `paper` and `macs` know shares only: they divide the measured total where each layer was measured, else the total that
    /// ``nominalMacsPerMillisecond`` gives.
    public func milliseconds(of layers: [Layer]) -> [Double] {
        let costs = costs(of: layers)
        guard self != .profiled else { return costs }
        let total = costs.reduce(0, +)
        guard total > 0 else { return costs }
        let measured = layers.compactMap(\.milliseconds)
        let wholeMilliseconds =
            measured.count == layers.count && measured.reduce(0, +) > 0
            ? measured.reduce(0, +)
            : layers.reduce(0) { $0 + Self.macs($1) } / Self.nominalMacsPerMillisecond
        return costs.map { $0 / total * wholeMilliseconds }
    }

    private static func paperCost(_ layer: Layer) -> Double {
        switch layer.operation {
        case .convolution(let height, let width, let input, let output, _):
            Double(height) * Double(width) * Double(input) * Double(output)
        case .linear(let input, let output): Double(input) * Double(output)
        case .other: Double(layer.parameterCount)
        }
    }

    private static func macs(_ layer: Layer) -> Double {
        switch layer.operation {
        case .convolution(let height, let width, let input, _, let groups):
            Double(height) * Double(width) * Double(input) / Double(max(groups, 1)) * Double(layer.outputElements)
        case .linear(let input, _): Double(input) * Double(layer.outputElements)
        case .other: Double(layer.outputElements)
        }
    }
}
