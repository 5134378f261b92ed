internal import Arrays
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
        let tensors: [Tensor]
        let digest: String
        do {
            let choice = Self.choice(specs)
            let file = try ArrayFile.read(path, wanting: choice.wanted, limit: maximumByteCount)
            digest = try SHA256.hexDigest(ofFile: path)
            tensors = try choice.tensors(in: file, from: source)
        } catch let refusal as ArrayChoice.Refusal {
            throw CommandFailure(.badData, refusal.message)
        } catch { throw CommandFailure(.badData, "--example \(error)") }
        return try ExampleInputs(specs: specs, tensors: tensors, source: source, digest: digest)
    }

    /// What the exporter kept. `nil` where the inputs have been declared otherwise since.
    static func kept(_ archive: TensorStorage, in path: String, specs: [TensorSpec], areDeclaredAgain: Bool) throws(CommandFailure)
        -> ExampleInputs?
    {
        let source = "the example in \(path)"
        do throws(CommandFailure) {
            let file: ArrayFile
            do { file = .named(try NPZ.decode(archive, name: "\(path): \(ModelManifest.exampleFileName)"), others: []) } catch {
                throw CommandFailure(.badData, "\(error); export the model again")
            }
            let tensors: [Tensor]
            do { tensors = try Self.choice(specs).tensors(in: file, from: source) } catch {
                throw CommandFailure(.badData, error.message)
            }
            return try ExampleInputs(specs: specs, tensors: tensors, source: source)
        } catch {
            if areDeclaredAgain { return nil }
            throw error
        }
    }

    private static func choice(_ specs: [TensorSpec]) -> ArrayChoice {
        ArrayChoice(specs.map(\.name), kind: "input", of: "the model", takesUnnamed: true)
    }

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
