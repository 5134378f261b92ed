internal import CWire

extension Heartbeat: WireConvertible {
    static func prepare(_ pointer: UnsafeMutablePointer<Amp4ec__Heartbeat>) { amp4ec__heartbeat__init(pointer) }

    func write(to c: inout Amp4ec__Heartbeat, in arena: WireArena) throws(WireError) {
        c.sequence = Bound.measured(sequence, in: WireRanges.counts)
        c.cpu_used_cores = Bound.measured(cpuUsedCores, in: WireRanges.cores)
        c.cpu_quota_cores = Bound.measured(cpuQuotaCores, in: WireRanges.cores)
        c.cpu_throttled_share = Bound.measured(cpuThrottledShare, in: WireRanges.shares)
        c.process_cpu_cores = Bound.measured(processCPUCores, in: WireRanges.cores)
        c.memory_used_bytes = Bound.measured(memoryUsedBytes, in: WireRanges.bytes)
        c.memory_limit_bytes = Bound.measured(memoryLimitBytes, in: WireRanges.bytes)
        c.process_resident_bytes = Bound.measured(processResidentBytes, in: WireRanges.bytes)
        c.network_received_bytes = Bound.measured(networkReceivedBytes, in: WireRanges.totalBytes)
        c.network_sent_bytes = Bound.measured(networkSentBytes, in: WireRanges.totalBytes)
        c.queued = Bound.measured(queued, in: WireRanges.queued)
        c.executing = Bound.measured(executing, in: WireRanges.queued)
        c.completed = Bound.measured(completed, in: WireRanges.counts)
        (c.n_partitions, c.partitions) = try arena.list(partitions, atMost: WireLimits.inventory, "heartbeat.partitions")
        (c.n_links, c.links) = try arena.list(links, atMost: WireLimits.peers, "heartbeat.links")
        c.executor_cpu_nanoseconds = Bound.measured(executorCPUNanoseconds, in: WireRanges.totalNanoseconds)
        if let tables { c.tables = try arena.make(tables) }
    }

    init(reading c: Amp4ec__Heartbeat) throws(WireError) {
        self.init(
            sequence: try Field.number(c.sequence, in: WireRanges.counts, "heartbeat.sequence"),
            cpuUsedCores: try Field.quantity(c.cpu_used_cores, in: WireRanges.cores, "heartbeat.cpu_used_cores"),
            cpuQuotaCores: try Field.quantity(c.cpu_quota_cores, in: WireRanges.cores, "heartbeat.cpu_quota_cores"),
            cpuThrottledShare: try Field.quantity(c.cpu_throttled_share, in: WireRanges.shares, "heartbeat.cpu_throttled_share"),
            processCPUCores: try Field.quantity(c.process_cpu_cores, in: WireRanges.cores, "heartbeat.process_cpu_cores"),
            memoryUsedBytes: try Field.number(c.memory_used_bytes, in: WireRanges.bytes, "heartbeat.memory_used_bytes"),
            memoryLimitBytes: try Field.number(c.memory_limit_bytes, in: WireRanges.bytes, "heartbeat.memory_limit_bytes"),
            processResidentBytes: try Field.number(
                c.process_resident_bytes, in: WireRanges.bytes, "heartbeat.process_resident_bytes"),
            networkReceivedBytes: try Field.number(
                c.network_received_bytes, in: WireRanges.totalBytes, "heartbeat.network_received_bytes"),
            networkSentBytes: try Field.number(c.network_sent_bytes, in: WireRanges.totalBytes, "heartbeat.network_sent_bytes"),
            queued: try Field.number(c.queued, in: WireRanges.queued, "heartbeat.queued"),
            executing: try Field.number(c.executing, in: WireRanges.queued, "heartbeat.executing"),
            completed: try Field.number(c.completed, in: WireRanges.counts, "heartbeat.completed"),
            partitions: try Field.list(c.n_partitions, c.partitions, atMost: WireLimits.inventory, "heartbeat.partitions"),
            links: try Field.list(c.n_links, c.links, atMost: WireLimits.peers, "heartbeat.links"),
            executorCPUNanoseconds: try Field.number(
                c.executor_cpu_nanoseconds, in: WireRanges.totalNanoseconds, "heartbeat.executor_cpu_nanoseconds"),
            tables: c.tables == nil ? nil : try Field.required(c.tables, "heartbeat.tables"))
    }
}

