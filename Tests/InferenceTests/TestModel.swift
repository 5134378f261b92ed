import Foundation
import Inference
import Tensors
import Testing

/// The models that `Tests/Models/make-test-models` writes.
enum TestModel {
    static let all = [
        "cnn", "scripted-cnn", "residual", "shuffle", "scripted-shuffle", "tensor-lists", "transformer", "two-inputs", "loop",
        "slow",
        "batch-mean", "sequence-first", "in-place", "picky", "pixels", "types", "views",
        "partly-fused", "with-blocks",
    ]

    struct Absent: Error, CustomStringConvertible {
        let description: String
    }

    static var folder: URL {
        if let folder = ProcessInfo.processInfo.environment["AMP4EC_TEST_MODELS"] { return URL(fileURLWithPath: folder) }
        return packageRoot.appendingPathComponent(".models/test")
    }

    static var packageRoot: URL {
        URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    }

    /// The path of a file in the folder.
    static func path(_ file: String) throws -> String {
        let path = folder.appendingPathComponent(file).path
        guard FileManager.default.fileExists(atPath: path) else {
            throw Absent(
                description: "\(path) is not there: run Tests/Models/make-test-models, or set AMP4EC_TEST_MODELS to its folder")
        }
        return path
    }

    static func open(_ name: String) throws -> TorchModel { try TorchModel(path: path("\(name).pt")) }

    /// Inputs with the outputs that Python's eager module gave for them: one case of one item and one of three.
    static func cases(_ name: String) throws -> [Case] {
        let data = try Data(contentsOf: URL(fileURLWithPath: path("\(name).json")))
        return try JSONDecoder().decode(Reference.self, from: data).cases.map { recorded in
            Case(inputs: try recorded.inputs.map { try $0.tensor() }, outputs: try recorded.outputs.map { try $0.tensor() })
        }
    }

    struct Case {
        let inputs: [Tensor]
        let outputs: [Tensor]
    }

    private struct Reference: Decodable {
        struct Case: Decodable {
            let inputs: [Recorded]
            let outputs: [Recorded]
        }
        let cases: [Case]
    }

    private struct Recorded: Decodable {
        let dtype: DType
        let shape: [Int]
        let values: [Double]

        func tensor() throws -> Tensor {
            switch dtype {
            case .float32: try Tensor(shape: shape, values: values.map(Float.init))
            case .float16: try Tensor(shape: shape, values: values.map { Float16($0) })
            case .uint8: try Tensor(shape: shape, values: values.map { UInt8($0) })
            case .int32: try Tensor(shape: shape, values: values.map { Int32($0) })
            case .int64: try Tensor(shape: shape, values: values.map { Int64($0) })
            case .bool: try Tensor(shape: shape, values: values.map { $0 != 0 })
            }
        }
    }
}

/// One engine for the whole test process: one thread inside an operator, so that results do not depend on the machine's cores.
let engine: TorchEngine = {
    do { try TorchEngine.configure(threads: 1) } catch { fatalError("\(error)") }
    return TorchEngine()
}()

/// Runs ranges one after the other, each loaded from its own archive.
func run(_ model: TorchModel, cuts: [Int], inputs: [Tensor], optimized: Bool) throws -> [Tensor] {
    let bounds = [0] + cuts + [model.layerCount]
    var tensors = inputs
    for (first, end) in zip(bounds, bounds.dropFirst()) {
        tensors = try engine.loadPartition(archive: model.cut(first..<end), optimized: optimized).run(tensors)
    }
    return tensors
}

/// The largest difference between two lists of tensors, relative to the largest magnitude of the expected tensor; infinite where
/// types, shapes or integers differ.
func relativeError(_ actual: [Tensor], _ expected: [Tensor]) -> Double {
    guard actual.count == expected.count else { return .infinity }
    return zip(actual, expected).map(relativeError).max() ?? 0
}

func relativeError(_ actual: Tensor, _ expected: Tensor) -> Double {
    guard actual.dtype == expected.dtype, actual.shape == expected.shape else { return .infinity }
    guard let a = floats(actual), let b = floats(expected) else { return actual.isBitIdentical(to: expected) ? 0 : .infinity }
    guard a.allSatisfy(\.isFinite) else { return .infinity }
    let scale = max(b.map { abs($0) }.max() ?? 0, 1e-6)
    return zip(a, b).map { abs($0 - $1) / scale }.max() ?? 0
}

private func floats(_ tensor: Tensor) -> [Double]? {
    switch tensor.dtype {
    case .float32: tensor.values(as: Float.self)?.map(Double.init)
    case .float16: tensor.values(as: Float16.self)?.map(Double.init)
    default: nil
    }
}

func isBitIdentical(_ actual: [Tensor], _ expected: [Tensor]) -> Bool {
    actual.count == expected.count && zip(actual, expected).allSatisfy { $0.isBitIdentical(to: $1) }
}

/// A generator whose seed a failing test prints.
struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}
