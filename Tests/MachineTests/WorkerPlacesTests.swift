import Cluster
import Testing
import Wire

/// Where a micro-batch is, as the worker says it to the coordinator that misses it.
@Suite struct WorkerPlacesTests {
    @Test(arguments: cases) func places(_ row: Case) throws { try row.run() }

    typealias D = WorkerDriver

    /// What it says of each.
    private static func ask(_ driver: inout D, _ keys: [WorkKey], on connection: ConnectionID = D.control) -> [WorkPlace] {
        let questions = keys.map { WorkQuestion(key: $0, from: nil) }
        let out = driver.step(.received(connection, .ping(Ping(sequence: 3, sentAtNanoseconds: 4, questions: questions))))
        for case .sayPlaces(connection, let pong, questions) in out {
            #expect(pong.sequence == 3 && pong.sentAtNanoseconds == 4 && pong.questions.isEmpty)
            return pong.places
        }
        #expect(out == [.send(connection, .pong(Ping(sequence: 3, sentAtNanoseconds: 4)))])
        return []
    }

    static let cases: [Case] = [
        Case("it holds it from its arrival until the kernel has its last byte, and then has passed it on") {
            var driver = D.serving()
            let key = D.key(1)
            #expect(ask(&driver, [key]).map(\.state) == [.absent])
            driver.step(.workArrived(D.data, D.work(key, via: ["v"]), bytes: 10))
            #expect(ask(&driver, [key]).map(\.state) == [.held])
            driver.step(.prepared(key))
            #expect(ask(&driver, [key]).map(\.state) == [.held])
            driver.step(.executed(key))
            #expect(ask(&driver, [key]).map(\.state) == [.held])
            #expect(driver.machine.sendingConnection(of: key) == D.connection(to: 0))
            driver.step(.forwarded(key, sentBytes: 77))
            #expect(ask(&driver, [key, D.key(2)]).map(\.state) == [.passedOn, .absent])
            #expect(ask(&driver, [key]).map(\.sentBytes) == [77])
        },
        Case("a result counts as passed on") {
            var driver = D.serving()
            driver.step(.workArrived(D.data, D.work(D.key(1)), bytes: 10))
            driver.step(.prepared(D.key(1)))
            driver.step(.executed(D.key(1)))
            driver.step(.forwarded(D.key(1), sentBytes: 5))
            #expect(ask(&driver, [D.key(1)]).map(\.state) == [.passedOn])
        },
        Case("it says how far back it remembers") {
            var driver = D.serving()
            #expect(ask(&driver, [D.key(9)]).map(\.rememberedMilliseconds) == [.max])
            for number in 1...4_100 as ClosedRange<UInt64> {
                driver.wait(.milliseconds(1))
                driver.step(.workArrived(D.data, D.work(D.key(number)), bytes: 10))
                driver.step(.prepared(D.key(number)))
                driver.step(.executed(D.key(number)))
                driver.step(.forwarded(D.key(number), sentBytes: 5))
            }
            let places = ask(&driver, [D.key(4), D.key(5)])
            #expect(places.map(\.state) == [.absent, .passedOn])
            #expect(places[0].rememberedMilliseconds == 4_096)
        },
        Case("nobody else is told, and another coordinator's micro-batches are not known") {
            var driver = D.serving()
            driver.step(.workArrived(D.data, D.work(D.key(1)), bytes: 10))
            #expect(ask(&driver, [D.key(1)], on: D.data).isEmpty)
            #expect(ask(&driver, [D.key(1, session: SessionID(bits: 3))]).map(\.state) == [.unknown])
        },
    ]
}
