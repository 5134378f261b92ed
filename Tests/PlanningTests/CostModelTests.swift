import Planning
import Testing

@Suite("cost models")
struct CostModelTests {
    /// MobileNetV2's first convolution, a depthwise one, the last pointwise one, the classifier, a batch norm.
    static let layers = [
        Layer(
            name: "stem", operatorName: "aten::conv2d",
            operation: .convolution(kernelHeight: 3, kernelWidth: 3, inputChannels: 3, outputChannels: 32, groups: 1),
            outputElements: 32 * 112 * 112, milliseconds: 4),
        Layer(
            name: "depthwise", operatorName: "aten::conv2d",
            operation: .convolution(kernelHeight: 3, kernelWidth: 3, inputChannels: 32, outputChannels: 32, groups: 32),
            outputElements: 32 * 112 * 112, milliseconds: 3),
        Layer(
            name: "head", operatorName: "aten::conv2d",
            operation: .convolution(kernelHeight: 1, kernelWidth: 1, inputChannels: 320, outputChannels: 1280, groups: 1),
            outputElements: 1280 * 7 * 7, milliseconds: 2),
        Layer(
            name: "classifier", operatorName: "aten::linear", operation: .linear(inputFeatures: 1280, outputFeatures: 1000),
            outputElements: 2 * 1000, milliseconds: 0.75),
        Layer(
            name: "norm", operatorName: "aten::batch_norm", parameterCount: 128, outputElements: 32 * 112 * 112, milliseconds: 0.25),
    ]

    @Test("each model's costs by hand")
    func byHand() {
        let paper: [Double] = [864, 9216, 409_600, 1_280_000, 128]
        #expect(CostModel.paper.costs(of: Self.layers) == paper)
        // 27 · 401,408; 9 · 401,408; 320 · 62,720; 1,280 · 2,000; 401,408.
        let macs: [Double] = [10_838_016, 3_612_672, 20_070_400, 2_560_000, 401_408]
        #expect(CostModel.macs.costs(of: Self.layers) == macs)
        #expect(CostModel.profiled.costs(of: Self.layers) == [4, 3, 2, 0.75, 0.25])
    }

    @Test("paper and macs share out the measured total", arguments: [CostModel.paper, .macs])
    func scaledToMeasured(_ model: CostModel) {
        let milliseconds = model.milliseconds(of: Self.layers)
        #expect(abs(milliseconds.reduce(0, +) - 10) < 1e-9)
        let costs = model.costs(of: Self.layers)
        #expect(abs(milliseconds[0] / milliseconds[2] - costs[0] / costs[2]) < 1e-9)
    }

    @Test("without measurements the total is the multiply-accumulates at the nominal rate")
    func nominal() {
        var layers = Self.layers
        layers[3].milliseconds = nil
        let macs = CostModel.macs.costs(of: layers).reduce(0, +)
        #expect(abs(CostModel.macs.milliseconds(of: layers).reduce(0, +) - macs / 30e6) < 1e-9)
        #expect(abs(CostModel.paper.milliseconds(of: layers).reduce(0, +) - macs / 30e6) < 1e-9)
        #expect(CostModel.profiled.milliseconds(of: layers)[3] == 0)
    }

    @Test("no cost anywhere stays zero")
    func zero() {
        #expect(CostModel.paper.milliseconds(of: [Layer(name: "relu", operatorName: "aten::relu", outputElements: 5)]) == [0])
    }

    struct BalanceCase: Sendable {
        var times: [Double]
        var balance: Double
    }

    static let balances = [
        BalanceCase(times: [4, 4, 4], balance: 1), BalanceCase(times: [6, 4, 2], balance: 2.0 / 3),
        BalanceCase(times: [10], balance: 1),
        BalanceCase(times: [], balance: 1), BalanceCase(times: [0, 0], balance: 1), BalanceCase(times: [8, 0], balance: 0),
    ]

    @Test("balance of the partitions' times", arguments: balances)
    func balance(_ test: BalanceCase) { #expect(abs(Plan.balance(ofTimes: test.times) - test.balance) < 1e-12) }
}
