public import Base
internal import DequeModule
internal import HeapModule
public import Wire

/// A client's decisions: what is outstanding, when to reconnect, what to send again, when to give up.
///
/// Contract. Requests are idempotent, so what was sent and not answered is sent again after a reconnect; the caller sees exactly one
/// outcome for each request. The machine holds no tensors: the shell keeps a request's input from `submit` until `succeed` or `fail`.
/// A step costs O(log n) with n requests outstanding; only the end of a connection costs O(n log n).
public struct ClientMachine: Sendable {
    public struct Configuration: Sendable {
        public var reconnectFirst: Duration = .milliseconds(50)
        public var reconnectLongest: Duration = .seconds(2)
        /// Connections tried in a row without an answer before requests fail with `unavailable`; `nil` means until their deadline.
        public var maximumConnectFailures: Int?
        /// After a request's deadline the coordinator, which has the same one, still has this long to say what was missing: its own
        /// account ("no plan serves: …") helps, "no answer" does not. Several round trips of a slow network.
        public var answerGrace: Duration = .milliseconds(250)
        /// What to do where nobody is there: the end of the error.
        public var remedy = "start amp4ec-coordinator there, or give its address"
        public init() {}
    }

    public enum Event: Sendable {
        case submit(UInt64, deadline: Duration)
        case cancel(UInt64)
        case connected
        case disconnected(String)
        /// Nobody answers at the coordinator's address: as ``disconnected(_:)``, with a reason that says nothing of what to do.
        case nobodyThere(String)
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
        enum Phase: Sendable, Hashable {
            /// In `ready`, to be sent as soon as there is a connection.
            case queued
            /// The coordinator asked to try again then.
            case held(until: Instant)
            case sent
        }
        var deadline: Instant
        var phase: Phase = .queued
        var attempts = 0
    }

    /// When a request's deadline passes or its time to be sent again comes.
    struct Timer: Sendable, Comparable {
        var at: Instant
        var id: UInt64
        static func < (left: Timer, right: Timer) -> Bool { (left.at, left.id) < (right.at, right.id) }
    }

    enum Link: Sendable { case idle, connecting, connected, waiting(until: Instant) }

    /// Timers of requests that are long answered stay in the heap until there are this many too many.
    static let staleTimerSlack = 1_024

    let configuration: Configuration
    var outstanding: [UInt64: Outstanding] = [:]
    /// What waits to be sent, in order; entries that are no longer `queued` are skipped.
    var ready: Deque<UInt64> = []
    var timers: Heap<Timer> = []
    var link: Link = .idle
    var backoff: Duration
    var connectFailures = 0
    var hasConnected = false
    var isClosed = false
    var lastFailure: String
    /// Requests that were sent more than once.
    public private(set) var retries: UInt64 = 0

    public init(configuration: Configuration = Configuration()) {
        self.configuration = configuration
        backoff = configuration.reconnectFirst
        lastFailure = "it has not answered yet; give it a longer deadline, or \(configuration.remedy)"
    }

    public var outstandingCount: Int { outstanding.count }

