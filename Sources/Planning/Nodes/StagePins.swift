internal import Base

/// The stages that the topology gives to nodes (`x-amp4ec: {stage: N}`), checked against shape and model.
struct StagePins {
    /// Nodes by their stage, as indices.
    let nodesOfStage: [Int: [Int]]

    init(_ nodes: [PlanningNode], shape: PlanShape, segmentCount: Int) throws(PlanningError) {
        var byStage: [Int: [Int]] = [:]
        for (index, node) in nodes.enumerated() {
            if let stage = node.pinnedStage { byStage[stage, default: []].append(index) }
        }
        for (stage, members) in byStage.sorted(by: { $0.key < $1.key }) {
            let names = members.map { nodes[$0].id.name }.sorted().joined(separator: " and ")
            guard stage < segmentCount else {
                throw .invalidPins(
                    "\(names) is pinned to stage \(stage), but the model's legal cuts allow \(segmentCount) stages at most, counted from 0"
                )
            }
            let others = nodes.count - members.count
            guard others >= stage else {
                throw .invalidPins(
                    "\(names) is pinned to stage \(stage), but only \(others) other nodes are there for the stages before it")
            }
            if shape == .pipeline, members.count > 1 {
                throw .invalidPins(
                    "\(names) are pinned to stage \(stage), but --shape pipeline has one node for each stage; use --shape auto")
            }
        }
        nodesOfStage = byStage
    }

    var isEmpty: Bool { nodesOfStage.isEmpty }

    /// The first `count` places of a pipeline: pinned nodes at theirs, the others in the given order; nil where a pin lies beyond.
    func order(_ indices: some Sequence<Int>, count: Int) -> [Int]? {
        guard nodesOfStage.keys.allSatisfy({ $0 < count }) else { return nil }
        let pinned = Set(nodesOfStage.values.joined())
        var others = indices.filter { !pinned.contains($0) }[...]
        var result: [Int] = []
        for place in 0..<count {
            if let node = nodesOfStage[place]?.first {
                result.append(node)
            } else if let node = others.popFirst() {
                result.append(node)
            } else {
                return nil
            }
        }
        return result
    }
}
