import Tensors
import Testing

@Suite("Element types")
struct DTypeTests {
    @Test(
        "names, widths and wire numbers never change",
        arguments: [
            (.float32, "float32", 4, 1), (.float16, "float16", 2, 2), (.uint8, "uint8", 1, 3), (.int32, "int32", 4, 4),
            (.int64, "int64", 8, 5), (.bool, "bool", 1, 6),
        ] as [(DType, String, Int, UInt8)])
    func table(_ type: DType, _ name: String, _ width: Int, _ number: UInt8) {
        #expect(type.name == name && type.byteWidth == width && type.rawValue == number)
        #expect(DType(name: name) == type && DType(rawValue: number) == type)
    }

    @Test func thereAreNoOthers() {
        #expect(DType.allCases.count == 6)
        for name in ["", "float", "Float32", "float64", "int8", " int32"] { #expect(DType(name: name) == nil) }
        #expect(DType(rawValue: 0) == nil && DType(rawValue: 7) == nil)
    }
}

@Suite("Tensors")
struct TensorTests {
    struct Size: Sendable, CustomTestStringConvertible {
        let type: DType
        let shape: [Int]
        /// `nil`: refused.
        let bytes: Int?
        var testDescription: String { "\(type.name)\(shape)" }
    }

    @Test(
        "sizes and their bounds",
        arguments: [
            Size(type: .float32, shape: [], bytes: 4), Size(type: .float32, shape: [2, 3], bytes: 24),
            Size(type: .bool, shape: [1, 1, 1, 1, 1, 1, 1, 1], bytes: 1),
            Size(type: .bool, shape: [1, 1, 1, 1, 1, 1, 1, 1, 1], bytes: nil),
            Size(type: .int64, shape: [0], bytes: 0), Size(type: .int64, shape: [5, 0, 7], bytes: 0),
            Size(type: .float32, shape: [-1], bytes: nil), Size(type: .float32, shape: [0, -1], bytes: nil),
            Size(type: .uint8, shape: [1 << 32], bytes: 1 << 32), Size(type: .uint8, shape: [(1 << 32) + 1], bytes: nil),
            Size(type: .float32, shape: [1 << 30], bytes: 1 << 32), Size(type: .float32, shape: [(1 << 30) + 1], bytes: nil),
            Size(type: .int64, shape: [.max], bytes: nil), Size(type: .int64, shape: [.max, .max, .max], bytes: nil),
            Size(type: .uint8, shape: [1 << 32, 1 << 32], bytes: nil), Size(type: .uint8, shape: [0, .max], bytes: nil),
            Size(type: .uint8, shape: [0, 1 << 31, 1 << 31], bytes: nil), Size(type: .float16, shape: [.min], bytes: nil),
        ])
    func sizes(_ row: Size) throws {
        guard let bytes = row.bytes else {
            let error = #expect(throws: TensorError.self) { try Tensor.byteCount(of: row.type, shape: row.shape) }
            #expect(error?.code == .invalidShape)
            return
        }
        #expect(try Tensor.byteCount(of: row.type, shape: row.shape) == bytes)
    }

    @Test func aViewStaysInsideItsStorage() throws {
        let storage = TensorStorage(copying: [1, 2, 3, 4, 5, 6, 7, 8])
        #expect(try Tensor(dtype: .uint8, shape: [4], storage: storage, byteOffset: 4).values(as: UInt8.self) == [5, 6, 7, 8])
        #expect(try Tensor(dtype: .uint8, shape: [0], storage: storage, byteOffset: 8).byteCount == 0)
        for (shape, offset) in [([9], 0), ([5], 4), ([1], 8), ([0], 9), ([1], -1), ([1], Int.max), ([1], Int.min)] {
            let error = #expect(throws: TensorError.self) {
                try Tensor(dtype: .uint8, shape: shape, storage: storage, byteOffset: offset)
            }
            #expect(error?.code == .sizeMismatch)
        }
    }

    @Test func valuesGoInAndOut() throws {
        #expect(try Tensor(shape: [2], values: [Float(1), -0.0]).values(as: Float.self) == [1, -0.0])
        #expect(try Tensor(shape: [], values: [Int64.min]).values(as: Int64.self) == [.min])
        #expect(try Tensor(shape: [0], values: [Bool]()).values(as: Bool.self) == [])
        #expect(try Tensor(shape: [1], values: [Float16(2)]).values(as: Float.self) == nil)
        for shape in [[3], [], [2, 2], [0], [-2]] {
            #expect(throws: TensorError.self) { try Tensor(shape: shape, values: [Int32(1), 2]) }
        }
    }

    @Test func memoryIsAligned() {
        for count in [0, 1, 63, 64, 65, 4_097] {
            let storage = TensorStorage(byteCount: count)
            #expect(Int(bitPattern: storage.pointer) % TensorStorage.alignment == 0 && storage.byteCount == count)
        }
    }

