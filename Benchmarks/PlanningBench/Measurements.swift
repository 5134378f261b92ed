import Base
internal import Foundation
internal import Planning

/// One plan of a made-up model over nodes that all differ, which is the hard case: none may stand for another.
struct PlanMeasurement {
    /// Runs of which the median counts; a plan that takes longer than a second is made once.
    static let runs = 5

    var layers: Int
    var nodes: Int
    var shape: PlanShape
    var milliseconds: Double
    /// What the process grew by at its largest during the plan.
    var megabytes: Double
    var exactness: Plan.Exactness

    init(layers: Int, nodes: Int, shape: PlanShape) throws {
        let request = Self.request(layers: layers, nodes: nodes, shape: shape)
        let clock = ContinuousClock()
        var times: [Double] = []
        var plan: Plan?
        while times.count < Self.runs, times.last ?? 0 < 1000 {
            let took = try clock.measure { plan = try Planner.plan(request) }
            times.append(took / .milliseconds(1))
        }
        self.layers = layers
        self.nodes = nodes
        self.shape = shape
        milliseconds = times.sorted()[times.count / 2]
        megabytes = Double(try Self.grownBytesInFreshProcess(layers: layers, nodes: nodes, shape: shape)) / 1e6
        exactness = plan?.exactness ?? .heuristic
    }

    /// What this process grows by at its largest while it makes the plan.
    static func grownBytes(layers: Int, nodes: Int, shape: PlanShape) throws -> Int {
        let request = request(layers: layers, nodes: nodes, shape: shape)
        let before = ProcessMemory.startPeak()
        _ = try Planner.plan(request)
        return max(0, ProcessMemory.peakBytes() - before)
    }

    /// The same in a process of its own: what an earlier plan left in the allocator would hide this one's.
    private static func grownBytesInFreshProcess(layers: Int, nodes: Int, shape: PlanShape) throws -> Int {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
        process.arguments = ["--memory", "\(layers)", "\(nodes)", shape.rawValue]
        let pipe = Pipe()
        process.standardOutput = pipe
        try process.run()
        let output = pipe.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return Int(String(decoding: output, as: UTF8.self).filter(\.isNumber)) ?? 0
    }

    /// Layers of 0.2 to 1.4 ms, cuts of 50 to 450 kB at each, nodes of 0.5 to 2 cores with 256 MiB to 4 GiB, links of 10 Gbit/s.
    static func request(layers: Int, nodes: Int, shape: PlanShape) -> PlanRequest {
        let model = (0..<layers).map { index in
            Layer(
                name: "layer \(index)", operatorName: "aten::conv2d", parameterBytes: ByteCount(40_000_000 / layers),
                outputBytes: 200_000, milliseconds: 0.2 + Double(index * 7919 % 13) / 10)
        }
        let cuts = (1..<layers).map { Cut(before: $0, bytes: ByteCount(50_000 * (1 + $0 * 31 % 9))) }
        let members = (0..<nodes).map { index in
            PlanningNode(
                id: NodeID("node\(index)"), effectiveCores: 0.5 + 1.5 * Double(index) / Double(nodes),
                freeMemory: .mebibytes(256 << (index % 5)))
        }
        let profile = ModelProfile(layers: model, cuts: cuts, inputBytes: 2_400_000, outputBytes: 16_000, batch: 4)
        let links = LinkTable(common: Link(bandwidthBytesPerSecond: 1.17e9, latencyMs: 0.1))
        return PlanRequest(profile: profile, nodes: members, links: links, shape: shape)
    }
}

/// One decision of Algorithm 1 with the task's end, over nodes that are all eligible.
struct SelectionMeasurement {
    static let decisions = 200_000
    /// The plain loop looks at every node, so it gets fewer.
    static let plainLooks = 20_000_000

    var nodes: Int
    var microseconds: Double
    var plainMicroseconds: Double

