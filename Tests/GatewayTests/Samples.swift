import Base
import Cluster
import Foundation
import Gateway
import Planning

/// States of a cluster, made up: read from the document that `status` is, so that its field names are tested too.
enum Samples {
    static func node(_ name: String, state: String = "ready", partitions: [[String: Any]] = []) -> [String: Any] {
        var node: [String: Any] = [
            "name": name, "address": "10.0.0.1:9000", "state": state, "cause": "", "capability": 2, "load": 3, "queued": 2,
            "executing": 1,
            "completed": 40, "partitions": partitions,
            "cpu": ["used_cores": 1.25, "quota_cores": 2, "throttled_share": 0.5, "process_cores": 0.75],
            "memory": ["used_bytes": 3_000, "limit_bytes": 4_000, "process_bytes": 2_000],
            "timing": ["micro_batches": 1, "receive_ms": 0, "decode_ms": 0, "queue_ms": 0, "compute_ms": 1_500, "encode_ms": 0],
        ]
        // Unknown before the first pong and the first heartbeat.
        if name != "far" {
            node["round_trip_ms"] = 2.5
            node["network"] = [
                "received_bytes": 500, "sent_bytes": 600, "received_bytes_per_second": 5, "sent_bytes_per_second": 6,
            ]
        }
        return node
    }

    static func partition(_ layers: String, runs: Int, meanMs: Double) -> [String: Any] {
        [
            "layers": layers, "archive_bytes": 10, "weight_bytes": 20, "loaded": true, "runs": runs, "items": runs * 4,
            "mean_ms": meanMs,
        ]
    }

    static func link(_ from: String, _ to: String, connected: Bool = true) -> [String: Any] {
        [
            "from": from, "to": to, "connected": connected, "messages": 4, "raw_bytes": 1_000, "wire_bytes": 600,
            "bandwidth_bytes_per_second": 1e6, "compressed_share": 0.75,
        ]
    }

    static var plan: [String: Any] {
        func stage(_ first: Int, _ last: Int, _ replicas: [String], cost: Double) -> [String: Any] {
            [
                "first_layer": first, "last_layer": last, "replicas": replicas, "cost": cost,
                "measured_ms": replicas.map { $0 == "w2" ? 0 : cost * 2 }, "parameter_bytes": 100,
                "input_bytes": 200,
            ]
        }
        return [
            "generation": 4, "stages": [stage(0, 51, ["w1", "w2"], cost: 12.5), stage(52, 99, ["w3"], cost: 8)], "micro_batch": 8,
            "corrected_items_per_second": 60, "predicted_items_per_second": 120, "predicted_latency_ms": 250, "strategy": "optimal",
            "reasons": [String](),
        ]
    }

    static func report(
        nodes: [[String: Any]] = [], links: [[String: Any]] = [], plan: [String: Any]? = nil, counters: Counters = Counters(),
        latencies: LatencyHistogram = LatencyHistogram(), tables: [String: Int]? = nil
    ) throws -> GatewayReport {
        func object(_ value: some Encodable) throws -> Any { try JSONSerialization.jsonObject(with: JSONEncoder().encode(value)) }
        var document: [String: Any] = [
            "state": plan == nil ? "waiting" : "serving", "nodes": nodes, "links": links, "standby": [Any](),
            "requests_in_flight": 5,
            "micro_batches_in_flight": 6, "held_bytes": 7_000, "counters": try object(counters),
            "request_latency": try object(latencies),
        ]
        document["plan"] = plan
        document["tables"] = tables
        let data = try JSONSerialization.data(withJSONObject: document)
        let status = try JSONDecoder().decode(ClusterStatus.self, from: data)
        guard plan == nil else {
            return GatewayReport(status: status, readiness: Readiness(isReady: true, cause: nil, planFailure: nil, missing: []))
        }
        return GatewayReport(
            status: status,
            readiness: Readiness(
                isReady: false, cause: "w2: refused at 10.0.0.2:9000", planFailure: "no node has the memory",
                missing: [.init(name: "w2", state: "lost", cause: "refused at 10.0.0.2:9000")]))
    }
}

/// A coordinator that answers what it was told to; `nil` stands for a loop that does not turn.
final class FakeSource: GatewaySource {
    private let answer: GatewayReport?

    init(_ answer: GatewayReport?) { self.answer = answer }

    func isAlive() async -> Bool { answer != nil }
    func readiness() async -> Readiness? { answer?.readiness }
    func report() async -> GatewayReport? { answer }
}
