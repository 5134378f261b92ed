public import Base

/// What one task needs of a node: the figures that Algorithm 1 compares.
public struct TaskDemand: Sendable, Hashable {
    public var cores: Double
    public var memory: ByteCount

    public init(cores: Double = 0, memory: ByteCount = .zero) {
        self.cores = cores
        self.memory = memory
    }
}

/// The weights and limits of Algorithm 1 (reference formulas, equations 7 to 11).
public struct SelectionSettings: Sendable, Hashable {
    public var resourceWeight = 0.2
    public var loadWeight = 0.2
    public var performanceWeight = 0.1
    public var balanceWeight = 0.5
    /// A node above this load is skipped, unless nobody else can do the task.
    public var maximumLoad = 0.8
    /// A node farther than this is skipped.
    public var maximumLatencyMs = 1000.0
    public init() {}
}

/// What a node last said about itself.
public struct NodeReading: Sendable, Hashable {
    public var availableCores: Double
    public var availableMemory: ByteCount
    /// 0…1: others' CPU and our own queue over its window.
    public var load: Double
    public var latencyMs: Double

    public init(availableCores: Double, availableMemory: ByteCount, load: Double, latencyMs: Double = 0) {
        self.availableCores = availableCores
        self.availableMemory = availableMemory
        self.load = load
        self.latencyMs = latencyMs
    }

    /// Why the reading cannot be used, if so: a measurement that is no number says nothing.
    var fault: String? {
        if !(availableCores >= 0 && availableCores.isFinite) { return "its free cores are \(availableCores), must be 0 or more" }
        if availableMemory < .zero { return "its free memory is \(availableMemory.bytes) bytes, must be 0 or more" }
        if !(load >= 0 && load <= 1) { return "its load is \(load), must be 0…1" }
        if !(latencyMs >= 0 && latencyMs.isFinite) { return "its latency is \(latencyMs) ms, must be 0 or more" }
        return nil
    }
}

/// The score of Algorithm 1, which the highest node wins:
///
///     S   = 0.2·S_R + 0.2·S_L + 0.1·S_P + 0.5·S_B
///     S_R = 0.5·min(cpu_avail / cpu_req, 1) + 0.5·min(mem_avail / mem_req, 1)
///     S_L = 1 − load
///     S_P = 1 / (1 + mean seconds of the last 100 tasks); 0.5 with no history
///     S_B = 1 / (1 + 2 · tasks now on the node)
///
/// A node that is short of either resource is skipped, so every node that is scored has S_R = 1 whatever the task needs: the score
/// belongs to the node alone, and an index can keep nodes in its order.
public enum NodeScore {
    /// S_P with no history.
    public static let unknownPerformance = 0.5

    public static func value(load: Double, meanSeconds: Double?, tasks: Int, settings: SelectionSettings) -> Double {
        let performance = meanSeconds.map { 1 / (1 + $0) } ?? unknownPerformance
        let balance = 1 / (1 + 2 * Double(tasks))
        return settings.resourceWeight + settings.loadWeight * (1 - load) + settings.performanceWeight * performance
            + settings.balanceWeight * balance
    }
}

/// The execution times of a node's last 100 tasks, and their mean.
///
/// Whole microseconds, so that the running sum is exact however long it runs.
public struct ExecutionHistory: Sendable, Hashable {
    /// The paper's window.
    public static let capacity = 100

    private var microseconds: [UInt32] = []
    private var next = 0
    private var sum: UInt64 = 0

    public init() {}

    public var count: Int { microseconds.count }
    public var meanSeconds: Double? { count == 0 ? nil : Double(sum) / Double(count) / 1e6 }

    /// Takes one task's time; false where it is no time (negative, not a number) and was left out. Times beyond 71 minutes count as 71 minutes.
    public mutating func record(milliseconds: Double) -> Bool {
        guard milliseconds >= 0 else { return false }
        let value = UInt32(min(Double(UInt32.max), (milliseconds * 1000).rounded()))
        if microseconds.count < Self.capacity {
            microseconds.append(value)
        } else {
            sum -= UInt64(microseconds[next])
            microseconds[next] = value
            next = (next + 1) % Self.capacity
        }
        sum += UInt64(value)
        return true
    }
}
