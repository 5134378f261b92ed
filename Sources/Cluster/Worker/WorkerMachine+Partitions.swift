public import Wire

/// Loading on order. The shell owns the archives; the machine knows what can run.
extension WorkerMachine {
    mutating func load(_ order: LoadPartition, _ out: inout [Directive]) {
        guard allows(order.key) else { return refuse(order.key, &out) }
        switch partitions[order.key] {
        case .loaded, .loading: break
        case .missing, nil: partitions[order.key] = .loading(order)
        }
        // Also when it is loaded: the shell answers with the report, which the coordinator waits for.
        out.append(.load(order))
    }

    private func allows(_ key: PartitionKey) -> Bool {
        configuration.allowedModels.isEmpty || configuration.allowedModels.contains(key.modelDigest)
    }

    /// The model is none of `--allow-model`. That changes with the process alone, which `failedPrecondition` says to the coordinator.
    private func refuse(_ key: PartitionKey, _ out: inout [Directive]) {
        let message =
            "its --allow-model does not name this model (\(key.modelDigest)); give it that too, or serve a model that it names"
        tell(.partitionReport(PartitionReport(key: key, state: .failed, code: .failedPrecondition, message: message)), &out)
        log(.warning, "partition is refused", ["partition": key.description, "cause": message], &out)
    }

    /// Whether the archive of a partition counts that comes on the connection: it was asked for, and it comes from the coordinator that
    /// holds this worker now, not from one that still has its data connection open.
    public func takesArchive(of key: PartitionKey, from connection: ConnectionID) -> ArchiveStanding {
        guard control != nil, connection == resultChannel else { return .stranger }
        if case .missing = partitions[key] { return .awaited }
        return .unasked
    }

    public enum ArchiveStanding: Sendable, Hashable {
        /// Who sends it does not hold this worker.
        case stranger
        case awaited
        /// From the holder, but nobody asked for it, or no more.
        case unasked
    }

    /// Another coordinator is obeyed from now on: what the one before has ordered and is not being loaded yet is its own affair.
    mutating func forgetOrders(_ out: inout [Directive]) {
        for (key, phase) in partitions where phase != .loaded { partitions[key] = nil }
        out.append(.forgetWaitingLoads)
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
        if code == .failedPrecondition {
            switch partitions[key] {
            case .loading(let order), .missing(let order):
                partitions[key] = .missing(order)
                tell(.partitionReport(PartitionReport(key: key, state: .missing)), &out)
            case .loaded: out += evicted(key)
            // Of a coordinator that is obeyed no more.
            case nil: break
            }
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
