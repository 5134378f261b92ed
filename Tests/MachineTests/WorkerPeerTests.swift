import Base
import Cluster
import Testing
import Wire

/// Links to other workers, and partitions.
@Suite struct WorkerPeerTests {
    @Test(arguments: peerCases) func peers(_ row: Case) throws { try row.run() }
    @Test(arguments: partitionCases) func partitions(_ row: Case) throws { try row.run() }

    typealias D = WorkerDriver

    static let peerCases: [Case] = [
        Case("listed peers are dialled at once, itself is not") {
            var driver = D.serving(peers: [])
            let out = driver.step(.received(D.control, .peerTable(D.table(2, [D.peer("w"), D.peer("v")]))))
            #expect(out == [.dial(D.peer("v"))])
        },
        Case("an older table is ignored") {
            var driver = D.serving(peers: [])
            #expect(driver.step(.received(D.control, .peerTable(D.table(1, [D.peer("v")])))).isEmpty)
        },
        Case("work for a peer that is being dialled waits for it") {
            var driver = D.serving()
            driver.bring(D.key(1), to: .dialing)
            let out = driver.step(.peerOpened(D.peer("far"), ConnectionID(200)))
            #expect(
                out == [.forward(D.key(1), peer: "far", ConnectionID(200), route: [Hop(node: "far", partition: D.partition(4, 8))])]
            )
        },
        Case("a peer that cannot be reached is reported with what waited for it") {
            var driver = D.serving()
            driver.bring(D.key(1), to: .dialing)
            let out = driver.step(.peerFailed(D.peer("far"), "refused"))
            #expect(out.losses == [PeerLost(from: "w", to: "far", message: "refused", keys: [D.key(1)])])
            #expect(out.releases(D.key(1)) == 1)
        },
        Case("work for a peer that failed dials it again") {
            var driver = D.serving()
            driver.step(.closed(D.connection(to: 0)))
            driver.step(.workArrived(D.data, D.work(D.key(1), via: ["v"]), bytes: 10))
            driver.step(.prepared(D.key(1)))
            #expect(driver.step(.executed(D.key(1))) == [.dial(D.peer("v"))])
        },
        Case("work for a peer that no table names is reported and let go of") {
            var driver = D.serving()
            driver.step(.workArrived(D.data, D.work(D.key(1), via: ["nobody"]), bytes: 10))
            driver.step(.prepared(D.key(1)))
            let out = driver.step(.executed(D.key(1)))
            #expect(out.losses.map(\.to) == ["nobody"] && out.losses.first?.keys == [D.key(1)])
            #expect(out.releases(D.key(1)) == 1)
        },
        Case("a peer's connection closes under an activation: it is reported, because whether it has arrived nobody can say") {
            var driver = D.serving(executors: 2)
            driver.bring(D.key(1), to: .forwarding)
            driver.bring(D.key(2), to: .executing)
            let out = driver.step(.closed(D.connection(to: 0)))
            #expect(out.losses.map(\.keys) == [[D.key(1)]])
            #expect(out.releases(D.key(1)) == 1 && out.releases(D.key(2)) == 0)
            #expect(driver.step(.forwarded(D.key(1))).isEmpty)
        },
        Case("a cancelled activation on a connection that closes is dropped, not reported as lost") {
            var driver = D.serving()
            driver.bring(D.key(1), to: .forwarding)
            driver.step(.received(D.control, .cancelWork(CancelWork(keys: [D.key(1)]))))
            let out = driver.step(.closed(D.connection(to: 0)))
            #expect(out.losses.map(\.keys) == [[]])
            #expect(out.contains(D.dropped(D.key(1))) && out.releases(D.key(1)) == 1)
        },
        Case("a restarted peer: the old connection goes with what was on it, and nothing is held against the link") {
            var driver = D.serving()
            driver.bring(D.key(1), to: .forwarding)
            let out = driver.step(.received(D.control, .peerTable(D.table(2, [D.peer("v", incarnation: 51)]))))
            #expect(out.contains(.hangUp(D.connection(to: 0))) && out.contains(.dial(D.peer("v", incarnation: 51))))
            #expect(out.losses.isEmpty)
            #expect(out.contains(D.dropped(D.key(1))) && out.releases(D.key(1)) == 1)
            #expect(driver.step(.closed(D.connection(to: 0))).isEmpty)
            #expect(driver.machine.heldCount == 0)
        },
        Case("what waited for a peer that left the table is dropped") {
            var driver = D.serving()
            driver.bring(D.key(1), to: .dialing)
            let out = driver.step(.received(D.control, .peerTable(D.table(3, [D.peer("v")]))))
            #expect(out == [D.dropped(D.key(1)), .release(D.key(1))])
        },
        Case("the outcome of a dial to the process before says nothing about its successor") {
            var driver = D.serving()
            driver.bring(D.key(1), to: .dialing)
            driver.step(.received(D.control, .peerTable(D.table(3, [D.peer("v"), D.peer("far", incarnation: 51)]))))
            #expect(driver.step(.peerFailed(D.peer("far"), "another process answers")).isEmpty)
            #expect(driver.step(.peerOpened(D.peer("far"), ConnectionID(200))) == [.hangUp(ConnectionID(200))])
            driver.step(.peerOpened(D.peer("far", incarnation: 51), ConnectionID(201)))
            #expect(driver.machine.isPeerConnected("far"))
        },
        Case("of two connections to one peer the first stays, with all that was handed to it") {
            var driver = D.serving()
            driver.bring(D.key(1), to: .forwarding)
            #expect(driver.step(.peerOpened(D.peer("v"), ConnectionID(200))) == [.hangUp(ConnectionID(200))])
            #expect(driver.step(.closed(ConnectionID(200))).isEmpty)
            #expect(driver.machine.isPeerConnected("v") && driver.machine.heldCount == 1)
        },
        Case("a newer table asks for another try of what failed") {
            var driver = D.serving()
            driver.step(.closed(D.connection(to: 0)))
            #expect(driver.step(.received(D.control, .peerTable(D.table(2, [D.peer("v")])))) == [.dial(D.peer("v"))])
        },
        Case("a newer table leaves what is connected alone") {
            var driver = D.serving()
            #expect(driver.step(.received(D.control, .peerTable(D.table(2, [D.peer("v")])))).isEmpty)
        },
    ]

    static let other = D.partition(4, 8)

    static let partitionCases: [Case] = [
        Case("an order whose archive is missing asks for it, and loads when it has come") {
            var driver = D.serving()
            let order = D.order(other)
            #expect(driver.step(.received(D.control, .loadPartition(order))) == [.load(order)])
            #expect(driver.step(.loadFailed(other, .failedPrecondition, "no archive")).reports.map(\.state) == [.missing])
            #expect(driver.step(.archiveStored(other)) == [.load(order)])
            let report = PartitionReport(key: other, state: .ready, weightBytes: 5)
            #expect(driver.step(.loaded(other, report)) == [.send(D.control, .partitionReport(report))])
            #expect(Set(driver.machine.loadedPartitions) == [D.partition, other])
        },
        Case("an order for what is loaded is answered too") {
            var driver = D.serving()
            let order = D.order(D.partition)
            #expect(driver.step(.received(D.control, .loadPartition(order))) == [.load(order)])
            driver.bring(D.key(1), to: .executing)
            #expect(driver.machine.executingCount == 1)
        },
        Case("a load that fails says why and can be ordered again") {
            var driver = D.serving()
            driver.step(.received(D.control, .loadPartition(D.order(other))))
            let reports = driver.step(.loadFailed(other, .resourceExhausted, "80 MiB needed, 50 MiB free")).reports
            #expect(reports.map(\.state) == [.failed] && reports.first?.message.contains("50 MiB") == true)
            #expect(driver.step(.received(D.control, .loadPartition(D.order(other)))) == [.load(D.order(other))])
        },
        Case("an archive that is refused ends the order") {
            var driver = D.serving()
            driver.step(.received(D.control, .loadPartition(D.order(other))))
            driver.step(.loadFailed(other, .failedPrecondition, "no archive"))
            let reports = driver.step(.archiveRefused(other, .invalidArgument, "its digest is wrong")).reports
            #expect(reports.map(\.state) == [.failed])
        },
        Case("an archive that nobody ordered is only stored") {
            var driver = D.serving()
            #expect(driver.step(.archiveStored(other)).isEmpty)
        },
        Case("an eviction is reported once, and work for it is rejected") {
            var driver = D.serving()
            let out = driver.machine.evicted(D.partition)
            #expect(out.reports.map(\.state) == [.evicted])
            #expect(driver.machine.evicted(D.partition).isEmpty)
            #expect(driver.step(.workArrived(D.data, D.work(D.key(1)), bytes: 1)).rejections.count == 1)
        },
        Case("a load that ends while the coordinator is away counts when it is back") {
            var driver = D.serving()
            driver.step(.received(D.control, .loadPartition(D.order(other))))
            driver.step(.closed(D.control))
            #expect(driver.step(.loaded(other, PartitionReport(key: other, state: .ready))).isEmpty)
            #expect(driver.machine.loadedPartitions.contains(other))
        },
        Case("a release is passed on to the store") {
            var driver = D.serving()
            let release = ReleasePartition(key: D.partition)
            #expect(driver.step(.received(D.control, .releasePartition(release))) == [.releasePartition(D.partition)])
        },
    ]
}
