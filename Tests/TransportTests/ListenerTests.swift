import Glibc
import Tensors
import Testing
import Transport
import Wire

@Suite struct ListenerTests {
    @Test func aPortInUseIsNamedWithTheFix() throws {
        let loop = try EventLoop()
        let first = try Listener(loop: loop, address: .loopback(port: 0)) { _ in Recorder() }
        let port = first.address.port
        #expect(port != 0)
        let error = #expect(throws: TransportError.self) {
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

    @Test func aProcessOutOfDescriptorsTurnsPeersAwayAndGoesOn() async {
        await #expect(processExitsWith: .success) {
            let server = try Server()
            var first: RawClient? = try RawClient(port: server.listener.address.port)
            try first?.write(frame(ping(1)))
            try run(server.loop, "the first connection") { server.recorder.received.count == 1 }
            var sockets = [socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)]
            // From here on the process has no descriptors; the clients' sockets were made before.
            let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
            var before = rlimit()
            getrlimit(resource, &before)
            var limit = rlimit(rlim_cur: rlim_t(sockets[0]) + 1, rlim_max: before.rlim_max)
            setrlimit(resource, &limit)
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_port = server.listener.address.port.bigEndian
            address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
            _ = withUnsafeBytes(of: &address) {
                connect(
                    sockets[0], $0.baseAddress?.assumingMemoryBound(to: sockaddr.self),
                    socklen_t(MemoryLayout<sockaddr_in>.size))
            }
            var byte: UInt8 = 0
            var count = 0
            try run(server.loop, "the turning away") {
                count = recv(sockets[0], &byte, 1, Int32(MSG_DONTWAIT))
                return count == 0 || (count < 0 && errno != EAGAIN)
            }
            // The shortage is over, for whichever thread of this process wants descriptors, and the next peer is served.
            setrlimit(resource, &before)
            first?.close()
            first = nil
            close(sockets.removeLast())
            try run(server.loop, "the first one's end") { server.recorder.closed.count == 1 }
            let next = try RawClient(port: server.listener.address.port)
            try next.write(frame(ping(2)))
            try run(server.loop, "the next connection") { server.recorder.received.count == 2 }
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
