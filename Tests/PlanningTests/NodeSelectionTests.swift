import Base
import Planning
import Testing

@Suite("node selection (Algorithm 1)")
struct NodeSelectionTests {
    static let demand = TaskDemand(cores: 0.5, memory: .mebibytes(100))
    static func reading(load: Double = 0, cores: Double = 1, memory: Int = 512, latencyMs: Double = 0) -> NodeReading {
        NodeReading(availableCores: cores, availableMemory: .mebibytes(memory), load: load, latencyMs: latencyMs)
    }

    struct ScoreCase: Sendable {
        var load: Double
        var meanSeconds: Double?
        var tasks: Int
        var score: Double
    }

    // 0.2 · 1 + 0.2 · (1 − load) + 0.1 / (1 + mean) + 0.5 / (1 + 2 · tasks).
    static let scores = [
        ScoreCase(load: 0, meanSeconds: nil, tasks: 0, score: 0.95), ScoreCase(load: 0, meanSeconds: 0, tasks: 0, score: 1),
        ScoreCase(load: 0.5, meanSeconds: 1, tasks: 0, score: 0.85), ScoreCase(load: 0, meanSeconds: 0, tasks: 2, score: 0.6),
        ScoreCase(load: 0.8, meanSeconds: 3, tasks: 1, score: 0.2 + 0.04 + 0.025 + 0.5 / 3),
    ]

    @Test("scores by hand", arguments: scores)
    func score(_ test: ScoreCase) {
        let value = NodeScore.value(
            load: test.load, meanSeconds: test.meanSeconds, tasks: test.tasks, settings: SelectionSettings())
        #expect(abs(value - test.score) < 1e-12)
    }

    struct SkipCase: Sendable, CustomTestStringConvertible {
        var name: String
        var reading: NodeReading
        var testDescription: String { name }
    }

    static let skipped = [
        SkipCase(name: "short of cores", reading: reading(cores: 0.4)),
        SkipCase(name: "short of memory", reading: reading(memory: 99)),
        SkipCase(name: "too far", reading: reading(latencyMs: 1001)), SkipCase(name: "over the load", reading: reading(load: 0.81)),
        SkipCase(name: "load is no number", reading: reading(load: .nan)),
        SkipCase(name: "negative cores", reading: reading(cores: -1)),
        SkipCase(name: "latency is no number", reading: reading(latencyMs: .nan)),
    ]

