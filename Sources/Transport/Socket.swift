internal import Base
internal import Glibc
internal import Loops

/// A TCP socket: options and questions. Closed with its last reference.
final class Socket {
    /// Keepalive on a silent connection: asked after one second, then each second. What decides how long a peer may stay away is
    /// ``ConnectionOptions/unacknowledgedTimeout``, which the kernel puts before the number of probes; with two seconds, the limit between
    /// the cluster's processes, a cable that was pulled is noticed after two.
    private static let keepAliveIdleSeconds: Int32 = 1
    private static let keepAliveIntervalSeconds: Int32 = 1
    /// For kernels that do not know the timeout.
    private static let keepAliveProbes: Int32 = 2

    let descriptor: Descriptor
    var rawValue: Int32 { descriptor.rawValue }

    init(owning rawValue: Int32) { descriptor = Descriptor(owning: rawValue) }

    /// A fresh non-blocking TCP socket for addresses like `address`.
    convenience init(for address: SocketAddress) throws(SystemError) {
        let raw = try Syscall.check("making a socket for \(address)") {
            socket(address.family, Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue), Int32(IPPROTO_TCP))
        }
        self.init(owning: Int32(raw))
    }

    func set(_ level: Int32, _ option: Int32, _ value: Int32) throws(SystemError) {
        var value = value
        try Syscall.check("setting socket option \(option) of level \(level) to \(value)") {
            setsockopt(rawValue, level, option, &value, socklen_t(MemoryLayout<Int32>.size))
        }
    }

    /// What every connection has. An option that a kernel lacks is no reason to live without the connection.
    func configure(_ options: ConnectionOptions) {
        let tcp = Int32(IPPROTO_TCP)
        try? set(tcp, TCP_NODELAY, 1)
        try? set(SOL_SOCKET, SO_KEEPALIVE, 1)
        try? set(tcp, TCP_KEEPIDLE, Self.keepAliveIdleSeconds)
        try? set(tcp, TCP_KEEPINTVL, Self.keepAliveIntervalSeconds)
        try? set(tcp, TCP_KEEPCNT, Self.keepAliveProbes)
        try? set(tcp, TCP_USER_TIMEOUT, Int32(clamping: options.unacknowledgedTimeout.nanoseconds / 1_000_000))
        try? set(tcp, TCP_NOTSENT_LOWAT, Int32(clamping: options.unsentByteLimit))
        if let size = options.socketBufferByteCount {
            try? set(SOL_SOCKET, SO_SNDBUF, Int32(clamping: size))
            try? set(SOL_SOCKET, SO_RCVBUF, Int32(clamping: size))
        }
    }

    /// The error that an asynchronous connect ended with, 0 for none.
    func takeError() -> Int32 {
        var error: Int32 = 0
        var length = socklen_t(MemoryLayout<Int32>.size)
        guard getsockopt(rawValue, SOL_SOCKET, SO_ERROR, &error, &length) == 0 else { return errno }
        return error
    }

    var localAddress: SocketAddress? { SocketAddress.read { getsockname(rawValue, $0, $1) }.address }
    var peerAddress: SocketAddress? { SocketAddress.read { getpeername(rawValue, $0, $1) }.address }

    /// What the kernel has measured of the way to the peer, in one call.
    ///
    /// glibc's `tcp_info` ends before the kernel's (4.9 and later) does, hence the offsets of linux/tcp.h.
    var path: PathFigures {
        let (roundTripOffset, rateOffset, size) = (68, 160, 168)
        return withUnsafeTemporaryAllocation(byteCount: size, alignment: 8) { info in
            var length = socklen_t(size)
            guard getsockopt(rawValue, Int32(IPPROTO_TCP), TCP_INFO, info.baseAddress, &length) == 0 else { return PathFigures() }
            func field<T: FixedWidthInteger>(_ offset: Int, _ type: T.Type) -> Double? {
                guard Int(length) >= offset + MemoryLayout<T>.size else { return nil }
                let value = info.load(fromByteOffset: offset, as: T.self)
                return value == 0 ? nil : Double(value)
            }
            // tcpi_delivery_rate; tcpi_rtt, in microseconds.
            return PathFigures(
                deliveryRate: field(rateOffset, UInt64.self), roundTripMs: field(roundTripOffset, UInt32.self).map { $0 / 1000 })
        }
    }
}

/// What the kernel has measured of a connection's way; `nil` before there is a measurement.
public struct PathFigures: Sendable, Hashable {
    /// How fast the peer takes our bytes, in bytes per second. A measurement that was limited by our sending too little is kept by the kernel only
    /// where it is the higher one, so the value is a floor of the path's bandwidth at worst.
    public var deliveryRate: Double?
    /// The smoothed round trip.
    public var roundTripMs: Double?

    public init(deliveryRate: Double? = nil, roundTripMs: Double? = nil) {
        self.deliveryRate = deliveryRate
        self.roundTripMs = roundTripMs
    }
}
