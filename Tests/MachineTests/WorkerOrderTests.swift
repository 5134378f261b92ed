import Base
import Cluster
import Testing
import Wire

/// Whose orders and archives count, and of which models.
@Suite("worker: orders to load")
struct WorkerOrderTests {
    private typealias W = WorkerDriver
    private static let other = W.partition(4, 8)

    /// Held, with an order for `other` whose archive is not here.
    private func waiting() -> WorkerDriver {
        var driver = W.serving()
        driver.step(.received(W.control, .loadPartition(W.order(Self.other))))
        driver.step(.loadFailed(Self.other, .failedPrecondition, "not in the store"))
        return driver
    }

    @Test("an archive counts from the holder's data connection, and only if it was asked for")
    func archives() {
        var driver = waiting()
        driver.step(.opened(ConnectionID(9), driver.peerHello()))
        driver.step(.received(W.control, .peerTable(W.table(5, [W.peer("u", incarnation: 50)]))))
        #expect(driver.machine.takesWork(from: ConnectionID(9)))
        #expect(driver.machine.takesArchive(of: Self.other, from: W.data) == .awaited)
        #expect(driver.machine.takesArchive(of: W.partition, from: W.data) == .unasked)
        #expect(driver.machine.takesArchive(of: W.partition(8, 9), from: W.data) == .unasked)
        // A worker whose work is taken, the control connection, and nobody.
        for connection in [ConnectionID(9), W.control, ConnectionID(77)] {
            #expect(driver.machine.takesArchive(of: Self.other, from: connection) == .stranger)
        }
    }

    @Test("a second coordinator's archive does not count, whatever it says in its hello")
    func second() {
        var driver = waiting()
        for (id, channel) in [(ConnectionID(3), Channel.control), (ConnectionID(4), .data)] {
            driver.step(.opened(id, driver.hello(channel, term: 9, session: SessionID(bits: 99))))
            // The session stands in every micro-batch; the token does not.
            driver.step(.opened(id, driver.hello(channel, holder: HolderToken(bits: 6))))
            #expect(driver.machine.takesArchive(of: Self.other, from: id) == .stranger)
            #expect(driver.step(.received(id, .loadPartition(W.order(W.partition(8, 9))))).isEmpty)
        }
        #expect(driver.machine.takesArchive(of: Self.other, from: W.data) == .awaited)
    }

    @Test(
        "once the control connection is gone nobody holds the worker: an archive on the data connection that stands does not count")
    func stale() {
        var driver = waiting()
        driver.step(.closed(W.control))
        #expect(driver.machine.resultConnection == W.data)
        #expect(driver.machine.takesArchive(of: Self.other, from: W.data) == .stranger)
    }

    @Test("the orders of a coordinator end with it: neither its archive nor what waited for room is loaded for the next")
    func superseded() {
        var driver = waiting()
        driver.wait(.milliseconds(5_100))
        let next = SessionID(bits: 99)
        let out = driver.step(.opened(ConnectionID(3), driver.hello(.control, term: 2, session: next)))
        #expect(out.contains(.forgetWaitingLoads))
        driver.step(.opened(ConnectionID(4), driver.hello(.data, term: 2, session: next)))
        #expect(driver.machine.takesArchive(of: Self.other, from: W.data) == .stranger)
        #expect(driver.machine.takesArchive(of: Self.other, from: ConnectionID(4)) == .unasked)
        #expect(driver.step(.archiveStored(Self.other)).isEmpty)
        // The end of what was being looked for is no news to the next.
        #expect(driver.step(.loadFailed(Self.other, .failedPrecondition, "not in the store")).isEmpty)
        // What is loaded stays; and the next may order the same.
        #expect(driver.machine.loadedPartitions == [W.partition])
        let order = W.order(Self.other)
        #expect(driver.step(.received(ConnectionID(3), .loadPartition(order))) == [.load(order)])
        let report = driver.step(.loadFailed(Self.other, .failedPrecondition, "not in the store")).reports
        #expect(report.map(\.state) == [.missing])
        #expect(driver.machine.takesArchive(of: Self.other, from: ConnectionID(4)) == .awaited)
    }

    // MARK: --allow-model

    private func pinned(_ models: Set<String>) -> WorkerDriver {
        var driver = W()
        driver.machine = WorkerMachine(
            configuration: .init(
                name: "w", fallbackName: "unnamed", software: "test", incarnation: IncarnationID(bits: 1), executors: 1, slots: 4,
                slotBytes: 1_000, allowedModels: models))
        driver.step(.opened(W.control, driver.hello(.control)))
        driver.step(.opened(W.data, driver.hello(.data)))
        return driver
    }

    @Test("partitions of a model that is not allowed are refused for good, before the store is asked; allowed ones are loaded")
    func allowed() throws {
        let (a, b) = (String(repeating: "a", count: 64), String(repeating: "b", count: 64))
        var driver = pinned([b])
        let out = driver.step(.received(W.control, .loadPartition(W.order(W.partition))))
        let report = try #require(out.reports.first)
        #expect(out.count == 1 && report.state == .failed && report.code == .failedPrecondition && report.key == W.partition)
        #expect(report.message.contains("--allow-model") && report.message.contains(a), "\(report.message)")
        #expect(driver.machine.partitionCount == 0)
        // Nor does its archive come in.
        #expect(driver.machine.takesArchive(of: W.partition, from: W.data) == .unasked)
        for models: Set<String> in [[a], [b, a], []] {
            var driver = pinned(models)
            let order = W.order(W.partition)
            #expect(driver.step(.received(W.control, .loadPartition(order))) == [.load(order)], "\(models)")
        }
    }

    @Test("the worker's own log says what it refuses")
    func logged() {
        var driver = pinned([String(repeating: "b", count: 64)])
        let lines = driver.machine.step(.received(W.control, .loadPartition(W.order(W.partition))), now: driver.now).compactMap {
            if case .log(let line) = $0 { line } else { nil }
        }
        #expect(lines.map(\.message) == ["partition is refused"] && lines.map(\.level) == [.warning])
        #expect(lines.first?.metadata["cause"]?.contains("--allow-model") == true)
    }
}
