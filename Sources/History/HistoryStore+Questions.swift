package import Cluster
internal import Foundation
internal import GRDB
package import Wire

extension HistoryStore {
    /// The newest samples of one node or of all, and what happened meanwhile, oldest first.
    /// - Parameter timeMs: now; the range's reach counts back from here.
    /// - Throws: for a node that was never seen, an error that names those that were.
    package func document(_ range: HistoryRange, timeMs: Int64) throws(HistoryFailure) -> Result<ClusterHistory, UnknownNode> {
        let (reach, isFar) = timeMs.subtractingReportingOverflow(Int64(clamping: range.sinceMilliseconds))
        let since = range.sinceMilliseconds == 0 || isFar ? Int64.min : reach
        let wanted = range.limit == 0 ? HistoryLimits.defaultSamples : Int(range.limit)
        return try attempt { database in
            let known = try Row.fetchAll(database, sql: "SELECT id, \(Self.text("name")) FROM node ORDER BY name")
                .map { row in (id: row[0] as Int64, name: row[1] as String) }
            let asked = known.filter { range.node.isEmpty || $0.name == range.node }
            if asked.isEmpty, !range.node.isEmpty { return .failure(UnknownNode(name: range.node, known: known.map(\.name))) }
            let limit = min(wanted, HistoryLimits.answeredSamples / max(1, asked.count))
            let nodes = try asked.map { node in
                ClusterHistory.Node(name: node.name, samples: try samples(of: node.id, since: since, limit: limit, database))
            }
            return .success(
                ClusterHistory(
                    storage: path ?? "memory", limit: limit, nodes: nodes,
                    events: try events(
                        of: range.node, since: since, limit: min(wanted, HistoryLimits.answeredEvents), database)))
        }
    }

    /// The newest events, oldest first, and no samples.
    package func newestEvents(_ limit: Int) throws(HistoryFailure) -> [ClusterHistory.Event] {
        try attempt { database in try events(of: "", since: .min, limit: min(limit, HistoryLimits.answeredEvents), database) }
    }

    /// A question about a node that the history does not know.
    package struct UnknownNode: Error, Sendable, Hashable, CustomStringConvertible {
        package let name: String
        package let known: [String]

        package var description: String {
            known.isEmpty
                ? "there is no history of \"\(name)\": no node has been seen yet"
                : "there is no history of \"\(name)\"; there is one of \(known.joined(separator: ", "))"
        }
    }

    private func samples(of node: Int64, since: Int64, limit: Int, _ database: Database) throws -> [ClusterHistory.Sample] {
        let columns =
            [Self.whole("time_ms"), Self.text("state")] + ["cpu_used", "cpu_quota", "cpu_throttled", "process_cpu"].map(Self.real)
            + [
                "memory_used", "memory_limit", "process_bytes", "network_received", "network_sent", "queued", "executing",
                "completed",
            ].map(Self.whole) + ["CAST(round_trip_ms AS REAL)"]
        let sql = """
            SELECT \(columns.joined(separator: ", "))
            FROM sample WHERE node = ? AND time_ms >= ? ORDER BY id DESC LIMIT ?
            """
        return try Row.fetchAll(database, sql: sql, arguments: [node, since, limit]).reversed().map { row in
            ClusterHistory.Sample(
                timeMs: row[0], state: row[1], cpuUsedCores: finite(row[2]), cpuQuotaCores: finite(row[3]),
                cpuThrottledShare: finite(row[4]), processCPUCores: finite(row[5]), memoryUsedBytes: bytes(row[6]),
                memoryLimitBytes: bytes(row[7]),
                processBytes: bytes(row[8]),
                networkReceivedBytes: bytes(row[9]), networkSentBytes: bytes(row[10]), queued: UInt32(clamping: row[11] as Int64),
                executing: UInt32(clamping: row[12] as Int64), completed: bytes(row[13]),
                roundTripMs: (row[14] as Double?).map(finite))
        }
    }

    // A column of SQLite holds whatever somebody has written into it, whatever its declaration says, and a row's value of another type ends
    // the process: so the types are asked for.
    static func text(_ column: String) -> String { "coalesce(CAST(\(column) AS TEXT), '')" }
    static func whole(_ column: String) -> String { "coalesce(CAST(\(column) AS INTEGER), 0)" }
    static func real(_ column: String) -> String { "coalesce(CAST(\(column) AS REAL), 0.0)" }

    private func bytes(_ stored: Int64) -> UInt64 { UInt64(clamping: stored) }
    /// JSON has no word for infinity.
    private func finite(_ stored: Double) -> Double { stored.isFinite ? stored : 0 }

    /// Those of the node, and those of the cluster as a whole.
    private func events(of node: String, since: Int64, limit: Int, _ database: Database) throws -> [ClusterHistory.Event] {
        let sql = """
            SELECT \(Self.whole("time_ms")), \(Self.text("level")), \(Self.text("event")), CAST(node AS TEXT), \(Self.text("details"))
            FROM event WHERE time_ms >= ? AND (? = '' OR node IS NULL OR node = ?) ORDER BY id DESC LIMIT ?
            """
        return try Row.fetchAll(database, sql: sql, arguments: [since, node, node, limit]).reversed().map { row in
            let details = Data((row[4] as String).utf8)
            return ClusterHistory.Event(
                timeMs: row[0], level: row[1], event: row[2], node: row[3],
                details: (try? JSONDecoder().decode([String: String].self, from: details)) ?? [:])
        }
    }
}
