import Base
import Foundation
import Glibc

/// A connection of one test to the server, byte by byte.
final class RawHTTP {
    struct Failure: Error, CustomStringConvertible { let description: String }

    /// What a hung server must not outlast.
    private static let receiveLimitSeconds = 10

    private let descriptor: Int32

    init(_ text: String) throws {
        let parts = text.split(separator: ":")
        guard parts.count == 2, let port = UInt16(parts[1]), case .v4(let bits) = IPAddress(parts[0]) else {
            throw Failure(description: "\(text) is no IPv4 address with a port")
        }
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var limit = timeval(tv_sec: Self.receiveLimitSeconds, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        var place = sockaddr_in()
        place.sin_family = sa_family_t(AF_INET)
        place.sin_port = port.bigEndian
        place.sin_addr.s_addr = bits.bigEndian
        let status = withUnsafePointer(to: &place) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard status == 0 else { throw Failure(description: "cannot connect to \(text): \(String(cString: strerror(errno)))") }
    }

    deinit { close(descriptor) }

    /// - Returns: `false` when the other end has closed.
    @discardableResult func send(_ bytes: [UInt8]) -> Bool {
        var sent = 0
        while sent < bytes.count {
            let count = bytes[sent...].withUnsafeBytes { Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            if count <= 0 { return false }
            sent += count
        }
        return true
    }

    @discardableResult func send(_ text: String) -> Bool { send(Array(text.utf8)) }

    /// Closes with a reset once it goes, whatever is under way.
    func reset() {
        var linger = linger(l_onoff: 1, l_linger: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout<Glibc.linger>.size))
    }

    /// Sends nothing more, and reads on.
    func endSending() { shutdown(descriptor, Int32(SHUT_WR)) }

    /// Whether something can be read, or the other end has closed, within the time.
    func hears(within limitMs: Int32) -> Bool {
        var wait = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        return poll(&wait, 1, limitMs) > 0
    }

    /// All that comes until the other end closes.
    func readToEnd() throws -> String { String(decoding: try readBytesToEnd(), as: UTF8.self) }

    func readBytesToEnd() throws -> [UInt8] {
        var bytes: [UInt8] = []
        while let more = try read() { bytes += more }
        return bytes
    }

    /// Until `isEnough` of what has come so far.
    func read(until isEnough: (String) -> Bool) throws -> String {
        String(decoding: try readBytes { isEnough(String(decoding: $0, as: UTF8.self)) }, as: UTF8.self)
    }

    func readBytes(until isEnough: ([UInt8]) -> Bool) throws -> [UInt8] {
        var bytes: [UInt8] = []
        while !isEnough(bytes) {
            guard let more = try read() else {
                throw Failure(description: "closed after \(String(decoding: bytes, as: UTF8.self))")
            }
            bytes += more
        }
        return bytes
    }

    private func read() throws -> [UInt8]? {
        var buffer = [UInt8](repeating: 0, count: 65_536)
        let count = recv(descriptor, &buffer, buffer.count, 0)
        if count > 0 { return Array(buffer[..<count]) }
        // A reset after the reply is an end too.
        if count == 0 || errno == ECONNRESET { return nil }
        throw Failure(description: "nothing came: \(String(cString: strerror(errno)))")
    }

    /// One request on a connection of its own, to the connection's end.
    static func once(_ address: String, _ request: String) throws -> String {
        let connection = try RawHTTP(address)
        connection.send(request)
        return try connection.readToEnd()
    }
}