    /// Rounds over all sizes, the medians of each: what slows the machine for a moment hits every size alike.
    static func all(nodes: [Int], rounds: Int = 5) -> [SelectionMeasurement] {
        let samples = (0..<rounds).map { _ in nodes.map(measure) }
        return nodes.indices.map { index in
            func median(_ value: (SelectionMeasurement) -> Double) -> Double {
                samples.map { value($0[index]) }.sorted()[rounds / 2]
            }
            return SelectionMeasurement(
                nodes: nodes[index], microseconds: median { $0.microseconds }, plainMicroseconds: median { $0.plainMicroseconds })
        }
    }

    private static func measure(nodes: Int) -> SelectionMeasurement {
        let readings = (0..<nodes).map { index in
            NodeReading(availableCores: 1, availableMemory: .mebibytes(512), load: Double(index * 37 % 70) / 100)
        }
        var selector = NodeSelector()
        let names = (0..<nodes).map { NodeID("node\($0)") }
        for (name, reading) in zip(names, readings) { _ = selector.update(name, reading) }
        let demand = TaskDemand(cores: 0.5, memory: .mebibytes(100))
        _ = selector.choose(demand)
        let clock = ContinuousClock()
        var running: [NodeID] = []
        let took = clock.measure {
            for count in 0..<decisions {
                guard let choice = selector.choose(demand) else { continue }
                running.append(choice.node)
                if running.count > 8 { _ = selector.finish(on: running.removeFirst(), milliseconds: Double(1 + count % 20)) }
            }
        }
        var plain = PlainLoop(readings)
        let plainDecisions = max(20, plainLooks / nodes / 10)
        let plainTook = clock.measure { for _ in 0..<plainDecisions { plain.choose(demand) } }
        return SelectionMeasurement(
            nodes: nodes, microseconds: took / .microseconds(1) / Double(decisions),
            plainMicroseconds: plainTook / .microseconds(1) / Double(plainDecisions))
    }
}

/// Algorithm 1 as it is written: every node is scored for every task.
private struct PlainLoop {
    struct Node {
        var reading: NodeReading
        var tasks = 0
        var meanSeconds: Double?
        var lastChosen = 0
    }
    var nodes: [Node]
    var choices = 0

    init(_ readings: [NodeReading]) { nodes = readings.map { Node(reading: $0) } }

    mutating func choose(_ demand: TaskDemand) {
        var best: Int?
        var bestScore = -1.0
        for (index, node) in nodes.enumerated() {
            guard node.reading.load <= 0.8, node.reading.availableCores >= demand.cores,
                node.reading.availableMemory >= demand.memory
            else { continue }
            let score = NodeScore.value(
                load: node.reading.load, meanSeconds: node.meanSeconds, tasks: node.tasks, settings: SelectionSettings())
            let waitsLonger = best.map { score == bestScore && node.lastChosen < nodes[$0].lastChosen } ?? true
            if score > bestScore || waitsLonger {
                best = index
                bestScore = score
            }
        }
        guard let best else { return }
        choices += 1
        nodes[best].lastChosen = choices
        // The task ends at once, with a time that keeps the scores moving.
        nodes[best].meanSeconds = Double(choices % 20) / 1000
    }
}

/// The resident set of this process, from Linux.
enum ProcessMemory {
    /// Forgets the peak so far and gives the present size in bytes.
    static func startPeak() -> Int {
        try? "5".write(toFile: "/proc/self/clear_refs", atomically: false, encoding: .utf8)
        return value("VmRSS:")
    }

    static func peakBytes() -> Int { value("VmHWM:") }

    private static func value(_ name: String) -> Int {
        guard let status = try? String(contentsOfFile: "/proc/self/status", encoding: .utf8) else { return 0 }
        let line = status.split(separator: "\n").first { $0.hasPrefix(name) }
        return (line?.split(whereSeparator: { $0 == " " || $0 == "\t" }).dropFirst().first.flatMap { Int($0) } ?? 0) * 1024
    }
}