    public mutating func step(_ event: Event, now: Instant) -> [Directive] {
        var out: [Directive] = []
        switch event {
        case .submit(let id, let deadline): submit(id, deadline, now, &out)
        case .cancel(let id):
            guard let request = outstanding.removeValue(forKey: id) else { break }
            takeBack(id, request, &out)
            out.append(.fail(id, .cancelled, "the request was cancelled"))
        case .connected: connected(&out)
        case .disconnected(let why): disconnected(why, now, &out)
        case .nobodyThere(let why): disconnected("\(why); \(configuration.remedy)", now, &out)
        case .replied(let id):
            if outstanding.removeValue(forKey: id) != nil { out.append(.succeed(id)) }
        case .refused(let id, let code, let message, let retryAfter): refused(id, code, message, retryAfter, now, &out)
        case .tick: break
        case .close:
            isClosed = true
            failAll(.cancelled, "the client was closed", &out)
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
        ready.append(id)
        timers.insert(Timer(at: now + deadline, id: id))
    }

    private mutating func connected(_ out: inout [Directive]) {
        guard !isClosed else {
            // It was being opened when the client was closed.
            out.append(.disconnect)
            return
        }
        link = .connected
        hasConnected = true
        backoff = configuration.reconnectFirst
        connectFailures = 0
    }

    private mutating func disconnected(_ why: String, _ now: Instant, _ out: inout [Directive]) {
        lastFailure = why
        if case .connected = link {
            for (id, request) in outstanding where request.phase == .sent {
                outstanding[id]?.phase = .queued
                // The answer that was still waited for past the deadline will not come on another connection.
                if request.deadline <= now { timers.insert(Timer(at: now, id: id)) }
            }
            ready = Deque(outstanding.filter { $0.value.phase == .queued }.keys.sorted())
        } else {
            connectFailures += 1
        }
        link = .waiting(until: now + backoff)
        backoff = min(backoff * 2, configuration.reconnectLongest)
        if let limit = configuration.maximumConnectFailures, connectFailures >= limit { failAll(.unavailable, why, &out) }
    }

    private mutating func failAll(_ code: StatusCode, _ message: String, _ out: inout [Directive]) {
        for id in outstanding.keys.sorted() { out.append(.fail(id, code, message)) }
        outstanding = [:]
    }

    private mutating func refused(
        _ id: UInt64, _ code: StatusCode, _ message: String, _ retryAfter: Duration, _ now: Instant, _ out: inout [Directive]
    ) {
        guard let request = outstanding[id] else { return }
        let isTransient = (code == .resourceExhausted || code == .unavailable) && retryAfter > .zero
        if isTransient, now + retryAfter < request.deadline {
            outstanding[id]?.phase = .held(until: now + retryAfter)
            timers.insert(Timer(at: now + retryAfter, id: id))
        } else {
            outstanding[id] = nil
            out.append(.fail(id, code, message))
        }
    }

    /// Tells the coordinator, where it has the request.
    private func takeBack(_ id: UInt64, _ request: Outstanding, _ out: inout [Directive]) {
        if request.phase == .sent, case .connected = link { out.append(.sendCancel(id)) }
    }

    private mutating func advance(_ now: Instant, _ out: inout [Directive]) {
        while let timer = timers.min, timer.at <= now {
            timers.removeMin()
            expire(timer.id, now, &out)
        }
        if case .connected = link {
            while let id = ready.popFirst() { send(id, now, &out) }
        }
        forgetStale()
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

    private mutating func expire(_ id: UInt64, _ now: Instant, _ out: inout [Directive]) {
        guard let request = outstanding[id] else { return }
        let giveUpAt = giveUpTime(of: request)
        if giveUpAt <= now {
            outstanding[id] = nil
            takeBack(id, request, &out)
            if request.phase == .sent {
                out.append(.fail(id, .deadlineExceeded, "no answer came in time"))
            } else {
                // Where nobody has ever answered, a longer deadline would not help.
                let code = hasConnected ? StatusCode.deadlineExceeded : .unavailable
                out.append(.fail(id, code, "the coordinator could not be reached in time: \(lastFailure)"))
            }
        } else if request.deadline <= now {
            timers.insert(Timer(at: giveUpAt, id: id))
        } else if case .held(let until) = request.phase, until <= now {
            outstanding[id]?.phase = .queued
            ready.append(id)
        }
    }

    private func giveUpTime(of request: Outstanding) -> Instant {
        guard request.phase == .sent, case .connected = link else { return request.deadline }
        return request.deadline + configuration.answerGrace
    }

    private mutating func send(_ id: UInt64, _ now: Instant, _ out: inout [Directive]) {
        guard let request = outstanding[id], request.phase == .queued, request.deadline > now else { return }
        outstanding[id]?.phase = .sent
        outstanding[id]?.attempts += 1
        if request.attempts > 0 { retries += 1 }
        out.append(.send(id, deadline: request.deadline - now))
    }

    /// Keeps what is left of answered requests below a multiple of those outstanding.
    private mutating func forgetStale() {
        if outstanding.isEmpty {
            timers = []
            ready = []
            return
        }
        if timers.count > 2 * outstanding.count + Self.staleTimerSlack {
            timers = Heap(timers.unordered.filter { outstanding[$0.id] != nil })
        }
        if ready.count > outstanding.count + Self.staleTimerSlack { ready = ready.filter { outstanding[$0] != nil } }
    }

    /// When ``step(_:now:)`` must be called at the latest.
    public var nextWake: Instant? {
        guard !outstanding.isEmpty else { return nil }
        var wake = timers.min?.at
        if case .waiting(let until) = link { wake = min(wake ?? until, until) }
        return wake
    }
}
