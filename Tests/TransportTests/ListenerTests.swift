import Base
import Glibc
import Loops
import Tensors
import Testing
import Transport
import Wire

/// What a listener tells of shortages, and when.
private final class ShortageLog {
    private let interval: Duration
    private var reports: [(shortage: Listener.Shortage, time: Instant)] = []

    init(of listener: Listener, each interval: Duration) {
        self.interval = interval
        listener.shortageInterval = interval
        listener.onShortage = { [weak self] in self?.reports.append(($0, .current())) }
    }

    var turnedAway: Int { reports.reduce(0) { $0 + $1.shortage.turnedAway } }

    /// The first of many is told alone and at once.
    func saysFirst(_ words: String) -> Bool {
        reports.first?.shortage.turnedAway == 1 && reports.first?.shortage.cause.contains(words) == true
    }

    /// However long the test takes on a slow machine.
    var keepsItsInterval: Bool { zip(reports, reports.dropFirst()).allSatisfy { $1.time - $0.time >= interval } }
}

@Suite struct ListenerTests {
    @Test func aPortInUseIsNamedWithTheFix() throws {
        let loop = try EventLoop()
        let first = try Listener(loop: loop, address: .loopback(port: 0)) { _ in Recorder() }
        let port = first.address.port
        #expect(port != 0)
        let error = #expect(throws: SystemError.self) {
            try Listener(loop: loop, address: .loopback(port: port)) { _ in Recorder() }
        }
        #expect(error?.code == .addressInUse)
        #expect(error?.message.contains("port \(port) is in use") == true)
        first.close()
        // A restarted process gets its port back.
        let second = try Listener(loop: loop, address: .loopback(port: port)) { _ in Recorder() }
        #expect(second.address.port == port)
        loop.shutDown()
    }

    @Test func twoHundredConnectionsAreServed() throws {
        let server = try Server()
        server.recorder.onMessage = { connection, message, payload in
            connection.send(message, payload: payload.map { OutgoingPayload($0) } ?? .empty)
        }
        let client = Recorder()
        let payload = pattern(50_000, seed: 4)
        let connections = (0..<200).map { number in
            let connection = Connection.connect(
                loop: server.loop, to: server.listener.address, timeout: .seconds(30), handler: client)
            connection.send(archive(number), payload: OutgoingPayload(payload))
            return connection
        }
        try run(server.loop, "all echoes") { client.received.count == 200 }
        #expect(client.received.allSatisfy { isEqual($0.payload, payload) })
        #expect(Set(client.received.map(\.message)).count == 200)
        #expect(server.listener.connectionCount == 200)
        for connection in connections { connection.close(.requested("done")) }
        try run(server.loop, "all ends") { server.recorder.closed.count == 200 && client.closed.count == 200 }
        #expect(server.listener.connectionCount == 0)
        #expect(client.closed.allSatisfy { $0 == .requested("done") })
        #expect(server.recorder.closed.allSatisfy { $0 == .peerClosed })
    }

    @Test func connectionsOverTheLimitAreToldSo() throws {
        let server = try Server(maximumConnectionCount: 2)
        let clients = (0..<3).map { _ in Recorder() }
        var connections: [Connection] = []
        for client in clients {
            let connection = Connection.connect(
                loop: server.loop, to: server.listener.address, timeout: .seconds(5), handler: client)
            connection.send(ping(1))
            connections.append(connection)
            try run(server.loop, "the opening") {
                client.opened == 1 && server.recorder.received.count == min(connections.count, 2)
            }
        }
        try run(server.loop, "the refusal") { clients[2].closed.count == 1 && server.recorder.received.count == 2 }
        guard case .refused(let refusal)? = clients[2].received.first?.message else {
            Issue.record("no refusal came")
            return
        }
        #expect(refusal.code == .resourceExhausted && refusal.message.contains("2 connections"))
        #expect(server.listener.connectionCount == 2)
        // Room again: the next one is served.
        connections[0].close(.requested("making room"))
        try run(server.loop, "the room") { server.listener.connectionCount == 1 }
        let late = Recorder()
        let last = Connection.connect(loop: server.loop, to: server.listener.address, timeout: .seconds(5), handler: late)
        last.send(ping(2))
        try run(server.loop, "the late one") { server.recorder.received.count == 3 }
    }

    @Test func aProcessOutOfDescriptorsTellsPeersWhyAndGoesOn() async {
        await #expect(processExitsWith: .success) {
            let server = try Server()
            let log = ShortageLog(of: server.listener, each: .milliseconds(300))
            let port = server.listener.address.port
            let first = try RawClient(port: port)
            try first.write(frame(ping(1)))
            try run(server.loop, "the first connection") { server.recorder.received.count == 1 }
            // From here on the process has no descriptors; the clients' sockets were made before.
            let clients = (0..<4).map { _ in RawClient() }
            let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
            var before = rlimit()
            getrlimit(resource, &before)
            var limit = rlimit(rlim_cur: rlim_t(clients[3].descriptor) + 1, rlim_max: before.rlim_max)
            setrlimit(resource, &limit)
            // Each gets the words, so what was given up for the one before was taken again; whether the hello has come or not.
            for (number, client) in clients.enumerated() {
                // Other threads of a test's process give descriptors back at any time.
                while open("/dev/null", O_RDONLY | O_CLOEXEC) >= 0 {}
                try client.connect(port: port)
                if number.isMultiple(of: 2) { try client.write(frame(ping(2))) }
                var said: [UInt8] = []
                try run(server.loop, "the turning away") {
                    guard let piece = client.readAvailable() else { return true }
                    said += piece
                    return false
                }
                let text = String(decoding: said, as: UTF8.self)
                try #require(
                    text.contains("its limit is \(limit.rlim_cur)); raise it (ulimit -n;"), "client \(number) got: \(text)")
            }
            try run(server.loop, "all reports") { log.turnedAway == clients.count }
            try #require(log.saysFirst("ulimit -n") && log.keepsItsInterval)
            // The shortage is over, for whichever thread of this process wants descriptors, and the next peer is served.
            setrlimit(resource, &before)
            // Whoever was taken in with a descriptor that came back, and let go for the next, is told of here too.
            let ended = server.recorder.closed.count
            first.close()
            for client in clients { client.close() }
            try run(server.loop, "the first one's end") { server.recorder.closed.count == ended + 1 }
            let next = try RawClient(port: port)
            try next.write(frame(ping(2)))
            try run(server.loop, "the next connection") { server.recorder.received.count == 2 }
        }
    }

    @Test func theLogHearsOfAFullListenerOnceInAWhile() throws {
        let server = try Server(maximumConnectionCount: 1)
        let log = ShortageLog(of: server.listener, each: .seconds(1))
        let first = try RawClient(port: server.listener.address.port)
        try first.write(frame(ping(1)))
        try run(server.loop, "the first connection") { server.recorder.received.count == 1 }
        // More than are waited for: none of them reads what it is told before all have it.
        let others = try (0..<100).map { _ in try RawClient(port: server.listener.address.port) }
        try run(server.loop, "all reports") { log.turnedAway == others.count }
        #expect(log.saysFirst("1 connections are open, which is the limit") && log.keepsItsInterval)
        for client in others {
            let said = String(decoding: client.readAvailable() ?? [], as: UTF8.self)
            #expect(said.contains("1 connections are open"))
        }
    }

    @Test func silentConnectionsOfOneAddressMakeRoomForEachOther() throws {
        // Room for 16: an address may have two that have said nothing.
        let server = try Server(maximumConnectionCount: 16)
        let clients = try (0..<5).map { _ in try RawClient(port: server.listener.address.port) }
        try run(server.loop, "the oldest three are let go") {
            clients.prefix(3).allSatisfy { $0.readAvailable() == nil } && server.listener.connectionCount == 2
        }
        // They went with a word, and who speaks is counted no more.
        for client in clients.suffix(2) {
            try client.write(frame(ping(1)))
            try run(server.loop, "its word") { server.recorder.received.count >= 1 }
        }
        try run(server.loop, "both words") { server.recorder.received.count == 2 }
        let others = try (0..<2).map { _ in try RawClient(port: server.listener.address.port) }
        try run(server.loop, "two more") { server.listener.connectionCount == 4 }
        #expect(others.allSatisfy { $0.readAvailable() == [] } && clients.suffix(2).allSatisfy { $0.readAvailable() == [] })
    }

    @Test func aFullListenerAsksWhoIsNotNeeded() throws {
        let server = try Server(maximumConnectionCount: 2)
        var needed = false
        // Not the server itself: it has the listener, which would have it.
        server.listener.makeRoom = { [recorder = server.recorder] in
            guard !needed, let idle = recorder.connections.first(where: \.isOpen) else { return false }
            idle.dismiss(.resourceExhausted, "the one that was idle for longest makes room")
            return true
        }
        let clients = (0..<4).map { _ in Recorder() }
        for (index, client) in clients.enumerated() {
            needed = index == 3
            let connection = Connection.connect(
                loop: server.loop, to: server.listener.address, timeout: .seconds(5), handler: client)
            connection.send(ping(UInt64(index)))
            try run(server.loop, "its word or its refusal") {
                server.recorder.received.count == index + 1 || needed && !client.closed.isEmpty
            }
        }
        guard case .refused(let first)? = clients[0].received.first?.message,
            case .refused(let last)? = clients[3].received.first?.message
        else {
            Issue.record("no refusals came")
            return
        }
        #expect(first.message.contains("makes room") && last.message.contains("2 connections"))
        #expect(clients[1].closed.isEmpty && clients[2].closed.isEmpty && server.listener.connectionCount == 2)
    }
}
