import Planning
import Testing

@Suite("planner: time", .serialized)
struct PlannerCostTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var name: String
        var layers: Int
        var speeds: [Double]
        var shape = PlanShape.pipeline
        var testDescription: String { name }
    }

    static let cases = [
        Case(name: "MobileNetV2's size on the paper's three nodes", layers: 153, speeds: [1, 0.6, 0.4]),
        Case(name: "on eight different nodes", layers: 153, speeds: (0..<8).map { 1 + Double($0) / 7 }),
        Case(name: "on eight different nodes, any subset", layers: 153, speeds: (0..<8).map { 1 + Double($0) / 7 }, shape: .auto),
        Case(name: "1,000 layers on eight different nodes", layers: 1000, speeds: (0..<8).map { 1 + Double($0) / 7 }),
        Case(name: "1,000 layers on 1,000 nodes", layers: 1000, speeds: (0..<1000).map { 1 + Double($0) / 700 }),
    ]

    /// A planner that has become slow by an order of magnitude fails here; `swift test` prints what it took.
    @Test(arguments: cases)
    func time(_ test: Case) throws {
        let layers = (0..<test.layers).map { 0.2 + Double($0 * 7919 % 13) / 10 }
        var request = Samples.request(Samples.profile(layers, cutBytes: 400_000), Samples.nodes(test.speeds), shape: test.shape)
        request.links = LinkTable(common: Link(bandwidthBytesPerSecond: 1e9, latencyMs: 0.1))
        let clock = ContinuousClock()
        var plan: Plan?
        let took = try clock.measure { plan = try Planner.plan(request) }
        print("plan of \(test.name): \(took), \(plan?.stages.count ?? 0) stages, \(plan.map { "\($0.exactness)" } ?? "")")
        #expect(took < .seconds(5))
    }
}
