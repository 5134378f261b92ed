internal import Glibc
internal import Loops

/// A server's channel where peers encrypt: the first byte says whether this one does.
///
/// A peer that talks plain text is told what it needs in words that it understands; it is let in only where plain text is taken for the time of
/// a change (``ConnectionSecurity``).
final class OpeningChannel: ByteChannel {
    private enum State {
        case undecided
        case decided(any ByteChannel)
    }

    private let tls: TLSChannel
    /// Why plain text is not taken from this peer: for the peer, and for the log.
    private let plainObjection: (word: String, reason: String)?
    private var state: State = .undecided

    init(_ context: TLSContext, plainObjection: (word: String, reason: String)?) {
        tls = TLSChannel(context, isServer: true)
        self.plainObjection = plainObjection
    }

    private var inner: any ByteChannel { if case .decided(let channel) = state { channel } else { tls } }

    func handshake(on socket: Int32) -> ChannelHandshake {
        if case .decided(let channel) = state { return channel.handshake(on: socket) }
        let (outcome, first) = Self.firstByte(on: socket)
        if case .failure(EAGAIN) = outcome { return .waits(.readable) }
        // TLS says what it means, also of an end.
        guard first == Self.plainByte else { return decide(tls).handshake(on: socket) }
        _ = decide(PlainChannel())
        guard let plainObjection else { return .done }
        return .refused(plainObjection.word, SystemError(.notPermitted, plainObjection.reason))
    }

    func speaksAtOnce(on socket: Int32) -> Bool {
        if case .decided(let channel) = state { return channel.speaksAtOnce(on: socket) }
        return Self.firstByte(on: socket).byte == Self.plainByte
    }

    /// A frame's first byte is "A"; a record of TLS begins with 20 to 23.
    private static let plainByte = UInt8(ascii: "A")

    /// The first byte, which stays in the socket; `nil` where there is none.
    private static func firstByte(on socket: Int32) -> (outcome: Syscall.Outcome, byte: UInt8?) {
        var first: UInt8 = 0
        let outcome = Syscall.retry { recv(socket, &first, 1, Int32(MSG_PEEK)) }
        guard case .success(1) = outcome else { return (outcome, nil) }
        return (outcome, first)
    }

    private func decide(_ channel: any ByteChannel) -> any ByteChannel {
        state = .decided(channel)
        return channel
    }

    func read(into pieces: UnsafeMutableBufferPointer<iovec>, from socket: Int32) -> ChannelOutcome {
        inner.read(into: pieces, from: socket)
    }
    func write(_ pieces: UnsafeMutableBufferPointer<iovec>, to socket: Int32) -> ChannelOutcome { inner.write(pieces, to: socket) }
    func finishWriting(on socket: Int32) { inner.finishWriting(on: socket) }
    var hasBufferedInput: Bool { inner.hasBufferedInput }
    var hasBufferedOutput: Bool { inner.hasBufferedOutput }
    func flushOutput(on socket: Int32) { inner.flushOutput(on: socket) }
    func willClose(_ socket: Int32) { inner.willClose(socket) }
    var peerIdentity: PeerIdentity? { inner.peerIdentity }
    var cipherSuite: String? { inner.cipherSuite }
    var authenticatesBytes: Bool { inner.authenticatesBytes }
}
