import Profiling
import Tensors
import Testing

/// The inputs that models are measured with, and cutting and joining them.
@Suite struct SampleInputsTests {
    static let specs = [
        "image:uint8[N,2,2,3]", "x:float32[N,4]", "half:float16[3,N]", "ids:int64[N,T]", "short:int32[N]", "flag:bool[N]",
        "fixed:float32[2,2]",
    ]

    static func samples() throws -> SampleInputs { SampleInputs(specs: try specs.map { try TensorSpec(parsing: $0) }) }

    @Test func shapesFollowTheBatch() throws {
        let shapes = try Self.samples().make(batch: 5).map(\.shape)
        #expect(shapes == [[5, 2, 2, 3], [5, 4], [3, 5], [5, SampleInputs.freeExtent], [5], [5], [2, 2]])
    }

    @Test(arguments: [
        "x:float32[N,9223372036854775807]", "x:float32[N,9223372036854775807,9223372036854775807]", "x:uint8[N,4294967297]",
    ])
    func aShapeThatNoTensorHasIsRefused(_ spec: String) throws {
        let samples = SampleInputs(specs: [try TensorSpec(parsing: spec)])
        #expect(throws: TensorError.self) { try samples.make(batch: 2) }
    }

    @Test func theSameSeedGivesTheSameValuesAndAnotherSeedOthers() throws {
        let samples = try Self.samples()
        let first = try samples.make(batch: 3, seed: 1)
        let again = try samples.make(batch: 3, seed: 1)
        let other = try samples.make(batch: 3, seed: 2)
        #expect(zip(first, again).allSatisfy { $0.isBitIdentical(to: $1) })
        #expect(!first[1].isBitIdentical(to: other[1]))
    }

    @Test func valuesAreWithinWhatEveryModelTakes() throws {
        let tensors = try Self.samples().make(batch: 64)
        let floats = try #require(tensors[1].values(as: Float.self))
        #expect(floats.allSatisfy { $0 >= 0 && $0 < 1 } && Set(floats).count > 100)
        let ids = try #require(tensors[3].values(as: Int64.self))
        #expect(Set(ids) == [0, 1])
    }

    @Test func itemsDiffer() throws {
        let tensor = try Self.samples().make(batch: 8)[1]
        let items = try (0..<8).map { try tensor.slice(dimension: 0, $0..<($0 + 1)) }
        for (index, item) in items.enumerated() {
            for later in items[(index + 1)...] { #expect(!item.isBitIdentical(to: later)) }
        }
    }

    @Test("cut and joined, a batch is what it was", arguments: [[5], [1, 4], [2, 2, 1], [1, 1, 1, 1, 1]])
    func cutAndJoin(_ sizes: [Int]) throws {
        let batched = try Self.specs.dropLast().map { try TensorSpec(parsing: $0) }
        let whole = try SampleInputs(specs: batched).make(batch: 5)
        var first = 0
        let parts = try sizes.map { size in
            defer { first += size }
            return try Batching.slice(whole, batched, first..<(first + size))
        }
        let joined = try Batching.join(parts, batched)
        #expect(zip(joined, whole).allSatisfy { $0.isBitIdentical(to: $1) })
    }

    @Test func inputsWithoutABatchGoAlongWhole() throws {
        let specs = [try TensorSpec(parsing: "x:float32[N,4]"), try TensorSpec(parsing: "table:float32[2,2]")]
        let whole = try SampleInputs(specs: specs).make(batch: 4)
        let part = try Batching.slice(whole, specs, 1..<3)
        #expect(part.map(\.shape) == [[2, 4], [2, 2]] && part[1].isBitIdentical(to: whole[1]))
    }

    struct Pair: Sendable, CustomTestStringConvertible {
        let name: String
        let left: [Float]
        let right: [Float]
        let error: Double
        var testDescription: String { name }
    }

    static let pairs = [
        Pair(name: "equal", left: [1, -2], right: [1, -2], error: 0),
        Pair(name: "relative to the largest magnitude", left: [1, -9], right: [1, -10], error: 0.1),
        Pair(name: "both not a number at the same place", left: [.nan, 1], right: [.nan, 1], error: 0),
        Pair(name: "one not a number", left: [.nan, 1], right: [1, 1], error: .infinity),
        Pair(name: "anything against zeros", left: [0.5], right: [0], error: .infinity),
        Pair(name: "another shape", left: [1], right: [1, 1], error: .infinity),
    ]

    @Test(arguments: pairs) func relativeError(_ row: Pair) throws {
        let left = try Tensor(shape: [row.left.count], values: row.left)
        let right = try Tensor(shape: [row.right.count], values: row.right)
        let error = Comparison.relativeError([left], [right])
        #expect(error == row.error || abs(error - row.error) < 1e-6, "\(error)")
        #expect(Comparison.relativeError([left], []) == .infinity)
    }

    @Test func integersMustBeEqual() throws {
        let one = try Tensor(shape: [2], values: [Int64(1), 2])
        let other = try Tensor(shape: [2], values: [Int64(1), 3])
        #expect(Comparison.relativeError([one], [one]) == 0 && Comparison.relativeError([one], [other]) == .infinity)
    }
}
