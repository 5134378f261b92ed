internal import CWire

extension CoordinatorClaim: WireConvertible {
    static func prepare(_ pointer: UnsafeMutablePointer<Amp4ec__CoordinatorClaim>) { amp4ec__coordinator_claim__init(pointer) }

    func write(to c: inout Amp4ec__CoordinatorClaim, in arena: WireArena) {
        c.term = term
        c.session_high = session.bits.high
        c.session_low = session.bits.low
        c.compression = compression.wire
        c.holder_high = holder.bits.high
        c.holder_low = holder.bits.low
    }

    init(reading c: Amp4ec__CoordinatorClaim) throws(WireError) {
        self.init(
            term: c.term, session: SessionID(bits: UInt128(high: c.session_high, low: c.session_low)),
            compression: try CompressionMode(wire: c.compression),
            holder: HolderToken(bits: UInt128(high: c.holder_high, low: c.holder_low)))
    }
}

extension CompressionMode {
    fileprivate var wire: Amp4ec__CompressionMode {
        switch self {
        case .auto: AMP4EC__COMPRESSION_MODE__COMPRESSION_MODE_AUTO
        case .always: AMP4EC__COMPRESSION_MODE__COMPRESSION_MODE_ALWAYS
        case .never: AMP4EC__COMPRESSION_MODE__COMPRESSION_MODE_NEVER
        }
    }

    fileprivate init(wire: Amp4ec__CompressionMode) throws(WireError) {
        guard let mode = CompressionMode.allCases.first(where: { $0.wire == wire }) else {
            throw WireError(.invalidValue, "claim.compression has the value \(wire.rawValue), which this version does not know")
        }
        self = mode
    }
}

extension Hello: WireConvertible {
    static func prepare(_ pointer: UnsafeMutablePointer<Amp4ec__Hello>) { amp4ec__hello__init(pointer) }

    func write(to c: inout Amp4ec__Hello, in arena: WireArena) throws(WireError) {
        c.role = Amp4ec__Role(rawValue: role.rawValue)
        c.channel = Amp4ec__Channel(rawValue: channel.rawValue)
        c.name = try arena.name(name, "hello.name")
        c.software = try arena.name(software, "hello.software")
        c.incarnation_high = incarnation.bits.high
        c.incarnation_low = incarnation.bits.low
        if let claim { c.claim = try arena.make(claim) }
        c.assigned_name = try arena.name(assignedName ?? "", "hello.assigned_name")
    }

    init(reading c: Amp4ec__Hello) throws(WireError) {
        let assigned = try Field.name(c.assigned_name, "hello.assigned_name")
        self.init(
            role: try Field.value(c.role.rawValue, "hello.role"), channel: try Field.value(c.channel.rawValue, "hello.channel"),
            name: try Field.name(c.name, "hello.name"), software: try Field.name(c.software, "hello.software"),
            incarnation: IncarnationID(bits: UInt128(high: c.incarnation_high, low: c.incarnation_low)),
            claim: c.claim == nil ? nil : try Field.required(c.claim, "hello.claim"),
            assignedName: assigned.isEmpty ? nil : assigned)
    }
}

extension HeldPartition: WireConvertible {
    static func prepare(_ pointer: UnsafeMutablePointer<Amp4ec__HeldPartition>) { amp4ec__held_partition__init(pointer) }

    func write(to c: inout Amp4ec__HeldPartition, in arena: WireArena) throws(WireError) {
        c.key = try arena.make(key)
        c.archive_bytes = archiveBytes
        c.is_loaded = isLoaded ? 1 : 0
    }

    init(reading c: Amp4ec__HeldPartition) throws(WireError) {
        self.init(key: try Field.required(c.key, "inventory.key"), archiveBytes: c.archive_bytes, isLoaded: c.is_loaded != 0)
    }
}

extension WorkerProfile: WireConvertible {
    static func prepare(_ pointer: UnsafeMutablePointer<Amp4ec__WorkerProfile>) { amp4ec__worker_profile__init(pointer) }

    func write(to c: inout Amp4ec__WorkerProfile, in arena: WireArena) throws(WireError) {
        c.cores = Bound.measured(cores)
        c.speed = Bound.measured(speed)
        c.memory_limit_bytes = memoryLimitBytes
        c.memory_available_bytes = memoryAvailableBytes
        c.executors = executors
        c.slots = slots
        c.slot_bytes = slotBytes
        c.toolchain = try arena.name(toolchain, "worker.toolchain")
        (c.n_inventory, c.inventory) = try arena.list(inventory, atMost: WireLimits.inventory, "worker.inventory")
        c.processor_group = try arena.name(processorGroup, "worker.processor_group")
    }

    init(reading c: Amp4ec__WorkerProfile) throws(WireError) {
        self.init(
            cores: try Field.quantity(c.cores, "worker.cores"), speed: try Field.quantity(c.speed, "worker.speed"),
            memoryLimitBytes: c.memory_limit_bytes, memoryAvailableBytes: c.memory_available_bytes, executors: c.executors,
            slots: c.slots, slotBytes: c.slot_bytes, toolchain: try Field.name(c.toolchain, "worker.toolchain"),
            inventory: try Field.list(c.n_inventory, c.inventory, atMost: WireLimits.inventory, "worker.inventory"),
            processorGroup: try Field.name(c.processor_group, "worker.processor_group"))
    }
}

extension Welcome: WireConvertible {
    static func prepare(_ pointer: UnsafeMutablePointer<Amp4ec__Welcome>) { amp4ec__welcome__init(pointer) }

    func write(to c: inout Amp4ec__Welcome, in arena: WireArena) throws(WireError) {
        c.role = Amp4ec__Role(rawValue: role.rawValue)
        c.name = try arena.name(name, "welcome.name")
        c.software = try arena.name(software, "welcome.software")
        c.incarnation_high = incarnation.bits.high
        c.incarnation_low = incarnation.bits.low
        c.term = term
        if let worker { c.worker = try arena.make(worker) }
    }

    init(reading c: Amp4ec__Welcome) throws(WireError) {
        self.init(
            role: try Field.value(c.role.rawValue, "welcome.role"), name: try Field.name(c.name, "welcome.name"),
            software: try Field.name(c.software, "welcome.software"),
            incarnation: IncarnationID(bits: UInt128(high: c.incarnation_high, low: c.incarnation_low)), term: c.term,
            worker: c.worker == nil ? nil : try Field.required(c.worker, "welcome.worker"))
    }
}

extension Refused: WireConvertible {
    static func prepare(_ pointer: UnsafeMutablePointer<Amp4ec__Refused>) { amp4ec__refused__init(pointer) }

    func write(to c: inout Amp4ec__Refused, in arena: WireArena) throws(WireError) {
        c.code = Amp4ec__StatusCode(rawValue: code.rawValue)
        c.message = try arena.text(message)
        c.term = term
        c.is_held = isHeld ? 1 : 0
        c.incarnation_high = incarnation?.bits.high ?? 0
        c.incarnation_low = incarnation?.bits.low ?? 0
    }

    init(reading c: Amp4ec__Refused) throws(WireError) {
        self.init(
            code: try Field.value(c.code.rawValue, "refused.code"), message: try Field.text(c.message, "refused.message"),
            term: c.term, isHeld: c.is_held != 0,
            incarnation: c.incarnation_high | c.incarnation_low == 0
                ? nil : IncarnationID(bits: UInt128(high: c.incarnation_high, low: c.incarnation_low)))
    }
}
