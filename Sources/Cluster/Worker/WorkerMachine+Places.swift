internal import Base
internal import DequeModule
public import Wire

/// Where a micro-batch is, for a coordinator that misses it.
extension WorkerMachine {
    func answer(_ ping: Ping, on connection: ConnectionID, _ now: Instant, _ out: inout [Directive]) {
        var pong = Ping(sequence: ping.sequence, sentAtNanoseconds: ping.sentAtNanoseconds)
        // Only the coordinator that is obeyed is told what lies here.
        guard !ping.questions.isEmpty, connection == control else { return out.append(.send(connection, .pong(pong))) }
        pong.places = ping.questions.map { place(of: $0.key, now) }
        out.append(.sayPlaces(connection, pong, ping.questions))
    }

    private func place(of key: WorkKey, _ now: Instant) -> WorkPlace {
        guard key.session == claim?.session else { return WorkPlace(key: key, state: .unknown) }
        // How long dialling takes is the link's affair.
        if let item = work[key] { return WorkPlace(key: key, state: isWaitingForPeer(key, item) ? .unknown : .held) }
        if let sentBytes = passedOn[key] { return WorkPlace(key: key, state: .passedOn, sentBytes: sentBytes) }
        return WorkPlace(key: key, state: .absent, rememberedMilliseconds: passedOn.rememberedMilliseconds(now))
    }

    /// What a held micro-batch is being sent on.
    public func sendingConnection(of key: WorkKey) -> ConnectionID? { work[key]?.connection }
}

/// The micro-batches that were passed on last, and how many bytes their connection had carried with them. O(1) for each call.
struct PassedWork: Sendable {
    /// Those of some seconds: at 100 each second, forty.
    static let limit = 4_096

    private var sentBytes: [WorkKey: UInt64] = [:]
    private var order: Deque<(key: WorkKey, at: Instant)> = []
    /// When the last one was passed on that is forgotten.
    private var forgottenAt: Instant?

    mutating func insert(_ key: WorkKey, _ sent: UInt64, _ now: Instant) {
        guard sentBytes.updateValue(sent, forKey: key) == nil else { return }
        order.append((key, now))
        guard order.count > Self.limit else { return }
        let oldest = order.removeFirst()
        sentBytes[oldest.key] = nil
        forgottenAt = oldest.at
    }

    subscript(key: WorkKey) -> UInt64? { sentBytes[key] }

    func rememberedMilliseconds(_ now: Instant) -> UInt32 {
        guard let forgottenAt else { return .max }
        return UInt32(clamping: Int64((now - forgottenAt).milliseconds))
    }
}
