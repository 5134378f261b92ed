import Base
import Cluster
import Testing
import Wire

/// A held worker is its coordinator's alone: the session, which every worker sees, gives no right to it, and what a hello says takes effect
/// only once it is accepted.
@Suite struct WorkerTakeoverTests {
    @Test(arguments: cases) func takeover(_ row: Case) throws { try row.run() }

    typealias D = WorkerDriver
    static let stranger = ConnectionID(30)

    /// What a stranger who knows the session may try: no token, and a guess.
    static let guesses = [HolderToken.none, HolderToken(bits: 6)]

    static let cases: [Case] = [
        Case("who knows the session but not the token replaces no living holder, on either channel") {
            for holder in guesses {
                for channel in [Channel.control, .data] {
                    var driver = D.serving()
                    driver.bring(D.key(1), to: .queued)
                    let out = driver.step(.opened(stranger, driver.hello(channel, name: "stranger", holder: holder)))
                    let refused = try #require(out.refusals.first)
                    #expect(refused.code == .superseded && refused.isHeld && refused.incarnation == IncarnationID(bits: 1))
                    #expect(out.count == 1)
                    #expect(driver.machine.controlConnection == D.control && driver.machine.resultConnection == D.data)
                    #expect(driver.machine.heldCount == 2)
                }
            }
        },
        Case("the holder itself comes back at once, though its old connection still seems to stand") {
            var driver = D.serving()
            #expect(driver.step(.opened(ConnectionID(31), driver.hello(.control))).welcomes.count == 1)
            #expect(driver.step(.opened(ConnectionID(32), driver.hello(.data))).welcomes.count == 1)
            #expect(driver.machine.controlConnection == ConnectionID(31) && driver.machine.resultConnection == ConnectionID(32))
        },
        Case("a holder that has been silent for too long may be replaced by its session, and nothing of it stays") {
            var driver = D.serving()
            driver.wait(.milliseconds(5_100))
            let out = driver.step(.opened(stranger, driver.hello(.control, holder: HolderToken(bits: 6))))
            #expect(out.welcomes.count == 1 && driver.machine.resultConnection == nil)
            #expect(out.count { if case .close = $0 { true } else { false } } == 2)
        },
        Case("a coordinator without a token is obeyed, and comes back, as before there was one") {
            var driver = WorkerDriver()
            for number in [1, 3] as [UInt64] {
                let hello = driver.hello(.control, holder: .none)
                #expect(driver.step(.opened(ConnectionID(number), hello)).welcomes.count == 1)
            }
        },
        Case("data connections follow the control connection") {
            var driver = WorkerDriver()
            #expect(driver.step(.opened(stranger, driver.hello(.data))).refusals.map(\.code) == [.failedPrecondition])
            #expect(driver.machine.resultConnection == nil)
            // Nor does one take over what a silent coordinator held.
            driver = D.serving()
            driver.wait(.milliseconds(5_100))
            let later = driver.hello(.data, term: 9, session: SessionID(bits: 99))
            #expect(driver.step(.opened(stranger, later)).refusals.map(\.code) == [.failedPrecondition])
            #expect(driver.machine.controlConnection == D.control)
        },
        Case("a refused hello changes no setting") {
            var driver = WorkerDriver(name: nil)
            driver.step(.opened(D.control, driver.hello(.control, assigned: "w", compression: .always)))
            for (term, session) in [(1, D.session), (9, SessionID(bits: 99))] as [(UInt64, SessionID)] {
                let hello = driver.hello(
                    .control, term: term, session: session, assigned: "other", holder: HolderToken(bits: 6), compression: .never)
                #expect(driver.step(.opened(stranger, hello)).refusals.count == 1)
            }
            #expect(driver.machine.compression == .always && driver.machine.name == "w")
            #expect(driver.machine.controlConnection == D.control && driver.machine.connectionCount == 1)
        },
        Case("an accepted one does: the compression, and the name where the worker has none of its own") {
            var driver = WorkerDriver(name: nil)
            driver.step(.opened(D.control, driver.hello(.control, assigned: "a")))
            driver.step(.closed(D.control))
            driver.step(.opened(ConnectionID(3), driver.hello(.control, assigned: "b", compression: .never)))
            #expect(driver.machine.compression == .never && driver.machine.name == "b")
        },
        Case("work counts from the result channel and from processes of the peer table, from nobody else") {
            var driver = D.serving()
            let refusedHello = driver.hello(.control, session: SessionID(bits: 99))
            driver.step(.opened(ConnectionID(40), refusedHello))
            driver.step(.opened(ConnectionID(41), driver.peerHello(incarnation: 666)))
            driver.step(.opened(ConnectionID(42), driver.peerHello()))
            for connection in [ConnectionID(40), ConnectionID(41), ConnectionID(99)] {
                #expect(!driver.machine.takesWork(from: connection))
                let out = driver.step(.workArrived(connection, D.work(D.key(1)), bytes: 10))
                #expect(out.first == .release(D.key(1)) && driver.machine.heldCount == 0)
                #expect(!out.contains { if case .send = $0 { true } else { false } })
            }
            for (number, connection) in [(2, ConnectionID(42)), (3, D.data)] as [(UInt64, ConnectionID)] {
                #expect(driver.step(.workArrived(connection, D.work(D.key(number)), bytes: 10)) == [.prepare(D.key(number))])
            }
        },
        Case("a stranger's connection ends with its work, so that who sent it in good faith hears of it") {
            var driver = D.serving()
            driver.step(.opened(ConnectionID(41), driver.peerHello(incarnation: 666)))
            let out = driver.step(.workArrived(ConnectionID(41), D.work(D.key(1)), bytes: 10))
            #expect(out.contains { if case .close(ConnectionID(41), _) = $0 { true } else { false } })
        },
        Case("a process that has left the table is a stranger") {
            var driver = D.serving()
            driver.step(.opened(ConnectionID(42), driver.peerHello()))
            driver.step(.received(D.control, .peerTable(D.table(2, [D.peer("v", incarnation: 51)]))))
            #expect(!driver.machine.takesWork(from: ConnectionID(42)))
        },
    ]
}
