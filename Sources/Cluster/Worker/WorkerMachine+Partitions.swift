public import Wire

/// Loading on order. The shell owns the archives; the machine knows what can run.
extension WorkerMachine {
    mutating func load(_ order: LoadPartition, _ out: inout [Directive]) {
        switch partitions[order.key] {
        case .loaded, .loading: break
        case .missing, nil: partitions[order.key] = .loading(order)
        }
        // Also when it is loaded: the shell answers with the report, which the coordinator waits for.
        out.append(.load(order))
    }

    /// The archive that was asked for has come and its digest is right.
    mutating func archiveStored(_ key: PartitionKey, _ out: inout [Directive]) {
        guard case .missing(let order) = partitions[key] else { return }
        partitions[key] = .loading(order)
        out.append(.load(order))
    }

    mutating func loaded(_ key: PartitionKey, _ report: PartitionReport, _ out: inout [Directive]) {
        partitions[key] = .loaded
        tell(.partitionReport(report), &out)
        log(
            .info, "partition is ready",
            [
                "partition": key.description, "weight_bytes": "\(report.weightBytes)",
                "load_ms": "\(Int(exactly: report.loadMilliseconds.rounded()) ?? 0)",
            ],
            &out)
    }

    mutating func loadFailed(_ key: PartitionKey, _ code: StatusCode, _ message: String, _ out: inout [Directive]) {
        // `failedPrecondition` stands for "the archive is not in the store": the coordinator sends it.
        if code == .failedPrecondition, case .loading(let order) = partitions[key] {
            partitions[key] = .missing(order)
            tell(.partitionReport(PartitionReport(key: key, state: .missing)), &out)
            return
        }
        partitions[key] = nil
        tell(.partitionReport(PartitionReport(key: key, state: .failed, code: code, message: message)), &out)
        log(.error, "partition cannot be loaded", ["partition": key.description, "cause": message], &out)
    }

    /// The store evicted it.
    public mutating func evicted(_ key: PartitionKey) -> [Directive] {
        guard partitions.removeValue(forKey: key) != nil else { return [] }
        var out: [Directive] = []
        tell(.partitionReport(PartitionReport(key: key, state: .evicted)), &out)
        return out
    }
}
