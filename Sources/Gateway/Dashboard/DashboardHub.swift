internal import Cluster
internal import Shell
internal import Synchronization

/// Tells all who look at the page how things are, once a second: each second's bytes are made once, however many look, and not at all
/// while nobody does.
///
/// ## Concurrency model
/// Viewers are under a mutex; one task makes the bytes while there are any. Bytes go to a viewer through a queue of its own with a bound: who
/// does not take them in time loses the connection, and keeps nobody.
final class DashboardHub: Sendable {
    /// Messages that may wait for one viewer: a quarter of a minute behind is no live picture any more.
    static let waitingLimit = 16

    private struct Viewer {
        let continuation: AsyncStream<[UInt8]>.Continuation
        let end: @Sendable () -> Void
    }

    private let viewers: Mutex<ViewerTable<Viewer>>
    private let source: any GatewaySource
    private let events: RecentEvents
    private let interval: Duration
    let capacity: Int

    init(_ source: any GatewaySource, _ events: RecentEvents, _ limits: GatewayLimits) {
        self.source = source
        self.events = events
        interval = limits.picture
        let table = ViewerTable<Viewer>(connections: limits.connections)
        capacity = table.capacity
        viewers = Mutex(table)
    }

    var viewerCount: Int { viewers.withLock { $0.count } }

    /// - Parameters:
    ///   - who: what only this viewer is told, at first.
    ///   - end: ends the connection at once.
    /// - Returns: what to send; `nil` where too many look already.
    func join(_ who: DashboardViewer, end: @escaping @Sendable () -> Void) -> AsyncStream<[UInt8]>? {
        let (stream, continuation) = AsyncStream.makeStream(
            of: [UInt8].self, bufferingPolicy: .bufferingOldest(Self.waitingLimit))
        let recent = events.newest()
        // The next round may bring a few of these once more: they are told from the others by their numbers.
        continuation.yield(
            Self.message("who", who) + Self.message("history", Happened(recent.events, recent.lastNumber, isStart: true)))
        let joined = viewers.withLock { $0.join(Viewer(continuation: continuation, end: end)) }
        guard let joined else {
            continuation.finish()
            return nil
        }
        continuation.onTermination = { [weak self] _ in self?.leave(joined.id) }
        if joined.mustBegin { Task { await serve(after: recent.lastNumber) } }
        return stream
    }

    private func leave(_ id: UInt64) { _ = viewers.withLock { $0.leave(id) } }

    private func serve(after number: UInt64) async {
        var number = number
        let clock = ContinuousClock()
        while viewers.withLock({ $0.goesOn() }) {
            let begin = clock.now
            let (bytes, last) = await round(after: number)
            number = last
            send(bytes)
            try? await clock.sleep(until: begin + interval)
        }
    }

    private func round(after number: UInt64) async -> (bytes: [UInt8], last: UInt64) {
        let report = await source.report()
        let new = events.after(number)
        var bytes = new.events.isEmpty ? [] : Self.message("history", Happened(new.events, new.lastNumber, isStart: false))
        if let report {
            bytes += report.statusDocument.map { Self.message("status", json: $0) } ?? Self.message("status", report.status)
        } else {
            // A comment: the connection lives, and there are no new figures.
            bytes += Array(": the coordinator's loop does not answer\n\n".utf8)
        }
        return (bytes, new.lastNumber)
    }

    private func send(_ bytes: [UInt8]) {
        for (id, viewer) in viewers.withLock({ $0.all }) {
            switch viewer.continuation.yield(bytes) {
            case .enqueued: break
            case .dropped:
                leave(id)
                viewer.continuation.finish()
                viewer.end()
            case .terminated: leave(id)
            @unknown default: leave(id)
            }
        }
    }

    // MARK: Messages

    /// JSON has no line's end in it, so it is one line of data.
    private static func message(_ name: String, json: [UInt8]) -> [UInt8] {
        Array("event: \(name)\ndata: ".utf8) + json + [0x0A, 0x0A]
    }

    private static func message(_ name: String, _ value: some Encodable) -> [UInt8] {
        message(name, json: Array(((try? JSONOutput.text(value)) ?? "{}").utf8))
    }

    /// The event `history`.
    private struct Happened: Encodable {
        /// What came before it does not count any more: the viewer has just connected.
        let recent: Bool
        let last: UInt64
        let events: [ClusterHistory.Event]

        init(_ events: [ClusterHistory.Event], _ last: UInt64, isStart: Bool) {
            self.events = events
            self.last = last
            recent = isStart
        }
    }
}

/// The event `who`: what the page offers to whom.
struct DashboardViewer: Encodable {
    var role: String
    var label: String?
    var canDrain: Bool
    var canLogIn: Bool
    /// Why nothing can be drained.
    var reason: String?
    var version = ProductVersion.current

    enum CodingKeys: String, CodingKey {
        case role, label, reason, version
        case canDrain = "can_drain"
        case canLogIn = "can_log_in"
    }

    init(_ caller: HTTPCaller, knowsTokens: Bool) {
        role = caller.role.rawValue
        label = caller.label
        canDrain = caller.role == .operator
        canLogIn = knowsTokens
        if !canDrain {
            reason =
                knowsTokens
                ? "that takes an operator's token"
                : "that takes an operator's token, and this coordinator knows none (\(HTTPTokens.option))"
        }
    }
}
