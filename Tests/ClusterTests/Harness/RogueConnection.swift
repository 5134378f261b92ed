import Foundation
import Glibc
import Synchronization
import Tensors
import Transport
import Wire

/// A TCP connection of a peer that keeps to no rule: it sends whatever a test wants, whole messages, parts of them, or bytes that are none, and
/// understands what comes back.
///
/// ## Concurrency model
/// `Sendable`: a thread of its own reads and hands each arrival to the handler; what changes is behind mutexes, and one frame is sent at a
/// time. The descriptor is closed by the reading thread alone, after its end.
final class RogueConnection: Sendable {
    struct Failure: Error, CustomStringConvertible { let description: String }

    /// A whole message of the other end.
    struct Arrival: Sendable {
        let message: Message
        let payload: [UInt8]

        /// The tensors of its payload, as long as nothing is compressed.
        var tensors: [Tensor] {
            get throws { try PayloadLayout(message.tensorHeaders ?? []).tensors(in: TensorStorage(copying: payload)) }
        }
    }

    private struct State {
        var arrivals: [Arrival] = []
        var isClosed = false
        var problem: String?
    }

    /// What a peer that does not read lets us wait.
    private static let sendTimeoutSeconds = 10
    /// Large enough that a status of many nodes takes few calls.
    private static let readByteCount = 256 << 10

    /// `POLLRDHUP`, which the C module does not show: the other end has closed, whether or not its bytes were read.
    private static let readHangUp: Int16 = 0x2000

    private let descriptor: Int32
    /// `nil` in plain text.
    private let tunnel: TLSTunnel?
    private let state = Mutex(State())
    private let nextStream = Mutex<UInt32>(1)
    private let keepsArrivals: Bool
    private let handler: (@Sendable (RogueConnection, Arrival) -> Void)?

    /// - Parameters:
    ///   - address: `127.0.0.1:PORT`.
    ///   - kind: which key it proves, where the test's processes have keys.
    ///   - reads: `false` for a peer that never takes what is sent to it.
    ///   - keepsArrivals: `false` where only the handler looks at what comes.
    init(
        to address: String, as kind: ClusterKey.Kind, reads: Bool = true, keepsArrivals: Bool = true,
        security: Security = .current, onArrival handler: (@Sendable (RogueConnection, Arrival) -> Void)? = nil
    ) throws {
        self.keepsArrivals = keepsArrivals
        let descriptor = try RawPeer.dial(address)
        tunnel = try security.dialing(as: kind).map { try TLSTunnel(descriptor, $0, isServer: false, reads: reads) }
        self.descriptor = tunnel?.end ?? descriptor
        self.handler = handler
        start(reads: reads)
    }

    /// - Parameter context: what it proves; `nil`: it talks plain text.
    init(to address: String, proving context: TLSContext?) throws {
        keepsArrivals = true
        let descriptor = try RawPeer.dial(address)
        tunnel = try context.map { try TLSTunnel(descriptor, $0, isServer: false, reads: true) }
        self.descriptor = tunnel?.end ?? descriptor
        handler = nil
        start(reads: true)
    }

    /// Takes over a connection that somebody opened to us; in plain text without a context.
    init(
        accepted descriptor: Int32, _ context: TLSContext?,
        onArrival handler: @escaping @Sendable (RogueConnection, Arrival) -> Void
    ) throws {
        tunnel = try context.map { try TLSTunnel(descriptor, $0, isServer: true) }
        self.descriptor = tunnel?.end ?? descriptor
        self.handler = handler
        keepsArrivals = true
        start(reads: true)
    }

    private func start(reads: Bool) {
        var limit = timeval(tv_sec: Self.sendTimeoutSeconds, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        Thread.detachNewThread { [self] in
            if reads { readAll() } else { waitForEnd() }
            state.withLock { $0.isClosed = true }
            // Nobody sends on it any more: who wants to asks `isClosed` under the same lock.
            nextStream.withLock { _ in _ = Glibc.close(descriptor) }
        }
    }

    // MARK: What comes

    var arrivals: [Arrival] { state.withLock { $0.arrivals } }
    var isClosed: Bool { state.withLock { $0.isClosed } }
    /// Why the connection was ended, where the other end broke the protocol or TLS was refused.
    var problem: String? { state.withLock { $0.problem } ?? tunnel?.problem }

    private func readAll() {
        var buffer = [UInt8](repeating: 0, count: Self.readByteCount)
        var parser = FrameParser(checksPayloads: tunnel == nil)
        while true {
            let count = recv(descriptor, &buffer, buffer.count, 0)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return }
            do {
                for arrival in try parser.take(buffer[..<count]) {
                    if keepsArrivals { state.withLock { $0.arrivals.append(arrival) } }
                    handler?(self, arrival)
                }
            } catch {
                state.withLock { $0.problem = "\(error)" }
                return
            }
        }
    }

    private func waitForEnd() {
        var entry = pollfd(fd: descriptor, events: Self.readHangUp, revents: 0)
        while poll(&entry, 1, -1) < 0, errno == EINTR {}
    }

    /// Waits for the first arrival of which `wanted` makes something.
    func first<T>(_ what: String, within limit: Duration = .seconds(10), where wanted: (Arrival) throws -> T?) async throws -> T {
        var found: T?
        try await eventually(what, within: limit, about: { "\(self.arrivals.map(\.message))".prefix(2_000).description }) {
            let hasEnded = isClosed
            found = try arrivals.lazy.compactMap { try wanted($0) }.first
            if found == nil, hasEnded { throw Failure(description: "the peer closed before: \(what)") }
            return found != nil
        }
        guard let found else { throw Failure(description: "nothing came: \(what)") }
        return found
    }

