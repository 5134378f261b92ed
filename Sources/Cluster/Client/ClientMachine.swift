public import Wire

/// A client's decisions: what is outstanding, when to reconnect, what to send again, when to give up.
///
/// Contract. Requests are idempotent, so what was sent and not answered is sent again after a reconnect; the caller sees exactly one
/// outcome for each request. The machine holds no tensors: the shell keeps a request's input from `submit` until `succeed` or `fail`.
public struct ClientMachine: Sendable {
    public struct Configuration: Sendable {
        public var reconnectFirst: Duration = .milliseconds(50)
        public var reconnectLongest: Duration = .seconds(2)
        /// Connections tried in a row without an answer before requests fail with `unavailable`; `nil` means until their deadline.
        public var maximumConnectFailures: Int?
        /// After a request's deadline the coordinator, which has the same one, still has this long to say what was missing: its own
        /// account ("no plan serves: …") helps, "no answer" does not. Several round trips of a slow network.
        public var answerGrace: Duration = .milliseconds(250)
        public init() {}
    }

    public enum Event: Sendable {
        case submit(UInt64, deadline: Duration)
        case cancel(UInt64)
        case connected
        case disconnected(String)
        case replied(UInt64)
        case refused(UInt64, StatusCode, String, retryAfter: Duration)
        case tick
        /// No further requests; outstanding ones are failed.
        case close
    }

    public enum Directive: Sendable, Hashable {
        case connect
        /// Send the request with this much time left.
        case send(UInt64, deadline: Duration)
        case sendCancel(UInt64)
        case succeed(UInt64)
        case fail(UInt64, StatusCode, String)
        case disconnect
    }

    struct Outstanding: Sendable {
        var deadline: Instant
        var isSent = false
        var sendAt: Instant?
        var attempts = 0
    }

    enum Link: Sendable { case idle, connecting, connected, waiting(until: Instant) }

    let configuration: Configuration
    var outstanding: [UInt64: Outstanding] = [:]
    var link: Link = .idle
    var backoff: Duration
    var connectFailures = 0
    var isClosed = false
    var lastFailure = "not connected yet"
    /// Requests that were sent more than once.
    public private(set) var retries: UInt64 = 0

    public init(configuration: Configuration = Configuration()) {
        self.configuration = configuration
        backoff = configuration.reconnectFirst
    }

    public var outstandingCount: Int { outstanding.count }

    public mutating func step(_ event: Event, now: Instant) -> [Directive] {
        var out: [Directive] = []
        switch event {
        case .submit(let id, let deadline): submit(id, deadline, now, &out)
        case .cancel(let id):
            guard let request = outstanding.removeValue(forKey: id) else { break }
            if request.isSent, case .connected = link { out.append(.sendCancel(id)) }
            out.append(.fail(id, .cancelled, "the request was cancelled"))
        case .connected:
            link = .connected
            backoff = configuration.reconnectFirst
            connectFailures = 0
        case .disconnected(let why): disconnected(why, now, &out)
        case .replied(let id):
            if outstanding.removeValue(forKey: id) != nil { out.append(.succeed(id)) }
        case .refused(let id, let code, let message, let retryAfter): refused(id, code, message, retryAfter, now, &out)
        case .tick: break
        case .close:
            isClosed = true
            for id in outstanding.keys.sorted() { out.append(.fail(id, .cancelled, "the client was closed")) }
            outstanding = [:]
            out.append(.disconnect)
        }
        advance(now, &out)
        return out
    }

    private mutating func submit(_ id: UInt64, _ deadline: Duration, _ now: Instant, _ out: inout [Directive]) {
        guard !isClosed else {
            out.append(.fail(id, .cancelled, "the client was closed"))
            return
        }
        outstanding[id] = Outstanding(deadline: now + deadline)
    }

    private mutating func disconnected(_ why: String, _ now: Instant, _ out: inout [Directive]) {
        lastFailure = why
        if case .connected = link {} else { connectFailures += 1 }
        link = .waiting(until: now + backoff)
        backoff = min(backoff * 2, configuration.reconnectLongest)
        for id in outstanding.keys { outstanding[id]?.isSent = false }
        if let limit = configuration.maximumConnectFailures, connectFailures >= limit {
            for id in outstanding.keys.sorted() { out.append(.fail(id, .unavailable, why)) }
            outstanding = [:]
        }
    }

    private mutating func refused(
        _ id: UInt64, _ code: StatusCode, _ message: String, _ retryAfter: Duration, _ now: Instant, _ out: inout [Directive]
    ) {
        guard let request = outstanding[id] else { return }
        let isTransient = (code == .resourceExhausted || code == .unavailable) && retryAfter > .zero
        if isTransient, now + retryAfter < request.deadline {
            outstanding[id]?.isSent = false
            outstanding[id]?.sendAt = now + retryAfter
        } else {
            outstanding[id] = nil
            out.append(.fail(id, code, message))
        }
    }

    private mutating func advance(_ now: Instant, _ out: inout [Directive]) {
        for id in outstanding.keys.sorted() {
            guard let request = outstanding[id] else { continue }
            guard giveUpTime(of: request) > now else {
                outstanding[id] = nil
                if request.isSent, case .connected = link { out.append(.sendCancel(id)) }
                let why = request.isSent ? "no answer came in time" : "the coordinator could not be reached in time: \(lastFailure)"
                out.append(.fail(id, .deadlineExceeded, why))
                continue
            }
            guard case .connected = link, !request.isSent, (request.sendAt ?? .zero) <= now else { continue }
            outstanding[id]?.isSent = true
            outstanding[id]?.sendAt = nil
            outstanding[id]?.attempts += 1
            if request.attempts > 0 { retries += 1 }
            out.append(.send(id, deadline: request.deadline - now))
        }
        guard !isClosed, !outstanding.isEmpty else { return }
        switch link {
        case .idle:
            link = .connecting
            out.append(.connect)
        case .waiting(let until) where until <= now:
            link = .connecting
            out.append(.connect)
        case .waiting, .connecting, .connected: break
        }
    }

    private func giveUpTime(of request: Outstanding) -> Instant {
        guard request.isSent, case .connected = link else { return request.deadline }
        return request.deadline + configuration.answerGrace
    }

    /// When ``step(_:now:)`` must be called at the latest.
    public var nextWake: Instant? {
        var wake: Instant?
        for request in outstanding.values {
            let due = min(giveUpTime(of: request), request.isSent ? .distantFuture : request.sendAt ?? .distantFuture)
            wake = min(wake ?? due, due)
        }
        if case .waiting(let until) = link, !outstanding.isEmpty { wake = min(wake ?? until, until) }
        return wake
    }
}
