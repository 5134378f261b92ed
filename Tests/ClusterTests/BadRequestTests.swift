import AMP4ECClient
import Arrays
import Cluster
import Tensors
import Testing
import Wire

/// Requests that do not fit the model: a clear error each, and nobody else notices.
@Suite("Requests that do not fit the model")
struct BadRequestTests {
    struct Case: Sendable {
        let name: String
        let names: [String]
        let inputs: [Tensor]
        /// What the message must name.
        let mentions: [String]
    }

    /// Against `features:float32[N,12]`, `context:float32[N,6]`.
    static func cases() throws -> [Case] {
        func floats(_ shape: [Int]) throws -> Tensor {
            try Tensor(shape: shape, values: [Float](repeating: 0.5, count: shape.reduce(1, *)))
        }
        let both = ["features", "context"]
        let (features, context) = (try floats([2, 12]), try floats([2, 6]))
        return [
            Case(name: "wrong extent", names: both, inputs: [try floats([2, 11]), context], mentions: ["features", "12", "11"]),
            Case(name: "wrong rank", names: both, inputs: [try floats([2, 12, 1]), context], mentions: ["features"]),
            Case(
                name: "wrong type", names: both,
                inputs: [features, try Tensor(shape: [2, 6], values: [Int64](repeating: 1, count: 12))],
                mentions: ["context", "int64", "float32"]),
            Case(
                name: "wrong name", names: ["features", "kontext"], inputs: [features, context], mentions: ["context", "kontext"]),
            Case(name: "one name twice", names: ["features", "features"], inputs: [features, features], mentions: ["context"]),
            Case(name: "too few", names: ["features"], inputs: [features], mentions: ["2 inputs", "1 w"]),
            Case(
                name: "too many", names: both + ["more"], inputs: [features, context, context], mentions: ["2 inputs", "3 w"]),
            Case(name: "batch 0", names: both, inputs: [try floats([0, 12]), try floats([0, 6])], mentions: ["features", "0"]),
            Case(name: "two batch sizes", names: both, inputs: [features, try floats([3, 6])], mentions: ["2", "3"]),
        ]
    }

    @Test("by the client: invalidArgument, and others go on on the same connection")
    func byClient() async throws {
        try await withCluster("two-inputs", workers: 2) { cluster in
            let client = try cluster.client()
            defer { client.close() }
            let good = try TestInputs.make(try await client.model(), items: 3)
            let expected = try await client.infer(good).outputs
            let cases = try Self.cases()
            try await withThrowingTaskGroup(of: Void.self) { group in
                for test in cases {
                    group.addTask {
                        let error = await #expect(throws: ClientError.self, "\(test.name)") {
                            try await client.infer(test.inputs, names: test.names)
                        }
                        #expect(error?.code == .invalidArgument, "\(test.name)")
                        for part in test.mentions {
                            #expect(error?.message.contains(part) == true, "\(test.name): \(error?.message ?? "")")
                        }
                    }
                    group.addTask {
                        let outputs = try await client.infer(good).outputs
                        #expect(Comparison.relativeError(outputs, expected) <= 1e-4)
                    }
                }
                try await group.waitForAll()
            }
            let status = try await cluster.cleanStatus()
            #expect(status.counters.requestsRejected == UInt64(cases.count))
            #expect(status.counters.requestsCompleted == UInt64(cases.count) + 1 && status.counters.requestsFailed == 0)
            #expect(await client.retries() == 0)
        }
    }

    @Test("by the command: exit 65")
    func byCommand() async throws {
        try await withCluster("two-inputs", workers: 2) { cluster in
            // How many there are is a matter of the file: what the model does not take is left alone, and what is missing is named.
            for test in try Self.cases() where Set(test.names).count == test.names.count && !test.mentions.contains("2 inputs") {
                let path = cluster.folder.path("\(test.name.filter { $0 != " " }).npz")
                try NPZ.write(path, zip(test.names, test.inputs).map { (name: $0, tensor: $1) })
                let run = try await cluster.command("infer", "--input", path)
                #expect(run.ending == .exited(65), "\(test.name): \(run)")
                for part in test.mentions { #expect(run.errors.contains(part), "\(test.name): \(run.errors)") }
            }
            let context = try Tensor(shape: [2, 6], values: [Float](repeating: 0.5, count: 12))
            let few = cluster.folder.path("few.npz")
            try NPZ.write(few, [(name: "context", tensor: context), (name: "other", tensor: context)])
            let single = cluster.folder.path("single.npy")
            try NPY.write(single, Tensor(shape: [2, 12], values: [Float](repeating: 0, count: 24)))
            let texts = [
                (single, ["single.npy", "features, context", ".npz"]),
                (few, ["few.npz", "no array \"features\"", "it has context, other", "features=…"]),
                (try cluster.folder.write("text.npz", "no array"), ["text.npz", "numpy.savez"]),
                (cluster.folder.path("absent.npz"), ["absent.npz", "No such file"]),
            ]
            for (path, mentions) in texts {
                let run = try await cluster.command("infer", "--input", path)
                #expect(run.ending == .exited(65), "\(run)")
                for part in mentions { #expect(run.errors.contains(part), "\(run.errors)") }
            }
            try await cluster.cleanStatus()
        }
    }
}
