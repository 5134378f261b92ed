import AMP4ECClient
import Cluster
import Tensors
import Testing
import Wire

/// Many requests at once, and clients that do not behave.
@Suite("Requests beside each other")
struct ConcurrencyTests {
    /// About a second of work on one core; each of the model's other requests takes a fraction of a millisecond.
    static let slowRounds: Int64 = 100_000

    static func slowInputs(_ manifest: ModelManifest, seed: UInt64 = 1, rounds: Int64 = slowRounds) throws -> [Tensor] {
        var inputs = try TestInputs.make(manifest, items: 1, seed: seed)
        inputs[1] = try Tensor(shape: [1], values: [rounds])
        return inputs
    }

    @Test("100 outstanding requests of one client, one of them slow: the others are not held up")
    func slowOne() async throws {
        try await withCluster("slow", workerOptions: ["--executors", "2"], coordinatorOptions: ["--optimize", "O0"]) { cluster in
            let client = try cluster.client()
            defer { client.close() }
            let manifest = try await client.model()
            let others = try (1...99).map { try TestInputs.make(manifest, items: 1, seed: UInt64($0)) }
            let joined = try Batching.join(others, manifest.inputs)
            let expected = try await Reference.outputs(model: "slow", manifest: manifest, joined, batch: 1, in: cluster.folder)
            // Long enough for 99 round trips of a client whose cores are taken by others.
            let slow = try Self.slowInputs(manifest, rounds: 4 * Self.slowRounds)
            var order: [Int] = []
            try await withThrowingTaskGroup(of: (Int, [Tensor]).self) { group in
                group.addTask { (0, try await client.infer(slow).outputs) }
                try await cluster.status("the slow one under way") { $0.counters.microBatchesDispatched == 1 }
                for (index, inputs) in others.enumerated() {
                    group.addTask { (index + 1, try await client.infer(inputs).outputs) }
                }
                for try await (index, outputs) in group {
                    order.append(index)
                    guard index > 0 else { continue }
                    let right = try Batching.slice(expected, manifest.outputs, (index - 1)..<index)
                    #expect(Comparison.relativeError(outputs, right) == 0, "request \(index)")
                }
            }
            #expect(order.count == 100 && order.last == 0, "the slow one came as number \(order.firstIndex(of: 0) ?? -1)")
            try await cluster.cleanStatus()
        }
    }

    @Test("a client that goes away in the middle of a request")
    func leavesInARequest() async throws {
        try await withCluster("cnn") { cluster in
            let client = try cluster.client()
            defer { client.close() }
            let inputs = try await TestInputs.make(client.model(), items: 4)
            let expected = try await client.infer(inputs).outputs
            let (payload, headers) = try OutgoingPayload.raw(inputs)
            let stranger = try await RogueClient(cluster.address)
            try stranger.connection.begin(
                .inferRequest(InferRequest(id: 1, deadlineMilliseconds: 60_000, names: [], tensors: headers)),
                payload: [UInt8](repeating: 1, count: payload.byteCount / 2), of: payload.byteCount)
            let half = try await cluster.status("half a request is there") { $0.requestsInFlight == 1 }
            #expect(half.heldBytes >= payload.byteCount)
            #expect(Comparison.relativeError(try await client.infer(inputs).outputs, expected) == 0)
            stranger.close()
            let status = try await cluster.cleanStatus()
            #expect(status.counters.requestsCancelled == 1 && status.counters.requestsCompleted == 2)
            #expect(Comparison.relativeError(try await client.infer(inputs).outputs, expected) == 0)
        }
    }

    @Test("a client that goes away with requests outstanding")
    func leavesWithRequests() async throws {
        try await withCluster("slow", workerOptions: ["--executors", "2"]) { cluster in
            let (leaver, stayer) = (try cluster.client(), try cluster.client())
            defer { stayer.close() }
            let manifest = try await stayer.model()
            let inputs = try TestInputs.make(manifest, items: 1)
            let expected = try await stayer.infer(inputs).outputs
            let slow = try Self.slowInputs(manifest)
            try await withThrowingTaskGroup(of: StatusCode?.self) { group in
                for _ in 0..<4 {
                    group.addTask {
                        do throws(ClientError) { _ = try await leaver.infer(slow) } catch { return error.code }
                        return nil
                    }
                }
                try await cluster.status("four requests under way") { $0.requestsInFlight == 4 }
                leaver.close()
                for try await code in group { #expect(code == .cancelled) }
            }
            #expect(Comparison.relativeError(try await stayer.infer(inputs).outputs, expected) == 0)
            let status = try await cluster.cleanStatus()
            #expect(status.counters.requestsCancelled == 4 && status.counters.requestsFailed == 0)
        }
    }

    @Test("a cancelled request ends at once and leaves nothing behind")
    func cancelled() async throws {
        try await withCluster("slow", workerOptions: ["--executors", "2"]) { cluster in
            let client = try cluster.client()
            defer { client.close() }
            let slow = try await Self.slowInputs(client.model())
            let task = Task { try await client.infer(slow) }
            try await cluster.status("the request is under way") { $0.requestsInFlight == 1 }
            task.cancel()
            let error = await #expect(throws: ClientError.self) { try await task.value }
            #expect(error?.code == .cancelled)
            let status = try await cluster.cleanStatus()
            #expect(status.counters.requestsCancelled == 1)
        }
    }

    @Test("a deadline that passes: a clear error, and nothing left behind")
    func deadline() async throws {
        try await withCluster("slow", workerOptions: ["--executors", "2"]) { cluster in
            let client = try cluster.client()
            defer { client.close() }
            let slow = try await Self.slowInputs(client.model())
            let error = await #expect(throws: ClientError.self) { try await client.infer(slow, deadline: .milliseconds(150)) }
            #expect(error?.code == .deadlineExceeded)
            try await cluster.cleanStatus()
        }
    }

    @Test("a model that throws for one input: only that request fails")
    func throwingInput() async throws {
        try await withCluster("picky") { cluster in
            let client = try cluster.client()
            defer { client.close() }
            let manifest = try await client.model()
            let good = try TestInputs.make(manifest, items: 4)
            let expected = try await client.infer(good).outputs
            let bad = [try Tensor(shape: [4, 8], values: [Float](repeating: -1, count: 32))]
            try await withThrowingTaskGroup(of: Void.self) { group in
                for index in 0..<20 {
                    group.addTask {
                        if index == 10 {
                            let error = await #expect(throws: ClientError.self) { try await client.infer(bad) }
                            #expect(error?.code == .invalidArgument, "\(String(describing: error))")
                            #expect(
                                error?.message.contains("the first value of an item is negative") == true, "\(error?.message ?? "")"
                            )
                        } else {
                            let outputs = try await client.infer(good).outputs
                            #expect(Comparison.relativeError(outputs, expected) <= 1e-4)
                        }
                    }
                }
                try await group.waitForAll()
            }
            let status = try await cluster.cleanStatus()
            #expect(status.counters.requestsFailed == 1 && status.counters.requestsCompleted == 20)
            // It is the input's fault and would fail anywhere: never tried again, no node suspected.
            #expect(status.counters.microBatchesReplayed == 0 && status.counters.nodesLost == 0)
        }
    }
}