    /// Waits until the other end has closed the connection.
    func closed(_ what: String, within limit: Duration = .seconds(10)) async throws {
        try await eventually("the peer closes: \(what)", within: limit) { isClosed }
    }

    // MARK: What goes

    /// Sends all of it, or as much as the peer takes.
    /// - Returns: whether all of it went.
    @discardableResult func send(_ bytes: [UInt8]) -> Bool { nextStream.withLock { _ in write(bytes) } }

    private func write(_ bytes: [UInt8]) -> Bool {
        var sent = 0
        while sent < bytes.count {
            guard !isClosed else { return false }
            let count = bytes.withUnsafeBytes { buffer in
                Glibc.send(descriptor, buffer.baseAddress.map { $0 + sent }, buffer.count - sent, Int32(MSG_NOSIGNAL))
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return false }
            sent += count
        }
        return true
    }

    static func frame(
        kind: UInt16, metadata: [UInt8] = [], payload: [UInt8] = [], total: Int, stream: UInt32, flags: FrameHeader.Flags = []
    ) -> [UInt8] {
        var header = FrameHeader(
            kind: kind, flags: flags, stream: stream, metadataByteCount: metadata.count, payloadByteCount: payload.count,
            totalPayloadByteCount: total)
        metadata.withUnsafeBytes { bytes in
            header.seal(metadata: bytes, payloadChecksum: payload.withUnsafeBytes { CRC32C.checksum($0) })
        }
        return RawPeer.bytes(of: header) + metadata + payload
    }

    /// A message under way, of which more may be sent or not.
    struct Stream: Sendable {
        let kind: UInt16
        let number: UInt32
        let total: Int
    }

    /// The first frame of a message: metadata, and the first bytes of the payload.
    /// - Parameter total: the payload's length as it is announced.
    @discardableResult func begin(_ kind: Message.Kind, _ metadata: [UInt8], payload: [UInt8] = [], of total: Int) -> Stream {
        nextStream.withLock { next in
            let stream = Stream(kind: kind.rawValue, number: next, total: total)
            next += 1
            _ = write(Self.frame(kind: kind.rawValue, metadata: metadata, payload: payload, total: total, stream: stream.number))
            return stream
        }
    }

    @discardableResult func begin(_ message: Message, payload: [UInt8] = [], of total: Int) throws -> Stream {
        begin(message.kind, try MessageCodec.encode(message).metadata, payload: payload, of: total)
    }

    func resume(_ stream: Stream, payload: [UInt8]) {
        for start in Swift.stride(from: 0, to: payload.count, by: WireLimits.frameByteCount) {
            let piece = Array(payload[start..<min(start + WireLimits.frameByteCount, payload.count)])
            send(Self.frame(kind: stream.kind, payload: piece, total: stream.total, stream: stream.number, flags: .continuation))
        }
    }

    func abort(_ stream: Stream) {
        send(Self.frame(kind: stream.kind, total: stream.total, stream: stream.number, flags: .abort))
    }

    /// A whole message.
    func send(_ kind: Message.Kind, _ metadata: [UInt8], payload: [UInt8] = []) {
        let first = Array(payload.prefix(WireLimits.frameByteCount))
        let stream = begin(kind, metadata, payload: first, of: payload.count)
        resume(stream, payload: Array(payload.dropFirst(first.count)))
    }

    func send(_ kind: Message.Kind, _ metadata: ProtoBytes, payload: [UInt8] = []) { send(kind, metadata.bytes, payload: payload) }

    func send(_ message: Message, payload: [UInt8] = []) throws {
        send(message.kind, try MessageCodec.encode(message).metadata, payload: payload)
    }

    /// Ends the connection from our side.
    func close() { nextStream.withLock { _ in if !isClosed { shutdown(descriptor, Int32(SHUT_RDWR)) } } }
}

/// Cuts a stream of bytes into whole messages with the product's own reader of frames.
struct FrameParser {
    private var reassembler = FrameReassembler()
    private var rest: [UInt8] = []
    private var open: [UInt32: (message: Message?, payload: [UInt8])] = [:]

    /// - Parameter checksPayloads: not where they come through TLS.
    init(checksPayloads: Bool) { reassembler.checksPayloads = checksPayloads }

    /// - Returns: the messages that are complete by these bytes; unknown kinds are left out.
    mutating func take(_ bytes: ArraySlice<UInt8>) throws -> [RogueConnection.Arrival] {
        rest += bytes
        var arrivals: [RogueConnection.Arrival] = []
        var position = 0
        while rest.count - position >= FrameHeader.byteCount {
            let header = try rest[position...].withUnsafeBytes { try FrameHeader.decode(from: $0) }
            let metadataStart = position + FrameHeader.byteCount
            let payloadStart = metadataStart + header.metadataByteCount
            let end = payloadStart + header.payloadByteCount
            guard rest.count >= end else { break }
            position = end
            switch try rest[metadataStart..<payloadStart].withUnsafeBytes({ try reassembler.begin(header, metadata: $0) }) {
            case .message(let stream, _, let message, _, _, _): open[stream] = (message, [])
            case .continuation: break
            case .abort(let stream):
                open[stream] = nil
                continue
            }
            open[header.stream]?.payload += rest[payloadStart..<end]
            guard case .messageEnd(let stream) = try rest[payloadStart..<end].withUnsafeBytes({ try reassembler.received($0) }),
                let whole = open.removeValue(forKey: stream), let message = whole.message
            else { continue }
            arrivals.append(.init(message: message, payload: whole.payload))
        }
        rest.removeFirst(position)
        return arrivals
    }
}
