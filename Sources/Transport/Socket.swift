internal import Glibc

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
    convenience init(for address: SocketAddress) throws(TransportError) {
        let raw = try Syscall.check("making a socket for \(address)") {
            socket(address.family, Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue), Int32(IPPROTO_TCP))
        }
        self.init(owning: Int32(raw))
    }

    func set(_ level: Int32, _ option: Int32, _ value: Int32) throws(TransportError) {
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
        try? set(tcp, TCP_USER_TIMEOUT, Int32(clamping: options.unacknowledgedTimeout.wholeNanoseconds / 1_000_000))
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

    /// The kernel's newest measurement of how fast the peer receives, in bytes per second; `nil` before there is one.
    ///
    /// A measurement that was limited by our sending too little is kept by the kernel only where it is the higher one, so the value is a
    /// floor of the path's bandwidth at worst. glibc's `tcp_info` ends before this field of the kernel's (4.9 and later), hence the offset.
    var deliveryRate: Double? {
        // linux/tcp.h: struct tcp_info, tcpi_delivery_rate.
        information(at: 160, as: UInt64.self).flatMap { $0 == 0 ? nil : Double($0) }
    }

    /// The kernel's smoothed round trip of this connection in milliseconds; `nil` before there is one.
    var roundTripMilliseconds: Double? {
        // linux/tcp.h: struct tcp_info, tcpi_rtt, in microseconds.
        information(at: 68, as: UInt32.self).flatMap { $0 == 0 ? nil : Double($0) / 1000 }
    }

    /// A field of the kernel's `tcp_info`, which is longer than glibc's.
    private func information<T: BitwiseCopyable>(at offset: Int, as type: T.Type) -> T? {
        let size = offset + MemoryLayout<T>.size
        return withUnsafeTemporaryAllocation(byteCount: size, alignment: 8) { info in
            var length = socklen_t(size)
            guard getsockopt(rawValue, Int32(IPPROTO_TCP), TCP_INFO, info.baseAddress, &length) == 0, Int(length) >= size else {
                return nil
            }
            return info.load(fromByteOffset: offset, as: T.self)
        }
    }
}
