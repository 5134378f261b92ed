import Base
import Glibc
import Loops
import Synchronization
import Tensors
import Testing
import Transport
import Wire

/// What frames, checksums and the loop cost against the same bytes through bare sockets.
///
/// Set `AMP4EC_BENCHMARK` to run it: a shared machine's noise does not belong in every test run.
@Suite(.serialized, .enabled(if: getenv("AMP4EC_BENCHMARK") != nil)) struct ThroughputTests {
    private static let messageCount = 64
    private static let messageByteCount = 1 << 20
    private static let rounds = 41

    /// Far from the tenth more that is the goal and that this prints: it fails where something is badly wrong, not by a machine's mood.
    private static let mostByBare = 1.5

    /// Both sides with a thread of their own, on both. Interleaved, so that the machine's moods meet both alike; medians.
    @Test func framesCostAtMostHalfAsMuchAgainAsBareSockets() throws {
        let storages = (0..<Self.messageCount).map { pattern(Self.messageByteCount, seed: UInt64($0)) }
        let framed = try FramedLink(expected: Self.messageCount)
        defer { framed.end() }
        var bare: [Double] = []
        var ours: [Double] = []
        var bareCPU: [Double] = []
        var oursCPU: [Double] = []
        for _ in 0..<Self.rounds {
            let first = Self.processSeconds()
            bare.append(try Self.bareSeconds(storages))
            let second = Self.processSeconds()
            ours.append(try framed.seconds(storages))
            bareCPU.append(second - first)
            oursCPU.append(Self.processSeconds() - second)
        }
        let ratio = median(oursCPU) / median(bareCPU)
        let bytes = Double(Self.messageCount * Self.messageByteCount)
        func rate(_ seconds: [Double]) -> Int { Int(bytes / median(seconds) / 1e6) }
        print("CPU: bare \(median(bareCPU) * 1e3) ms, framed \(median(oursCPU) * 1e3) ms, ratio \(ratio)")
        print("bare \(rate(bare)) MB/s, framed \(rate(ours)) MB/s, time ratio \(median(ours) / median(bare))")
        // CPU time, as wall time on a shared machine says little.
        #expect(ratio < Self.mostByBare)
    }

    /// CPU time of all threads of the process.
    private static func processSeconds() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }

    private func median(_ values: [Double]) -> Double { values.sorted()[values.count / 2] }

    /// The same pieces written with `writev` and read with `read` into fresh aligned memory of their own, no framing, no checks.
    private static func bareSeconds(_ storages: [TensorStorage]) throws -> Double {
        let listening = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(listening) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        withUnsafeMutableBytes(of: &address) { bytes in
            guard let system = bytes.baseAddress?.assumingMemoryBound(to: sockaddr.self) else { return }
            bind(listening, system, length)
            listen(listening, 1)
            getsockname(listening, system, &length)
        }
        let client = try RawClient(port: UInt16(bigEndian: address.sin_port))
        var one: Int32 = 1
        setsockopt(client.descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &one, socklen_t(MemoryLayout<Int32>.size))
        let accepted = accept(listening, nil, nil)
        defer { close(accepted) }
        let reader = try TaskQueue(name: "bare", threadCount: 1, capacity: 1)
        let ended = Mutex<Instant?>(nil)
        let count = messageCount
        let size = messageByteCount
        reader.submit {
            for _ in 0..<count {
                let target = TensorStorage(byteCount: size)
                var got = 0
                while got < size {
                    let read = Glibc.read(accepted, target.pointer + got, size - got)
                    guard read > 0 else { return }
                    got += read
                }
            }
            ended.withLock { $0 = .current() }
        }
        let start = Instant.current()
        for storage in storages {
            var sent = 0
            while sent < size {
                var piece = iovec(iov_base: storage.pointer + sent, iov_len: size - sent)
                let written = writev(client.descriptor, &piece, 1)
                try #require(written > 0)
                sent += written
            }
        }
        reader.shutDown()
        let end = try #require(ended.withLock { $0 })
        return Double((end - start).nanoseconds) / 1e9
    }
}

/// Two loop threads with one connection between them.
private final class FramedLink {
    private let receiving: LoopThread
    private let sending: LoopThread
    private let results: EventLoop
    private let ends: Box<Instant>
    private let connected: Mailbox<Bool>

    /// Lives on the sending thread only.
    private final class Sender: ConnectionHandler {
        // Set and read by calls on the sending thread alone; the loop's mailbox puts them in order.
        nonisolated(unsafe) static var current: Connection?
        let connected: Mailbox<Bool>
        init(connected: Mailbox<Bool>) { self.connected = connected }
        func connectionOpened(_ connection: Connection) { connected.post(true) }
        func connection(_: Connection, willReceive: Message, payloadByteCount: Int) -> PayloadDisposition { .discard }
        func connection(_: Connection, didReceive: Message, payload: TensorStorage?) {}
        func connectionClosed(_: Connection, reason: CloseReason) { Sender.current = nil }
    }

    init(expected: Int) throws {
        results = try EventLoop()
        ends = Box()
        let ends = ends
        let ended = results.mailbox(capacity: 1) { (time: Instant) in ends.value = time }
        var port: UInt16?
        let listening = results.mailbox(capacity: 1) { port = $0 }
        receiving = try LoopThread(name: "receiving") { loop in
            let recorder = Recorder()
            var count = 0
            recorder.onMessage = { _, _, _ in
                recorder.received.removeAll()
                count += 1
                if count % expected == 0 { ended.post(.current()) }
            }
            var options = ConnectionOptions()
            options.firstMessageTimeout = nil
            guard let listener = try? Listener(loop: loop, address: .loopback(port: 0), options: options, accept: { _ in recorder })
            else { return }
            listening.post(listener.address.port)
        }
        try run(results, "listening") { port != nil }
        let address = SocketAddress.loopback(port: try #require(port))
        var isOpen = false
        let connected = results.mailbox(capacity: 1) { isOpen = $0 }
        self.connected = connected
        sending = try LoopThread(name: "sending") { loop in
            var options = ConnectionOptions()
            options.firstMessageTimeout = nil
            Sender.current = Connection.connect(
                loop: loop, to: address, timeout: .seconds(5), options: options, handler: Sender(connected: connected))
        }
        try run(results, "the connection") { isOpen }
    }

    func seconds(_ storages: [TensorStorage]) throws -> Double {
        ends.value = nil
        let start = Instant.current()
        sending.execute { _ in
            for (number, storage) in storages.enumerated() {
                Sender.current?.send(archive(number), payload: OutgoingPayload(storage))
            }
        }
        try run(results, "all messages") { ends.value != nil }
        return Double((try #require(ends.value) - start).nanoseconds) / 1e9
    }

    func end() {
        for thread in [sending, receiving] {
            thread.stop()
            thread.join()
        }
    }
}
