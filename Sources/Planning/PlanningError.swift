public import Base

/// Why there is no plan.
public enum PlanningError: Error, Sendable, Hashable, CustomStringConvertible {
    /// A node's lack of memory for a stage, in the plan that comes closest to fitting.
    public struct Shortage: Sendable, Hashable {
        public var node: NodeID
        public var layers: LayerRange
        public var needed: ByteCount
        public var available: ByteCount
        /// Where no piece of the model fits into the node.
        public var smallestPiece: SmallestPiece?
        public var lacking: ByteCount { needed - available }
    }

    /// No node can take part; each with the reason.
    case noNodes(reasons: [String])
    /// The profile contradicts itself.
    case invalidProfile(String)
    /// No partition fits: the shortages of the plan that needs the least memory to be added in all.
    case insufficientMemory([Shortage])
    /// Every chain of nodes from the coordinator and back meets a link that cannot connect.
    case noRoute
    /// The strategy finds no plan although there is one.
    case strategyFailed(PlanStrategy, instead: PlanStrategy)
    /// The topology's pins contradict each other, the shape, or the model's cuts.
    case invalidPins(String)
    /// An assignment that was asked for is not one of this model and these nodes.
    case invalidAssignment(String)

    public var message: String {
        switch self {
        case .noNodes(let reasons):
            return reasons.isEmpty
                ? "no worker is there: start one, or name it in the topology"
                : "no worker can take part: " + reasons.joined(separator: "; ")
        case .invalidProfile(let reason): return "the model's profile cannot be used: \(reason)"
        case .insufficientMemory(let shortages):
            let details = shortages.map {
                "\($0.node) lacks \($0.lacking) for \($0.layers.words) (needs \($0.needed), has \($0.available))"
                    + ($0.smallestPiece.map { "; \($0.node): \($0.problem)" } ?? "")
            }
            let changes = shortages.map { "\($0.node) by \($0.lacking)" }
            return "no plan fits the nodes' memory: \(details.joined(separator: "; ")). "
                + "The smallest change that would do: raise the memory limit of \(changes.joined(separator: " and of "))"
        case .noRoute:
            return "no chain of workers connects the coordinator with itself: "
                + "check that workers can reach each other (their published ports, --advertise)"
        case .strategyFailed(let strategy, let other):
            return "the strategy '\(strategy.rawValue)' finds no partition that fits the nodes' memory and links, "
                + "although there is one: use --strategy \(other.rawValue)"
        case .invalidPins(let reason): return "the pinned stages cannot be kept: \(reason)"
        case .invalidAssignment(let reason): return reason
        }
    }

    public var description: String { message }

    /// Of two reasons for two sizes of the micro-batch the one that is nearer to a plan: the fewest bytes that are missing in all, or
    /// this one.
    func nearer(of other: PlanningError) -> PlanningError {
        guard case .insufficientMemory(let mine) = self, case .insufficientMemory(let theirs) = other else { return self }
        func total(_ all: [Shortage]) -> Int { all.reduce(0) { $0 + $1.lacking.bytes } }
        return total(theirs) < total(mine) ? other : self
    }
}
