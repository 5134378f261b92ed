internal import Base
internal import Glibc
package import Loops
package import Tensors
package import Wire

// MARK: - Opening

extension Connection {
    func startConnecting(timeout: Duration) {
        do throws(SystemError) {
            let socket = try Socket(for: peerAddress)
            socket.configure(options)
            let outcome = peerAddress.withSystemAddress { address, length in
                Syscall.retry { Glibc.connect(socket.rawValue, address, length) }
            }
            if case .failure(let reason) = outcome, reason != EINPROGRESS {
                throw SystemError("connecting to \(peerAddress)", systemError: reason)
            }
            token = try loop.register(socket.rawValue, interest: .writable, source: self)
            interest = .writable
            self.socket = socket
            connectDeadline = Instant.current() + timeout
            armDeadline()
        } catch {
            finish(.connectFailed(error))
        }
    }

    /// Takes over an accepted socket.
    func startAccepted(_ socket: Socket) {
        socket.configure(options)
        do throws(SystemError) {
            token = try loop.register(socket.rawValue, interest: .readable, source: self)
            interest = .readable
            self.socket = socket
        } catch {
            return finish(.failed(error))
        }
        // Opened from a fresh stack, once whoever accepted it has set it up.
        loop.defer { [self] in becomeConnected() }
    }

    /// Takes over an accepted socket for one word alone (see ``dismiss(_:_:)``): it is closed on return.
    func dismissAccepted(_ socket: Socket, _ code: StatusCode, _ message: String) {
        self.socket = socket
        dismiss(code, message)
    }

    /// Opens what was accepted and waits for its turn, for a last word; its handler hears of the end alone.
    func openUnheard() {
        guard isServer else { return }
        let listening = handler
        handler = nil
        becomeConnected()
        handler = listening
    }

    private func becomeConnected() {
        guard case .connecting = state, socket != nil else { return }
        connectDeadline = nil
        localAddress = socket?.localAddress
        openedAt = .current()
        lastReceived = openedAt
        state = .handshaking
        armDeadline()
        continueHandshake()
    }

    private func continueHandshake() {
        guard case .handshaking = state, let raw = rawSocket else { return }
        switch channel.handshake(on: raw) {
        case .done:
            state = .open
            if isServer, !hasFirstMessage { receiver.metadataLimit = Self.firstMetadataByteCount }
            lastWriteProgress = loop.now
            handler?.connectionOpened(self)
            if let reason = closesOnceOpen { closeAfterFlush(reason) }
            updateInterest()
            scheduleFlush()
            if channel.hasBufferedInput { readAvailable() }
        case .waits(let readiness):
            setInterest(readiness == .readable ? .readable : .writable)
        case .failed(let error):
            finish(isServer ? .failed(error) : .connectFailed(error))
        case .refused(let word, let error):
            state = .open
            lastWriteProgress = loop.now
            send(.refused(Refused(code: .unauthenticated, message: word)))
            closeAfterFlush(.failed(error))
        }
    }

    private func finishConnecting() {
        let error = socket?.takeError() ?? 0
        guard error == 0 else {
            return finish(.connectFailed(SystemError("connecting to \(peerAddress)", systemError: error)))
        }
        becomeConnected()
    }

    private var rawSocket: Int32? { socket?.rawValue }
}

// MARK: - Events

extension Connection: EventSource {
    package func ready(_ readiness: IOReadiness) {
        switch state {
        case .connecting: if !isServer { finishConnecting() }
        case .handshaking: continueHandshake()
        case .open, .closing:
            if let raw = rawSocket, readiness.contains(.writable), channel.hasBufferedOutput {
                channel.flushOutput(on: raw)
                updateInterest()
            }
            // Errors and hang-ups are learnt of by reading: what came before them is delivered first.
            let isBroken = !readiness.isDisjoint(with: .failed)
            // What is deferred comes in its turn, behind those that ask for less.
            if !isReadDeferred, isBroken || readiness.contains(readWaitsFor == .readable ? .readable : .writable) {
                readAvailable()
            }
            if let writeWaitsFor, readiness.contains(writeWaitsFor == .readable ? .readable : .writable) { flush() }
        case .closed: break
        }
    }

    package func loopWillEnd() { finish(.loopEnded) }

    private func readAvailable() {
        if case .closing = state { return readToEnd() }
        guard case .open = state, let raw = rawSocket else { return }
        let before = receiver.receivedByteCount
        let reading = receiver.read(from: channel, socket: raw, limit: options.readByteLimitPerWake)
        if receiver.receivedByteCount != before { lastReceived = loop.now }
        switch reading {
        case .waits(let readiness):
            readWaitsFor = readiness
            updateInterest()
        case .shareUsed:
            readWaitsFor = .readable
            // What a channel has decrypted already, or was read already, is not in the socket any more: epoll will not report it.
            if channel.hasBufferedInput || receiver.hasBacklog { deferReading() }
        case .endOfStream: finish(receiver.isIdle ? .peerClosed : .peerClosedInMessage)
        case .failed(let error): finish(.failed(error))
        case .violation(let error): violated(error)
        case .stopped: if case .closing = state { updateInterest() }
        }
        if case .open = state, !receiver.isIdle { armDeadline() }
    }

    private func deferReading() {
        guard !isReadDeferred else { return }
        isReadDeferred = true
        loop.defer { [self] in
            isReadDeferred = false
            readAvailable()
        }
    }

