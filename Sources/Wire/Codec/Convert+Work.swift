internal import CWire

extension CancelWork: WireConvertible {
    static func prepare(_ pointer: UnsafeMutablePointer<Amp4ec__CancelWork>) { amp4ec__cancel_work__init(pointer) }

    func write(to c: inout Amp4ec__CancelWork, in arena: WireArena) throws(WireError) {
        (c.n_keys, c.keys) = try arena.list(keys, atMost: WireLimits.workKeys, "cancel_work.keys")
    }

    init(reading c: Amp4ec__CancelWork) throws(WireError) {
        self.init(keys: try Field.list(c.n_keys, c.keys, atMost: WireLimits.workKeys, "cancel_work.keys"))
    }
}

extension WorkDropped: WireConvertible {
    static func prepare(_ pointer: UnsafeMutablePointer<Amp4ec__WorkDropped>) { amp4ec__work_dropped__init(pointer) }

    func write(to c: inout Amp4ec__WorkDropped, in arena: WireArena) throws(WireError) {
        c.key = try arena.make(key)
        c.node = try arena.node(node, "work_dropped.node")
        c.overran = hasOverrun ? 1 : 0
    }

    init(reading c: Amp4ec__WorkDropped) throws(WireError) {
        self.init(
            key: try Field.required(c.key, "work_dropped.key"), node: try Field.node(c.node, "work_dropped.node"),
            hasOverrun: c.overran != 0)
    }
}

extension WorkRejected: WireConvertible {
    static func prepare(_ pointer: UnsafeMutablePointer<Amp4ec__WorkRejected>) { amp4ec__work_rejected__init(pointer) }

    func write(to c: inout Amp4ec__WorkRejected, in arena: WireArena) throws(WireError) {
        c.key = try arena.make(key)
        c.node = try arena.node(node, "work_rejected.node")
        c.code = Amp4ec__StatusCode(rawValue: code.rawValue)
        c.message = try arena.text(message)
    }

    init(reading c: Amp4ec__WorkRejected) throws(WireError) {
        self.init(
            key: try Field.required(c.key, "work_rejected.key"), node: try Field.node(c.node, "work_rejected.node"),
            code: try Field.value(c.code.rawValue, "work_rejected.code"),
            message: try Field.text(c.message, "work_rejected.message"))
    }
}

extension WorkFailed: WireConvertible {
    static func prepare(_ pointer: UnsafeMutablePointer<Amp4ec__WorkFailed>) { amp4ec__work_failed__init(pointer) }

    func write(to c: inout Amp4ec__WorkFailed, in arena: WireArena) throws(WireError) {
        c.key = try arena.make(key)
        c.node = try arena.node(node, "work_failed.node")
        c.code = Amp4ec__StatusCode(rawValue: code.rawValue)
        c.message = try arena.text(message)
    }

    init(reading c: Amp4ec__WorkFailed) throws(WireError) {
        self.init(
            key: try Field.required(c.key, "work_failed.key"), node: try Field.node(c.node, "work_failed.node"),
            code: try Field.value(c.code.rawValue, "work_failed.code"), message: try Field.text(c.message, "work_failed.message"))
    }
}

extension PeerLost: WireConvertible {
    static func prepare(_ pointer: UnsafeMutablePointer<Amp4ec__PeerLost>) { amp4ec__peer_lost__init(pointer) }

    func write(to c: inout Amp4ec__PeerLost, in arena: WireArena) throws(WireError) {
        c.from = try arena.node(from, "peer_lost.from")
        c.to = try arena.node(to, "peer_lost.to")
        c.message = try arena.text(message)
        (c.n_keys, c.keys) = try arena.list(keys, atMost: WireLimits.workKeys, "peer_lost.keys")
    }

    init(reading c: Amp4ec__PeerLost) throws(WireError) {
        self.init(
            from: try Field.node(c.from, "peer_lost.from"), to: try Field.node(c.to, "peer_lost.to"),
            message: try Field.text(c.message, "peer_lost.message"),
            keys: try Field.list(c.n_keys, c.keys, atMost: WireLimits.workKeys, "peer_lost.keys"))
    }
}

extension PartitionData: WireConvertible {
    static func prepare(_ pointer: UnsafeMutablePointer<Amp4ec__PartitionData>) { amp4ec__partition_data__init(pointer) }

    func write(to c: inout Amp4ec__PartitionData, in arena: WireArena) throws(WireError) {
        c.key = try arena.make(key)
        c.content_digest = try arena.digest(contentDigest, "partition_data.content_digest")
    }

    init(reading c: Amp4ec__PartitionData) throws(WireError) {
        self.init(
            key: try Field.required(c.key, "partition_data.key"),
            contentDigest: try Field.digest(c.content_digest, "partition_data.content_digest"))
    }
}

extension Work: WireConvertible {
    static func prepare(_ pointer: UnsafeMutablePointer<Amp4ec__Work>) { amp4ec__work__init(pointer) }

    func write(to c: inout Amp4ec__Work, in arena: WireArena) throws(WireError) {
        try checkMinimum()
        c.key = try arena.make(key)
        (c.n_route, c.route) = try arena.list(route, atMost: WireLimits.hops, "work.route")
        c.items = items
        c.deadline_milliseconds = deadlineMilliseconds
        (c.n_tensors, c.tensors) = try arena.list(tensors, atMost: WireLimits.tensors, "work.tensors")
        (c.n_trace, c.trace) = try arena.list(trace, atMost: WireLimits.traces, "work.trace")
    }

    init(reading c: Amp4ec__Work) throws(WireError) {
        self.init(
            key: try Field.required(c.key, "work.key"),
            route: try Field.list(c.n_route, c.route, atMost: WireLimits.hops, "work.route"), items: c.items,
            deadlineMilliseconds: c.deadline_milliseconds,
            tensors: try Field.list(c.n_tensors, c.tensors, atMost: WireLimits.tensors, "work.tensors"),
            trace: try Field.list(c.n_trace, c.trace, atMost: WireLimits.traces, "work.trace"))
        try checkMinimum()
    }

    private func checkMinimum() throws(WireError) {
        guard !route.isEmpty else { throw WireError(.invalidValue, "work.route is empty: the receiver is its first hop") }
        try Bound.number(items, in: WireRanges.items, "work.items")
    }
}

extension WorkResult: WireConvertible {
    static func prepare(_ pointer: UnsafeMutablePointer<Amp4ec__WorkResult>) { amp4ec__work_result__init(pointer) }

    func write(to c: inout Amp4ec__WorkResult, in arena: WireArena) throws(WireError) {
        c.key = try arena.make(key)
        (c.n_tensors, c.tensors) = try arena.list(tensors, atMost: WireLimits.tensors, "work_result.tensors")
        (c.n_trace, c.trace) = try arena.list(trace, atMost: WireLimits.traces, "work_result.trace")
    }

    init(reading c: Amp4ec__WorkResult) throws(WireError) {
        self.init(
            key: try Field.required(c.key, "work_result.key"),
            tensors: try Field.list(c.n_tensors, c.tensors, atMost: WireLimits.tensors, "work_result.tensors"),
            trace: try Field.list(c.n_trace, c.trace, atMost: WireLimits.traces, "work_result.trace"))
    }
}

extension LinkProbe: WireConvertible {
    static func prepare(_ pointer: UnsafeMutablePointer<Amp4ec__LinkProbe>) { amp4ec__link_probe__init(pointer) }
    func write(to c: inout Amp4ec__LinkProbe, in arena: WireArena) {}
    init(reading c: Amp4ec__LinkProbe) { self.init() }
}
