import AMP4ECClient
import Cluster
import Tensors

// The examples of the library's documentation that ask about the cluster, as in Requests.swift.

func describeModel(_ client: AMP4ECClient) async throws {
    let model = try await client.model()
    for input in model.inputs { print("takes \(input)") }  // takes image:float32[N,3,224,224]
    for output in model.outputs { print("gives \(output)") }
}

func findLost(_ client: AMP4ECClient) async throws -> [ClusterStatus.Node] {
    let status = try await client.status()
    let lost = status.nodes.filter { $0.state == "lost" }
    return lost
}

func drainAndReturn(_ client: AMP4ECClient) async throws {
    print(try await client.drain("w2"))
    // Now nothing runs on w2: update the machine, for example.
    print(try await client.drain("w2", undo: true))
}

func readHistory(_ client: AMP4ECClient) async throws {
    let history = try await client.history(since: .seconds(600), limit: 60)
    for node in history.nodes {
        print(node.name, node.samples.map(\.cpuUsedCores))
    }
    for event in history.events { print(event.event, event.node ?? "") }
}
