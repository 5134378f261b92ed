import AMP4ECClient
import Base
import Cluster
import Foundation
import Planning
import Tensors
import Testing

/// What the workers hold, and that `status` says it under the names of the contract.
@Suite("Status")
struct StatusTests {
    @Test("each worker holds its own partition; the weights of all sum to the model's", arguments: ["residual", "transformer"])
    func partitions(model: String) async throws {
        try await withCluster(model) { cluster in
            /// The partition of the stage; beside it a node may hold what it needs when another is lost.
            func partition(of stage: ClusterStatus.Stage, in status: ClusterStatus) -> ClusterStatus.Partition? {
                let layers = "\(stage.firstLayer)..<\(stage.lastLayer + 1)"
                return status.nodes.first { $0.name == stage.replicas.first }?.partitions.first {
                    $0.layers == layers && $0.isLoaded
                }
            }
            let status = try await cluster.status("three workers with their partitions") { status in
                status.nodes.count == 3 && status.plan?.stages.allSatisfy { partition(of: $0, in: status) != nil } == true
            }
            let weights = try #require(status.model?.weightBytes)
            let held = (status.plan?.stages ?? []).compactMap { partition(of: $0, in: status)?.weightBytes }
            #expect(abs(Double(held.reduce(0, +)) / Double(weights) - 1) <= 0.01, "\(held) of \(weights)")

            let plan = try #require(status.plan)
            #expect(plan.stages.count == 3 && plan.generation >= 1 && plan.microBatch >= 1)
            #expect(plan.stages.first?.firstLayer == 0)
            for (left, right) in zip(plan.stages, plan.stages.dropFirst()) { #expect(right.firstLayer == left.lastLayer + 1) }
            #expect(Set(plan.stages.flatMap(\.replicas)).count == 3)
            for stage in plan.stages {
                #expect(stage.cost >= 0 && stage.replicas.count == 1)
            }
        }
    }

    @Test("the command's JSON carries the fields of the contract")
    func json() async throws {
        try await withCluster("cnn") { cluster in
            let run = try await cluster.command("status", "--json")
            #expect(run.ending == .exited(0), "\(run)")
            let root = try #require(JSONSerialization.jsonObject(with: Data(run.output.utf8)) as? [String: Any])
            let nodes = try #require(root["nodes"] as? [[String: Any]])
            #expect(nodes.map { $0["name"] as? String } == ["w1", "w2", "w3"])
            for node in nodes {
                for field in ["address", "state", "capability", "cpu", "memory", "load"] { #expect(node[field] != nil, "\(field)") }
                #expect(node["state"] as? String == "ready")
            }
            let plan = try #require(root["plan"] as? [String: Any])
            #expect(plan["generation"] != nil && plan["micro_batch"] != nil)
            let stages = try #require(plan["stages"] as? [[String: Any]])
            for field in ["first_layer", "last_layer", "replicas", "cost"] {
                #expect(stages.allSatisfy { $0[field] != nil }, "\(field)")
            }
            let counters = try #require(root["counters"] as? [String: Any])
            for field in ["requests_completed", "requests_failed", "requests_rejected", "micro_batches_replayed", "plans"] {
                #expect(counters[field] != nil, "\(field)")
            }
            let people = try await cluster.command("status")
            #expect(people.ending == .exited(0) && people.output.contains("state: serving"), "\(people)")
        }
    }

    @Test("compressed always: the same replies, fewer bytes on the wire")
    func compression() async throws {
        let options = ["--compress", "always", "--optimize", "O0", "--micro-batch", "4"]
        try await withCluster("pixels", coordinatorOptions: options) { cluster in
            let client = try cluster.client()
            defer { client.close() }
            let manifest = try await client.model()
            let inputs = try TestInputs.make(manifest, items: 8)
            let expected = try await Reference.outputs(model: "pixels", manifest: manifest, inputs, batch: 4, in: cluster.folder)
            let actual = try await client.infer(inputs).outputs
            for (left, right) in zip(actual, expected) { #expect(left.isBitIdentical(to: right)) }
            // Noise does not shrink, and where the cuts lie is the planner's choice: a black picture shrinks on its way in at least.
            _ = try await client.infer(inputs.map(Self.zeros))
            // The links between workers come with the heartbeats.
            let status = try await cluster.status("bytes on the links between the stages") { status in
                status.links.contains { $0.from != "coordinator" && $0.to != "coordinator" && $0.wireBytes > 0 }
            }
            let links = status.links.filter { $0.messages > 0 }
            #expect(links.contains { $0.from == "coordinator" })
            #expect(links.reduce(0) { $0 + $1.wireBytes } < links.reduce(0) { $0 + $1.rawBytes }, "\(links)")
        }
    }

    private static func zeros(like tensor: Tensor) throws -> Tensor {
        let storage = TensorStorage(byteCount: tensor.byteCount)
        storage.mutableBytes.initializeMemory(as: UInt8.self, repeating: 0)
        return try Tensor(dtype: tensor.dtype, shape: tensor.shape, storage: storage)
    }

    @Test("compressed never: as many bytes on the wire as raw")
    func noCompression() async throws {
        try await withCluster("pixels", coordinatorOptions: ["--compress", "never"]) { cluster in
            let client = try cluster.client()
            defer { client.close() }
            _ = try await client.infer(TestInputs.make(client.model(), items: 8))
            let status = try await cluster.status("bytes on the links between the stages") { status in
                status.links.contains { $0.from != "coordinator" && $0.to != "coordinator" && $0.wireBytes > 0 }
            }
            for link in status.links { #expect(link.wireBytes == link.rawBytes, "\(link)") }
        }
    }
}