extension WorkerTables: WireConvertible {
    static func prepare(_ pointer: UnsafeMutablePointer<Amp4ec__WorkerTables>) { amp4ec__worker_tables__init(pointer) }

    func write(to c: inout Amp4ec__WorkerTables, in arena: WireArena) throws(WireError) {
        c.connections = Bound.measured(connections, in: WireRanges.entries)
        c.greeted = Bound.measured(greeted, in: WireRanges.entries)
        c.peers = Bound.measured(peers, in: WireRanges.entries)
        c.links = Bound.measured(links, in: WireRanges.entries)
        c.micro_batches = Bound.measured(microBatches, in: WireRanges.entries)
        c.payloads = Bound.measured(payloads, in: WireRanges.entries)
        c.cancelled_keys = Bound.measured(cancelledKeys, in: WireRanges.entries)
        c.partitions = Bound.measured(partitions, in: WireRanges.entries)
        c.archives = Bound.measured(archives, in: WireRanges.entries)
    }

    init(reading c: Amp4ec__WorkerTables) throws(WireError) {
        self.init(
            connections: try Field.number(c.connections, in: WireRanges.entries, "tables.connections"),
            greeted: try Field.number(c.greeted, in: WireRanges.entries, "tables.greeted"),
            peers: try Field.number(c.peers, in: WireRanges.entries, "tables.peers"),
            links: try Field.number(c.links, in: WireRanges.entries, "tables.links"),
            microBatches: try Field.number(c.micro_batches, in: WireRanges.entries, "tables.micro_batches"),
            payloads: try Field.number(c.payloads, in: WireRanges.entries, "tables.payloads"),
            cancelledKeys: try Field.number(c.cancelled_keys, in: WireRanges.entries, "tables.cancelled_keys"),
            partitions: try Field.number(c.partitions, in: WireRanges.entries, "tables.partitions"),
            archives: try Field.number(c.archives, in: WireRanges.entries, "tables.archives"))
    }
}

extension PartitionStatistics: WireConvertible {
    static func prepare(_ pointer: UnsafeMutablePointer<Amp4ec__PartitionStatistics>) {
        amp4ec__partition_statistics__init(pointer)
    }

    func write(to c: inout Amp4ec__PartitionStatistics, in arena: WireArena) throws(WireError) {
        c.key = try arena.make(key)
        c.archive_bytes = Bound.measured(archiveBytes, in: WireRanges.bytes)
        c.weight_bytes = Bound.measured(weightBytes, in: WireRanges.bytes)
        c.is_loaded = isLoaded ? 1 : 0
        c.runs = Bound.measured(runs, in: WireRanges.counts)
        c.items = Bound.measured(items, in: WireRanges.counts)
        c.compute_nanoseconds = Bound.measured(computeNanoseconds, in: WireRanges.totalNanoseconds)
        c.cpu_nanoseconds = Bound.measured(cpuNanoseconds, in: WireRanges.totalNanoseconds)
    }

    init(reading c: Amp4ec__PartitionStatistics) throws(WireError) {
        self.init(
            key: try Field.required(c.key, "partition_statistics.key"),
            archiveBytes: try Field.number(c.archive_bytes, in: WireRanges.bytes, "partition_statistics.archive_bytes"),
            weightBytes: try Field.number(c.weight_bytes, in: WireRanges.bytes, "partition_statistics.weight_bytes"),
            isLoaded: c.is_loaded != 0, runs: try Field.number(c.runs, in: WireRanges.counts, "partition_statistics.runs"),
            items: try Field.number(c.items, in: WireRanges.counts, "partition_statistics.items"),
            computeNanoseconds: try Field.number(
                c.compute_nanoseconds, in: WireRanges.totalNanoseconds, "partition_statistics.compute_nanoseconds"),
            cpuNanoseconds: try Field.number(
                c.cpu_nanoseconds, in: WireRanges.totalNanoseconds, "partition_statistics.cpu_nanoseconds"))
    }
}

extension LinkStatistics: WireConvertible {
    static func prepare(_ pointer: UnsafeMutablePointer<Amp4ec__LinkStatistics>) { amp4ec__link_statistics__init(pointer) }

