internal import Cluster
internal import Glibc

/// `amp4ec status --history` for people: a table for each node, and what happened.
enum HistoryReport {
    static func text(_ history: ClusterHistory) -> String {
        var lines = ["history: \(history.storage)"]
        if history.nodes.isEmpty { lines.append("no node has been seen yet") }
        for node in history.nodes { lines += ["", "\(node.name):"] + samples(node.samples) }
        if !history.events.isEmpty { lines += ["", "events:"] + events(history.events) }
        return StatusReport.printable(lines)
    }

    private static func samples(_ samples: [ClusterHistory.Sample]) -> [String] {
        guard !samples.isEmpty else { return ["no samples in this range"] }
        var table = TextTable([
            "time", "state", "cpu", "of", "throttled", "own cpu", "memory", "of", "process", "in/s", "out/s", "queued", "executing",
            "completed", "round trip",
        ])
        var before: ClusterHistory.Sample?
        for sample in samples {
            table.add([
                time(sample.timeMs), sample.state, StatusReport.decimal(sample.cpuUsedCores),
                StatusReport.decimal(sample.cpuQuotaCores), StatusReport.percent(sample.cpuThrottledShare),
                StatusReport.decimal(sample.processCPUCores), StatusReport.size(sample.memoryUsedBytes),
                StatusReport.size(sample.memoryLimitBytes), StatusReport.size(sample.processBytes),
                rate(before, sample, \.networkReceivedBytes), rate(before, sample, \.networkSentBytes), "\(sample.queued)",
                "\(sample.executing)", "\(sample.completed)",
                sample.roundTripMs.map { "\(StatusReport.decimal($0)) ms" } ?? "–",
            ])
            before = sample
        }
        return table.lines
    }

    /// Bytes a second since the sample before; a dash where the worker was started again in between.
    static func rate(
        _ before: ClusterHistory.Sample?, _ sample: ClusterHistory.Sample, _ total: KeyPath<ClusterHistory.Sample, UInt64>
    ) -> String {
        guard let before, sample.timeMs > before.timeMs, sample[keyPath: total] >= before[keyPath: total] else { return "–" }
        let bytes = Double(sample[keyPath: total] - before[keyPath: total])
        return StatusReport.rate(bytes * 1_000 / (Double(sample.timeMs) - Double(before.timeMs)))
    }

    private static func events(_ events: [ClusterHistory.Event]) -> [String] {
        var table = TextTable(["time", "level", "node", "event", "particulars"])
        for event in events {
            let details = event.details.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: " ")
            table.add([time(event.timeMs), event.level, event.node ?? "–", event.event, details])
        }
        return table.lines
    }

    /// `11-25 22:55:03` in the user's time zone: the year is known, and a history ends within weeks.
    private static func time(_ timeMs: Int64) -> String {
        var seconds = time_t(timeMs / 1_000)
        var local = tm()
        guard localtime_r(&seconds, &local) != nil else { return "\(timeMs)" }
        func two(_ number: Int32) -> String { number < 10 ? "0\(number)" : "\(number)" }
        return "\(two(local.tm_mon + 1))-\(two(local.tm_mday)) \(two(local.tm_hour)):\(two(local.tm_min)):\(two(local.tm_sec))"
    }
}
