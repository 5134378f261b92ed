internal import Base
internal import DequeModule
internal import Planning
internal import Wire

/// A plan for the loss of a node.
struct StandbyPlan: Sendable {
    var deployment: PlannedDeployment?
    /// Why there is none.
    var failure = ""
    /// The nodes over which it was made.
    var members: Set<NodeID>
}

/// Plans for the loss of each node that serves: which there are, which are still to be made, and what they want loaded.
///
/// Invariant: there are no more than the bound, and none is still to be made of which there is one.
struct Standbys: Sendable {
    /// Standbys are made when a plan has served this long: changes often come together.
    static let delay: Duration = .milliseconds(500)
    /// Plans are made for the loss of this many nodes at most: each costs a search and up to a partition on each survivor.
    static let limit = 32

    struct Order: Sendable {
        let number: UInt64
        let lost: NodeID
        let members: Set<NodeID>
    }

    /// By the node that is lost.
    private(set) var plans: [NodeID: StandbyPlan] = [:]
    /// Those for which a plan is still to be made.
    private var queue: Deque<NodeID> = []
    /// The order to the planner that is under way.
    private(set) var order: Order?
    /// When there is something to plan or load next.
    private(set) var dueAt: Instant?
    /// What the plans want loaded where; what earlier ones wanted until the new ones are complete.
    private(set) var wanted: [NodeID: Set<PartitionKey>] = [:]

    /// Nodes that plans are still to be made for, or that plans want something of.
    var nodeCount: Int { wanted.count + queue.count }

    /// Another plan serves, on these nodes.
    mutating func renew(for nodes: [NodeID], _ now: Instant) {
        plans = [:]
        order = nil
        queue = Deque(nodes.prefix(Self.limit))
        dueAt = now + Self.delay
    }

    /// A partition was loaded or refused: the next one can be.
    mutating func mayGoOn(_ now: Instant) { if !plans.isEmpty { dueAt = min(dueAt ?? now, now) } }

    func isDue(_ now: Instant) -> Bool { order == nil && dueAt.map { $0 <= now } ?? false }

    /// The next node for whose loss there is no plan yet.
    mutating func takeNext() -> NodeID? { queue.popFirst() }

    mutating func ordered(_ number: UInt64, without lost: NodeID, over members: [NodeID]) {
        order = Order(number: number, lost: lost, members: Set(members))
    }

    mutating func impossible(without lost: NodeID, _ why: String) {
        plans[lost] = StandbyPlan(deployment: nil, failure: why, members: [])
    }

    /// The planner has answered; what was not ordered, or is not wanted any more, is nothing.
    mutating func answered(_ number: UInt64, _ outcome: CoordinatorMachine.PlanOutcome, _ now: Instant) {
        guard let order, order.number == number else { return }
        self.order = nil
        switch outcome {
        case .plan(let deployment): plans[order.lost] = StandbyPlan(deployment: deployment, members: order.members)
        case .failure(let message):
            plans[order.lost] = StandbyPlan(deployment: nil, failure: message, members: order.members)
        case .comparison: break
        }
        dueAt = now
    }

    /// All are made: what they want loaded is known.
    mutating func complete() {
        wanted = [:]
        for plan in plans.values { wanted.merge(plan.deployment?.partitions ?? [:]) { $0.union($1) } }
    }

    mutating func lookAgain(at due: Instant?) { dueAt = due }

    func checkInvariants() -> String? {
        guard plans.count + queue.count + (order == nil ? 0 : 1) <= Self.limit else { return "more standby plans than the bound" }
        guard queue.allSatisfy({ plans[$0] == nil }), order.map({ plans[$0.lost] == nil }) ?? true else {
            return "a standby plan is made twice"
        }
        return nil
    }
}