    /// The stream cannot be followed any more. A peer of another version is told so; a stranger would not understand.
    private func violated(_ error: WireError) {
        guard case .incompatibleVersion = error.code else { return finish(.wire(error)) }
        send(.refused(Refused(code: .incompatible, message: error.message)))
        closeAfterFlush(.wire(error))
    }

    /// While closing: forgets what still comes, until the peer's end.
    private func readToEnd() {
        guard case .closing(let reason) = state, let raw = rawSocket else { return }
        var rest = options.readByteLimitPerWake
        while rest > 0 {
            var piece = iovec(iov_base: loop.staging.baseAddress, iov_len: loop.staging.count)
            let outcome = withUnsafeMutablePointer(to: &piece) {
                channel.read(into: UnsafeMutableBufferPointer(start: $0, count: 1), from: raw)
            }
            switch outcome {
            case .bytes(let count): rest -= count
            case .waits(let readiness):
                readWaitsFor = readiness
                return updateInterest()
            case .endOfStream, .failed: return finish(reason)
            }
        }
    }
}

// MARK: - Writing

extension Connection: Flushable {
    /// Writes what is queued until the kernel takes no more or this wake's share is used up.
    package func flush() {
        isFlushScheduled = false
        var rest = options.writeByteLimitPerWake
        while rest > 0 {
            switch state {
            case .open, .closing: break
            case .connecting, .handshaking, .closed: return
            }
            guard let raw = rawSocket else { return }
            var completions: [() -> Void] = []
            let outcome = sender.writeBatch(through: channel, to: raw, completions: &completions)
            for completion in completions { completion() }
            switch outcome {
            case nil:
                // A completion may have queued more; the loop then comes back.
                writeWaitsFor = nil
                if sender.isEmpty { wroteEverything() }
                return updateInterest()
            case .bytes(let count):
                rest -= count
                lastWriteProgress = loop.now
            case .waits(let readiness):
                writeWaitsFor = readiness
                updateInterest()
                return armDeadline()
            case .failed(let error): return writingFailed(error)
            case .endOfStream: return finish(.peerClosed)
            }
        }
        writeWaitsFor = .writable
        updateInterest()
        armDeadline()
    }

    private func wroteEverything() {
        guard case .closing = state, !hasWritingEnded, let raw = rawSocket else { return }
        hasWritingEnded = true
        channel.finishWriting(on: raw)
        readToEnd()
    }

    /// The peer may have said why before it closed: what is readable is delivered first.
    private func writingFailed(_ error: SystemError) {
        if case .closing(let reason) = state { return finish(reason) }
        readAvailable()
        if case .closed = state { return }
        finish(.failed(error))
    }

    private func updateInterest() {
        switch state {
        case .open, .closing: break
        case .connecting, .handshaking, .closed: return
        }
        var wanted: IOReadiness = readWaitsFor == .readable ? .readable : .writable
        if let writeWaitsFor { wanted.insert(writeWaitsFor == .readable ? .readable : .writable) }
        if channel.hasBufferedOutput { wanted.insert(.writable) }
        setInterest(wanted)
    }

    private func setInterest(_ wanted: IOReadiness) {
        guard wanted != interest, let token, let raw = rawSocket else { return }
        do throws(SystemError) {
            try loop.update(raw, interest: wanted, token: token)
            interest = wanted
        } catch {
            finish(.failed(error))
        }
    }
}

// MARK: - Receiving

extension Connection: FrameReceiverDelegate {
    package var isDelivering: Bool { if case .open = state { true } else { false } }

    package func receiverWillKeep(_ message: Message, layout: PayloadLayout?, payloadByteCount: Int) -> PayloadDisposition {
        guard let handler else { return .discard }
        if isObjectionable(message) { return isDelivering ? .discard : .close(.requested("not permitted")) }
        self.layout = layout
        let disposition = handler.connection(self, willReceive: message, payloadByteCount: payloadByteCount)
        // Closed here, or by the handler itself: either way nothing is accepted any more.
        if case .close(let reason) = disposition { finish(reason) }
        return isDelivering ? disposition : .close(.requested("closed by its handler"))
    }

    package func receiverGot(
        _ message: Message, layout: PayloadLayout?, payload: TensorStorage?, ticket: UInt64?, duration: Duration
    ) {
        if !hasFirstMessage {
            hasFirstMessage = true
            receiver.metadataLimit = WireLimits.metadataByteCount
            onFirstMessage?()
            onFirstMessage = nil
        }
        if isObjectionable(message) { return }
        receiveDuration = duration
        self.ticket = ticket
        self.layout = layout
        handler?.connection(self, didReceive: message, payload: payload)
    }

    /// Whether the peer may not send this: a question is answered so, and anything else ends the connection.
    private func isObjectionable(_ message: Message) -> Bool {
        guard isServer, let peer = channel.peerIdentity, let why = options.objection(message, peer) else { return false }
        deniedCount += 1
        if case .drainRequest(let request) = message, deniedCount <= Self.deniedAnswers {
            send(.inferError(InferError(id: request.id, code: .permissionDenied, message: why)))
        } else {
            send(.refused(Refused(code: .permissionDenied, message: why)))
            closeAfterFlush(.failed(SystemError(.notPermitted, why)))
        }
        return true
    }

    package func receiverAborted(_ message: Message, ticket: UInt64) {
        self.ticket = ticket
        handler?.connection(self, didAbort: message)
    }
}
