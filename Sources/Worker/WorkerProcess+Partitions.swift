internal import Base
internal import Cluster
internal import Hosting
internal import Inference
internal import Loops
internal import Resources
internal import Shell
internal import Tensors
internal import Transport
internal import Wire

extension WorkerProcess {
    /// Partitions that no plan uses stay loaded, in case a plan comes back to them, up to this many and while memory allows.
    static let idlePartitionLimit = 4
    /// Links to peers that have gone, whose figures are kept in case they come back.
    static let rememberedLinks = 64
    /// Timed runs of a partition that was just loaded, while they take no longer than this in all: its route waits for them.
    static let calibrationRuns = 3
    static let calibrationNanoseconds: UInt64 = 20_000_000

    /// A partition that can run.
    struct Loaded {
        let partition: any LoadedPartition
        let archiveBytes: UInt64
        var isReleased = false
        var lastUsed: Instant
        var runs: UInt64 = 0
        var items: UInt64 = 0
        var computeNanoseconds: UInt64 = 0
        var cpuNanoseconds: UInt64 = 0
    }

    struct LoadOutcome: Sendable {
        let partition: any LoadedPartition
        let archiveBytes: UInt64
        let duration: Duration
        /// CPU time of one run of the planned micro-batch; 0 where none was asked for or the model refuses zeros.
        let runMilliseconds: Double
    }

    struct StoreRefusal: Error, Sendable {
        let code: StatusCode
        let message: String
    }

    /// An archive has come: its digest is checked and it is written off the loop.
    func store(_ data: PartitionData, _ storage: TensorStorage?) {
        guard let storage else { return step(.archiveRefused(data.key, .invalidArgument, "the archive is empty")) }
        let store = store
        let answers = answers
        let isTaken = loader.submit {
            let result = Result { () throws(StoreRefusal) in
                do {
                    _ = try store.put(data.key, contentDigest: data.contentDigest, storage: storage)
                    return storage.byteCount
                } catch {
                    throw StoreRefusal(code: .resourceExhausted, message: "\(error)")
                }
            }
            _ = answers?.post(.stored(data.key, result))
        }
        if !isTaken { step(.archiveRefused(data.key, .resourceExhausted, "the loader's queue is full")) }
    }

    func stored(_ key: PartitionKey, _ result: Result<Int, StoreRefusal>) {
        switch result {
        case .success: step(.archiveStored(key))
        case .failure(let refusal): step(.archiveRefused(key, refusal.code, refusal.message))
        }
    }

    func load(_ order: LoadPartition) {
        if let ready = loaded[order.key] {
            loaded[order.key]?.isReleased = false
            step(.loaded(order.key, report(order.key, ready)))
            return
        }
        guard loading.insert(order.key).inserted else { return }
        makeRoom(for: order.residentBytes)
        let available = memoryForPartitionBytes
        guard order.residentBytes <= available else {
            loading.remove(order.key)
            if loaded.contains(where: { $0.value.isReleased && isInUse($0.key) }) {
                // What a plan that is over still runs makes room when it ends: a moment, not a failure.
                deferredLoads.removeAll { $0.key == order.key }
                deferredLoads.append(order)
                return
            }
            let message =
                "the partition needs \(ByteCount(Int(clamping: order.residentBytes))), but only "
                + "\(ByteCount(Int(clamping: available))) are free; give \(host.machine.name) more memory or use more workers"
            return step(.loadFailed(order.key, .resourceExhausted, message))
        }
        let store = store
        let engine = engine
        let answers = answers
        let warmupLimit = slotBytes
        let isTaken = (order.isStandby ? standbyLoader : loader).submit {
            let start = Instant.current()
            let result = Result { () throws(StoreRefusal) in
                try Self.load(order, from: store, with: engine, warmupLimit: warmupLimit, since: start)
            }
            _ = answers?.post(.loaded(order.key, result))
        }
        if !isTaken {
            loading.remove(order.key)
            step(.loadFailed(order.key, .resourceExhausted, "the loader's queue is full"))
        }
    }

    /// A micro-batch ended: what its partition takes may be free now.
    func retryLoads() {
        guard !deferredLoads.isEmpty else { return }
        let orders = deferredLoads
        deferredLoads = []
        for order in orders { load(order) }
    }

