import Base
import Planning

/// A pipeline run event by event: the judge of plans. It shares no code with the planner, only the plan's stages.
///
/// Each node and each direction of a link is a server that takes one thing at a time, first come first served. A node needs a
/// micro-batch's layers and the copying of what arrives and leaves, divided by its free cores and their speed. Each replica gets
/// micro-batches in proportion to its rate, whatever replica of the stage before they come from.
struct EventSimulation {
    typealias Stage = (layers: LayerRange, replicas: [NodeID])

    private enum Server: Hashable {
        case node(NodeID)
        case link(from: NodeID?, to: NodeID?)
    }
    private struct Visit {
        var server: Server
        var busyMs: Double
        /// After the server, before the next.
        var delayMs = 0.0
    }

    let request: PlanRequest
    let stages: [Stage]

    init(_ request: PlanRequest, _ stages: [Stage]) {
        self.request = request
        self.stages = stages
    }

    private func node(_ id: NodeID) -> PlanningNode? { request.nodes.first { $0.id == id } }
    private func rate(_ id: NodeID) -> Double { node(id).map { $0.effectiveCores * (1 - $0.load) * $0.speed } ?? 0 }
    private func loneRate(_ id: NodeID) -> Double { node(id).map { min(1, $0.effectiveCores * (1 - $0.load)) * $0.speed } ?? 0 }
    private func share(_ id: NodeID, _ stage: Stage) -> Double { rate(id) / stage.replicas.map(rate).reduce(0, +) }

    /// Bytes before layer `layer`.
    private func bytes(before layer: Int) -> Double {
        let profile = request.profile
        if layer == 0 { return Double(profile.inputBytes.bytes) }
        if layer == profile.layers.count { return Double(profile.outputBytes.bytes) }
        return Double(profile.cuts.first { $0.layer == layer }?.bytes.bytes ?? 0)
    }

    private func referenceMs(_ stage: Stage) -> Double {
        let layers = request.profile.layers[stage.layers.first..<stage.layers.end].reduce(0.0) { $0 + ($1.milliseconds ?? 0) }
        let copied = bytes(before: stage.layers.first) + bytes(before: stage.layers.end)
        return layers + copied * request.settings.transferCPUNanosecondsPerByte * 1e-6
    }

    private func hop(_ from: NodeID?, _ to: NodeID?, before layer: Int) -> Visit {
        let link = request.links.link(from: from.map { .node($0) } ?? .coordinator, to: to.map { .node($0) } ?? .coordinator)
        return Visit(
            server: .link(from: from, to: to), busyMs: bytes(before: layer) / link.bandwidthBytesPerSecond * 1000,
            delayMs: link.latencyMs)
    }

    private func visits(_ route: [NodeID], rate: (NodeID) -> Double) -> [Visit] {
        var result: [Visit] = []
        for (index, stage) in stages.enumerated() {
            result.append(hop(index == 0 ? nil : route[index - 1], route[index], before: stage.layers.first))
            result.append(Visit(server: .node(route[index]), busyMs: referenceMs(stage) / rate(route[index])))
        }
        return result + [hop(route.last, nil, before: request.profile.layers.count)]
    }

    /// Milliseconds for each micro-batch of a long stream: what the second part of it adds to the first.
    ///
    /// The first part fills the pipeline. Ends alone would not do: what goes over the quick links comes out early.
    func saturatedIntervalMs() -> Double {
        // Without replicas the stream is regular at once; with them the shares must come true.
        let (short, long) = stages.allSatisfy { $0.replicas.count == 1 } ? (20, 60) : (500, 1500)
        let routes = routes(long)
        let first = run(Array(routes.prefix(short))).max() ?? 0
        let all = run(routes).max() ?? 0
        return (all - first) / Double(long - short)
    }

    private func routes(_ count: Int) -> [[Visit]] {
        var pairs: [[NodeID: [NodeID: Double]]] = stages.map { _ in [:] }
        return (0..<count).map { _ in
            var route: [NodeID] = []
            for (index, stage) in stages.enumerated() {
                let before = route.last ?? "coordinator"
                // The replica that is farthest behind its share of what came from there.
                let row = pairs[index][before] ?? [:]
                let sum = row.values.reduce(0, +) + 1
                func arrears(_ id: NodeID) -> Double { share(id, stage) * sum - (row[id] ?? 0) }
                let next = stage.replicas.max { arrears($0) < arrears($1) } ?? before
                pairs[index][before, default: [:]][next, default: 0] += 1
                route.append(next)
            }
            return visits(route, rate: rate)
        }
    }

    /// When each micro-batch is out, all of them being there at time 0.
    private func run(_ routes: [[Visit]]) -> [Double] {
        var queue = EventQueue()
        for index in routes.indices { queue.push(EventQueue.Event(time: 0, microBatch: index, step: 0)) }
        var freeAt: [Server: Double] = [:]
        var ends = [Double](repeating: 0, count: routes.count)
        while let event = queue.pop() {
            guard event.step < routes[event.microBatch].count else {
                ends[event.microBatch] = event.time
                continue
            }
            let visit = routes[event.microBatch][event.step]
            let end = max(event.time, freeAt[visit.server] ?? 0) + visit.busyMs
            freeAt[visit.server] = end
            queue.push(EventQueue.Event(time: end + visit.delayMs, microBatch: event.microBatch, step: event.step + 1))
        }
        return ends
    }

    /// One micro-batch at a time: the mean over all routes, each as often as its replicas' shares say.
    func loneLatencyMs() -> Double {
        var routes: [(nodes: [NodeID], weight: Double)] = [([], 1)]
        for stage in stages {
            routes = routes.flatMap { route in stage.replicas.map { (route.nodes + [$0], route.weight * share($0, stage)) } }
        }
        return routes.reduce(0) { $0 + $1.weight * (run([visits($1.nodes, rate: loneRate)]).first ?? 0) }
    }
}

/// Events by time, then by micro-batch: a binary heap.
private struct EventQueue {
    struct Event {
        var time: Double
        var microBatch: Int
        var step: Int
        func isBefore(_ other: Event) -> Bool { (time, microBatch) < (other.time, other.microBatch) }
    }
    private var heap: [Event] = []

    mutating func push(_ event: Event) {
        heap.append(event)
        var index = heap.count - 1
        while index > 0, heap[index].isBefore(heap[(index - 1) / 2]) {
            heap.swapAt(index, (index - 1) / 2)
            index = (index - 1) / 2
        }
    }

    mutating func pop() -> Event? {
        guard let first = heap.first, let last = heap.popLast() else { return nil }
        guard !heap.isEmpty else { return first }
        heap[0] = last
        var index = 0
        while true {
            var least = index
            for child in [2 * index + 1, 2 * index + 2] where child < heap.count && heap[child].isBefore(heap[least]) {
                least = child
            }
            if least == index { return first }
            heap.swapAt(index, least)
            index = least
        }
    }
}
