import Foundation
import Inference
import Profiling
import Tensors
import Wire

/// The models that `Tests/Models/make-test-models` writes.
enum TestModels {
    struct Absent: Error, CustomStringConvertible { let description: String }

    static func path(_ name: String) throws -> String {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let folder = ProcessInfo.processInfo.environment["AMP4EC_TEST_MODELS"] ?? root.appendingPathComponent(".models/test").path
        let path = "\(folder)/\(name).pt"
        guard FileManager.default.fileExists(atPath: path) else {
            throw Absent(
                description: "\(path) is not there: run Tests/Models/make-test-models, or set AMP4EC_TEST_MODELS to its folder")
        }
        return path
    }

    static func service(
        _ name: String, inputs: [String] = [], choices: ModelService.PlanChoices = .init(microBatch: 2)
    ) throws -> ModelService {
        _ = isConfigured
        return try ModelService(
            path: try path(name), inputs: try inputs.map { try TensorSpec(parsing: $0) }, level: .o0, choices: choices)
    }

    /// One thread inside an operator, so that results do not depend on the machine's cores.
    private static let isConfigured: Bool = {
        do { try TorchEngine.configure(threads: 1) } catch { fatalError("libtorch cannot be set up: \(error)") }
        return true
    }()
}
