import Foundation
import Glibc
import Synchronization
import Transport

/// TLS for peers that know only a blocking socket: what they write into one end of a pair of sockets goes through the product's own channel to
/// the real connection, and what comes there goes to them.
///
/// It holds no more than a buffer in each direction: who does not read is not read for, and whoever writes to a peer that does not read
/// waits. The rogue's end is passed on as the peer of a plain connection sees it: an orderly end (close_notify, FIN), or a reset where it
/// left with bytes unread. The peer's end, however it comes, is the end of the rogue's reading.
///
/// ## Concurrency model
/// `Sendable`: a thread of its own has both sockets and the channel; why it ended is behind a mutex.
final class TLSTunnel: Sendable {
    private static let bufferByteCount = 64 << 10
    private static let readHangUp: Int16 = 0x2000

    /// The rogue's end, which the rogue closes.
    let end: Int32
    private let state = Mutex<String?>(nil)

    /// Why the connection failed, if TLS has a word for it.
    var problem: String? { state.withLock { $0 } }

    /// Takes over a connected socket.
    /// - Parameter reads: `false` where nothing is ever read of what the peer sends after the handshake.
    init(_ socket: Int32, _ context: TLSContext, isServer: Bool, reads: Bool = true) throws {
        var ends: [Int32] = [-1, -1]
        guard socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0, &ends) == 0 else {
            Glibc.close(socket)
            throw RogueConnection.Failure(description: "no pair of sockets: \(String(cString: strerror(errno)))")
        }
        end = ends[0]
        let inner = ends[1]
        for descriptor in [socket, inner] { _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK) }
        Thread.detachNewThread { [self] in
            var pump = Pump(
                channel: context.makeChannel(isServer: isServer), socket: socket, inner: inner, reads: reads)
            let problem = pump.run()
            state.withLock { $0 = problem }
            Glibc.close(inner)
            Glibc.close(socket)
        }
    }

    // MARK: The thread's work

    private enum Step { case went, waits }

    private struct Pump {
        let channel: any ByteChannel
        let socket: Int32
        let inner: Int32
        let reads: Bool

        /// Decrypted, for the rogue.
        var coming = Buffer()
        /// The rogue's, to be encrypted.
        var going = Buffer()
        var waitsToWrite = false
        var problem: String?
        /// Nothing more can be sent: what the rogue says goes nowhere, and its writing fails.
        var isClosedForWriting = false
        var isOver = false

        init(channel: any ByteChannel, socket: Int32, inner: Int32, reads: Bool) {
            (self.channel, self.socket, self.inner, self.reads) = (channel, socket, inner, reads)
        }

        mutating func run() -> String? {
            guard shakeHands() else { return problem }
            while !isOver {
                var went = false
                for step in [deliver(), receive(), take(), send()] where step == .went { went = true }
                if !went, !isOver { wait() }
            }
            return problem
        }

        /// Waits for the handshake; the rogue may end it by leaving.
        private mutating func shakeHands() -> Bool {
            while true {
                switch channel.handshake(on: socket) {
                case .done: return true
                case .failed(let error), .refused(_, let error):
                    problem = "\(error)"
                    channel.willClose(socket)
                    return false
                case .waits(let readiness):
                    var entries = [
                        pollfd(fd: socket, events: Int16(readiness == .readable ? POLLIN : POLLOUT), revents: 0),
                        pollfd(fd: inner, events: 0, revents: 0),
                    ]
                    while poll(&entries, 2, -1) < 0, errno == EINTR {}
                    guard entries[1].revents & Int16(POLLHUP | POLLERR) == 0 else { return false }
                }
            }
        }

        // MARK: From the peer to the rogue

        private mutating func receive() -> Step {
            guard reads, coming.isEmpty, !isOver else { return .waits }
            switch coming.fill({ piece in
                withUnsafeMutablePointer(to: &piece) { channel.read(into: .init(start: $0, count: 1), from: socket) }
            }) {
            case .bytes: return .went
            case .waits: return .waits
            case .endOfStream: return over()
            case .failed(let error): return over("\(error)")
            }
        }

        private mutating func deliver() -> Step {
            guard !coming.isEmpty, !isOver else { return .waits }
            let count = coming.rest { Glibc.send(inner, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            if count > 0 {
                coming.remove(count)
                return .went
            }
            if errno == EAGAIN || errno == EINTR { return .waits }
            // The rogue has gone; what it wrote before that still goes.
            coming.remove(coming.count)
            return .went
        }

        // MARK: From the rogue to the peer

        private mutating func take() -> Step {
            guard going.isEmpty, !isOver, !isClosedForWriting else { return .waits }
            var failure: Int32 = 0
            let outcome = going.fill { piece in
                let count = recv(inner, piece.iov_base, piece.iov_len, 0)
                failure = count < 0 ? errno : 0
                return count > 0 ? .bytes(count) : count == 0 ? .endOfStream : .waits(.readable)
            }
            switch outcome {
            case .bytes: return .went
            case .waits where failure == EAGAIN || failure == EINTR: return .waits
            case .waits where failure == ECONNRESET: return reset()
            default: return leave()
            }
        }

        private mutating func send() -> Step {
            if channel.hasBufferedOutput { channel.flushOutput(on: socket) }
            guard !going.isEmpty, !isOver else { return .waits }
            var piece = iovec()
            let outcome = going.mutableRest { bytes in
                piece = iovec(iov_base: bytes.baseAddress, iov_len: bytes.count)
                return withUnsafeMutablePointer(to: &piece) { channel.write(.init(start: $0, count: 1), to: socket) }
            }
            waitsToWrite = false
            switch outcome {
            case .bytes(let count):
                going.remove(count)
                return .went
            case .waits:
                waitsToWrite = true
                return .waits
            case .endOfStream, .failed:
                // What the peer said before it closed can still be read.
                isClosedForWriting = true
                going.remove(going.count)
                shutdown(inner, Int32(SHUT_RD))
                return reads ? .went : over()
            }
        }

        // MARK: Ends

        private mutating func over(_ problem: String? = nil) -> Step {
            self.problem = problem
            isOver = true
            channel.willClose(socket)
            return .went
        }

        /// The rogue has closed in order.
        private mutating func leave() -> Step {
            channel.finishWriting(on: socket)
            while channel.hasBufferedOutput {
                var entry = pollfd(fd: socket, events: Int16(POLLOUT), revents: 0)
                guard poll(&entry, 1, Self.goodbyeMilliseconds) > 0, entry.revents & Int16(POLLERR | POLLHUP) == 0 else { break }
                channel.flushOutput(on: socket)
            }
            // Unread bytes would make a reset of the end.
            var scrap = [UInt8](repeating: 0, count: TLSTunnel.bufferByteCount)
            while recv(socket, &scrap, scrap.count, 0) > 0 {}
            return over()
        }

        private static let goodbyeMilliseconds: Int32 = 10_000

        /// It left with bytes unread, which a plain socket answers with a reset.
        private mutating func reset() -> Step {
            var now = linger(l_onoff: 1, l_linger: 0)
            setsockopt(socket, SOL_SOCKET, SO_LINGER, &now, socklen_t(MemoryLayout<linger>.size))
            isOver = true
            return .went
        }

        // MARK: Waiting

        private mutating func wait() {
            var outer: Int16 = 0
            if reads, coming.isEmpty { outer |= Int16(POLLIN) }
            // Who does not read sees the end all the same.
            if !reads { outer |= TLSTunnel.readHangUp }
            if waitsToWrite || channel.hasBufferedOutput { outer |= Int16(POLLOUT) }
            var own: Int16 = 0
            if !coming.isEmpty { own |= Int16(POLLOUT) }
            if going.isEmpty, !isClosedForWriting { own |= Int16(POLLIN) }
            // A hang-up is told of whether it is asked for or not: where nothing can be done about it, it is not looked at.
            var entries = [
                pollfd(fd: outer == 0 ? -1 : socket, events: outer, revents: 0),
                pollfd(fd: own == 0 ? -1 : inner, events: own, revents: 0),
            ]
            while poll(&entries, 2, -1) < 0, errno == EINTR {}
            if !reads, entries[0].revents & (TLSTunnel.readHangUp | Int16(POLLHUP | POLLERR)) != 0 { _ = over() }
        }
    }

    /// A piece of one direction.
    private struct Buffer {
        private var bytes = [UInt8](repeating: 0, count: TLSTunnel.bufferByteCount)
        private var begin = 0
        private var end = 0

        var count: Int { end - begin }
        var isEmpty: Bool { begin == end }

        /// Fills an empty buffer.
        mutating func fill(_ body: (inout iovec) -> ChannelOutcome) -> ChannelOutcome {
            let outcome = bytes.withUnsafeMutableBytes { bytes in
                var piece = iovec(iov_base: bytes.baseAddress, iov_len: bytes.count)
                return body(&piece)
            }
            begin = 0
            end = if case .bytes(let count) = outcome { count } else { 0 }
            return outcome
        }

        func rest<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
            bytes[begin..<end].withUnsafeBytes(body)
        }

        mutating func mutableRest<Result>(_ body: (UnsafeMutableRawBufferPointer) -> Result) -> Result {
            bytes.withUnsafeMutableBytes { body(UnsafeMutableRawBufferPointer(rebasing: $0[begin..<end])) }
        }

        mutating func remove(_ count: Int) { begin += count }
    }
}
