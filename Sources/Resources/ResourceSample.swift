internal import Base

/// A worker's resources at one moment. Shares and rates are over the time since the sample before; in the first one they are 0.
public struct ResourceSample: Sendable, Hashable {
    /// Cores in use in the group whose quota binds us (its other members included); the host's where there is no quota.
    public var cpuUsedCores: Double = 0
    /// Whether a group's quota binds us, so that ``cpuUsedCores`` is that group's and not the host's.
    public var isQuotaBound = false
    /// Cores that quota, cpuset, affinity and machine allow: the smallest of them.
    public var quotaCores: Double = 0
    /// Share of CFS periods in which the group was throttled, 0…1.
    public var throttledShare: Double = 0
    /// Cores in use by this process alone.
    public var processCPUCores: Double = 0
    /// Of the group whose limit binds us, without the file cache that the kernel would give back; the host's where there is no limit.
    public var memoryUsedBytes: UInt64 = 0
    public var memoryLimitBytes: UInt64 = 0
    /// What may still be taken: the least that any group above us and the host leave.
    public var memoryAvailableBytes: UInt64 = 0
    public var processResidentBytes: UInt64 = 0
    /// Totals over all interfaces but loopback; over loopback where there is no other.
    public var networkReceivedBytes: UInt64 = 0
    public var networkSentBytes: UInt64 = 0
    public var loopbackReceivedBytes: UInt64 = 0
    public var loopbackSentBytes: UInt64 = 0

    public init() {}

    /// What the process may have resident in all: what it has and what may still be taken, but never more than the limit. The planner's
    /// free memory. Containers of one image share the pages of its libraries, and only the first of them is charged for those: without
    /// the limit the others would seem to have room for more than they may ever take.
    public var memoryForProcessBytes: UInt64 {
        let sum = processResidentBytes.addedSaturating(to: memoryAvailableBytes)
        return memoryLimitBytes == 0 ? sum : min(sum, memoryLimitBytes)
    }

    mutating func takeRates(of other: ResourceSample) {
        cpuUsedCores = other.cpuUsedCores
        throttledShare = other.throttledShare
        processCPUCores = other.processCPUCores
    }
}

/// Why a probe cannot start.
public struct ResourceProbeError: Error, Sendable, Hashable, CustomStringConvertible {
    public let message: String
    public var description: String { message }
}
