internal import Arrays
internal import Digest
internal import Inference
public import Shell
public import Tensors

/// Inputs that somebody gave for the model to be measured with: `--example FILE.npz`, or what the exporter kept in the model's file.
public struct ExampleInputs: Sendable {
    /// An example is a few items: more would only be held in memory.
    static let maximumByteCount = 256 << 20

    public let specs: [TensorSpec]
    /// In the order of the declared inputs.
    public let tensors: [Tensor]
    /// Where they are from, for messages.
    public let source: String
    /// Of a file that is not the model's own; a profile is of one example.
    public let digest: String?
    /// Items along N; 1 where no input has one.
    let count: Int
    private let ranges: [ClosedRange<Int>]

    public init(specs: [TensorSpec], tensors: [Tensor], source: String, digest: String? = nil) throws(CommandFailure) {
        self.specs = specs
        self.tensors = tensors
        self.source = source
        self.digest = digest
        do { count = try TensorSpec.itemCount(specs, of: tensors) } catch {
            throw CommandFailure(.badData, "\(source): \(error.message)")
        }
        ranges = tensors.map { Self.range(of: $0) }
    }

    /// The arrays of `--example`.
    static func read(_ path: String, specs: [TensorSpec]) throws(CommandFailure) -> ExampleInputs {
        let source = "--example \(path)"
        let file: ArrayFile
        let digest: String
        do {
            let unnamed = specs.indices.map { "arr_\($0)" }
            file = try ArrayFile.read(path, wanting: Set(specs.map(\.name) + unnamed), limit: maximumByteCount)
            digest = try SHA256.hexDigest(ofFile: path)
        } catch { throw CommandFailure(.badData, "--example \(error)") }
        switch file {
        case .single(let tensor):
            guard specs.count == 1 else {
                throw CommandFailure(
                    .badData,
                    "\(source) holds one array, but the model takes \(Self.names(specs)); write a .npz with an array for each")
            }
            return try ExampleInputs(specs: specs, tensors: [tensor], source: source, digest: digest)
        case .named(let arrays, let others):
            return try ExampleInputs(specs: specs, tensors: chosen(arrays, specs, source, others), source: source, digest: digest)
        }
    }

    /// What the exporter kept. `nil` where the inputs have been declared otherwise since.
    static func kept(_ archive: TensorStorage, in path: String, specs: [TensorSpec], areDeclaredAgain: Bool) throws(CommandFailure)
        -> ExampleInputs?
    {
        let source = "the example in \(path)"
        do throws(CommandFailure) {
            let arrays: [(name: String, tensor: Tensor)]
            do { arrays = try NPZ.decode(archive, name: "\(path): \(ModelManifest.exampleFileName)") } catch {
                throw CommandFailure(.badData, "\(error); export the model again")
            }
            return try ExampleInputs(specs: specs, tensors: chosen(arrays, specs, source), source: source)
        } catch {
            if areDeclaredAgain { return nil }
            throw error
        }
    }

    /// By name, or in order where they have the names that `numpy.savez` gives to arrays without one.
    private static func chosen(
        _ arrays: [(name: String, tensor: Tensor)], _ specs: [TensorSpec], _ source: String, _ others: [String] = []
    ) throws(CommandFailure) -> [Tensor] {
        if arrays.count == specs.count, arrays.enumerated().allSatisfy({ $1.name == "arr_\($0)" }),
            !specs.contains(where: { $0.name == "arr_0" })
        {
            return arrays.map(\.tensor)
        }
        var tensors: [Tensor] = []
        for spec in specs {
            guard let array = arrays.first(where: { $0.name == spec.name }) else {
                // A few of the names: an archive may have thousands.
                let there = (arrays.map(\.name) + others).prefix(8).joined(separator: ", ")
                throw CommandFailure(
                    .badData,
                    "\(source) has no array \"\(spec.name)\"; it has \(there.isEmpty ? "none" : there), the model takes \(names(specs)): write one array for each"
                )
            }
            tensors.append(array.tensor)
        }
        return tensors
    }

    private static func names(_ specs: [TensorSpec]) -> String { specs.map(\.name).joined(separator: ", ") }

    /// Where an input's integers lie; 0...0 for others and for none.
    private static func range(of tensor: Tensor) -> ClosedRange<Int> {
        func bounds<T: BinaryInteger>(_ values: [T]?) -> ClosedRange<Int> {
            guard let values, let low = values.min(), let high = values.max() else { return 0...0 }
            return Int(low)...Int(high)
        }
        return switch tensor.dtype {
        case .uint8: bounds(tensor.values(as: UInt8.self))
        case .int32: bounds(tensor.values(as: Int32.self))
        case .int64: bounds(tensor.values(as: Int64.self))
        case .bool: 0...1
        case .float32, .float16: 0...0
        }
    }

    /// What integers of the input at `position` are drawn within.
    func range(at position: Int) -> ClosedRange<Int> { ranges[position] }

    /// The shape of `items` items.
    func shape(at position: Int, items: Int) -> [Int] {
        var shape = tensors[position].shape
        if let dimension = specs[position].batchDimension { shape[dimension] = items }
        return shape
    }

    /// Item `index` of the input at `position`: the example's own, in turn. Those of later turns have smaller floats, so that no two
    /// are alike; other inputs go along whole.
    func item(_ index: Int, at position: Int) throws(TensorError) -> Tensor {
        guard let dimension = specs[position].batchDimension else { return tensors[position] }
        let row = try tensors[position].slice(dimension: dimension, (index % count)..<(index % count + 1))
        let turn = index / count
        guard turn > 0 else { return row }
        return try row.scaled(by: 1 / Float(1 + turn))
    }
}

extension Tensor {
    /// Floats by a factor; others as they are.
    fileprivate func scaled(by factor: Float) throws(TensorError) -> Tensor {
        switch dtype {
        case .float32: try Tensor(shape: shape, values: (values(as: Float.self) ?? []).map { $0 * factor })
        case .float16: try Tensor(shape: shape, values: (values(as: Float16.self) ?? []).map { Float16(Float($0) * factor) })
        default: self
        }
    }
}
