import Base
import Planning
import Testing

/// Plans from what the nodes hold.
@Suite struct PlanReuseTests {
    typealias Held = [NodeID: [LayerRange]]

    private func stages(_ held: Held, layers: Int = 4, count: Int = 2) -> [String]? {
        PlanReuse.assignments(of: held, layerCount: layers, stageCount: count).first?.map { "\($0.layers) on \($0.node)" }
    }

    @Test("a chain of held partitions, each on a node of its own")
    func chains() {
        #expect(stages(["a": [LayerRange(0, 3)], "b": [LayerRange(3, 4)]]) == ["0..<3 on a", "3..<4 on b"])
        // One node cannot serve both, and a way that ends nowhere is left again.
        #expect(stages(["a": [LayerRange(0, 3), LayerRange(3, 4)], "b": []]) == nil)
        #expect(
            stages(["a": [LayerRange(0, 2), LayerRange(0, 3)], "b": [LayerRange(3, 4)]]) == ["0..<3 on a", "3..<4 on b"])
        #expect(stages(["a": [LayerRange(0, 3)], "b": [LayerRange(2, 4)]]) == nil)
        #expect(stages(["a": [LayerRange(0, 4)], "b": []], count: 1) == ["0..<4 on a"])
        #expect(stages(["a": [LayerRange(0, 4)], "b": []], count: 2) == nil)
        #expect(stages([:]) == nil)
    }

    @Test("a search without an end is given up")
    func bounded() {
        let ranges = (0..<20).map { LayerRange($0, $0 + 1) }
        let held = Dictionary(uniqueKeysWithValues: (0..<20).map { (NodeID("n\($0)"), ranges) })
        // Nobody holds the last layer.
        #expect(PlanReuse.assignments(of: held, layerCount: 21, stageCount: 21).isEmpty)
        // Of the many ways only some are looked at.
        #expect(PlanReuse.assignments(of: held, layerCount: 20, stageCount: 20).count == PlanReuse.maximumAssignments)
    }

    @Test("taken where it is nearly as good as the best, left where it is not")
    func choice() throws {
        let request = Samples.request(Samples.profile([10, 10, 10, 10]), Samples.nodes([1, 1]))
        let best = try Planner.plan(request)
        #expect(best.bottleneckMilliseconds == 20)
        let lopsided: PlanReuse.Assignment = [(LayerRange(0, 3), "w0"), (LayerRange(3, 4), "w1")]
        let swapped: PlanReuse.Assignment = [
            (LayerRange(0, 2), best.stages[1].replicas[0]), (LayerRange(2, 4), best.stages[0].replicas[0]),
        ]
        let reused = PlanReuse.choose(over: best, held: [lopsided, swapped], request, tolerance: PlanReuse.tolerance)
        #expect(reused.stages.map(\.replicas) == swapped.map { [$0.node] })
        #expect(reused.reasons.contains { $0.contains("held already") })
        #expect(PlanReuse.choose(over: best, held: [lopsided], request, tolerance: PlanReuse.tolerance) == best)
        #expect(PlanReuse.choose(over: best, held: [lopsided], request, tolerance: PlanReuse.urgentTolerance) != best)
        #expect(PlanReuse.choose(over: best, held: [lopsided], request, tolerance: 1) == best)
        // A coordinator that has just started goes on with what it finds.
        #expect(PlanReuse.choose(over: best, held: [lopsided], request, tolerance: nil) != best)
        // A pin of the topology goes before what is held, and before what serves.
        var pinning = request
        pinning.nodes[1].pinnedStage = 0
        let pinned = try Planner.plan(pinning)
        #expect(pinned.stages.map(\.replicas) == [["w1"], ["w0"]])
        let against: PlanReuse.Assignment = [(LayerRange(0, 2), "w0"), (LayerRange(2, 4), "w1")]
        #expect(PlanReuse.choose(over: pinned, held: [against, lopsided], pinning, tolerance: nil) == pinned)
        #expect(throws: PlanningError.self) { try Planner.evaluate(against, pinning) }
        let unused: PlanReuse.Assignment = [(LayerRange(0, 4), "w0")]
        #expect(throws: PlanningError.self) { try Planner.evaluate(unused, pinning) }
        let kept: PlanReuse.Assignment = [(LayerRange(0, 3), "w1"), (LayerRange(3, 4), "w0")]
        #expect(PlanReuse.choose(over: pinned, held: [kept], pinning, tolerance: nil).stages[0].layers == LayerRange(0, 3))
        // A node that is not there any more.
        let gone: PlanReuse.Assignment = [(LayerRange(0, 2), "w0"), (LayerRange(2, 4), "w9")]
        #expect(PlanReuse.choose(over: best, held: [gone], request, tolerance: nil) == best)
    }
}
