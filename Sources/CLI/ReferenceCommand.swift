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
        discussion: """
            A file is one request, and a request is never cut, however the coordinator cuts it. With --batch N the file holds requests of N \
            items each along N (the last one may be smaller): then bit-exact results at O0 can be compared with micro-batches of N.
            """)

    @Option(help: ArgumentHelp("TorchScript file.", valueName: "file"))
    var model: String

    @Option(help: ArgumentHelp("Input of a model without a manifest, once for each.", valueName: "spec"))
    var spec: [String] = []

    @Option(help: ArgumentHelp.example)
    var example: String?

    @Argument(help: "JPEG and PNG files.")
    var images: [String] = []

    @Option(help: ArgumentHelp("Inputs: .npz with one array for each input, or .npy for a single one.", valueName: "file"))
    var input: String?

    @Option(help: ArgumentHelp("Where the outputs go.", valueName: "file"))
    var output: String?

    @Option(help: ArgumentHelp("Take the file as requests of that many items each.", valueName: "items"))
    var batch: Int?

    @Option(help: "Labels for each picture.")
    var top = 5

    @Flag(help: "Print one JSON object.")
    var json = false

    private func checkOptions() throws {
        guard images.isEmpty != (input == nil) else {
            throw ValidationError("give either pictures or --input FILE with --output FILE")
        }
        guard (input == nil) == (output == nil) else { throw ValidationError("--input and --output go together") }
        if let output { try checkName(ofOutput: output) }
        guard (1...4_096).contains(batch ?? 1) else { throw ValidationError("--batch takes 1 to 4096, not \(batch ?? 1)") }
        guard top >= 1 else { throw ValidationError("--top must be at least 1") }
    }

    func run() throws {
        try checkUsage(checkOptions)
        do { try TorchEngine.configure(threads: 1) } catch { throw CommandFailure(.failure, error.message) }
        let progress = ProgressLine()
        defer { progress.end() }
        let service = try ModelService(
            path: model, inputs: inputSpecs(spec), example: example, level: .o0, choices: .init(), progress: { progress.show($0) })
        progress.end()
        ModelNotes.write(service)
        if let input, let output {
            let tensors = try ArrayInputs.read(input, as: service.manifest.inputs, of: service.manifest.name)
            service.takeExample(tensors, from: input)
            progress.show("running the model")
            let whole = batch == nil ? try Self.bad { try service.runWhole(tensors) } : nil
            let declared = try Self.bad { try service.outputSpecs() }
            let outputs = try whole ?? Self.bad { try run(tensors, service, declared, progress) }
            progress.end()
            let names = declared.map(\.name)
            try ArrayInputs.write(output, outputs, names: names)
            return try ArrayReport(model: service.manifest.name, names: names, outputs: outputs, file: output).write(asJSON: json)
        }
        let classifier = try ImageClassifier(manifest: service.manifest, top: top)
        let results = try images.enumerated().map { index, path in
            progress.update("picture \(index + 1) of \(images.count)")
            let tensor = try classifier.tensor(ofFile: path)
            return try classifier.result(file: path, Self.bad { try service.runWhole([tensor]) })
        }
        progress.end()
        try PictureReport(model: service.manifest.name, results: results).write(asJSON: json)
    }

    private func run(
        _ tensors: [Tensor], _ service: ModelService, _ outputs: [TensorSpec], _ progress: ProgressLine
    ) throws -> [Tensor] {
        let specs = service.manifest.inputs
        guard let batch, let first = specs.firstIndex(where: { $0.batchDimension != nil }),
            let dimension = specs[first].batchDimension
        else { return try service.runWhole(tensors) }
        let items = tensors[first].shape[dimension]
        let parts = try stride(from: 0, to: items, by: batch).map { start in
            progress.update("\(start) of \(items) items")
            return try service.runWhole(Batching.slice(tensors, specs, start..<min(start + batch, items)))
        }
        return try Batching.join(parts, outputs)
    }

    private static func bad<Value>(_ body: () throws -> Value) throws(CommandFailure) -> Value {
        do { return try body() } catch let failure as CommandFailure { throw failure } catch {
            throw CommandFailure(.badData, "\(error)")
        }
    }
}
