public import Base

/// The piece of a model, between two neighbouring cuts, that needs the least memory, and a node that has less.
public struct SmallestPiece: Sendable, Hashable {
    public var node: NodeID
    public var layers: LayerRange
    public var needed: ByteCount
    /// What the node's worker may have resident.
    public var available: ByteCount

    var problem: String {
        "its memory of \(available) is too small for any piece of the model: the smallest, \(layers.words), needs \(needed)"
    }
    var leftOut: Plan.LeftOut { Plan.LeftOut(node: node, cause: problem) }
}

extension PipelineModel {
    /// The piece that needs the least, where not even that fits into the node; `nil` where something does. O(segments).
    func smallestPieceTooLarge(for node: Int) -> SmallestPiece? {
        var smallest: (segment: Int, bytes: Int)?
        for segment in 0..<segmentCount {
            let bytes = residentBytes(block(from: segment, to: segment + 1), on: node)
            // The usual case: something fits, at once.
            guard bytes > memories[node] else { return nil }
            if smallest.map({ bytes < $0.bytes }) ?? true { smallest = (segment, bytes) }
        }
        return smallest.map { piece in
            SmallestPiece(
                node: nodes[node].id, layers: LayerRange(boundaryLayers[piece.segment], boundaryLayers[piece.segment + 1]),
                needed: ByteCount(piece.bytes), available: nodes[node].freeMemory)
        }
    }
}
