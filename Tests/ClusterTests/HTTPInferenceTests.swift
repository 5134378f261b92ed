import AMP4ECClient
import Cluster
import Foundation
import Tensors
import Testing

/// The Open Inference Protocol before real workers.
@Suite("Inference over HTTP")
struct HTTPInferenceTests {
    /// An infer request of tensors in binary, with all outputs in binary.
    static func request(_ manifest: ModelManifest, _ inputs: [Tensor], parameters: String = "") throws -> [UInt8] {
        let types: [DType: String] = [.float32: "FP32", .int64: "INT64", .uint8: "UINT8"]
        let described = try zip(manifest.inputs, inputs).map { spec, tensor in
            let type = try #require(types[tensor.dtype])
            return
                #"{"name":"\#(spec.name)","shape":\#(tensor.shape),"datatype":"\#(type)","parameters":{"binary_data_size":\#(tensor.byteCount)}}"#
        }
        let head = Array(
            #"{"parameters":{"binary_data_output":true\#(parameters)},"inputs":[\#(described.joined(separator: ","))]}"#.utf8)
        let body = head + inputs.flatMap { Array($0.bytes) }
        return Array(
            "POST /v2/models/\(manifest.name)/infer HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nInference-Header-Content-Length: \(head.count)\r\nContent-Length: \(body.count)\r\n\r\n"
                .utf8) + body
    }

    /// - Returns: the status, and what stands behind the JSON head.
    static func answer(_ peer: RawPeer) throws -> (status: Int, outputs: [UInt8]) {
        let end = try #require(peer.received.firstRange(of: Array("\r\n\r\n".utf8)))
        let head = String(decoding: peer.received[..<end.lowerBound], as: UTF8.self)
        let status = try #require(head.split(separator: " ").dropFirst().first.flatMap { Int($0) })
        let length = head.split(separator: "\r\n").first { $0.hasPrefix("Inference-Header-Content-Length: ") }
            .flatMap { Int($0.split(separator: " ")[1]) }
        return (status, Array(peer.received[(end.upperBound + (length ?? 0))...]))
    }

    @Test("outputs are those of the native client, bit for bit, while a worker is killed and comes back")
    func same() async throws {
        try await withCluster("cnn", workers: 3, coordinatorOptions: HTTPTests.options) { cluster in
            let http = try await TestCluster.httpAddress(of: cluster.coordinator)
            let client = try cluster.client()
            defer { client.close() }
            let manifest = try await client.model()
            let inputs = try TestInputs.make(manifest, items: 6)
            let expected = try await client.infer(inputs).outputs.flatMap { Array($0.bytes) }
            let request = try Self.request(manifest, inputs)
            for round in 0..<30 {
                if round == 10 { await cluster.workers[1].killAndCollect() }
                if round == 20 {
                    _ = try TestCluster.startWorker(
                        "w2", port: TestCluster.port(cluster.workerAddresses[1]), in: cluster.folder)
                }
                let peer = try RawPeer(http)
                peer.send(request)
                try await peer.closed("round \(round)", within: .seconds(30))
                let (status, outputs) = try Self.answer(peer)
                #expect(status == 200 && outputs == expected, "round \(round): \(status)")
            }
            let counters = try await cluster.cleanStatus().counters
            #expect(counters.requestsFailed == 0 && counters.nodesLost >= 1)
        }
    }

    @Test("a client that goes cancels its work at the workers, one whose timeout passes is told, and others are served")
    func gone() async throws {
        try await withCluster("slow", workers: 2, coordinatorOptions: ["--optimize", "O0"] + HTTPTests.options) { cluster in
            let http = try await TestCluster.httpAddress(of: cluster.coordinator)
            let client = try cluster.client()
            defer { client.close() }
            let manifest = try await client.model()
            let slow = try ConcurrencyTests.slowInputs(manifest, rounds: try await SlowRunTests.rounds(for: 4, client, manifest))
            var leaving: RawPeer? = try RawPeer(http)
            leaving?.send(try Self.request(manifest, slow))
            try await cluster.status("it is under way") { $0.microBatchesInFlight == 1 }
            leaving = nil
            try await cluster.status("it is cancelled") { $0.counters.requestsCancelled == 1 && $0.requestsInFlight == 0 }
            let late = try RawPeer(http)
            late.send(try Self.request(manifest, slow, parameters: #","timeout":200000"#))
            try await late.closed("the late one", within: .seconds(30))
            #expect(try Self.answer(late).status == 504)
            let quick = try RawPeer(http)
            quick.send(try Self.request(manifest, try ConcurrencyTests.slowInputs(manifest, rounds: 1)))
            try await quick.closed("the quick one", within: .seconds(30))
            #expect(try Self.answer(quick).status == 200)
            let request = try Self.request(manifest, try ConcurrencyTests.slowInputs(manifest, rounds: 1))
            for round in 0..<60 {
                let leaving = try RawPeer(http)
                leaving.send(round % 2 == 0 ? request : Array(request.dropLast(1)))
            }
            try await cluster.status("nothing is left") {
                $0.requestsInFlight == 0 && $0.microBatchesInFlight == 0 && $0.heldBytes == 0
            }
        }
    }
}
