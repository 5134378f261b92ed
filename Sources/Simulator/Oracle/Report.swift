public import Base
internal import Cluster

extension Simulation {
    /// What a run did, for people, and for tests that must know that something was exercised.
    public struct Report: Sendable, Equatable {
        public var requests = 0
        public var replies = 0
        public var rejectedInputs = 0
        public var cancelled = 0
        /// Requests whose deadline passed while nothing could serve them.
        public var expired = 0
        /// Requests that clients sent again after a reconnect or a refusal.
        public var resent: UInt64 = 0
        public var replayed: UInt64 = 0
        public var plans: UInt64 = 0
        /// Archives that were sent to workers.
        public var archives = 0
        /// Old messages that arrived again.
        public var repeated = 0
        /// Workers that went from one coordinator's session to another's.
        public var takeovers = 0
        /// Runs that did not end, and made their worker start again.
        public var writtenOff = 0
        /// Nodes that were left out because they lose work.
        public var blamed = 0
        /// Workers that ended of an input, and the requests that were given up for such.
        public var poisonKills = 0
        public var givenUp = 0
        public var faults: [String: Int] = [:]
        /// The longest time from a request's submission, or the end of the last fault, to its outcome.
        public var longestWait: Duration = .zero
        /// From the end of the last fault to the last plan after it.
        public var longestSettling: Duration = .zero
        public var occurrences = 0
        public var virtualTime: Duration = .zero
        /// Runs that were watched after everything had settled.
        public var observed = 0

        public init() {}

        public mutating func add(_ other: Report) {
            requests += other.requests
            replies += other.replies
            rejectedInputs += other.rejectedInputs
            cancelled += other.cancelled
            expired += other.expired
            resent += other.resent
            replayed += other.replayed
            plans += other.plans
            archives += other.archives
            repeated += other.repeated
            takeovers += other.takeovers
            writtenOff += other.writtenOff
            blamed += other.blamed
            poisonKills += other.poisonKills
            givenUp += other.givenUp
            faults.merge(other.faults, uniquingKeysWith: +)
            longestWait = max(longestWait, other.longestWait)
            longestSettling = max(longestSettling, other.longestSettling)
            occurrences += other.occurrences
            virtualTime += other.virtualTime
            observed += other.observed
        }
    }

    /// A broken promise; the text names what was expected and what was seen.
    public struct Violation: Error, Sendable, CustomStringConvertible {
        public let seed: UInt64
        public let at: Instant
        public let message: String
        public var description: String { "seed \(seed) at \((at - Instant.zero).readable): \(message)" }
    }
}