    /// Loads, optimises and runs once at each size that is named, so that the first request does not pay for it.
    /// - Parameter warmupLimit: bytes of the inputs of one run; a micro-batch above it is not taken either.
    private static func load(
        _ order: LoadPartition, from store: PartitionArchiveStore, with engine: TorchEngine, warmupLimit: Int, since start: Instant
    ) throws(StoreRefusal) -> LoadOutcome {
        guard let archive = store.archive(for: order.key) else {
            throw StoreRefusal(code: .failedPrecondition, message: "the archive is not in the store")
        }
        do {
            let partition = try engine.loadPartition(archive: archive, optimized: order.key.optimization == .o1)
            var runMilliseconds = 0.0
            for (index, headers) in order.warmups.enumerated() {
                // The decoder bounds each of them, and their sum.
                guard headers.reduce(0, { $0 + $1.wireByteCount }) <= warmupLimit else { continue }
                let inputs = try headers.map { header in
                    let storage = TensorStorage(byteCount: try Tensor.byteCount(of: header.dtype, shape: header.shape))
                    storage.mutableBytes.initializeMemory(as: UInt8.self, repeating: 0)
                    return try Tensor(dtype: header.dtype, shape: header.shape, storage: storage)
                }
                // A model may refuse zeros; warming up is no test.
                guard (try? partition.run(inputs)) != nil, index == order.warmups.count - 1 else { continue }
                runMilliseconds = calibrate(partition, inputs)
            }
            TorchEngine.trimMemory()
            return LoadOutcome(
                partition: partition, archiveBytes: UInt64(archive.byteCount), duration: Instant.current() - start,
                runMilliseconds: runMilliseconds)
        } catch {
            throw StoreRefusal(code: .internalError, message: "\(error)")
        }
    }

    /// How long this very partition takes here, in CPU time of one thread: the least of a few runs, which what runs beside it disturbed least.
    private static func calibrate(_ partition: any LoadedPartition, _ inputs: [Tensor]) -> Double {
        var least = UInt64.max
        var spent: UInt64 = 0
        for _ in 0..<calibrationRuns where spent < calibrationNanoseconds {
            let start = SpeedProbe.threadNanoseconds()
            guard (try? partition.run(inputs)) != nil else { break }
            let time = SpeedProbe.threadNanoseconds() &- start
            least = min(least, time)
            spent += time
        }
        return least == .max ? 0 : Double(least) / 1e6
    }

    func loadEnded(_ key: PartitionKey, _ result: Result<LoadOutcome, StoreRefusal>) {
        loading.remove(key)
        switch result {
        case .success(let outcome):
            store.pin(key)
            let ready = Loaded(partition: outcome.partition, archiveBytes: outcome.archiveBytes, lastUsed: loop.now)
            loaded[key] = ready
            step(.loaded(key, report(key, ready, outcome)))
        case .failure(let refusal): step(.loadFailed(key, refusal.code, refusal.message))
        }
    }

    private func report(_ key: PartitionKey, _ ready: Loaded, _ outcome: LoadOutcome? = nil) -> PartitionReport {
        PartitionReport(
            key: key, state: .ready, archiveBytes: ready.archiveBytes, weightBytes: UInt64(ready.partition.weightBytes),
            loadMilliseconds: outcome?.duration.milliseconds ?? 0, runMilliseconds: outcome?.runMilliseconds ?? 0)
    }

    /// No plan uses it any more. It stays while there is room, so that going back to it costs nothing.
    func releasePartition(_ key: PartitionKey) {
        store.unpin(key)
        loaded[key]?.isReleased = true
        loaded[key]?.lastUsed = loop.now
        makeRoom(for: 0)
    }

    /// Lets go of released partitions, the longest unused first, until there are few enough and the new one fits.
    private func makeRoom(for bytes: UInt64) {
        var idle = loaded.filter { $0.value.isReleased && !isInUse($0.key) }.sorted { $0.value.lastUsed < $1.value.lastUsed }.map(
            \.key)
        while !idle.isEmpty, idle.count > Self.idlePartitionLimit || bytes > memoryForPartitionBytes {
            let key = idle.removeFirst()
            loaded[key] = nil
            for directive in host.machine.evicted(key) {
                if case .send(let id, let message) = directive { connections[id]?.connection.send(message) }
            }
            sample = probe.sample(at: .current())
        }
    }

    /// What this process may have resident in all, by what its group or the host leaves and by `--memory-limit`.
    var memoryForProcessBytes: UInt64 {
        min(sample.memoryForProcessBytes, options.memoryLimit.map { UInt64($0.bytes) } ?? .max)
    }

