internal import CWire

extension Heartbeat: WireConvertible {
    static func prepare(_ pointer: UnsafeMutablePointer<Amp4ec__Heartbeat>) { amp4ec__heartbeat__init(pointer) }

    func write(to c: inout Amp4ec__Heartbeat, in arena: WireArena) throws(WireError) {
        c.sequence = sequence
        c.cpu_used_cores = Bound.measured(cpuUsedCores)
        c.cpu_quota_cores = Bound.measured(cpuQuotaCores)
        c.cpu_throttled_share = Bound.measured(cpuThrottledShare)
        c.process_cpu_cores = Bound.measured(processCPUCores)
        c.memory_used_bytes = memoryUsedBytes
        c.memory_limit_bytes = memoryLimitBytes
        c.process_resident_bytes = processResidentBytes
        c.network_received_bytes = networkReceivedBytes
        c.network_sent_bytes = networkSentBytes
        c.queued = queued
        c.executing = executing
        c.completed = completed
        (c.n_partitions, c.partitions) = try arena.list(partitions, atMost: WireLimits.inventory, "heartbeat.partitions")
        (c.n_links, c.links) = try arena.list(links, atMost: WireLimits.peers, "heartbeat.links")
        c.executor_cpu_nanoseconds = executorCPUNanoseconds
    }

    init(reading c: Amp4ec__Heartbeat) throws(WireError) {
        self.init(
            sequence: c.sequence, cpuUsedCores: try Field.quantity(c.cpu_used_cores, "heartbeat.cpu_used_cores"),
            cpuQuotaCores: try Field.quantity(c.cpu_quota_cores, "heartbeat.cpu_quota_cores"),
            cpuThrottledShare: try Field.quantity(c.cpu_throttled_share, "heartbeat.cpu_throttled_share"),
            processCPUCores: try Field.quantity(c.process_cpu_cores, "heartbeat.process_cpu_cores"),
            memoryUsedBytes: c.memory_used_bytes, memoryLimitBytes: c.memory_limit_bytes,
            processResidentBytes: c.process_resident_bytes, networkReceivedBytes: c.network_received_bytes,
            networkSentBytes: c.network_sent_bytes, queued: c.queued, executing: c.executing, completed: c.completed,
            partitions: try Field.list(c.n_partitions, c.partitions, atMost: WireLimits.inventory, "heartbeat.partitions"),
            links: try Field.list(c.n_links, c.links, atMost: WireLimits.peers, "heartbeat.links"),
            executorCPUNanoseconds: c.executor_cpu_nanoseconds)
    }
}

extension PartitionStatistics: WireConvertible {
    static func prepare(_ pointer: UnsafeMutablePointer<Amp4ec__PartitionStatistics>) {
        amp4ec__partition_statistics__init(pointer)
    }

    func write(to c: inout Amp4ec__PartitionStatistics, in arena: WireArena) throws(WireError) {
        c.key = try arena.make(key)
        c.archive_bytes = archiveBytes
        c.weight_bytes = weightBytes
        c.is_loaded = isLoaded ? 1 : 0
        c.runs = runs
        c.items = items
        c.compute_nanoseconds = computeNanoseconds
        c.cpu_nanoseconds = cpuNanoseconds
    }

    init(reading c: Amp4ec__PartitionStatistics) throws(WireError) {
        self.init(
            key: try Field.required(c.key, "partition_statistics.key"), archiveBytes: c.archive_bytes, weightBytes: c.weight_bytes,
            isLoaded: c.is_loaded != 0, runs: c.runs, items: c.items, computeNanoseconds: c.compute_nanoseconds,
            cpuNanoseconds: c.cpu_nanoseconds)
    }
}

extension LinkStatistics: WireConvertible {
    static func prepare(_ pointer: UnsafeMutablePointer<Amp4ec__LinkStatistics>) { amp4ec__link_statistics__init(pointer) }

    func write(to c: inout Amp4ec__LinkStatistics, in arena: WireArena) throws(WireError) {
        c.peer = try arena.name(peer, "link.peer")
        c.is_connected = isConnected ? 1 : 0
        c.messages = messages
        c.raw_bytes = rawBytes
        c.wire_bytes = wireBytes
        c.bandwidth_bytes_per_second = Bound.measured(bandwidthBytesPerSecond)
        c.compressed_share = Bound.measured(compressedShare)
        c.round_trip_milliseconds = Bound.measured(roundTripMilliseconds)
    }

    init(reading c: Amp4ec__LinkStatistics) throws(WireError) {
        self.init(
            peer: try Field.name(c.peer, "link.peer"), isConnected: c.is_connected != 0, messages: c.messages,
            rawBytes: c.raw_bytes,
            wireBytes: c.wire_bytes, bandwidthBytesPerSecond: try Field.quantity(c.bandwidth_bytes_per_second, "link.bandwidth"),
            compressedShare: try Field.quantity(c.compressed_share, "link.compressed_share"),
            roundTripMilliseconds: try Field.quantity(c.round_trip_milliseconds, "link.round_trip_milliseconds"))
    }
}

