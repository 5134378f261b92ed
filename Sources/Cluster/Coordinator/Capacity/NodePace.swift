internal import Base
internal import DequeModule
internal import Wire

/// What a node's own figures say of its pace: how much CPU time its partitions take, and whether it gets the cores that its quota allows.
///
/// CPU time, not wall time: a stage that waits for its input shows full speed in its short runs however small its quota is. What a neighbour
/// takes away shows in how much of the runs' wall time was CPU time.
struct NodePace: Sendable {
    /// Long enough that a quota's periods (100 ms) and bursts of requests average out, short enough that a change shows within seconds.
    static let windowLength: Duration = .seconds(4)
    /// Heartbeats come four times as often; this many samples tell as much.
    static let sampleInterval: Duration = .milliseconds(900)
    /// Fewer runs in a window say nothing.
    static let leastRuns: UInt64 = 8
    /// Runs that were this full (items by the micro-batch) stand for a full micro-batch.
    static let leastFill = 0.9
    /// Below this share of the time with a run under way a node shows nothing about its cores: short runs fit between others' bursts.
    static let busyShare = 0.5
    /// Runs that got less than this part of what the quota allows are disturbed by somebody; above it the quota's own accounting blurs it.
    static let disturbedShare = 0.75
    /// Another quota, and not the rounding of the same one.
    static let quotaChange = 0.01
    /// A neighbour that was seen is believed for so long after the node has too little work to show him.
    static let disturbanceMemory: Duration = .seconds(60)

    /// Partitions that the node holds no more, whose pace is remembered: a plan may come back to them.
    static let rememberedRuns = 256

    private struct Sample: Sendable {
        var at: Instant
        var partitions: [PartitionKey: PartitionStatistics]
    }

    private var samples: Deque<Sample> = []
    /// The quota under which they were taken.
    private var quota = 0.0
    private struct Run: Sendable {
        var milliseconds: Double
        var at: Instant
    }

    /// CPU time of one micro-batch, by what ran last.
    private var runs: [PartitionKey: Run] = [:]
    /// Those that were measured at work, not at loading.
    private(set) var measuredAtWork: Set<PartitionKey> = []
    private var disturbed: (cores: Double, at: Instant)?
    /// Whether its runs were ever many enough under this quota to show which cores it gets.
    private(set) var hasShownCores = false

    func runMilliseconds(_ key: PartitionKey) -> Double? { runs[key]?.milliseconds }

    /// CPU milliseconds of one micro-batch, of the partitions that ran last: what others took long ago says nothing about the node now.
    var recentRuns: [PartitionKey: Double] {
        guard let newest = runs.values.map(\.at).max() else { return [:] }
        return runs.filter { newest - $0.value.at <= Self.windowLength }.mapValues(\.milliseconds)
    }

    /// The node has loaded it and timed a run.
    mutating func loaded(_ key: PartitionKey, runMilliseconds milliseconds: Double, _ now: Instant) {
        guard milliseconds > 0, milliseconds.isFinite, !measuredAtWork.contains(key) else { return }
        runs[key] = Run(milliseconds: milliseconds, at: now)
    }

    mutating func forget(_ key: PartitionKey) {
        runs[key] = nil
        measuredAtWork.remove(key)
    }

    /// What was seen under another quota says nothing about neighbours: runs that were stopped by a smaller one look disturbed.
    /// - Returns: whether it is another than before.
    mutating func adopt(quota cores: Double) -> Bool {
        guard abs(cores - quota) > Self.quotaChange * quota else { return false }
        let hadQuota = quota > 0
        samples = []
        disturbed = nil
        hasShownCores = false
        quota = cores
        return hadQuota
    }

    /// - Parameters:
    ///   - executors: runs that may be under way at once.
    ///   - cores: what the quota allows.
    ///   - microBatch: the items of a full one.
    mutating func heard(_ beat: Heartbeat, executors: Int, cores: Double, microBatch: Int, _ now: Instant) {
        if let last = samples.last, now - last.at < Self.sampleInterval { return }
        let sample = Sample(
            at: now, partitions: Dictionary(beat.partitions.map { ($0.key, $0) }, uniquingKeysWith: { _, last in last }))
        while let oldest = samples.first, now - oldest.at > Self.windowLength { samples.removeFirst() }
        defer { samples.append(sample) }
        guard let oldest = samples.first else { return }
        // In floating point: a message carries thousands of partitions, and their totals of nanoseconds together need not fit an integer.
        var (count, wall, cpu) = (0.0, 0.0, 0.0)
        for (key, new) in sample.partitions {
            // Counters that went back are a partition that was loaded anew.
            guard let old = oldest.partitions[key], new.runs >= old.runs, new.cpuNanoseconds >= old.cpuNanoseconds,
                new.computeNanoseconds >= old.computeNanoseconds, new.items >= old.items
            else { continue }
            let (newRuns, items) = (new.runs - old.runs, new.items - old.items)
            let newCPU = new.cpuNanoseconds - old.cpuNanoseconds
            count += Double(newRuns)
            wall += Double(new.computeNanoseconds - old.computeNanoseconds)
            cpu += Double(newCPU)
            guard newRuns >= Self.leastRuns, newCPU > 0, items > 0,
                Double(items) >= Self.leastFill * Double(microBatch) * Double(newRuns)
            else { continue }
            runs[key] = Run(milliseconds: Double(newCPU) / 1e6 * Double(microBatch) / Double(items), at: now)
            measuredAtWork.insert(key)
        }
        if runs.count > sample.partitions.count + Self.rememberedRuns {
            runs = runs.filter { sample.partitions[$0.key] != nil }
            measuredAtWork = measuredAtWork.filter { sample.partitions[$0] != nil }
        }
        let elapsed = Double((now - oldest.at).nanoseconds)
        guard count >= Double(Self.leastRuns), elapsed > 0, wall > 0, wall >= Self.busyShare * elapsed * Double(executors) else {
            return
        }
        hasShownCores = true
        let share = cpu / wall
        let allowed = min(1, cores / Double(executors))
        disturbed = share < Self.disturbedShare * allowed ? (share * Double(executors), now) : nil
    }

    /// The cores that the node got at most while neighbours disturbed it; `nil` where nothing disturbs it.
    func disturbedCores(_ now: Instant) -> Double? {
        guard let disturbed, now - disturbed.at <= Self.disturbanceMemory else { return nil }
        return disturbed.cores
    }
}