    func write(to c: inout Amp4ec__LinkStatistics, in arena: WireArena) throws(WireError) {
        c.peer = try arena.node(peer, mayBeCoordinator: true, "link.peer")
        c.is_connected = isConnected ? 1 : 0
        c.messages = Bound.measured(messages, in: WireRanges.counts)
        c.raw_bytes = Bound.measured(rawBytes, in: WireRanges.totalBytes)
        c.wire_bytes = Bound.measured(wireBytes, in: WireRanges.totalBytes)
        c.bandwidth_bytes_per_second = Bound.measured(bandwidthBytesPerSecond, in: WireRanges.bandwidths)
        c.compressed_share = Bound.measured(compressedShare, in: WireRanges.shares)
        c.round_trip_milliseconds = Bound.measured(roundTripMilliseconds, in: WireRanges.spanMilliseconds)
    }

    init(reading c: Amp4ec__LinkStatistics) throws(WireError) {
        self.init(
            peer: try Field.node(c.peer, mayBeCoordinator: true, "link.peer"), isConnected: c.is_connected != 0,
            messages: try Field.number(c.messages, in: WireRanges.counts, "link.messages"),
            rawBytes: try Field.number(c.raw_bytes, in: WireRanges.totalBytes, "link.raw_bytes"),
            wireBytes: try Field.number(c.wire_bytes, in: WireRanges.totalBytes, "link.wire_bytes"),
            bandwidthBytesPerSecond: try Field.quantity(
                c.bandwidth_bytes_per_second, in: WireRanges.bandwidths, "link.bandwidth_bytes_per_second"),
            compressedShare: try Field.quantity(c.compressed_share, in: WireRanges.shares, "link.compressed_share"),
            roundTripMilliseconds: try Field.quantity(
                c.round_trip_milliseconds, in: WireRanges.spanMilliseconds, "link.round_trip_milliseconds"))
    }
}

extension Ping: WireConvertible {
    static func prepare(_ pointer: UnsafeMutablePointer<Amp4ec__Ping>) { amp4ec__ping__init(pointer) }

    func write(to c: inout Amp4ec__Ping, in arena: WireArena) throws(WireError) {
        c.sequence = Bound.measured(sequence, in: WireRanges.counts)
        c.sent_at_nanoseconds = Bound.measured(sentAtNanoseconds, in: WireRanges.clockNanoseconds)
        (c.n_questions, c.questions) = try arena.list(questions, atMost: WireLimits.workQuestions, "ping.questions")
        (c.n_places, c.places) = try arena.list(places, atMost: WireLimits.workQuestions, "ping.places")
    }

    init(reading c: Amp4ec__Ping) throws(WireError) {
        self.init(
            sequence: try Field.number(c.sequence, in: WireRanges.counts, "ping.sequence"),
            sentAtNanoseconds: try Field.number(
                c.sent_at_nanoseconds, in: WireRanges.clockNanoseconds, "ping.sent_at_nanoseconds"),
            questions: try Field.list(c.n_questions, c.questions, atMost: WireLimits.workQuestions, "ping.questions"),
            places: try Field.list(c.n_places, c.places, atMost: WireLimits.workQuestions, "ping.places"))
    }
}

extension PeerTable: WireConvertible {
    static func prepare(_ pointer: UnsafeMutablePointer<Amp4ec__PeerTable>) { amp4ec__peer_table__init(pointer) }

    func write(to c: inout Amp4ec__PeerTable, in arena: WireArena) throws(WireError) {
        c.version = Bound.measured(version, in: WireRanges.counts)
        (c.n_peers, c.peers) = try arena.list(peers, atMost: WireLimits.peers, "peer_table.peers")
        c.page = page
        c.more = hasMore ? 1 : 0
    }

    init(reading c: Amp4ec__PeerTable) throws(WireError) {
        self.init(
            version: try Field.number(c.version, in: WireRanges.counts, "peer_table.version"),
            peers: try Field.list(c.n_peers, c.peers, atMost: WireLimits.peers, "peer_table.peers"), page: c.page,
            hasMore: c.more != 0)
    }
}

extension PeerTable.Peer: WireConvertible {
    static func prepare(_ pointer: UnsafeMutablePointer<Amp4ec__Peer>) { amp4ec__peer__init(pointer) }

