import Simulator

/// Every seed that failed once, with the options that it ran under and what it found. They run with every test run.
///
/// A seed names a run only as long as the simulation draws its random numbers in the same order: after a change there it is one more run.
struct FailedSeed: Sendable, CustomStringConvertible {
    let seed: UInt64
    let profile: Simulation.Profile
    /// What was wrong, and in whose decisions.
    let found: String
    var description: String { "\(profile.rawValue) \(seed): \(found)" }

    static let all: [FailedSeed] = [
        FailedSeed(
            seed: 30, profile: .intruder,
            found:
                "worker: a second coordinator got a later term from one worker whose connection to the right one had just broken, and "
                + "took the others, which the right one held"),
        FailedSeed(seed: 43, profile: .intruder, found: "worker: the same, of a worker that joined"),
        FailedSeed(seed: 80, profile: .everything, found: "worker: the same, by way of a worker that was started again"),
        FailedSeed(
            seed: 10_980, profile: .everything,
            found: "coordinator: a drained node that connected again was in nobody's peer table when it was taken back"),
        FailedSeed(
            seed: 360, profile: .everything,
            found:
                "coordinator: a drained worker that had reconnected was taken back before the others were told where it is; plans went "
                + "on and on over links that its neighbours reported as out"),
        FailedSeed(
            seed: 18_364_031_959_166_543_482, profile: .everything,
            found:
                "worker: a peer that left the table and came back was dialled twice, and the second connection replaced the first: what "
                + "the kernel had taken on the first was lost, and nobody knew"),
        FailedSeed(seed: 18_364_031_959_166_538_045, profile: .everything, found: "worker: the same, of a stage in the middle"),
        FailedSeed(
            seed: 4_062_707, profile: .everything,
            found:
                "simulation: a coordinator that had ended in its drain, as it woke after its last request's deadline, was given one more result"
        ),
        FailedSeed(
            seed: 4_109_999, profile: .everything,
            found: "coordinator: amp4ec drain waited forever for a worker that was told to end meanwhile, and killed before it had"
        ),
        FailedSeed(
            seed: 10_000_222, profile: .everything,
            found:
                "simulation: a poison that a fault sent again to a worker which had been started again was counted against the coordinator"
        ),
        FailedSeed(
            seed: 10_113_076, profile: .everything,
            found: "coordinator: a plan was made again when a pause for flapping would have ended that a later loss had prolonged"),
        FailedSeed(
            seed: 31_001_199, profile: .everything,
            found:
                "simulation: a poison was counted against the coordinator though a message that came twice had ended the link it came by"
        ),
        FailedSeed(
            seed: 6_621_878_004_478_338_682, profile: .everything,
            found:
                "simulator: a hello counted as a word of the holder before it was obeyed, so that a worker whose holder had been silent for "
                + "long seemed to leave one that lives"),
        FailedSeed(
            seed: 502_839_330_603_248_865, profile: .everything,
            found:
                "simulator: a worker with two addresses that had dialled itself was told of the end of one of the connection's two ends"
        ),
        FailedSeed(
            seed: 880_000_017_466, profile: .everything,
            found:
                "coordinator: amp4ec drain waited forever where the only other worker, which serves beside it, could not load a plan of its own "
                + "for a while"),
    ]
}