    @Test("who is skipped, however little he has to do", arguments: skipped)
    func skips(_ test: SkipCase) {
        var selector = NodeSelector()
        _ = selector.update("idle", test.reading)
        _ = selector.update("busy", Self.reading(load: 0.8))
        for _ in 0..<20 { #expect(selector.choose(Self.demand)?.node == "busy") }
    }

    @Test("a reading that is no measurement is told, and the next good one counts")
    func faults() {
        var selector = NodeSelector()
        #expect(selector.update("a", Self.reading(load: .nan)) == "a takes no new work: its load is nan, must be 0…1")
        #expect(selector.choose(Self.demand) == nil)
        #expect(selector.update("a", Self.reading()) == nil)
        #expect(selector.choose(Self.demand)?.node == "a")
        #expect(selector.finish(on: "a", milliseconds: .nan) == "a: an execution time of nan ms is left out, must be 0 or more")
    }

    @Test("a node that does not answer is never chosen, not even when nobody else is there")
    func silence() {
        var selector = NodeSelector()
        _ = selector.update("silent", Self.reading())
        _ = selector.update("loaded", Self.reading(load: 0.99))
        selector.stopsAnswering("silent")
        let choice = selector.choose(Self.demand)
        #expect(choice?.node == "loaded")
        #expect(choice?.ignoresLoad == true)
        selector.remove("loaded")
        #expect(selector.choose(Self.demand) == nil)
        _ = selector.update("silent", Self.reading())
        #expect(selector.choose(Self.demand)?.node == "silent")
    }

    @Test("equal nodes take turns: the one that waited longest goes first")
    func ties() {
        var selector = NodeSelector()
        for name in ["a", "b", "c"] { _ = selector.update(NodeID(name), Self.reading()) }
        var order: [NodeID] = []
        for _ in 0..<9 {
            guard let choice = selector.choose(Self.demand) else { break }
            order.append(choice.node)
            _ = selector.finish(on: choice.node, milliseconds: nil)
        }
        #expect(order == ["a", "b", "c", "a", "b", "c", "a", "b", "c"])
    }

    @Test("the history holds the last hundred tasks")
    func history() {
        var history = ExecutionHistory()
        #expect(history.meanSeconds == nil)
        for _ in 0..<100 { _ = history.record(milliseconds: 3000) }
        for _ in 0..<50 { _ = history.record(milliseconds: 1000) }
        #expect(history.count == 100)
        #expect(history.meanSeconds == 2)
        let wasTaken = history.record(milliseconds: -1)
        #expect(!wasTaken)
        for _ in 0..<100 { _ = history.record(milliseconds: 1000) }
        #expect(history.meanSeconds == 1)
    }

    /// Algorithm 1 as the paper has it: all nodes, for each task.
    struct PlainLoop {
        struct Node {
            var id: NodeID
            var reading: NodeReading
            var isAnswering = true
            var tasks = 0
            var microseconds: [Int] = []
            var lastChosen = 0
        }
        var nodes: [Node] = []
        var choices = 0

        mutating func choose(_ demand: TaskDemand) -> NodeID? {
            for limit in [0.8, 1.0] {
                var best: (index: Int, score: Double)?
                for (index, node) in nodes.enumerated() {
                    guard node.isAnswering, node.reading.load <= limit, node.reading.latencyMs <= 1000,
                        node.reading.availableCores >= demand.cores, node.reading.availableMemory >= demand.memory
                    else { continue }
                    let cpu: Double = min(1, node.reading.availableCores / demand.cores)
                    let memory: Double = min(1, Double(node.reading.availableMemory.bytes) / Double(demand.memory.bytes))
                    let mean: Double = Double(node.microseconds.reduce(0, +)) / Double(max(1, node.microseconds.count)) / 1e6
                    let resources: Double = 0.5 * cpu + 0.5 * memory
                    let performance: Double = node.microseconds.isEmpty ? 0.5 : 1 / (1 + mean)
                    let balance: Double = 1 / (1 + 2 * Double(node.tasks))
                    let score: Double = 0.2 * resources + 0.2 * (1 - node.reading.load) + 0.1 * performance + 0.5 * balance
                    guard let known = best else {
                        best = (index, score)
                        continue
                    }
                    let rival = nodes[known.index]
                    let isBefore = (node.lastChosen, node.id.name) < (rival.lastChosen, rival.id.name)
                    if score > known.score || score == known.score && isBefore { best = (index, score) }
                }
                guard let best else { continue }
                choices += 1
                nodes[best.index].lastChosen = choices
                nodes[best.index].tasks += 1
                return nodes[best.index].id
            }
            return nil
        }
    }

    @Test("the index and a plain loop choose the same on 100,000 random events")
    func againstPlainLoop() {
        var random = SeededGenerator(seed: 7)
        var selector = NodeSelector()
        var plain = PlainLoop()
        // More demands than tournaments are kept, so that some are made again.
        let demands = (0..<(NodeSelector.maximumDemands + 4)).map { index -> TaskDemand in
            let cores: Double = Double(1 + index % 5) / 5
            let mebibytes: Int = 50 + 25 * (index / 5)
            return TaskDemand(cores: cores, memory: .mebibytes(mebibytes))
        }
        var chosen = 0
        var differences = 0
        for _ in 0..<100_000 {
            let number = Int.random(in: 0..<40, using: &random)
            let id = NodeID("n\(number)")
            let place = plain.nodes.firstIndex { $0.id == id }
            switch Int.random(in: 0..<100, using: &random) {
            case 0..<25:
                let load = Double(Int.random(in: 0...20, using: &random)) / 20
                let cores = Double(Int.random(in: 0...10, using: &random)) / 10
                let memory = Int.random(in: 0...300, using: &random)
                let latencyMs = Double(Int.random(in: 0...1050, using: &random))
                let reading = Self.reading(load: load, cores: cores, memory: memory, latencyMs: latencyMs)
                #expect(selector.update(id, reading) == nil)
                if let place {
                    plain.nodes[place].reading = reading
                    plain.nodes[place].isAnswering = true
                } else {
                    plain.nodes.append(PlainLoop.Node(id: id, reading: reading))
                }
            case 25..<28:
                selector.stopsAnswering(id)
                if let place { plain.nodes[place].isAnswering = false }
            case 28:
                selector.remove(id)
                if let place { plain.nodes.remove(at: place) }
            case 29..<60:
                let time = Int.random(in: 0...2_000_000, using: &random)
                _ = selector.finish(on: id, milliseconds: Double(time) / 1000)
                if let place {
                    plain.nodes[place].tasks = max(0, plain.nodes[place].tasks - 1)
                    plain.nodes[place].microseconds = (plain.nodes[place].microseconds + [time]).suffix(100)
                }
            default:
                // Mostly the few demands that a deployment has, now and then a rare one.
                let rare = Int.random(in: 0..<20, using: &random) == 0
                let demand = demands[
                    rare ? Int.random(in: 0..<demands.count, using: &random) : Int.random(in: 0..<4, using: &random)]
                let choice = selector.choose(demand)
                if choice != nil { chosen += 1 }
                if choice?.node != plain.choose(demand) { differences += 1 }
            }
        }
        #expect(differences == 0)
        #expect(chosen > 30_000)
    }
}
