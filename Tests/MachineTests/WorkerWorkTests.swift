import Base
import Cluster
import Testing
import Wire

/// The life of a micro-batch on a worker.
@Suite struct WorkerWorkTests {
    @Test(arguments: cases) func work(_ row: Case) throws { try row.run() }

    typealias D = WorkerDriver

    static let cases: [Case] = [
        Case("one stage: prepare, execute, give the result, release") {
            var driver = D.serving()
            let key = D.key(1)
            #expect(driver.step(.workArrived(D.data, D.work(key), bytes: 10)) == [.prepare(key)])
            #expect(driver.machine.heldByteCount == 10)
            #expect(driver.step(.prepared(key)) == [.execute(key, D.partition)])
            #expect(driver.step(.executed(key)) == [.giveResult(key, D.data)])
            #expect(driver.step(.forwarded(key)) == [.release(key)])
            #expect(driver.machine.heldCount == 0 && driver.machine.heldByteCount == 0 && driver.machine.completed == 1)
        },
        Case("two stages: the next hop gets the rest of the route") {
            var driver = D.serving()
            let key = D.key(1)
            driver.step(.workArrived(D.data, D.work(key, via: ["v"]), bytes: 10))
            driver.step(.prepared(key))
            let rest = [Hop(node: "v", partition: D.partition(4, 8))]
            #expect(driver.step(.executed(key)) == [.forward(key, peer: "v", D.connection(to: 0), route: rest)])
            #expect(driver.step(.forwarded(key)) == [.release(key)])
        },
        Case("a peer's work is taken like the coordinator's") {
            var driver = D.serving()
            driver.step(.opened(ConnectionID(9), driver.peerHello()))
            #expect(driver.step(.workArrived(ConnectionID(9), D.work(D.key(1)), bytes: 10)) == [.prepare(D.key(1))])
        },
        Case("executors run as many as there are, in the order of arrival") {
            var driver = D.serving(executors: 2)
            for number in 1...3 as ClosedRange<UInt64> {
                driver.step(.workArrived(D.data, D.work(D.key(number)), bytes: 10))
                driver.step(.prepared(D.key(number)))
            }
            #expect(driver.machine.executingCount == 2 && driver.machine.queuedCount == 1)
            #expect(driver.step(.executed(D.key(2))) == [.giveResult(D.key(2), D.data), .execute(D.key(3), D.partition)])
        },
        Case("work of another session is let go of without a word") {
            var driver = D.serving()
            let key = D.key(1, session: SessionID(bits: 5))
            #expect(driver.step(.workArrived(D.data, D.work(key), bytes: 10)) == [.release(key)])
        },
        Case("work on a connection that is over is let go of without a word") {
            var driver = D.serving()
            #expect(driver.step(.workArrived(ConnectionID(77), D.work(D.key(1)), bytes: 10)) == [.release(D.key(1))])
        },
        Case("the same attempt twice closes the connection that brought it again and touches nothing else") {
            var driver = D.serving()
            driver.bring(D.key(1), to: .executing)
            let out = driver.step(.workArrived(D.data, D.work(D.key(1)), bytes: 10))
            #expect(out.count == 1)
            #expect(out.contains { if case .close(D.data, _) = $0 { true } else { false } })
            #expect(driver.machine.heldCount == 1)
        },
        Case("a route that begins elsewhere is rejected") {
            var driver = D.serving()
            let work = Work(
                key: D.key(1), route: [Hop(node: "v", partition: D.partition)], items: 1, deadlineMilliseconds: 9, tensors: [])
            let out = driver.step(.workArrived(D.data, work, bytes: 10))
            #expect(out.rejections.map(\.code) == [.failedPrecondition] && out.releases(D.key(1)) == 1)
        },
        Case("an empty route is rejected") {
            var driver = D.serving()
            let work = Work(key: D.key(1), route: [], items: 1, deadlineMilliseconds: 9, tensors: [])
            #expect(driver.step(.workArrived(D.data, work, bytes: 10)).rejections.map(\.code) == [.failedPrecondition])
        },
        Case("a partition that is not loaded is rejected") {
            var driver = D.serving()
            _ = driver.machine.evicted(D.partition)
            let out = driver.step(.workArrived(D.data, D.work(D.key(1)), bytes: 10))
            #expect(out.rejections.map(\.code) == [.failedPrecondition] && out.releases(D.key(1)) == 1)
        },
        Case("above the slots it rejects, naming the limit, and takes again when one is free") {
            var driver = D.serving(slots: 1)
            driver.bring(D.key(1), to: .executing, via: [])
            let out = driver.step(.workArrived(D.data, D.work(D.key(2)), bytes: 10))
            #expect(out.rejections.map(\.code) == [.resourceExhausted] && out.releases(D.key(2)) == 1)
            #expect(out.rejections.first?.message.contains("1 micro-batches") == true)
            driver.step(.executed(D.key(1)))
            driver.step(.forwarded(D.key(1)))
            #expect(driver.step(.workArrived(D.data, D.work(D.key(3)), bytes: 10)) == [.prepare(D.key(3))])
        },
        Case("above the bytes it rejects, at the bound it does not") {
            var driver = D.serving(slotBytes: 100)
            #expect(driver.step(.workArrived(D.data, D.work(D.key(1)), bytes: 60)) == [.prepare(D.key(1))])
            #expect(driver.step(.workArrived(D.data, D.work(D.key(2)), bytes: 41)).rejections.map(\.code) == [.resourceExhausted])
            #expect(driver.step(.workArrived(D.data, D.work(D.key(3)), bytes: 40)) == [.prepare(D.key(3))])
        },
        Case("a micro-batch whose deadline passes in the queue is dropped, not run") {
            var driver = D.serving()
            driver.bring(D.key(99), to: .executing, via: [])
            driver.step(.workArrived(D.data, D.work(D.key(1), deadline: 100), bytes: 10))
            driver.step(.prepared(D.key(1)))
            driver.wait(.milliseconds(100))
            let out = driver.step(.executed(D.key(99)))
            #expect(out == [.giveResult(D.key(99), D.data), D.dropped(D.key(1)), .release(D.key(1))])
        },
        Case("an input that cannot be decoded fails alone") {
            var driver = D.serving()
            driver.bring(D.key(1), to: .preparing)
            let out = driver.step(.prepareFailed(D.key(1), .invalidArgument, "broken"))
            let failed = WorkFailed(key: D.key(1), node: "w", code: .invalidArgument, message: "broken")
            #expect(out == [.send(D.control, .workFailed(failed)), .release(D.key(1))])
        },
        Case("an input that the model rejects fails, and the executor is free again") {
            var driver = D.serving()
            driver.bring(D.key(1), to: .queued)
            let out = driver.step(.executionFailed(D.key(99), .invalidArgument, "no"))
            #expect(out.releases(D.key(99)) == 1)
            #expect(out.last == .execute(D.key(1), D.partition))
        },
        Case("what fails for lack of memory, room or the partition may be tried elsewhere") {
            for code in [StatusCode.resourceExhausted, .failedPrecondition, .unavailable] {
                var driver = D.serving()
                driver.bring(D.key(1), to: .executing)
                let out = driver.step(.executionFailed(D.key(1), code, "none left"))
                #expect(out.rejections.map(\.code) == [code] && out.releases(D.key(1)) == 1)
            }
        },
        Case("an activation that the wire cannot carry fails the micro-batch") {
            var driver = D.serving()
            driver.bring(D.key(1), to: .forwarding)
            let out = driver.step(.forwardFailed(D.key(1), "too large"))
            #expect(
                out.contains { if case .send(_, .workFailed(let failed)) = $0 { failed.code == .internalError } else { false } })
            #expect(driver.machine.heldCount == 0)
        },
        Case("the data connection closes while a result is on it: the slot is free and the coordinator hears of it") {
            var driver = D.serving()
            driver.bring(D.key(1), to: .forwarding, via: [])
            #expect(driver.step(.closed(D.data)) == [D.dropped(D.key(1)), .release(D.key(1))])
            #expect(driver.step(.forwarded(D.key(1))).isEmpty)
            #expect(driver.machine.heldCount == 0)
        },
        Case("a newer data connection replaces the one that a result is on") {
            var driver = D.serving()
            driver.bring(D.key(1), to: .forwarding, via: [])
            let out = driver.step(.opened(ConnectionID(3), driver.hello(.data)))
            #expect(out.releases(D.key(1)) == 1)
            #expect(driver.step(.closed(D.data)).isEmpty)
            driver.step(.workArrived(ConnectionID(3), D.work(D.key(2)), bytes: 10))
            driver.step(.prepared(D.key(2)))
            #expect(driver.step(.executed(D.key(2))) == [.giveResult(D.key(2), ConnectionID(3))])
        },
        Case("a result while the coordinator's data connection is away is let go of") {
            var driver = D.serving()
            driver.bring(D.key(1), to: .executing, via: [])
            driver.step(.closed(D.data))
            #expect(driver.step(.executed(D.key(1))) == [.release(D.key(1))])
        },
        Case("after a drain work is rejected as unavailable, what runs ends, and then the process may end") {
            var driver = D.serving()
            driver.bring(D.key(1), to: .executing, via: [])
            #expect(driver.step(.drain).isEmpty)
            let out = driver.step(.workArrived(D.data, D.work(D.key(2)), bytes: 10))
            #expect(out.rejections.map(\.code) == [.unavailable])
            driver.step(.executed(D.key(1)))
            #expect(driver.step(.forwarded(D.key(1))) == [.release(D.key(1)), .drained])
        },
        Case("an idle worker drains at once") {
            var driver = D.serving()
            #expect(driver.step(.drain) == [.drained])
        },
    ]

    // MARK: Cancelling

    struct Cancellation: Sendable, CustomTestStringConvertible {
        let phase: WorkerDriver.Phase
        /// What must follow at once, and the event that ends it otherwise.
        let endsAtOnce: Bool
        var testDescription: String { "\(phase)" }
    }

    static let cancellations = [
        Cancellation(phase: .preparing, endsAtOnce: false), Cancellation(phase: .queued, endsAtOnce: true),
        Cancellation(phase: .executing, endsAtOnce: false), Cancellation(phase: .dialing, endsAtOnce: true),
        Cancellation(phase: .forwarding, endsAtOnce: false),
    ]

    @Test("a cancelled micro-batch is dropped once, whatever its phase", arguments: cancellations)
    func cancel(_ row: Cancellation) {
        let key = D.key(1)
        var driver = D.serving()
        driver.bring(key, to: row.phase)
        let cancel = WorkerMachine.Event.received(D.control, .cancelWork(CancelWork(keys: [key])))
        var out = driver.step(cancel)
        #expect((out == [D.dropped(key), .release(key)]) == row.endsAtOnce)
        if !row.endsAtOnce {
            #expect(out.isEmpty && driver.step(cancel).isEmpty)
            switch row.phase {
            case .preparing: out = driver.step(.prepared(key))
            case .executing: out = driver.step(.executed(key))
            case .forwarding: out = driver.step(.forwarded(key))
            case .queued, .dialing: break
            }
            #expect(out.contains(D.dropped(key)) && out.releases(key) == 1)
        }
        // The late end of an earlier step changes nothing, and the key is not taken again.
        #expect(driver.step(.forwarded(key)).isEmpty)
        #expect(driver.step(.workArrived(D.data, D.work(key), bytes: 10)) == [D.dropped(key), .release(key)])
        #expect(driver.machine.heldCount == (row.phase == .queued ? 1 : 0))
    }

    @Test("a cancelled micro-batch whose step fails is dropped, not failed") func cancelThenFail() {
        var driver = D.serving()
        driver.bring(D.key(1), to: .executing)
        driver.step(.received(D.control, .cancelWork(CancelWork(keys: [D.key(1)]))))
        #expect(driver.step(.executionFailed(D.key(1), .invalidArgument, "no")) == [D.dropped(D.key(1)), .release(D.key(1))])
    }

    @Test("a cancellation that overtakes its micro-batch is remembered") func tombstone() {
        var driver = D.serving()
        #expect(driver.step(.received(D.control, .cancelWork(CancelWork(keys: [D.key(1)])))).isEmpty)
        #expect(driver.step(.workArrived(D.data, D.work(D.key(1)), bytes: 10)) == [D.dropped(D.key(1)), .release(D.key(1))])
        #expect(driver.step(.workArrived(D.data, D.work(D.key(1, attempt: 2)), bytes: 10)) == [.prepare(D.key(1, attempt: 2))])
    }
}
