import Foundation
import OpenInference
import Testing

@Suite("Documents about models")
struct DocumentTests {
    private func text(_ document: some Encodable) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(document), as: UTF8.self)
    }

    @Test func theirKeysAreTheProtocols() throws {
        #expect(
            try text(ServerMetadata(name: "amp4ec", version: "1.2.3", extensions: ["binary_tensor_data"]))
                == #"{"extensions":["binary_tensor_data"],"name":"amp4ec","version":"1.2.3"}"#)
        #expect(
            try text(
                ModelMetadata(
                    name: "m", versions: ["1"], inputs: [.init(name: "x", datatype: .uint8, shape: [-1, 3])],
                    outputs: [.init(name: "y", datatype: .float32, shape: [-1])]))
                == #"{"inputs":[{"datatype":"UINT8","name":"x","shape":[-1,3]}],"name":"m","#
                + #""outputs":[{"datatype":"FP32","name":"y","shape":[-1]}],"platform":"pytorch_torchscript","versions":["1"]}"#)
        #expect(
            try text(
                ModelConfiguration(
                    name: "m", maximumBatchSize: 8, inputs: [.init(name: "x", datatype: .bytes, extents: [1])],
                    outputs: [.init(name: "y", datatype: .float32, extents: [-1, 5])]))
                == #"{"backend":"pytorch","input":[{"data_type":"TYPE_STRING","dims":[1],"name":"x"}],"max_batch_size":8,"name":"m","#
                + #""output":[{"data_type":"TYPE_FP32","dims":[-1,5],"name":"y"}],"platform":"pytorch_torchscript"}"#)
        #expect(
            try text(RepositoryIndex(models: [.init(name: "m", version: "1", state: .ready)]))
                == #"[{"name":"m","reason":"","state":"READY","version":"1"}]"#)
    }

    @Test func statistics() throws {
        var parts = ModelStatistics.Parts()
        parts.success = .init(count: 2, nanoseconds: 30)
        parts.computeInfer = .init(count: 1, nanoseconds: 20)
        let model = ModelStatistics.Model(
            name: "m", version: "1", lastInferenceMs: 5, inferenceCount: 16, executionCount: 2, parts: parts)
        let none = #"{"count":0,"ns":0}"#
        #expect(
            try text(ModelStatistics(models: [model]))
                == #"{"model_stats":[{"batch_stats":[],"execution_count":2,"inference_count":16,"inference_stats":{"cache_hit":\#(none),"#
                + #""cache_miss":\#(none),"compute_infer":{"count":1,"ns":20},"compute_input":\#(none),"compute_output":\#(none),"fail":\#(none),"#
                + #""queue":\#(none),"success":{"count":2,"ns":30}},"last_inference":5,"name":"m","version":"1"}]}"#)
    }
}
