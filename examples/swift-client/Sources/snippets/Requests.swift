import AMP4ECClient
import Tensors
import Wire

// The examples of the library's documentation, each in a function, so that they compile: Tests/TidyTests looks for them here.

func connect(pixels: [Float]) async throws -> InferenceResult {
    let client = try AMP4ECClient(coordinator: "gateway:9100")
    defer { client.close() }
    let image = try Tensor(shape: [1, 3, 224, 224], values: pixels)
    let result = try await client.infer([image], deadline: .seconds(5))
    return result
}

func connectWithAKey() throws -> AMP4ECClient {
    var options = AMP4ECClient.Options()
    options.secret = .file("/etc/kitchen-camera/amp4ec.key")
    let client = try AMP4ECClient(coordinator: "gateway:9100", options: options)
    return client
}

func connectWithOptions() throws -> AMP4ECClient {
    var options = AMP4ECClient.Options()
    options.name = "kitchen-camera"
    options.deadline = .seconds(2)
    options.maximumConnectFailures = 3
    let client = try AMP4ECClient(coordinator: "gateway:9100", options: options)
    return client
}

func inputsByName(_ client: AMP4ECClient, place: Tensor, readings: Tensor) async throws -> [Float] {
    let result = try await client.infer([place, readings], names: ["place", "readings"], deadline: .seconds(5))
    let scores = result.outputs[0].values(as: Float.self) ?? []
    return scores
}

func readReply(_ result: InferenceResult) -> Double {
    for (name, output) in zip(result.names, result.outputs) {
        print(name, output.dtype.name, output.shape, output.values(as: Float.self)?.prefix(3) ?? [])
    }
    let seconds = Double(result.timing.total) / 1e9
    return seconds
}

func makeInputs(rows: [[Float]], tokens: [Int64]) throws -> [Tensor] {
    // Two-dimensional: one row after the other in one array.
    let table = try Tensor(shape: [rows.count, rows[0].count], values: rows.flatMap { $0 })
    // A sequence of tokens, as a batch of one item.
    let sequence = try Tensor(shape: [1, tokens.count], values: tokens)
    return [table, sequence]
}

func readItem(_ output: Tensor, number: Int) throws -> [Float] {
    // The third item of a batch, for example, with the number 2: a view, which copies nothing.
    let item = try output.slice(dimension: 0, number..<number + 1)
    return item.values(as: Float.self) ?? []
}

func inferMany(_ client: AMP4ECClient, images: [Tensor]) async throws -> [InferenceResult] {
    try await withThrowingTaskGroup(of: (Int, InferenceResult).self) { group in
        for (index, image) in images.enumerated() {
            group.addTask { (index, try await client.infer([image])) }
        }
        var results: [Int: InferenceResult] = [:]
        for try await (index, result) in group { results[index] = result }
        return images.indices.compactMap { results[$0] }
    }
}

func cancelWhenNotNeeded(_ client: AMP4ECClient, image: Tensor) async {
    let task = Task { try await client.infer([image]) }
    // The answer is of no use any more:
    task.cancel()
}

func nothingWhenBusy(_ client: AMP4ECClient, inputs: [Tensor]) async throws -> InferenceResult? {
    do {
        return try await client.infer(inputs, deadline: .seconds(2))
    } catch {
        // Nobody can do the work now: later perhaps.
        guard error.code == .unavailable || error.code == .resourceExhausted else { throw error }
        return nil
    }
}

func handleErrors(_ client: AMP4ECClient, inputs: [Tensor]) async {
    do {
        let result = try await client.infer(inputs, deadline: .seconds(2))
        print(result.outputs)
    } catch {
        switch error.code {
        case .invalidArgument: print("mend the input: \(error.message)")
        case .unavailable, .resourceExhausted, .deadlineExceeded: print("try again later: \(error.message)")
        case .cancelled: break
        default: print("tell whoever runs the cluster: \(error.message)")
        }
    }
}
