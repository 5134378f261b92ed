internal import Base

/// Units of nodes that may stand for each other: the search counts them instead of telling them apart.
///
/// A unit is one node in an exact search; in a search over many nodes it may be a packet of them, which serve a stage together
/// or not at all.
struct NodeKind {
    /// What stands for each other, in the order in which units are taken; each holds indices of the model's nodes.
    var units: [[Int]]
    /// The stage that the topology gives these nodes.
    var pin: Int?

    var count: Int { units.count }

    /// One kind for each set of interchangeable nodes: equal figures, pins and links of the coordinator, and no link of their own
    /// among workers. Complexity: O(nodes).
    static func kinds(of model: PipelineModel, links: LinkTable) -> [NodeKind] {
        var kinds: [NodeKind] = []
        var known: [Likeness: Int] = [:]
        for (index, node) in model.nodes.enumerated() {
            let likeness = Likeness(node, index, model, isIrregular: links.irregularNodes.contains(node.id))
            if let kind = known[likeness] {
                kinds[kind].units.append([index])
            } else {
                known[likeness] = kinds.count
                kinds.append(NodeKind(units: [[index]], pin: node.pinnedStage))
            }
        }
        return kinds
    }

    /// Each node by itself, in the model's order.
    static func singles(of model: PipelineModel) -> [NodeKind] {
        model.nodes.enumerated().map { NodeKind(units: [[$0]], pin: $1.pinnedStage) }
    }

    private struct Likeness: Hashable {
        var capability: Double
        var singleThreadCapability: Double
        var executors: Int
        var memory: ByteCount
        var arrival: Link
        var departure: Link
        var pin: Int?
        /// Tells irregular nodes apart from all others.
        var identity: Int?

        init(_ node: PlanningNode, _ index: Int, _ model: PipelineModel, isIrregular: Bool) {
            capability = node.capability
            singleThreadCapability = node.singleThreadCapability
            executors = node.executors
            memory = node.freeMemory
            arrival = model.link(from: PipelineModel.coordinator, to: index)
            departure = model.link(from: index, to: PipelineModel.coordinator)
            pin = node.pinnedStage
            identity = isIrregular ? index : nil
        }
    }
}
