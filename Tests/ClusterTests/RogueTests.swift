import Testing

/// Clients and workers that keep to no rule, on the programs themselves: whatever they do, nobody ends, honest replies are right row by row, no
/// honest worker is lost, and what they took is given back.
@Suite("Rogues")
struct RogueTests {
    @Test("clients: figures, shapes, names and kinds that cannot be")
    func values() async throws { try await Attack.runAll(RogueValueAttacks.requests + RogueValueAttacks.others, model: "cnn") }

    @Test("workers: what they pass on to the next")
    func activations() async throws {
        try await Attack.runAll(RogueActivationAttacks.attacks, model: "cnn", coordinatorOptions: ["--shape", "pipeline"])
    }
}
