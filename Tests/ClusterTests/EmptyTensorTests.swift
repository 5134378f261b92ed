import AMP4ECClient
import Arrays
import Cluster
import Tensors
import Testing
import Wire

/// "No bytes" is not "no tensors": a zero in a shape is legal as an input, between stages, in replies and in files.
@Suite("Tensors of no bytes")
struct EmptyTensorTests {
    private static func readings(_ shape: [Int]) throws -> [Tensor] {
        [try Tensor(shape: shape, values: (0..<shape.reduce(1, *)).map { Float($0 % 7) - 3 })]
    }

    @Test(
        "inputs of no bytes: by the library, by the command, from the cache, and under a number that is outstanding",
        arguments: ["pipeline"])
    func inputs(shape: String) async throws {
        try await withCluster(
            "free-length", workers: 2, coordinatorOptions: ["--shape", shape, "--result-cache", "16MiB", "--optimize", "O0"]
        ) { cluster in
            let client = try cluster.client(deadline: .seconds(10))
            defer { client.close() }
            let manifest = try await client.model()
            for extent in [[2, 0], [1, 0], [5, 3], [2, 0], [7, 0], [1, 1]] {
                let input = try Self.readings(extent)
                let outputs = try await client.infer(input).outputs
                #expect(outputs.map(\.shape) == [[extent[0], 4], extent], "\(extent)")
                let right = try await Reference.outputs(
                    model: "free-length", manifest: manifest, input, batch: extent[0], in: cluster.folder)
                #expect(Comparison.relativeError(outputs, right) <= HonestTraffic.tolerance, "\(extent)")
            }
            let file = cluster.folder.path("empty.npz")
            let answer = cluster.folder.path("answer.npz")
            try NPZ.write(file, [(name: "readings", tensor: try Self.readings([2, 0])[0])])
            let run = try await cluster.command("infer", "--input", file, "--output", answer)
            #expect(run.ending == .exited(0), "\(run)")
            #expect(try NPZ.read(answer).map(\.tensor.shape) == [[2, 4], [2, 0]])

            // Under a number whose payload is still coming, and again when that is answered.
            let rogue = try await RogueClient(cluster.address)
            let full = try RogueClient.request(3, Self.readings([4, 50]))
            let empty = try RogueClient.request(3, Self.readings([2, 0]))
            let stream = rogue.sendHalf(full)
            rogue.send(empty)
            #expect(try await rogue.outcome(of: 3).code == .invalidArgument)
            rogue.sendRest(full, on: stream)
            #expect(try await rogue.outcome(of: 3, number: 2).tensors?.map(\.shape) == [[4, 4], [4, 50]])
            rogue.send(empty)
            #expect(try await rogue.outcome(of: 3, number: 3).tensors?.map(\.shape) == [[2, 4], [2, 0]])
            rogue.close()
            #expect(cluster.coordinator.isRunning && cluster.workers.allSatisfy(\.isRunning))
            let status = try await cluster.cleanStatus()
            #expect(status.counters.nodesLost == 0, "\(status.counters)")
        }
    }

    @Test("results of no rows, whole and between two stages", arguments: ["pipeline"])
    func results(shape: String) async throws {
        try await withCluster("finder", workers: 2, coordinatorOptions: ["--shape", shape, "--optimize", "O0"]) { cluster in
            let client = try cluster.client(deadline: .seconds(10))
            defer { client.close() }
            let manifest = try await client.model()
            for (number, scale) in [Float(0), 4, 0, 8].enumerated() {
                let input = [try Tensor(shape: [3, 8], values: (0..<24).map { Float(($0 * 5 + number) % 9) * scale / 9 })]
                let outputs = try await client.infer(input).outputs
                let right = try await Reference.outputs(
                    model: "finder", manifest: manifest, input, batch: 3, in: cluster.folder)
                #expect(
                    outputs.map(\.shape) == right.map(\.shape) && (scale > 0) == (outputs[0].shape[0] > 0),
                    "\(outputs.map(\.shape))")
                #expect(Comparison.relativeError(outputs, right) <= HonestTraffic.tolerance)
            }
            let status = try await cluster.cleanStatus()
            #expect(status.counters.nodesLost == 0 && status.counters.requestsFailed == 0, "\(status.counters)")
        }
    }
}
