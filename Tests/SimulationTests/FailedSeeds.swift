import TestKit

/// Every seed that failed once, with the options that it ran under and what it found. They run with every test run.
///
/// A seed names a run only as long as the simulation draws its random numbers in the same order: after a change there it is one more run.
struct FailedSeed: Sendable, CustomStringConvertible {
    let seed: UInt64
    let profile: Simulation.Profile
    /// What was wrong, and in whose decisions.
    let found: String
    var description: String { "\(profile.rawValue) \(seed): \(found)" }

    static let all: [FailedSeed] = []
}
