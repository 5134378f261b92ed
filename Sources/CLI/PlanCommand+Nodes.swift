internal import Base
internal import Cluster
internal import Planning
internal import Shell

/// `--nodes 1.0:1GiB,edge=0.6:512MiB`.
enum NodeList {
    static func parse(_ text: String) throws(CommandFailure) -> [PlanningNode] {
        var nodes: [PlanningNode] = []
        for (index, part) in text.split(separator: ",", omittingEmptySubsequences: false).enumerated() {
            var name = "node\(index + 1)"
            var figures = part
            if let separator = part.firstIndex(of: "=") {
                name = String(part[..<separator])
                figures = part[part.index(after: separator)...]
            }
            let fields = figures.split(separator: ":", omittingEmptySubsequences: false)
            guard !name.isEmpty, fields.count == 2, let cores = Double(fields[0]), cores > 0, cores.isFinite else {
                throw CommandFailure(.usage, "--nodes: \"\(part)\" is not [NAME=]CORES:MEMORY, such as 0.6:512MiB")
            }
            guard !nodes.contains(where: { $0.id.name == name }) else {
                throw CommandFailure(.usage, "--nodes: \"\(name)\" is there twice; names must differ")
            }
            let memory: ByteCount
            do { memory = try ByteCount(parsing: fields[1]) } catch { throw CommandFailure(.usage, "--nodes: \(error.message)") }
            nodes.append(PlanningNode(id: NodeID(name), effectiveCores: cores, freeMemory: memory))
        }
        return nodes
    }

    static func names(_ nodes: [PlanningNode]) -> String { nodes.map(\.id.name).sorted().joined(separator: ", ") }
}

/// The workers of a live coordinator as the planner sees them, from its status.
enum LiveNodes {
    static func read(_ status: ClusterStatus) -> (nodes: [PlanningNode], links: LinkTable) {
        (status.nodes.map(node), links(status))
    }

    private static func node(_ node: ClusterStatus.Node) -> PlanningNode {
        let cores = node.cpu.quotaCores
        let memory = node.memory
        // What the worker itself holds makes room for what is planned, within the limit.
        let free = memory.limitBytes - min(memory.usedBytes, memory.limitBytes)
        let usable = min(memory.limitBytes, free.addedSaturating(to: memory.processBytes))
        return PlanningNode(
            id: node.name, effectiveCores: cores, speed: cores > 0 ? node.capability / cores : 0,
            freeMemory: ByteCount(Int(clamping: usable)), latencyMs: (node.roundTripMs ?? 0) / 2,
            isEligible: node.state == "ready", pinnedStage: node.pinnedStage)
    }

    /// As the coordinator has them: loopback is not measured, others are judged together.
    private static func links(_ status: ClusterStatus) -> LinkTable {
        let isLocal = status.nodes.allSatisfy { node in
            let host = (try? HostPort(parsing: node.address))?.host
            return host == "localhost" || host.flatMap { IPAddress($0) }?.isLoopback == true
        }
        if isLocal { return LinkTable(common: .loopback, measured: [], broken: []) }
        let names = Set(status.nodes.map(\.name))
        let measured = status.links.compactMap { link -> MeasuredLink? in
            guard link.connected, names.contains(link.from), names.contains(link.to) else { return nil }
            return MeasuredLink(
                from: link.from, to: link.to, wireBytesPerSecond: link.bandwidthBytesPerSecond, rawBytes: link.rawBytes,
                wireBytes: link.wireBytes, roundTripMs: 0)
        }
        return LinkTable(common: .gigabit, measured: measured, broken: [])
    }
}
