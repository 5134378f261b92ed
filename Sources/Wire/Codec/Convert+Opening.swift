internal import CWire

extension CoordinatorClaim: WireConvertible {
    static func prepare(_ pointer: UnsafeMutablePointer<Amp4ec__CoordinatorClaim>) { amp4ec__coordinator_claim__init(pointer) }

    func write(to c: inout Amp4ec__CoordinatorClaim, in arena: WireArena) {
        c.term = Bound.measured(term, in: WireRanges.terms)
        c.session_high = session.bits.high
        c.session_low = session.bits.low
        c.compression = compression.wire
        c.holder_high = holder.bits.high
        c.holder_low = holder.bits.low
    }

    init(reading c: Amp4ec__CoordinatorClaim) throws(WireError) {
        self.init(
            term: try Field.number(c.term, in: WireRanges.terms, "claim.term"),
            session: SessionID(bits: UInt128(high: c.session_high, low: c.session_low)),
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
        if let assignedName { c.assigned_name = try arena.node(assignedName, "hello.assigned_name") }
    }

    init(reading c: Amp4ec__Hello) throws(WireError) {
        let isAssigned = c.assigned_name.map { $0.pointee != 0 } ?? false
        self.init(
            role: try Field.value(c.role.rawValue, "hello.role"), channel: try Field.value(c.channel.rawValue, "hello.channel"),
            name: try Field.name(c.name, "hello.name"), software: try Field.name(c.software, "hello.software"),
            incarnation: IncarnationID(bits: UInt128(high: c.incarnation_high, low: c.incarnation_low)),
            claim: c.claim == nil ? nil : try Field.required(c.claim, "hello.claim"),
            assignedName: isAssigned ? try Field.node(c.assigned_name, "hello.assigned_name") : nil)
    }
}

extension HeldPartition: WireConvertible {
    static func prepare(_ pointer: UnsafeMutablePointer<Amp4ec__HeldPartition>) { amp4ec__held_partition__init(pointer) }

    func write(to c: inout Amp4ec__HeldPartition, in arena: WireArena) throws(WireError) {
        c.key = try arena.make(key)
        c.archive_bytes = Bound.measured(archiveBytes, in: WireRanges.bytes)
        c.is_loaded = isLoaded ? 1 : 0
    }

    init(reading c: Amp4ec__HeldPartition) throws(WireError) {
        self.init(
            key: try Field.required(c.key, "inventory.key"),
            archiveBytes: try Field.number(c.archive_bytes, in: WireRanges.bytes, "inventory.archive_bytes"),
            isLoaded: c.is_loaded != 0)
    }
}

extension WorkerProfile: WireConvertible {
    static func prepare(_ pointer: UnsafeMutablePointer<Amp4ec__WorkerProfile>) { amp4ec__worker_profile__init(pointer) }

    func write(to c: inout Amp4ec__WorkerProfile, in arena: WireArena) throws(WireError) {
        c.cores = Bound.measured(cores, in: WireRanges.cores)
        c.speed = Bound.measured(speed, in: WireRanges.speeds)
        c.memory_limit_bytes = Bound.measured(memoryLimitBytes, in: WireRanges.bytes)
        c.memory_available_bytes = Bound.measured(memoryAvailableBytes, in: WireRanges.bytes)
        c.executors = Bound.measured(executors, in: WireRanges.executors)
        c.slots = Bound.measured(slots, in: WireRanges.slots)
        c.slot_bytes = Bound.measured(slotBytes, in: WireRanges.slotBytes)
        c.toolchain = try arena.name(toolchain, "worker.toolchain")
        (c.n_inventory, c.inventory) = try arena.list(inventory, atMost: WireLimits.inventory, "worker.inventory")
        c.processor_group = try arena.name(processorGroup, "worker.processor_group")
    }

    init(reading c: Amp4ec__WorkerProfile) throws(WireError) {
        self.init(
            cores: try Field.quantity(c.cores, in: WireRanges.cores, "worker.cores"),
            speed: try Field.quantity(c.speed, in: WireRanges.speeds, "worker.speed"),
            memoryLimitBytes: try Field.number(c.memory_limit_bytes, in: WireRanges.bytes, "worker.memory_limit_bytes"),
            memoryAvailableBytes: try Field.number(
                c.memory_available_bytes, in: WireRanges.bytes, "worker.memory_available_bytes"),
            executors: try Field.number(c.executors, in: WireRanges.executors, "worker.executors"),
            slots: try Field.number(c.slots, in: WireRanges.slots, "worker.slots"),
            slotBytes: try Field.number(c.slot_bytes, in: WireRanges.slotBytes, "worker.slot_bytes"),
            toolchain: try Field.name(c.toolchain, "worker.toolchain"),
            inventory: try Field.list(c.n_inventory, c.inventory, atMost: WireLimits.inventory, "worker.inventory"),
            processorGroup: try Field.name(c.processor_group, "worker.processor_group"))
    }
}

extension Welcome: WireConvertible {
    static func prepare(_ pointer: UnsafeMutablePointer<Amp4ec__Welcome>) { amp4ec__welcome__init(pointer) }

    func write(to c: inout Amp4ec__Welcome, in arena: WireArena) throws(WireError) {
        c.role = Amp4ec__Role(rawValue: role.rawValue)
        c.name = try arena.name(name, nameKind, "welcome.name")
        c.software = try arena.name(software, "welcome.software")
        c.incarnation_high = incarnation.bits.high
        c.incarnation_low = incarnation.bits.low
        c.term = Bound.measured(term, in: WireRanges.terms)
        if let worker { c.worker = try arena.make(worker) }
    }

    init(reading c: Amp4ec__Welcome) throws(WireError) {
        self.init(
            role: try Field.value(c.role.rawValue, "welcome.role"), name: try Field.name(c.name, "welcome.name"),
            software: try Field.name(c.software, "welcome.software"),
            incarnation: IncarnationID(bits: UInt128(high: c.incarnation_high, low: c.incarnation_low)),
            term: try Field.number(c.term, in: WireRanges.terms, "welcome.term"),
            worker: c.worker == nil ? nil : try Field.required(c.worker, "welcome.worker"))
        try Bound.name(name, nameKind, "welcome.name")
    }

    /// A worker's goes into every table; another's is for logs.
    private var nameKind: NameKind { role == .worker || worker != nil ? .node : .label }
}

extension Refused: WireConvertible {
    static func prepare(_ pointer: UnsafeMutablePointer<Amp4ec__Refused>) { amp4ec__refused__init(pointer) }

    func write(to c: inout Amp4ec__Refused, in arena: WireArena) throws(WireError) {
        c.code = Amp4ec__StatusCode(rawValue: code.rawValue)
        c.message = try arena.text(message)
        c.term = Bound.measured(term, in: WireRanges.terms)
        c.is_held = isHeld ? 1 : 0
        c.incarnation_high = incarnation?.bits.high ?? 0
        c.incarnation_low = incarnation?.bits.low ?? 0
    }

    init(reading c: Amp4ec__Refused) throws(WireError) {
        self.init(
            code: try Field.value(c.code.rawValue, "refused.code"), message: try Field.text(c.message, "refused.message"),
            term: try Field.number(c.term, in: WireRanges.terms, "refused.term"), isHeld: c.is_held != 0,
            incarnation: c.incarnation_high | c.incarnation_low == 0
                ? nil : IncarnationID(bits: UInt128(high: c.incarnation_high, low: c.incarnation_low)))
    }
}