    @Test func borrowedMemoryIsGivenBackOnce() throws {
        let count = Counter()
        let block = UnsafeMutableRawPointer.allocate(byteCount: 4, alignment: 64)
        defer { block.deallocate() }
        block.storeBytes(of: 7, as: Int32.self)
        do {
            let storage = TensorStorage(borrowing: block, byteCount: 4) { count.value += 1 }
            let tensor = try Tensor(dtype: .int32, shape: [1], storage: storage)
            let copy = tensor
            #expect(copy.values(as: Int32.self) == [7] && count.value == 0)
        }
        #expect(count.value == 1)
    }

    /// Counts releases.
    ///
    /// ## Concurrency model
    /// Only this test's thread touches it.
    private final class Counter: @unchecked Sendable { var value = 0 }

    @Test func bitIdentityLooksAtTypeShapeAndBits() throws {
        let one = try Tensor(shape: [2], values: [Float.nan, 0])
        #expect(one.isBitIdentical(to: try Tensor(shape: [2], values: [Float.nan, 0])))
        #expect(!one.isBitIdentical(to: try Tensor(shape: [2], values: [Float.nan, -0.0])))
        #expect(!one.isBitIdentical(to: try Tensor(shape: [1, 2], values: [Float.nan, 0])))
        let zeros = TensorStorage(copying: [0, 0, 0, 0, 9])
        let float = try Tensor(dtype: .float32, shape: [1], storage: zeros)
        #expect(!float.isBitIdentical(to: try Tensor(dtype: .int32, shape: [1], storage: zeros)))
        let offset = try Tensor(dtype: .uint8, shape: [2], storage: TensorStorage(copying: [5, 1, 2]), byteOffset: 1)
        #expect(offset.isBitIdentical(to: try Tensor(shape: [2], values: [UInt8(1), 2])))
    }

    /// Row-major values 0… of that shape.
    private func counting(_ shape: [Int]) throws -> Tensor {
        try Tensor(shape: shape, values: (0..<shape.reduce(1, *)).map { Int32($0) })
    }

    @Test("slices and joins along every dimension", arguments: [[6], [4, 3], [3, 4, 2], [2, 3, 4, 5], [3, 0, 2], [1, 1]])
    func sliceAndJoin(_ shape: [Int]) throws {
        let whole = try counting(shape)
        for dimension in shape.indices {
            let extent = shape[dimension]
            for cut in 0...extent {
                let parts = [
                    try whole.slice(dimension: dimension, 0..<cut), try whole.slice(dimension: dimension, cut..<cut),
                    try whole.slice(dimension: dimension, cut..<extent),
                ]
                #expect(parts.map { $0.shape[dimension] } == [cut, 0, extent - cut])
                #expect(try Tensor.concatenate(parts, dimension: dimension).isBitIdentical(to: whole))
            }
            guard extent > 0, whole.elementCount > 0 else { continue }
            // The last item, looked up one element at a time.
            let last = try whole.slice(dimension: dimension, (extent - 1)..<extent)
            let inner = shape[(dimension + 1)...].reduce(1, *)
            let expected = (0..<whole.elementCount).filter { $0 / inner % extent == extent - 1 }.map { Int32($0) }
            #expect(last.values(as: Int32.self) == expected)
        }
    }

    @Test func aSliceOfASliceAndAnOffset() throws {
        let whole = try counting([4, 6])
        let middle = try whole.slice(dimension: 0, 1..<3)
        #expect(middle.storage === whole.storage, "along the first dimension nothing is copied")
        #expect(try middle.slice(dimension: 1, 2..<4).values(as: Int32.self) == [8, 9, 14, 15])
        #expect(try middle.slice(dimension: 0, 1..<2).values(as: Int32.self) == [12, 13, 14, 15, 16, 17])
        #expect(try Tensor.concatenate([middle, middle], dimension: 0).values(as: Int32.self)?.count == 24)
    }

    @Test func slicesAndJoinsThatAreRefused() throws {
        let tensor = try counting([2, 3])
        for (dimension, range) in [
            (2, 0..<1), (-1, 0..<1), (0, 0..<3), (1, 2..<4), (0, -1..<1), (1, 4..<4), (0, Int.min..<Int.max),
        ] {
            #expect(throws: TensorError.self) { try tensor.slice(dimension: dimension, range) }
        }
        let scalar = try Tensor(shape: [], values: [Int32(1)])
        #expect(throws: TensorError.self) { try scalar.slice(dimension: 0, 0..<1) }
        let rows: [([Tensor], Int)] = [
            ([], 0), ([tensor, try counting([2, 4])], 0), ([tensor, try counting([3, 3])], 1), ([tensor, try counting([6])], 0),
            ([tensor, try Tensor(shape: [2, 3], values: [Float](repeating: 0, count: 6))], 0), ([tensor, tensor], 2),
            ([tensor, tensor], -1),
            ([tensor], 5), ([scalar, scalar], 0),
        ]
        for (parts, dimension) in rows {
            #expect(throws: TensorError.self) { try Tensor.concatenate(parts, dimension: dimension) }
        }
    }
}
