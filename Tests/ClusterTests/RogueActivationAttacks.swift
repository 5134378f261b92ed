import AMP4ECClient
import Cluster
import Tensors
import Testing
import Wire

/// What a worker on the route passes on to the next one in place of its activations. The honest worker may only say that it is no good: it
/// runs on, takes no memory for what was only claimed, and nobody gets a wrong reply.
enum RogueActivationAttacks {
    private typealias Activation = @Sendable (RogueWorker, Work) -> Void

    static let attacks: [Attack] = {
        let size = Attack.eachByItself ? 1 : activations.count
        return stride(from: 0, to: activations.count, by: size).map { start in
            let ways = Array(activations[start..<min(start + size, activations.count)])
            return Attack("activations: \(ways.map(\.name).joined(separator: "; "))", mayFailRequests: true) { scene in
                let before = try await scene.figures().residentBytes
                var script = RogueWorker.Script(name: "rogue-a\(start)")
                script.profile.slots = 16
                script.work = { rogue, work, _ in
                    let way = ways[(rogue.works.count - 1) % ways.count].what
                    // The last of the route has nobody to pass anything on to.
                    if work.route.count > 1 { way(rogue, work) } else { rogue.give(work.key, [], payload: []) }
                }
                let rogue = try RogueWorker(script)
                try await rogue.register(at: scene.address)
                try await rogue.answered(ways.count)
                rogue.stop()
                try await scene.traffic.goesOn(8, within: .seconds(20))
                try scene.expectPeak(above: before, "activations")
            }
        }
    }()

    /// It loads what it is told to, its heartbeats say that it has nothing to do, and asked for a micro-batch it says what `place` says.
    /// - Parameter mayFailRequests: finding it may take longer than the deadline of a request that is on its way.
    private static func hole(
        _ name: String, mayFailRequests: Bool = false, _ place: @escaping @Sendable (WorkQuestion) -> WorkPlace
    ) -> Attack {
        Attack("a worker that takes work and says that \(name)", mayFailRequests: mayFailRequests) { scene in
            var script = RogueWorker.Script(name: "rogue-hole")
            script.profile.slots = 16
            script.place = place
            let rogue = try RogueWorker(script)
            try await rogue.register(at: scene.address)
            try await rogue.answered(1)
            // What proves it takes up to 15 seconds, for each place in the route that it may have until it stands alone.
            try await scene.traffic.goesOn(8, within: .seconds(180))
            rogue.stop()
        }
    }

    static let holes = [
        hole("it has none") { WorkPlace(key: $0.key, state: .absent, receivedBytes: 1 << 40, rememberedMilliseconds: .max) },
        hole("nothing has come") { WorkPlace(key: $0.key, state: .absent, rememberedMilliseconds: .max) },
        hole("it has passed it on", mayFailRequests: true) { WorkPlace(key: $0.key, state: .passedOn, sentBytes: 1) },
    ]

    private static func zeros(_ count: Int) -> [UInt8] { [UInt8](repeating: 0, count: count) }

    private static let activations: [Case<Activation>] = [
        Case("none") { rogue, work in rogue.forward(work, [], payload: []) },
        Case("a scalar") { rogue, work in
            rogue.forward(work, [.tensor(dtype: 1, shape: [], wireBytes: 4)], payload: zeros(4))
        },
        Case("no rows") { rogue, work in
            rogue.forward(work, [.tensor(dtype: 1, shape: [0, 16, 16, 16], wireBytes: 0)], payload: [])
        },
        Case("another type") { rogue, work in
            rogue.forward(work, [.tensor(dtype: 5, shape: [4, 16, 16, 16], wireBytes: 131_072)], payload: zeros(131_072))
        },
        Case("256 tensors of nothing") { rogue, work in
            let none = ProtoBytes.tensor(dtype: 1, shape: [0], wireBytes: 0)
            rogue.forward(work, [ProtoBytes](repeating: none, count: 256), payload: [])
        },
        Case("flags that are neither true nor false") { rogue, work in
            rogue.forward(work, [.tensor(dtype: 6, shape: [4], wireBytes: 4)], payload: [0, 1, 2, 255])
        },
        Case("98 kB that unpack to 3.2 GB") { rogue, work in
            let bomb = Bomb.bytes(of: 3_200_000_000)
            let tensor = ProtoBytes.tensor(dtype: 1, shape: [800_000_000], encoding: 1, wireBytes: UInt64(bomb.count))
            rogue.forward(work, [tensor], payload: bomb)
        },
        Case("packed bytes that are none") { rogue, work in
            rogue.forward(work, [.tensor(dtype: 1, shape: [4, 16], encoding: 2, wireBytes: 40)], payload: zeros(40))
        },
        Case("more items than there are rows") { rogue, work in
            rogue.forward(
                work, [.tensor(dtype: 1, shape: [1, 16, 16, 16], wireBytes: 16_384)], payload: zeros(16_384),
                items: UInt64(UInt32.max))
        },
        Case("the same micro-batch twice") { rogue, work in
            for _ in 0..<2 { rogue.forward(work, [.tensor(dtype: 1, shape: [1], wireBytes: 4)], payload: zeros(4)) }
        },
    ]
}
