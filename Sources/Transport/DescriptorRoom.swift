internal import Glibc

/// How many descriptors the process may have, and how many of them are not for whoever connects.
///
/// The kernel gives the lowest free number, so that a connection's own number says how full the process is: nothing need be counted.
public struct DescriptorRoom: Sendable, Hashable {
    /// For dialling workers, for HTTP, for files: more is never needed at once beside what is accepted.
    private static let longestReserve = 512

    /// The soft limit.
    public let limit: Int
    /// The first number that a stranger's connection does not keep.
    public var firstReserved: Int { limit - min(Self.longestReserve, limit / 4) }

    public init(limit: Int) { self.limit = limit }

    /// As it stands now.
    public static var current: DescriptorRoom {
        var limits = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limits) == 0 else { return DescriptorRoom(limit: 1_024) }
        return DescriptorRoom(limit: Int(clamping: limits.rlim_cur))
    }
}
