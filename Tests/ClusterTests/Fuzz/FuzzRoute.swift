import Base
import Synchronization
import Simulator
import Wire

/// A worker that every plan wants, and whose answers are put together by chance. Honest requests that it gets fail, and none may get what it said:
/// its results have another shape than the model declares, whatever else is changed in them.
enum FuzzRoute {
    /// So many micro-batches are answered under one seed.
    private static let answers = 12
    /// … of one whose messages are in order: it stays connected, and may be left out of the plan before there are more.
    private static let tidyAnswers = 4

    static func episode(_ scene: Scene, _ random: inout SeededRandom) async throws {
        let dice = Dice(seed: random.next())
        var script = RogueWorker.Script(name: "fuzz-route")
        script.profile = RogueRouteAttacks.wanted
        // Where a word that is no message ends the connection, what could come after it is not heard: in half of the episodes all are in order.
        let isTidy = random.chance(0.5)
        script.work = { rogue, work, _ in
            dice.state.withLock { isTidy ? misshapen(work, as: rogue, &$0) : answer(work, as: rogue, &$0) }
        }
        let rogue = try RogueWorker(script)
        defer { rogue.stop() }
        try await rogue.register(at: scene.address)
        try await rogue.answered(isTidy ? tidyAnswers : answers)
    }

    /// The connections' threads share it.
    private final class Dice: Sendable {
        let state: Mutex<SeededRandom>
        init(seed: UInt64) { state = Mutex(SeededRandom(seed: seed)) }
    }

    /// A message in order, with as many bytes as it says, of tensors that the model does not declare.
    private static func misshapen(_ work: Work, as rogue: RogueWorker, _ random: inout SeededRandom) {
        guard work.route.last?.node.name == rogue.name else {
            // A result counts from the last hop alone, and what is neither done nor failed keeps its request waiting.
            try? rogue.control?.send(
                .workFailed(WorkFailed(key: work.key, node: NodeID(rogue.name), code: .internalError, message: "by chance")))
            return
        }
        let items = UInt64(work.items)
        let shape = FieldMutation.pick(
            [[items + 1, 9], [items + 1, 10], [items, 9], [items, 10, 1], [items * 10], [0, 10], []], &random)
        let tensor = ProtoBytes.tensor(dtype: 1, shape: shape, wireBytes: shape.reduce(4, *))
        let count = FieldMutation.pick([1, 1, 1, 0, 2], &random)
        let payload = [UInt8](repeating: 0, count: count * Int(shape.reduce(4, *)))
        rogue.give(work.key, [ProtoBytes](repeating: tensor, count: count), payload: payload)
    }

    private static func answer(_ work: Work, as rogue: RogueWorker, _ random: inout SeededRandom) {
        let shape = [UInt64(work.items) + 1, 9]
        let tensor = ProtoBytes.tensor(dtype: 1, shape: shape, encoding: random.chance(0.2) ? 1 : 0, wireBytes: shape.reduce(4, *))
        let trace = ProtoBytes().text(1, rogue.name).varint(2, 1).varint(5, 1_000)
        let result = ProtoBytes().message(1, .key(work.key)).message(2, tensor).message(3, trace)
        let payload = [UInt8](repeating: 0, count: FieldMutation.pick([Int(work.items + 1) * 36, 0, 1, 100_000], &random))
        switch random.int(in: 0...5) {
        case 0:
            // Nothing follows that could hide what became of it.
            return rogue.give(work.key, [tensor], payload: payload)
        case 1...3: rogue.data?.send(.workResult, FieldMutation.mutate(result.bytes, &random), payload: payload)
        case 4:
            // Begun and never ended, or ended by the end of the connection; what it was for is said to have failed.
            rogue.data?.begin(.workResult, result.bytes, payload: [1], of: payload.count + 1)
        default: break
        }
        // Whatever the coordinator made of that: nothing of this key is left here.
        let failed = WorkFailed(key: work.key, node: NodeID(rogue.name), code: .internalError, message: "by chance")
        let dropped = WorkDropped(key: work.key, node: NodeID(rogue.name))
        try? rogue.control?.send(random.chance(0.5) ? .workFailed(failed) : .workDropped(dropped))
    }
}
