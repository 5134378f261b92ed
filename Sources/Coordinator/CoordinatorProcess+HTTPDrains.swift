internal import Base
internal import Cluster
internal import Gateway
internal import History
internal import Hosting
internal import Wire

/// Drains that are asked for over HTTP. To the machine each is a client of its own with one question.
extension CoordinatorProcess {
    /// Those that wait for their answer.
    struct HTTPDrains {
        /// Above the numbers of sockets' connections, and of inferences over HTTP.
        static let firstConnection: UInt64 = 1 << 63

        private var lastNumber = Self.firstConnection
        private var waiting: [ConnectionID: @Sendable (DrainOutcome) -> Void] = [:]

        var count: Int { waiting.count }

        mutating func add(_ answer: @escaping @Sendable (DrainOutcome) -> Void) -> ConnectionID {
            lastNumber += 1
            waiting[ConnectionID(lastNumber)] = answer
            return ConnectionID(lastNumber)
        }

        mutating func take(_ connection: ConnectionID) -> (@Sendable (DrainOutcome) -> Void)? {
            waiting.removeValue(forKey: connection)
        }
    }

    /// - Parameter answer: called once, when the drain is done or refused; whoever asked may be gone by then.
    func drain(_ wish: NodeDrain, _ answer: @escaping @Sendable (DrainOutcome) -> Void) {
        let connection = httpDrains.add(answer)
        let request = DrainRequest(id: 1, node: NodeID(wish.node), undo: wish.undo, force: wish.force)
        step(.received(connection, .drainRequest(request), by: wish.by))
    }

    /// - Returns: `false` where the message is for somebody else.
    func answerDrain(_ connection: ConnectionID, _ message: Message) -> Bool {
        guard connection.number >= HTTPDrains.firstConnection else { return false }
        let answer = httpDrains.take(connection)
        switch message {
        case .drainReply(let reply): answer?(.done(reply.message))
        case .inferError(let error): answer?(.refused(error.code, error.message))
        // The machine says nothing else to one that only asked for a drain.
        default: break
        }
        return true
    }

    /// The dashboard's events go on where an earlier coordinator's ended, where that left a history. Called before anything happens here.
    func recallEvents() {
        let (recent, startMs) = (recentEvents, HistoryRecorder.wallClockMs())
        history.recall(RecentEvents.limit) { earlier in recent.precede(with: earlier.filter { $0.timeMs < startMs }) }
    }
}
