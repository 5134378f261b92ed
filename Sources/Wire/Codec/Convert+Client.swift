internal import CWire

extension InferRequest: WireConvertible {
    static func prepare(_ pointer: UnsafeMutablePointer<Amp4ec__InferRequest>) { amp4ec__infer_request__init(pointer) }

    func write(to c: inout Amp4ec__InferRequest, in arena: WireArena) throws(WireError) {
        c.id = id
        c.deadline_milliseconds = deadlineMilliseconds
        (c.n_names, c.names) = try arena.names(names, atMost: WireLimits.tensors, "infer_request.names")
        (c.n_tensors, c.tensors) = try arena.list(tensors, atMost: WireLimits.tensors, "infer_request.tensors")
    }

    init(reading c: Amp4ec__InferRequest) throws(WireError) {
        self.init(
            id: c.id, deadlineMilliseconds: c.deadline_milliseconds,
            names: try Field.names(c.n_names, c.names, atMost: WireLimits.tensors, "infer_request.names"),
            tensors: try Field.list(c.n_tensors, c.tensors, atMost: WireLimits.tensors, "infer_request.tensors"))
    }
}

extension RequestTiming: WireConvertible {
    static func prepare(_ pointer: UnsafeMutablePointer<Amp4ec__RequestTiming>) { amp4ec__request_timing__init(pointer) }

    func write(to c: inout Amp4ec__RequestTiming, in arena: WireArena) {
        c.queue = Bound.measured(queue, in: WireRanges.spanNanoseconds)
        c.total = Bound.measured(total, in: WireRanges.spanNanoseconds)
        c.replays = Bound.measured(replays, in: WireRanges.replays)
        c.receive = Bound.measured(receive, in: WireRanges.spanNanoseconds)
        c.cached = isCached ? 1 : 0
    }

    init(reading c: Amp4ec__RequestTiming) throws(WireError) {
        self.init(
            queue: try Field.number(c.queue, in: WireRanges.spanNanoseconds, "timing.queue"),
            total: try Field.number(c.total, in: WireRanges.spanNanoseconds, "timing.total"),
            replays: try Field.number(c.replays, in: WireRanges.replays, "timing.replays"), isCached: c.cached != 0,
            receive: try Field.number(c.receive, in: WireRanges.spanNanoseconds, "timing.receive"))
    }
}

extension InferReply: WireConvertible {
    static func prepare(_ pointer: UnsafeMutablePointer<Amp4ec__InferReply>) { amp4ec__infer_reply__init(pointer) }

    func write(to c: inout Amp4ec__InferReply, in arena: WireArena) throws(WireError) {
        c.id = id
        (c.n_names, c.names) = try arena.names(names, atMost: WireLimits.tensors, "infer_reply.names")
        (c.n_tensors, c.tensors) = try arena.list(tensors, atMost: WireLimits.tensors, "infer_reply.tensors")
        c.timing = try arena.make(timing)
    }

    init(reading c: Amp4ec__InferReply) throws(WireError) {
        self.init(
            id: c.id, names: try Field.names(c.n_names, c.names, atMost: WireLimits.tensors, "infer_reply.names"),
            tensors: try Field.list(c.n_tensors, c.tensors, atMost: WireLimits.tensors, "infer_reply.tensors"),
            timing: try Field.required(c.timing, "infer_reply.timing"))
    }
}

extension InferError: WireConvertible {
    static func prepare(_ pointer: UnsafeMutablePointer<Amp4ec__InferError>) { amp4ec__infer_error__init(pointer) }

    func write(to c: inout Amp4ec__InferError, in arena: WireArena) throws(WireError) {
        c.id = id
        c.code = Amp4ec__StatusCode(rawValue: code.rawValue)
        c.message = try arena.text(message)
        c.retry_after_milliseconds = retryAfterMilliseconds
    }

    init(reading c: Amp4ec__InferError) throws(WireError) {
        self.init(
            id: c.id, code: try Field.value(c.code.rawValue, "infer_error.code"),
            message: try Field.text(c.message, "infer_error.message"), retryAfterMilliseconds: c.retry_after_milliseconds)
    }
}

extension CancelRequest: WireConvertible {
    static func prepare(_ pointer: UnsafeMutablePointer<Amp4ec__CancelRequest>) { amp4ec__cancel_request__init(pointer) }
    func write(to c: inout Amp4ec__CancelRequest, in arena: WireArena) { c.id = id }
    init(reading c: Amp4ec__CancelRequest) { self.init(id: c.id) }
}

extension StatusRequest: WireConvertible {
    static func prepare(_ pointer: UnsafeMutablePointer<Amp4ec__StatusRequest>) { amp4ec__status_request__init(pointer) }
    func write(to c: inout Amp4ec__StatusRequest, in arena: WireArena) throws(WireError) {
        c.id = id
        if let history { c.history = try arena.make(history) }
    }
    init(reading c: Amp4ec__StatusRequest) throws(WireError) {
        self.init(id: c.id, history: c.history == nil ? nil : try Field.required(c.history, "status_request.history"))
    }
}

extension HistoryRange: WireConvertible {
    static func prepare(_ pointer: UnsafeMutablePointer<Amp4ec__HistoryRange>) { amp4ec__history_range__init(pointer) }

    func write(to c: inout Amp4ec__HistoryRange, in arena: WireArena) throws(WireError) {
        c.node = try arena.name(node, "history.node")
        c.since_milliseconds = Bound.measured(sinceMilliseconds, in: WireRanges.historyMilliseconds)
        c.limit = Bound.measured(limit, in: 0...UInt32(WireLimits.historySamples))
    }

    init(reading c: Amp4ec__HistoryRange) throws(WireError) {
        guard c.limit <= WireLimits.historySamples else {
            throw WireError(
                .limitExceeded, "history.limit is \(c.limit) samples of each node, over the limit of \(WireLimits.historySamples)")
        }
        self.init(
            node: try Field.name(c.node, "history.node"),
            sinceMilliseconds: try Field.number(
                c.since_milliseconds, in: WireRanges.historyMilliseconds, "history.since_milliseconds"),
            limit: c.limit)
    }
}

extension StatusReply: WireConvertible {
    static func prepare(_ pointer: UnsafeMutablePointer<Amp4ec__StatusReply>) { amp4ec__status_reply__init(pointer) }
    func write(to c: inout Amp4ec__StatusReply, in arena: WireArena) { c.id = id }
    init(reading c: Amp4ec__StatusReply) { self.init(id: c.id) }
}

extension ModelRequest: WireConvertible {
    static func prepare(_ pointer: UnsafeMutablePointer<Amp4ec__ModelRequest>) { amp4ec__model_request__init(pointer) }
    func write(to c: inout Amp4ec__ModelRequest, in arena: WireArena) { c.id = id }
    init(reading c: Amp4ec__ModelRequest) { self.init(id: c.id) }
}

extension ModelReply: WireConvertible {
    static func prepare(_ pointer: UnsafeMutablePointer<Amp4ec__ModelReply>) { amp4ec__model_reply__init(pointer) }
    func write(to c: inout Amp4ec__ModelReply, in arena: WireArena) { c.id = id }
    init(reading c: Amp4ec__ModelReply) { self.init(id: c.id) }
}