    /// What a worker with one more partition and no other may have resident: the runtime counts in a partition's need, those that
    /// are loaded already do not count as room.
    private var memoryForPartitionBytes: UInt64 {
        let partitions = sample.processResidentBytes - min(sample.processResidentBytes, runtimeResidentBytes)
        return memoryForProcessBytes - min(memoryForProcessBytes, partitions)
    }

    private func isInUse(_ key: PartitionKey) -> Bool {
        payloads.contents.contains { $0.header.route.first?.partition == key }
    }

    func sendHeartbeat() {
        step(.tick)
        guard let control = host.machine.controlConnection, let holder = connections[control] else { return }
        heartbeatSequence += 1
        for peer in connections.values {
            guard peer.isProbed, let link = link(of: peer) else { continue }
            activations.measure(link, peer.connection, mode: host.machine.compression)
        }
        pruneLinks()
        holder.connection.send(.heartbeat(heartbeat.fitted))
    }

    /// What is known of links to peers that are gone from the table is kept while it is little: they may come back.
    private func pruneLinks() {
        let limit = host.machine.peerCount + 1 + Self.rememberedLinks
        let excess = activations.links.count - limit
        guard excess > 0 else { return }
        let gone = activations.links.filter { $0.key != .coordinator && !host.machine.knowsPeer($0.key) }
        for (peer, _) in gone.sorted(by: { $0.value.lastUsed < $1.value.lastUsed }).prefix(excess) {
            activations.links[peer] = nil
        }
    }

    private var heartbeat: Heartbeat {
        let limit = min(sample.memoryLimitBytes, options.memoryLimit.map { UInt64($0.bytes) } ?? .max)
        let free = memoryForProcessBytes - min(memoryForProcessBytes, sample.processResidentBytes)
        return Heartbeat(
            sequence: heartbeatSequence, cpuUsedCores: sample.cpuUsedCores, cpuQuotaCores: sample.quotaCores,
            cpuThrottledShare: sample.throttledShare, processCPUCores: sample.processCPUCores,
            memoryUsedBytes: limit - min(limit, free),
            memoryLimitBytes: limit, processResidentBytes: sample.processResidentBytes,
            networkReceivedBytes: sample.networkReceivedBytes, networkSentBytes: sample.networkSentBytes,
            queued: UInt32(host.machine.queuedCount),
            executing: UInt32(host.machine.executingCount), completed: host.machine.completed,
            partitions: loaded.sorted { $0.key.firstLayer < $1.key.firstLayer }.map { key, ready in
                PartitionStatistics(
                    key: key, archiveBytes: ready.archiveBytes, weightBytes: UInt64(ready.partition.weightBytes),
                    isLoaded: !ready.isReleased, runs: ready.runs, items: ready.items, computeNanoseconds: ready.computeNanoseconds,
                    cpuNanoseconds: ready.cpuNanoseconds)
            },
            // The coordinator's own, then those that stand, then the newest: what does not fit into the message is the least of use.
            links: activations.links.sorted(by: Self.mattersMore).map { peer, link in
                LinkStatistics(
                    peer: peer, isConnected: peer == .coordinator || host.machine.isPeerConnected(peer),
                    messages: link.messages, rawBytes: link.rawBytes, wireBytes: link.wireBytes,
                    bandwidthBytesPerSecond: link.bandwidthBytesPerSecond, compressedShare: link.compressedShare,
                    roundTripMilliseconds: link.roundTripMs)
            }, executorCPUNanoseconds: executors.cpuNanoseconds, tables: tables)
    }

    private var tables: WorkerTables {
        WorkerTables(
            connections: UInt32(clamping: connections.count), greeted: UInt32(clamping: host.machine.connectionCount),
            peers: UInt32(clamping: host.machine.peerCount), links: UInt32(clamping: activations.links.count),
            microBatches: UInt32(clamping: host.machine.heldCount), payloads: UInt32(clamping: payloads.count),
            cancelledKeys: UInt32(clamping: host.machine.cancelledKeyCount),
            partitions: UInt32(clamping: host.machine.partitionCount),
            archives: UInt32(clamping: store.count))
    }

    private static func mattersMore(
        _ left: (key: NodeID, value: ActivationLink), _ right: (key: NodeID, value: ActivationLink)
    ) -> Bool {
        if (left.key == .coordinator) != (right.key == .coordinator) { return left.key == .coordinator }
        return left.value.lastUsed != right.value.lastUsed ? left.value.lastUsed > right.value.lastUsed : left.key < right.key
    }
}
