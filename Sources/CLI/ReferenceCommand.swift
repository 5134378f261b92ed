internal import ArgumentParser
internal import Cluster
internal import Inference
internal import Profiling
internal import Shell
internal import Tensors
internal import Wire

struct ReferenceCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "reference",
        abstract: "Runs the whole model in this process, as saved (O0): what every reply is compared with.",
        discussion: "Many items along N are run in parts of --batch, where the model's items are independent.")

    @Option(help: ArgumentHelp("TorchScript file.", valueName: "file"))
    var model: String

    @Option(help: ArgumentHelp("Input of a model without a manifest, once for each.", valueName: "spec"))
    var spec: [String] = []

    @Argument(help: "JPEG and PNG files.")
    var images: [String] = []

    @Option(help: ArgumentHelp("Inputs: .npz with one array for each input, or .npy for a single one.", valueName: "file"))
    var input: String?

    @Option(help: ArgumentHelp("Where the outputs go.", valueName: "file"))
    var output: String?

    @Option(help: "Items that are run at once.")
    var batch = 4

    @Option(help: "Labels for each picture.")
    var top = 5

    @Flag(help: "Print one JSON object.")
    var json = false

    mutating func validate() throws {
        guard images.isEmpty != (input == nil) else {
            throw ValidationError("give either pictures or --input FILE with --output FILE")
        }
        guard (input == nil) == (output == nil) else { throw ValidationError("--input and --output go together") }
        guard (1...4_096).contains(batch) else { throw ValidationError("--batch takes 1 to 4096, not \(batch)") }
    }

    private struct Report: Encodable {
        var model: String
        var results: [ImageResult]
    }

    func run() throws {
        do { try TorchEngine.configure(threads: 1) } catch { throw CommandFailure(.failure, error.message) }
        let specs: [TensorSpec]
        do { specs = try spec.map { text throws(TensorError) in try TensorSpec(parsing: text) } } catch {
            throw CommandFailure(.usage, "\(error)")
        }
        let service = try ModelService(path: model, inputs: specs, level: .o0, choices: .init(microBatch: batch))
        let served = try Self.bad { try service.prepare() }.served
        if let input, let output {
            let tensors = try ArrayInputs.ordered(input, for: service.manifest)
            let outputs = try Self.bad { try run(tensors, service, served.outputs, isSplittable: served.batching == .splittable) }
            try ArrayInputs.write(output, outputs, names: served.outputs.map(\.name))
            return
        }
        let classifier = try ImageClassifier(manifest: service.manifest, top: top)
        let results = try images.map { path in
            let tensor = try classifier.tensor(ofFile: path)
            return try classifier.result(file: path, Self.bad { try service.runWhole([tensor]) })
        }
        if json {
            try JSONOutput.print(Report(model: service.manifest.name, results: results))
        } else {
            for result in results { StandardStream.output.writeLine(result.line) }
        }
    }

    private func run(_ tensors: [Tensor], _ service: ModelService, _ outputs: [TensorSpec], isSplittable: Bool) throws -> [Tensor] {
        let specs = service.manifest.inputs
        guard isSplittable, let first = specs.firstIndex(where: { $0.batchDimension != nil }),
            let dimension = specs[first].batchDimension
        else { return try service.runWhole(tensors) }
        let items = tensors[first].shape[dimension]
        let parts = try stride(from: 0, to: items, by: batch).map { start in
            try service.runWhole(Batching.slice(tensors, specs, start..<min(start + batch, items)))
        }
        return try Batching.join(parts, outputs)
    }

    private static func bad<Value>(_ body: () throws -> Value) throws(CommandFailure) -> Value {
        do { return try body() } catch let failure as CommandFailure { throw failure } catch {
            throw CommandFailure(.badData, "\(error)")
        }
    }
}
