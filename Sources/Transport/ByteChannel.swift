public import Glibc
public import Loops

/// The bytes of one connection over its socket: plain TCP now, TLS 1.3 without any change for the users of ``Connection``, whose
/// ``ConnectionOptions/makeChannel`` gives the channel.
///
/// A channel never blocks. Where it cannot go on it says which readiness of the *socket* it waits for, and that may cross over: a TLS
/// read can wait for room to write (a key update) and a write for bytes to read. The connection calls again when that comes. A write that
/// had to wait is offered again with at least the same bytes from the same place, as `SSL_write` demands.
public protocol ByteChannel: AnyObject {
    /// Takes the opening's next step; called again after each wait until it is done. No other method is called before.
    func handshake(on socket: Int32) -> ChannelHandshake
    /// Fills the pieces in order. A short count says nothing about what follows: the connection asks again.
    func read(into pieces: UnsafeMutableBufferPointer<iovec>, from socket: Int32) -> ChannelOutcome
    /// Writes a front part of the pieces.
    func write(_ pieces: UnsafeMutableBufferPointer<iovec>, to socket: Int32) -> ChannelOutcome
    /// Says that nothing more will be written (close_notify, FIN). Reading goes on.
    func finishWriting(on socket: Int32)
    /// Whether decrypted bytes are inside, which the socket's readiness does not tell of.
    var hasBufferedInput: Bool { get }
    /// Whether it has something of its own to say (an answer within TLS, its last word) that the socket had no room for.
    var hasBufferedOutput: Bool { get }
    /// Writes that, when there is room.
    func flushOutput(on socket: Int32)
    /// The socket is closed after this: a last word, as far as the socket takes it at once.
    func willClose(_ socket: Int32)
    /// Who the peer has proved to be; `nil` before the handshake is done, and where nobody has to prove anything.
    var peerIdentity: PeerIdentity? { get }
    /// The cipher suite of TLS, as RFC 8446 writes it; `nil` in plain text, and before the handshake is done.
    var cipherSuite: String? { get }
    /// Whether a changed byte ends the connection: then payloads need no checksums of their own, which each end would compute over every byte.
    /// Asked after the handshake.
    var authenticatesBytes: Bool { get }
    /// Of a server's that was just accepted: whether a word reaches the peer without its taking part.
    func speaksAtOnce(on socket: Int32) -> Bool
    /// Of a client's handshake that failed: the peer went, or spoke, as one does that talks plain text.
    var endedAsPlainPeersDo: Bool { get }
}

/// What a channel without words of its own needs not say.
extension ByteChannel {
    public var hasBufferedOutput: Bool { false }
    public func flushOutput(on socket: Int32) {}
    public func willClose(_ socket: Int32) {}
    public var peerIdentity: PeerIdentity? { nil }
    public var cipherSuite: String? { nil }
    public var authenticatesBytes: Bool { false }
    public func speaksAtOnce(on socket: Int32) -> Bool { true }
    public var endedAsPlainPeersDo: Bool { false }
}

public enum ChannelHandshake: Sendable {
    case done
    case waits(SocketReadiness)
    case failed(SystemError)
    /// The peer talks plain text, and this process wants it encrypted: `word` is for the peer, in plain text; the error is for this side.
    case refused(_ word: String, SystemError)
}

public enum ChannelOutcome: Sendable {
    case bytes(Int)
    case waits(SocketReadiness)
    /// Reading only: the peer has ended its side in order.
    case endOfStream
    case failed(SystemError)
}

/// What a channel waits for.
public enum SocketReadiness: Sendable { case readable, writable }

/// TCP as it is.
public final class PlainChannel: ByteChannel {
    public init() {}

    public func handshake(on socket: Int32) -> ChannelHandshake { .done }

    public func read(into pieces: UnsafeMutableBufferPointer<iovec>, from socket: Int32) -> ChannelOutcome {
        switch Syscall.retry({ readv(socket, pieces.baseAddress, Int32(pieces.count)) }) {
        case .success(0): .endOfStream
        case .success(let count): .bytes(count)
        case .failure(EAGAIN): .waits(.readable)
        case .failure(let reason): .failed(SystemError("reading from the peer", systemError: reason))
        }
    }

    public func write(_ pieces: UnsafeMutableBufferPointer<iovec>, to socket: Int32) -> ChannelOutcome {
        var message = msghdr()
        message.msg_iov = pieces.baseAddress
        message.msg_iovlen = pieces.count
        // `sendmsg` and not `writev`, which would raise SIGPIPE on a closed connection.
        switch Syscall.retry({ sendmsg(socket, &message, Int32(MSG_NOSIGNAL)) }) {
        case .success(let count): return .bytes(count)
        case .failure(EAGAIN): return .waits(.writable)
        case .failure(let reason): return .failed(SystemError("writing to the peer", systemError: reason))
        }
    }

    public func finishWriting(on socket: Int32) { _ = shutdown(socket, Int32(SHUT_WR)) }

    public var hasBufferedInput: Bool { false }
}
