internal import Base
internal import Cluster
internal import Planning
internal import Tensors

/// The stand-in model: each layer mixes each item on its own. Two kinds of items go through unchanged up to one layer, which throws for
/// the one and ends the process for the other.
enum MixModel {
    /// An item that a layer throws for.
    static let rejectMark: UInt64 = 0xBAD0_BAD0_BAD0_BAD0
    /// The upper 48 bits of an item that ends the process; the lower ones say whose it is.
    private static let poisonMark: UInt64 = 0xDEAD_DEAD_DEAD

    static func poison(of client: Int, _ request: Int) -> UInt64 { poisonMark << 16 | UInt64(client) << 8 | UInt64(request) }

    /// The items of a request, and among them the one that its input is for.
    static func values(
        _ items: Int, _ input: PromisedRequest.Input, of client: Int, _ request: Int, _ random: inout SeededRandom
    ) -> [UInt64] {
        var values = (0..<items).map { _ in random.next() >> 1 }
        switch input {
        case .good: break
        case .rejected: values[random.int(in: 0...(items - 1))] = rejectMark
        case .poison: values[random.int(in: 0...(items - 1))] = poison(of: client, request)
        }
        return values
    }

    private static func isMarked(_ value: UInt64) -> Bool { value == rejectMark || value >> 16 == poisonMark }

    /// The marked item that one of the layers meets, of `layerCount` in all.
    static func mark(in values: [UInt64], layers: Range<Int>, layerCount: Int) -> UInt64? {
        values.first { isMarked($0) && layers.contains(Int(SeededRandom.mix($0) % UInt64(layerCount))) }
    }

    /// Whose poison the item is.
    static func owner(of mark: UInt64) -> (client: Int, request: Int)? {
        mark >> 16 == poisonMark ? (Int(mark >> 8 & 0xFF), Int(mark & 0xFF)) : nil
    }

    static func run(_ values: [UInt64], layers: Range<Int>) -> [UInt64] {
        values.map { value in isMarked(value) ? value : layers.reduce(value) { SeededRandom.mix($0 &+ UInt64($1) &* 0x9E37_79B9) } }
    }
}

/// What every coordinator of a run serves, and how its plans are made.
struct SimulatedModel {
    let served: ServedModel
    let profile: ModelProfile
    let itemBytes: Int

    init(random: inout SeededRandom, layerCount: Int, itemBytes: Int) {
        self.itemBytes = itemBytes
        let isSplittable = random.chance(0.85)
        served = ServedModel(
            name: "mix", digest: "mix-of-numbers",
            inputs: [TensorSpec(name: "x", dtype: .int64, shape: [.batch])],
            outputs: [TensorSpec(name: "y", dtype: .int64, shape: [.batch])],
            batching: isSplittable ? .splittable : .whole("items depend on each other"), weightBytes: UInt64(layerCount * 1_000))
        let layers = (0..<layerCount).map { index in
            Layer(
                name: "mix\(index)", operatorName: "mix", operation: .other, parameterCount: 250, parameterBytes: 1_000,
                outputElements: 8, outputBytes: ByteCount(itemBytes), milliseconds: Double(random.int(in: 1...30)) / 10)
        }
        profile = ModelProfile(
            layers: layers, cuts: (1..<layerCount).map { Cut(before: $0, bytes: ByteCount(itemBytes)) },
            inputBytes: ByteCount(itemBytes), outputBytes: ByteCount(itemBytes), batch: random.int(in: 1...4))
    }
}
