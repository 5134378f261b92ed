/// How much is kept.
///
/// Samples come once a second. The newest of each node stay as they are; of the older ones, one stays for each minute, and of these the
/// newest. So a history is exact where an operator looks after an incident and still shows last week's, in a size that is known
/// beforehand. It goes by rows, not by age: a clock that is set wrong for a moment thins nothing that it should not.
package struct HistoryLimits: Sendable, Hashable {
    /// Of each node, kept as they came: an hour.
    package var fineSamples = 3_600
    /// Of each node, one for each minute: a week.
    package var coarseSamples = 10_080
    /// What is thinned at a time (where two of them meet, a minute may keep two samples): each thinning reads all fine rows of the node, so it must not come with every sample.
    package var thinnedAtOnce = 600
    /// Events, of all nodes together: months of an orderly cluster, and an hour of one in which a node flaps.
    package var events = 10_000
    /// All of it. A dozen nodes with full rows take 20 MiB; with a thousand nodes this bound comes first, and the oldest samples of all go
    /// before their time. It holds in memory as on disk: the coordinator may stand on a small machine.
    package var byteCount = 32 << 20
    /// Pages that the database may have at most; `nil` leaves it to the disk. With it a test can fill a disk.
    package var pages: Int?

    /// Rows that wait for the thread: beyond this a disk hangs, and the oldest of them are given up.
    package static let waitingRows = 20_000
    /// Samples of one answer over all nodes: 35 MB of JSON, below the wire's bound on documents.
    package static let answeredSamples = 100_000
    /// Events of one answer.
    package static let answeredEvents = 1_000
    /// Samples of each node in an answer whose question names no number.
    package static let defaultSamples = 100

    package init() {}
}
