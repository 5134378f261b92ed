internal import AMP4ECClient
internal import ArgumentParser
internal import Shell
internal import Tensors
internal import Wire

struct InferCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "infer", abstract: "Runs the served model on pictures or arrays.",
        discussion: "Pictures print their best labels, a line each. All requests are outstanding at once.")

    @OptionGroup var connection: ClientOptions

    @Argument(help: "JPEG and PNG files.")
    var images: [String] = []

    @Option(
        help: ArgumentHelp(
            "Inputs instead of pictures: .npz with one array for each input, or .npy for a single one.", valueName: "file"))
    var input: String?

    @Option(help: ArgumentHelp("Where the outputs go (.npz, or .npy for a single one).", valueName: "file"))
    var output: String?

    @Option(help: "Labels for each picture.")
    var top = 5

    @Flag(help: "Print one JSON object.")
    var json = false

    private func checkOptions() throws {
        guard images.isEmpty != (input == nil) else { throw ValidationError("give either pictures or --input FILE") }
        guard output == nil || input != nil else { throw ValidationError("--output goes with --input") }
        if let output { try checkName(ofOutput: output) }
        guard top >= 1 else { throw ValidationError("--top must be at least 1") }
    }

    func run() async throws {
        try checkUsage(checkOptions)
        let client = try connection.makeClient()
        defer { client.close() }
        let manifest = try await reporting { () throws(ClientError) in try await client.model() }
        if let input {
            try await runArrays(input, client, manifest)
        } else {
            try await runImages(client, manifest)
        }
    }

    private func runImages(_ client: AMP4ECClient, _ manifest: ModelManifest) async throws {
        let classifier = try ImageClassifier(manifest: manifest, top: top)
        var tensors: [Tensor] = []
        for path in images { tensors.append(try classifier.tensor(ofFile: path)) }
        // All at once: the pipeline is full, and replies may come in any order.
        let replies = await withTaskGroup(of: (Int, Result<[Tensor], ClientError>).self) { group in
            for (index, tensor) in tensors.enumerated() {
                group.addTask {
                    do throws(ClientError) { return (index, .success(try await client.infer([tensor]).outputs)) } catch {
                        return (index, .failure(error))
                    }
                }
            }
            var all = [Result<[Tensor], ClientError>?](repeating: nil, count: tensors.count)
            for await (index, reply) in group { all[index] = reply }
            return all
        }
        var results: [ImageResult] = []
        for (path, reply) in zip(images, replies) {
            switch reply {
            case .success(let outputs): results.append(try classifier.result(file: path, outputs))
            case .failure(let error): throw CommandFailure(ClientError(error.code, "\(path): \(error.message)"))
            case nil: break
            }
        }
        try PictureReport(model: manifest.name, results: results).write(asJSON: json)
    }

    private func runArrays(_ path: String, _ client: AMP4ECClient, _ manifest: ModelManifest) async throws {
        let tensors = try ArrayInputs.read(path, as: manifest.inputs, of: manifest.name)
        let names = manifest.inputs.map(\.name)
        let result = try await reporting { () throws(ClientError) in
            do throws(ClientError) { return try await client.infer(tensors, names: names) } catch {
                // What the coordinator says of the inputs is about this file.
                throw error.code == .invalidArgument ? ClientError(error.code, "\(path): \(error.message)") : error
            }
        }
        if let output { try ArrayInputs.write(output, result.outputs, names: result.names) }
        try ArrayReport(model: manifest.name, names: result.names, outputs: result.outputs, file: output).write(asJSON: json)
    }
}
