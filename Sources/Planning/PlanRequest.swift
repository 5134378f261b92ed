public import Base

/// How layers are put on nodes (`--strategy`).
public enum PlanStrategy: String, Sendable, Hashable, Codable, CaseIterable {
    /// The best bottleneck, then the lowest latency within 3 % of it, then the fewest nodes.
    case optimal
    /// The paper's greedy boundaries with its refinement by one layer at a time; the baseline.
    case ralos
}

/// Which plans are allowed (`--shape`).
public enum PlanShape: String, Sendable, Hashable, Codable, CaseIterable {
    /// One partition for each worker, as far as cuts and memory allow.
    case pipeline
    /// Any mix of stages and replicas on any subset of the workers.
    case auto
}

/// What the plan is best at (`--objective`).
public enum PlanObjective: String, Sendable, Hashable, Codable, CaseIterable { case throughput, latency }

/// The numbers behind a plan that a user may want to change, each with the reason for its default.
public struct PlanSettings: Sendable, Hashable {
    /// A process that has loaded libtorch is 104 MB resident; a worker's buffers and threads add a few.
    public var runtimeBaseBytes: ByteCount = ByteCount(110_000_000)
    /// An operator's input and output are alive together, in each executor.
    public var activationCopies = 2.0
    /// Micro-batches waiting before and after a stage while it computes one: two keep it from running dry.
    public var bufferedMicroBatches = 2.0
    /// CPU time of a node of speed 1 for each byte that it sends or receives (checksum, copies into and out of the socket).
    public var transferCPUNanosecondsPerByte = CostModel.copyNanosecondsPerByte
    /// Algorithm 1: a node above this load takes no part, unless all are.
    public var maximumLoad = 0.8
    /// Algorithm 1: a node farther than this takes no part. A second away is as good as lost.
    public var maximumLatencyMs = 1000.0
    /// Plans within this factor of the best bottleneck count as equal, and the lower latency wins. 3 % is below what a measurement resolves.
    public var bottleneckTolerance = 1.03
    /// Items of the request whose latency decides between sizes of micro-batch: `latency + (micro-batches − 1) · bottleneck`.
    public var itemsPerRequest = 1
    public init() {}
}

/// Everything that a plan depends on.
public struct PlanRequest: Sendable, Hashable {
    public var profile: ModelProfile
    /// The same model at other micro-batches: then the size is the planner's decision. Empty: ``profile``'s batch it is.
    public var otherProfiles: [ModelProfile]
    public var nodes: [PlanningNode]
    public var links: LinkTable
    public var costModel: CostModel
    public var strategy: PlanStrategy
    public var shape: PlanShape
    public var objective: PlanObjective
    public var settings: PlanSettings

    public init(
        profile: ModelProfile, nodes: [PlanningNode], links: LinkTable = LinkTable(), costModel: CostModel = .profiled,
        strategy: PlanStrategy = .optimal, shape: PlanShape = .pipeline, objective: PlanObjective = .throughput,
        settings: PlanSettings = PlanSettings(), otherProfiles: [ModelProfile] = []
    ) {
        self.profile = profile
        self.otherProfiles = otherProfiles
        self.nodes = nodes
        self.links = links
        self.costModel = costModel
        self.strategy = strategy
        self.shape = shape
        self.objective = objective
        self.settings = settings
    }
}
