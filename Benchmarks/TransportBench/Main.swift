import Base
import Loops
import Tensors
import Transport

/// `TransportBench`: what TLS costs against plain text: a stream of messages of 1 MiB, handshakes, and the memory of idle connections, all over
/// loopback. It prints figures and judges none: `swift run -c release TransportBench [ROUNDS]`.
@main
enum TransportBench {
    static let messageByteCount = 1 << 20
    static let messageCount = 128

    static func main() throws {
        let rounds = CommandLine.arguments.dropFirst().first.flatMap { Int($0) } ?? 9
        // First, while no memory is free that others have left.
        try idleMemory()
        try streams(rounds: rounds)
        try handshakes()
    }

    /// Sender and receiver have a thread each. The kinds take turns, so that the machine's moods meet all alike; medians.
    private static func streams(rounds: Int) throws {
        var kinds: [(name: String, options: ConnectionOptions)] = [("plain", ConnectionOptions())]
        for cipher in TLSContext.Cipher.allCases { kinds.append(("\(cipher)", options(try context(cipher)))) }
        for count in [1, 16] {
            kinds.append(("aes128GCM, \(count) records a call", options(try context(.aes128GCM, blockRecords: count))))
        }
        let links = try kinds.map { try Link(options: $0.options) }
        let payload = TensorStorage(copying: (0..<messageByteCount).map { UInt8(truncatingIfNeeded: $0 &* 2_654_435_761 >> 7) })
        var wall = [[Double]](repeating: [], count: kinds.count)
        var cpu = wall
        for round in 0...rounds {
            for (index, link) in links.enumerated() {
                let before = Process.cpuSeconds
                let seconds = try link.seconds(payload, count: messageCount)
                // The first fills caches and windows.
                guard round > 0 else { continue }
                wall[index].append(seconds)
                cpu[index].append(Process.cpuSeconds - before)
            }
        }
        let megabytes = Double(messageByteCount * messageCount) / 1e6
        for (index, kind) in kinds.enumerated() {
            let rate = Int(megabytes / median(wall[index]))
            // The least: what others do at the same time on the same caches only adds to it.
            let cost = ((cpu[index].min() ?? 0) / megabytes * 1e6).rounded()
            print("1 MiB messages, \(kind.name): \(rate) MB/s; both ends' CPU at best \(Int(cost)) µs a MB")
        }
        for link in links { link.end() }
    }

    private static func handshakes() throws {
        for (name, options) in [("plain", ConnectionOptions()), ("TLS", options(try context(.aes128GCM)))] {
            var seconds: [Double] = []
            var cpu: [Double] = []
            let count = 200
            for _ in 0..<5 {
                let loop = try EventLoop()
                let meeting = try Meetings(loop: loop, options: options, count: count)
                let before = Process.cpuSeconds
                let start = Instant.current()
                try meeting.openAll()
                seconds.append(Double((Instant.current() - start).nanoseconds) / 1e9)
                cpu.append(Process.cpuSeconds - before)
                loop.shutDown()
            }
            let rate = Int(Double(count) / median(seconds))
            let cost = Int(median(cpu) / Double(count) * 1e6)
            print("connections, \(name), both ends on one thread: \(rate)/s; CPU \(cost) µs each")
        }
    }

    /// Resident memory, both ends in this process; each kind's connections are kept, so that the next one's stand in fresh memory.
    private static func idleMemory() throws {
        // Below what a listener takes of strangers from one address.
        let count = 200
        let tls = try context(.aes128GCM)
        var kept: [Meetings] = []
        for (name, server, client, isOpen) in [
            ("plain, open", ConnectionOptions(), ConnectionOptions(), true),
            ("a TLS server's before the first byte, and a plain client's", options(tls), ConnectionOptions(), false),
            ("TLS, open", options(tls), options(tls), true),
        ] {
            let loop = try EventLoop()
            let meeting = try Meetings(loop: loop, options: server, clientOptions: client, count: count)
            let before = Process.residentBytes
            if isOpen { try meeting.openAll() } else { try meeting.acceptAll() }
            let bytes = Double(Process.residentBytes - before) / Double(count)
            print("idle connections, both ends, \(name): \((bytes / 102.4).rounded() / 10) KiB")
            kept.append(meeting)
        }
        withExtendedLifetime(kept) {}
    }

    static func context(_ cipher: TLSContext.Cipher, blockRecords: Int? = nil) throws -> TLSContext {
        let key = try PreSharedKey(PeerIdentity(.cluster), secret: [UInt8](repeating: 7, count: 32))
        guard let blockRecords else { return try TLSContext(keys: [key], ciphers: [cipher]) }
        return try TLSContext(
            keys: [key], ciphers: [cipher], protocolName: TLSContext.protocolName, recordsPerKey: 1 << 23,
            blockRecords: blockRecords)
    }

    static func options(_ context: TLSContext) -> ConnectionOptions {
        var options = ConnectionOptions()
        options.makeChannel = { isServer, _ in context.makeChannel(isServer: isServer) }
        return options
    }

    static func median(_ values: [Double]) -> Double { values.sorted()[values.count / 2] }
}
