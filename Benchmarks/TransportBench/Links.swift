import Base
import Glibc
import Loops
import Tensors
import Transport
import Wire

enum Process {
    /// CPU time of all threads.
    static var cpuSeconds: Double {
        var time = timespec()
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }

    static var residentBytes: Int {
        guard let file = fopen("/proc/self/statm", "r") else { return 0 }
        defer { fclose(file) }
        var line = [CChar](repeating: 0, count: 200)
        guard fgets(&line, 200, file) != nil else { return 0 }
        let words = String(decoding: line.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self).split(separator: " ")
        return (words.dropFirst().first.flatMap { Int($0) } ?? 0) * Int(sysconf(Int32(_SC_PAGESIZE)))
    }
}

struct BenchFailure: Error {
    let message: String
}

func run(_ loop: EventLoop, _ what: String, until condition: () -> Bool) throws {
    let deadline = Instant.current() + .seconds(60)
    while !condition() {
        guard Instant.current() < deadline else { throw BenchFailure(message: "\(what) did not happen within a minute") }
        try loop.runOnce(maximumWait: .milliseconds(100))
    }
}

/// Counts what it is told.
final class Tally: ConnectionHandler {
    var opened = 0
    var connections: [Connection] = []
    var onMessage: (Connection) -> Void = { _ in }
    var onOpen: (Connection) -> Void = { _ in }

    func connectionOpened(_ connection: Connection) {
        opened += 1
        connections.append(connection)
        onOpen(connection)
    }
    func connection(_: Connection, willReceive: Message, payloadByteCount: Int) -> PayloadDisposition {
        .accept(TensorStorage(byteCount: payloadByteCount))
    }
    func connection(_ connection: Connection, didReceive: Message, payload: TensorStorage?) { onMessage(connection) }
    func connectionClosed(_: Connection, reason: CloseReason) {}
}

/// Two loop threads with one connection between them.
final class Link {
    private let receiving: LoopThread
    private let sending: LoopThread
    private let results: EventLoop
    private let progress: Progress
    private let sender: SenderBox

    private final class Progress {
        var receivedCount = 0
    }

    /// ## Concurrency model
    /// Its connection is set and used by calls on the sending thread alone; the loop's mailbox puts them in order.
    private final class SenderBox: @unchecked Sendable {
        var connection: Connection?
    }

    init(options given: ConnectionOptions) throws {
        var options = given
        options.firstMessageTimeout = nil
        let shared = options
        results = try EventLoop()
        let progress = Progress()
        self.progress = progress
        var port: UInt16?
        var isOpen = false
        let listening = results.mailbox(capacity: 1) { (number: UInt16) in port = number }
        let connected = results.mailbox(capacity: 1) { (value: Bool) in isOpen = value }
        let received = results.mailbox(capacity: 4_096) { (count: Int) in progress.receivedCount += count }
        receiving = try LoopThread(name: "receiving") { loop in
            let tally = Tally()
            tally.onMessage = { _ in received.post(1) }
            guard let listener = try? Listener(loop: loop, address: .loopback(port: 0), options: shared, accept: { _ in tally })
            else {
                return
            }
            listening.post(listener.address.port)
        }
        try run(results, "listening") { port != nil }
        let address = SocketAddress.loopback(port: port ?? 0)
        let sender = SenderBox()
        self.sender = sender
        sending = try LoopThread(name: "sending") { loop in
            let tally = Tally()
            tally.onOpen = { _ in connected.post(true) }
            sender.connection = Connection.connect(
                loop: loop, to: address, timeout: .seconds(5), options: shared, handler: tally)
        }
        try run(results, "the connection") { isOpen }
    }

    /// Time from the first message's sending to the last one's whole arrival.
    func seconds(_ payload: TensorStorage, count: Int) throws -> Double {
        progress.receivedCount = 0
        let start = Instant.current()
        let digest = String(repeating: "ab", count: 32)
        let key = PartitionKey(modelDigest: digest, firstLayer: 0, endLayer: 1, toolchain: "bench", optimization: .o0)
        sending.execute { [sender] _ in
            for _ in 0..<count {
                sender.connection?.send(
                    .partitionData(PartitionData(key: key, contentDigest: digest)), payload: OutgoingPayload(payload))
            }
        }
        try run(results, "all messages") { progress.receivedCount == count }
        return Double((Instant.current() - start).nanoseconds) / 1e9
    }

    func end() {
        for thread in [sending, receiving] {
            thread.stop()
            thread.join()
        }
    }
}

/// Many connections of one loop, both ends.
final class Meetings {
    private let loop: EventLoop
    private let listener: Listener
    private let server = Tally()
    private let client = Tally()
    private let options: ConnectionOptions
    private let count: Int
    private var connections: [Connection] = []

    init(loop: EventLoop, options given: ConnectionOptions, clientOptions: ConnectionOptions? = nil, count: Int) throws {
        var options = given
        options.firstMessageTimeout = nil
        self.loop = loop
        self.count = count
        var client = clientOptions ?? options
        client.firstMessageTimeout = nil
        self.options = client
        let server = server
        let accepted = Accepted()
        listener = try Listener(loop: loop, address: .loopback(port: 0), options: options) { _ in
            accepted.count += 1
            return server
        }
        self.accepted = accepted
    }

    private final class Accepted {
        var count = 0
    }
    private let accepted: Accepted

    /// At most 50 at once, below what a listener's queue holds.
    func openAll() throws {
        while server.opened < count {
            while connections.count < min(count, server.opened + 50) { dial() }
            try loop.runOnce(maximumWait: .milliseconds(100))
        }
        try run(loop, "the clients' opening") { client.opened == count }
    }

    /// Until all are accepted, opened or not.
    func acceptAll() throws {
        while accepted.count < count {
            while connections.count < min(count, accepted.count + 50) { dial() }
            try loop.runOnce(maximumWait: .milliseconds(100))
        }
    }

    private func dial() {
        connections.append(
            Connection.connect(loop: loop, to: listener.address, timeout: .seconds(30), options: options, handler: client))
    }
}
