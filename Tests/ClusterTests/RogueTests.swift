import AMP4ECClient
import Cluster
import Testing

/// Clients and workers that keep to no rule, on the programs themselves: whatever they do, nobody ends, honest replies are right row by row, no
/// honest worker is lost, and what they took is given back.
@Suite("Rogues")
struct RogueTests {
    @Test("clients: numbers used twice, given up and used again")
    func numbers() async throws { try await Attack.runAll(RogueNumberAttacks.onShortRequests, model: "cnn") }

    @Test("clients: numbers used again while their request runs")
    func runningNumbers() async throws { try await Attack.runAll(RogueNumberAttacks.onLongRequests, model: "slow") }

    @Test("clients: figures, shapes, names and kinds that cannot be")
    func values() async throws { try await Attack.runAll(RogueValueAttacks.requests + RogueValueAttacks.others, model: "cnn") }

    @Test("clients: floods, and what is announced and never sent")
    func floods() async throws { try await Attack.runAll(RogueFloodAttacks.attacks, model: "cnn") }

    @Test("workers: what they say of themselves")
    func words() async throws { try await Attack.runAll(RogueWorkerAttacks.words, model: "cnn") }

    @Test("workers: results that are not what the model declares")
    func results() async throws {
        // Plans are made for micro-batches this large: what they compute outweighs what the way to the rogue takes, so that it is always chosen.
        try await Attack.runAll(RogueRouteAttacks.onRoute, model: "cnn", microBatch: 64, coordinatorOptions: ["--shape", "auto"])
    }

    @Test("workers: word about work of others")
    func offRoute() async throws { try await Attack.runAll(RogueRouteAttacks.offRoute, model: "slow") }

    @Test("workers: work of their own for honest workers")
    func strangers() async throws {
        try await Attack.runAll(RogueRouteAttacks.strangers, model: "slow", coordinatorOptions: ["--shape", "pipeline"])
    }

    @Test("workers: what they pass on to the next")
    func activations() async throws {
        try await Attack.runAll(RogueActivationAttacks.attacks, model: "cnn", coordinatorOptions: ["--shape", "pipeline"])
    }

    @Test("workers: names, addresses and connections that are not what they say")
    func registrations() async throws { try await Attack.runAll(RogueRegistrationAttacks.attacks, model: "cnn") }
}

/// Beside the others: whose work disappears is found only after seconds of waiting, three times over.
@Suite("Rogues that swallow")
struct SwallowingRogueTests {
    @Test("workers: work that disappears")
    func holes() async throws { try await Attack.runAll(RogueActivationAttacks.holes, model: "cnn") }
}
