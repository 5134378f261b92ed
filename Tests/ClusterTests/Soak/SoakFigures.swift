import Foundation
import Wire

/// What is looked at before and after: the entries of every table, what is said again and again, descriptors and memory.
struct SoakFigures: Sendable {
    /// By what is counted.
    var counts: [String: Int] = [:]
    var residentBytes: [String: Int] = [:]

    /// What may be resident beside the baseline: what the allocator keeps of many small things that were freed.
    static let memoryAllowance = 64 << 20

    /// The two workers and the spy.
    private static let living = 3
    /// Who is remembered after it has gone: 64 registrations of one host, and those that were there together when the last of them came.
    private static let remembered = 64 + Churn.lanes + 1
    /// Whom the last peer table tells of: it is sent when somebody joins, so who was there then and has gone since is still in it.
    private static let told = living + Churn.lanes / Churn.answeredEvery + 1

    /// Tables that are bounded by something else than who is there; what their bound lets them have, whatever it was before.
    private static let bounds: [String: Int] = [
        "nodes": living + remembered, "targets": living + remembered, "registrations": 1 + remembered, "aliases": remembered,
        // A few for each node: what was due and is not any more.
        "watches": 4 * (living + remembered),
        // Of each of the workers to who is remembered.
        "link_faults": living * (living + remembered),
        // The coordinator, the peers, and 64 that have gone.
        "links": living + 64, "heartbeat": living + 64,
        // For the loss of each node that serves; made once it has served for a while.
        "standby_plans": living, "standby_nodes": 4 * living,
        // Those of requests that are answered are cleared away by the thousand.
        "deadlines": 1_024, "turns": 1_024,
        // Cancelled timers are swept when they are many.
        "timers": 512,
        // Keys are remembered in case their work comes late.
        "cancelled_keys": 4_096,
        // Which layers were cut where depends on who has joined: four partitions that no plan uses stay loaded on a worker, and the archives of
        // all that it was ever sent, up to a number of bytes.
        "partitions": 32, "archives": 128, "node_partitions": 96, "refused_standbys": 32,
        "peer table: peers": told, "peer table: bytes": told * (Churn.nameByteCount + 64),
    ]

    /// Looks at a cluster that rests.
    /// - Parameter spy: a worker that has been there all the time, and gets what every worker gets.
    init(_ scene: Scene, http: String, spy: RogueWorker) async throws {
        let page = try await PlainHTTP.get("/metrics", from: http)
        for (series, value) in page.samples {
            guard let table = Self.label("table", of: series) else { continue }
            if series.hasPrefix("amp4ec_table_entries{") {
                counts["coordinator: \(table)"] = Int(value)
            } else if let node = Self.label("node", of: series), scene.cluster.workers.contains(where: { $0.name == node }) {
                counts["\(node): \(table)"] = Int(value)
            }
        }
        for worker in scene.cluster.workers {
            counts["\(worker.name): links in its heartbeat"] = page.samples.keys.count {
                $0.hasPrefix("amp4ec_link_up{") && Self.label("from", of: $0) == worker.name
            }
        }
        counts["metrics: nodes"] = Set(page.samples.keys.compactMap { Self.label("node", of: $0) }).count
        if let table = spy.peers {
            counts["peer table: peers"] = table.peers.count
            // Without its version, which is written longer the higher it is.
            let peers = PeerTable(version: 1, peers: table.peers)
            counts["peer table: bytes"] = try MessageCodec.encode(.peerTable(peers)).metadata.count
        }
        for process in scene.processes {
            counts["\(process.name): descriptors"] = try ProcessFigures.openDescriptors(process)
            residentBytes[process.name] = try ProcessFigures.residentBytes(process)
        }
    }

    private static func label(_ name: String, of series: String) -> String? {
        guard let start = series.range(of: "\(name)=\""), let end = series[start.upperBound...].firstIndex(of: "\"") else {
            return nil
        }
        return String(series[start.upperBound..<end])
    }

    private static func bound(of count: String) -> Int? {
        bounds[count] ?? bounds[count.split(separator: " ").last.map(String.init) ?? ""]
    }

    /// What is larger than its bound, where it has one.
    var aboveBounds: [String] {
        counts.sorted { $0.key < $1.key }.compactMap { name, count in
            guard let bound = Self.bound(of: name), count > bound else { return nil }
            return "\(name): \(count), at most \(bound)"
        }
    }

    /// What has grown since the baseline.
    func growth(since baseline: SoakFigures) -> [String] {
        let grown = counts.sorted { $0.key < $1.key }.compactMap { name, count -> String? in
            let limit = max(baseline.counts[name] ?? 0, Self.bound(of: name) ?? 0)
            return count > limit ? "\(name): \(baseline.counts[name] ?? 0) → \(count)" : nil
        }
        let fatter = residentBytes.sorted { $0.key < $1.key }.compactMap { name, bytes -> String? in
            let before = baseline.residentBytes[name] ?? 0
            return bytes > before + Self.memoryAllowance ? "\(name): \(before >> 20) → \(bytes >> 20) MiB resident" : nil
        }
        return grown + fatter
    }

    /// A table in Markdown; counts that are 0 at both times are named below it.
    func report(since baseline: SoakFigures, heading: String) -> String {
        var lines = ["\(heading)", "", "| | before | after |", "| --- | --- | --- |"]
        for (name, bytes) in residentBytes.sorted(by: { $0.key < $1.key }) {
            lines.append("| \(name): resident | \((baseline.residentBytes[name] ?? 0) >> 20) MiB | \(bytes >> 20) MiB |")
        }
        var zeros: [String] = []
        for (name, count) in counts.sorted(by: { $0.key < $1.key }) {
            let before = baseline.counts[name] ?? 0
            let bound = Self.bound(of: name).map { " (at most \($0))" } ?? ""
            if before == 0, count == 0 { zeros.append(name) } else { lines.append("| \(name)\(bound) | \(before) | \(count) |") }
        }
        return (lines + ["", "Empty before and after: " + zeros.joined(separator: ", ") + "."]).joined(separator: "\n")
    }
}
