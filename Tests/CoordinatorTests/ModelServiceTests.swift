import Base
import Cluster
import Inference
import Planning
import Profiling
import Shell
import Tensors
import Testing
import Wire

/// The coordinator's side of a model: what it serves, plans and cuts.
@Suite(.serialized) struct ModelServiceTests {
    static func order(_ nodes: Int, urgent: Bool = true) -> CoordinatorMachine.PlanOrder {
        CoordinatorMachine.PlanOrder(
            generation: 1,
            nodes: (0..<nodes).map { PlanningNode(id: NodeID("w\($0)"), effectiveCores: 1, freeMemory: ByteCount(8 << 30)) },
            brokenLinks: [], isUrgent: urgent)
    }

    @Test func servesWhatTheManifestSays() throws {
        let prepared = try TestModels.service("two-inputs").prepare()
        #expect(prepared.served.inputs.map(\.name) == ["features", "context"])
        #expect(prepared.served.outputs.map(\.name) == ["scores", "gate"])
        #expect(prepared.served.batching == .splittable && prepared.microBatch == 2)
        #expect(prepared.served.weightBytes > 0)
    }

    @Test func aModelThatMustNotBeCutIsServedWhole() throws {
        let prepared = try TestModels.service("batch-mean").prepare()
        guard case .whole(let why) = prepared.served.batching else {
            Issue.record("batch-mean is served in parts")
            return
        }
        #expect(why.contains("influence"))
    }

    @Test func elementsAreCountedByTheWidthOfTheirType() throws {
        let layers = try TestModels.service("types").prepare().profile.layers
        // Three values an item, two items: halves, int64 and flags.
        for (name, width) in [("aten::mul", 2), ("aten::where", 8), ("aten::bitwise_not", 1)] {
            let layer = try #require(layers.first { $0.operatorName == name }, "\(layers.map(\.operatorName))")
            #expect(layer.outputElements == 6 && layer.outputBytes == ByteCount(6 * width), "\(name)")
        }
    }

    @Test func aPlanPutsEachPartOnANodeAndItsPartsTogetherAreTheModel() throws {
        let service = try TestModels.service("residual")
        _ = try service.prepare()
        guard case .plan(let deployment) = service.plan(Self.order(2), links: LinkTable()) else {
            Issue.record("there is no plan")
            return
        }
        #expect(deployment.stages.count == 2 && deployment.microBatch == 2)
        #expect(Set(deployment.stages.flatMap(\.replicas)) == ["w0", "w1"])
        #expect(deployment.stages[0].partition.endLayer == deployment.stages[1].partition.firstLayer)
        // Both sizes that a request's last micro-batch may have are warmed up.
        #expect(deployment.stages[0].warmups.map { $0.map(\.shape) } == [[[1, 3, 32, 32]], [[2, 3, 32, 32]]])
        #expect(deployment.stages[0].inputBytesPerItem == 3 * 32 * 32 * 4)

        let inputs = try service.samples.make(batch: 2)
        var tensors = inputs
        for stage in deployment.stages {
            let archive = try service.archive(of: stage.partition)
            tensors = try TorchEngine().loadPartition(archive: archive, optimized: false).run(tensors)
        }
        #expect(zip(tensors, try service.runWhole(inputs)).allSatisfy { $0.isBitIdentical(to: $1) })
    }

    @Test func anArchiveIsCutOnce() throws {
        let service = try TestModels.service("cnn")
        _ = try service.prepare()
        guard case .plan(let deployment) = service.plan(Self.order(1), links: LinkTable()) else {
            Issue.record("there is no plan")
            return
        }
        let first = try service.archive(of: deployment.stages[0].partition)
        #expect(try service.archive(of: deployment.stages[0].partition) === first)
    }

    @Test func withTooLittleMemoryThePlanSaysHowMuchIsLacking() throws {
        let service = try TestModels.service("cnn")
        _ = try service.prepare()
        var order = Self.order(1)
        order.nodes[0].freeMemory = ByteCount(1 << 20)
        guard case .failure(let why) = service.plan(order, links: LinkTable()) else {
            Issue.record("a plan fits into 1 MiB")
            return
        }
        #expect(why.contains("memory") && why.contains("w0"))
    }

    struct Refusal: Sendable, CustomTestStringConvertible {
        let model: String
        var inputs: [String] = []
        let says: String
        var testDescription: String { "\(model): \(says)" }
    }

    @Test(
        "models that are refused, with what to do",
        arguments: [
            Refusal(model: "two-inputs", inputs: ["features:float32[N,12]"], says: "takes 2 inputs"),
            Refusal(model: "counter", says: "\"runs\""),
        ])
    func refused(_ row: Refusal) throws {
        let error = try #require(throws: CommandFailure.self) { try TestModels.service(row.model, inputs: row.inputs) }
        #expect(error.exitStatus == .badData && "\(error)".contains(row.says), "\(error)")
    }
}
