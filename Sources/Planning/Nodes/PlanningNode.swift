public import Base

/// A worker as the planner sees it.
public struct PlanningNode: Sendable, Hashable, Codable {
    public var id: NodeID
    /// Cores that its quota, cpuset and machine allow.
    public var effectiveCores: Double
    /// Speed of one of its cores relative to the reference (1.0), measured in thread CPU time.
    public var speed: Double
    /// What the worker's process may have resident in all: the limit less what others use. Its own present resident set is inside.
    public var freeMemory: ByteCount
    /// Share of its cores that others use, 0…1. Our own work is left out, else a busy cluster would ban all its nodes.
    public var load: Double
    /// Round trip from the coordinator.
    public var latencyMs: Double
    /// False while it may take no new work: suspect, lost, draining.
    public var isEligible: Bool
    /// The topology's `x-amp4ec: {stage: N}`: the node serves this stage of the plan, counted from 0, and no other.
    public var pinnedStage: Int?
    /// The topology's `x-amp4ec: {exclude: true}`: the node takes no part, however good it is.
    public var isExcluded: Bool
    /// Nodes of one machine have cores of one speed; empty where it is not known.
    public var machine: String

    public init(
        id: NodeID, effectiveCores: Double, speed: Double = 1, freeMemory: ByteCount, load: Double = 0, latencyMs: Double = 0,
        isEligible: Bool = true, pinnedStage: Int? = nil, isExcluded: Bool = false, machine: String = ""
    ) {
        self.id = id
        self.effectiveCores = effectiveCores
        self.speed = speed
        self.freeMemory = freeMemory
        self.load = load
        self.latencyMs = latencyMs
        self.isEligible = isEligible
        self.pinnedStage = pinnedStage
        self.isExcluded = isExcluded
        self.machine = machine
    }

    /// C_i: reference cores that are there for us; the work of one reference millisecond takes 1 / C_i ms of a busy node.
    public var capability: Double { effectiveCores * (1 - load) * speed }

    /// The rate of one micro-batch alone: it runs on one thread, so more than one core does not make it faster.
    public var singleThreadCapability: Double { min(effectiveCores * (1 - load), 1) * speed }

    /// Micro-batches that run at once: one compute thread for each whole core.
    public var executors: Int { max(1, Int(exactly: effectiveCores.rounded(.down)) ?? 1) }
}
