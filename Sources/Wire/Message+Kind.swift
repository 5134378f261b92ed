extension Message {
    /// The numbers of the kinds on the wire. They are never used for another kind again.
    public enum Kind: UInt16, Sendable, Hashable, CaseIterable {
        case hello = 1
        case welcome = 2
        case refused = 3

        case heartbeat = 16
        case ping = 17
        case pong = 18
        case peerTable = 19
        case loadPartition = 20
        case partitionReport = 21
        case releasePartition = 22
        case cancelWork = 23
        case workDropped = 24
        case workRejected = 25
        case workFailed = 26
        case peerLost = 27
        case register = 28
        case registered = 29
        case leaving = 30
        case released = 31

        case partitionData = 48
        case work = 49
        case workResult = 50
        case linkProbe = 51

        case inferRequest = 64
        case inferReply = 65
        case inferError = 66
        case cancelRequest = 67
        case statusRequest = 68
        case statusReply = 69
        case modelRequest = 70
        case modelReply = 71
        case drainRequest = 72
        case drainReply = 73

        /// The largest payload of this kind; 0 where the kind has none.
        public var maximumPayloadByteCount: Int {
            switch self {
            case .work, .workResult, .inferRequest, .inferReply: WireLimits.activationByteCount
            case .partitionData: WireLimits.partitionByteCount
            case .linkProbe: WireLimits.probeByteCount
            case .statusReply, .modelReply: WireLimits.documentByteCount
            default: 0
            }
        }
    }

    public var kind: Kind {
        switch self {
        case .hello: .hello
        case .welcome: .welcome
        case .refused: .refused
        case .heartbeat: .heartbeat
        case .ping: .ping
        case .pong: .pong
        case .peerTable: .peerTable
        case .loadPartition: .loadPartition
        case .partitionReport: .partitionReport
        case .releasePartition: .releasePartition
        case .cancelWork: .cancelWork
        case .workDropped: .workDropped
        case .workRejected: .workRejected
        case .workFailed: .workFailed
        case .peerLost: .peerLost
        case .register: .register
        case .registered: .registered
        case .leaving: .leaving
        case .released: .released
        case .partitionData: .partitionData
        case .linkProbe: .linkProbe
        case .work: .work
        case .workResult: .workResult
        case .inferRequest: .inferRequest
        case .inferReply: .inferReply
        case .inferError: .inferError
        case .cancelRequest: .cancelRequest
        case .statusRequest: .statusRequest
        case .statusReply: .statusReply
        case .modelRequest: .modelRequest
        case .modelReply: .modelReply
        case .drainRequest: .drainRequest
        case .drainReply: .drainReply
        }
    }

    /// The largest payload that a message of this kind may have.
    public var maximumPayloadByteCount: Int { kind.maximumPayloadByteCount }

    /// The headers of the tensors in the payload, for kinds whose payload is tensors.
    public var tensorHeaders: [TensorHeader]? {
        switch self {
        case .work(let work): work.tensors
        case .workResult(let result): result.tensors
        case .inferRequest(let request): request.tensors
        case .inferReply(let reply): reply.tensors
        default: nil
        }
    }

    /// Where the tensors stand in the payload; `nil` for kinds whose payload is none (archives and documents).
    /// - Throws: ``WireError`` when the headers contradict themselves, or describe more than the kind may carry.
    public func payloadLayout() throws(WireError) -> PayloadLayout? {
        guard let headers = tensorHeaders else { return nil }
        let layout = try PayloadLayout(headers)
        guard layout.byteCount <= maximumPayloadByteCount else {
            throw WireError(
                .limitExceeded,
                "a \(kind) describes \(layout.byteCount) payload bytes, over the limit of \(maximumPayloadByteCount)")
        }
        return layout
    }

    /// Checks the payload's length that a frame gives against the kind's bound and against what the message says.
    public func check(totalPayloadByteCount total: Int) throws(WireError) {
        try check(totalPayloadByteCount: total, layout: try payloadLayout())
    }

    /// - Parameter layout: the message's own, which its decoder has worked out.
    func check(totalPayloadByteCount total: Int, layout: PayloadLayout?) throws(WireError) {
        guard total <= maximumPayloadByteCount else {
            throw WireError(
                .limitExceeded, "a \(kind) with a payload of \(total) bytes is over the limit of \(maximumPayloadByteCount)")
        }
        if let layout, layout.byteCount != total {
            throw WireError(
                .invalidValue, "a \(kind)'s frame has a payload of \(total) bytes, but the message describes \(layout.byteCount)")
        }
    }
}