    func write(to c: inout Amp4ec__Peer, in arena: WireArena) throws(WireError) {
        c.name = try arena.node(name, "peer.name")
        c.incarnation_high = incarnation.bits.high
        c.incarnation_low = incarnation.bits.low
        (c.n_addresses, c.addresses) = try arena.addresses(addresses, "peer.addresses")
    }

    init(reading c: Amp4ec__Peer) throws(WireError) {
        self.init(
            name: try Field.node(c.name, "peer.name"),
            incarnation: IncarnationID(bits: UInt128(high: c.incarnation_high, low: c.incarnation_low)),
            addresses: try Field.addresses(c.n_addresses, c.addresses, "peer.addresses"))
    }
}

extension LoadPartition: WireConvertible {
    static func prepare(_ pointer: UnsafeMutablePointer<Amp4ec__LoadPartition>) { amp4ec__load_partition__init(pointer) }

    func write(to c: inout Amp4ec__LoadPartition, in arena: WireArena) throws(WireError) {
        c.key = try arena.make(key)
        c.resident_bytes = Bound.measured(residentBytes, in: WireRanges.bytes)
        // One that does not fit a message is left out: no micro-batch of that size can come, and the order stands without it.
        (c.n_warmups, c.warmups) = try arena.list(
            warmups.map { Warmup(inputs: $0) }.filter(\.isSendable), atMost: WireLimits.warmups, "load_partition.warmups")
        c.standby = isStandby ? 1 : 0
    }

    init(reading c: Amp4ec__LoadPartition) throws(WireError) {
        let warmups: [Warmup] = try Field.list(c.n_warmups, c.warmups, atMost: WireLimits.warmups, "load_partition.warmups")
        self.init(
            key: try Field.required(c.key, "load_partition.key"),
            residentBytes: try Field.number(c.resident_bytes, in: WireRanges.bytes, "load_partition.resident_bytes"),
            warmups: warmups.map(\.inputs), isStandby: c.standby != 0)
    }
}

extension PartitionReport: WireConvertible {
    static func prepare(_ pointer: UnsafeMutablePointer<Amp4ec__PartitionReport>) { amp4ec__partition_report__init(pointer) }

    func write(to c: inout Amp4ec__PartitionReport, in arena: WireArena) throws(WireError) {
        c.key = try arena.make(key)
        c.state = Amp4ec__PartitionState(rawValue: state.rawValue)
        c.archive_bytes = Bound.measured(archiveBytes, in: WireRanges.bytes)
        c.weight_bytes = Bound.measured(weightBytes, in: WireRanges.bytes)
        c.load_milliseconds = Bound.measured(loadMilliseconds, in: WireRanges.spanMilliseconds)
        c.run_milliseconds = Bound.measured(runMilliseconds, in: WireRanges.spanMilliseconds)
        c.code = Amp4ec__StatusCode(rawValue: code?.rawValue ?? 0)
        c.message = try arena.text(message)
    }

    init(reading c: Amp4ec__PartitionReport) throws(WireError) {
        self.init(
            key: try Field.required(c.key, "partition_report.key"),
            state: try Field.value(c.state.rawValue, "partition_report.state"),
            archiveBytes: try Field.number(c.archive_bytes, in: WireRanges.bytes, "partition_report.archive_bytes"),
            weightBytes: try Field.number(c.weight_bytes, in: WireRanges.bytes, "partition_report.weight_bytes"),
            loadMilliseconds: try Field.quantity(
                c.load_milliseconds, in: WireRanges.spanMilliseconds, "partition_report.load_milliseconds"),
            code: c.code.rawValue == 0 ? nil : try Field.value(c.code.rawValue, "partition_report.code"),
            message: try Field.text(c.message, "partition_report.message"),
            runMilliseconds: try Field.quantity(
                c.run_milliseconds, in: WireRanges.spanMilliseconds, "partition_report.run_milliseconds"))
    }
}

extension ReleasePartition: WireConvertible {
    static func prepare(_ pointer: UnsafeMutablePointer<Amp4ec__ReleasePartition>) { amp4ec__release_partition__init(pointer) }

    func write(to c: inout Amp4ec__ReleasePartition, in arena: WireArena) throws(WireError) { c.key = try arena.make(key) }

    init(reading c: Amp4ec__ReleasePartition) throws(WireError) {
        self.init(key: try Field.required(c.key, "release_partition.key"))
    }
}
