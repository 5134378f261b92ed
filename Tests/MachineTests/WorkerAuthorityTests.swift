import Cluster
import Testing
import Wire

/// Whom a worker obeys.
@Suite struct WorkerAuthorityTests {
    @Test(arguments: cases) func authority(_ row: Case) throws { try row.run() }

    static let second = SessionID(bits: 99)

    static let cases: [Case] = [
        Case("the first coordinator is obeyed and gives the name") {
            var driver = WorkerDriver(name: nil)
            let out = driver.step(.opened(WorkerDriver.control, driver.hello(.control, assigned: "w7")))
            #expect(out.welcomes.map(\.name) == ["w7"])
            #expect(out.welcomes.map(\.term) == [1])
        },
        Case("its own name goes before the one that the coordinator gives") {
            var driver = WorkerDriver(name: "mine")
            let out = driver.step(.opened(WorkerDriver.control, driver.hello(.control, assigned: "w7")))
            #expect(out.welcomes.map(\.name) == ["mine"])
        },
        Case("while one coordinator holds it, a second of the same term is told who, however large its session") {
            var driver = WorkerDriver.serving()
            for channel in [Channel.control, .data] {
                let out = driver.step(.opened(ConnectionID(3), driver.hello(channel, session: second, name: "second")))
                let refused = try #require(out.refusals.first)
                #expect(refused.code == .superseded && refused.isHeld && refused.term == 1)
                #expect(refused.message.contains("\"first\""))
            }
            #expect(driver.step(.received(WorkerDriver.control, .ping(Ping(sequence: 1, sentAtNanoseconds: 2)))).count == 1)
        },
        Case("once the first has gone, the second is told to come with a later term") {
            var driver = WorkerDriver.serving()
            driver.step(.closed(WorkerDriver.control))
            let refused = try #require(
                driver.step(.opened(ConnectionID(3), driver.hello(.control, session: second))).refusals.first)
            #expect(refused.code == .superseded && !refused.isHeld && refused.term == 1)
            let out = driver.step(.opened(ConnectionID(4), driver.hello(.control, term: 2, session: second)))
            #expect(out.welcomes.map(\.term) == [2])
        },
        Case("a first that is connected but silent holds it no longer than five pings") {
            var driver = WorkerDriver.serving()
            driver.wait(.milliseconds(4_900))
            #expect(driver.step(.opened(ConnectionID(3), driver.hello(.control, session: second))).refusals.first?.isHeld == true)
            driver.wait(.milliseconds(200))
            #expect(driver.step(.opened(ConnectionID(3), driver.hello(.control, session: second))).refusals.first?.isHeld == false)
        },
        Case("any message of the first keeps it") {
            var driver = WorkerDriver.serving()
            driver.wait(.seconds(4))
            driver.step(.received(WorkerDriver.control, .ping(Ping(sequence: 1, sentAtNanoseconds: 2))))
            driver.wait(.seconds(4))
            #expect(driver.step(.opened(ConnectionID(3), driver.hello(.control, session: second))).refusals.first?.isHeld == true)
        },
        Case("a later term takes nothing from a coordinator that lives") {
            var driver = WorkerDriver.serving()
            for channel in [Channel.control, .data] {
                let out = driver.step(.opened(ConnectionID(3), driver.hello(channel, term: 7, session: second, name: "second")))
                let refused = try #require(out.refusals.first)
                #expect(refused.code == .superseded && refused.isHeld && refused.term == 1)
                #expect(!out.contains { if case .close = $0 { true } else { false } })
            }
        },
        Case("a later term supersedes a silent one: the old connections close and its work is let go of without a word") {
            var driver = WorkerDriver.serving()
            driver.bring(WorkerDriver.key(1), to: .queued)
            driver.bring(WorkerDriver.key(2), to: .preparing)
            driver.wait(.milliseconds(5_100))
            let out = driver.step(.opened(ConnectionID(3), driver.hello(.control, term: 2, session: second)))
            #expect(out.contains { if case .close(WorkerDriver.control, _) = $0 { true } else { false } })
            #expect(out.contains { if case .close(WorkerDriver.data, _) = $0 { true } else { false } })
            #expect(out.releases(WorkerDriver.key(1)) == 1)
            #expect(!out.contains { if case .send(_, .workDropped) = $0 { true } else { false } })
            // What is decoding or executing goes when that step ends.
            #expect(driver.step(.prepared(WorkerDriver.key(2))) == [.release(WorkerDriver.key(2))])
            #expect(driver.step(.executed(WorkerDriver.key(99))) == [.release(WorkerDriver.key(99))])
            #expect(driver.machine.heldCount == 0 && driver.machine.heldByteCount == 0)
        },
        Case("late words of a coordinator that was superseded do nothing: no order, no work, no result") {
            var driver = WorkerDriver.serving()
            driver.wait(.milliseconds(5_100))
            driver.step(.opened(ConnectionID(3), driver.hello(.control, term: 2, session: second)))
            driver.step(.opened(ConnectionID(4), driver.hello(.data, term: 2, session: second)))
            for connection in [WorkerDriver.control, WorkerDriver.data] {
                let orders: [Message] = [
                    .loadPartition(WorkerDriver.order(WorkerDriver.partition(4, 8))),
                    .releasePartition(ReleasePartition(key: WorkerDriver.partition)),
                    .cancelWork(CancelWork(keys: [WorkerDriver.key(1)])), .peerTable(PeerTable(version: 99, peers: [])),
                ]
                for order in orders { #expect(driver.step(.received(connection, order)).isEmpty) }
            }
            // Its work, whether on its own connection or passed on by a peer that still obeys it.
            driver.step(.opened(ConnectionID(9), driver.peerHello()))
            for connection in [WorkerDriver.data, ConnectionID(9)] {
                let out = driver.step(.workArrived(connection, WorkerDriver.work(WorkerDriver.key(7)), bytes: 10))
                #expect(out == [.release(WorkerDriver.key(7))])
            }
            // It comes again with its old claim: told that another one holds the worker, which goes on undisturbed.
            let refused = try #require(driver.step(.opened(ConnectionID(5), driver.hello(.control))).refusals.first)
            #expect(refused.code == .superseded && refused.isHeld && refused.term == 2)
            let taken = driver.step(
                .workArrived(ConnectionID(4), WorkerDriver.work(WorkerDriver.key(8, session: second)), bytes: 10))
            #expect(taken == [.prepare(WorkerDriver.key(8, session: second))])
        },
        Case("the refusal names the holder and says what to do") {
            var driver = WorkerDriver.serving()
            let refused = try #require(
                driver.step(.opened(ConnectionID(3), driver.hello(.control, session: second, name: "second"))).refusals.first)
            #expect(refused.message.contains("\"first\"") && refused.message.contains("stop that coordinator"))
        },
        Case("partitions outlive the coordinator") {
            var driver = WorkerDriver.serving()
            driver.step(.closed(WorkerDriver.control))
            driver.step(.opened(ConnectionID(3), driver.hello(.control, term: 2, session: second)))
            #expect(driver.machine.loadedPartitions == [WorkerDriver.partition])
        },
        Case("orders count only on the obeyed control connection") {
            var driver = WorkerDriver.serving()
            driver.step(.opened(ConnectionID(9), driver.peerHello()))
            for connection in [WorkerDriver.data, ConnectionID(9), ConnectionID(77)] {
                let other = WorkerDriver.partition(4, 8)
                #expect(driver.step(.received(connection, .loadPartition(WorkerDriver.order(other)))).isEmpty)
                #expect(
                    driver.step(.received(connection, .releasePartition(ReleasePartition(key: WorkerDriver.partition)))).isEmpty)
            }
        },
        Case("a coordinator without a claim is refused") {
            var driver = WorkerDriver()
            var hello = driver.hello(.control)
            hello.claim = nil
            #expect(driver.step(.opened(ConnectionID(1), hello)).refusals.map(\.code) == [.invalidArgument])
        },
        Case("a client is told where to go") {
            var driver = WorkerDriver()
            let hello = Hello(role: .client, channel: .data, name: "c", software: "test", incarnation: IncarnationID(bits: 4))
            let refused = try #require(driver.step(.opened(ConnectionID(1), hello)).refusals.first)
            #expect(refused.code == .failedPrecondition && refused.message.contains("coordinator"))
        },
        Case("workers open data connections only") {
            var driver = WorkerDriver()
            #expect(driver.step(.opened(ConnectionID(1), driver.peerHello(.control))).refusals.map(\.code) == [.failedPrecondition])
            #expect(driver.step(.opened(ConnectionID(1), driver.peerHello())).welcomes.count == 1)
        },
        Case("a newer control connection of the same session replaces the older one, and what was held is stale") {
            var driver = WorkerDriver.serving()
            driver.bring(WorkerDriver.key(1), to: .queued)
            let out = driver.step(.opened(ConnectionID(3), driver.hello(.control)))
            #expect(out.contains { if case .close(WorkerDriver.control, _) = $0 { true } else { false } })
            #expect(out.releases(WorkerDriver.key(1)) == 1)
            #expect(driver.step(.closed(WorkerDriver.control)).isEmpty)
            #expect(driver.step(.received(ConnectionID(3), .cancelWork(CancelWork(keys: [])))).isEmpty)
        },
        Case("the control connection closes while the data connection stands: what was held is let go of") {
            var driver = WorkerDriver.serving()
            driver.bring(WorkerDriver.key(1), to: .queued)
            let out = driver.step(.closed(WorkerDriver.control))
            #expect(out.releases(WorkerDriver.key(1)) == 1)
            // Its result would be of no use: the coordinator has sent it elsewhere.
            #expect(driver.step(.executed(WorkerDriver.key(99))) == [.release(WorkerDriver.key(99))])
            #expect(driver.machine.heldCount == 0)
        },
    ]
}
