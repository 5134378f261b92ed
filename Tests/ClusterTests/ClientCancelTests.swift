import AMP4ECClient
import Tensors
import Testing
import Wire

/// A task that is cancelled does not wait for its call's deadline, whatever it asked for.
@Suite("Cancelled calls")
struct ClientCancelTests {
    struct Call: Sendable, CustomTestStringConvertible {
        let name: String
        let run: @Sendable (AMP4ECClient) async throws -> Void
        var testDescription: String { name }
    }

    static let calls = [
        Call(name: "infer") { _ = try await $0.infer([try Tensor(shape: [1], values: [Float(1)])]) },
        Call(name: "model") { _ = try await $0.model() },
        Call(name: "status") { _ = try await $0.status() },
        Call(name: "drain") { _ = try await $0.drain("nobody") },
    ]

    @Test("before and during the call, where nobody answers", arguments: calls)
    func cancelled(call: Call) async throws {
        var options = try AMP4ECClient.Options.ofTest()
        options.deadline = .seconds(60)
        // The discard port: nobody listens there, and the client dials again and again.
        let client = try AMP4ECClient(coordinator: "127.0.0.1:9", options: options)
        defer { client.close() }
        for isCancelledFirst in [true, false] {
            let (began, start) = AsyncStream.makeStream(of: Void.self)
            let task = Task {
                if isCancelledFirst { while !Task.isCancelled { await Task.yield() } }
                start.finish()
                try await call.run(client)
            }
            if !isCancelledFirst { for await _ in began {} }
            let cancelledAt = ContinuousClock.now
            task.cancel()
            await #expect("cancelled first: \(isCancelledFirst)") {
                try await task.value
            } throws: {
                ($0 as? ClientError)?.code == .cancelled
            }
            #expect(ContinuousClock.now - cancelledAt < .seconds(30), "it waited for its deadline")
        }
    }
}