extension Ping: WireConvertible {
    static func prepare(_ pointer: UnsafeMutablePointer<Amp4ec__Ping>) { amp4ec__ping__init(pointer) }

    func write(to c: inout Amp4ec__Ping, in arena: WireArena) {
        c.sequence = sequence
        c.sent_at_nanoseconds = sentAtNanoseconds
    }

    init(reading c: Amp4ec__Ping) { self.init(sequence: c.sequence, sentAtNanoseconds: c.sent_at_nanoseconds) }
}

extension PeerTable: WireConvertible {
    static func prepare(_ pointer: UnsafeMutablePointer<Amp4ec__PeerTable>) { amp4ec__peer_table__init(pointer) }

    func write(to c: inout Amp4ec__PeerTable, in arena: WireArena) throws(WireError) {
        c.version = version
        (c.n_peers, c.peers) = try arena.list(peers, atMost: WireLimits.peers, "peer_table.peers")
        c.page = page
        c.more = hasMore ? 1 : 0
    }

    init(reading c: Amp4ec__PeerTable) throws(WireError) {
        self.init(
            version: c.version, peers: try Field.list(c.n_peers, c.peers, atMost: WireLimits.peers, "peer_table.peers"),
            page: c.page, hasMore: c.more != 0)
    }
}

extension PeerTable.Peer: WireConvertible {
    static func prepare(_ pointer: UnsafeMutablePointer<Amp4ec__Peer>) { amp4ec__peer__init(pointer) }

    func write(to c: inout Amp4ec__Peer, in arena: WireArena) throws(WireError) {
        c.name = try arena.name(name, "peer.name")
        c.incarnation_high = incarnation.bits.high
        c.incarnation_low = incarnation.bits.low
        (c.n_addresses, c.addresses) = try arena.names(addresses, atMost: WireLimits.addresses, "peer.addresses")
    }

    init(reading c: Amp4ec__Peer) throws(WireError) {
        self.init(
            name: try Field.identifier(c.name, "peer.name"),
            incarnation: IncarnationID(bits: UInt128(high: c.incarnation_high, low: c.incarnation_low)),
            addresses: try Field.names(c.n_addresses, c.addresses, atMost: WireLimits.addresses, "peer.addresses"))
    }
}

extension LoadPartition: WireConvertible {
    static func prepare(_ pointer: UnsafeMutablePointer<Amp4ec__LoadPartition>) { amp4ec__load_partition__init(pointer) }

    func write(to c: inout Amp4ec__LoadPartition, in arena: WireArena) throws(WireError) {
        c.key = try arena.make(key)
        c.resident_bytes = residentBytes
        (c.n_warmups, c.warmups) = try arena.list(
            warmups.map { Warmup(inputs: $0) }, atMost: WireLimits.warmups, "load_partition.warmups")
        c.standby = isStandby ? 1 : 0
    }

    init(reading c: Amp4ec__LoadPartition) throws(WireError) {
        let warmups: [Warmup] = try Field.list(c.n_warmups, c.warmups, atMost: WireLimits.warmups, "load_partition.warmups")
        self.init(
            key: try Field.required(c.key, "load_partition.key"), residentBytes: c.resident_bytes, warmups: warmups.map(\.inputs),
            isStandby: c.standby != 0)
    }
}

extension PartitionReport: WireConvertible {
    static func prepare(_ pointer: UnsafeMutablePointer<Amp4ec__PartitionReport>) { amp4ec__partition_report__init(pointer) }

    func write(to c: inout Amp4ec__PartitionReport, in arena: WireArena) throws(WireError) {
        c.key = try arena.make(key)
        c.state = Amp4ec__PartitionState(rawValue: state.rawValue)
        c.archive_bytes = archiveBytes
        c.weight_bytes = weightBytes
        c.load_milliseconds = Bound.measured(loadMilliseconds)
        c.run_milliseconds = Bound.measured(runMilliseconds)
        c.code = Amp4ec__StatusCode(rawValue: code?.rawValue ?? 0)
        c.message = try arena.text(message)
    }

    init(reading c: Amp4ec__PartitionReport) throws(WireError) {
        self.init(
            key: try Field.required(c.key, "partition_report.key"),
            state: try Field.value(c.state.rawValue, "partition_report.state"),
            archiveBytes: c.archive_bytes, weightBytes: c.weight_bytes,
            loadMilliseconds: try Field.quantity(c.load_milliseconds, "partition_report.load_milliseconds"),
            code: c.code.rawValue == 0 ? nil : try Field.value(c.code.rawValue, "partition_report.code"),
            message: try Field.text(c.message, "partition_report.message"),
            runMilliseconds: try Field.quantity(c.run_milliseconds, "partition_report.run_milliseconds"))
    }
}

extension ReleasePartition: WireConvertible {
    static func prepare(_ pointer: UnsafeMutablePointer<Amp4ec__ReleasePartition>) { amp4ec__release_partition__init(pointer) }

    func write(to c: inout Amp4ec__ReleasePartition, in arena: WireArena) throws(WireError) { c.key = try arena.make(key) }

    init(reading c: Amp4ec__ReleasePartition) throws(WireError) {
        self.init(key: try Field.required(c.key, "release_partition.key"))
    }
}
