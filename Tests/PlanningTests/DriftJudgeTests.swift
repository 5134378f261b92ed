import Base
import Planning
import Testing

@Suite("when a worse plan is changed")
struct DriftJudgeTests {
    /// Seconds, the serving plan's bottleneck, the best one's.
    struct Case: Sendable, CustomTestStringConvertible {
        var name: String
        var comparisons: [(at: Double, serving: Double, best: Double)]
        /// When it says that the plan is to be changed.
        var changes: [Double]
        var testDescription: String { name }
    }

    static func steady(_ range: ClosedRange<Int>, _ serving: Double, _ best: Double = 10) -> [(
        at: Double, serving: Double, best: Double
    )] {
        range.map { (Double($0), serving, best) }
    }

    static let cases: [Case] = [
        Case(name: "equal", comparisons: steady(0...100, 10), changes: []),
        Case(name: "within 15 %", comparisons: steady(0...100, 11.5), changes: []),
        Case(name: "worse for 5 s", comparisons: steady(0...5, 11.6), changes: [5]),
        Case(name: "worse for less than 5 s", comparisons: steady(0...4, 20), changes: []),
        Case(
            name: "one better moment restarts the wait", comparisons: steady(0...4, 20) + steady(5...5, 10) + steady(6...11, 20),
            changes: [11]),
        Case(
            name: "not a number says nothing", comparisons: steady(0...2, 20) + steady(3...3, .nan) + steady(4...8, 20), changes: []
        ),
        Case(name: "an infinite bottleneck is worse", comparisons: steady(0...5, .infinity), changes: [5]),
        Case(name: "without a best plan nothing changes", comparisons: steady(0...20, 20, .infinity), changes: []),
        Case(name: "zero is no bottleneck", comparisons: steady(0...20, 20, 0), changes: []),
    ]

    static func nanoseconds(_ seconds: Double) -> Int64 { Int64(seconds * 1e9) }

    @Test(arguments: cases)
    func judged(_ test: Case) {
        var judge = DriftJudge()
        let changes = test.comparisons.filter { judge.judge(servingMs: $0.serving, bestMs: $0.best, now: Self.nanoseconds($0.at)) }
        #expect(changes.map(\.at) == test.changes)
    }

    @Test("after changes in a row the next one waits; a quota that has changed is a reason of its own")
    func otherQuota() {
        var judge = DriftJudge()
        func nextChange(from start: Int) -> Int? {
            for second in start..<(start + 300) where judge.judge(servingMs: 20, bestMs: 10, now: Self.nanoseconds(Double(second)))
            {
                judge.planServes(now: Self.nanoseconds(Double(second)))
                return second
            }
            return nil
        }
        #expect(nextChange(from: 0) == 5)
        #expect(nextChange(from: 6) == 15)
        #expect(nextChange(from: 16) == 35)
        judge.quotaChanged()
        // The pause would be 40 s by now. Five seconds of patience, though, and ten since the last change.
        #expect(nextChange(from: 36) == 45)
        judge.quotaChanged()
        #expect(nextChange(from: 60) == 65)
    }

    /// Plans that never help are made less and less often: 10, 20, 40 … seconds apart.
    @Test func neverFlaps() {
        var judge = DriftJudge()
        var changes: [Double] = []
        for second in 0..<3_600 where judge.judge(servingMs: 20, bestMs: 10, now: Self.nanoseconds(Double(second))) {
            changes.append(Double(second))
            judge.planServes(now: Self.nanoseconds(Double(second)))
        }
        let gaps = zip(changes, changes.dropFirst()).map { $1 - $0 }
        #expect(changes.first == 5)
        #expect(gaps.first == 10)
        #expect(changes.count < 40, "\(changes)")
        #expect(zip(gaps, gaps.dropFirst().prefix(2)).allSatisfy { $0 < $1 }, "\(gaps)")
    }
}

@Suite("what nodes measured, in a request")
struct CalibrationTests {
    static func request() -> PlanRequest { Samples.request(Samples.profile([2, 2, 4, 4]), Samples.nodes([1, 1])) }

    static func observed(_ node: String, _ first: Int, _ end: Int, _ milliseconds: Double) -> RunObservation {
        RunObservation(node: NodeID(node), range: LayerRange(first, end), milliseconds: milliseconds)
    }

    @Test func speedComesFromPartitionsTimedOnTheReference() {
        let calibrated = Self.request().calibrated(
            by: [Self.observed("w0", 0, 2, 8), Self.observed("w1", 2, 4, 4)],
            measured: [LayerRange(0, 2): 4, LayerRange(2, 4): 8])
        #expect(calibrated.nodes.map(\.speed) == [0.5, 2])
        #expect(calibrated.profile == Self.request().profile)
    }

    @Test func severalPartitionsCountByTheirTime() {
        let calibrated = Self.request().calibrated(
            by: [Self.observed("w0", 0, 2, 4), Self.observed("w0", 2, 4, 20)],
            measured: [LayerRange(0, 2): 4, LayerRange(2, 4): 8])
        #expect(calibrated.nodes[0].speed == 0.5)
    }

    @Test func anUntimedPartitionCorrectsItsLayers() {
        let calibrated = Self.request().calibrated(by: [Self.observed("w0", 0, 2, 8)], measured: [:])
        #expect(calibrated.nodes.map(\.speed) == [1, 1])
        #expect(calibrated.profile.layers.map(\.milliseconds) == [4, 4, 4, 4])
    }

    @Test func itsCostIsTheNodesSpeedTimesItsTime() {
        let calibrated = Self.request().calibrated(
            by: [Self.observed("w0", 0, 2, 8), Self.observed("w0", 2, 4, 32)], measured: [LayerRange(0, 2): 4])
        #expect(calibrated.nodes[0].speed == 0.5)
        #expect(calibrated.profile.layers.map(\.milliseconds) == [2, 2, 8, 8])
    }

    @Test(arguments: [0, -1, Double.nan, .infinity])
    func noMeasurementChangesNothing(_ milliseconds: Double) {
        let calibrated = Self.request().calibrated(
            by: [Self.observed("w0", 0, 2, milliseconds), Self.observed("stranger", 0, 2, 5)], measured: [LayerRange(0, 2): 4])
        #expect(calibrated == Self.request())
    }
}
