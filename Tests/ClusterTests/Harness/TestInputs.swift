import Arrays
import Foundation
import Tensors

/// Inputs made up for a test model: seeded, different for each item.
enum TestInputs {
    /// Integers of a model are below this: its vocabulary, or how often its loop may run.
    private static let integerBounds: [String: UInt64] = ["transformer": 200, "loop": 7, "slow": 10]
    /// `picky` refuses items that begin with a negative value.
    private static let nonNegative: Set<String> = ["picky"]

    static func make(_ manifest: ModelManifest, items: Int, seed: UInt64 = 1) throws -> [Tensor] {
        var random = seed
        func next() -> UInt64 {
            random = random &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return random >> 33
        }
        let lowest: Float = nonNegative.contains(manifest.name) ? 0 : -1
        func real() -> Float { lowest + (1 - lowest) * Float(next() & 0xffff) / 65_536 }
        let bound = integerBounds[manifest.name] ?? 100
        return try manifest.inputs.map { spec in
            let shape = spec.concreteShape(batch: items)
            let count = shape.reduce(1, *)
            return switch spec.dtype {
            case .float32: try Tensor(shape: shape, values: (0..<count).map { _ in real() })
            case .float16: try Tensor(shape: shape, values: (0..<count).map { _ in Float16(real()) })
            case .uint8: try Tensor(shape: shape, values: (0..<count).map { _ in UInt8(next() & 0xff) })
            case .int32: try Tensor(shape: shape, values: (0..<count).map { _ in Int32(next() % bound) })
            case .int64: try Tensor(shape: shape, values: (0..<count).map { _ in Int64(next() % bound) })
            case .bool: try Tensor(shape: shape, values: (0..<count).map { _ in next() & 1 == 1 })
            }
        }
    }

    static func write(_ manifest: ModelManifest, _ inputs: [Tensor], to path: String) throws {
        try NPZ.write(path, zip(manifest.inputs, inputs).map { (name: $0.name, tensor: $1) })
    }
}

/// What the whole model gives in one process, by `amp4ec reference`.
enum Reference {
    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    /// - Parameter batch: items that are run at once.
    static func outputs(
        model: String, manifest: ModelManifest, _ inputs: [Tensor], batch: Int, in folder: TemporaryFolder
    ) async throws -> [Tensor] {
        let input = folder.path("input-\(UUID().uuidString).npz")
        let output = folder.path("output-\(UUID().uuidString).npz")
        try TestInputs.write(manifest, inputs, to: input)
        try await make(model: model, input: input, output: output, batch: batch, in: folder)
        return try NPZ.read(output).map(\.tensor)
    }

    static func make(model: String, input: String, output: String, batch: Int, in folder: TemporaryFolder) async throws {
        let run = try await CommandRun.run(
            .command,
            ["reference", "--model", Places.testModel("\(model).pt"), "--input", input, "--output", output, "--batch", "\(batch)"],
            in: folder)
        guard run.ending == .exited(0) else { throw Failure(description: "\(run)") }
    }
}
