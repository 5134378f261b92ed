internal import Base
internal import Cluster
internal import Planning
internal import Shell
internal import Tensors

/// `amp4ec status` for people.
enum StatusReport {
    static func text(_ status: ClusterStatus) -> String {
        var lines = ["state: \(status.state)" + (status.cause.map { " (\($0))" } ?? "")]
        if let model = status.model {
            lines.append(
                "model: \(model.name) (\(model.digest.prefix(12))), \(size(model.weightBytes)) of weights, \(model.batching)")
        }
        lines.append("")
        lines += nodes(status.nodes)
        if let plan = status.plan { lines += [""] + self.plan(plan) }
        if !status.standby.isEmpty { lines += [""] + standby(status.standby) }
        if !status.links.isEmpty { lines += [""] + links(status.links) }
        let counters = status.counters
        lines += [
            "",
            "requests: \(counters.requestsCompleted) completed, \(counters.requestsFailed) failed, \(counters.requestsRejected) rejected, \(status.requestsInFlight) in flight",
            "micro-batches: \(counters.microBatchesDispatched) dispatched, \(counters.microBatchesReplayed) replayed; plans: \(counters.plans)",
        ]
        // Nothing of a cache that is off.
        if counters.cacheHits > 0 || counters.cacheMisses > 0 {
            lines.append(
                "result cache: \(counters.requestsCached) requests answered; \(counters.cacheHits) hits, \(counters.cacheMisses) misses; "
                    + "\(counters.cacheEntries) results, \(size(counters.cacheBytes))")
        }
        return printable(lines)
    }

    /// The lines without characters that a terminal would obey: their text comes from the process that answered.
    static func printable(_ lines: [String]) -> String {
        var text = String.UnicodeScalarView()
        for line in lines {
            for scalar in line.unicodeScalars { text.append(scalar.isObeyedByTerminals ? " " : scalar) }
            text.append("\n")
        }
        return String(text)
    }

    private static func nodes(_ nodes: [ClusterStatus.Node]) -> [String] {
        var table = TextTable([
            "node", "address", "state", "cores", "cpu", "memory", "process", "in/s", "out/s", "reserved", "partitions", "weights",
        ])
        for node in nodes {
            let partitions = node.partitions.filter(\.isLoaded)
            table.add([
                node.name.description, ([node.address] + (node.aliases ?? [])).joined(separator: " "),
                node.state == "ready" ? node.state + (node.unused.map { ", unused: \($0)" } ?? "") : "\(node.state): \(node.cause)",
                decimal(node.cpu.quotaCores), decimal(node.cpu.usedCores), size(node.memory.usedBytes),
                size(node.memory.processBytes), rate(node.network?.receivedBytesPerSecond), rate(node.network?.sentBytesPerSecond),
                "\(node.load)", partitions.map(\.layers).joined(separator: " "),
                size(partitions.reduce(0) { $0.addedSaturating(to: $1.weightBytes) }),
            ])
        }
        return table.lines
    }

    private static func plan(_ plan: ClusterStatus.PlanStatus) -> [String] {
        var table = TextTable(["stage", "layers", "nodes", "predicted ms", "CPU ms", "weights", "bytes in"])
        for (index, stage) in plan.stages.enumerated() {
            table.add([
                "\(index)", "\(stage.firstLayer)–\(stage.lastLayer)", stage.replicas.map(\.description).joined(separator: " "),
                decimal(stage.cost), stage.measuredMs.map { $0 > 0 ? decimal($0) : "–" }.joined(separator: " "),
                size(UInt64(clamping: stage.parameterBytes)), size(UInt64(clamping: stage.inputBytes)),
            ])
        }
        let head =
            "plan \(plan.generation) (\(plan.strategy)): micro-batches of \(plan.microBatch), predicted \(decimal(plan.predictedItemsPerSecond)) items/s, "
            + "latency \(decimal(plan.predictedLatencyMs)) ms"
            + (plan.correctedItemsPerSecond.map { "; by what was measured since: \(decimal($0)) items/s" } ?? "")
        return [head] + table.lines + plan.reasons.map { "- \($0)" }
    }

    private static func standby(_ plans: [ClusterStatus.Standby]) -> [String] {
        var table = TextTable(["if lost", "then", "ready to serve"])
        for plan in plans {
            let stages = plan.stages.map { stage in
                "\(stage.firstLayer)–\(stage.lastLayer) on \(stage.replicas.map(\.description).joined(separator: "+"))"
            }
            table.add([
                plan.without.description, stages.isEmpty ? "no plan" : stages.joined(separator: " → "),
                plan.isStaged ? "at once" : "not yet: \(plan.cause)",
            ])
        }
        return table.lines
    }

    private static func links(_ links: [ClusterStatus.Link]) -> [String] {
        var table = TextTable(["link", "messages", "raw", "on the wire", "compressed", "bandwidth"])
        for link in links {
            table.add([
                "\(link.from) → \(link.to)" + (link.connected ? "" : " (down)"), "\(link.messages)", size(link.rawBytes),
                size(link.wireBytes),
                percent(link.compressedShare), link.bandwidthBytesPerSecond > 0 ? rate(link.bandwidthBytesPerSecond) + "/s" : "–",
            ])
        }
        return table.lines
    }

    /// Figures come from the process that answers: one that no integer can hold becomes the nearest that can, and one that is not a number
    /// becomes a dash.
    static func rate(_ bytesPerSecond: Double?) -> String {
        guard let bytesPerSecond, !bytesPerSecond.isNaN else { return "–" }
        return size(UInt64(min(max(bytesPerSecond, 0), 1e18)))
    }

    /// A share, 0…1, in whole percents.
    static func percent(_ share: Double) -> String {
        guard share.isFinite else { return "–" }
        return "\(Int(min(max(share * 100, -1e15), 1e15).rounded())) %"
    }

    static func size(_ bytes: UInt64) -> String { ByteCount(Int(clamping: bytes)).description }
    static func decimal(_ value: Double) -> String {
        guard value.isFinite else { return "–" }
        // Digits after the point say nothing here, and hundredths would not fit an integer.
        guard value.magnitude < 1e15 else { return "\(value)" }
        let hundredths = Int((value * 100).rounded())
        let fraction = abs(hundredths % 100)
        return "\(hundredths / 100).\(fraction < 10 ? "0" : "")\(fraction)"
    }
}

/// Columns that line up.
struct TextTable {
    private var rows: [[String]]

    init(_ head: [String]) { rows = [head] }

    mutating func add(_ row: [String]) { rows.append(row) }

    var lines: [String] {
        let widths = rows[0].indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
        return rows.map { row in
            zip(row, widths).map { cell, width in cell + String(repeating: " ", count: width - cell.count) }.joined(separator: "  ")
                .trimmedEnd
        }
    }
}

extension String {
    fileprivate var trimmedEnd: String {
        var text = self
        while text.last == " " { text.removeLast() }
        return text
    }
}
