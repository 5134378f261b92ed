import Coordinator
import Tensors
import Testing
import Wire

/// What makes two requests the same one to the cache.
@Suite struct ResultCacheKeyTests {
    static let model = String(repeating: "a", count: 64)

    static func specs(_ names: String...) -> [TensorSpec] {
        names.map { TensorSpec(name: $0, dtype: .float32, shape: [.batch]) }
    }

    static func key(
        _ inputs: [Tensor], names: [TensorSpec] = specs("x"), model: String = model, level: OptimizationLevel = .o1
    ) -> ResultCacheKey {
        ResultCacheKey(modelDigest: model, level: level, specs: names, inputs: inputs)
    }

    @Test("equal inputs in different memory are one request")
    func equal() throws {
        let values: [Float] = [1, 2, 3, 4]
        let whole = try Tensor(shape: [2, 2], values: values)
        let padded = try Tensor(shape: [3, 2], values: [9, 9] + values)
        let view = try Tensor(dtype: .float32, shape: [2, 2], storage: padded.storage, byteOffset: 8)
        #expect(Self.key([whole]) == Self.key([view]))
        #expect(Self.key([whole]).digest.count == 64)
    }

    @Test("whatever differs makes another request: bytes, shape, type, name, number, order, model, level")
    func different() throws {
        let x = try Tensor(shape: [2, 2], values: [1, 2, 3, 4] as [Float])
        let y = try Tensor(shape: [1], values: [5] as [Float])
        let two = Self.specs("x", "y")
        var keys = [
            "plain": Self.key([x]),
            "one bit": Self.key([try Tensor(shape: [2, 2], values: [1, 2, 3, Float(4).nextUp])]),
            "minus zero": Self.key([try Tensor(shape: [1], values: [-0.0 as Float])]),
            "zero": Self.key([try Tensor(shape: [1], values: [0 as Float])]),
            "flat": Self.key([try Tensor(dtype: .float32, shape: [4], storage: x.storage)]),
            "wide": Self.key([try Tensor(dtype: .float32, shape: [1, 4], storage: x.storage)]),
            "tall": Self.key([try Tensor(dtype: .float32, shape: [4, 1], storage: x.storage)]),
            "integers": Self.key([try Tensor(dtype: .int32, shape: [2, 2], storage: x.storage)]),
            "bytes": Self.key([try Tensor(dtype: .uint8, shape: [16], storage: x.storage)]),
            "another name": Self.key([x], names: Self.specs("z")),
            "two": Self.key([x, y], names: two),
            "the other way": Self.key([y, x], names: two),
            "another model": Self.key([x], model: String(repeating: "b", count: 64)),
            "another level": Self.key([x], level: .o0),
        ]
        // No bytes at all, in shapes that differ.
        for shape in [[0], [0, 3], [3, 0]] { keys["\(shape)"] = Self.key([try Tensor(shape: shape, values: [] as [Float])]) }
        #expect(Set(keys.values).count == keys.count, "\(keys)")
    }

    @Test("where one tensor ends and the next begins counts")
    func boundaries() throws {
        let values: [Float] = [1, 2, 3, 4]
        func pair(_ first: Int) throws -> ResultCacheKey {
            Self.key(
                [
                    try Tensor(shape: [first], values: Array(values[..<first])),
                    try Tensor(shape: [4 - first], values: Array(values[first...])),
                ], names: Self.specs("x", "y"))
        }
        #expect(try Set((0...4).map(pair)).count == 5)
        let names = [Self.specs("a 1", "b"), Self.specs("a", "1 b"), Self.specs("1:a", "b")]
        let tensors = [try Tensor(shape: [1], values: [1 as Float]), try Tensor(shape: [1], values: [2 as Float])]
        #expect(Set(names.map { Self.key(tensors, names: $0) }).count == names.count)
    }
}
