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
            let memory: ByteSize
            do { memory = try ByteSize(parsing: fields[1]) } catch { throw CommandFailure(.usage, "--nodes: \(error.message)") }
            nodes.append(PlanningNode(id: NodeID(name), effectiveCores: cores, freeMemory: ByteCount(memory.bytes)))
        }
        return nodes
    }

    static func names(_ nodes: [PlanningNode]) -> String { nodes.map(\.id.name).sorted().joined(separator: ", ") }
}

/// The workers of a live coordinator as the planner sees them, from its status.
enum LiveNodes {
    static func read(_ status: ClusterStatus) -> (nodes: [PlanningNode], links: LinkTable) {
        let nodes = status.nodes.map { node in
            let cores = node.cpu.quotaCores
            // What the worker itself holds makes room for what is planned.
            let free =
                Int(clamping: node.memory.limitBytes) - Int(clamping: node.memory.usedBytes)
                + Int(clamping: node.memory.processBytes)
            return PlanningNode(
                id: node.name, effectiveCores: cores, speed: cores > 0 ? node.capability / cores : 0, freeMemory: ByteCount(free),
                latencyMs: (node.roundTripMs ?? 0) / 2, isEligible: node.state == "ready")
        }
        var links = LinkTable()
        let names = Set(nodes.map(\.id.name))
        for link in status.links where names.contains(link.from) && names.contains(link.to) && link.bandwidthBytesPerSecond > 0 {
            let measured = Link(bandwidthBytesPerSecond: link.bandwidthBytesPerSecond, latencyMs: links.common.latencyMs)
            links.set(measured, from: .node(NodeID(link.from)), to: .node(NodeID(link.to)))
        }
        return (nodes, links)
    }
}
