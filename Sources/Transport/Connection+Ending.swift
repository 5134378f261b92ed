internal import Base
internal import Glibc
internal import Loops
internal import Wire

extension Connection {
    /// The one way to the end: from here on nothing is read, written or delivered but `connectionClosed`.
    func finish(_ reason: CloseReason) {
        if case .closed = state { return }
        if let socket { channel.willClose(socket.rawValue) }
        state = .closed
        deadlineTimer?.cancel()
        deadlineTimer = nil
        if let token, let socket { loop.unregister(socket.rawValue, token: token) }
        token = nil
        socket = nil
        let completions = sender.removeAll()
        receiver.removeAll()
        loop.defer { [self] in
            for completion in completions { completion(.lost(reason)) }
            onEnd?()
            onEnd = nil
            onFirstMessage = nil
            let last = handler
            handler = nil
            last?.connectionClosed(self, reason: reason)
        }
    }

    // MARK: Deadlines

    /// The earliest moment at which something may be overdue, with what to say then.
    private var nextDeadline: (time: Instant, reason: CloseReason)? {
        var candidates: [(time: Instant, reason: CloseReason)] = []
        switch state {
        case .connecting:
            if let connectDeadline {
                let error = SystemError(
                    .timedOut, "connecting to \(peerAddress): no answer in time; check the address and the network between")
                candidates.append((connectDeadline, .connectFailed(error)))
            }
        case .handshaking, .open:
            if !hasFirstMessage, let limit = options.firstMessageTimeout {
                candidates.append((openedAt + limit, .firstMessageTimeout(limit)))
            }
            if !receiver.isIdle {
                let limit = options.partialMessageTimeout
                candidates.append((lastReceived + limit, .partialMessageTimeout(limit)))
            }
            if let limit = options.idleTimeout { candidates.append((lastReceived + limit, .idleTimeout(limit))) }
            if !sender.isEmpty, case .open = state {
                candidates.append((lastWriteProgress + options.writeStallTimeout, .writeStalled(options.writeStallTimeout)))
            }
        case .closing(let reason): candidates.append((closingSince + options.closingTimeout, reason))
        case .closed: break
        }
        return candidates.min { $0.time < $1.time }
    }

    /// Sees to it that the timer fires no later than the next deadline.
    ///
    /// Progress moves deadlines away without touching the timer: it then fires early once and is set anew. So the common case, a connection
    /// on which bytes flow, costs one timer for each deadline's length and nothing for each message.
    func armDeadline() {
        guard let next = nextDeadline else { return }
        if let timer = deadlineTimer, timer.isPending, timer.deadline <= next.time { return }
        deadlineTimer?.cancel()
        deadlineTimer = loop.schedule(at: next.time) { [weak self] in self?.deadlineReached() }
    }

    private func deadlineReached() {
        guard let next = nextDeadline else { return }
        if next.time <= loop.now { finish(next.reason) } else { armDeadline() }
    }
}
